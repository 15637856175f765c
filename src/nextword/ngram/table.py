"""Building the hash table of an n-gram model, on several threads.

Entries are first scattered by the high bits of their hashes; each part's inserts then stay within a stretch of the
table that fits a cache. Threads own disjoint stretches; the few entries that run over a stretch's end go in last.
"""

from collections.abc import Sequence
from concurrent.futures import ThreadPoolExecutor

import numpy as np
from numba import njit

from nextword.ngram.kernels import extend_hash, home_slot, index_bits
from nextword.types import Array

SLOTS_PER_NGRAM = 1.5
_PARTS = 256
_EMPTY = np.uint64(0)
MAX_SLOTS = 2**32 - 1


def ngram_hashes(suffix: Sequence[Array], first: Sequence[Array], vocabulary_size: int) -> list[Array]:
    """Hashes of the n-grams of each order from 2 up.

    suffix[k], first[k]: of order k + 1, as in ``counting.Level``; order 1 is the words themselves.
    """
    hashes = hash_words(np.arange(vocabulary_size)[:, None])
    ends = np.arange(1, vocabulary_size + 1)
    result = []
    for links, children in zip(suffix[1:], first[1:], strict=True):
        ends = children[ends].astype(np.int64)
        below, hashes = hashes, np.empty(len(links), dtype=np.uint64)
        _hash_level(below, links, ends, hashes)
        result.append(hashes)
    return result


def build_table(hashes: Sequence[Array], vocabulary_size: int, *, threads: int = 2) -> Array:
    """The hash table of n-grams whose hashes are given order by order; indices go on from the vocabulary's.

    There must be fewer slots than MAX_SLOTS.
    """
    total = sum(map(len, hashes))
    size = int(total * SLOTS_PER_NGRAM) + 8
    table = np.zeros(size, dtype=np.uint64)
    bits = int(index_bits(vocabulary_size + total))
    entries, ends = _scatter(hashes, vocabulary_size, total, threads)
    cuts = [_PARTS * t // threads for t in range(threads + 1)]
    left = np.empty((total, 2), dtype=np.uint64)

    def insert(t: int) -> Array:
        low, high = (int(ends[cut - 1]) if cut else 0 for cut in cuts[t : t + 2])
        slots = [-(-(cut * size) // _PARTS) if cut < _PARTS else size for cut in cuts[t : t + 2]]
        n = _insert(entries[low:high], bits, table, slots[0], slots[1], left[low:high])
        return left[low : low + n]

    with ThreadPoolExecutor(threads) as pool:
        _insert_left_over(np.concatenate(list(pool.map(insert, range(threads)))), table)
    return table


def _scatter(hashes: Sequence[Array], vocabulary_size: int, total: int, threads: int) -> tuple[Array, Array]:
    """All (hash, index), (total, 2), sorted into parts by the high bits; and the end of each part, (256,)."""
    pieces = []
    begin = vocabulary_size
    for level in hashes:
        for piece in np.array_split(level, threads):
            pieces.append((piece, begin))
            begin += len(piece)
    entries = np.empty((total, 2), dtype=np.uint64)
    with ThreadPoolExecutor(threads) as pool:
        counts = np.array(list(pool.map(lambda piece: _part_counts(piece[0]), pieces))).reshape(-1, _PARTS)
        ends = np.cumsum(counts.sum(axis=0))
        starts = ends - counts.sum(axis=0) + np.cumsum(counts, axis=0) - counts
        list(pool.map(lambda i: _partition(*pieces[i], starts[i], entries), range(len(pieces))))
    return entries, ends


@njit(cache=True, nogil=True)
def _hash_level(suffix_hashes: Array, suffix: Array, first_word_ends: Array, hashes: Array) -> None:
    """Hashes of one order from those of the order below; n-grams up to ``first_word_ends[w]`` begin with w or less."""
    at = 0
    for word in range(len(first_word_ends)):
        for g in range(at, first_word_ends[word]):
            hashes[g] = extend_hash(suffix_hashes[suffix[g]], word)
        at = first_word_ends[word]


@njit(cache=True, nogil=True)
def hash_words(words: Array) -> Array:
    """Hashes of n-grams given by their words, (N, k) ids."""
    hashes = np.empty(len(words), dtype=np.uint64)
    for g in range(len(words)):
        h = _EMPTY
        for k in range(words.shape[1] - 1, -1, -1):
            h = extend_hash(h, words[g, k])
        hashes[g] = h
    return hashes


@njit(cache=True, nogil=True)
def _part_counts(hashes: Array) -> Array:
    """How many hashes have each value of the high 8 bits, (256,)."""
    counts = np.zeros(256, dtype=np.int64)
    for h in hashes:
        counts[h >> np.uint64(56)] += 1
    return counts


@njit(cache=True, nogil=True)
def _partition(hashes: Array, begin: int, cursor: Array, entries: Array) -> None:
    """Scatter (hash, index) by the hash's high 8 bits, so that the inserts after it stay within the cache."""
    for g in range(len(hashes)):
        part = hashes[g] >> np.uint64(56)
        at = cursor[part]
        cursor[part] += 1
        entries[at, 0] = hashes[g]
        entries[at, 1] = np.uint64(begin + g)


@njit(cache=True, nogil=True)
def _insert(entries: Array, bits: int, table: Array, low: int, high: int, left_over: Array) -> int:
    """Insert (hash, index) rows whose slots lie from ``low``; what is pushed to ``high`` or beyond is left over.

    Returns how many were; ``left_over`` then holds their entries and the slots where to go on. The larger entry
    takes the earlier slot, so the table does not depend on the order of insertion (Amble and Knuth 1974).
    """
    n = 0
    for i in range(len(entries)):
        slot = home_slot(table, entries[i, 0])
        entry = (entries[i, 0] << np.uint64(bits)) | entries[i, 1]
        inside = slot >= np.uint64(low)
        while inside and slot < np.uint64(high) and entry != _EMPTY:
            if table[slot] < entry:
                table[slot], entry = entry, table[slot]
            slot += np.uint64(1)
        if entry != _EMPTY:
            left_over[n, 0] = entry
            left_over[n, 1] = slot
            n += 1
    return n


@njit(cache=True, nogil=True)
def _insert_left_over(left_over: Array, table: Array) -> None:
    """Insert (entry, slot) rows, going round at the table's end."""
    size = np.uint64(len(table))
    for i in range(len(left_over)):
        entry, slot = left_over[i, 0], left_over[i, 1]
        while entry != _EMPTY:
            if slot == size:
                slot = _EMPTY
            if table[slot] < entry:
                table[slot], entry = entry, table[slot]
            slot += np.uint64(1)
