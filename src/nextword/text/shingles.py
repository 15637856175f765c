"""Finding the n-grams and the lines of one text in another that goes by: the compiled loops.

Shingles (Broder 1997) are stretches of tokens within a line: n of them, or the whole line. Each has a 64-bit hash, a
polynomial in those of its tokens that rolls along the line; those of the text that is searched for are in a hash table,
before which stands a filter of single bits, small enough for a cache. What the table holds under a hash is compared
byte by byte, so that nothing is mistaken for something else.
"""

from typing import Any, NamedTuple

import numpy as np
from numba import njit

from nextword.text.spans import MOST, NEWLINE, hash_spans, is_delimiter
from nextword.text.spans import cut as cut_spans
from nextword.types import Array, Bytes

WHOLE = 0  # in place of a number of tokens: the whole line
_BASE, _SPREAD = np.uint64(0xD6E8FEB86659FD93), np.uint64(0xFF51AFD7ED558CCD)
_S32, _ONE, _SIX, _LOW = np.uint64(32), np.uint64(1), np.uint64(6), np.uint64(63)
_BATCH = 1024 + MOST  # spans that are cut and hashed together
_BITS_PER_SHINGLE = (
    16  # of the filter: 6 % of its bits are set, and as many of the lookups that fail go on to the table
)


class Tokens(NamedTuple):
    """The tokens of whole lines. T of them, on L lines.

    text: the bytes. begins: (T,) where each begins. hashes: (T,) uint64. ends: (L,) tokens up to each line's end.
    """

    text: Bytes
    begins: Array
    hashes: Array
    ends: Array


class Index(NamedTuple):
    """The S different shingles of a text.

    tokens: of the text. table: (rows, 2) uint64, hash and shingle + 1, 0 for an empty row. bits: the filter. first:
    (S,) the token with which each begins where it comes first. size: (S,) tokens. whole: (S,) is it a whole line.
    """

    tokens: Tokens
    table: Array
    bits: Array
    first: Array
    size: Array
    whole: Array


def cut(text: bytes) -> Tokens:
    """Tokens between KenLM's delimiters, on lines that newlines end."""
    data = np.frombuffer(text, dtype=np.uint8)
    begins, hashes = np.empty(len(data) // 2 + 1, dtype=np.int64), np.empty(len(data) // 2 + 1, dtype=np.uint64)
    ends = np.empty(text.count(b"\n") + 1, dtype=np.int64)
    n, lines = _cut(data, begins, hashes, ends)
    return Tokens(data, begins[:n].copy(), hashes[:n].copy(), ends[:lines])


def index(tokens: Tokens, sizes: list[int]) -> tuple[Index, list[Array]]:
    """The shingles of a text of these sizes, and which stands where: for each size (T,), by the token it begins with.

    A size is a number of tokens or WHOLE. -1 stands where none begins.
    """
    rows = _shingles(tokens.ends, np.array(sizes))
    slots, bits = 1 << int(2 * rows + 1).bit_length(), 1 << int(_BITS_PER_SHINGLE * rows + 64).bit_length()
    made = Index(
        tokens,
        np.zeros((slots, 2), dtype=np.uint64),
        np.zeros(bits // 64, dtype=np.uint64),
        np.empty(rows, dtype=np.int64),
        np.empty(rows, dtype=np.int64),
        np.zeros(rows, dtype=bool),
    )
    known, places = 0, []
    for size in sizes:
        place = np.full(len(tokens.begins), -1, dtype=np.int64)
        known = _enter(*tokens, size, *made[1:], known, place)
        places.append(place)
    first, length, whole = (array[:known] for array in made[3:])
    return made._replace(first=first, size=length, whole=whole), places


def search(tokens: Tokens, sizes: list[int], wanted: Index, found: Array) -> Array:
    """Shingles of a text that ``wanted`` holds: (hits, 3) int64, shingle, line and first token in ``tokens``.

    found: (S,) bool, those that need not be reported any more. The others are, each time they come.
    """
    return np.concatenate([_search(*tokens, size, *wanted[0], *wanted[1:], found) for size in sizes])


@njit(cache=True, nogil=True)
def _cut(text: Bytes, begins: Array, hashes: Array, ends: Array) -> tuple[int, int]:
    n = line = begin = i = 0
    starts, stops = np.empty((2, _BATCH), dtype=np.int64)
    words = np.empty(_BATCH, dtype=np.uint64)
    while i < len(text):
        spans, begin, i = cut_spans(text, begin, i, starts, stops)
        hash_spans(text, starts, stops, spans, words)
        for a in range(spans):
            if starts[a] == stops[a]:  # a newline
                ends[line] = n
                line += 1
            else:
                begins[n], hashes[n] = starts[a], words[a]
                n += 1
    if len(text) > 0 and text[len(text) - 1] != NEWLINE:
        ends[line] = n
        line += 1
    return n, line


@njit(cache=True, nogil=True, inline="always")
def _mixed(h):  # type: ignore[no-untyped-def]
    h ^= h >> _S32
    h *= _SPREAD
    return h ^ (h >> _S32)


@njit(cache=True, nogil=True)
def _shingles(ends: Array, sizes: Array) -> int:
    """How many there are, repeats counted."""
    total = begin = 0
    for end in ends:
        for size in sizes:
            length = end - begin
            total += min(length, 1) if size == WHOLE else max(length - size + 1, 0)
        begin = end
    return total


@njit(cache=True, nogil=True, inline="always")
def _same(text, begins, a, other, other_begins, b, size):  # type: ignore[no-untyped-def]
    """Whether the ``size`` tokens from the ``a``-th of one text on are those from the ``b``-th of another on."""
    for k in range(size):
        i, j = begins[a + k], other_begins[b + k]
        while i < len(text) and j < len(other) and text[i] == other[j] and not is_delimiter(text[i]):
            i += 1
            j += 1
        if not ((i == len(text) or is_delimiter(text[i])) and (j == len(other) or is_delimiter(other[j]))):
            return False
    return True


@njit(cache=True, nogil=True, inline="always")
def _window(hashes, begin, size):  # type: ignore[no-untyped-def]
    """The polynomial of the ``size`` tokens from ``begin`` on."""
    h = np.uint64(0)
    for k in range(size):
        h = h * _BASE + hashes[begin + k]
    return h


@njit(cache=True, nogil=True, inline="always")
def _row(table, h):  # type: ignore[no-untyped-def]
    """The row of hash ``h``, or the empty one where it would go. At most half of the rows are taken."""
    row = h & np.uint64(len(table) - 1)
    while table[row, 1] != 0 and table[row, 0] != h:
        row = (row + _ONE) & np.uint64(len(table) - 1)
    return row


@njit(cache=True, nogil=True, inline="always")
def _bit(bits, h):  # type: ignore[no-untyped-def]
    """The word of the filter and the bit in it that stand for a hash, whose high bits they take."""
    place = (h >> _S32) & np.uint64(len(bits) * 64 - 1)
    return place >> _SIX, _ONE << (place & _LOW)


@njit(cache=True, nogil=True)
def _power(size: int) -> np.uint64:
    power = _ONE
    for _ in range(size):
        power *= _BASE
    return power


@njit(cache=True, nogil=True)
def _enter(
    text: Bytes, begins: Array, hashes: Array, ends: Array, size: int,
    table: Array, bits: Array, first: Array, length: Array, whole: Array, known: int, place: Array,
) -> int:  # fmt: skip
    """Number the shingles of one size, the new ones from ``known`` on; returns how many are known then."""
    power, begin = _power(size), 0
    for end in ends:
        n = size if size != WHOLE else end - begin
        if n == 0 or begin + n > end:
            begin = end
            continue
        h = _window(hashes, begin, n)
        for t in range(begin, end - n + 1):
            key = _mixed(h + np.uint64(size))
            while True:
                row = _row(table, key)
                s: Any = np.int64(table[row, 1]) - 1
                if s < 0:
                    s = known
                    known += 1
                    table[row, 0], table[row, 1] = key, s + 1
                    at, bit = _bit(bits, key)
                    bits[at] |= bit
                    first[s], length[s], whole[s] = t, n, size == WHOLE
                    break
                alike = whole[s] == (size == WHOLE) and length[s] == n
                if alike and _same(text, begins, t, text, begins, first[s], n):
                    break
                key += _ONE  # another shingle has this hash
            place[t] = s
            if t + n < end:
                h = h * _BASE + hashes[t + n] - hashes[t] * power
        begin = end
    return known


@njit(cache=True, nogil=True)
def _search(
    text: Bytes, begins: Array, hashes: Array, ends: Array, size: int,
    other: Bytes, other_begins: Array, other_hashes: Array, other_ends: Array,
    table: Array, bits: Array, first: Array, length: Array, whole: Array, found: Array,
) -> Array:  # fmt: skip
    """The shingles of one size that are in the table and not found yet, (hits, 3)."""
    hits, out = 0, np.empty((64, 3), dtype=np.int64)
    power, begin = _power(size), 0
    for line in range(len(ends)):
        end = ends[line]
        n = size if size != WHOLE else end - begin
        if n == 0 or begin + n > end:
            begin = end
            continue
        h = _window(hashes, begin, n)
        for t in range(begin, end - n + 1):
            key = _mixed(h + np.uint64(size))
            at, bit = _bit(bits, key)
            while bits[at] & bit:
                row = _row(table, key)
                s = np.int64(table[row, 1]) - 1
                if s < 0:
                    break
                alike = whole[s] == (size == WHOLE) and length[s] == n
                if alike and _same(text, begins, t, other, other_begins, first[s], n):
                    if not found[s]:
                        if hits == len(out):
                            out = np.concatenate((out, out))
                        out[hits, 0], out[hits, 1], out[hits, 2] = s, line, t
                        hits += 1
                    break
                key += _ONE
            if t + n < end:
                h = h * _BASE + hashes[t + n] - hashes[t] * power
        begin = end
    return out[:hits]
