"""What every text classifier is: a scikit-learn estimator over texts, of which one method gives log-probabilities.

A method defines ``_fit`` and ``_log_probs``, and ``_state`` and ``_restore`` to be stored; everything else is derived.
N texts, C classes.
"""

from abc import abstractmethod
from collections.abc import Mapping, Sequence
from typing import Any, ClassVar, NamedTuple, Self, TypeAlias

import numpy as np
from sklearn.base import BaseEstimator, ClassifierMixin
from sklearn.utils.multiclass import check_classification_targets
from sklearn.utils.validation import check_is_fitted, column_or_1d

from nextword.errors import EstimationError, UsageError
from nextword.tasks.saved import TaskModel
from nextword.text.pipeline import Pipeline
from nextword.text.vocabulary import Vocabulary
from nextword.types import Array, Json

Texts: TypeAlias = Sequence[str] | Array
Labels: TypeAlias = Sequence[Any] | Array

_FEW = 10  # labels that a message lists


class Examples(NamedTuple):
    """Texts, none of them empty, and the number of each one's class, (N,) int64."""

    texts: list[str]
    targets: Array


class TextClassifier(ClassifierMixin, TaskModel, BaseEstimator):  # type: ignore[misc]  # scikit-learn has no types
    """Base of text classifiers. X is a sequence of N texts (str), y one label each: what NumPy can sort.

    A text of blanks alone is empty. Nothing is learnt from it but that its label came once more, and it is predicted
    by the prior: the likeliest class, whatever the method. ``fit`` counts them in ``empty_``.

    classes_: (C,) labels, sorted. class_counts_: (C,) how often each came. vocabulary_: what the method knows of
    words; pipeline_: how it cuts text, or None.
    """

    noun: ClassVar[str] = "classifier"
    classes_: Array
    class_counts_: Array
    empty_: int
    vocabulary_: Vocabulary
    pipeline_: Pipeline | None

    @abstractmethod
    def _fit(self, known: Examples, valid: Examples | None, run: Json) -> None:
        """Learn from ``known``, in which every class comes; sets ``vocabulary_`` and attributes that end in ``_``.

        valid: held-out examples, for those that choose by them. run: how to train, for those that train in steps:
        ``directory, resume, tensorboard, watch`` as ``neural.training.train`` takes them.
        """

    @abstractmethod
    def _log_probs(self, texts: list[str]) -> Array:
        """Log-probability of each class for each text, (N, C) nats; no text is empty, and there is at least one.

        A constant may be missing from each row: ``predict_log_proba`` normalises.
        """

    @abstractmethod
    def _state(self) -> tuple[Json, dict[str, Array]]:
        """What ``_restore`` needs beside the options, the classes and the vocabulary: JSON, and arrays by name."""

    @abstractmethod
    def _restore(self, state: Json, arrays: dict[str, Array]) -> None:
        """Undo ``_state``; options, ``classes_`` and ``vocabulary_`` are set. Raises UsageError if it does not fit."""

    def _log_prior(self) -> Array:
        """Log-probability of each class before the text is seen, (C,) nats: its share of the training examples."""
        return np.asarray(np.log(self.class_counts_ / self.class_counts_.sum()))

    def fit(
        self, X: Texts, y: Labels, *, valid: tuple[Texts, Labels] | None = None, run: Mapping[str, Any] | None = None
    ) -> Self:
        """Learn to tell the classes of texts apart; returns self.

        valid: held-out texts and labels, for the methods that keep what is best on them; run: see ``_fit``. Both are
        ignored by the others. Raises UsageError for what are no texts or labels, EstimationError for too little text.
        """
        self._check_options()
        texts, labels = checked_texts(X), _checked_labels(y)
        _check_lengths(texts, labels)
        classes, targets = _sorted_classes(labels)
        if len(classes) < 2:
            raise UsageError(f"all examples are of one class, {_shown(classes)}; give examples of two or more classes")
        held_out = None if valid is None else (checked_texts(valid[0]), _checked_labels(valid[1]))
        self.pipeline_ = None
        self.classes_, self.class_counts_ = classes, np.bincount(targets)
        known = _without_empty(texts, targets)
        self.empty_ = len(texts) - len(known.texts)
        unsaid = np.flatnonzero(np.bincount(known.targets, minlength=len(classes)) == 0)
        if len(unsaid):
            raise EstimationError(
                f"all texts of class {_shown(classes[unsaid[:1]])} are empty; give some that are not, or leave it out"
            )
        self._fit(known, None if held_out is None else self._held_out(*held_out), dict(run or {}))
        return self

    def predict(self, X: Texts) -> Array:
        """The likeliest class of each text, (N,); of equals the first. Raises UsageError for what are no texts."""
        log_probs = self.predict_log_proba(X)
        return np.asarray(self.classes_[log_probs.argmax(axis=1)])

    def predict_proba(self, X: Texts) -> Array:
        """Probability of each class for each text, (N, C), in the order of ``classes_``; rows sum to 1."""
        return np.exp(self.predict_log_proba(X))

    def predict_log_proba(self, X: Texts) -> Array:
        """Logarithm of ``predict_proba``, (N, C) nats."""
        check_is_fitted(self)
        texts = checked_texts(X)
        said = [i for i, text in enumerate(texts) if not is_empty(text)]
        found = np.tile(self._log_prior(), (len(texts), 1))  # (N, C)
        if said:
            found[said] = self._log_probs([texts[i] for i in said])
        highest = found.max(axis=1, keepdims=True, initial=-np.inf)
        return np.asarray(found - highest - np.log(np.exp(found - highest).sum(axis=1, keepdims=True)))

    def targets(self, y: Labels) -> Array:
        """The number of each label's class, (N,) int64, -1 for labels unseen in training."""
        check_is_fitted(self, "classes_")
        numbers = {label: i for i, label in enumerate(self.classes_.tolist())}
        return np.array([numbers.get(label, -1) for label in _checked_labels(y).tolist()], dtype=np.int64)

    def classes_of(self, names: Sequence[str]) -> Array:
        """Labels of training by how they are written: files have strings, where classes may be numbers.

        Raises UsageError for a name that is none of theirs.
        """
        check_is_fitted(self)
        by_name = {str(label): i for i, label in enumerate(self.classes_.tolist())}
        unseen = next((name for name in names if name not in by_name), None)
        if unseen is not None:
            raise UsageError(f"the label {unseen!r} is unseen in training; expected one of {_shown(self.classes_)}")
        return np.asarray(self.classes_[[by_name[name] for name in names]])

    @property
    def vocabulary(self) -> Vocabulary:  # type: ignore[override]
        """``vocabulary_``, by the name that ``store`` knows."""
        return self.vocabulary_

    @property
    def pipeline(self) -> Pipeline | None:
        """``pipeline_``, by the name that ``TaskModel`` knows."""
        return getattr(self, "pipeline_", None)

    @pipeline.setter
    def pipeline(self, pipeline: Pipeline | None) -> None:
        self.pipeline_ = pipeline

    def parameters(self) -> Json:
        """Options, classes and the method's own state, to be stored. Raises UsageError for labels that JSON lacks."""
        check_is_fitted(self)
        labels = self.classes_.tolist()
        odd = next((label for label in labels if not isinstance(label, str | int | float | bool)), None)
        if odd is not None:
            raise UsageError(f"a label is {odd!r}, and only strings and numbers can be stored; name the classes by str")
        classes = {"labels": labels, "dtype": self.classes_.dtype.str, "counts": self.class_counts_.tolist()}
        return {"options": self.get_params(), "classes": classes, "empty": self.empty_, "state": self._state()[0]}

    def arrays(self) -> dict[str, Array]:
        """The method's arrays, to be stored."""
        return self._state()[1]

    @classmethod
    def from_arrays(cls, parameters: Json, arrays: dict[str, Array], vocabulary: Vocabulary) -> Self:
        """A fitted classifier over stored arrays. Raises UsageError if they do not fit together."""
        classifier = cls(**parameters["options"])
        classes = parameters["classes"]
        classifier.classes_ = np.array(classes["labels"], dtype=np.dtype(classes["dtype"]))
        classifier.class_counts_ = np.array(classes["counts"], dtype=np.int64)
        if not 2 <= len(classifier.classes_) == len(classifier.class_counts_):
            raise UsageError("the classes and their counts do not fit together; train or copy the model again")
        classifier.empty_, classifier.vocabulary_, classifier.pipeline_ = parameters["empty"], vocabulary, None
        classifier._restore(parameters["state"], arrays)
        return classifier

    def _check_options(self) -> None:  # noqa: B027  # most methods find out by using them
        """Raise UsageError for options that no text could make useful; called by ``fit`` before the text is read."""

    def _held_out(self, texts: list[str], labels: Array) -> Examples:
        """Held-out examples by the classes of training. Raises UsageError for a label that these lack."""
        _check_lengths(texts, labels)
        targets = self.targets(labels)
        unseen = np.flatnonzero(targets < 0)
        if len(unseen):
            raise UsageError(
                f"held-out example {unseen[0] + 1} has the label {_shown(labels[unseen[:1]])}, unseen in training; "
                f"expected one of {_shown(self.classes_)}"
            )
        return _without_empty(texts, targets)

    def __sklearn_tags__(self) -> Any:
        tags = super().__sklearn_tags__()
        tags.input_tags.string, tags.input_tags.two_d_array, tags.input_tags.one_d_array = True, False, True
        return tags

    def __sklearn_is_fitted__(self) -> bool:
        return hasattr(self, "vocabulary_")


def is_empty(text: str) -> bool:
    """Whether a text has nothing but blanks."""
    return not text or text.isspace()


def checked_texts(texts: Any) -> list[str]:
    """N texts as a list. Raises UsageError for one str, and for anything in it that is no str."""
    if isinstance(texts, str | bytes):
        raise UsageError(f"X is one text, {texts!r:.60}; give a list of texts, [text] for a single one")
    shape = getattr(texts, "shape", None)
    if shape is not None and len(shape) != 1:
        raise UsageError(f"X has the shape {tuple(shape)}, expected one dimension: a text (str) for each example")
    try:
        found = list(texts)
    except TypeError:
        raise UsageError(f"X is a {type(texts).__name__}, expected a sequence of texts (str)") from None
    for number, text in enumerate(found, start=1):
        if not isinstance(text, str):
            raise UsageError(f"example {number} is a {type(text).__name__}, {text!r:.60}; expected a text (str)")
    return [str(text) for text in found]  # NumPy's strings become Python's


def _checked_labels(y: Any) -> Array:
    if y is None:
        raise UsageError("requires y to be passed, but the target y is None: one label for each text")
    if isinstance(y, str):
        raise UsageError(f"y is one label, {y!r:.60}; give a list of labels, one for each text")
    labels = np.asarray(column_or_1d(y, warn=True))
    if labels.dtype.kind == "f" and not np.isfinite(labels).all():
        raise UsageError("Input y contains infinity or NaN; give each text a label")
    try:
        check_classification_targets(labels)
    except TypeError as error:
        raise _unsortable(error) from None
    return labels


def _sorted_classes(labels: Array) -> tuple[Array, Array]:
    """The distinct labels, (C,), and the number of each example's, (N,)."""
    try:
        classes, targets = np.unique(labels, return_inverse=True)
    except TypeError as error:
        raise _unsortable(error) from None
    return classes, targets


def _unsortable(error: TypeError) -> UsageError:
    return UsageError(f"the labels cannot be sorted ({error}); give strings, or numbers")


def _check_lengths(texts: list[str], labels: Array) -> None:
    if len(texts) != len(labels):
        raise UsageError(f"there are {len(texts):,} texts and {len(labels):,} labels; give one label for each text")
    if not texts:
        raise UsageError("there are no examples; give texts and a label for each")


def _without_empty(texts: list[str], targets: Array) -> Examples:
    said = [i for i, text in enumerate(texts) if not is_empty(text)]
    return Examples([texts[i] for i in said], targets[said].astype(np.int64))


def _shown(labels: Array) -> str:
    more = f" and {len(labels) - _FEW:,} more" if len(labels) > _FEW else ""
    return ", ".join(repr(label) for label in labels[:_FEW].tolist()) + more
