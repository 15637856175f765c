"""Sorting, counting and merging of keys: integers of W unsigned 64-bit words, the first of which weighs most.

Rows are keys with a count in a last column, (n, W + 1) uint64; sorted rows rise by their keys, each of which is there
once. 24 M keys of two words are sorted in 1.2 s on one core: a radix sort by the first word, then a quicksort of the
few keys that agree in it (a quicksort of all takes three times as long).
"""

from collections.abc import Iterator, Sequence

import numpy as np
from numba import njit

from nextword.types import Array

_DIGITS = 256
_SMALL = 16


def sort_keys(keys: Array, scratch: Array) -> Array:
    """The keys, (n, W), in order; either argument's memory, which both are overwritten."""
    if not len(keys):
        return keys
    source = scratch[: len(keys)] if _sort_by_first(keys, scratch[: len(keys)]) % 2 else keys
    if source.shape[1] > 1:
        _sort_ties(source)
    return source


def combined(keys: Array, size: int) -> Iterator[Array]:
    """Sorted rows of sorted keys, in pieces of up to ``size`` rows, which share their memory."""
    rows = np.empty((min(size, len(keys)), keys.shape[1] + 1), dtype=np.uint64)
    at = 0
    while at < len(keys):
        at, n = _combine(keys, at, rows)
        yield rows[:n]


def merge(pieces: Sequence[Array], buffers: tuple[Array, Array] | None = None) -> Array:
    """Sorted rows of the sum of sorted rows, of one width.

    buffers: two arrays with room for all rows, whose memory the result may share; the pieces may lie in the first.
    """
    pieces = [piece for piece in pieces if len(piece)] or list(pieces[:1])
    if len(pieces) == 1:
        return pieces[0] if buffers else pieces[0].copy()
    if buffers is None:
        shape = (sum(map(len, pieces)), pieces[0].shape[1])
        buffers = (np.empty(shape, dtype=np.uint64), np.empty(shape, dtype=np.uint64))
    target, source = buffers
    while len(pieces) > 1:
        target, source = source, target
        pieces = sorted(pieces, key=len)  # so that no row is copied more often than it has to be
        merged, at = [], 0
        for left, right in zip(pieces[::2], [*pieces[1::2], pieces[-1][:0]], strict=False):
            n = _merge_two(left, right, target[at:])
            merged.append(target[at : at + n])
            at += n
        pieces = merged
    return pieces[0]


def lower_bound(rows: Array, key: Array) -> int:
    """How many sorted rows, or keys, are below ``key``, (W,)."""
    return int(_lower_bound(rows, key))


@njit(cache=True, nogil=True)
def _sort_by_first(keys: Array, scratch: Array) -> int:
    """Radix sort by the first of the W integers, digit by digit; returns passes made, after an odd one in scratch."""
    n, width = keys.shape
    counts = np.zeros((8, _DIGITS), dtype=np.int64)
    for i in range(n):
        for p in range(8):
            counts[p, (keys[i, 0] >> np.uint64(8 * p)) & np.uint64(_DIGITS - 1)] += 1
    passes = 0
    source, target = keys, scratch
    for p in range(8):
        cursor = counts[p]
        begin = 0
        if cursor.max() == n:
            continue
        for digit in range(_DIGITS):
            count = cursor[digit]
            cursor[digit] = begin
            begin += count
        for i in range(n):
            digit = (source[i, 0] >> np.uint64(8 * p)) & np.uint64(_DIGITS - 1)
            at = cursor[digit]
            cursor[digit] = at + 1
            for w in range(width):
                target[at, w] = source[i, w]
        source, target = target, source
        passes += 1
    return passes


@njit(cache=True, nogil=True, inline="always")
def _below(a, i, b, j, width):  # type: ignore[no-untyped-def]
    """Whether key ``i`` of ``a`` is below key ``j`` of ``b``."""
    for w in range(width):
        if a[i, w] != b[j, w]:
            return a[i, w] < b[j, w]
    return False


@njit(cache=True, nogil=True)
def _sort_ties(keys: Array) -> None:
    """Sort each stretch of keys that are alike in their first integer."""
    at = 0
    while at < len(keys):
        end = at + 1
        while end < len(keys) and keys[end, 0] == keys[at, 0]:
            end += 1
        if end - at > 1:
            _quicksort(keys, at, end)
        at = end


@njit(cache=True, nogil=True)
def _quicksort(keys: Array, low: int, high: int) -> None:
    """Sort keys ``low`` to ``high`` (Hoare's partition around the median of three; insertion for what is small)."""
    width = keys.shape[1]
    pivot = np.empty((1, width), dtype=np.uint64)
    stack = np.empty((64, 2), dtype=np.int64)  # the larger side waits, so log2 of the keys are enough
    stack[0, 0], stack[0, 1] = low, high
    top = 1
    while top > 0:
        top -= 1
        low, high = stack[top, 0], stack[top, 1]
        while high - low > _SMALL:
            a, b, c = low, (low + high) >> 1, high - 1
            if _below(keys, b, keys, a, width):
                a, b = b, a
            if _below(keys, c, keys, b, width):
                b = c
                if _below(keys, b, keys, a, width):
                    b = a
            for w in range(width):
                pivot[0, w] = keys[b, w]
            i, j = low - 1, high
            while True:
                i += 1
                while _below(keys, i, pivot, 0, width):
                    i += 1
                j -= 1
                while _below(pivot, 0, keys, j, width):
                    j -= 1
                if i >= j:
                    break
                for w in range(width):
                    keys[i, w], keys[j, w] = keys[j, w], keys[i, w]
            middle = j + 1
            if middle - low < high - middle:
                stack[top, 0], stack[top, 1] = middle, high
                high = middle
            else:
                stack[top, 0], stack[top, 1] = low, middle
                low = middle
            top += 1
        for i in range(low + 1, high):
            for w in range(width):
                pivot[0, w] = keys[i, w]
            j = i
            while j > low and _below(pivot, 0, keys, j - 1, width):
                for w in range(width):
                    keys[j, w] = keys[j - 1, w]
                j -= 1
            for w in range(width):
                keys[j, w] = pivot[0, w]


@njit(cache=True, nogil=True)
def _combine(keys: Array, at: int, rows: Array) -> tuple[int, int]:
    """Count equal keys, from number ``at`` on, into ``rows`` until these are full; (keys used up, rows filled)."""
    width = keys.shape[1]
    n = 0
    while at < len(keys) and n < len(rows):
        end = at + 1
        while end < len(keys) and not _below(keys, at, keys, end, width):
            end += 1
        for w in range(width):
            rows[n, w] = keys[at, w]
        rows[n, width] = np.uint64(end - at)
        n += 1
        at = end
    return at, n


@njit(cache=True, nogil=True)
def _merge_two(left: Array, right: Array, target: Array) -> int:
    """Merge sorted rows into ``target``; returns how many there are."""
    width = left.shape[1] - 1
    i = j = n = 0
    while i < len(left) and j < len(right):
        if _below(left, i, right, j, width):
            for w in range(width + 1):
                target[n, w] = left[i, w]
            i += 1
        elif _below(right, j, left, i, width):
            for w in range(width + 1):
                target[n, w] = right[j, w]
            j += 1
        else:
            for w in range(width):
                target[n, w] = left[i, w]
            target[n, width] = left[i, width] + right[j, width]
            i += 1
            j += 1
        n += 1
    while i < len(left):
        for w in range(width + 1):
            target[n, w] = left[i, w]
        i += 1
        n += 1
    while j < len(right):
        for w in range(width + 1):
            target[n, w] = right[j, w]
        j += 1
        n += 1
    return n


@njit(cache=True, nogil=True)
def _lower_bound(rows: Array, key: Array) -> int:
    low, high = 0, len(rows)
    while low < high:
        middle = (low + high) >> 1
        below = False
        for w in range(len(key)):
            if rows[middle, w] != key[w]:
                below = rows[middle, w] < key[w]
                break
        if below:
            low = middle + 1
        else:
            high = middle
    return low
