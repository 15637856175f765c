"""Counts of the n-grams of all orders, by growing them leftwards.

The positions of the text, sorted by the word that stands there, are order 1. Order k + 1 follows from order k: the
positions of all k-grams, in the k-grams' order, are dealt out to the words that stand before them, as in a radix sort.
Each word's pile then lies in the order of the k-grams that follow the word, so that all (k + 1)-grams are in the
lexicographic order of their ids, children beside each other, and each one's suffix (the n-gram without its first word)
is the k-gram that was dealt.
"""

from collections.abc import Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from functools import partial

import numpy as np
from numba import njit

from nextword.errors import UsageError
from nextword.text.encode import BOS, EOS
from nextword.text.prefetch import prefetch
from nextword.types import Array, Ids_T

_AHEAD = 32  # contexts whose memory is asked for before it is needed
_PARTS = 4  # shares of the work per thread, as words differ in how scattered their n-grams' suffixes are
_LOW = np.uint64(0xFFFFFFFF)
_S32 = np.uint64(32)


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
    count = np.bincount(tokens, minlength=vocabulary_size).astype(np.uint32)
    count[BOS] = count[EOS] - (tokens[-1] == EOS)
    count[EOS] -= 1  # the one before the text
    words = np.arange(vocabulary_size, dtype=np.uint32)
    level = Level(words, count, np.zeros_like(words), np.array([0, vocabulary_size], dtype=np.uint32))
    yield level
    if order > 1:
        with ThreadPoolExecutor(threads) as pool:
            grower = _Grower(tokens, level, pool, threads)
            for _ in range(1, order):
                yield grower.grow()


class _Grower:
    """The highest order so far and the positions of its n-grams, from which the next order grows.

    positions: (P,) uint32, where each n-gram's first word stands, in the n-grams' order. begins: (N + 1,) uint32, the
    positions of n-gram g are begins[g] to begins[g + 1]. nodes: (V + 1,) int64, the n-grams that begin with word w are
    nodes[w] to nodes[w + 1].
    """

    def __init__(self, tokens: Ids_T, unigrams: Level, pool: ThreadPoolExecutor, threads: int):
        self._tokens, self._level, self._pool, self._threads = tokens, unigrams, pool, threads
        self._nodes = np.arange(len(unigrams) + 1)
        parts = _ranges(np.linspace(1, len(tokens), threads + 1))
        counts = list(pool.map(lambda part: _histogram(tokens, *part, len(unigrams)), parts))
        cursors, begins = _piles(counts)
        self._begins = begins.astype(np.uint32)
        self._positions, self._before = np.empty((2, len(tokens) - 1), dtype=np.uint32)
        self._dealt = np.empty(len(tokens) - 1, dtype=np.uint64)
        list(pool.map(lambda t: _deal_words(tokens, *parts[t], cursors[t], self._positions), range(threads)))

    def grow(self) -> Level:
        """The order above."""
        dealt, piles = self._deal()
        parts = _ranges([0, *np.searchsorted(piles, self._shares(piles[-1]).astype(np.int64)), len(piles) - 1])
        sizes = list(self._pool.map(lambda part: _count_distinct(dealt, piles, *part), parts))
        starts = np.cumsum([0, *sizes])
        total, below = int(starts[-1]), self._level
        level = Level(*(np.empty(n, dtype=np.uint32) for n in (total, total, total, len(below) + 1)))
        begins, nodes = np.empty(total + 1, dtype=np.uint32), np.empty_like(self._nodes)
        level.first[-1] = nodes[-1] = total
        begins[-1] = len(dealt)
        positions = self._positions[: len(dealt)]

        def collect(t: int) -> None:
            source = (dealt, piles, *parts[t], int(starts[t]), self._nodes, below.word, below.suffix, below.first)
            _collect(*source, level.word, level.count, level.suffix, level.first, nodes, begins, positions)

        list(self._pool.map(collect, range(len(parts))))
        self._level, self._nodes, self._begins, self._positions = level, nodes, begins, positions
        return level

    def _deal(self) -> tuple[Array, Array]:
        """The positions one earlier, with the n-grams after them, in piles by word; and where each pile begins.

        (P',) uint64, position << 32 | n-gram; (V + 1,) int64. What begins with ``<s>`` is left out: nothing is before.
        """
        tokens, positions, begins, before = self._tokens, self._positions, self._begins, self._before
        closed = range(int(self._nodes[BOS]), int(self._nodes[BOS + 1]))
        cuts = np.searchsorted(begins, self._shares(len(positions)))
        parts = _ranges(np.sort([0, *cuts, closed.start, closed.stop, len(begins) - 1]))
        parts = [part for part in parts if part[0] not in closed]

        look = partial(_words_before, tokens, positions, begins, before, len(self._nodes) - 1)
        cursors, piles = _piles(list(self._pool.map(look, *zip(*parts, strict=True))))
        dealt = self._dealt[: piles[-1]]
        deal = partial(_deal, positions, begins, before, dealt)
        list(self._pool.map(deal, cursors, *zip(*parts, strict=True)))
        return dealt, piles

    def _shares(self, total: int) -> Array:
        """What divides ``total`` into equal parts, in the type of what is searched for them."""
        return np.linspace(0, total, self._threads * _PARTS + 1)[1:-1].astype(np.uint32)


def _ranges(edges: Sequence[int] | Array) -> list[tuple[int, int]]:
    whole = [int(edge) for edge in edges]
    return list(zip(whole[:-1], whole[1:], strict=True))


def _piles(counts: Sequence[Array]) -> tuple[list[Array], Array]:
    """For each part of the positions, where its share of each word's pile begins; and where the piles do, (V + 1,)."""
    begins = np.concatenate([[0], np.cumsum(np.sum(counts, axis=0))])
    cursors, at = [], begins[:-1]
    for count in counts:
        cursors.append(at.copy())
        at = at + count
    return cursors, begins


@njit(cache=True, nogil=True)
def _histogram(tokens: Ids_T, begin: int, end: int, size: int) -> Array:
    """How often each word occurs, (size,)."""
    counts = np.zeros(size, dtype=np.int64)
    for i in range(begin, end):
        counts[tokens[i]] += 1
    return counts


@njit(cache=True, nogil=True)
def _deal_words(tokens: Ids_T, begin: int, end: int, cursor: Array, positions: Array) -> None:
    """Sort positions by the word that stands there."""
    for position in range(begin, end):
        word = tokens[position]
        positions[cursor[word]] = position
        cursor[word] += 1


@njit(cache=True, nogil=True)
def _words_before(
    tokens: Ids_T, positions: Array, begins: Array, before: Array, size: int, low: int, high: int
) -> Array:
    """Fill ``before`` with the word before each position of n-grams ``low`` to ``high``; how often each is, (size,).

    ``</s>`` stands for the ``<s>`` of the sentence after it.
    """
    counts = np.zeros(size, dtype=np.int64)
    for i in range(begins[low], begins[high]):
        word = np.uint32(tokens[positions[i] - 1])
        if word == EOS:
            word = np.uint32(BOS)
        before[i] = word
        counts[word] += 1
    return counts


@njit(cache=True, nogil=True)
def _deal(positions: Array, begins: Array, before: Array, dealt: Array, cursor: Array, low: int, high: int) -> None:
    """Put the positions of n-grams ``low`` to ``high``, one earlier, on the piles of the words that stand there."""
    for g in range(low, high):
        for i in range(begins[g], begins[g + 1]):
            word = before[i]
            dealt[cursor[word]] = (np.uint64(positions[i] - 1) << _S32) | np.uint64(g)
            cursor[word] += 1


@njit(cache=True, nogil=True)
def _count_distinct(dealt: Array, piles: Array, low: int, high: int) -> int:
    """N-grams in the piles of words ``low`` to ``high``."""
    distinct = 0
    for word in range(low, high):
        for i in range(piles[word], piles[word + 1]):
            distinct += i == piles[word] or (dealt[i] & _LOW) != (dealt[i - 1] & _LOW)
    return distinct


@njit(cache=True, nogil=True)
def _collect(
    dealt: Array, piles: Array, low: int, high: int, start: int, below_nodes: Array, below_word: Array,
    below_suffix: Array, below_first: Array, word: Array, count: Array, suffix: Array, first: Array,
    nodes: Array, begins: Array, positions: Array,
) -> None:  # fmt: skip
    """Write the n-grams in the piles of words ``low`` to ``high`` from index ``start`` on.

    The children of a context are those whose suffix is a child of the context's suffix: both lie in order.
    """
    node = start
    for w in range(low, high):
        nodes[w] = child = node
        for i in range(piles[w], piles[w + 1]):
            g = dealt[i] & _LOW
            if i == piles[w] or g != suffix[node - 1]:
                prefetch(below_word, np.int64(g))
                suffix[node] = g
                begins[node] = i
                count[node] = 0
                node += 1
            count[node - 1] += np.uint32(1)
            positions[i] = dealt[i] >> _S32
        for g in range(child, node):
            word[g] = below_word[suffix[g]]
        for context in range(below_nodes[w], below_nodes[w + 1]):
            if context + _AHEAD < len(below_suffix):
                prefetch(below_first, np.int64(below_suffix[context + _AHEAD]) + 1)
            first[context] = child
            end = below_first[below_suffix[context] + 1]
            while child < node and suffix[child] < end:
                child += 1
