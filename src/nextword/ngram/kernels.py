"""The compiled loops of an n-gram model: its hash table, scoring, and next-word distributions.

The table maps the hash of an n-gram of two words or more to its index. The hash grows leftwards, from the last word
to the words before it, so a token's n-grams of all orders come one after the other and can be fetched from memory
together. A slot is 64 bits: the low ``b`` hold the index, the others the hash's low bits, where 2**b > N; the slot's
place takes the hash's high bits. A look-up of an n-gram that is not there is mistaken with a probability of about
2**(b-62), 1e-12 for six million n-grams. 0 is an empty slot.
"""

from typing import Any

import numpy as np
from llvmlite import ir
from numba import njit, types
from numba.core import cgutils
from numba.extending import intrinsic

from nextword.types import Array, Float_T, Ids_BT, Ids_T

BLOCK = 128  # tokens whose memory is fetched together
# Slots looked at, at most: a damaged table may have no empty one. In a sound one, two thirds full, runs between empty
# slots are longer with a probability of e**-70.
LONGEST_RUN = 1024
_K1 = np.uint64(0x9E3779B97F4A7C15)
_K2 = np.uint64(0xD6E8FEB86659FD93)
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
def extend_hash(h, word):  # type: ignore[no-untyped-def]
    """Hash of an n-gram with ``word`` put before it; a bijection of ``h`` for each word. The empty n-gram has 0."""
    h += (np.uint64(word) + _ONE) * _K1
    h ^= h >> _S32
    h *= _K2
    return h ^ (h >> _S32)


@njit(cache=True, nogil=True, inline="always")
def find(table, bits, h):  # type: ignore[no-untyped-def]
    """Index of the n-gram with hash ``h``, or 0 (a unigram's index, so never one of these)."""
    size = np.uint64(len(table))
    slot = ((h >> _S32) * size) >> _S32
    mask = (_ONE << bits) - _ONE
    for _ in range(LONGEST_RUN):
        entry = table[slot]
        if entry == _ZERO:
            break
        if ((entry ^ (h << bits)) >> bits) == _ZERO:
            return entry & mask
        slot += _ONE
        if slot == size:
            slot = _ZERO
    return _ZERO


@njit(cache=True, nogil=True)
def index_bits(ngrams):  # type: ignore[no-untyped-def]
    """Bits that an index below ``ngrams`` needs."""
    bits = 0
    while (ngrams >> bits) > 0:
        bits += 1
    return np.uint64(bits)


@njit(cache=True, nogil=True)
def hash_level(suffix_hashes: Array, suffix: Array, first_word_ends: Array, hashes: Array) -> None:
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
        h = _ZERO
        for k in range(words.shape[1] - 1, -1, -1):
            h = extend_hash(h, words[g, k])
        hashes[g] = h
    return hashes


@njit(cache=True, nogil=True)
def part_counts(hashes: Array) -> Array:
    """How many hashes have each value of the high 8 bits, (256,)."""
    counts = np.zeros(256, dtype=np.int64)
    for h in hashes:
        counts[h >> np.uint64(56)] += 1
    return counts


@njit(cache=True, nogil=True)
def partition(hashes: Array, begin: int, cursor: Array, entries: Array) -> None:
    """Scatter (hash, index) by the hash's high 8 bits, so that the inserts after it stay within the cache."""
    for g in range(len(hashes)):
        part = hashes[g] >> np.uint64(56)
        at = cursor[part]
        cursor[part] += 1
        entries[at, 0] = hashes[g]
        entries[at, 1] = np.uint64(begin + g)


@njit(cache=True, nogil=True)
def insert(entries: Array, bits: int, table: Array, low: int, high: int, left_over: Array) -> int:
    """Insert the entries, whose slots lie from ``low``; those pushed to ``high`` or beyond go to ``left_over``."""
    size = np.uint64(len(table))
    n = 0
    for i in range(len(entries)):
        h = entries[i, 0]
        slot = ((h >> _S32) * size) >> _S32
        while slot < np.uint64(high) and table[slot] != _ZERO:
            slot += _ONE
        if slot < np.uint64(low) or slot >= np.uint64(high):
            left_over[n] = i
            n += 1
        else:
            table[slot] = (h << np.uint64(bits)) | entries[i, 1]
    return n


@njit(cache=True, nogil=True)
def insert_around(h, index, bits, table):  # type: ignore[no-untyped-def]
    """Insert one entry, going round at the table's end."""
    size = np.uint64(len(table))
    slot = ((np.uint64(h) >> _S32) * size) >> _S32
    while table[slot] != _ZERO:
        slot += _ONE
        if slot == size:
            slot = _ZERO
    table[slot] = (np.uint64(h) << np.uint64(bits)) | np.uint64(index)


@njit(cache=True, nogil=True)
def _match(
    ids: Ids_T, begin: int, end: int, order: int, bos: int, eos: int, table: Array, bits: np.uint64, below: int,
    ngrams: int, hashes: Array, nodes: Array, found: Array, context: Array,
) -> None:  # fmt: skip
    """Find the n-grams that end at each token of ``ids[begin:end]``, at most BLOCK of them.

    below, ngrams: how many there are below the highest order, and in all; an index beyond them counts as not found.
    Row r of the scratch arrays stands for token begin + r - 1, row 0 for the token before the block.
    nodes: (BLOCK + 1, order), column k - 1 the index of the k-gram. found: (BLOCK + 1,) how many orders were found,
    0 where there is no token. context: (BLOCK + 1,) how many of them are context of the token after; ``</s>`` leaves
    ``<s>`` as context, see ``_context_node``. hashes: (BLOCK + 1, order).
    Two sweeps, so that the memory for all n-grams of a block is asked for at once.
    """
    slots = np.uint64(len(table))
    for row in range(1, end - begin + 1):
        i = begin + row - 1
        word = ids[i]
        known = 0
        if word >= 0:
            h = extend_hash(_ZERO, word)
            known = 1
            j = i - 1
            while known < order and j >= 0 and ids[j] >= 0:
                before = ids[j]
                if before == eos:
                    before = bos
                h = extend_hash(h, before)
                hashes[row, known] = h
                prefetch(table, np.int64(((h >> _S32) * slots) >> _S32))
                known += 1
                j -= 1
                if before == bos:
                    break
        found[row] = known
    for row in range(1, end - begin + 1):
        word = ids[begin + row - 1]
        if word < 0:
            context[row] = 0
            continue
        nodes[row, 0] = word
        most = min(found[row], context[row - 1] + 1)
        k = 1
        while k < most:
            g = np.int64(find(table, bits, hashes[row, k]))
            if g == 0 or g >= (below if k < order - 1 else ngrams):
                break
            nodes[row, k] = g
            k += 1
        found[row] = k
        context[row] = min(k, order - 1) if word not in (eos, bos) else min(1, order - 1)


@njit(cache=True, nogil=True)
def _scratch(order: int) -> tuple[Array, Array, Array, Array]:
    """The arrays that ``_match`` works in: hashes, nodes, found, context."""
    nodes = np.zeros((BLOCK + 1, order), dtype=np.int64)
    zeros = np.zeros((2, BLOCK + 1), dtype=np.int64)
    return np.empty((BLOCK + 1, order), dtype=np.uint64), nodes, zeros[0], zeros[1]


@njit(cache=True, nogil=True)
def _carry(last: int, nodes: Array, context: Array) -> None:
    """Make the last row of a block the row before the next block."""
    context[0] = context[last]
    for k in range(nodes.shape[1]):
        nodes[0, k] = nodes[last, k]


@njit(cache=True, nogil=True, inline="always")
def _context_node(nodes, row, k, previous, bos, eos):  # type: ignore[no-untyped-def]
    """Index of the context of k words that row ``row`` leaves; after ``</s>`` that is ``<s>``."""
    return np.int64(bos) if previous == eos else np.int64(nodes[row, k - 1])


@njit(cache=True, nogil=True)
def score(
    ids: Ids_T, order: int, bos: int, eos: int, table: Array, inner: Array, leaf: Array, out: Float_T, orders: Array
) -> None:
    """Log10 probability of every token of ``ids``, each given those before it, up to ``</s>`` or a -1.

    ids: (T,), begins with ``</s>`` or context. out: (T,) float64; 0 at -1, -inf at ``<s>``. orders: (T,) int8,
    the order of the longest n-gram found.
    """
    below, ngrams = len(inner), len(inner) + len(leaf)
    bits = index_bits(ngrams)
    hashes, nodes, found, context = _scratch(order)
    for begin in range(0, len(ids), BLOCK):
        end = min(begin + BLOCK, len(ids))
        _match(ids, begin, end, order, bos, eos, table, bits, below, ngrams, hashes, nodes, found, context)
        for row in range(1, end - begin + 1):
            if found[row] > 0:
                g = nodes[row, found[row] - 1]
                if g < below:
                    prefetch(inner, g)
                else:
                    prefetch(leaf, g - below)
        for row in range(1, end - begin + 1):
            i = begin + row - 1
            k = found[row]
            if k == 0:
                out[i] = 0.0
            else:
                g = nodes[row, k - 1]
                total = np.float64(inner[g, 0]) if g < below else np.float64(leaf[g - below])
                previous = ids[i - 1] if i > 0 else -1
                for j in range(k, context[row - 1] + 1):
                    total += np.float64(inner[_context_node(nodes, row - 1, j, previous, bos, eos), 1])
                out[i] = total if ids[i] != bos else -np.inf
            orders[i] = k
        _carry(end - begin, nodes, context)


@njit(cache=True, nogil=True)
def match(ids: Ids_T, order: int, bos: int, eos: int, table: Array, ngrams: int, out: Array) -> None:
    """Index of the k-gram that ends at each token, (T, order) int64; 0 from the first order that is not there."""
    bits = index_bits(ngrams)
    hashes, nodes, found, context = _scratch(order)
    for begin in range(0, len(ids), BLOCK):
        end = min(begin + BLOCK, len(ids))
        _match(ids, begin, end, order, bos, eos, table, bits, ngrams, ngrams, hashes, nodes, found, context)
        for row in range(1, end - begin + 1):
            for k in range(order):
                out[begin + row - 1, k] = nodes[row, k] if k < found[row] else 0
        _carry(end - begin, nodes, context)


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
    scale = np.log(10.0)
    for b in range(len(contexts)):
        length = 0
        h = _ZERO
        while length < order - 1 and contexts[b, order - 2 - length] >= 0:
            before = contexts[b, order - 2 - length]
            h = extend_hash(h, before)
            g = np.int64(before) if length == 0 else np.int64(find(table, bits, h))
            if length > 0 and (g == 0 or g >= below):
                break
            nodes[length] = g
            length += 1
        weights[length] = 0.0
        for j in range(length, 0, -1):
            weights[j - 1] = weights[j] + np.float64(inner[nodes[j - 1], 1])
        for w in range(size):
            p = np.float64(inner[w, 0]) if below > 0 else np.float64(leaf[w])
            out[b, w] = (p + weights[0]) * scale
        for j in range(1, length + 1):
            last: Any = min(np.int64(first[nodes[j - 1] + 1]), ngrams)
            for g in range(np.int64(first[nodes[j - 1]]), last):
                v = word[g]
                if v < size:
                    p = np.float64(inner[g, 0]) if g < below else np.float64(leaf[g - below])
                    out[b, v] = (p + weights[j]) * scale
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
