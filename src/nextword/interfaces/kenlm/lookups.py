"""The same look-ups in three kinds of model: ours, KenLM's probing files and KenLM's tries.

The steps root, ask, find, follow and value are those of ``nextword.ngram.kenlm.kernels``. ``kind`` is a constant
wherever they are called, so that the compiler keeps one branch of each. In our models a node is (hash, -), a place is
the n-gram's number; see ``nextword.ngram.kernels``.
"""

import numpy as np
from numba import njit

from nextword.ngram import kernels
from nextword.ngram.kenlm import kernels as kenlm_kernels
from nextword.ngram.kenlm.addresses import (
    bits_float,
    bytes_at,
    fetch,
    float_bits,
    load_float32,
    load_int64,
    load_uint32,
    pairs_at,
    uint64_at,
)
from nextword.ngram.kenlm.kernels import UNIGRAM_COUNT, WORD_ROWS, WORD_TABLE
from nextword.text import encode, spans

OURS, PROBING, TRIE = 0, 1, 2
STREAMED = 3  # not looked up here, see ``streamed``
# int64 numbers at ``fields`` of a model of ours; WORD_TABLE, WORD_ROWS and UNIGRAM_COUNT are the same for all kinds.
TABLE, SLOTS, INNER, BELOW, LEAF, NGRAMS, FIRST, UNK_ADDED, OURS_FIELDS = 8, 9, 10, 11, 12, 13, 14, 15, 16
_MINUS_ZERO = np.uint32(0x80000000)
_NO_EXTENSION = np.float32(-0.0)


@njit(forceinline=True)
def _head(fields, which):  # type: ignore[no-untyped-def]
    return load_int64(fields + 8 * which)


@njit(forceinline=True)
def hash_word(kind, address, count, room):  # type: ignore[no-untyped-def]
    """Hash of a word, given by its bytes' address and number; ``room``: how many bytes may be read there."""
    if kind == OURS:
        return spans.hash_span(bytes_at(address, room), 0, count) if count > 0 else np.uint64(1)  # as for no word
    return kenlm_kernels.murmur(address, count)


@njit(forceinline=True)
def seat_word(kind, fields, h):  # type: ignore[no-untyped-def]
    """Where the search for a word's hash begins, asked for."""
    if kind == PROBING:
        return kenlm_kernels.probing_seat(fields, h)
    if kind == OURS:
        fetch(_head(fields, WORD_TABLE) + 16 * np.int64(encode.row_among(np.uint64(_head(fields, WORD_ROWS)), h)))
    return 0


@njit(forceinline=True)
def find_word(kind, fields, h, seat):  # type: ignore[no-untyped-def]
    """Id of the word of a hash, 0 (``<unk>``) if it is unknown."""
    if kind == PROBING:
        return kenlm_kernels.probing_word(fields, h, seat)
    if kind == TRIE:
        return kenlm_kernels.sorted_word(fields, h)
    table = pairs_at(_head(fields, WORD_TABLE), _head(fields, WORD_ROWS))
    row = encode.probe(table, h, encode.LONGEST_RUN)
    word = np.int64(table[row, 1])
    return word if table[row, 0] == h and 0 <= word < _head(fields, UNIGRAM_COUNT) else 0


@njit(forceinline=True)
def fetch_unigram(kind, fields, word):  # type: ignore[no-untyped-def]
    """Ask for the memory of a 1-gram's values."""
    if kind == OURS:
        fetch(_head(fields, INNER) + 8 * word)
    elif kind == PROBING:
        fetch(_head(fields, kenlm_kernels.UNIGRAMS) + _head(fields, kenlm_kernels.UNIGRAM_BYTES) * word)
    else:
        fetch(_head(fields, kenlm_kernels.UNIGRAMS) + 16 * word)


@njit(forceinline=True)
def root(kind, fields, word):  # type: ignore[no-untyped-def]
    """The node of a 1-gram, (a, b), and whether longer n-grams may end in it."""
    if kind == PROBING:
        return kenlm_kernels.probing_root(fields, word)
    if kind == TRIE:
        return kenlm_kernels.trie_root(fields, word)
    return kernels.word_hash(word), 0, True


@njit(forceinline=True)
def ask(kind, fields, order, power, a, b, before):  # type: ignore[no-untyped-def]
    """The node of the n-gram of ``order`` with the word ``before`` in front; ``power``: MULTIPLIER**(order - 1)."""
    if kind == PROBING:
        return kenlm_kernels.probing_ask(fields, order, a, before)
    if kind == OURS:
        h = kernels.prepend_word(a, power, kernels.word_hash(before))
        fetch(_head(fields, TABLE) + 8 * np.int64(kernels.slot_among(_head(fields, SLOTS), kernels.spread(h))))
        return h, b
    return a, b


@njit(forceinline=True)
def find(kind, fields, top, order, a, b, before):  # type: ignore[no-untyped-def]
    """Where the n-gram of a node that was asked for is, or -1; ``top``: the highest order."""
    if kind == PROBING:
        return kenlm_kernels.probing_find(fields, order, a, b)
    if kind == TRIE:
        return kenlm_kernels.trie_find(fields, order, a, b, before)
    ngrams, below = _head(fields, NGRAMS), _head(fields, BELOW)
    table = uint64_at(_head(fields, TABLE), _head(fields, SLOTS))
    g = kernels.find(table, kernels.index_bits(ngrams), a, below if order < top else ngrams)
    if g <= 0 or (order == top and g < below):
        return -1
    fetch(_head(fields, INNER) + 8 * g if g < below else _head(fields, LEAF) + 4 * (g - below))
    return g


@njit(forceinline=True)
def follow(kind, fields, order, a, b, place):  # type: ignore[no-untyped-def]
    """The node of the n-gram at ``place``, (a, b), and whether longer n-grams may end in it."""
    if kind == PROBING:
        return a, b, kenlm_kernels.probing_extends(place)
    if kind == TRIE:
        return kenlm_kernels.trie_follow(fields, order, place)
    return a, b, True


@njit(forceinline=True)
def value(kind, fields, top, order, place):  # type: ignore[no-untyped-def]
    """log10 probability and back-off weight, float32; the place of a 1-gram is its word."""
    if kind == PROBING:
        return kenlm_kernels.probing_value(fields, top, order, place)
    if kind == TRIE:
        return kenlm_kernels.trie_value(fields, top, order, place)
    below = _head(fields, BELOW)
    if place >= below:
        return _negative(_head(fields, LEAF) + 4 * (place - below)), _NO_EXTENSION
    address = _head(fields, INNER) + 8 * place
    return _negative(address), load_float32(address + 4)


@njit(forceinline=True)
def _negative(address):  # type: ignore[no-untyped-def]
    """A log10 probability; 0 is -0.0, as from KenLM."""
    return bits_float(load_uint32(address) | _MINUS_ZERO)


@njit(forceinline=True)
def begins_longer(kind, fields, backoff, place):  # type: ignore[no-untyped-def]
    """Whether a state must keep this n-gram: it begins a longer one or has a back-off weight.

    KenLM's files say so by the sign of a weight of 0 (``lm/blank.hh``), ours by the n-gram's children. An ``<unk>``
    that an ARPA file lacks is kept too, as by KenLM, whose own ``<unk>`` has a weight of +0.
    """
    if kind == OURS:
        if backoff != np.float32(0.0):
            return True
        if place >= _head(fields, BELOW):
            return False
        first = _head(fields, FIRST) + 4 * place
        return load_uint32(first + 4) > load_uint32(first) or (place == 0 and _head(fields, UNK_ADDED) != 0)
    return float_bits(backoff) != _MINUS_ZERO
