"""What scikit-learn has fitted, as plain arrays that compute its predictions: stored without pickling, and alike.

F features, C classes, M nodes of all trees. A features matrix X is sparse, (N, F).
"""

from collections.abc import Sequence
from typing import Any, Protocol, TypeAlias

import numpy as np
from numba import njit
from scipy.sparse import csr_matrix

from nextword.errors import UsageError
from nextword.types import Array

Arrays: TypeAlias = dict[str, Array]
_MISFIT = "the classifier's arrays do not fit together; train or copy the model again"


class Fitted(Protocol):
    """A classifier of feature vectors."""

    def scores(self, features: Any) -> Array:
        """For each row and class a number, (N, C): log-probabilities, but for a constant in each row."""
        ...

    def arrays(self) -> Arrays:
        """What to store."""
        ...


class Linear:
    """Scores Wx + b: logistic regression, naive Bayes, and a linear support vector machine's margins."""

    def __init__(self, weights: Array, bias: Array):
        """weights: (C, F); bias: (C,). Raises UsageError if they do not fit together."""
        if weights.ndim != 2 or bias.shape != weights.shape[:1]:
            raise UsageError(_MISFIT)
        self.weights, self.bias = weights, bias

    @classmethod
    def of(cls, model: Any) -> "Linear":
        """Of a fitted LogisticRegression or LinearSVC, with one row for two classes, or of a MultinomialNB."""
        if hasattr(model, "feature_log_prob_"):
            return cls(model.feature_log_prob_, model.class_log_prior_)
        weights, bias = model.coef_, np.broadcast_to(model.intercept_, len(model.coef_))
        if len(model.classes_) == 2:  # the margin of the second class, against 0 of the first
            weights, bias = np.concatenate([np.zeros_like(weights), weights]), np.append(0.0, bias)
        return cls(np.ascontiguousarray(weights), np.array(bias))

    def scores(self, features: Any) -> Array:
        """Wx + b, (N, C)."""
        return np.asarray(features @ self.weights.T + self.bias)

    def arrays(self) -> Arrays:
        """Weights and bias."""
        return {"weights": self.weights, "bias": self.bias}


class Trees:
    """Decision trees, whose leaves' class shares are averaged. A tree's nodes stand together, children after parents.

    starts: (trees,) first nodes. left, right: (M,) children, -1 at a leaf. feature, threshold: (M,): a row whose
    feature is at most the threshold goes left. shares: (M, C). All indices are int64.
    """

    def __init__(self, features: int, arrays: Arrays):
        """features: F. Raises UsageError for arrays that do not fit together: no walk leaves them, or never ends."""
        if set(arrays) != {"starts", "left", "right", "feature", "threshold", "shares"}:
            raise UsageError(_MISFIT)
        self.features, self._arrays = features, arrays
        self.starts, self.left, self.right = arrays["starts"], arrays["left"], arrays["right"]
        self.feature, self.threshold, self.shares = arrays["feature"], arrays["threshold"], arrays["shares"]
        if not self._fits():
            raise UsageError(_MISFIT)

    def _fits(self) -> bool:
        size = len(self.left)
        nodes, inner = np.arange(size), self.left >= 0
        return bool(
            all(len(array) == size for array in (self.right, self.feature, self.threshold, self.shares))
            and all(a.dtype == np.int64 and a.ndim == 1 for a in (self.starts, self.left, self.right, self.feature))
            and (self.threshold.ndim, self.shares.ndim) == (1, 2)
            and len(self.starts) > 0
            and ((self.starts >= 0) & (self.starts < size)).all()
            and all(((a > nodes) & (a < size))[inner].all() for a in (self.left, self.right))
            and ((self.feature >= 0) & (self.feature < self.features))[inner].all()
        )

    @classmethod
    def of(cls, model: Any) -> "Trees":
        """Of a fitted DecisionTreeClassifier or RandomForestClassifier."""
        trees: Sequence[Any] = [one.tree_ for one in getattr(model, "estimators_", [model])]
        starts = np.cumsum([0, *(tree.node_count for tree in trees[:-1])])
        values = np.concatenate([tree.value[:, 0, :] for tree in trees])
        arrays = {
            "starts": starts.astype(np.int64),
            "left": _placed([tree.children_left for tree in trees], starts),
            "right": _placed([tree.children_right for tree in trees], starts),
            "feature": np.concatenate([tree.feature for tree in trees]).astype(np.int64),
            "threshold": np.concatenate([tree.threshold for tree in trees]),
            "shares": values / values.sum(axis=1, keepdims=True),
        }
        return cls(trees[0].n_features, arrays)

    def scores(self, features: Any) -> Array:
        """Logarithm of the mean share of each class in the leaves that a row falls into, (N, C)."""
        rows = csr_matrix(features)
        out = np.zeros((rows.shape[0], self.shares.shape[1]))
        sparse = rows.indptr.astype(np.int64), rows.indices.astype(np.int64), rows.data.astype(np.float32)
        nodes = self.left, self.right, self.feature, self.threshold, self.shares
        _add_leaves(*sparse, self.features, self.starts, *nodes, out)
        with np.errstate(divide="ignore"):
            return np.asarray(np.log(out / len(self.starts)))

    def arrays(self) -> Arrays:
        """The arrays of the class docstring."""
        return self._arrays


def fitted_from_arrays(arrays: Arrays, features: int) -> Linear | Trees:
    """What was stored. Raises UsageError if the arrays do not fit together."""
    if set(arrays) != {"weights", "bias"}:
        return Trees(features, arrays)
    if arrays["weights"].shape[1:] != (features,):
        raise UsageError(_MISFIT)
    return Linear(**arrays)


def _placed(sides: Sequence[Array], starts: Array) -> Array:
    """Children of each tree's nodes, numbered from its own first, as children among all nodes, (M,)."""
    placed = [np.where(side < 0, -1, side + start) for side, start in zip(sides, starts, strict=True)]
    return np.concatenate(placed).astype(np.int64)


@njit(cache=True, nogil=True)
def _add_leaves(
    ends: Array, columns: Array, data: Array, features: int,
    starts: Array, left: Array, right: Array, feature: Array, threshold: Array, shares: Array, out: Array,
) -> None:  # fmt: skip
    """Add to ``out``, (N, C), the shares of every tree's leaf for each row of a sparse matrix."""
    row = np.zeros(features, dtype=np.float32)
    for i in range(len(ends) - 1):
        for j in range(ends[i], ends[i + 1]):
            row[columns[j]] = data[j]
        for start in starts:
            node = start
            while left[node] >= 0:
                node = left[node] if row[feature[node]] <= threshold[node] else right[node]
            for c in range(shares.shape[1]):
                out[i, c] += shares[node, c]
        for j in range(ends[i], ends[i + 1]):
            row[columns[j]] = 0
