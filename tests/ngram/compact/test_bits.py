"""Packed fields and rising sequences, against Python's own integers and lists."""

import numpy as np
from hypothesis import given
from hypothesis import strategies as st
from numba import njit

from nextword.ngram.compact import bits
from nextword.ngram.compact.trie_building import _write_rising

read, write, select, bits_for = (
    njit(lambda words, at, width: bits.read(words, at, width)),
    njit(lambda words, at, width, value: bits.write(words, at, width, value)),
    njit(lambda words, at, end, skip: bits.select(words, at, end, skip)),
    njit(lambda n: bits.bits_for(n)),
)
fields = st.lists(st.integers(0, 63).flatmap(lambda width: st.tuples(st.just(width), st.integers(0, 2**width - 1))))


@given(fields, st.integers(0, 70))
def test_fields_are_those_of_one_long_integer(given_fields, begin):
    words = np.zeros(2 + (begin + sum(width for width, _ in given_fields)) // 64, dtype=np.uint64)
    at, string = begin, 0
    for width, value in given_fields:
        write(words, at, width, value)
        string |= value << at
        at += width
    assert sum(int(word) << (64 * i) for i, word in enumerate(words)) == string
    at = begin
    for width, value in given_fields:
        assert read(words, at, width) == value
        at += width


@given(st.integers(0, 2**40))
def test_bits_for_tells_things_apart(n):
    assert bits_for(n) == max(n - 1, 0).bit_length()


@given(
    st.lists(st.integers(0, 3), max_size=200),
    st.integers(0, 300),
    st.integers(0, 8),
    st.integers(0, 60),
)
def test_select_finds_set_bits(gaps, at, end, skip):
    places = [place for place in np.cumsum(np.array(gaps, dtype=np.int64) + 1).tolist() if place < 512]
    words = np.zeros(9, dtype=np.uint64)
    for place in places:
        words[place // 64] |= np.uint64(1) << np.uint64(place % 64)
    there = [place for place in places if at <= place < 64 * end] + [-1, -1]
    expected = (there[skip], there[skip + 1]) if skip < len(there) - 2 else (-1, -1)
    assert select(words, at, end, skip) == expected


@given(st.lists(st.integers(0, 1000), min_size=1, max_size=300), st.booleans())
def test_rising_sequences_come_back(steps, steep):
    numbers = np.cumsum(np.array(steps, dtype=np.int64) * (1000 if steep else 1))
    low = bits.low_bits(len(numbers), int(numbers[-1]))
    assert low == max(0, int(np.log2(max(numbers[-1] / len(numbers), 1))))
    high = 1 + len(numbers) * low // 64
    words = np.zeros(high + bits.high_words(len(numbers), int(numbers[-1]), low) + 2, dtype=np.uint64)
    samples = np.zeros(1 + len(numbers) // bits.SAMPLE, dtype=np.uint32)
    _write_rising(words, numbers, 0, low, low, high, samples)
    for i, number in enumerate(numbers.tolist()):
        place, _ = select(words, 64 * high + int(samples[i // bits.SAMPLE]), len(words), i % bits.SAMPLE)
        assert ((place - 64 * high - i) << low) + read(words, i * low, low) == number
