"""The n-grams of one order as arrays, sorted, and the links from one order to the order below it."""

from dataclasses import dataclass

import numpy as np
from numba import njit

from nextword.types import Array

NONE = np.uint32(0xFFFFFFFF)  # a link to no n-gram


@dataclass
class Section:
    """n-grams of one order k, sorted by ids. ids: (k, N) uint32; log10: (N, 2) float32.

    added: (N,) bool, what the file lacks; by_suffix: (N,) uint32, the columns sorted by all words but the first.
    """

    ids: Array
    log10: Array
    added: Array
    by_suffix: Array

    @classmethod
    def sort(cls, ids: Array, log10: Array, added: Array, vocabulary_size: int) -> tuple["Section", Array]:
        """The n-grams in order, and the place where each stood, (N,); ids, log10 and added as given."""
        ids, rows = np.ascontiguousarray(ids), np.arange(len(log10), dtype=np.uint32)
        for column in ids[:0:-1]:
            rows = _sort(column, rows, vocabulary_size)
        by_suffix, rows = rows, _sort(ids[0], rows, vocabulary_size)
        place = np.empty_like(rows)
        place[rows] = np.arange(len(rows), dtype=np.uint32)
        return cls(np.take(ids, rows, axis=1), log10[rows], added[rows], place[by_suffix]), rows

    def __len__(self) -> int:
        return len(self.log10)

    def repeats(self) -> Array:
        """Columns that equal the one before."""
        return np.flatnonzero((self.ids[:, 1:] == self.ids[:, :-1]).all(axis=0)) + 1

    def with_more(self, ids: Array, vocabulary_size: int) -> "Section":
        """Itself and n-grams that it lacks, with zeros; (k, M) ids, repeats allowed."""
        more, _ = Section.sort(ids, pairs(ids.shape[1]), np.ones(ids.shape[1], dtype=bool), vocabulary_size)
        once = np.delete(more.ids, more.repeats(), axis=1)
        ids = np.concatenate([self.ids, once], axis=1)
        log10 = np.concatenate([self.log10, pairs(once.shape[1])])
        added = np.concatenate([self.added, np.ones(once.shape[1], dtype=bool)])
        return Section.sort(ids, log10, added, vocabulary_size)[0]

    def links(self, lower: "Section") -> tuple[Array, Array]:
        """The columns of ``lower`` that are the prefix and the suffix of each n-gram, (N,) each; NONE where none is."""
        in_order = np.arange(len(self), dtype=np.uint32)
        return _link(lower.ids, self.ids, in_order, 0), _link(lower.ids, self.ids, self.by_suffix, 1)


def pairs(n: int) -> Array:
    """Room for n pairs of numbers, zeros."""
    return np.zeros((n, 2), dtype=np.float32)


def _sort(column: Array, rows: Array, vocabulary_size: int) -> Array:
    """``rows`` by rising ``column[rows]``, equals as they stood."""
    if len(rows) * 16 < vocabulary_size:  # a counting sort would mostly count words that are not there
        return rows[np.argsort(column[rows], kind="stable")]
    return np.asarray(_counting_sort(column, rows, vocabulary_size))


@njit(cache=True, nogil=True)
def _counting_sort(column: Array, rows: Array, vocabulary_size: int) -> Array:
    counts = np.zeros(vocabulary_size + 1, dtype=np.int64)
    for word in column:
        counts[word + 1] += 1
    for word in range(vocabulary_size):
        counts[word + 1] += counts[word]
    out = np.empty_like(rows)
    for row in rows:
        word = column[row]
        out[counts[word]] = row
        counts[word] += 1
    return out


@njit(cache=True, nogil=True, inline="always")
def _compare(lower, a, upper, b, shift):  # type: ignore[no-untyped-def]
    """-1, 0 or 1: n-gram ``a`` of ``lower`` comes before, is, or comes after the words of ``b`` from ``shift`` on."""
    for k in range(len(lower)):
        x, y = lower[k, a], upper[k + shift, b]
        if x != y:
            return -1 if x < y else 1
    return 0


@njit(cache=True, nogil=True)
def _link(lower: Array, upper: Array, rows: Array, shift: int) -> Array:
    """The column of ``lower`` (k - 1, M) that is the prefix (shift 0) or suffix (1) of each column of ``upper`` (k, N).

    ``lower`` is sorted, and so are the prefixes or suffixes of ``upper[:, rows]``. Returns (N,) uint32, NONE for none.
    """
    links = np.empty(len(rows), dtype=np.uint32)
    a = 0
    for row in rows:
        order = -1
        while a < lower.shape[1]:
            order = _compare(lower, a, upper, row, shift)
            if order >= 0:
                break
            a += 1
        links[row] = a if order == 0 else NONE
    return links
