"""From counts and rules to probabilities and back-off weights, order by order, each fused into one compiled pass."""

from concurrent.futures import ThreadPoolExecutor
from typing import Any, NamedTuple

import numpy as np
from numba import njit

from nextword.ngram.arena import Arena
from nextword.ngram.counting import Level
from nextword.ngram.smoothing import BUCKETS, Rule, Smoothing
from nextword.text.encode import BOS
from nextword.text.prefetch import prefetch
from nextword.types import Array

_AHEAD = 32  # n-grams whose lower order's probability is asked for before it is needed
_PARTS = 4  # shares of the work per thread


class Estimates(NamedTuple):
    """One order: p (N,) of its n-grams, and the back-off weight (C,) of the contexts below it."""

    p: Array
    backoff: Array


def adjusted_counts(
    level: Level, above: Level | None, begins_with_bos: slice, *, continuation: bool, arena: Arena
) -> Array:
    """a(g), (N,) uint32: raw counts, or distinct words to the left for n-grams that do not begin with ``<s>``.

    Continuation counts are of orders below the top (Kneser and Ney 1995).
    """
    if not continuation or above is None:
        adjusted = arena.empty(len(level), np.uint32)
        adjusted[:] = level.count
    else:
        adjusted = arena.zeros(len(level), np.uint32)
        _count_links(above.suffix, adjusted)
        adjusted[begins_with_bos] = level.count[begins_with_bos]
    return adjusted


def bos_slices(levels: list[Level]) -> list[slice]:
    """For each order, the n-grams that begin with ``<s>``."""
    low, high = BOS, BOS + 1
    slices = [slice(low, high)]
    for level in levels[1:]:
        low, high = int(level.first[low]), int(level.first[high])
        slices.append(slice(low, high))
    return slices


def counts_of_counts(adjusted: Array, most: int) -> Array:
    """n_r for r = 0 to ``most``, (most + 1,)."""
    return np.asarray(_count_counts(adjusted, most))


def estimate(
    smoothing: Smoothing,
    rule: Rule,
    level: Level,
    adjusted: Array,
    kept: Array,
    lower: Array,
    words: int,
    *,
    threads: int,
    arena: Arena,
) -> Estimates:
    """Probabilities of one order given the order below.

    adjusted: (N,) counts. kept: (N,) bool, False for what pruning will drop, or empty for nothing. lower: (N below,)
    probabilities; for order 1 the share of a word and that of ``<unk>``. words: V.
    """
    result = Estimates(arena.empty(len(level), np.float64), arena.empty(len(level.first) - 1, np.float64))
    ratios = np.zeros(64)
    ratios[:BUCKETS] = rule.ratios
    ratios[BUCKETS:] = rule.ratios[-1]
    settings = (rule.discounts, rule.types, rule.constant, ratios, smoothing.interpolated, words)
    edges = np.linspace(0, len(level), threads * _PARTS + 1)[1:-1].astype(np.uint32)  # of the type of ``first``
    cuts = [0, *np.searchsorted(level.first, edges).tolist(), len(level.first) - 1]

    def run(t: int) -> None:
        contexts = slice(cuts[t], max(cuts[t], cuts[t + 1]))
        _estimate(level.first, contexts.start, contexts.stop, adjusted, kept, level.suffix, lower, *settings, *result)

    with ThreadPoolExecutor(threads) as pool:
        list(pool.map(run, range(threads * _PARTS)))
    return result


@njit(cache=True, nogil=True)
def _count_links(suffix: Array, adjusted: Array) -> None:
    for g in suffix:
        adjusted[g] += np.uint32(1)


@njit(cache=True, nogil=True)
def _count_counts(adjusted: Array, most: int) -> Array:
    counts = np.zeros(most + 1, dtype=np.int64)
    for a in adjusted:
        if a <= most:
            counts[a] += 1
    return counts


@njit(cache=True, nogil=True)
def _magnitude(count: int) -> int:
    """floor(log2(count)) for a count of 1 or more."""
    bits = 0
    while count > 1:
        count >>= 1
        bits += 1
    return bits


@njit(cache=True, nogil=True)
def _estimate(
    first: Array, low: int, high: int, adjusted: Array, kept: Array, suffix: Array, lower: Array,
    discounts: Array, types: float, constant: float, ratios: Array, interpolated: bool, words: int,
    p: Array, backoff: Array,
) -> None:  # fmt: skip
    """Contexts ``low`` to ``high``: fill ``p`` for their n-grams and their back-off weights."""
    most = len(discounts) - 1
    for h in range(low, high):
        total: Any = 0
        total_kept: Any = 0
        seen = seen_kept = 0
        mass = lower_mass = 0.0
        for g in range(first[h], first[h + 1]):
            if g + _AHEAD < len(suffix):
                prefetch(lower, np.int64(suffix[g + _AHEAD]))
            a = np.int64(adjusted[g])
            if a > 0:
                total += a
                seen += 1
                if len(kept) == 0 or kept[g]:
                    seen_kept += 1
                    total_kept += a
                    mass += a - discounts[a if a < most else most]
                    lower_mass += lower[suffix[g]]
        if total == 0:  # nothing follows: the lower order is all there is
            backoff[h] = 1.0
            for g in range(first[h], first[h + 1]):
                p[g] = lower[suffix[g]]
            continue
        denominator = total * (1.0 + ratios[_magnitude(total)]) + types * seen + constant
        full = not interpolated and seen_kept == words  # every word follows: no discount
        if full:
            denominator = mass = float(total_kept)
        elif not interpolated and denominator - mass <= 0.0:  # nothing discounted: make room for the unseen words
            denominator += 1.0
        rest = (denominator - mass) / denominator
        if full:
            rest = 1.0
        elif not interpolated:
            rest /= 1.0 - lower_mass
        backoff[h] = rest
        for g in range(first[h], first[h + 1]):
            a = np.int64(adjusted[g])
            discount = 0.0 if full else discounts[a if a < most else most]
            share = (a - discount) / denominator
            if interpolated or a == 0:
                share += rest * lower[suffix[g]]
            p[g] = share
