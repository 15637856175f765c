"""Where the tokens of a text are, and the hashes that they are known by: compiled loops that never go byte by byte.

A token is a run of bytes between KenLM's delimiters (NUL, tab, newline, carriage return, space); a newline ends a
sentence, and is a span of no bytes here. Delimiters are looked for in 64 bytes at once, as a number with a bit for each
byte (Langdale and Lemire 2019), and words are hashed eight bytes at a time: the hash is the polynomial Σ_j M^(k-j)
r(x_j) mod 2^64 over the words' k pieces x_j of eight bytes, the last filled up with zeros, r being a bijection that
mixes. So words of up to eight bytes never share a hash; among ten million others two do with probability 3e-6.
"""

import numpy as np
from llvmlite import ir
from numba import njit, types
from numba.core import cgutils
from numba.extending import intrinsic

from nextword.types import Array, Bytes

WINDOW = 64  # bytes whose delimiters are looked for at once
MOST = WINDOW + 1  # spans that a window may add, and one for the end of the text
NEWLINE = 10
_DELIMITERS = (0, 9, 10, 13, 32)
_K1 = np.uint64(0x9E3779B97F4A7C15)
_K2 = np.uint64(0xFF51AFD7ED558CCD)
_MULTIPLIER = np.uint64(0xD6E8FEB86659FD93)
_ONE = np.uint64(1)
_ZERO = np.uint64(0)
_S3 = np.uint64(3)
_S32 = np.uint64(32)
_ALL = np.uint64(2**64 - 1)


@njit(cache=True, nogil=True, inline="always")
def is_delimiter(byte: int) -> bool:
    """KenLM's delimiters and no others: a no-break space or a vertical tab is part of a word."""
    return byte <= 32 and (byte == 32 or byte == 10 or byte == 9 or byte == 13 or byte == 0)


@intrinsic
def _delimiters_at(typing_context, text, i):  # type: ignore[no-untyped-def]
    """Bit j of the result: whether ``text[i + j]`` is a delimiter; reads WINDOW bytes."""

    def codegen(context, builder, signature, arguments):  # type: ignore[no-untyped-def]
        lanes = ir.VectorType(ir.IntType(8), WINDOW)
        data = builder.load(_address(context, builder, signature, arguments, lanes), align=1)  # type: ignore[no-untyped-call]
        same = [builder.icmp_unsigned("==", data, ir.Constant(lanes, [byte] * WINDOW)) for byte in _DELIMITERS]
        while len(same) > 1:
            same.append(builder.or_(same.pop(0), same.pop(0)))
        return builder.bitcast(same[0], ir.IntType(WINDOW))

    return types.uint64(text, types.intp), codegen


@intrinsic
def eight_bytes_at(typing_context, text, i):  # type: ignore[no-untyped-def]
    """``text[i : i + 8]`` as a number, the first byte its lowest."""

    def codegen(context, builder, signature, arguments):  # type: ignore[no-untyped-def]
        return builder.load(_address(context, builder, signature, arguments, ir.IntType(64)), align=1)  # type: ignore[no-untyped-call]

    return types.uint64(text, types.intp), codegen


def _address(context, builder, signature, arguments, kind):  # type: ignore[no-untyped-def]
    """A pointer to something of type ``kind`` at byte ``arguments[1]`` of the array ``arguments[0]``."""
    view = context.make_array(signature.args[0])(context, builder, arguments[0])
    return builder.bitcast(builder.gep(view.data, [arguments[1]]), kind.as_pointer())


@intrinsic
def _lowest_bit(typing_context, bits):  # type: ignore[no-untyped-def]
    """Number of the lowest bit that is set, which there must be."""

    def codegen(context, builder, signature, arguments):  # type: ignore[no-untyped-def]
        function_type = ir.FunctionType(ir.IntType(64), [ir.IntType(64), ir.IntType(1)])
        function = cgutils.get_or_insert_function(builder.module, function_type, "llvm.cttz.i64")
        return builder.call(function, [arguments[0], ir.IntType(1)(1)])

    return types.int64(types.uint64), codegen


@njit(cache=True, nogil=True, inline="always")
def _scramble(x):  # type: ignore[no-untyped-def]
    """The bijection r: two rounds of multiplying, and of adding the upper half to the lower."""
    x *= _K1
    x ^= x >> _S32
    x *= _K2
    return x ^ (x >> _S32)


@njit(cache=True, nogil=True)
def hash_span(text, begin, end):  # type: ignore[no-untyped-def]
    """Hash of the word ``text[begin:end]``; never 0, which stands for an empty row in tables of words."""
    h = _ZERO
    while end - begin > 8:
        h = h * _MULTIPLIER + _scramble(eight_bytes_at(text, begin))
        begin += 8
    if begin + 8 <= len(text):
        last = eight_bytes_at(text, begin) & (_ALL >> np.uint64(8 * (8 - end + begin)))
    else:
        last = _ZERO
        for i in range(begin, end):
            last |= np.uint64(text[i]) << np.uint64(8 * (i - begin))
    h = h * _MULTIPLIER + _scramble(last)
    return h if h != _ZERO else _ONE


@njit(cache=True, nogil=True)
def hash_word(word):  # type: ignore[no-untyped-def]
    """Hash of one word, given by its bytes."""
    return hash_span(word, 0, len(word))


@njit(cache=True, nogil=True)
def cut(text: Bytes, begin: int, i: int, starts: Array, ends: Array) -> tuple[int, int, int]:
    """Find spans, as many as there is room for: where each token begins and ends, and the place of each newline twice.

    Goes on where the last call ended: with a token that begins at byte ``begin`` if no delimiter is before ``i``.
    starts, ends: int64, with room for MOST spans or more. Returns (spans, begin, i); a last token that no delimiter
    follows is there when i == len(text).
    """
    n, size = 0, len(text)
    while i < size and n + MOST <= len(starts):
        width = min(WINDOW, size - i)
        bits = _delimiters_at(text, i) if width == WINDOW else _delimiters_before(text, i, size)
        while bits != _ZERO:
            at = i + _lowest_bit(bits)
            bits &= bits - _ONE
            starts[n], ends[n] = begin, at
            n += at > begin
            starts[n], ends[n] = at, at
            n += text[at] == NEWLINE
            begin = at + 1
        i += width
    if i == size and begin < size:
        starts[n], ends[n] = begin, size
        begin = size
        n += 1
    return n, begin, i


@njit(cache=True, nogil=True)
def _delimiters_before(text, i, end):  # type: ignore[no-untyped-def]
    """As ``_delimiters_at``, of the fewer than WINDOW bytes ``text[i:end]``."""
    bits = _ZERO
    for j in range(end - i):
        if is_delimiter(text[i + j]):
            bits |= _ONE << np.uint64(j)
    return bits


@njit(cache=True, nogil=True)
def hash_spans(text: Bytes, starts: Array, ends: Array, n: int, hashes: Array) -> None:
    """Hashes of the first ``n`` spans, 0 for newlines.

    Words of up to eight bytes, which most are, go first: without a branch, eight bytes are read and some left out.
    """
    late, longer = np.empty(n, dtype=np.int64), 0
    last = len(text) - 8
    for a in range(n):
        begin, length = starts[a], ends[a] - starts[a]
        word = eight_bytes_at(text, min(begin, last)) if last >= 0 else _ZERO
        word &= _ALL >> np.uint64((64 - 8 * length) & 63)
        hashes[a] = _scramble(word if length > 0 else _ZERO)
        late[longer] = a
        longer += (length > 8) | ((begin > last) & (length > 0))
    for b in range(longer):
        a = late[b]
        hashes[a] = hash_span(text, starts[a], ends[a])
