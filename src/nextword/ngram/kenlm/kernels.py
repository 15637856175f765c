"""Look-ups in the memory of KenLM's binary files (Heafield 2011, "KenLM: Faster and Smaller Language Model Queries").

n-grams are found from their last word leftwards. Going from a k-gram to a (k + 1)-gram takes four steps, one function
each, so that a caller can do one step for many tokens before the next and let memory come meanwhile:

    root    a word → the node (a, b) of its 1-gram, and whether longer n-grams may end in it
    ask     node, the word before → the node sought; its memory is asked for
    find    node sought → where it is, or -1
    follow  where it is → its node, and whether longer n-grams may end in it

``value`` gives log10 probability and back-off weight, the latter -0.0 where no n-gram begins with this one.
Probing: a node is (hash, address of its first bucket), a place is the entry's address. Trie: a node is the range of its
children in the next order's array, a place is an index in that array. ``fields`` is the address of int64 numbers, see
``kenlm_binary``; every index from the file is bounded by the counts that the file's size was checked against.
"""

import numpy as np
from numba import njit

from nextword.ngram.kenlm.addresses import (
    bits_float,
    fetch,
    float_bits,
    load_byte,
    load_float32,
    load_int64,
    load_uint32,
    load_uint64,
)

# int64 numbers at ``fields``: those of the vocabulary and the 1-grams, then PER_ORDER for each order from 2 up.
WORD_TABLE, WORD_ROWS, UNIGRAMS, UNIGRAM_BYTES, UNIGRAM_COUNT, HEAD = 0, 1, 2, 3, 4, 8
BASE, ROWS, ENTRY_BYTES = 0, 1, 2  # of a probing table
WORD_BITS, TOTAL_BITS, PROB_BITS, BACKOFF_BITS, PROB_TABLE, BACKOFF_TABLE = 2, 3, 4, 5, 6, 7  # of a trie's order
NEXT_BITS, NEXT_COUNT, OFFSETS, OFFSET_COUNT, PER_ORDER = 8, 9, 10, 11, 12
EXACT = 63  # "bits" of an exact probability and back-off weight: 31 and 32

_M = np.uint64(0xC6A4A7935BD1E995)
_S47 = np.uint64(47)
_NODE, _WORD = np.uint64(8978948897894561157), np.uint64(17894857484156487943)
_SIGN = np.uint32(0x80000000)
_NO_EXTENSION = np.float32(-0.0)
_ZERO, _ONE, _SEVEN = np.uint64(0), np.uint64(1), np.uint64(7)
_BITS31, _BITS32 = np.uint64(0x7FFFFFFF), np.uint64(0xFFFFFFFF)


@njit(forceinline=True)
def murmur(address, count):  # type: ignore[no-untyped-def]
    """MurmurHash64A of bytes, seed 0 (Appleby 2008)."""
    h = np.uint64(count) * _M
    for i in range(0, count - 7, 8):
        k = load_uint64(address + i) * _M
        k ^= k >> _S47
        h = (h ^ (k * _M)) * _M
    rest = count & 7
    if rest:
        last = _ZERO
        for i in range(rest):
            last |= np.uint64(load_byte(address + (count - rest + i))) << np.uint64(8 * i)
        h = (h ^ last) * _M
    h ^= h >> _S47
    h *= _M
    return h ^ (h >> _S47)


@njit(forceinline=True)
def _field(fields, order, which):  # type: ignore[no-untyped-def]
    return load_int64(fields + 8 * (HEAD + PER_ORDER * (order - 2) + which))


@njit(forceinline=True)
def _head(fields, which):  # type: ignore[no-untyped-def]
    return load_int64(fields + 8 * which)


@njit(forceinline=True)
def probing_seat(fields, h):  # type: ignore[no-untyped-def]
    """Address of the word table's first bucket for a word's hash, asked for."""
    bucket = np.int64(h % np.uint64(_head(fields, WORD_ROWS)))
    address = _head(fields, WORD_TABLE) + 12 * bucket
    fetch(address)
    return address


@njit(forceinline=True)
def probing_word(fields, h, seat):  # type: ignore[no-untyped-def]
    """Id of the word of a hash, 0 if it is not there."""
    begin, rows = _head(fields, WORD_TABLE), _head(fields, WORD_ROWS)
    at = _bucket(begin, rows, 12, h, seat)
    word = np.int64(load_uint32(at + 8)) if at >= 0 else 0
    return word if word < _head(fields, UNIGRAM_COUNT) else 0


@njit(forceinline=True)
def _bucket(begin, rows, size, key, at):  # type: ignore[no-untyped-def]
    """Address of the entry of ``key``, or -1; the search goes from ``at`` to the first empty bucket."""
    for _ in range(rows):
        found = load_uint64(at)
        if found == key:
            return at
        if found == _ZERO:
            return -1
        at += size
        if at == begin + rows * size:
            at = begin
    return -1


@njit(forceinline=True)
def probing_root(fields, word):  # type: ignore[no-untyped-def]
    """See the module."""
    prob = load_float32(_head(fields, UNIGRAMS) + _head(fields, UNIGRAM_BYTES) * word)
    return np.uint64(word), 0, (float_bits(prob) & _SIGN) == 0


@njit(forceinline=True)
def probing_ask(fields, order, a, before):  # type: ignore[no-untyped-def]
    """See the module; ``order`` is that of the n-gram sought."""
    h = (a * _NODE) ^ ((np.uint64(before) + _ONE) * _WORD)
    bucket = np.int64(h % np.uint64(_field(fields, order, ROWS)))
    address = _field(fields, order, BASE) + bucket * _field(fields, order, ENTRY_BYTES)
    fetch(address)
    return h, address


@njit(forceinline=True)
def probing_find(fields, order, a, b):  # type: ignore[no-untyped-def]
    """See the module."""
    rows, size = _field(fields, order, ROWS), _field(fields, order, ENTRY_BYTES)
    return _bucket(_field(fields, order, BASE), rows, size, a, b)


@njit(forceinline=True)
def probing_extends(place):  # type: ignore[no-untyped-def]
    """Do longer n-grams end in the one at ``place``? KenLM tells by the sign of its probability."""
    return (load_uint32(place + 8) & _SIGN) == 0


@njit(forceinline=True)
def probing_value(fields, top, order, place):  # type: ignore[no-untyped-def]
    """See the module; ``place`` of a 1-gram is its word, ``top`` the highest order."""
    address = place + 8
    if order == 1:
        address = _head(fields, UNIGRAMS) + _head(fields, UNIGRAM_BYTES) * place
    prob = bits_float(load_uint32(address) | _SIGN)
    return prob, load_float32(address + 4) if order < top else _NO_EXTENSION


@njit(forceinline=True)
def sorted_word(fields, h):  # type: ignore[no-untyped-def]
    """Id of the word of a hash, 0 if it is not there: its place among the sorted hashes, counted from 1."""
    begin = _head(fields, WORD_TABLE)
    low, high = 0, _head(fields, WORD_ROWS)
    lowest, highest = _ZERO, ~_ZERO
    while low < high:
        share = np.float64(h - lowest) / np.float64(highest - lowest) if highest > lowest else 0.5
        at = low + min(max(np.int64(share * np.float64(high - low)), 0), high - low - 1)
        found = load_uint64(begin + 8 * at)
        if found == h:
            return at + 1
        if found < h:
            low, lowest = at + 1, found
        else:
            high, highest = at, found
    return 0


@njit(forceinline=True)
def _read_bits(base, at, bits):  # type: ignore[no-untyped-def]
    """The up to 57 bits from bit ``at`` on."""
    word = load_uint64(base + (at >> 3)) >> (np.uint64(at) & _SEVEN)
    return word & ((_ONE << np.uint64(bits)) - _ONE)


@njit(forceinline=True)
def trie_root(fields, word):  # type: ignore[no-untyped-def]
    """See the module."""
    address = _head(fields, UNIGRAMS) + 16 * word
    begin, end = load_int64(address + 8), load_int64(address + 24)
    most = _field(fields, 2, ROWS)
    if begin < 0 or begin >= end or end > most:
        return _ZERO, 0, False
    return np.uint64(begin), end, True


@njit(forceinline=True)
def trie_find(fields, order, a, b, before):  # type: ignore[no-untyped-def]
    """See the module: the child with word ``before``, between rows ``a`` and ``b``, which rise by their words."""
    base, bits = _field(fields, order, BASE), _field(fields, order, WORD_BITS)
    stride = _field(fields, order, TOTAL_BITS)
    low, high = np.int64(a), b
    lowest, highest = np.int64(0), _head(fields, UNIGRAM_COUNT)
    while low < high:
        share = ((before - lowest) * (high - low)) // (highest - lowest + 1)
        at = low + min(max(share, 0), high - low - 1)
        found = np.int64(_read_bits(base, at * stride, bits))
        if found == before:
            return at
        if found < before:
            low, lowest = at + 1, found
        else:
            high, highest = at, found
        if highest < lowest:
            break
    return -1


@njit(forceinline=True)
def _next(fields, order, row):  # type: ignore[no-untyped-def]
    """Where the children of a row begin."""
    stride, bits = _field(fields, order, TOTAL_BITS), _field(fields, order, NEXT_BITS)
    low_bits = np.int64(_read_bits(_field(fields, order, BASE), (row + 1) * stride - bits, bits))
    offsets, low, high = _field(fields, order, OFFSETS), 0, _field(fields, order, OFFSET_COUNT)
    if high == 0:
        return low_bits
    while low < high:  # how many offsets are at most ``row``: that many less one are the high bits (Raj and Whittaker)
        middle = (low + high) >> 1
        if load_int64(offsets + 8 * middle) <= row:
            low = middle + 1
        else:
            high = middle
    return ((low - 1) << bits) | low_bits


@njit(forceinline=True)
def trie_follow(fields, order, row):  # type: ignore[no-untyped-def]
    """See the module."""
    begin, end = _next(fields, order, row), _next(fields, order, row + 1)
    if begin < 0 or begin >= end or end > _field(fields, order, NEXT_COUNT):
        return _ZERO, 0, False
    return np.uint64(begin), end, True


@njit(forceinline=True)
def trie_value(fields, top, order, row):  # type: ignore[no-untyped-def]
    """See the module."""
    if order == 1:
        address = _head(fields, UNIGRAMS) + 16 * row
        return load_float32(address), load_float32(address + 4)
    base = _field(fields, order, BASE)
    at = row * _field(fields, order, TOTAL_BITS) + _field(fields, order, WORD_BITS)
    prob_bits, backoff_bits = _field(fields, order, PROB_BITS), _field(fields, order, BACKOFF_BITS)
    if prob_bits == EXACT:
        prob = bits_float(np.uint32(_read_bits(base, at, 31)) | _SIGN)
        backoff = bits_float(np.uint32(_read_bits(base, at + 31, 32))) if order < top else _NO_EXTENSION
        return prob, backoff
    code = np.int64(_read_bits(base, at + backoff_bits, prob_bits))
    prob = load_float32(_field(fields, order, PROB_TABLE) + 4 * code)
    if order == top:
        return prob, _NO_EXTENSION
    return prob, load_float32(_field(fields, order, BACKOFF_TABLE) + 4 * np.int64(_read_bits(base, at, backoff_bits)))


@njit(cache=True)
def word_id(trie, fields, address, count):  # type: ignore[no-untyped-def]
    """Id of a word, given by its bytes' address and number; 0 if it is unknown."""
    h = murmur(address, count)
    if trie:
        return sorted_word(fields, h)
    return probing_word(fields, h, probing_seat(fields, h))
