"""The compiled loops of an n-gram model: its hash table, and next-word distributions.

The table maps the hash of an n-gram of two words or more to its index. The hash of w_1 … w_k is the polynomial
Σ_j M^(k-j) r(w_j) mod 2^64, r(w) a fixed random number of each word (Karp and Rabin 1987). It grows leftwards, from the
last word to the words before it, so that a token's n-grams of all orders come one after the other and are fetched from
memory together; and rightwards, from a context to its words, so that a table is filled from the trie as it lies.

An entry is 64 bits: the low ``b`` hold the index, the others the hash's low bits, where 2**b > N; 0 is an empty slot.
Slots come in buckets of eight, a cache line; the hash's high bits choose one. A bucket holds the largest of the entries
that belong there or were pushed out of the one before it, which go on to the next; so a search ends at the first bucket
with an entry below the one sought. A look-up of an n-gram that is not there is mistaken with a probability of about
2**(b-61), 2e-12 for six million n-grams.
"""

from typing import Any

import numpy as np
from llvmlite import ir
from numba import njit, types
from numba.core import cgutils
from numba.extending import intrinsic

from nextword.types import Array, Ids_BT, Ids_T

BUCKET = 8  # slots that are compared at once; tables have a multiple of it
# Buckets looked at, at most: a damaged table may have no empty slot. In a sound one, two thirds full, hardly an entry
# is two buckets from home.
LONGEST_RUN = 128
LN10 = float(np.log(10.0))
_K1 = np.uint64(0x9E3779B97F4A7C15)
_K2 = np.uint64(0xFF51AFD7ED558CCD)
# The polynomial's base. M^j - 1 has at most four factors of 2 for j < 8, so that few bits are lost between n-grams that
# differ by an exchange of two words.
MULTIPLIER = np.uint64(0xD6E8FEB86659FD93)
_ONE = np.uint64(1)
_S3 = np.uint64(3)
_S32 = np.uint64(32)
_ZERO = np.uint64(0)


@njit(cache=True, nogil=True, inline="always")
def word_hash(word):  # type: ignore[no-untyped-def]
    """The word's random number r(w), which is the hash of the 1-gram."""
    r = (np.uint64(word) + _ONE) * _K1
    r ^= r >> _S32
    r *= _K2
    return r ^ (r >> _S32)


@njit(cache=True, nogil=True, inline="always")
def append_word(h, r):  # type: ignore[no-untyped-def]
    """Hash of an n-gram, whose own is ``h``, with the word of random number ``r`` after it."""
    return h * MULTIPLIER + r


@njit(cache=True, nogil=True, inline="always")
def prepend_word(h, power, r):  # type: ignore[no-untyped-def]
    """Hash of a k-gram, whose own is ``h``, with the word of random number ``r`` before it; ``power``: M**k.

    >>> with np.errstate(over="ignore"):
    ...     students, opened = word_hash.py_func(3), word_hash.py_func(4)
    ...     append_word.py_func(students, opened) == prepend_word.py_func(opened, MULTIPLIER, students)
    np.True_
    """
    return h + power * r


@njit(cache=True, nogil=True, inline="always")
def spread(h):  # type: ignore[no-untyped-def]
    """A bijection that makes all bits of a polynomial depend on all words: what slots and entries are made of."""
    h ^= h >> _S32
    h *= _K1
    return h ^ (h >> _S32)


@njit(cache=True, nogil=True, inline="always")
def slot_among(slots, spread_hash):  # type: ignore[no-untyped-def]
    """Where the search for a hash, already spread, begins in a table of so many slots: the first slot of a bucket."""
    return ((spread_hash >> _S32) * (np.uint64(slots) >> _S3) >> _S32) << _S3


@njit(cache=True, nogil=True, inline="always")
def home_slot(table, spread_hash):  # type: ignore[no-untyped-def]
    """As ``slot_among``, in ``table``."""
    return slot_among(len(table), spread_hash)


@intrinsic
def search_bucket(typing_context, table, slot, lowest, mask):  # type: ignore[no-untyped-def]
    """Look for an entry of ``lowest`` to ``lowest | mask`` in the BUCKET slots from ``slot`` on, all at once.

    Returns (its index, 0 if there is none; whether a lower entry is there, so that none can be further on).
    """

    def codegen(context, builder, signature, arguments):  # type: ignore[no-untyped-def]
        view = context.make_array(signature.args[0])(context, builder, arguments[0])
        word, lanes = ir.IntType(64), ir.VectorType(ir.IntType(64), BUCKET)
        address = builder.bitcast(builder.gep(view.data, [arguments[1]]), lanes.as_pointer())
        entries = builder.load(address, align=8)
        lowest, mask = (_in_all_lanes(builder, lanes, argument) for argument in arguments[2:])  # type: ignore[no-untyped-call]
        index = builder.sub(entries, lowest)
        mine = builder.icmp_unsigned("<=", index, mask)
        any_of = cgutils.get_or_insert_function(
            builder.module, ir.FunctionType(word, [lanes]), f"llvm.vector.reduce.or.v{BUCKET}i64"
        )
        found = builder.call(any_of, [builder.select(mine, index, ir.Constant(lanes, [0] * BUCKET))])
        lower = builder.bitcast(builder.icmp_unsigned("<", entries, lowest), ir.IntType(BUCKET))
        ends = builder.icmp_unsigned("!=", lower, ir.IntType(BUCKET)(0))
        return context.make_tuple(builder, signature.return_type, [found, ends])

    signature = types.Tuple((types.uint64, types.boolean))(table, types.intp, types.uint64, types.uint64)
    return signature, codegen


def _in_all_lanes(builder, lanes, value):  # type: ignore[no-untyped-def]
    """A vector with ``value`` in each of its lanes."""
    none = ir.Constant(lanes, ir.Undefined)
    first = builder.insert_element(none, value, ir.IntType(32)(0))
    return builder.shuffle_vector(first, none, ir.Constant(ir.VectorType(ir.IntType(32), BUCKET), [0] * BUCKET))


@njit(cache=True, nogil=True)
def search_on(table, slot, lowest, mask):  # type: ignore[no-untyped-def]
    """As ``search_bucket``, the index alone, from the bucket after that of ``slot``."""
    for _ in range(LONGEST_RUN):
        slot += BUCKET
        if slot == len(table):
            slot = 0
        index, ends = search_bucket(table, slot, lowest, mask)
        if ends or index != _ZERO:
            return index
    return _ZERO


@njit(cache=True, nogil=True, inline="always")
def find(table, bits, h, ngrams):  # type: ignore[no-untyped-def]
    """Index of the n-gram with hash ``h``, or 0 (a unigram's index, so never one of these).

    ``bits``: see ``index_bits``. An index of ``ngrams`` or more, in a damaged table, counts as not found.
    """
    mask = (_ONE << bits) - _ONE
    h = spread(h)
    slot = np.int64(home_slot(table, h))
    index, ends = search_bucket(table, slot, h << bits, mask)
    if index == _ZERO and not ends:
        index = search_on(table, slot, h << bits, mask)
    return np.int64(index) if index < np.uint64(ngrams) else 0


@njit(cache=True, nogil=True)
def index_bits(ngrams):  # type: ignore[no-untyped-def]
    """Bits that an index below ``ngrams`` needs."""
    bits = 0
    while (ngrams >> bits) > 0:
        bits += 1
    return np.uint64(bits)


@njit(cache=True, nogil=True)
def distribution(
    contexts: Ids_T,
    order: int,
    bos: int,
    table: Array,
    word: Array,
    first: Array,
    inner: Array,
    leaf: Array,
    out: Array,
) -> None:
    """Log-probabilities, nats, of every word after each context: (B, order - 1) ids, -1 before the first, → (B, V).

    Each n-gram of the context chain is touched once: the unigrams with all back-off weights, then the children of
    ever longer contexts, each with the weights of the contexts longer than its own.
    """
    below, ngrams, size = len(inner), len(inner) + len(leaf), out.shape[1]
    bits = index_bits(ngrams)
    nodes = np.empty(order, dtype=np.int64)
    weights = np.zeros(order + 1, dtype=np.float64)
    for b in range(len(contexts)):
        length, h, power = 0, _ZERO, _ONE
        while length < order - 1 and contexts[b, order - 2 - length] >= 0:
            before = contexts[b, order - 2 - length]
            h = prepend_word(h, power, word_hash(before))
            power *= MULTIPLIER
            nodes[length] = before if length == 0 else find(table, bits, h, below)
            if length > 0 and nodes[length] == 0:
                break
            length += 1
        weights[length] = 0.0
        for j in range(length, 0, -1):
            weights[j - 1] = weights[j] + np.float64(inner[nodes[j - 1], 1])
        for w in range(size):
            p = np.float64(inner[w, 0]) if below > 0 else np.float64(leaf[w])
            out[b, w] = (p + weights[0]) * LN10
        for j in range(1, length + 1):
            last: Any = min(np.int64(first[nodes[j - 1] + 1]), ngrams)
            for g in range(np.int64(first[nodes[j - 1]]), last):
                v = word[g]
                if v < size:
                    p = np.float64(inner[g, 0]) if g < below else np.float64(leaf[g - below])
                    out[b, v] = (p + weights[j]) * LN10
        out[b, bos] = -np.inf


@njit(cache=True, nogil=True)
def last_context(history: Ids_BT, length: int, bos: int, eos: int) -> Ids_BT:
    """The last ``length`` ids of each row, (B, length), -1 before the first and before the sentence's beginning.

    history: (B, T), -1 before its rows' first tokens and after their last.
    """
    out = np.full((len(history), length), -1, dtype=np.int32)
    for b in range(len(history)):
        end = history.shape[1]
        while end > 0 and history[b, end - 1] < 0:
            end -= 1
        for k in range(length):
            if end - 1 - k < 0 or history[b, end - 1 - k] < 0:
                break
            word = history[b, end - 1 - k]
            out[b, length - 1 - k] = bos if word == eos else word
            if word in (eos, bos):
                break
    return out
