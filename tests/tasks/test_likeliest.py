"""The compiled way to the likeliest tokens against the readable one."""

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from nextword.tasks.likeliest import likeliest
from nextword.tasks.next import top_indices


@pytest.mark.parametrize("dtype", [np.float32, np.float64])
@pytest.mark.parametrize("size", [1, 31, 32, 33, 5000])
def test_as_top_indices_has_them(size, dtype):
    rows = np.random.default_rng(size).normal(size=(20, size)).astype(dtype)
    rows[:, 3::5] = -np.inf
    for k in (1, 5, 50):
        ids, values = likeliest(rows, k)
        assert ids.shape == values.shape == (20, k)
        assert values.dtype == dtype
        for row, found, theirs in zip(rows, ids, values, strict=True):
            expected = top_indices(row, k)
            assert found.tolist() == [*expected, *[-1] * (k - len(expected))]
            assert theirs[: len(expected)].tolist() == row[expected].tolist()
            assert np.isneginf(theirs[len(expected) :]).all()


@given(st.lists(st.sampled_from([-np.inf, -2.0, -1.0, 0.0]), min_size=1, max_size=100), st.integers(1, 12))
def test_equal_ones_by_id(row, k):
    (ids,), _ = likeliest(np.array([row]), k)
    assert [i for i in ids.tolist() if i >= 0] == top_indices(np.array(row), k).tolist()


def test_none_are_asked_for_and_no_rows():
    assert likeliest(np.zeros((3, 4)), 0)[0].shape == (3, 0)
    assert likeliest(np.zeros((0, 4)), 2)[0].shape == (0, 2)
