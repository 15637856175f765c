"""Examples of a task in batches: shuffled anew in each epoch, those of like length together."""

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from nextword.errors import TrainingError
from nextword.text.batches import Epoch, like_lengths
from nextword.types import Array


@dataclass(frozen=True)
class ExampleBatch:
    """rows: (B,) int64, the numbers of the examples. weight: what their losses are divided by in all."""

    rows: Array
    weight: int
    fresh: bool = True
    scale: float = 1.0

    @property
    def predicted(self) -> int:
        """Tokens or examples that are predicted."""
        return self.weight

    def __len__(self) -> int:
        return len(self.rows)


class Examples:
    """Batches of the numbers of N examples.

    >>> examples = Examples([3, 1, 3, 1], batch_size=2)
    >>> [batch.rows.tolist() for batch in examples.epoch(0)]
    [[2, 0], [1, 3]]
    """

    def __init__(
        self,
        lengths: Sequence[int] | Array,
        *,
        batch_size: int,
        seed: int = 0,
        shuffle: bool = True,
        weights: Sequence[int] | Array | None = None,
    ):
        """lengths: of each example, (N,), by which they are put together.

        weights: what each counts for, (N,), such as its tokens where the loss is per token; 1 unless given. shuffle:
        otherwise batches go by length alone, to measure. A last batch may be smaller. Raises TrainingError for no
        example.
        """
        self._lengths = np.asarray(lengths, dtype=np.int64)
        if not len(self._lengths):
            raise TrainingError("there is no example to train on; give a file with at least one")
        self._weights = np.ones_like(self._lengths) if weights is None else np.asarray(weights, dtype=np.int64)
        self._batch_size, self._seed, self._shuffle = batch_size, seed, shuffle

    def epoch(self, number: int) -> Epoch[ExampleBatch]:
        """Each example once."""
        random = np.random.default_rng([self._seed, number]) if self._shuffle else None
        batches = like_lengths(self._lengths, self._batch_size, random)
        return Epoch(len(batches), lambda i: ExampleBatch(batches[i], int(self._weights[batches[i]].sum())))


def padded(rows: Sequence[Array], *, fill: int = -1) -> Array:
    """Rows of ids of unequal length as one (B, T) int64 array, ``fill`` after their ends.

    >>> padded([np.array([3, 4]), np.array([5])]).tolist()
    [[3, 4], [5, -1]]
    """
    lengths = np.array([len(row) for row in rows], dtype=np.int64)
    table = np.full((len(rows), int(lengths.max(initial=0))), fill, dtype=np.int64)
    table[np.arange(table.shape[1]) < lengths[:, None]] = np.concatenate(rows) if len(rows) else 0
    return table
