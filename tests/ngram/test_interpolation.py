"""EM for Jelinek-Mercer's weights against what a maximum of the likelihood must satisfy."""

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from nextword.ngram.interpolation import learn_weights


def objective(weights, relative, contexts, words):
    """Log-likelihood of held-out tokens plus the log of the Beta(2, 2) prior on each weight that matters."""
    p = np.full(len(relative), 1 / words)
    total = 0.0
    for k in range(relative.shape[1]):
        seen = contexts[:, k] > 0
        p = np.where(seen, weights[k] * relative[:, k] + (1 - weights[k]) * p, p)
        total += np.log(weights[k]) + np.log(1 - weights[k])
    return total + np.log(p).sum()


@settings(max_examples=30)
@given(seed=st.integers(0, 10_000), order=st.integers(1, 3))
def test_the_weights_are_a_maximum(seed, order):
    random = np.random.default_rng(seed)
    relative = random.random((60, order)) * (random.random((60, order)) < 0.7)
    contexts = random.integers(0, 2, (60, order)) * 4
    contexts[:, 0] = 4
    contexts = np.minimum.accumulate(contexts, axis=1)
    relative[contexts == 0] = 0
    weights = learn_weights(relative, contexts, 10, buckets=1)[:, 0]
    best = objective(weights, relative, contexts, 10)
    for k in range(order):
        if not (contexts[:, k] > 0).any():
            assert weights[k] == 0.5
            continue
        for step in (-0.05, 0.05):
            moved = weights.copy()
            moved[k] = np.clip(moved[k] + step, 1e-6, 1 - 1e-6)
            assert objective(moved, relative, contexts, 10) < best + 1e-4


def test_one_token_by_hand():
    # p = λ·1 + (1 - λ)/2; a maximum with a pseudo-count on either side has λ = (r + 1)/3, r = λ/(λ + (1 - λ)/2)
    weight = learn_weights(np.array([[1.0]]), np.array([[1.0]]), 2)[0, 0]
    assert weight == pytest.approx((2 * weight / (1 + weight) + 1) / 3, abs=1e-3)
