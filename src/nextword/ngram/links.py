"""A back-off model with suffix links: each n-gram knows the one that backing off from its context leads to."""

from typing import NamedTuple

import numpy as np
from numba import njit

from nextword.errors import UsageError
from nextword.ngram.backoff import BackoffModel
from nextword.types import Array


class Linked(NamedTuple):
    """What pruning reads of a model; n-grams are numbered as in ``BackoffModel``, N of them, M below the top order.

    starts, word, first: the model's own. suffix: (N,) uint32, each n-gram without its first word, unigrams 0. p: (N,)
    float64, probabilities, 0 for what ends in ``<s>``. backoff: (M,) float64, back-off weights, no logarithms either.
    inserted: (I,) n-grams that stand for what an ARPA file left out. bos, eos: ids.
    """

    starts: Array
    word: Array
    first: Array
    suffix: Array
    p: Array
    backoff: Array
    inserted: Array
    bos: int
    eos: int

    @property
    def order(self) -> int:
        """Words of the longest n-grams."""
        return len(self.starts) - 2


def link(model: BackoffModel) -> Linked:
    """Find every suffix. Raises UsageError for a damaged model, some n-gram of which has none."""
    starts, word, first, inserted = model.starts, model.word, model.first, model.inserted
    below = int(starts[model.order])
    suffix = np.zeros(len(word), dtype=np.uint32)
    listed = not len(inserted) or bool((inserted[1:] > inserted[:-1]).all() and inserted[-1] < len(word))
    if not listed or not _sound(starts, word, first) or not _find_suffixes(starts, word, first, suffix):
        raise UsageError("this is no n-gram model: its n-grams are damaged; train or copy it again")
    p, backoff = np.empty(len(word)), np.empty(below)
    np.power(10.0, model.inner[:, 0], out=p[:below], dtype=np.float64)
    np.power(10.0, model.leaf, out=p[below:], dtype=np.float64)
    np.power(10.0, model.inner[:, 1], out=backoff, dtype=np.float64)
    p[word == model.bos] = 0.0
    return Linked(starts, word, first, suffix, p, backoff, inserted, model.bos, model.eos)


def words_of(starts: Array, word: Array, first: Array, begin: int, end: int) -> Array:
    """The words of n-grams ``begin`` to ``end``, all of one order k: (end - begin, k) int32."""
    k = int(np.searchsorted(starts[1:], begin, side="right"))
    at = np.arange(begin, end)
    columns = [word[begin:end]]
    for j in range(k - 1, 0, -1):
        low, high = int(starts[j]), int(starts[j + 1])
        at = low + np.searchsorted(first[low : high + 1], at, side="right") - 1
        columns.append(word[at])
    return np.column_stack(columns[::-1]).astype(np.int32)


@njit(cache=True, nogil=True)
def _sound(starts: Array, word: Array, first: Array) -> bool:
    """Whether every n-gram below the top has its children in the order above, and each word is in the vocabulary."""
    for k in range(1, len(starts) - 2):
        if first[starts[k]] != starts[k + 1] or first[starts[k + 1]] != starts[k + 2]:
            return False
        for g in range(starts[k], starts[k + 1]):
            if first[g] > first[g + 1]:
                return False
    return len(word) == 0 or word.max() < starts[2]


@njit(cache=True, nogil=True)
def _find_suffixes(starts: Array, word: Array, first: Array, suffix: Array) -> bool:
    """Fill ``suffix`` order by order, (N,); False if an n-gram lacks one.

    The suffix of hw is the child of h's suffix with the word w. Children are sorted by word, so each is sought from
    where the last one was found, in steps that double.
    """
    for k in range(2, len(starts) - 1):
        for h in range(starts[k - 1], starts[k]):
            if k == 2:
                for g in range(first[h], first[h + 1]):
                    suffix[g] = word[g]
                continue
            at, end = np.int64(first[suffix[h]]), np.int64(first[suffix[h] + 1])
            for g in range(first[h], first[h + 1]):
                stride, high = 1, at
                while high < end and word[high] < word[g]:
                    at = high + 1
                    high += stride
                    stride *= 2
                high = min(high, end)
                while at < high:
                    middle = (at + high) // 2
                    if word[middle] < word[g]:
                        at = middle + 1
                    else:
                        high = middle
                if at == end or word[at] != word[g]:
                    return False
                suffix[g] = at
    return True
