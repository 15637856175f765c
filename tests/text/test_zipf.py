"""Zipf's exponent where it is known."""

import numpy as np
import pytest

from nextword.text.zipf import zipf_exponent


@pytest.mark.parametrize("s", [0.5, 1.0, 1.7])
@pytest.mark.parametrize("words", [10, 100, 30_000])
def test_an_exact_power_of_the_rank(s, words):
    frequencies = 1 / np.arange(1, words + 1) ** s
    np.random.default_rng(0).shuffle(frequencies)
    assert zipf_exponent(frequencies) == pytest.approx(s, abs=1e-9)


def test_the_scale_does_not_matter_and_words_that_never_came_are_left_out():
    counts = np.concatenate([1e6 / np.arange(1, 101), np.zeros(50)])
    assert zipf_exponent(counts) == pytest.approx(1.0)


def test_words_that_are_all_as_frequent():
    assert zipf_exponent(np.full(20, 7)) == pytest.approx(0, abs=1e-12)


def test_too_few_words_to_tell():
    assert zipf_exponent(np.array([5, 3, 2, 1, 1, 1, 1, 1, 1, 0])) is None


def test_drawn_words_come_close():
    """Counts of 200,000 words drawn by Zipf's law with s = 1 over 5,000."""
    p = 1 / np.arange(1, 5001)
    counts = np.random.default_rng(0).multinomial(200_000, p / p.sum())
    assert zipf_exponent(counts) == pytest.approx(1.0, abs=0.1)
