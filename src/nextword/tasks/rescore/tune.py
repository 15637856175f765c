"""Weights that make the fewest errors on a development set: minimum error rate training (Och 2003).

Along a line w + γ d each hypothesis's total is a straight line in γ, so the best of a list changes only where two of
them cross, on the upper envelope, and the errors of all lists are a step function of γ. It is computed exactly, and the
middle of its lowest step is taken. The directions are the axes first and then random ones, until none of them helps,
from several starts; all of it is the same whenever it is repeated.
"""

from collections.abc import Sequence

import numpy as np
from numba import njit

from nextword.types import Array

_STARTS = (0.0, 0.5, 1.0)  # weights of the language model to begin from; those of the lists' scores are 1
_UNKNOWN = (0.0, -10.0)  # and of unknown words: a small vocabulary's <unk> is far likelier than any one of them
_RANDOM = 8  # directions beside the axes
_ROUNDS = 20
_FLAT = 1e-12


def minimum_error_weights(
    features: Array, offsets: Array, errors: Array, *, own: int, seed: int = 0
) -> tuple[Array, int]:
    """Weights, (F,), and the errors that they make.

    features: (N, F), ``own`` scores of the lists, then the language model's, and unknown words last. offsets: (L + 1,),
    where each list begins. errors: (N,), of each hypothesis. A feature that no list varies in gets the weight 0.
    """
    spread = _spread(features, offsets)
    free = np.flatnonzero(spread > _FLAT)
    weights = np.zeros(features.shape[1])
    if not len(free):
        return weights, int(errors[offsets[:-1]].sum())
    scaled = np.ascontiguousarray(features[:, free] / spread[free])
    starts = [start[free] * spread[free] for start in _starts(len(spread), own)]
    found = [_descend(scaled, offsets, errors, start, seed) for start in starts]
    made = [
        (one / spread[free], int(errors[chosen(features[:, free], offsets, one / spread[free])].sum())) for one in found
    ]
    weights[free], fewest = min(made, key=lambda pair: pair[1])
    return weights, fewest


def chosen(features: Array, offsets: Array, weights: Array) -> Array:
    """The row of each list's best hypothesis, (L,); of equals the first."""
    return np.asarray(_chosen(np.ascontiguousarray(features @ weights), offsets))


def line_search(totals: Array, slopes: Array, offsets: Array, errors: Array) -> tuple[float, int]:
    """The γ at which the best hypotheses by ``totals + γ slopes`` make the fewest errors, and how many these are.

    All (N,), lists one after another. Of the stretches of γ with the fewest errors it is the middle of the widest; of
    the two endless ones, a place a little way in.
    """
    places, changes, first = _envelopes(totals, slopes, offsets, errors)
    order = np.argsort(places, kind="stable")
    places, steps = places[order], first + np.concatenate([[0], np.cumsum(changes[order])])
    if not len(places):
        return 0.0, int(first)
    margin = 0.1 * (1.0 + np.abs(places[[0, -1]]))
    edges = np.concatenate([[places[0] - 2 * margin[0]], places, [places[-1] + 2 * margin[1]]])
    widths = np.diff(edges)
    real = widths > 0  # a step between two crossings at the same place is nowhere
    fewest = steps[real].min()
    best = int(np.where(real & (steps == fewest), widths, -1.0).argmax())
    return float((edges[best] + edges[best + 1]) / 2), int(fewest)


def _descend(features: Array, offsets: Array, errors: Array, weights: Array, seed: int) -> Array:
    """Line searches in turn, as long as they help."""
    size = features.shape[1]
    random = np.random.default_rng(seed)
    fewest = int(errors[chosen(features, offsets, weights)].sum())
    for _ in range(_ROUNDS):
        before = fewest
        for direction in np.eye(size):  # no worse is enough: it leaves the edge of a step for its middle
            weights, fewest = _step(features, offsets, errors, weights, direction, fewest + 1)
        for direction in random.normal(size=(_RANDOM if size > 1 else 0, size)):
            weights, fewest = _step(features, offsets, errors, weights, direction, fewest)
        if fewest == before:
            break
    return weights


def _step(
    features: Array, offsets: Array, errors: Array, weights: Array, direction: Array, limit: int
) -> tuple[Array, int]:
    """The best weights on a line and their errors, counted anew; the old ones unless those are below ``limit``."""
    gamma, _ = line_search(features @ weights, features @ direction, offsets, errors)
    moved = weights + gamma * direction
    found, old = (int(errors[chosen(features, offsets, one)].sum()) for one in (moved, weights))
    return (moved, found) if found < limit else (weights, old)


def _starts(size: int, own: int) -> list[Array]:
    """Weights to begin from, (F,) each."""
    starts = np.zeros((len(_STARTS), len(_UNKNOWN), size))
    starts[..., :own] = 1.0
    starts[..., own] = np.array(_STARTS)[:, None]
    if size > own + 1:
        starts[..., -1] = _UNKNOWN
    return list(starts.reshape(-1, size))


def _spread(features: Array, offsets: Array) -> Array:
    """Root of the mean square distance from a list's mean, of each feature, (F,)."""
    sizes = np.diff(offsets)
    means = np.add.reduceat(features, offsets[:-1], axis=0) / sizes[:, None]
    return np.asarray(np.sqrt(((features - np.repeat(means, sizes, axis=0)) ** 2).mean(axis=0)))


@njit(cache=True, nogil=True)
def _chosen(totals: Array, offsets: Array) -> Array:
    best = np.empty(len(offsets) - 1, dtype=np.int64)
    for i in range(len(best)):
        best[i] = offsets[i] + totals[offsets[i] : offsets[i + 1]].argmax()
    return best


@njit(cache=True, nogil=True)
def _envelopes(totals: Array, slopes: Array, offsets: Array, errors: Array) -> tuple[Array, Array, int]:
    """Where the best hypothesis of a list changes, by how many errors, and the errors at γ = -∞.

    From the line that is highest at the far left, the envelope goes on with the line of a larger slope that crosses it
    first; of several at that place with the steepest.
    """
    places, changes = np.empty(len(totals)), np.empty(len(totals), dtype=np.int64)
    n, at_left = 0, 0
    for i in range(len(offsets) - 1):
        begin, end = offsets[i], offsets[i + 1]
        at = begin
        for j in range(begin + 1, end):
            if slopes[j] < slopes[at] or (slopes[j] == slopes[at] and totals[j] > totals[at]):
                at = j
        at_left += errors[at]
        while True:
            following, place = -1, np.inf
            for j in range(begin, end):
                if slopes[j] > slopes[at]:
                    crossing = (totals[at] - totals[j]) / (slopes[j] - slopes[at])
                    steeper = following >= 0 and crossing == place and slopes[j] > slopes[following]
                    if crossing < place or steeper:
                        following, place = j, crossing
            if following < 0:
                break
            places[n], changes[n] = place, errors[following] - errors[at]
            n += 1
            at = following
    return places[:n], changes[:n], at_left


def standard_scale(weights: Array, names: Sequence[str], own: int) -> dict[str, float]:
    """Weights by name, the first of the lists' ``own`` scores that matters, or else the model's, being ±1."""
    leading = next((abs(value) for value in weights[: own + 1] if value), 1.0)
    return {name: float(value / leading) for name, value in zip(names, weights, strict=True)}
