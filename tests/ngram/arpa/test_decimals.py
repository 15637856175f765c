"""Decimals: float32 as the shortest text that reads back, and text as C reads it."""

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from nextword.ngram.arpa.decimals import put_number, read_number


def number_text(x):
    out = np.zeros(40, dtype=np.uint8)
    return out[: put_number(np.float32(x), out, 0)].tobytes().decode()


def number_value(text):
    data = np.frombuffer(text.encode() + b"\n", dtype=np.uint8)
    end, value, good = read_number(data, 0)
    return np.float32(value) if good and end == len(text) else None


@given(st.floats(-99, 99, width=32, exclude_min=True, exclude_max=True))
@settings(max_examples=500)
def test_numbers_are_the_shortest_decimals_that_read_back(x):
    text = number_text(x)
    assert np.float32(text) == x
    assert number_value(text) == x
    shortest = np.format_float_scientific(np.float32(x), unique=True, trim="-")
    digits = [t.lstrip("-").split("e")[0].replace(".", "").strip("0") for t in (text, shortest)]
    power_of_two = np.frexp(x)[0] in (0.5, -0.5)  # where the nearest number below is twice as near as the one above
    assert len(digits[0]) <= len(digits[1]) + power_of_two


def test_numbers_look_as_lmplz_writes_them():
    shown = [0.0, -0.0, -1e-6, -9.9999e-7, -1.5e-10, 1e-45, -20.0, -0.1, -98.99999, -np.inf, -99.5, 12.5]
    written = "0 0 -0.000001 -9.9999e-7 -1.5e-10 1e-45 -20 -0.1 -98.99999 -99 -99 12.5"
    assert " ".join(number_text(x) for x in shown) == written


@pytest.mark.parametrize(
    "text",
    ["-1", "+1", "1.", ".5", "-0", "1e-05", "1E+1", "-1.5e1", "0.30102999566398119521", "00012.50", "1e-400", "0e9999",
     "123456789012345678901234567890e-29", "0." + "0" * 30 + "1", "-7.0064923216240854e-46"],
)  # fmt: skip
def test_decimals_are_read_as_c_reads_them(text):
    assert number_value(text) == np.float32(text)


@pytest.mark.parametrize("text", ["", "-", ".", "nan", "inf", "-inf", "1e", "1e+", "0x10", "1,5", "1.2.3", "--1", "1-"])
def test_what_is_no_decimal_is_not_read_as_one(text):
    assert number_value(text) is None
