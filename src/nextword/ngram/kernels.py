"""The compiled loops of an n-gram model: its hash table, scoring, and next-word distributions.

The table maps the hash of an n-gram of two words or more to its index. The hash of w_1 … w_k is the polynomial
Σ_j M^(k-j) r(w_j) mod 2^64, r(w) a fixed random number of each word (Karp and Rabin 1987). It grows leftwards, from the
last word to the words before it, so that a token's n-grams of all orders come one after the other and are fetched from
memory together; and rightwards, from a context to its words, so that a table is filled from the trie as it lies. A slot
is 64 bits: the low ``b`` hold the index, the others the hash's low bits, where 2**b > N; the slot's place takes the
hash's high bits. A look-up of an n-gram that is not there is mistaken with a probability of about 2**(b-62), 1e-12 for
six million n-grams. 0 is an empty slot.
"""

from typing import Any

import numpy as np
from llvmlite import ir
from numba import njit, types
from numba.core import cgutils
from numba.extending import intrinsic

from nextword.types import Array, Float_T, Ids_BT, Ids_T

BLOCK = 256  # tokens whose memory is fetched together
# Slots looked at, at most: a damaged table may have no empty one. In a sound one, two thirds full, runs between empty
# slots are longer with a probability of e**-70.
LONGEST_RUN = 1024
LN10 = float(np.log(10.0))
_K1 = np.uint64(0x9E3779B97F4A7C15)
_K2 = np.uint64(0xFF51AFD7ED558CCD)
# The polynomial's base. M^j - 1 has at most four factors of 2 for j < 8, so that few bits are lost between n-grams that
# differ by an exchange of two words.
MULTIPLIER = np.uint64(0xD6E8FEB86659FD93)
_ONE = np.uint64(1)
_S32 = np.uint64(32)
_ZERO = np.uint64(0)


@intrinsic
def prefetch(typing_context, array, index):  # type: ignore[no-untyped-def]
    """Ask for the cache line of ``array[index]`` (first axis) before it is read."""

    def codegen(context, builder, signature, arguments):  # type: ignore[no-untyped-def]
        array_type = signature.args[0]
        view = context.make_array(array_type)(context, builder, arguments[0])
        stride = cgutils.unpack_tuple(builder, view.strides)[0]
        base = builder.ptrtoint(view.data, stride.type)
        address = builder.add(base, builder.mul(stride, arguments[1]))
        pointer_type = ir.IntType(8).as_pointer()
        pointer = builder.inttoptr(address, pointer_type)
        word = ir.IntType(32)
        function_type = ir.FunctionType(ir.VoidType(), [pointer_type, word, word, word])
        function = cgutils.get_or_insert_function(builder.module, function_type, "llvm.prefetch.p0")
        builder.call(function, [pointer, word(0), word(3), word(1)])
        return context.get_dummy_value()

    return types.void(array, types.intp), codegen


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
def home_slot(table, spread_hash):  # type: ignore[no-untyped-def]
    """Where the search for a hash, already spread, begins."""
    return ((spread_hash >> _S32) * np.uint64(len(table))) >> _S32


@njit(cache=True, nogil=True, inline="always")
def find(table, bits, h, ngrams):  # type: ignore[no-untyped-def]
    """Index of the n-gram with hash ``h``, or 0 (a unigram's index, so never one of these).

    Entries fall along a search path, so it ends at the first that is not above the one sought. ``bits``: see
    ``index_bits``; an index of ``ngrams`` or more counts as not found.
    """
    mask = (_ONE << bits) - _ONE
    h = spread(h)
    lowest = h << bits
    highest = lowest | mask
    slot = home_slot(table, h)
    entry = table[slot]
    for _ in range(LONGEST_RUN):
        if entry <= highest:
            break
        slot += _ONE
        if slot == np.uint64(len(table)):
            slot = _ZERO
        entry = table[slot]
    index = np.int64(entry & mask)
    return index if lowest <= entry <= highest and index < ngrams else 0


@njit(cache=True, nogil=True)
def index_bits(ngrams):  # type: ignore[no-untyped-def]
    """Bits that an index below ``ngrams`` needs."""
    bits = 0
    while (ngrams >> bits) > 0:
        bits += 1
    return np.uint64(bits)


@njit(cache=True, nogil=True)
def _scratch(order: int) -> tuple[Array, Array, Array, Array, Array]:
    """The arrays that ``_match`` works in: nodes, found, reach, hashes, active."""
    rows = np.zeros((3, BLOCK + 1), dtype=np.int64)
    return np.zeros((order, BLOCK + 1), dtype=np.int64), rows[0], rows[1], np.empty(BLOCK + 1, dtype=np.uint64), rows[2]


@njit(cache=True, nogil=True)
def _carry(last: int, nodes: Array, found: Array, reach: Array) -> None:
    """Make the last row of a block the row before the next block."""
    found[0], reach[0] = found[last], reach[last]
    nodes[:, 0] = nodes[:, last]


@njit(cache=True, nogil=True)
def _match(
    ids: Ids_T, begin: int, end: int, bos: int, eos: int, table: Array, bits: np.uint64, below: int, ngrams: int,
    nodes: Array, found: Array, reach: Array, hashes: Array, active: Array,
) -> None:  # fmt: skip
    """Find the n-grams that end at each token of ``ids[begin:end]``, at most BLOCK of them.

    below, ngrams: how many there are below the highest order, and in all; an index beyond them counts as not found.
    Row r of the scratch arrays stands for token begin + r - 1, row 0 for the token before the block.
    nodes: (order, BLOCK + 1), row k - 1 the index of the k-gram. found: (BLOCK + 1,) how many orders were found, 0
    where there is no token. reach: (BLOCK + 1,) how many words of context the token after may have; 1 after ``</s>``,
    which stands for ``<s>`` there. hashes, active: (BLOCK + 1,) hash of the n-gram sought, and which rows still seek.

    All k-grams of the block are looked up before the longer ones, so that memory is asked for well before it is
    needed. A (k + 1)-gram is there only if the k-grams that begin and end it are.
    """
    order, seeking, power = len(nodes), 0, MULTIPLIER
    for row in range(1, end - begin + 1):
        i = begin + row - 1
        word = ids[i]
        found[row] = reach[row] = 0
        if word < 0:
            continue
        nodes[0, row] = word
        found[row] = 1
        reach[row] = 1 if word in (eos, bos) else reach[row - 1] + 1
        if order > 1 and reach[row - 1] > 0:
            hashes[row] = _ask(table, word_hash(word), power, _context_word(ids[i - 1], bos, eos))
            active[seeking] = row
            seeking += 1
    for k in range(2, order + 1):
        hits = 0
        end_of_indices = below if k < order else ngrams
        for a in range(seeking):
            row = active[a]
            g = find(table, bits, hashes[row], end_of_indices)
            nodes[k - 1, row] = g
            found[row] += g != 0
            active[hits] = row
            hits += g != 0
        seeking = 0
        power *= MULTIPLIER
        for a in range(hits if k < order else 0):
            row = active[a]
            if reach[row - 1] >= k and found[row - 1] >= k:
                hashes[row] = _ask(table, hashes[row], power, _context_word(ids[begin + row - 1 - k], bos, eos))
                active[seeking] = row
                seeking += 1


@njit(cache=True, nogil=True, inline="always")
def _context_word(word, bos, eos):  # type: ignore[no-untyped-def]
    """The word as context: ``<s>`` where a sentence has ended."""
    return bos if word == eos else word


@njit(cache=True, nogil=True, inline="always")
def _ask(table, h, power, word):  # type: ignore[no-untyped-def]
    """Hash of an n-gram with ``word`` put before it, whose slot will soon be read."""
    h = prepend_word(h, power, word_hash(word))
    prefetch(table, np.int64(home_slot(table, spread(h))))
    return h


@njit(cache=True, nogil=True)
def score(
    ids: Ids_T, order: int, bos: int, eos: int, table: Array, inner: Array, leaf: Array, out: Float_T, orders: Array
) -> None:
    """Log-probability, nats, of every token of ``ids``, each given those before it, up to ``</s>`` or a -1.

    ids: (T,), begins with ``</s>`` or context. out: (T,) float64; 0 at -1, -inf at ``<s>``. orders: (T,) int16,
    the order of the longest n-gram found.
    """
    below, ngrams = len(inner), len(inner) + len(leaf)
    bits = index_bits(ngrams)
    nodes, found, reach, hashes, active = _scratch(order)
    for begin in range(0, len(ids), BLOCK):
        end = min(begin + BLOCK, len(ids))
        _match(ids, begin, end, bos, eos, table, bits, below, ngrams, nodes, found, reach, hashes, active)
        for row in range(1, end - begin + 1):
            if found[row] > 0:
                g = nodes[found[row] - 1, row]
                if g < below:
                    prefetch(inner, g)
                else:
                    prefetch(leaf, g - below)
        for row in range(1, end - begin + 1):
            i = begin + row - 1
            k = found[row]
            out[i] = 0.0
            if k > 0:
                g = nodes[k - 1, row]
                total = np.float64(inner[g, 0]) if g < below else np.float64(leaf[g - below])
                after_end = i > 0 and ids[i - 1] == eos
                for j in range(k, min(found[row - 1], reach[row - 1], order - 1) + 1):
                    total += np.float64(inner[bos if after_end else nodes[j - 1, row - 1], 1])
                out[i] = total * LN10 if ids[i] != bos else -np.inf
            orders[i] = k
        _carry(end - begin, nodes, found, reach)


@njit(cache=True, nogil=True)
def match(ids: Ids_T, order: int, bos: int, eos: int, table: Array, ngrams: int, out: Array) -> None:
    """Index of the k-gram that ends at each token, (T, order) int64; 0 from the first order that is not there."""
    bits = index_bits(ngrams)
    nodes, found, reach, hashes, active = _scratch(order)
    for begin in range(0, len(ids), BLOCK):
        end = min(begin + BLOCK, len(ids))
        _match(ids, begin, end, bos, eos, table, bits, ngrams, ngrams, nodes, found, reach, hashes, active)
        for row in range(1, end - begin + 1):
            for k in range(order):
                out[begin + row - 1, k] = nodes[k, row] if k < found[row] else 0
        _carry(end - begin, nodes, found, reach)


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
