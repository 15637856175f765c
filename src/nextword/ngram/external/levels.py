"""From sorted windows to the n-grams of every order: what ``counting`` does in memory, from rows that go by once."""

from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import BinaryIO, NamedTuple

import numpy as np
from numba import njit

from nextword.errors import EstimationError, StoreError
from nextword.ngram.arena import Arena
from nextword.ngram.counting import Level
from nextword.ngram.external.mapped import DiskUse, map_and_forget
from nextword.ngram.external.windows import KeyLayout, get_field
from nextword.text.encode import EOS
from nextword.types import Array

_MOST = 2**32 - 1
_PARTS = 4  # shares of the work per thread


class Piece(NamedTuple):
    """The n-grams of a range of sorted rows, in their order; index k is that of order k + 1.

    words: last words, (n_k,) uint32. counts: (n_k,) uint32. firsts: per order but the highest, (n_k + 1,) int64, the
    n-grams of the order above that extend n-gram i are first[i] to first[i + 1]. lowest, highest: the ids of the first
    window and of the last.
    """

    words: list[Array]
    counts: list[Array]
    firsts: list[Array]
    lowest: list[int]
    highest: list[int]


def piece_of(rows: Array, layout: KeyLayout, order: int) -> Piece:
    """The n-grams of up to ``order`` words, which is the layout's or less, of sorted rows. Raises EstimationError."""
    sizes = np.zeros(order, dtype=np.int64)
    _count_ngrams(rows, order, layout.bits, sizes)
    starts = np.concatenate([[0], np.cumsum(sizes)])
    word, count = np.empty((2, int(starts[-1])), dtype=np.uint32)
    first = np.empty(int(starts[-2]), dtype=np.int64)
    if not _write_ngrams(rows, order, layout.bits, starts, word, count, first):
        raise EstimationError(f"some n-gram occurs more than {_MOST:,} times, which is more than fits; use less text")
    ids = layout.unpack(rows[[0, -1]])[:, :order].tolist() if len(rows) else [[], []]
    parts = [slice(int(a), int(b)) for a, b in zip(starts[:-1], starts[1:], strict=True)]
    firsts = [np.append(first[part], size) for part, size in zip(parts[:-1], sizes[1:], strict=True)]
    lowest, highest = ([i for i in window if i >= 0] for window in ids)
    return Piece([word[part] for part in parts], [count[part] for part in parts], firsts, lowest, highest)


class LevelFiles:
    """Pieces put end to end in files, and then the levels that they make.

    An n-gram that two pieces share, because the range between them was cut within it, becomes one.
    """

    def __init__(self, directory: Path, layout: KeyLayout, order: int, use: DiskUse):
        """directory: where there are no files ``level-*``; a crash may leave some."""
        self._order, self._use = order, use
        self._children = np.zeros(layout.vocabulary_size, dtype=np.int64)  # bigrams that begin with each word
        self._windows = np.zeros(layout.vocabulary_size, dtype=np.int64)  # and windows
        self._sizes = [0] * order
        self._counts = [0] * order  # of each order's last n-gram, which the next piece may have more of
        self._last: list[int] = []
        self._files: dict[tuple[str, int], tuple[Path, BinaryIO]] = {}
        for k in range(1, order):
            for name in ("word", "count", "first")[: 3 if k > 1 else 2]:
                file = directory / f"level-{k + 1}-{name}"
                self._files[name, k] = file, file.open("xb")

    def append(self, piece: Piece) -> None:
        """Add the next piece.

        Raises OSError, EstimationError for more n-grams than have numbers, and StoreError for a piece out of order.
        """
        if not piece.lowest:
            return
        if piece.lowest < self._last:
            raise StoreError("the counts are not in the order of their keys; count again")
        shared = 0
        while shared < min(len(self._last), len(piece.lowest)) and self._last[shared] == piece.lowest[shared]:
            shared += 1
        self._windows[piece.words[0]] += piece.counts[0]  # each word is there once
        for k in range(1, self._order):
            drop = int(k < shared)
            self._append_first(piece, k, int(k - 1 < shared), drop)
            self._append_counts(piece.counts[k], k, drop)
            self._write("word", k, piece.words[k][drop:])
            self._sizes[k] += len(piece.words[k]) - drop
            if self._sizes[k] >= _MOST:
                raise EstimationError(
                    f"there are more {k + 1}-grams than one model can hold ({_MOST:,}); use less text or a lower order"
                )
        self._last = piece.highest

    def _append_first(self, piece: Piece, k: int, known: int, drop: int) -> None:
        """Where the children, of order k + 1, of the piece's n-grams of order k begin."""
        if k == 1:
            children = np.diff(piece.firsts[0])
            children[0] -= drop
            self._children[piece.words[0]] += children
        else:
            first = piece.firsts[k - 1][known:-1] + (self._sizes[k] - drop)
            self._write("first", k, first.astype(np.uint32))

    def _append_counts(self, counts: Array, k: int, drop: int) -> None:
        """Write the counts but the last, which waits."""
        if drop:
            total = self._counts[k] + int(counts[0])
            if total > _MOST:
                raise EstimationError(f"some {k + 1}-gram occurs more than {_MOST:,} times; use less text")
            self._counts[k] = total
            counts = counts[1:]
        if len(counts):
            if self._sizes[k]:
                self._write("count", k, np.array([self._counts[k]], dtype=np.uint32))
            self._write("count", k, counts[:-1])
            self._counts[k] = int(counts[-1])

    def _write(self, name: str, k: int, values: Array) -> None:
        self._files[name, k][1].write(np.ascontiguousarray(values).data)
        self._use.add(values.nbytes)

    def levels(self, unigrams: Array, *, arena: Arena, threads: int) -> Iterator[Level]:
        """The levels of all that was appended; this ends the files, which have no names afterwards.

        unigrams: (V,), how often each word occurs, ``<s>`` as often as there are sentences. arena: makes the suffixes.
        Raises EstimationError for too large a count, and StoreError if there is not one window for each, but ``</s>``.
        """
        if int(unigrams.max()) > _MOST:
            raise EstimationError(f"some word occurs more than {_MOST:,} times, which is more than fits; use less text")
        expected = np.where(np.arange(len(unigrams)) == EOS, 0, unigrams)
        if self._order > 1 and (self._windows != expected).any():
            found, due = int(self._windows.sum()), int(expected.sum())
            raise StoreError(f"the counts are not those of the vocabulary: {found:,} of {due:,} windows; count again")
        words = np.arange(len(unigrams), dtype=np.uint32)
        ends = np.array([0, len(unigrams)], dtype=np.uint32)
        level = Level(words, unigrams.astype(np.uint32), np.zeros_like(words), ends)
        yield level
        for k in range(1, self._order):
            if self._sizes[k]:
                self._write("count", k, np.array([self._counts[k]], dtype=np.uint32))
            if k > 1:
                self._write("first", k, np.array([self._sizes[k]], dtype=np.uint32))
        self.close()
        for k in range(1, self._order):
            word, count = self._mapped("word", k), self._mapped("count", k)
            if k == 1:
                first = np.concatenate([[0], np.cumsum(self._children)]).astype(np.uint32)
                level = Level(word, count, word, first)  # the suffix of a bigram is its last word
            else:
                first = self._mapped("first", k)
                suffix = arena.empty(len(word), np.uint32)
                link_suffixes(level, word, first, suffix, threads=threads)
                level = Level(word, count, suffix, first)
            yield level

    def _mapped(self, name: str, k: int) -> Array:
        return map_and_forget(self._files[name, k][0], np.uint32, self._use)

    def close(self) -> None:
        """Close the files; for those who do not come to ``levels``."""
        for _, stream in self._files.values():
            stream.close()


def link_suffixes(below: Level, word: Array, first: Array, suffix: Array, *, threads: int) -> None:
    """Fill in the suffixes of an order, 3 or more, given the order below. Raises StoreError if an n-gram has none."""
    shares = np.linspace(0, len(word), threads * _PARTS + 1)[1:-1].astype(first.dtype)  # otherwise first is copied
    edges = np.searchsorted(first, shares)
    cuts = [0, *np.minimum(edges, len(first) - 1).tolist(), len(first) - 1]

    def link(part: int) -> bool:
        return bool(_link(below.suffix, below.first, below.word, first, word, cuts[part], cuts[part + 1], suffix))

    with ThreadPoolExecutor(threads) as pool:
        if not all(pool.map(link, range(len(cuts) - 1))):
            raise StoreError("the counts do not fit together: some n-gram's end was never counted; count again")


@njit(cache=True, nogil=True)
def _count_ngrams(rows: Array, order: int, bits: int, sizes: Array) -> None:
    """How many n-grams of each order the rows hold, (order,)."""
    before = np.zeros(order, dtype=np.uint64)
    for i in range(len(rows)):
        new = i == 0
        for j in range(order):
            field = get_field(rows, i, j * bits, bits)
            if field == np.uint64(0):
                before[j] = field
                break
            new = new or field != before[j]
            before[j] = field
            sizes[j] += new
            if field == np.uint64(EOS + 1):
                break


@njit(cache=True, nogil=True)
def _write_ngrams(rows: Array, order: int, bits: int, starts: Array, word: Array, count: Array, first: Array) -> bool:
    """Write the n-grams of each order from ``starts`` on; False if a count is too large."""
    before = np.zeros(order, dtype=np.uint64)
    here = starts[:order] - 1  # the last n-gram of each order
    most = np.uint64(_MOST)
    for i in range(len(rows)):
        new = i == 0
        more = rows[i, rows.shape[1] - 1]
        for j in range(order):
            field = get_field(rows, i, j * bits, bits)
            if field == np.uint64(0):
                before[j] = field
                break
            new = new or field != before[j]
            if new:
                here[j] += 1
                before[j] = field
                word[here[j]] = field - np.uint64(1)
                count[here[j]] = 0
                if j + 1 < order:
                    first[here[j]] = here[j + 1] + 1 - starts[j + 1]
            total = np.uint64(count[here[j]]) + more
            if more > most or total > most:
                return False
            count[here[j]] = total
            if field == np.uint64(EOS + 1):
                break
    return True


@njit(cache=True, nogil=True)
def _link(
    below_suffix: Array, below_first: Array, below_word: Array, first: Array, word: Array, low: int, high: int,
    suffix: Array,
) -> bool:  # fmt: skip
    """Suffixes of the n-grams that extend contexts ``low`` to ``high``; False if one has none.

    The suffix of hw extends h's suffix by w. Both lists of children are sorted, so each child is sought from where the
    one before it was found, in steps that double (Bentley and Yao 1976).
    """
    for h in range(low, high):
        begin, end = first[h], first[h + 1]
        if begin == end:
            continue
        s = below_suffix[h]
        at, stop = np.int64(below_first[s]), np.int64(below_first[s + 1])
        for g in range(begin, end):
            step, top = 1, at
            while top < stop and below_word[top] < word[g]:
                at = top + 1
                top += step
                step *= 2
            top = min(top, stop)
            while at < top:
                middle = (at + top) >> 1
                if below_word[middle] < word[g]:
                    at = middle + 1
                else:
                    top = middle
            if at >= stop or below_word[at] != word[g]:
                return False
            suffix[g] = at
            at += 1
    return True
