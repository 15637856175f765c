"""Zipf's law: the frequency of a word falls as a power of its rank."""

import numpy as np

from nextword.types import Array

_LEAST_WORDS = 10
_POINTS = 200


def zipf_exponent(frequencies: Array) -> float | None:
    """The s of frequency ∝ 1 / rank^s (Zipf 1949), by least squares on log-log axes, ranks spaced evenly in the log.

    frequencies: counts or shares of words, (N,), in any order. None if fewer than 10 are above 0. Natural language
    has about 1.

    >>> round(zipf_exponent(1 / np.arange(1, 1001)), 6)
    1.0
    """
    ordered = np.sort(frequencies[frequencies > 0])[::-1]
    if len(ordered) < _LEAST_WORDS:
        return None
    ranks = np.unique(np.geomspace(1, len(ordered), _POINTS).round().astype(np.int64))
    slope, _ = np.polyfit(np.log(ranks), np.log(ordered[ranks - 1]), 1)
    return abs(float(slope))  # the frequencies fall, so the slope is not above 0
