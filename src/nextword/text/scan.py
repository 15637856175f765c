"""The compiled reader of JSON Lines: finds and unescapes a field's text in each record, and checks the rest (RFC 8259).

It knows what is usual, and says so of a record that is not: invalid JSON, no text in the field, a name given twice or
written with escapes, half of a surrogate pair, bytes that are not UTF-8, NaN. What becomes of such a record the slow
reader decides (``nextword.text.jsonl``), which is also what this one is tested against.
"""

from typing import Any

import numpy as np
from numba import njit

from nextword.types import Array, Bytes

UNUSUAL = -1
_DEPTH = 64  # of nested arrays and objects
_QUOTE, _BACKSLASH, _NEWLINE, _COLON, _COMMA, _ZERO, _NINE = 0x22, 0x5C, 0x0A, 0x3A, 0x2C, 0x30, 0x39
_OPEN, _CLOSE, _OPEN_ARRAY, _CLOSE_ARRAY, _MINUS, _PLUS, _POINT, _E, _U = (
    0x7B,
    0x7D,
    0x5B,
    0x5D,
    0x2D,
    0x2B,
    0x2E,
    0x65,
    0x75,
)
_ESCAPED = np.full(256, -1, dtype=np.int16)  # what stands for a character after a backslash
for _name, _meaning in zip(b'"\\/bfnrt', b'"\\/\b\f\n\r\t', strict=True):
    _ESCAPED[_name] = _meaning
_PLAIN = np.ones(256, dtype=np.bool_)  # bytes of a string that stand for themselves and need no second look
_PLAIN[:0x20] = _PLAIN[0x80:] = False
_PLAIN[[_QUOTE, _BACKSLASH]] = False
_ONE = np.uint64(1)
_HEX = np.full(256, -1, dtype=np.int16)
for _digit in b"0123456789abcdefABCDEF":
    _HEX[_digit] = int(chr(_digit), 16)


@njit(cache=True, nogil=True)
def scan(
    block: Bytes, field: Bytes, taken: Bytes, taken_ends: Array, joint: int, text: Bytes, begins: Array, braces: Array,
    sizes: Array, lines: Array,
) -> tuple[int, int]:  # fmt: skip
    """Read all records of ``block``, whose lines all end in a newline; blank lines are left out.

    field: name of the field with the text. taken, taken_ends: names, end to end, that no record may have. joint: the
    byte to be read for each newline in a text. text: room for len(block) bytes; the texts, UTF-8, each that is not
    empty ended by a newline. begins, braces: where each record's line begins and where its last brace is. sizes,
    lines: bytes that each text has taken, and the newlines among them. The four have room for all lines.
    Returns (records, bytes of text), or (UNUSUAL, offset of its line) at the first record that is not usual.
    """
    i = n = at = 0
    while i < len(block):
        begin = i
        i = _blanks(block, i)
        if block[i] == _NEWLINE:
            i += 1
            continue
        brace, after, newlines = _record(block, i, field, taken, taken_ends, joint, text, at)
        if brace < 0:
            return UNUSUAL, begin
        i = _blanks(block, brace + 1)
        if block[i] != _NEWLINE:
            return UNUSUAL, begin
        i += 1
        begins[n], braces[n], sizes[n], lines[n] = begin, brace, after - at, newlines
        at = after
        n += 1
    return n, at


@njit(cache=True, nogil=True)
def _record(
    block: Bytes, i: int, field: Bytes, taken: Bytes, taken_ends: Array, joint: int, text: Bytes, at: int
) -> tuple[int, int, int]:
    """Where an object that begins at ``i`` ends, or UNUSUAL; where its text ends in ``text``; and its newlines."""
    found, lines = False, 0
    if block[i] != _OPEN:
        return UNUSUAL, at, lines
    i = _blanks(block, i + 1)
    while block[i] == _QUOTE:
        start = i + 1
        i = start
        while _PLAIN[block[i]]:
            i += 1
        if block[i] != _QUOTE or _is_taken(block, start, i, taken, taken_ends):
            return UNUSUAL, at, lines
        here = _equals(block, start, i, field, 0, len(field))
        i = _blanks(block, i + 1)
        if block[i] != _COLON:
            return UNUSUAL, at, lines
        i = _blanks(block, i + 1)
        if here:
            if found or block[i] != _QUOTE:
                return UNUSUAL, at, lines
            found = True
            i, at, lines = _copy_string(block, i + 1, joint, text, at)
        else:
            i = _skip_value(block, i)
        if i < 0:
            return UNUSUAL, at, lines
        i = _blanks(block, i)
        if block[i] == _CLOSE:
            return (i, at, lines) if found else (UNUSUAL, at, lines)
        if block[i] != _COMMA:
            return UNUSUAL, at, lines
        i = _blanks(block, i + 1)
    return UNUSUAL, at, lines


@njit(cache=True, nogil=True)
def _copy_string(block: Bytes, i: int, joint: int, text: Bytes, at: int) -> tuple[int, int, int]:
    """Unescape the string whose first character is at ``i``.

    Returns what follows its quote, the text's end, and how many newlines the text has, its own last one included.
    """
    begin, lines = at, 0
    while True:
        plain = _copy_plain(block, np.uint64(i), text, np.uint64(at))
        i, at = i + plain, at + plain
        if block[i] == _QUOTE:
            break
        if block[i] == _BACKSLASH:
            written = at
            i, at = _unescape(block, i + 1, joint, text, at)
            lines += i >= 0 and text[written] == _NEWLINE
        else:
            after = _utf8(block, i)
            for k in range(i, after):
                text[at] = block[k]
                at += 1
            i = after
        if i < 0:
            return UNUSUAL, at, lines
    if at > begin:
        text[at] = _NEWLINE
        at += 1
        lines += 1
    return i + 1, at, lines


@njit(cache=True, nogil=True, inline="always")
def _copy_plain(block, i, text, at):  # type: ignore[no-untyped-def]
    """Copy what needs no second look, and say how much; an index without a sign is checked for none, hence uint64."""
    begin = at
    byte = block[i]
    while _PLAIN[byte]:
        text[at] = byte
        at += _ONE
        i += _ONE
        byte = block[i]
    return np.int64(at - begin)


@njit(cache=True, nogil=True)
def _unescape(block: Bytes, i: int, joint: int, text: Bytes, at: int) -> tuple[int, int]:
    """Write what an escape stands for, whose letter is at ``i``; no escape is shorter than what it stands for."""
    meaning = _ESCAPED[block[i]]
    if meaning >= 0:
        text[at] = joint if meaning == _NEWLINE else meaning
        return i + 1, at + 1
    code = _hex4(block, i + 1) if block[i] == _U else -1
    i += 5
    if code < 0 or 0xDC00 <= code <= 0xDFFF:
        return UNUSUAL, at
    if code >= 0xD800:
        low = _hex4(block, i + 2) if block[i] == _BACKSLASH and block[i + 1] == _U else -1
        if not 0xDC00 <= low <= 0xDFFF:
            return UNUSUAL, at
        code = 0x10000 + ((code - 0xD800) << 10) + (low - 0xDC00)
        i += 6
    if code < 0x80:
        text[at] = joint if code == _NEWLINE else code
        return i, at + 1
    more = 1 if code < 0x800 else 2 if code < 0x10000 else 3
    text[at] = (0xFF00 >> (more + 1) & 0xFF) | code >> 6 * more
    for k in range(1, more + 1):
        text[at + k] = 0x80 | code >> 6 * (more - k) & 0x3F
    return i, at + 1 + more


@njit(cache=True, nogil=True)
def _hex4(block: Bytes, i: int) -> int:
    """The number that four hexadecimal digits spell, or -1."""
    code = 0
    for k in range(i, min(i + 4, len(block))):
        digit = _HEX[block[k]]
        if digit < 0:
            return -1
        code = code << 4 | digit
    return code


@njit(cache=True, nogil=True)
def _utf8(block: Bytes, i: int) -> int:
    """Where the character of several bytes at ``i`` ends (RFC 3629), or UNUSUAL."""
    byte = block[i]
    low, high, more = 0x80, 0xBF, 0
    if 0xC2 <= byte <= 0xDF:
        more = 1
    elif 0xE0 <= byte <= 0xEF:
        more = 2
        low, high = 0xA0 if byte == 0xE0 else 0x80, 0x9F if byte == 0xED else 0xBF
    elif 0xF0 <= byte <= 0xF4:
        more = 3
        low, high = 0x90 if byte == 0xF0 else 0x80, 0x8F if byte == 0xF4 else 0xBF
    if more == 0 or i + more >= len(block):
        return UNUSUAL
    for k in range(i + 1, i + more + 1):
        if not low <= block[k] <= high:
            return UNUSUAL
        low, high = 0x80, 0xBF
    return i + more + 1


@njit(cache=True, nogil=True)
def _skip_string(block: Bytes, i: int) -> int:
    """What follows the quote of the string whose first character is at ``i``, or UNUSUAL."""
    while True:
        while _PLAIN[block[i]]:
            i += 1
        if block[i] == _QUOTE:
            return i + 1
        if block[i] != _BACKSLASH:
            i = _utf8(block, i)
        elif _ESCAPED[block[i + 1]] >= 0:
            i += 2
        elif block[i + 1] == _U and _hex4(block, i + 2) >= 0:
            i += 6
        else:
            return UNUSUAL
        if i < 0:
            return UNUSUAL


@njit(cache=True, nogil=True)
def _skip_value(block: Bytes, i: int) -> int:
    """What follows the value that begins at ``i``, or UNUSUAL."""
    depth = 0
    objects = np.uint64(0)  # one bit for each array or object that is open, the innermost lowest: 1 is an object
    one: Any = np.uint64(1)
    while True:
        byte = block[i]
        if byte in (_OPEN, _OPEN_ARRAY):
            i = _blanks(block, i + 1)
            if block[i] != (_CLOSE if byte == _OPEN else _CLOSE_ARRAY):
                if depth == _DEPTH:
                    return UNUSUAL
                depth += 1
                objects = objects << one | np.uint64(byte == _OPEN)
                i = _skip_name(block, i) if byte == _OPEN else i
                if i < 0:
                    return UNUSUAL
                continue
            i += 1
        elif byte == _QUOTE:
            i = _skip_string(block, i + 1)
        else:
            i = _skip_number(block, i) if byte == _MINUS or _ZERO <= byte <= _NINE else _skip_word(block, i)
        while True:  # after a value
            if i < 0 or depth == 0:
                return i
            i = _blanks(block, i)
            inside = objects & one == one
            if block[i] == _COMMA:
                i = _blanks(block, i + 1)
                i = _skip_name(block, i) if inside else i
                if i < 0:
                    return UNUSUAL
                break
            if block[i] != (_CLOSE if inside else _CLOSE_ARRAY):
                return UNUSUAL
            depth -= 1
            objects >>= one
            i += 1


@njit(cache=True, nogil=True)
def _skip_name(block: Bytes, i: int) -> int:
    """Where the value of the member whose name begins at ``i`` begins, or UNUSUAL."""
    if block[i] != _QUOTE:
        return UNUSUAL
    i = _skip_string(block, i + 1)
    if i < 0:
        return UNUSUAL
    i = _blanks(block, i)
    return _blanks(block, i + 1) if block[i] == _COLON else UNUSUAL


@njit(cache=True, nogil=True)
def _skip_number(block: Bytes, i: int) -> int:
    """What follows the number at ``i``, or UNUSUAL."""
    i += block[i] == _MINUS
    start = i
    i = _digits(block, i)
    if i == start or (block[start] == _ZERO and i > start + 1):
        return UNUSUAL
    if block[i] == _POINT:
        start = i + 1
        i = _digits(block, start)
        if i == start:
            return UNUSUAL
    if block[i] | 0x20 == _E:
        i += 1
        i += block[i] in (_PLUS, _MINUS)
        start = i
        i = _digits(block, start)
        if i == start:
            return UNUSUAL
    return i


@njit(cache=True, nogil=True)
def _digits(block: Bytes, i: int) -> int:
    while _ZERO <= block[i] <= _NINE:
        i += 1
    return i


@njit(cache=True, nogil=True)
def _skip_word(block: Bytes, i: int) -> int:
    """What follows true, false or null at ``i``, or UNUSUAL."""
    for word in (b"true", b"false", b"null"):
        k = 0
        while k < len(word) and block[i + k] == word[k]:
            k += 1
        if k == len(word):
            return i + k
    return UNUSUAL


@njit(cache=True, nogil=True, inline="always")
def _blanks(block: Bytes, i: int) -> int:
    while block[i] == 0x20 or block[i] == 0x09 or block[i] == 0x0D:
        i += 1
    return i


@njit(cache=True, nogil=True)
def _is_taken(block: Bytes, start: int, end: int, taken: Bytes, taken_ends: Array) -> bool:
    first = 0
    for last in taken_ends:
        if _equals(block, start, end, taken, first, last):
            return True
        first = last
    return False


@njit(cache=True, nogil=True)
def _equals(block: Bytes, start: int, end: int, name: Bytes, first: int, last: int) -> bool:
    if end - start != last - first:
        return False
    same = True
    for k in range(end - start):
        same &= block[start + k] == name[first + k]
    return same
