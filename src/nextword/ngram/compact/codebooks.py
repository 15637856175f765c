"""Probabilities and back-off weights in a few bits each: codes, and a codebook of what they stand for.

A codebook is made for each order (Federico and Bertoldi 2006; their bins of equal mass lose more here than Lloyd's
(1982) iteration, which takes the numbers nearest to each centre and puts the centre in their middle, in log10). Numbers
weigh as the square root of how often the model expects the n-gram: frequent ones matter more, and there are few.

Rounding each probability by itself spoils what a context has left for the words never seen after it, most where that is
little. So where a model's rows sum to 1, codes are moved to neighbours as long as that lessens the Kullback–Leibler
divergence from the context's true distribution, in which all the unseen words count as one event; and back-off weights
are then computed anew, so that rows of the quantised probabilities sum to 1 again.
"""

from concurrent.futures import ThreadPoolExecutor
from typing import NamedTuple

import numpy as np
from numba import njit

from nextword.errors import UsageError
from nextword.ngram.links import Linked
from nextword.types import Array

SMALLEST, LARGEST = 2, 16  # bits of a code
ZERO = -99.0  # what ARPA files have for log10 of 0: nothing so low is rounded
_BINS = 1 << 20
_NONE = np.zeros(0, dtype=np.float32)
_ROUNDS = 40  # of Lloyd's iteration; it has come to rest long before
_PASSES = 4  # over a context's words
_LEAST = 1e-9  # left for unseen words, at least
NORMALISED = 1e-3  # how far a row's sum may be from 1 before its back-off weight is taken as it is


class Codebook(NamedTuple):
    """centres: (at most 2**bits,) float32, log10, rising. codes: (N,) uint16, which of them stands for each number."""

    centres: Array
    codes: Array

    @property
    def values(self) -> Array:
        """What the numbers have become, (N,) float32."""
        return np.asarray(self.centres[self.codes])

    def row(self, size: int) -> Array:
        """The centres as a row of ``size``, (size,); codes that are not used repeat the last."""
        return np.pad(self.centres, (0, size - len(self.centres)), mode="edge")


def make_codebook(log10: Array, importance: Array, size: int, *, exact: tuple[float, ...] = ()) -> Codebook:
    """At most ``size`` centres for numbers, (N,) float32, that weigh as ``importance``, (N,).

    -99 and less, and those of ``exact``, are kept as they are.

    >>> log10 = np.array([-3, -1, -1.1, -0.4, 0], dtype=np.float32)
    >>> make_codebook(log10, np.ones(5), 4, exact=(0.0,)).values
    array([-3.  , -1.05, -1.05, -0.4 ,  0.  ], dtype=float32)
    """
    kept = np.array(sorted({*exact, *_zeros(log10)}), dtype=np.float32)
    found = kept[np.isin(kept, log10)] if len(kept) else kept
    if len(found) >= size:
        raise UsageError(f"{size} codes are too few to keep {len(found)} numbers exact beside others; give more bits")
    moving = lloyd(log10, importance, size - len(found), but=found)
    centres = np.union1d(found, moving)
    codes = np.empty(len(log10), dtype=np.uint16)
    _assign(log10, found, np.searchsorted(centres, found), moving, np.searchsorted(centres, moving), codes)
    return Codebook(centres, codes)


def lloyd(numbers: Array, importance: Array, size: int, *, but: Array = _NONE) -> Array:
    """At most ``size`` centres, rising float32, such that the squared distance to the nearest is little, by importance.

    They begin where the cube root of the density puts them, which is best for many centres (Panter and Dite 1951).
    but: numbers that do not count.
    """
    low, high = _extent(numbers, but)
    if low > high:
        return np.zeros(1, dtype=np.float32)
    weights, moments = np.zeros((2, _BINS), dtype=np.float64)
    _fill_histogram(numbers, importance, but, low, (_BINS - 1) / max(high - low, 1e-30), weights, moments)
    inside = weights > 0
    weights = weights[inside]
    values = moments[inside] / weights
    if len(values) <= size:
        return np.unique(values.astype(np.float32))
    crowd = np.cumsum(np.cbrt(weights))
    below, moments = np.append(0, np.cumsum(weights)), np.append(0, np.cumsum(weights * values))
    cuts = np.searchsorted(crowd, crowd[-1] * np.arange(1, size) / size)
    for _ in range(_ROUNDS):
        cuts = np.unique(np.concatenate([[0], cuts, [len(values)]]))
        centres = np.diff(moments[cuts]) / np.diff(below[cuts])
        cuts = np.searchsorted(values, (centres[1:] + centres[:-1]) / 2)
    return np.unique(centres.astype(np.float32))


def _zeros(log10: Array) -> list[float]:
    """The different numbers of -99 and less."""
    return [float(x) for x in np.unique(log10[log10 <= ZERO])]


@njit(cache=True, nogil=True, inline="always")
def _is_among(x, few):  # type: ignore[no-untyped-def]
    among = False
    for other in few:
        among |= x == other
    return among


@njit(cache=True, nogil=True)
def _extent(numbers: Array, but: Array) -> tuple[float, float]:
    """The least and the largest number; the first is above the second if there is none."""
    low, high = np.inf, -np.inf
    for x in numbers:
        if not _is_among(x, but):
            low, high = min(low, np.float64(x)), max(high, np.float64(x))
    return low, high


@njit(cache=True, nogil=True)
def _fill_histogram(
    numbers: Array, importance: Array, but: Array, low: float, scale: float, weights: Array, moments: Array
) -> None:
    """Add up the weights of the numbers in each of equal intervals, and these times the numbers."""
    for i in range(len(numbers)):
        x = np.float64(numbers[i])
        if not _is_among(numbers[i], but):
            bin_ = np.int64((x - low) * scale)
            weight = np.float64(importance[i]) + 1e-30  # so that nothing weighs nothing
            weights[bin_] += weight
            moments[bin_] += weight * x


@njit(cache=True, nogil=True)
def _assign(numbers: Array, kept: Array, codes_kept: Array, centres: Array, codes_of: Array, codes: Array) -> None:
    """Each number's code: that of its equal among ``kept``, or of the nearest of the rising ``centres``."""
    edges = (centres[1:].astype(np.float64) + centres[:-1]) / 2
    for i in range(len(numbers)):
        x = np.float64(numbers[i])
        code = codes_of[np.searchsorted(edges, x)]
        for j in range(len(kept)):
            if numbers[i] == kept[j]:
                code = codes_kept[j]
        codes[i] = code


def expected(linked: Linked) -> Array:
    """The square root of how often each n-gram comes, by the model's own product p(w_1) p(w_2 given w_1) …, (N,)."""
    found = np.empty(len(linked.p), dtype=np.float32)
    below = int(linked.starts[2])
    found[:below] = linked.p[:below]
    found[linked.bos] = linked.p[linked.eos]
    _multiply(linked.first, linked.p, found)
    return np.sqrt(found, out=found)


@njit(cache=True, nogil=True)
def _multiply(first: Array, p: Array, found: Array) -> None:
    for h in range(len(first) - 1):
        for g in range(first[h], first[h + 1]):
            found[g] = found[h] * p[g]


@njit(cache=True, nogil=True)
def furthest(first: Array, suffix: Array, p: Array, weights: Array) -> float:
    """How far from 1 a context's probabilities sum at most, if those of its suffix sum to 1; infinitely for a NaN."""
    found = 0.0
    for h in range(len(first) - 1):
        own = lower = 0.0
        for g in range(first[h], first[h + 1]):
            own += p[g]
            lower += p[suffix[g]]
        off = abs(own + weights[h] * (1 - lower) - 1) if first[h] < first[h + 1] else 0.0
        found = max(found, off if off == off else np.inf)
    return found


def refine(linked: Linked, k: int, values: Array, codes: Array, *, threads: int = 1) -> int:
    """Move codes of the words after contexts of k words, to lessen the divergence from their true probabilities.

    values: (centres,), what codes stand for, rising. codes: of the n-grams of order k + 1, changed in place. Returns
    how many contexts' probabilities still sum to 1 or more.
    """
    low, high = int(linked.starts[k]), int(linked.starts[k + 1])
    cuts = [low + (high - low) * t // threads for t in range(threads + 1)]
    arguments = (linked.first, linked.p, values, codes, int(linked.starts[k + 1]))
    with ThreadPoolExecutor(threads) as pool:
        return sum(pool.map(lambda t: _refine(cuts[t], cuts[t + 1], *arguments), range(threads)))


@njit(cache=True, nogil=True)
def _refine(begin: int, end: int, first: Array, p: Array, values: Array, codes: Array, offset: int) -> int:
    """As ``refine``, for contexts ``begin`` to ``end``; codes: those of n-gram ``offset`` and the next."""
    logs = np.log(values)
    over = 0
    for h in range(begin, end):
        a, b = np.int64(first[h]), np.int64(first[h + 1])
        left = rest = 1.0
        for g in range(a, b):
            rest -= p[g]
            left -= values[codes[g - offset]]
        rest = max(rest, _LEAST)
        for _ in range(_PASSES if b > a else 0):
            before = left
            for g in range(a, b):
                c = np.int64(codes[g - offset])
                best, gain = c, 0.0
                for other in (c - 1, c + 1):
                    if 0 <= other < len(values) and values[other] > 0:
                        remains = left + values[c] - values[other]
                        change = _gain(p[g], logs[other] - logs[c], rest, left, remains)
                        if change > gain:
                            best, gain = other, change
                left += values[c] - values[best]
                codes[g - offset] = best
            if left == before:
                break
        while left < _LEAST:  # too few codes: whatever can go down goes down
            before = left
            for g in range(a, b):
                c = np.int64(codes[g - offset])
                if left < _LEAST and c > 0 and values[c - 1] > 0:
                    left += values[c] - values[c - 1]
                    codes[g - offset] = c - 1
            if left == before:
                over += 1
                break
    return over


@njit(cache=True, nogil=True, inline="always")
def _gain(p, step, rest, left, remains):  # type: ignore[no-untyped-def]
    """By how much the divergence falls if log q of a word of probability p rises by ``step``.

    What is left for the unseen words, ``rest`` in truth, goes from ``left`` to ``remains``.
    """
    gain = -1.0
    if left < _LEAST:
        gain = remains - left
    elif remains >= _LEAST:
        gain = p * step + rest * np.log(remains / left)
    return gain


@njit(cache=True, nogil=True)
def normalising_weights(first: Array, suffix: Array, p: Array, total: float, unigrams: int, weights: Array) -> None:
    """Set each context's back-off weight, (M,), such that its row sums to 1 where its suffix's does.

    p: (N,), quantised. total: the sum of the unigrams. A context that no word is unseen after, or whose words leave
    nothing, keeps its weight.
    """
    for h in range(len(first) - 1):
        own, lower = 0.0, 0.0
        for g in range(first[h], first[h + 1]):
            own += p[g]
            lower += p[suffix[g]]
        unseen = (total if h < unigrams else 1.0) - lower
        if first[h] < first[h + 1] and own < 1 and unseen > 0:
            weights[h] = (1 - own) / unseen


@njit(cache=True, nogil=True)
def round_weights(first: Array, begin: int, above: int, weights: Array) -> None:
    """Round to float32 the weights of contexts from ``begin`` on that have more than ``above`` children."""
    for h in range(begin, len(weights)):
        if np.int64(first[h + 1]) - np.int64(first[h]) > above:
            weights[h] = np.float32(weights[h])


@njit(cache=True, nogil=True)
def deviation(first: Array, suffix: Array, p: Array, total: float, unigrams: int, weights: Array) -> float:
    """How far from 1 the probabilities after any context sum, at most."""
    sums = np.empty(len(first) - 1)
    found = abs(total - 1)
    for h in range(len(first) - 1):
        own, lower = 0.0, 0.0
        for g in range(first[h], first[h + 1]):
            own += p[g]
            lower += p[suffix[g]]
        below = total if h < unigrams else sums[suffix[h]]
        sums[h] = own + weights[h] * (below - lower)
        if first[h] < first[h + 1]:
            found = max(found, abs(sums[h] - 1))
    return found
