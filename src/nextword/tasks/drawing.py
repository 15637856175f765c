"""A token for each of many rows in one compiled pass: what ``Sampling`` and ``draw`` define, row by row in the cache.

A row's weights exp((log_prob - max) / temperature) are laid beside it (``e``), what is forbidden or cut gets the weight
0, and the token is found by walking the weights' running sum. Everything is float64, so that a
uniform number falls between two tokens where it falls in ``sampling.draw``: the same seed gives the same text.
Rows may be sampled each in its own way, and have biases of their own, as requests that are served together do.
"""

from collections.abc import Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from functools import cache
from typing import NamedTuple

import numpy as np
from llvmlite import ir
from numba import njit, types
from numba.extending import intrinsic

from nextword.tasks.sampling import Sampling
from nextword.types import Array, Float_BV, Float_T, Ids_T

_BLOCK = 512  # weights summed together: the walk goes over blocks, then over the weights of one
_LARGEST = float(np.finfo(np.float64).max)
_LOG2_E = 1.4426950408889634
_LN2_HIGH, _LN2_LOW = 0.693147180369123816490, 1.90821492927058770002e-10  # their sum is ln 2 to 86 bits
_ROUND = 6755399441055744.0  # 1.5 * 2**52: added to a small number, it leaves the nearest integer in the low bits
_LANES = 32
_BINS, _PER_NAT = 1024, 16.0  # a nucleus is found by bins of log-probability
_ENOUGH = 1e-250  # weights that a float takes for 0, below e**-700, are nothing beside it
_WORTH_A_THREAD = 1 << 18  # numbers in rows below which another thread would not pay for itself


class RowSettings(NamedTuple):
    """How each of B rows is sampled: arrays (B,), where 0, 1.0 and 0.0 leave all; a scale of inf is greedy.

    Row b has ``bias_nats[ends[b] : ends[b + 1]]`` added to the log-probabilities of those ``bias_ids``.
    """

    scales: Float_T
    top_ks: Array
    top_ps: Float_T
    min_ps: Float_T
    ends: Array
    bias_ids: Ids_T
    bias_nats: Float_T

    @classmethod
    def of(
        cls, samplings: Sequence[Sampling], biases: Sequence[Mapping[int, float] | None] | None = None
    ) -> "RowSettings":
        """samplings: one a row. biases: nats by id, one a row, none if None; -inf forbids an id to that row."""
        added = [bias or {} for bias in biases] if biases is not None else [{}] * len(samplings)
        return cls(
            np.array([_scale(one.temperature) for one in samplings], dtype=np.float64),
            np.array([one.top_k or 0 for one in samplings], dtype=np.int64),
            np.array([one.top_p or 1.0 for one in samplings], dtype=np.float64),
            np.array([one.min_p or 0.0 for one in samplings], dtype=np.float64),
            np.cumsum([0, *map(len, added)], dtype=np.int64),
            np.array([i for bias in added for i in bias], dtype=np.int32),
            np.array([nats for bias in added for nats in bias.values()], dtype=np.float64),
        )


def draw_tokens(log_probs: Float_BV, uniforms: Float_T, sampling: Sampling, forbidden: Ids_T) -> Ids_T:
    """A token for each row of ``log_probs``, (B, V) nats, by its uniform number in [0, 1); -1 where all is forbidden.

    forbidden: ids never drawn, (F,). Equals ``draw(sampling(allowed), uniforms)`` on the rows without them. A row that
    is no distribution, as a damaged model may give, gets any of its tokens or -1.
    """
    return draw_rows(log_probs, uniforms, RowSettings.of([sampling] * len(log_probs)), forbidden)


def draw_rows(
    log_probs: Float_BV, uniforms: Float_T, settings: RowSettings, forbidden: Ids_T, *, threads: int = 1
) -> Ids_T:
    """As ``draw_tokens``, each row with its own settings, which say how many rows there are; threads share the rows."""
    tokens = np.empty(len(log_probs), dtype=np.int32)
    log_probs = np.ascontiguousarray(log_probs)
    parts = min(threads, max(1, log_probs.size // _WORTH_A_THREAD))
    cuts = [len(tokens) * i // parts for i in range(parts + 1)]

    def draw(begin: int, end: int) -> None:
        _draw_rows(log_probs, uniforms, *settings, forbidden, begin, end, tokens)

    others = [_pool().submit(draw, begin, end) for begin, end in zip(cuts[1:-1], cuts[2:], strict=True)]
    draw(cuts[0], cuts[1])
    for other in others:
        other.result()
    return tokens


def _scale(temperature: float) -> float:
    """What log-probabilities are multiplied by; inf is greedy."""
    return np.inf if temperature == 0 else min(1 / max(temperature, 1e-308), _LARGEST)


@cache
def _pool() -> ThreadPoolExecutor:
    return ThreadPoolExecutor(thread_name_prefix="drawing")


@intrinsic
def _bits(typing_context, x):  # type: ignore[no-untyped-def]
    """The 64 bits of a float."""
    return types.int64(types.float64), lambda _, builder, __, values: builder.bitcast(values[0], ir.IntType(64))


@intrinsic
def _float(typing_context, bits):  # type: ignore[no-untyped-def]
    """The float of 64 bits."""
    return types.float64(types.int64), lambda _, builder, __, values: builder.bitcast(values[0], ir.DoubleType())


@njit(cache=True, nogil=True, fastmath={"contract"})
def _exp(x):  # type: ignore[no-untyped-def]
    """Exp of ``x`` in (-inf, 0] to one unit in the last place; 0 below -700.

    Written out so that the compiler makes vector instructions of it, as it cannot of a call of the C library:
    x = k ln 2 + r with |r| <= ln 2 / 2, the Taylor polynomial of degree 12 in r, and k added to the exponent's bits.
    """
    inside = x if x > -700.0 else -700.0
    shifted = inside * _LOG2_E + _ROUND
    k = shifted - _ROUND
    r = (inside - k * _LN2_HIGH) - k * _LN2_LOW
    p = 1 / 479001600
    p = p * r + 1 / 39916800
    p = p * r + 1 / 3628800
    p = p * r + 1 / 362880
    p = p * r + 1 / 40320
    p = p * r + 1 / 5040
    p = p * r + 1 / 720
    p = p * r + 1 / 120
    p = p * r + 1 / 24
    p = p * r + 1 / 6
    p = p * r + 1 / 2
    p = p * r + 1.0
    p = p * r + 1.0
    return _float(_bits(p) + (_bits(shifted) << 52)) if x > -700.0 else 0.0


@njit(cache=True, nogil=True)
def _draw_rows(  # type: ignore[no-untyped-def]
    log_probs, uniforms, scales, top_ks, top_ps, min_ps, ends, bias_ids, bias_nats, forbidden, begin, end, tokens
) -> None:
    """Into ``tokens[begin:end]``: a token for each of those rows of ``log_probs``, (B, V)."""
    e = np.empty(log_probs.shape[1])
    for b in range(begin, end):
        cuts = scales[b], top_ks[b], top_ps[b], min_ps[b]
        ids, nats = bias_ids[ends[b] : ends[b + 1]], bias_nats[ends[b] : ends[b + 1]]
        if len(ids):
            tokens[b] = _draw(_biased(log_probs[b], ids, nats), uniforms[b], cuts, forbidden, e)
            continue
        tokens[b] = _draw_plainly(log_probs[b], uniforms[b], cuts, forbidden, e)
        if tokens[b] < 0:
            tokens[b] = _draw(log_probs[b], uniforms[b], cuts, forbidden, e)


@njit(cache=True, nogil=True)
def _biased(row, ids, nats):  # type: ignore[no-untyped-def]
    shifted = row.astype(np.float64)
    for i in range(len(ids)):
        shifted[ids[i]] += nats[i]
    return shifted


@njit(cache=True, nogil=True)
def _draw_plainly(row, uniform, cuts, forbidden, e):  # type: ignore[no-untyped-def]
    """A token of a row of log-probabilities from which nothing is cut, or -1: then ``_draw`` has to find one.

    Its largest need not be known, which is a pass less: weights exp(log_prob / temperature) are 1 at most, and if their
    sum is not tiny, those that are too small for a float do not matter.
    """
    scale, top_k, top_p, min_p = cuts
    if scale == np.inf or 0 < top_k < len(row) or top_p < 1 or min_p > 0:
        return -1
    _weigh(row, 0.0, scale, e)
    e[forbidden] = 0.0
    return _invert(e, uniform, _ENOUGH)


@njit(cache=True, nogil=True)
def _draw(row, uniform, cuts, forbidden, e):  # type: ignore[no-untyped-def]
    """A token of one row, (V,). e: (V,) to work in."""
    scale, top_k, top_p, min_p = cuts
    largest = _largest(row)
    if (row[forbidden] == largest).any():
        row = row.copy()
        row[forbidden] = -np.inf
        largest = _largest(row)
    if not np.isfinite(largest):  # all is forbidden, or a damaged model's numbers
        return -1
    if scale == np.inf:
        return _first(row, largest)
    _weigh(row, largest, scale, e)
    e[forbidden] = 0.0
    if 0 < top_k < len(row):
        _keep_best(row, largest, e, (e > 0).astype(np.float64), float(top_k))
    if top_p < 1:
        _keep_best(row, largest, e, e.copy(), top_p * _sum(e))
    if min_p > 0:
        _keep_min_p(e, min_p)
    return _invert(e, uniform, 0.0)


@njit(cache=True, nogil=True)
def _largest(row):  # type: ignore[no-untyped-def]
    """The largest of a row. Many running maxima: one alone would go number by number, these are vectors."""
    lanes = np.full(_LANES, -np.inf, row.dtype)
    whole = len(row) // _LANES * _LANES
    for i in range(0, whole, _LANES):
        for lane in range(_LANES):
            lanes[lane] = row[i + lane] if row[i + lane] > lanes[lane] else lanes[lane]
    largest = lanes.max()
    for i in range(whole, len(row)):
        largest = max(largest, row[i])
    return largest


@njit(cache=True, nogil=True)
def _first(row, value):  # type: ignore[no-untyped-def]
    """Where ``value`` stands first, or -1."""
    for i in range(len(row)):
        if row[i] == value:
            return i
    return -1


@njit(cache=True, nogil=True)
def _weigh(row, largest, scale, e) -> None:  # type: ignore[no-untyped-def]
    for i in range(len(row)):
        e[i] = _exp((np.float64(row[i]) - largest) * scale)


@njit(cache=True, nogil=True)
def _keep_best(row, largest, e, worth, needed) -> None:  # type: ignore[no-untyped-def]
    """Weights of 0 for all but the largest of ``row``, equal ones by id, as few as are together worth ``needed``.

    Whole bins of log-probability are inside or outside; only one has to be sorted.
    """
    bins, totals = np.empty(len(row), np.int16), np.zeros(_BINS)
    for i in range(len(row)):
        gap = (np.float64(largest) - row[i]) * _PER_NAT
        bins[i] = gap if gap < _BINS - 1.0 else _BINS - 1.0  # the last also for what is not a number
        totals[bins[i]] += worth[i]
    edge, reached = 0, 0.0
    while edge < _BINS - 1 and reached + totals[edge] < needed:
        reached += totals[edge]
        edge += 1
    inside = np.flatnonzero(bins == edge)
    for i in inside[np.argsort(-row[inside], kind="mergesort")]:
        if reached >= needed:
            e[i] = 0.0
        reached += worth[i]
    for i in range(len(row)):
        e[i] = e[i] if bins[i] <= edge else 0.0


@njit(cache=True, nogil=True)
def _keep_min_p(e, p) -> None:  # type: ignore[no-untyped-def]
    for i in range(len(e)):  # the largest weight is 1
        e[i] = e[i] if e[i] >= p else 0.0


@njit(cache=True, nogil=True, fastmath={"reassoc"})
def _sum(e):  # type: ignore[no-untyped-def]
    total = 0.0
    for i in range(len(e)):
        total += e[i]
    return total


@njit(cache=True, nogil=True)
def _invert(e, uniform, least):  # type: ignore[no-untyped-def]
    """The first token at which the running sum of the weights is above ``uniform`` times their total.

    -1 unless the total is above ``least``, and finite.
    """
    blocks = (len(e) + _BLOCK - 1) // _BLOCK
    sums, total = np.empty(blocks), 0.0
    for block in range(blocks):
        sums[block] = _sum(e[block * _BLOCK : (block + 1) * _BLOCK])
        total += sums[block]
    if not least < total < np.inf:
        return -1
    target = min(uniform * total, np.nextafter(total, 0.0))  # below the total, however it rounds
    reached, block, token = 0.0, 0, -1
    while block < blocks - 1 and reached + sums[block] <= target:
        reached += sums[block]
        block += 1
    for i in range(block * _BLOCK, min((block + 1) * _BLOCK, len(e))):
        if e[i] > 0:
            token = i
        reached += e[i]
        if reached > target:
            break
    return token
