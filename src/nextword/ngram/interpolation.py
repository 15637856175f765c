"""Jelinek-Mercer's weights, learnt on held-out text by expectation maximisation (Jelinek and Mercer 1980).

p(w given h) = λ p_mle(w given h) + (1 - λ) p(w given h'), down to 1/V below the unigrams. λ depends on the order and
on the bucket of c(h): how much a context is worth depends on how often it was seen.
"""

from collections.abc import Sequence

import numpy as np
from numba import njit

from nextword.ngram import scoring
from nextword.ngram.arena import Arena
from nextword.ngram.counting import Level
from nextword.ngram.smoothing import BUCKETS
from nextword.ngram.table import build_table
from nextword.text.encode import BOS, EOS
from nextword.types import Array, Ids_T

_ROUNDS = 100
_TOLERANCE = 1e-7
_PRIOR = 1.0  # pseudo-counts on either side, so that λ is never 0 or 1 and a bucket unseen in held-out text gets 1/2


def learn_weights(relative: Array, contexts: Array, words: int, *, buckets: int = BUCKETS) -> Array:
    """λ per order and bucket, (order, BUCKETS).

    relative: (T, order), p_mle of each held-out token after its contexts of 0 to order - 1 words, 0 where unseen.
    contexts: (T, order), c(h) of those contexts, 0 for one that was never seen. words: V. Each round of EM raises the
    likelihood times the prior; it ends when the likelihood gains less than 1e-7 nats a token.
    """
    time, order = relative.shape
    seen = contexts > 0
    bucket = np.minimum(np.log2(np.maximum(contexts, 1)).astype(np.int64), buckets - 1)
    cell = bucket + BUCKETS * np.arange(order)
    weights = np.full(order * BUCKETS, 0.5)
    before = -np.inf
    for _ in range(_ROUNDS):
        share = np.where(seen, weights[cell], 0.0)
        likelihood = np.full(time, 1.0 / words)
        below = np.empty_like(relative)  # p of the order below each
        for k in range(order):
            below[:, k] = likelihood
            likelihood = share[:, k] * relative[:, k] + (1 - share[:, k]) * likelihood
        # posterior that the token came from order k, times that it came from k or below
        reach = np.ones(time)
        expected, tried = np.zeros(order * BUCKETS), np.zeros(order * BUCKETS)
        for k in reversed(range(order)):
            here = share[:, k] * relative[:, k] + (1 - share[:, k]) * below[:, k]
            taken = reach * share[:, k] * relative[:, k] / here
            expected += np.bincount(cell[:, k], taken, minlength=order * BUCKETS)
            tried += np.bincount(cell[:, k], np.where(seen[:, k], reach, 0.0), minlength=order * BUCKETS)
            reach = reach - taken
        weights = (expected + _PRIOR) / (tried + 2 * _PRIOR)
        now = float(np.log(likelihood).sum())
        if now - before < _TOLERANCE * time:
            break
        before = now
    result = weights.reshape(order, BUCKETS)
    result[:, buckets:] = result[:, buckets - 1 : buckets]
    return result


def held_out_frequencies(
    levels: Sequence[Level], texts: Sequence[Ids_T], *, threads: int, arena: Arena
) -> tuple[Array, Array]:
    """What ``learn_weights`` needs: p_mle(token given its last k words) and c of those words, (T, order) each.

    levels: counts of the training text. texts: ids of whole held-out sentences, ``</s>`` at each one's end.
    """
    ids = np.concatenate([[EOS], *texts]).astype(np.int32)
    sizes = [len(level) for level in levels]
    starts = np.concatenate([[0], np.cumsum(sizes)])
    word, first = arena.empty(int(starts[-1]), np.uint32), arena.empty(int(starts[-2]) + 1, np.uint32)
    first[-1] = starts[-1]
    for k, level in enumerate(levels):
        word[starts[k] : starts[k + 1]] = level.word
        if k:
            np.add(level.first[:-1], np.uint32(starts[k]), out=first[starts[k - 1] : starts[k]])
    table = build_table(np.append(0, starts), word, first, threads=threads, arena=arena)
    nodes = np.zeros((len(ids), len(levels)), dtype=np.int64)
    scoring.match(ids, len(levels), BOS, EOS, table, int(starts[-1]), nodes)
    relative, contexts = np.zeros((2, len(ids) - 1, len(levels)))
    for k, level in enumerate(levels):
        here = nodes[1:, k] - starts[k]  # negative where there is no such n-gram
        before = _contexts(nodes, ids, k) - (starts[k - 1] if k else 0)
        counts = _without_bos(level.count) if k == 0 else level.count
        some, which = np.unique(before, return_inverse=True)
        contexts[:, k] = _totals(level.first, counts, some)[which]
        seen = np.flatnonzero(here >= 0)
        relative[seen, k] = counts[here[seen]] / np.maximum(contexts[seen, k], 1)
    return relative, contexts


def _contexts(nodes: Array, ids: Ids_T, k: int) -> Array:
    """Number of the context of k words before each token but the first; -1 for one that was never seen."""
    if k == 0:
        return np.zeros(len(ids) - 1, dtype=np.int64)
    before = nodes[:-1, k - 1].copy()
    if k > 1:
        before[before == 0] = -1
    before[ids[:-1] == EOS] = BOS if k == 1 else -1
    return before


def _without_bos(count: Array) -> Array:
    """Counts of unigrams, ``<s>`` never predicted."""
    count = count.copy()
    count[BOS] = 0
    return count


@njit(cache=True, nogil=True)
def _totals(first: Array, count: Array, contexts: Array) -> Array:
    """The sum of the counts after each context, 0 for one that is negative."""
    totals = np.zeros(len(contexts), dtype=np.int64)
    for i in range(len(contexts)):
        if contexts[i] >= 0:
            for g in range(first[contexts[i]], first[contexts[i] + 1]):
                totals[i] += np.int64(count[g])
    return totals
