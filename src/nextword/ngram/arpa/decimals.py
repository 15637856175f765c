"""Decimals to numbers and back: float32 as text, the compiled loops.

Texts are uint8 arrays; what is read ends at a delimiter, so nothing is read past a text that ends in a newline.
"""

import numpy as np
from numba import njit

from nextword.text.spans import is_delimiter

LOG_ZERO = -99.0  # SRILM's log10 of 0: this and anything below
NUMBER_ROOM = 20  # bytes; put_number needs at most 17, as in -0.00000112345678
_ZERO, _NINE, _MINUS, _PLUS, _POINT = 48, 57, 45, 43, 46
_TEN = np.uint64(10)
_MAX_DIGITS = 19  # decimal digits that a uint64 holds
_POWERS = np.array([float(f"1e{k}") for k in range(64)])  # exact up to 1e22
_NEAR = 2.0**-44  # far above the error of a float64 quotient, far below half of a float32's last place


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
def _width(units):  # type: ignore[no-untyped-def]
    """Decimal digits of ``units``."""
    digits, power = 1, 10
    while power <= units:
        digits, power = digits + 1, power * 10
    return digits


@njit(cache=True, nogil=True)
def _put_digits(units, places, out, at):  # type: ignore[no-untyped-def]
    """Write units / 10^places with a point, or without where ``places`` is 0; returns the position behind it."""
    end = at + max(_width(units), places + 1) + (1 if places > 0 else 0)
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
    fraction = _width(units) - 1
    at = _put_digits(units, fraction, out, at)
    out[at], out[at + 1] = ord("e"), _MINUS
    return _put_digits(places - fraction, 0, out, at + 2)
