"""Token ids in the shape that training reads: streams side by side, sentences of like length, or random blocks.

Each reader gives one ``Epoch`` after another, a sequence of ``Batch``es that depends on the seed and the epoch's
number alone: to go on in the middle of an epoch, its number and the batch's are all there is to remember.
"""

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Protocol, TypeVar, overload

import numpy as np

from nextword.errors import TrainingError, UsageError
from nextword.text.encode import BOS, EOS
from nextword.types import Array, Ids_BT, Ids_T

_POOL = 64  # batches whose sentences are sorted by length together: enough for little padding and much chance
_PIECES = 10  # the fewest in a row of held-out text
_SHORTEST = 5  # tokens in a piece whose length varies, as Merity et al. have it


Item = TypeVar("Item", covariant=True)


@dataclass(frozen=True)
class Batch:
    """tokens: (B, T + 1) int64, -1 after a row's end; each column is predicted from those before it.

    fresh: rows begin anew; otherwise each goes on where the same row of the batch before ended. scale: what the
    learning rate is multiplied by, because the batch is shorter or longer than usual on purpose.
    """

    tokens: Array
    fresh: bool
    scale: float = 1.0

    @property
    def predicted(self) -> int:
        """Tokens that are predicted."""
        return int(np.count_nonzero(self.tokens[:, 1:] >= 0))

    def __len__(self) -> int:
        return len(self.tokens)


@dataclass(frozen=True)
class Epoch(Sequence[Item]):
    """Batches that are made when they are asked for."""

    length: int
    make: Callable[[int], Item]

    def __len__(self) -> int:
        return self.length

    @overload
    def __getitem__(self, index: int) -> Item: ...
    @overload
    def __getitem__(self, index: slice) -> "Epoch[Item]": ...
    def __getitem__(self, index: int | slice) -> "Item | Epoch[Item]":
        if isinstance(index, slice):
            chosen = range(self.length)[index]
            return Epoch(len(chosen), lambda i: self.make(chosen[i]))
        return self.make(range(self.length)[index])


class Batches(Protocol):
    """What training reads: epoch after epoch of batches."""

    def epoch(self, number: int) -> Epoch[Batch]:
        """The batches of an epoch, counted from 0."""
        ...


def training_batches(
    tokens: Ids_T, *, mode: str, batch_size: int, length: int, seed: int = 0, shift: bool = False, vary: bool = False
) -> Batches:
    """What a mode of training reads: "stream", "sentence" or "blocks"; shift and vary are of streams alone."""
    if mode == "sentence":
        return Sentences(tokens, batch_size=batch_size, length=length, seed=seed)
    if mode == "blocks":
        return Blocks(tokens, batch_size=batch_size, length=length, seed=seed)
    return Streams(tokens, batch_size=batch_size, length=length, seed=seed, shift=shift, vary=vary)


def held_out_batches(tokens: Ids_T, *, mode: str, batch_size: int, length: int) -> Batches:
    """What a model trained in that mode is measured on: sentences, or running text with a state that is carried on."""
    if mode == "sentence":
        return Sentences(tokens, batch_size=batch_size, length=length, shuffle=False)
    rows = (len(tokens) - 1) // (_PIECES * length)  # each row begins with nothing read, so a short text has few
    return HeldOutStreams(tokens, batch_size=min(batch_size, max(1, rows)), length=length)


class Streams:
    r"""A text cut into B rows that are read side by side, a piece at a time, for a state that is carried on.

    >>> streams = Streams(np.array([2, 3, 4, 5, 6, 7, 8], np.int32), batch_size=2, length=2)
    >>> [batch.tokens.tolist() for batch in streams.epoch(0)]
    [[[2, 3, 4], [5, 6, 7]], [[4, 5], [7, 8]]]
    """

    def __init__(
        self, tokens: Ids_T, *, batch_size: int, length: int, seed: int = 0, shift: bool = False, vary: bool = False
    ):
        """tokens: (1 + T,), ``</s>`` first. length: tokens predicted in a piece. Up to B - 1 tokens go unread.

        shift: each epoch begins up to ``length - 1`` tokens later, by chance, so that pieces begin elsewhere. vary: the
        length of pieces varies, and the learning rate with it (Merity et al. 2018, section 5). Raises UsageError for
        more rows than tokens.
        """
        _check_room(tokens, batch_size, "rows")
        self._tokens, self._batch_size, self._length = tokens, batch_size, length
        self._seed, self._shift, self._vary = seed, shift, vary

    def epoch(self, number: int) -> Epoch[Batch]:
        """The pieces of all rows, from left to right."""
        random = np.random.default_rng([self._seed, number])
        room = len(self._tokens) - self._batch_size  # a row keeps a token or more
        offset = int(random.integers(min(self._length, room))) if self._shift else 0
        rows = _side_by_side(self._tokens[offset:], self._batch_size)
        bounds = self._bounds(rows.shape[1] - 1, random)

        def make(i: int) -> Batch:
            begin, end = int(bounds[i]), int(bounds[i + 1])
            scale = (end - begin) / self._length if self._vary else 1.0
            return Batch(rows[:, begin : end + 1].astype(np.int64), i == 0, scale)

        return Epoch(len(bounds) - 1, make)

    def _bounds(self, time: int, random: np.random.Generator) -> Array:
        """Where pieces begin and end."""
        if not self._vary:
            return np.append(np.arange(0, time, self._length), time)
        pieces = time // min(_SHORTEST, self._length) + 1
        means = np.where(random.random(pieces) < 0.95, self._length, self._length / 2)
        lengths = np.maximum(np.rint(random.normal(means, _SHORTEST)), min(_SHORTEST, self._length))
        ends = np.cumsum(np.minimum(lengths, 2 * self._length).astype(np.int64))
        return np.concatenate([[0], ends[ends < time], [time]])


class Sentences:
    """Sentences shuffled, those of like length together, each row ``<s>``, its tokens, ``</s>`` and then -1.

    A batch longer than ``length`` is given in pieces, the later ones not fresh.
    """

    def __init__(self, tokens: Ids_T, *, batch_size: int, length: int, seed: int = 0, shuffle: bool = True):
        """tokens: (1 + T,), ``</s>`` first and at each sentence's end. shuffle: otherwise sentences go by length alone.

        Raises UsageError for a batch that shuffling could not fill once.
        """
        _check_not_empty(tokens)
        ends = np.flatnonzero(tokens == EOS)
        ends = ends if ends[-1] == len(tokens) - 1 else np.append(ends, len(tokens) - 1)
        self._tokens, self._starts, self._lengths = tokens, ends[:-1] + 1, np.diff(ends)
        if shuffle and len(self._starts) < batch_size:
            lines = len(self._starts)
            raise UsageError(
                f"a batch of {batch_size} sentences is larger than the text, which has {lines}; give a batch size of "
                f"at most {lines}, or more text"
            )
        self._batch_size, self._length, self._seed, self._shuffle = batch_size, length, seed, shuffle

    def epoch(self, number: int) -> Epoch[Batch]:
        """Each sentence once."""
        random = np.random.default_rng([self._seed, number]) if self._shuffle else None
        batches = like_lengths(self._lengths, self._batch_size, random)
        pieces = [(i, begin) for i, rows in enumerate(batches) for begin in self._begins(rows)]

        def make(i: int) -> Batch:
            batch, begin = pieces[i]
            return Batch(self._rows(batches[batch])[:, begin : begin + self._length + 1], begin == 0)

        return Epoch(len(pieces), make)

    def _begins(self, rows: Array) -> range:
        return range(0, int(self._lengths[rows].max()), self._length)

    def _rows(self, sentences: Array) -> Array:
        """Padded sentences, (B, longest + 1) int64."""
        lengths = self._lengths[sentences]
        steps = np.arange(int(lengths.max()))
        places = np.minimum(self._starts[sentences][:, None] + steps, len(self._tokens) - 1)
        rows = np.full((len(sentences), len(steps) + 1), BOS, dtype=np.int64)
        rows[:, 1:] = np.where(steps < lengths[:, None], self._tokens[places], -1)
        return rows


class Blocks:
    """Pieces of running text from random places, each read from nothing: what nanoGPT trains on.

    An epoch has as many as the text has room for side by side.
    """

    def __init__(self, tokens: Ids_T, *, batch_size: int, length: int, seed: int = 0):
        """tokens: (1 + T,). length: tokens predicted in a block. Raises UsageError for a text shorter than a batch."""
        _check_room(tokens, batch_size, "blocks")
        self._tokens, self._batch_size, self._seed = tokens, batch_size, seed
        self._length = min(length, len(tokens) - 1)

    def epoch(self, number: int) -> Epoch[Batch]:
        """Blocks that begin anywhere."""
        count = max(1, (len(self._tokens) - 1) // (self._batch_size * self._length))
        random = np.random.default_rng([self._seed, number])
        starts = random.integers(len(self._tokens) - self._length, size=(count, self._batch_size))
        steps = np.arange(self._length + 1)
        return Epoch(count, lambda i: Batch(self._tokens[starts[i][:, None] + steps].astype(np.int64), True))


class HeldOutStreams:
    """All of a text in up to ``batch_size`` rows, the last ones padded, to measure on with a carried state."""

    def __init__(self, tokens: Ids_T, *, batch_size: int, length: int):
        """tokens: (1 + T,), ``</s>`` first."""
        _check_not_empty(tokens)
        time = len(tokens) - 1
        width = -(-time // batch_size)
        rows: Ids_BT = np.full((-(-time // width), width + 1), -1, dtype=np.int32)
        for row, begin in zip(rows, range(0, time, width), strict=True):
            piece = tokens[begin : begin + width + 1]
            row[: len(piece)] = piece
        self._rows, self._length = rows, length

    def epoch(self, number: int) -> Epoch[Batch]:
        """The same every time."""
        width = self._rows.shape[1] - 1

        def make(i: int) -> Batch:
            begin = i * self._length
            return Batch(self._rows[:, begin : begin + self._length + 1].astype(np.int64), i == 0)

        return Epoch(-(-width // self._length), make)


def like_lengths(lengths: Array, size: int, random: np.random.Generator | None) -> list[Array]:
    """The numbers of N things in batches of ``size``, those of like length together; None: by length alone."""
    count = len(lengths)
    if random is None:
        order = np.argsort(lengths, kind="stable")
        return [order[i : i + size] for i in range(0, count, size)]
    shuffled = random.permutation(count)
    pools = [shuffled[i : i + _POOL * size] for i in range(0, count, _POOL * size)]
    order = np.concatenate([pool[np.argsort(lengths[pool], kind="stable")] for pool in pools])
    batches = [order[i : i + size] for i in range(0, count, size)]
    return [batches[i] for i in random.permutation(len(batches))]


def _side_by_side(tokens: Ids_T, rows: int) -> Ids_BT:
    """Rows of equal length, (B, L + 1), each ending with the token that the next begins with. A view."""
    length = (len(tokens) - 1) // rows
    step = tokens.strides[0]
    return np.lib.stride_tricks.as_strided(tokens, (rows, length + 1), (length * step, step), writeable=False)


def _check_not_empty(tokens: Ids_T) -> None:
    if len(tokens) < 2:
        raise TrainingError("the text is empty; give a file with at least one line")


def _check_room(tokens: Ids_T, batch_size: int, what: str) -> None:
    """Refuse a text that is empty, or shorter than one batch has rows or blocks."""
    _check_not_empty(tokens)
    most = len(tokens) - 1
    if most < batch_size:
        raise UsageError(
            f"a batch of {batch_size} {what} is larger than the text, which has {most} tokens; give a batch size of "
            f"at most {most}, or more text"
        )
