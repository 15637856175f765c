"""The output layer for very large vocabularies."""

from collections.abc import Sequence
from itertools import pairwise
from typing import cast

import torch
from torch import Tensor, nn

from nextword.errors import UsageError
from nextword.neural.losses import Output, Softmax


class _Cluster(Output):
    """A softmax over the ids from ``begin`` to ``end``, of hidden states made narrower."""

    def __init__(self, hidden_size: int, width: int, begin: int, end: int):
        super().__init__()
        self.begin, self.end = begin, end
        self.projection = nn.Linear(hidden_size, width, bias=False)
        self.softmax = Softmax(width, end - begin, bias=False)

    def prepare(self, precision: torch.dtype | None, *, in_place: bool) -> None:
        self.softmax.prepare(precision, in_place=in_place)

    def loss(self, hidden: Tensor, targets: Tensor) -> Tensor:
        return self.softmax.loss(self._projected(hidden), targets - self.begin)

    def token_log_probs(self, hidden: Tensor, targets: Tensor) -> Tensor:
        return self.softmax.token_log_probs(self._projected(hidden), targets - self.begin)

    def log_probs(self, hidden: Tensor) -> Tensor:
        return self.softmax.log_probs(self._projected(hidden))

    def _projected(self, hidden: Tensor) -> Tensor:
        """Narrower hidden states, in the weights' precision: a network may have computed in bfloat16."""
        found: Tensor = self.projection(hidden.to(self.projection.weight.dtype))
        return found


class AdaptiveSoftmax(Output):
    """The adaptive softmax of Grave et al. 2017: frequent ids in a head, the others in clusters of narrower layers.

    cutoffs: where the clusters begin, rising, inside (0, V); the head also predicts which cluster is meant. Each
    cluster has hidden states a quarter as wide as the one before. Ids must fall by frequency, as vocabularies here do.
    """

    def __init__(self, hidden_size: int, vocab_size: int, *, cutoffs: Sequence[int], excluded: int | None = None):
        super().__init__()
        edges = [*cutoffs, vocab_size]
        if not cutoffs or cutoffs[0] < 1 or any(a >= b for a, b in pairwise(edges)):
            raise UsageError(
                f"cutoffs {list(cutoffs)} of an adaptive softmax: give rising ids inside 1 to {vocab_size - 1}, "
                "such as 2000 10000"
            )
        if excluded is not None and excluded >= cutoffs[0]:
            raise UsageError(f"cutoffs {list(cutoffs)}: the first must lie above the excluded id {excluded}")
        self.first = cutoffs[0]
        self.head = Softmax(hidden_size, self.first + len(cutoffs), excluded=excluded)
        self.tails = nn.ModuleList(
            _Cluster(hidden_size, max(hidden_size // 4**i, 1), begin, end)
            for i, (begin, end) in enumerate(pairwise(edges), start=1)
        )

    def prepare(self, precision: torch.dtype | None, *, in_place: bool) -> None:
        """Set how ``loss`` computes, in the head and in all clusters."""
        for part in (self.head, *self._clusters()):
            part.prepare(precision, in_place=in_place)

    def loss(self, hidden: Tensor, targets: Tensor) -> Tensor:
        """The sum of -log p of the targets; see ``Output``."""
        losses = [self.head.loss(hidden, self._head_targets(targets))]
        losses += [cluster.loss(hidden[rows], targets[rows]) for cluster, rows in self._members(targets)]
        return torch.stack(losses).sum()

    @torch.no_grad()
    def token_log_probs(self, hidden: Tensor, targets: Tensor) -> Tensor:
        """Log-probability of each target; see ``Output``."""
        found = self.head.token_log_probs(hidden, self._head_targets(targets))
        for cluster, rows in self._members(targets):
            found[rows] += cluster.token_log_probs(hidden[rows], targets[rows])
        return found

    def log_probs(self, hidden: Tensor) -> Tensor:
        """Log-probability of every id; see ``Output``."""
        head = self.head.log_probs(hidden)
        shares = head[:, self.first :].split(1, dim=1)
        tails = [cluster.log_probs(hidden) + share for cluster, share in zip(self._clusters(), shares, strict=True)]
        return torch.cat([head[:, : self.first], *tails], dim=1)

    def _clusters(self) -> list[_Cluster]:
        return cast(list[_Cluster], list(self.tails))

    def _head_targets(self, targets: Tensor) -> Tensor:
        """The id itself, or the place of its cluster after the head's own ids."""
        found = targets.clone()
        for i, cluster in enumerate(self._clusters()):
            found[targets >= cluster.begin] = self.first + i
        return found

    def _members(self, targets: Tensor) -> list[tuple[_Cluster, Tensor]]:
        """Clusters that occur, and the indices of the tokens in each."""
        rows = [(c, ((targets >= c.begin) & (targets < c.end)).nonzero()[:, 0]) for c in self._clusters()]
        return [(cluster, indices) for cluster, indices in rows if len(indices)]
