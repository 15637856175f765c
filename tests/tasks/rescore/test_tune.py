"""Minimum error rate training against brute force: the exact line search, and the descent."""

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from nextword.tasks.rescore.tune import chosen, line_search, minimum_error_weights


def drawn(seed, lists=6, most=6, size=2):
    """Random lists: features (N, F), offsets, errors."""
    random = np.random.default_rng(seed)
    sizes = random.integers(1, most + 1, lists)
    features = random.integers(-4, 5, (sizes.sum(), size)).astype(np.float64)
    return features, np.concatenate([[0], sizes.cumsum()]), random.integers(0, 5, sizes.sum())


def total_errors(totals, offsets, errors):
    return sum(int(errors[a + totals[a:b].argmax()]) for a, b in zip(offsets[:-1], offsets[1:], strict=True))


def every_step(features, offsets, errors):
    """The errors on every stretch of γ: between all places where any two lines of a list cross."""
    places = set()
    for a, b in zip(offsets[:-1], offsets[1:], strict=True):
        for i in range(a, b):
            for j in range(a, i):
                if features[i, 1] != features[j, 1]:
                    places.add((features[i, 0] - features[j, 0]) / (features[j, 1] - features[i, 1]))
    ordered = sorted(places) or [0.0]
    middles = [ordered[0] - 1, *((a + b) / 2 for a, b in zip(ordered, ordered[1:], strict=False)), ordered[-1] + 1]
    return {middle: total_errors(features[:, 0] + middle * features[:, 1], offsets, errors) for middle in middles}


@given(st.integers(0, 10_000))
@settings(max_examples=60)
def test_the_line_search_finds_the_fewest_errors_of_any_place(seed):
    features, offsets, errors = drawn(seed)
    gamma, fewest = line_search(features[:, 0], features[:, 1], offsets, errors)
    assert fewest == min(every_step(features, offsets, errors).values())
    assert total_errors(features[:, 0] + gamma * features[:, 1], offsets, errors) == fewest


def test_a_line_search_by_hand():
    """Totals 0 + 0 γ, -1 + 1 γ and -4 + 2 γ cross at 1 and 3: the second, which is right, is best between."""
    gamma, fewest = line_search(
        np.array([0.0, -1.0, -4.0]), np.array([0.0, 1.0, 2.0]), np.array([0, 3]), np.array([2, 0, 1])
    )
    assert (gamma, fewest) == (2.0, 0)


def test_the_widest_of_equal_stretches_is_taken():
    """Right from 1 to 2 and from 5 to 9: two lists, each right on one of them and wrong by one elsewhere."""
    totals = np.array([0.0, -1.0, -3.0, 0.0, -5.0, -14.0])
    slopes = np.array([0.0, 1.0, 2.0, 0.0, 1.0, 2.0])
    gamma, fewest = line_search(totals, slopes, np.array([0, 3, 6]), np.array([1, 0, 1, 1, 0, 1]))
    assert (gamma, fewest) == (7.0, 1)


@given(st.integers(0, 1000))
@settings(max_examples=12)
def test_tuned_weights_are_at_least_as_good_as_any_on_a_grid_of_one_weight(seed):
    features, offsets, errors = drawn(seed, lists=12)
    weights, fewest = minimum_error_weights(features, offsets, errors, own=1)
    assert fewest == errors[chosen(features, offsets, weights)].sum()
    grid = [total_errors(features[:, 0] + g * features[:, 1], offsets, errors) for g in np.linspace(0.03, 7.03, 60)]
    assert fewest <= min(grid)
    again, _ = minimum_error_weights(features, offsets, errors, own=1)
    np.testing.assert_array_equal(weights, again)


def test_three_weights_are_found_that_explain_the_lists():
    """The right hypothesis of each list is the best by hidden weights, one of them negative: no errors are left."""
    random = np.random.default_rng(3)
    features = random.normal(size=(40 * 8, 4)) * np.array([1.0, 30.0, 0.1, 5.0])
    hidden = np.array([1.0, 0.05, -8.0, 0.3])
    offsets = np.arange(0, 321, 8)
    errors = np.ones(320, dtype=np.int64)
    errors[chosen(features, offsets, hidden)] = 0
    _, fewest = minimum_error_weights(features, offsets, errors, own=1)
    assert fewest <= 2


def test_a_feature_that_never_varies_gets_no_weight():
    features, offsets, errors = drawn(1)
    features = np.column_stack([features, np.repeat([3.0, 1.0, 2.0, 5.0, 4.0, 6.0], np.diff(offsets))])
    assert minimum_error_weights(features, offsets, errors, own=1)[0][2] == 0
    flat, fewest = minimum_error_weights(np.ones((4, 2)), np.array([0, 2, 4]), np.array([1, 0, 2, 0]), own=1)
    assert (flat.tolist(), fewest) == ([0.0, 0.0], 3)


def test_of_equals_the_first_is_chosen():
    assert chosen(np.zeros((5, 1)), np.array([0, 2, 5]), np.ones(1)).tolist() == [0, 2]
    assert chosen(np.array([[0.0], [1], [1]]), np.array([0, 3]), np.ones(1)) == pytest.approx([1])
