"""The compiled loops behind ``arpa``: decimals to float32 and back, lines to ids and back, sorting and linking.

Texts are uint8 arrays. The parsers stay before the text's last newline and every inner loop stops at a newline, so
nothing is read past the end. n-grams of order k are the columns of a (k, N) uint32 array of word ids.
"""

import numpy as np
from numba import njit

from nextword.text.encode import finish_hash, invalid_utf8, is_delimiter, probe
from nextword.types import Array, Bytes

DONE = 0  # every whole line was read, every n-gram written
HEADING = 1  # a blank line, or one that begins with a backslash
FULL = 2  # no room for another n-gram
BAD_PROBABILITY, POSITIVE_PROBABILITY, TOO_FEW_WORDS, UNKNOWN_WORD, BAD_UTF8 = 3, 4, 5, 6, 7
BAD_BACKOFF, INFINITE_BACKOFF, TOP_BACKOFF, TRAILING_FIELD = 8, 9, 10, 11
LONG_LINE = 12
BAD_INDEX, BAD_NUMBER = 13, 14  # in the arrays of a model that is to be written

MAX_LINE = 1 << 20  # bytes, the newline included
LOG_ZERO = -99.0  # SRILM's log10 of 0: this and anything below
NUMBER_ROOM = 20  # bytes; put_number needs at most 17, as in -0.00000112345678
NONE = np.uint32(0xFFFFFFFF)
_NEWLINE, _BACKSLASH, _ZERO, _NINE, _MINUS, _PLUS, _POINT = 10, 92, 48, 57, 45, 43, 46
_TAB, _SPACE = 9, 32
_BASIS, _PRIME, _EMPTY = np.uint64(0xCBF29CE484222325), np.uint64(0x100000001B3), np.uint64(0)  # as in text/encode.py
_TEN = np.uint64(10)
_MAX_DIGITS = 19  # decimal digits that a uint64 holds
_POWERS = np.array([float(f"1e{k}") for k in range(64)])  # exact up to 1e22
_NEAR = 2.0**-44  # far above the error of a float64 quotient, far below half of a float32's last place


@njit(cache=True, nogil=True, inline="always")
def _skip_blanks(text, i):  # type: ignore[no-untyped-def]
    while text[i] != _NEWLINE and is_delimiter(text[i]):
        i += 1
    return i


@njit(cache=True, nogil=True)
def _take_digits(text, i, mantissa, digits):  # type: ignore[no-untyped-def]
    """Append decimal digits to ``mantissa``; returns (i, mantissa, digits in it, digits it had no room for)."""
    dropped = 0
    while _ZERO <= text[i] <= _NINE:
        if digits < _MAX_DIGITS:
            mantissa = mantissa * _TEN + np.uint64(text[i] - _ZERO)
            digits += 1 if mantissa > 0 else 0
        else:
            dropped += 1
        i += 1
    return i, mantissa, digits, dropped


@njit(cache=True, nogil=True)
def _take_exponent(text, i):  # type: ignore[no-untyped-def]
    """The exponent at ``i``, its first four digits at most; returns (i, exponent, had it digits)."""
    negative = text[i] == _MINUS
    if negative or text[i] == _PLUS:
        i += 1
    start, exponent = i, 0
    while _ZERO <= text[i] <= _NINE:
        if exponent < 1000:
            exponent = exponent * 10 + text[i] - _ZERO
        i += 1
    return i, -exponent if negative else exponent, i > start


@njit(cache=True, nogil=True)
def read_number(text, i):  # type: ignore[no-untyped-def]
    """The decimal at ``i``; returns (i after it, float64, is it a decimal that ends at a delimiter).

    Exact to the last bit of a float64 for up to 15 digits, else to a few of its last bits. So the float32 that it
    becomes is the nearest one, unless a decimal of ten and more digits lies all but half-way between two.
    """
    negative = text[i] == _MINUS
    if negative or text[i] == _PLUS:
        i += 1
    start = i
    i, mantissa, digits, exponent = _take_digits(text, i, np.uint64(0), 0)
    found = i - start
    if text[i] == _POINT:
        start = i + 1
        i, mantissa, digits, dropped = _take_digits(text, start, mantissa, digits)
        found += i - start
        exponent -= i - start - dropped
    good = found > 0
    if good and (text[i] == ord("e") or text[i] == ord("E")):
        i, more, good = _take_exponent(text, i + 1)
        exponent += more
    value = np.float64(mantissa)
    if -23 < exponent < 0:
        value /= _POWERS[-exponent]
    elif exponent != 0 and mantissa > 0:
        value *= 10.0 ** np.float64(exponent)
    return i, -value if negative else value, good and is_delimiter(text[i])


@njit(cache=True, nogil=True)
def _take_probability(text, i):  # type: ignore[no-untyped-def]
    """Status, position and log10 probability of the field at ``i``."""
    end, value, good = read_number(text, i)
    if not good:
        return BAD_PROBABILITY, i, 0.0
    if value > 0:
        return POSITIVE_PROBABILITY, i, 0.0
    return DONE, end, value if value > LOG_ZERO else -np.inf


@njit(cache=True, nogil=True)
def _take_backoff(text, i, top):  # type: ignore[no-untyped-def]
    """Status, position and log10 back-off weight of the rest of the line; a missing one is 0."""
    i = _skip_blanks(text, i)
    if text[i] == _NEWLINE:
        return DONE, i, 0.0
    end, value, good = read_number(text, i)
    if not good:
        return BAD_BACKOFF, i, 0.0
    if value >= -LOG_ZERO:
        return INFINITE_BACKOFF, i, 0.0
    if top and value != 0:
        return TOP_BACKOFF, i, 0.0
    end = _skip_blanks(text, end)
    if text[end] != _NEWLINE:
        return TRAILING_FIELD, end, 0.0
    return DONE, end, value if value > LOG_ZERO else -np.inf


@njit(cache=True, nogil=True)
def _whole_lines(text, begin, end):  # type: ignore[no-untyped-def]
    """End of the last whole line of ``text[begin:end]``."""
    while end > begin and text[end - 1] != _NEWLINE:
        end -= 1
    return end


@njit(cache=True, nogil=True)
def parse_unigrams(
    text: Bytes, begin: int, end: int, top: bool, blob: Bytes, offsets: Array, log10: Array
) -> tuple[int, int, int]:
    """Read those lines of the unigram section that are whole within ``text[begin:end]``.

    blob: the words, end to end, room for end - begin bytes; offsets: (room + 1,) int64, the first 0; log10:
    (room, 2) float32, probability and back-off weight. Returns (status, position reached or at fault, words read).
    """
    n, i = 0, begin
    end = _whole_lines(text, begin, end)
    while i < end:
        line, i = i, _skip_blanks(text, i)
        if text[i] == _NEWLINE or text[i] == _BACKSLASH:
            return HEADING, i, n
        if n == len(log10):
            return FULL, i, n
        status, i, probability = _take_probability(text, i)
        if status != DONE:
            return status, i, n
        start = i = _skip_blanks(text, i)
        to = offsets[n]
        while not is_delimiter(text[i]):
            blob[to] = text[i]
            to += 1
            i += 1
        if i == start:
            return TOO_FEW_WORDS, i, n
        if invalid_utf8(text[start:i]) >= 0:
            return BAD_UTF8, start, n
        status, i, backoff = _take_backoff(text, i, top)
        if status != DONE:
            return status, i, n
        if i - line >= MAX_LINE:
            return LONG_LINE, i, n
        offsets[n + 1] = to
        log10[n, 0], log10[n, 1] = probability, backoff
        n += 1
        i += 1
    return DONE, i, n


@njit(cache=True, nogil=True)
def parse_ngrams(
    text: Bytes, begin: int, end: int, top: bool, table: Array, vocabulary_size: int, ids: Array, log10: Array
) -> tuple[int, int, int]:
    """As ``parse_unigrams``, for a higher order: words are looked up in ``table``, ids is (order, room) uint32."""
    n, i = 0, begin
    end = _whole_lines(text, begin, end)
    while i < end:
        line, i = i, _skip_blanks(text, i)
        if text[i] == _NEWLINE or text[i] == _BACKSLASH:
            return HEADING, i, n
        if n == len(log10):
            return FULL, i, n
        status, i, probability = _take_probability(text, i)
        if status != DONE:
            return status, i, n
        for k in range(len(ids)):
            start = i = _skip_blanks(text, i)
            h = _BASIS
            while not is_delimiter(text[i]):
                h = (h ^ np.uint64(text[i])) * _PRIME
                i += 1
            if i == start:
                return TOO_FEW_WORDS, i, n
            row = probe(table, finish_hash(h))
            word = np.int64(table[row, 1])
            if table[row, 0] == _EMPTY or not 0 <= word < vocabulary_size:
                return UNKNOWN_WORD, start, n
            ids[k, n] = word
        status, i, backoff = _take_backoff(text, i, top)
        if status != DONE:
            return status, i, n
        if i - line >= MAX_LINE:
            return LONG_LINE, i, n
        log10[n, 0], log10[n, 1] = probability, backoff
        n += 1
        i += 1
    return DONE, i, n


@njit(cache=True, nogil=True)
def sort_rows(column: Array, rows: Array, vocabulary_size: int) -> Array:
    """``rows`` by rising ``column[rows]``, equals as they stood (counting sort). Both (N,) uint32."""
    counts = np.zeros(vocabulary_size + 1, dtype=np.int64)
    for word in column:
        counts[word + 1] += 1
    for word in range(vocabulary_size):
        counts[word + 1] += counts[word]
    out = np.empty_like(rows)
    for row in rows:
        word = column[row]
        out[counts[word]] = row
        counts[word] += 1
    return out


@njit(cache=True, nogil=True, inline="always")
def _is_before(lower, a, upper, b, shift):  # type: ignore[no-untyped-def]
    """1, 0 or -1: n-gram ``a`` of ``lower`` comes before, is, or comes after the words of ``b`` from ``shift`` on."""
    for k in range(len(lower)):
        x, y = lower[k, a], upper[k + shift, b]
        if x != y:
            return 1 if x < y else -1
    return 0


@njit(cache=True, nogil=True)
def link(lower: Array, upper: Array, rows: Array, shift: int) -> Array:
    """The column of ``lower`` (k - 1, M) that is the prefix (shift 0) or suffix (1) of each column of ``upper`` (k, N).

    ``lower`` is sorted, and so are the prefixes or suffixes of ``upper[:, rows]``. Returns (N,) uint32, NONE for none.
    """
    links = np.empty(len(rows), dtype=np.uint32)
    a = 0
    for row in rows:
        before = 1
        while a < lower.shape[1]:
            before = _is_before(lower, a, upper, row, shift)
            if before != 1:
                break
            a += 1
        links[row] = a if before == 0 else NONE
    return links


@njit(cache=True, nogil=True)
def unwritable_word(blob: Bytes, offsets: Array) -> int:
    """The first word that an ARPA file cannot hold (empty, with a delimiter in it, not UTF-8), or -1."""
    for word in range(len(offsets) - 1):
        start, end = offsets[word], offsets[word + 1]
        if not 0 <= start < end <= len(blob) or invalid_utf8(blob[start:end]) >= 0:
            return word
        for i in range(start, end):
            if is_delimiter(blob[i]):
                return word
    return -1


@njit(cache=True, nogil=True)
def _shortest(x):  # type: ignore[no-untyped-def]
    """Units and places of the shortest decimal, units / 10^places, that reads back as float32 0 < ``x`` < 100.

    Nine significant digits always do; they are given up one by one as long as what is left surely reads back: as
    long as no error of the float64 quotient could take it past half a float32's last place.
    (A few powers of two, whose lower neighbour is nearer than the upper, come out a digit too long.)
    """
    exponent = 1 if x >= 10 else 0  # of the first digit
    while exponent <= 0 and np.float64(x) * _POWERS[-exponent] < 1:
        exponent -= 1
    places = 8 - exponent
    units = np.rint(np.float64(x) * _POWERS[places])
    while places > 0:
        fewer = np.rint(np.float64(x) * _POWERS[places - 1])
        value = fewer / _POWERS[places - 1]
        if np.float32(value * (1 - _NEAR)) != x or np.float32(value * (1 + _NEAR)) != x:
            break
        units, places = fewer, places - 1
    return np.int64(units), places


@njit(cache=True, nogil=True)
def _put_digits(units, places, out, at):  # type: ignore[no-untyped-def]
    """Write units / 10^places with a point, or without where ``places`` is 0; returns the position behind it."""
    digits, power = 1, 10
    while power <= units:
        digits, power = digits + 1, power * 10
    end = at + max(digits, places + 1) + (1 if places > 0 else 0)
    point = end - places - 1 if places > 0 else -1
    for i in range(end - 1, at - 1, -1):
        if i == point:
            out[i] = _POINT
        else:
            out[i] = _ZERO + units % 10
            units //= 10
    return end


@njit(cache=True, nogil=True)
def put_number(x, out, at):  # type: ignore[no-untyped-def]
    """Write float32 ``x`` < 99 as the shortest decimal that reads back as it; returns the position behind it.

    Numbers look as lmplz writes them: a plain decimal from 0.000001 on, else one like 1.5e-7.
    """
    if x <= LOG_ZERO:
        x = np.float32(LOG_ZERO)
    if x < 0:
        out[at] = _MINUS
        at, x = at + 1, -x
    if x == 0:
        return _put_digits(0, 0, out, at)
    units, places = _shortest(x)
    if places == 0 or x >= np.float32(1e-6):
        return _put_digits(units, places, out, at)
    fraction, power = 0, 10
    while power <= units:
        fraction, power = fraction + 1, power * 10
    at = _put_digits(units, fraction, out, at)
    out[at], out[at + 1] = ord("e"), _MINUS
    return _put_digits(places - fraction, 0, out, at + 2)


@njit(cache=True, nogil=True)
def _climb(cursor, order, g, first):  # type: ignore[no-untyped-def]
    """Move ``cursor``, the n-grams that are the prefixes of n-gram ``g`` - 1, on to those of ``g``."""
    cursor[order - 1] = g
    for k in range(order - 2, -1, -1):
        parent, child = cursor[k], cursor[k + 1]
        while parent + 2 < len(first) and first[parent + 1] <= child:
            parent += 1
        cursor[k] = parent


@njit(cache=True, nogil=True)
def put_ngrams(
    order: int,
    end: int,
    cursor: Array,
    blob: Bytes,
    offsets: Array,
    word: Array,
    first: Array,
    inner: Array,
    leaf: Array,
    inserted: Array,
    out: Bytes,
) -> tuple[int, int]:
    """Write lines of n-grams of one order, up to global index ``end``, until ``out`` is full.

    cursor: (order + 2,) int64, moved on: the n-grams that are the prefixes of the last one written, the next n-gram
    and the next entry of ``inserted``, whose n-grams are left out. Returns (status, bytes written).
    """
    at, g, skip = 0, cursor[order], cursor[order + 1]
    status = DONE
    while g < end:
        if skip < len(inserted) and inserted[skip] == g:
            skip += 1
            g += 1
            continue
        _climb(cursor, order, g, first)
        room = 2 * NUMBER_ROOM + order
        for k in range(order):
            w = np.int64(word[cursor[k]])
            if w >= len(offsets) - 1:
                return BAD_INDEX, at
            room += offsets[w + 1] - offsets[w]
        if at + room > len(out):
            status = FULL
            break
        is_inner = g < len(inner)
        log_prob = inner[g, 0] if is_inner else leaf[g - len(inner)]
        backoff = inner[g, 1] if is_inner else np.float32(0)
        if not (log_prob < -LOG_ZERO and backoff < -LOG_ZERO):
            return BAD_NUMBER, at
        at = put_number(log_prob, out, at)
        for k in range(order):
            out[at] = _TAB if k == 0 else _SPACE
            at += 1
            w = np.int64(word[cursor[k]])
            for i in range(offsets[w], offsets[w + 1]):
                out[at] = blob[i]
                at += 1
        if is_inner:
            out[at] = _TAB
            at = put_number(backoff, out, at + 1)
        out[at] = _NEWLINE
        at += 1
        g += 1
    cursor[order], cursor[order + 1] = g, skip
    return status, at
