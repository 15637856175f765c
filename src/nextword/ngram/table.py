"""Building the hash table of an n-gram model from its trie, on several threads.

The table is cut into stretches. Whoever fills one goes through the whole trie, a few unigrams and all that begins with
them at a time, and enters the n-grams that belong there; so only a few hashes are in memory, and threads write to
different places. The few entries that run over a stretch's end go in last.
"""

from concurrent.futures import ThreadPoolExecutor
from functools import partial
from typing import Any

import numpy as np
from numba import njit

from nextword.ngram.arena import Arena
from nextword.ngram.kernels import BUCKET, append_word, index_bits, slot_among, spread, word_hash
from nextword.text.prefetch import prefetch
from nextword.types import Array

SLOTS_PER_NGRAM = 1.5
MAX_SLOTS = 2**32 - 1
_EMPTY = np.uint64(0)
_AHEAD = 256  # entries whose slots are asked for before the first is entered
_TOGETHER = 1 << 14  # n-grams whose hashes are computed together


def table_slots(ngrams: int) -> int:
    """Slots of the table of so many n-grams of order 2 and up."""
    return (int(ngrams * SLOTS_PER_NGRAM) // BUCKET + 1) * BUCKET


def build_table(
    starts: Array,
    word: Array,
    first: Array,
    *,
    threads: int = 2,
    arena: Arena | None = None,
    stretch: int = MAX_SLOTS,
    values: Array | None = None,
    bits: int | None = None,
) -> Array:
    """The hash table of a trie's n-grams of order 2 and up; it depends on them alone.

    starts, word, first: as in ``BackoffModel``. There must be fewer slots than MAX_SLOTS. stretch: slots filled at a
    time by one thread, at most: writes are scattered over that many, so a table larger than memory wants it small, and
    the trie is read once for each. values: (N,) uint32 of ``bits`` bits, none of them 0, to hold instead of indices.
    """
    total = int(starts[-1] - starts[2])
    table = _aligned(table_slots(total), arena or Arena())
    held = np.zeros(0, dtype=np.uint32) if values is None else values
    width = int(index_bits(int(starts[-1]))) if bits is None else bits
    pieces = max(threads, -(-len(table) // stretch))
    cuts = [len(table) // BUCKET * i // pieces * BUCKET for i in range(pieces + 1)]
    with ThreadPoolExecutor(threads) as pool:
        fill = partial(_fill, starts, word, first, held, width, table)
        left = list(pool.map(lambda i: fill(cuts[i], cuts[i + 1]), range(pieces)))
    _insert_left_over(np.concatenate(left), table)
    return table


def _aligned(slots: int, arena: Arena) -> Array:
    """Empty slots whose buckets are lines of the cache, wherever the arena has them begin."""
    array = arena.zeros(slots + BUCKET - 1, np.uint64)
    skip = -(array.ctypes.data // array.itemsize) % BUCKET
    return array[skip : skip + slots]


@njit(cache=True, nogil=True)
def _fill(
    starts: Array, word: Array, first: Array, values: Array, bits: int, table: Array, low: int, high: int
) -> Array:
    """Enter the n-grams whose slots are ``low`` or more and below ``high``.

    Returns (entry, slot) of those that would be pushed to ``high`` or beyond, and where they go on from.
    """
    order = len(starts) - 2
    waiting, left = np.empty((2, _AHEAD), dtype=np.uint64), np.empty((64, 2), dtype=np.uint64)
    asked = n = 0
    begin, unigrams = 0, starts[2] if order > 1 else 0
    while begin < unigrams:
        g: Any = begin
        end = _some_unigrams(begin, starts, first)
        hashes = np.empty(end - begin, dtype=np.uint64)
        for i in range(len(hashes)):
            hashes[i] = word_hash(g + i)
        begin = end
        for _ in range(2, order + 1):
            hashes = _hash_children(g, hashes, word, first)
            g = np.int64(first[g])
            i = 0
            while i < len(hashes):
                i, asked = _choose(hashes, i, values, g, bits, len(table), low, high, waiting, asked)
                if asked == _AHEAD:
                    left, n = _insert(waiting, asked, table, high, left, n)
                    asked = 0
    left, n = _insert(waiting, asked, table, high, left, n)
    found: Array = left[:n]
    return found


@njit(cache=True, nogil=True)
def _some_unigrams(begin: int, starts: Array, first: Array) -> int:
    """Where to end with unigrams from ``begin`` on that have _TOGETHER n-grams, or one that has more."""
    size = 0
    end = begin
    while end < starts[2] and size < _TOGETHER:
        low: Any = end
        high: Any = end + 1
        for _ in range(len(starts) - 3):
            low, high = np.int64(first[low]), np.int64(first[high])
            size += high - low
        end += 1
    return end


@njit(cache=True, nogil=True)
def _hash_children(begin: int, hashes: Array, word: Array, first: Array) -> Array:
    """Hashes of the n-grams that extend those numbered from ``begin`` on, whose own are given."""
    low, high = np.int64(first[begin]), np.int64(first[begin + len(hashes)])
    children = np.empty(high - low, dtype=np.uint64)
    for i in range(len(children)):
        children[i] = word_hash(word[low + i])
    for i in range(len(hashes)):
        h = append_word(hashes[i], _EMPTY)
        for g in range(np.int64(first[begin + i]) - low, np.int64(first[begin + i + 1]) - low):
            children[g] += h
    return children


@njit(cache=True, nogil=True)
def _choose(
    hashes: Array, i: int, values: Array, begin: int, bits: int, slots: int, low: int, high: int, waiting: Array, n: int
) -> tuple[int, int]:
    """Add (entry; slot) columns to the first ``n`` of ``waiting``, of the hashes from ``i`` on that belong there.

    begin: number of the first hash's n-gram. Returns where to go on, and how many are waiting, at most _AHEAD.
    """
    while i < len(hashes) and n < _AHEAD:
        h = spread(hashes[i])
        slot = slot_among(slots, h)
        value = np.uint64(values[begin + i]) if len(values) else np.uint64(begin + i)
        waiting[0, n], waiting[1, n] = (h << np.uint64(bits)) | value, slot
        n += (np.uint64(low) <= slot) & (slot < np.uint64(high))
        i += 1
    return i, n


@njit(cache=True, nogil=True, inline="always")
def _push(entry, slot, table, high):  # type: ignore[no-untyped-def]
    """Enter an entry into the bucket at ``slot``, and what is pushed out of each into the next, up to slot ``high``.

    The larger entry takes the earlier slot, so the table does not depend on the order of insertion (Amble and Knuth
    1974). Returns what is pushed out of the last bucket, or 0, and the slot after it.
    """
    while slot < high and entry != _EMPTY:
        for i in range(slot, slot + BUCKET):
            held = table[i]
            table[i] = max(held, entry)
            entry = min(held, entry)
        slot += BUCKET
    return entry, slot


@njit(cache=True, nogil=True)
def _insert(waiting: Array, asked: int, table: Array, high: int, left: Array, n: int) -> tuple[Array, int]:
    """Insert columns of ``waiting``, (entry; slot); what is pushed to ``high`` or beyond is added to ``left[:n]``.

    Returns ``left``, which may have been moved for more room, and its length.
    """
    for i in range(asked):
        prefetch(table, np.int64(waiting[1, i]))
    for i in range(asked):
        entry, slot = _push(waiting[0, i], np.int64(waiting[1, i]), table, high)
        if entry != _EMPTY:
            if n == len(left):
                left = np.concatenate((left, left))
            left[n, 0], left[n, 1] = entry, slot
            n += 1
    return left, n


@njit(cache=True, nogil=True)
def _insert_left_over(left_over: Array, table: Array) -> None:
    """Insert (entry, slot) rows, going round at the table's end."""
    for i in range(len(left_over)):
        entry, slot = left_over[i, 0], np.int64(left_over[i, 1])
        while entry != _EMPTY:
            entry, slot = _push(entry, slot % len(table), table, len(table))
