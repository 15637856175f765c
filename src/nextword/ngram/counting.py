"""Counts of the n-grams of all orders, by refining groups of positions.

The positions of the text are sorted by the word that stands there; that is order 1. Order k follows from order k-1:
the positions of one (k-1)-gram, moved one word on and sorted by the word found there, fall apart into its k-grams.
So every order comes out in the lexicographic order of its ids, children beside each other, and each n-gram knows its
suffix (the n-gram without its first word), which is the (k-1)-gram that ends at the same position.
"""

from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass

import numpy as np
from numba import njit

from nextword.errors import UsageError
from nextword.text.encode import BOS, EOS
from nextword.types import Array, Ids_T

_LOW = np.uint64(0xFFFFFFFF)
_S32 = np.uint64(32)
_INSERTION = 24


@dataclass(frozen=True)
class Level:
    """The n-grams of one order, sorted by ids. N is their number, C that of the order below.

    word: (N,) uint32, last word. count: (N,) uint32, raw count. suffix: (N,) uint32, index in the order below of the
    n-gram without its first word. first: (C + 1,) uint32, children of context h are first[h] to first[h + 1].
    """

    word: Array
    count: Array
    suffix: Array
    first: Array

    def __len__(self) -> int:
        return len(self.word)

    @property
    def children(self) -> Array:
        """How many n-grams extend each context, (C,) int64."""
        return self.first[1:].astype(np.int64) - self.first[:-1]


def count_ngrams(tokens: Ids_T, vocabulary_size: int, order: int, *, threads: int = 2) -> Iterator[Level]:
    """Yield one Level per order, 1 to ``order``.

    tokens: (1 + T,) ids, ``</s>`` before the first sentence and at the end of each, no ``<s>``. (The last
    sentence may lack its ``</s>``, as lmplz has it for a text that lacks its last newline.) Order 1 holds every
    id of the vocabulary, those that never occur too; ``<s>`` has the number of sentences as its count.
    Raises UsageError for an order below 1 or more tokens than 32 bits can number.
    """
    if order < 1:
        raise UsageError(f"order {order}: an n-gram model has order 1 or more")
    if len(tokens) >= 2**32 - 1:
        raise UsageError(f"{len(tokens):,} tokens are more than fit in memory here (4,294,967,294); train on parts")
    count, group, ends = _first_level(tokens, vocabulary_size)
    ids = tokens.astype(np.uint32)
    none = np.zeros(vocabulary_size, dtype=np.uint32)
    yield Level(np.arange(vocabulary_size, dtype=np.uint32), count, none, np.array([0, vocabulary_size], np.uint32))
    with ThreadPoolExecutor(threads) as pool:
        for _ in range(1, order):
            level, group, ends = _next_level(tokens, ids, group, ends, pool.map, threads)
            yield level


def _first_level(tokens: Ids_T, vocabulary_size: int) -> tuple[Array, Array, Array]:
    """Counts, the positions grouped by word as (word << 32 | position), and the end of each group."""
    count = np.bincount(tokens, minlength=vocabulary_size)
    sentences = count[EOS] - (tokens[-1] == EOS)
    count[EOS] -= 1  # the one before the text
    ends = count.copy()
    ends[BOS], ends[EOS] = sentences, 0  # what follows </s> follows <s>
    ends = np.cumsum(ends)
    group = np.empty(int(ends[-1]), dtype=np.uint64)
    _group_by_word(tokens, ends, group)
    count[BOS] = sentences
    return count.astype(np.uint32), group, ends


def _next_level(
    tokens: Ids_T, ids: Array, group: Array, ends: Array, run: Callable[..., Iterator[Array]], threads: int
) -> tuple[Level, Array, Array]:
    """The order above, its grouped positions and the ends of its groups; ``ids`` moves up to that order in place."""
    cuts = np.searchsorted(ends, np.linspace(0, len(group), threads + 1)[1:-1])
    cuts = np.concatenate([[0], cuts, [len(ends)]]).astype(np.int64)
    parts = list(zip(cuts[:-1], cuts[1:], strict=True))
    new_group, new_ends = np.empty_like(group), np.empty_like(ends)
    begins = [0 if low == 0 else int(ends[low - 1]) for low, _ in parts]
    sizes = np.array(list(run(lambda part: _refine(tokens, group, ends, *part, new_group, new_ends), parts)))
    starts = np.concatenate([[0], np.cumsum(sizes[:, 1])])
    total = int(starts[-1])
    level = Level(*(np.empty(n, dtype=np.uint32) for n in (total, total, total, len(ends) + 1)))
    level.first[-1] = total
    group_ends = np.empty(total, dtype=np.int64)
    shifts = np.concatenate([[0], np.cumsum(sizes[:, 0])])
    packed = np.empty(int(shifts[-1]), dtype=np.uint64)

    def emit(part: int) -> None:
        low, high = parts[part]
        n, begin, shift = int(sizes[part, 0]), begins[part], int(shifts[part])
        piece = new_group[begin : begin + n]
        packed[shift : shift + n] = piece
        columns = (level.word, level.count, level.suffix, level.first)
        _emit(piece, new_ends, low, high, begin, shift, int(starts[part]), ids, *columns, group_ends)

    list(run(emit, range(len(parts))))
    return level, packed, group_ends


@njit(cache=True, nogil=True)
def _group_by_word(tokens: Ids_T, ends: Array, group: Array) -> None:
    """Counting sort of positions by word, ``</s>`` standing for the ``<s>`` of the sentence after it."""
    cursor = np.empty_like(ends)
    cursor[0] = 0
    cursor[1:] = ends[:-1]
    last = len(tokens) - 1
    for i in range(len(tokens)):
        word = tokens[i]
        if word == EOS:
            if i == last:
                break
            word = BOS
        group[cursor[word]] = (np.uint64(word) << _S32) | np.uint64(i)
        cursor[word] += 1


@njit(cache=True, nogil=True)
def _sort(keys: Array) -> None:
    """Sort in place; most groups are tiny."""
    n = len(keys)
    if n > _INSERTION:
        keys.sort()
        return
    for i in range(1, n):
        key = keys[i]
        j = i - 1
        while j >= 0 and keys[j] > key:
            keys[j + 1] = keys[j]
            j -= 1
        keys[j + 1] = key


@njit(cache=True, nogil=True)
def _refine(
    tokens: Ids_T, group: Array, ends: Array, low: int, high: int, new_group: Array, new_ends: Array
) -> tuple[int, int]:
    """Move the groups ``low`` to ``high`` one word on and sort each; returns (positions kept, distinct n-grams).

    What is kept is packed at the beginning of the part's own stretch of ``new_group``.
    """
    begin = ends[low - 1] if low > 0 else 0
    n, at = begin, begin
    for g in range(low, high):
        for i in range(at, ends[g]):
            position = (group[i] & _LOW) + np.uint64(1)
            if (group[i] >> _S32) != np.uint64(EOS) and position < np.uint64(len(tokens)):
                new_group[n] = (np.uint64(tokens[position]) << _S32) | position
                n += 1
        at = ends[g]
        new_ends[g] = n
    distinct = 0
    at = begin
    for g in range(low, high):
        stop = new_ends[g]
        if stop - at > 1:
            _sort(new_group[at:stop])
        for i in range(at, stop):
            if i == at or (new_group[i] >> _S32) != (new_group[i - 1] >> _S32):
                distinct += 1
        at = stop
    return n - begin, distinct


@njit(cache=True, nogil=True)
def _emit(
    group: Array,
    new_ends: Array,
    low: int,
    high: int,
    begin: int,
    shift: int,
    start: int,
    ids: Array,
    word: Array,
    count: Array,
    suffix: Array,
    first: Array,
    group_ends: Array,
) -> None:
    """Write the n-grams of the sorted groups ``low`` to ``high`` from index ``start``; ``ids`` turns into theirs."""
    node = start - 1
    at = 0
    for g in range(low, high):
        first[g] = node + 1
        stop = new_ends[g] - begin
        for i in range(at, stop):
            position = group[i] & _LOW
            if i == at or (group[i] >> _S32) != (group[i - 1] >> _S32):
                node += 1
                word[node] = group[i] >> _S32
                count[node] = 0
                suffix[node] = ids[position]
            count[node] += np.uint32(1)
            group_ends[node] = i + 1 + shift
            ids[position] = node
        at = stop
