"""Windows of a text as packed integers that sort like n-grams: what is counted where memory is bounded.

A window is the n-gram of the highest order that begins at a position, cut after the first ``</s>``; there is one for
every position but those of ``</s>``, the ``</s>`` before a sentence standing for its ``<s>``. An n-gram of any order is
counted as often as the windows that begin with it are, so sorted windows hold the counts of all orders.

Rows are the one form in which windows travel: (n, W + 1) uint64, the first W columns the key, the last the count.
Sorted rows rise by their keys, each of which is there once.
"""

from dataclasses import dataclass

import numpy as np
from numba import njit

from nextword.errors import UsageError
from nextword.ngram.external.sorting import combined, sort_keys
from nextword.text.encode import BOS, EOS
from nextword.types import Array, Ids_T

_ONE = np.uint64(1)


@dataclass(frozen=True)
class KeyLayout:
    """Where the ids of a window lie in its key.

    A field is an id + 1, or 0 for none. The first id is the most significant field: it begins at the highest bit of the
    first of W = ``words`` unsigned 64-bit integers; fields may lie across two of them, and the lowest bits stay 0.

    >>> KeyLayout(order=5, vocabulary_size=500_000)
    KeyLayout(order=5, vocabulary_size=500000)
    >>> _.bits, _.words
    (19, 2)
    """

    order: int
    vocabulary_size: int

    def __post_init__(self) -> None:
        if self.order < 1:
            raise UsageError(f"order {self.order}: an n-gram model has order 1 or more")

    @property
    def bits(self) -> int:
        """Bits of a field."""
        return max(1, self.vocabulary_size.bit_length())

    @property
    def words(self) -> int:
        """W, the 64-bit integers of a key."""
        return -(-self.order * self.bits // 64)

    @property
    def row_bytes(self) -> int:
        """Bytes of a row."""
        return 8 * (self.words + 1)

    def none(self) -> Array:
        """No rows, (0, W + 1)."""
        return np.empty((0, self.words + 1), dtype=np.uint64)

    def pack(self, ids: Array) -> Array:
        """Keys of n-grams, (n, W), given by their ids, (n, k), k up to the order; the slow twin of ``window_keys``."""
        keys = np.zeros((len(ids), self.words), dtype=np.uint64)
        for j, column in enumerate(np.asarray(ids).T):
            _put_fields(keys, np.asarray(column, dtype=np.int64) + 1, j * self.bits, self.bits)
        return keys

    def unpack(self, keys: Array) -> Array:
        """Ids of the windows of keys or rows, (n, order) int64; -1 for none."""
        ids = np.empty((len(keys), self.order), dtype=np.int64)
        _unpack(np.ascontiguousarray(keys), self.order, self.bits, ids)
        return ids


def window_keys(tokens: Ids_T, layout: KeyLayout, keys: Array) -> Array:
    """Keys of all windows of whole sentences, in the text's order: the beginning of ``keys`` (len(tokens), W), filled.

    tokens: ``</s>`` before the first sentence and at the end of each, as ``count_ngrams`` has them; the last may lack
    its end.
    """
    n = _window_keys(tokens, layout.order, layout.bits, keys)
    return keys[:n]


def sorted_rows(tokens: Ids_T, layout: KeyLayout) -> Array:
    """Sorted rows of the windows of whole sentences; see ``window_keys``."""
    keys = window_keys(tokens, layout, np.empty((len(tokens), layout.words), dtype=np.uint64))
    keys = sort_keys(keys, np.empty_like(keys))
    return next(combined(keys, len(keys)), layout.none()).copy()


@njit(cache=True, nogil=True, inline="always")
def set_field(keys, i, offset, bits, value):  # type: ignore[no-untyped-def]
    """Put a field at bit ``offset``, from the top, of key ``i``, whose bits there are 0."""
    at, shift = offset >> 6, 64 - (offset & 63) - bits
    if shift >= 0:
        keys[i, at] |= value << np.uint64(shift)
    else:
        keys[i, at] |= value >> np.uint64(-shift)
        keys[i, at + 1] |= value << np.uint64(64 + shift)


@njit(cache=True, nogil=True, inline="always")
def get_field(keys, i, offset, bits):  # type: ignore[no-untyped-def]
    """The field at bit ``offset``, from the top, of key ``i``."""
    at, shift = offset >> 6, 64 - (offset & 63) - bits
    mask = (_ONE << np.uint64(bits)) - _ONE
    if shift >= 0:
        return (keys[i, at] >> np.uint64(shift)) & mask
    return ((keys[i, at] << np.uint64(-shift)) | (keys[i, at + 1] >> np.uint64(64 + shift))) & mask


@njit(cache=True, nogil=True)
def _put_fields(keys: Array, values: Array, offset: int, bits: int) -> None:
    for i in range(len(keys)):
        set_field(keys, i, offset, bits, np.uint64(values[i]))


@njit(cache=True, nogil=True)
def _unpack(keys: Array, order: int, bits: int, ids: Array) -> None:
    for i in range(len(keys)):
        for j in range(order):
            ids[i, j] = np.int64(get_field(keys, i, j * bits, bits)) - 1


@njit(cache=True, nogil=True)
def _window_keys(tokens: Ids_T, order: int, bits: int, keys: Array) -> int:
    n, total = 0, len(tokens)
    for i in range(total):
        word = tokens[i]
        if word == EOS:
            if i == total - 1:
                break
            word = np.int32(BOS)
        for w in range(keys.shape[1]):
            keys[n, w] = 0
        set_field(keys, n, 0, bits, np.uint64(word + 1))
        for j in range(1, min(order, total - i)):
            word = tokens[i + j]
            set_field(keys, n, j * bits, bits, np.uint64(word + 1))
            if word == EOS:
                break
        n += 1
    return n
