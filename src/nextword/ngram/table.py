"""Building the hash table of an n-gram model from its trie, on several threads.

The table is cut into stretches. Whoever fills one walks the whole trie, in which n-grams of all orders follow from
their contexts one after the other, and enters those that belong there; so no hash is ever stored, and threads write to
different memory. The few entries that run over a stretch's end go in last.
"""

from concurrent.futures import ThreadPoolExecutor
from functools import partial

import numpy as np
from numba import njit

from nextword.ngram.arena import Arena
from nextword.ngram.kernels import BUCKET, append_word, home_slot, index_bits, spread, word_hash
from nextword.text.prefetch import prefetch
from nextword.types import Array

SLOTS_PER_NGRAM = 1.5
MAX_SLOTS = 2**32 - 1
_EMPTY = np.uint64(0)
_AHEAD = 64  # entries whose slots are asked for before the first is entered


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
    hashes = np.empty(order + 1, dtype=np.uint64)  # of the n-gram that the walk is at, and of its beginnings
    child, end = np.empty((2, order + 1), dtype=np.int64)  # which of their children comes next, and the end of these
    waiting = np.empty((_AHEAD, 2), dtype=np.uint64)
    left = np.empty((64, 2), dtype=np.uint64)
    asked = n = 0
    for unigram in range(starts[2] if order > 1 else 0):
        k = 1
        hashes[1] = word_hash(unigram)
        child[1], end[1] = first[unigram], first[unigram + 1]
        while k > 0:
            g = child[k]
            if g == end[k]:
                k -= 1
                continue
            child[k] += 1
            h = append_word(hashes[k], word_hash(word[g]))
            if k + 1 < order:
                k += 1
                hashes[k], child[k], end[k] = h, first[g], first[g + 1]
            h = spread(h)
            slot = home_slot(table, h)
            if not np.uint64(low) <= slot < np.uint64(high):
                continue
            prefetch(table, np.int64(slot))
            value = np.int64(values[g]) if len(values) else g
            waiting[asked, 0], waiting[asked, 1] = (h << np.uint64(bits)) | np.uint64(value), slot
            asked += 1
            if asked == _AHEAD:
                left, n = _insert(waiting[:asked], table, high, left, n)
                asked = 0
    left, n = _insert(waiting[:asked], table, high, left, n)
    return left[:n]


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
def _insert(entries: Array, table: Array, high: int, left: Array, n: int) -> tuple[Array, int]:
    """Insert (entry, slot) rows; what would be pushed to ``high`` or beyond is added to the ``n`` rows of ``left``.

    Returns ``left``, which may have been moved for more room, and its length.
    """
    for i in range(len(entries)):
        entry, slot = _push(entries[i, 0], np.int64(entries[i, 1]), table, high)
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
