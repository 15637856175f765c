"""Fields of any width in arrays of 64-bit words, and rising sequences in few bits each: loops to be inlined.

A field lies at a bit position, the lowest bit first, and may run over into the next word; an array of words ends in a
spare one, so that the next one is always there.

A rising sequence x_0 ≤ x_1 ≤ … is stored as Elias (1974) and Fano (1971) do: the low ``l`` bits of each x_i as a field,
and of the rest, x_i >> l, one bit set at position (x_i >> l) + i. With l = log2(x_n / n) that is 2 + l bits a number.
x_i is found from the position of the i-th bit that is set; the position of every SAMPLE-th is stored besides.
"""

import numpy as np
from numba import njit, types
from numba.extending import intrinsic

SAMPLE_BITS = 6
SAMPLE = 1 << SAMPLE_BITS  # numbers of a rising sequence for each position that is stored
_ONE = np.uint64(1)
_ZERO = np.uint64(0)
_LAST = np.uint64(63)
_ALL = np.uint64(2**64 - 1)


@intrinsic
def popcount(typing_context, word):  # type: ignore[no-untyped-def]
    """How many bits of a uint64 are set."""

    def codegen(context, builder, signature, arguments):  # type: ignore[no-untyped-def]
        return builder.ctpop(arguments[0])

    return types.int64(types.uint64), codegen


@intrinsic
def trailing_zeros(typing_context, word):  # type: ignore[no-untyped-def]
    """Position of the lowest bit of a uint64 that is set; 64 if none is."""

    def codegen(context, builder, signature, arguments):  # type: ignore[no-untyped-def]
        return builder.cttz(arguments[0], context.get_constant(types.boolean, False))

    return types.int64(types.uint64), codegen


@intrinsic
def leading_zeros(typing_context, word):  # type: ignore[no-untyped-def]
    """Zeros above the highest bit of a uint64 that is set; 64 if none is."""

    def codegen(context, builder, signature, arguments):  # type: ignore[no-untyped-def]
        return builder.ctlz(arguments[0], context.get_constant(types.boolean, False))

    return types.int64(types.uint64), codegen


@njit(cache=True, nogil=True, inline="always")
def read(words, at, width):  # type: ignore[no-untyped-def]
    """The field of ``width`` bits, 0 to 63, at bit ``at`` of ``words``, as int64."""
    word, shift = at >> 6, np.uint64(at & 63)
    both = (words[word] >> shift) | ((words[word + 1] << _ONE) << (_LAST - shift))
    return np.int64(both & ((_ONE << np.uint64(width)) - _ONE))


@njit(cache=True, nogil=True, inline="always")
def write(words, at, width, value):  # type: ignore[no-untyped-def]
    """Write ``value``, below 2**width, as the field of ``width`` bits at bit ``at``, where there were zeros."""
    word, shift = at >> 6, np.uint64(at & 63)
    words[word] |= np.uint64(value) << shift
    words[word + 1] |= (np.uint64(value) >> _ONE) >> (_LAST - shift)


@njit(cache=True, nogil=True, inline="always")
def bits_for(n):  # type: ignore[no-untyped-def]
    """Bits of a field that tells ``n`` things apart, 0 for one."""
    return 64 - leading_zeros(np.uint64(max(n - 1, 0)))


@njit(cache=True, nogil=True, forceinline=True)
def select(words, at, end, skip):  # type: ignore[no-untyped-def]
    """Positions of two set bits: that before which ``skip`` are set from position ``at`` on, and the next one.

    -1 for a bit that word ``end`` comes before.
    """
    place = at >> 6
    found = following = np.int64(-1)
    if 0 <= place < end:
        word = words[place] & (_ALL << np.uint64(at & 63))
        count = popcount(word)
        while count <= skip and place + 1 < end:
            skip -= count
            place += 1
            word = words[place]
            count = popcount(word)
        if count > skip:
            for _ in range(skip):
                word &= word - _ONE
            found = (place << 6) + trailing_zeros(word)
            word &= word - _ONE
            while word == _ZERO and place + 1 < end:
                place += 1
                word = words[place]
            if word != _ZERO:
                following = (place << 6) + trailing_zeros(word)
    return found, following


@njit(cache=True, nogil=True)
def low_bits(numbers: int, last: int) -> int:
    """How many low bits a rising sequence of so many numbers up to ``last`` keeps apart: floor(log2(last / n))."""
    bits = 0
    while numbers > 0 and (last >> (bits + 1)) >= numbers:
        bits += 1
    return bits


@njit(cache=True, nogil=True)
def high_words(numbers: int, last: int, low: int) -> int:
    """Words that the high bits of a rising sequence take."""
    return ((last >> low) + numbers + 63) >> 6
