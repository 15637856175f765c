"""Building the hash table of an n-gram model, on all cores.

Entries are first scattered by the high bits of their hashes; each part's inserts then stay within a stretch of the
table that fits a cache. Threads own disjoint stretches; the few entries that run over a stretch's end go in last.
"""

from collections.abc import Sequence
from concurrent.futures import ThreadPoolExecutor

import numpy as np

from nextword.errors import EstimationError
from nextword.ngram import kernels
from nextword.types import Array

SLOTS_PER_NGRAM = 1.5
_PARTS = 256
_MAX_SLOTS = 2**32 - 1


def ngram_hashes(suffix: Sequence[Array], first: Sequence[Array], vocabulary_size: int) -> list[Array]:
    """Hashes of the n-grams of each order from 2 up.

    suffix[k], first[k]: of order k + 1, as in ``counting.Level``; order 1 is the words themselves.
    """
    hashes = kernels.hash_words(np.arange(vocabulary_size)[:, None])
    ends = np.arange(1, vocabulary_size + 1)
    result = []
    for links, children in zip(suffix[1:], first[1:], strict=True):
        ends = children[ends].astype(np.int64)
        below, hashes = hashes, np.empty(len(links), dtype=np.uint64)
        kernels.hash_level(below, links, ends, hashes)
        result.append(hashes)
    return result


def build_table(hashes: Sequence[Array], vocabulary_size: int, *, threads: int = 2) -> Array:
    """The hash table of n-grams whose hashes are given order by order; indices go on from the vocabulary's.

    Raises EstimationError if there are more n-grams than 32 bits can number.
    """
    total = sum(map(len, hashes))
    size = int(total * SLOTS_PER_NGRAM) + 8
    if size > _MAX_SLOTS:
        raise EstimationError(f"{total:,} n-grams are more than one model can hold (2,863,311,525); prune with --prune")
    table = np.zeros(size, dtype=np.uint64)
    bits = int(kernels.index_bits(vocabulary_size + total))
    entries, ends = _scatter(hashes, vocabulary_size, total, threads)
    cuts = [_PARTS * t // threads for t in range(threads + 1)]
    left = np.empty((total, 2), dtype=np.uint64)

    def insert(t: int) -> Array:
        low, high = (int(ends[cut - 1]) if cut else 0 for cut in cuts[t : t + 2])
        slots = [-(-(cut * size) // _PARTS) if cut < _PARTS else size for cut in cuts[t : t + 2]]
        n = kernels.insert(entries[low:high], bits, table, slots[0], slots[1], left[low:high])
        return left[low : low + n]

    with ThreadPoolExecutor(threads) as pool:
        kernels.insert_left_over(np.concatenate(list(pool.map(insert, range(threads)))), table)
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
        counts = np.array(list(pool.map(lambda piece: kernels.part_counts(piece[0]), pieces))).reshape(-1, _PARTS)
        ends = np.cumsum(counts.sum(axis=0))
        starts = ends - counts.sum(axis=0) + np.cumsum(counts, axis=0) - counts
        list(pool.map(lambda i: kernels.partition(*pieces[i], starts[i], entries), range(len(pieces))))
    return entries, ends
