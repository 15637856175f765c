"""The compiled way of drawing tokens against the readable one: the same tokens for the same numbers."""

import math
from typing import Any

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from nextword.tasks import drawing
from nextword.tasks.drawing import RowSettings, draw_rows, draw_tokens
from nextword.tasks.generate import generate
from nextword.tasks.sampling import Sampling, draw
from nextword.types import Array
from toy import UNK, DecayingVotes

NOTHING = np.empty(0, dtype=np.int32)
SAMPLINGS = [
    Sampling(),
    Sampling(0.7),
    Sampling(3.0),
    Sampling(0),
    Sampling(1e-320),
    Sampling(1e9),
    Sampling(top_k=1),
    Sampling(top_k=7),
    Sampling(top_p=0.31),
    Sampling(top_p=0.97),
    Sampling(min_p=0.11),
    Sampling(0.8, 40, 0.83, 0.013),
    Sampling(1.4, 600, 0.59),
]


def readable(log_probs: Array, uniforms: Array, sampling: Sampling, forbidden: Any) -> list[int]:
    """What ``draw_tokens`` is defined to be."""
    tokens = []
    for row, uniform in zip(log_probs.astype(np.float64), uniforms, strict=True):
        row[forbidden] = -np.inf
        possible = row.max() > -np.inf
        tokens.append(int(draw(sampling(row[None]), np.array([uniform]))[0]) if possible else -1)
    return tokens


def rows(seed: int, batch: int, size: int, spread: float, dtype: Any) -> Array:
    """Random distributions, (batch, size) nats; every seventh token is impossible."""
    drawn = np.random.default_rng(seed).normal(size=(batch, size)) * spread
    drawn[:, 3::7] = -np.inf
    return (drawn - np.log(np.exp(drawn).sum(axis=1, keepdims=True))).astype(dtype)


@pytest.mark.parametrize("sampling", SAMPLINGS, ids=str)
@pytest.mark.parametrize("dtype", [np.float32, np.float64])
def test_the_same_tokens_as_the_definition(sampling: Sampling, dtype: Any) -> None:
    for size, spread in ((1, 1.0), (33, 2.0), (1500, 1.0), (1500, 8.0)):
        log_probs = rows(size, 200, size, spread, dtype)
        uniforms = np.random.default_rng(1).random(len(log_probs))
        forbidden = np.array([1, size // 2], dtype=np.int32) if size > 1 else NOTHING
        found = draw_tokens(log_probs, uniforms, sampling, forbidden)
        assert found.dtype == np.int32
        assert found.tolist() == readable(log_probs, uniforms, sampling, forbidden)


@pytest.mark.parametrize("dtype", [np.float32, np.float64])
def test_rows_that_are_sampled_each_in_its_own_way(dtype: Any) -> None:
    """As each alone, with what its bias makes of it; by several threads as by one."""
    batch, size = 200, 9000
    log_probs = rows(4, batch, size, 2.0, dtype)
    random = np.random.default_rng(5)
    uniforms, forbidden = random.random(batch), np.array([0, 8], dtype=np.int32)
    samplings = [SAMPLINGS[i % len(SAMPLINGS)] for i in range(batch)]
    biases = [
        None if b % 3 else {int(i): float(random.choice([-np.inf, -3.0, 5.5])) for i in random.integers(size, size=b)}
        for b in range(batch)
    ]
    settings = RowSettings.of(samplings, biases)
    found = draw_rows(log_probs, uniforms, settings, forbidden)
    assert draw_rows(log_probs, uniforms, settings, forbidden, threads=3).tolist() == found.tolist()
    for b in range(batch):
        row = log_probs[b].astype(np.float64)
        for token, nats in (biases[b] or {}).items():
            row[token] += nats
        assert [found[b]] == readable(row[None], uniforms[b : b + 1], samplings[b], forbidden)


@given(
    st.lists(st.sampled_from([0, 1, 2, 3, 8, 100]), min_size=2, max_size=40),
    st.floats(0, 1, exclude_max=True),
    st.integers(1, 9),
    st.sets(st.integers(0, 1)),
)
def test_equal_ones_are_kept_by_id(weights: list[int], uniform: float, k: int, forbidden: set[int]) -> None:
    with np.errstate(divide="ignore"):
        log_probs = np.log(np.array([weights]) / max(sum(weights), 1))
    ids = np.array(sorted(forbidden), dtype=np.int32)
    allowed = [i for i, weight in enumerate(weights) if weight and i not in forbidden]
    kept = sorted(sorted(allowed, key=lambda i: -weights[i])[:k])
    (token,) = draw_tokens(log_probs, np.array([uniform]), Sampling(top_k=k), ids).tolist()
    if not kept:
        assert token == -1
    else:
        cumulative = np.cumsum([weights[i] for i in kept]) / sum(weights[i] for i in kept)
        at = kept.index(token)
        assert cumulative[at] >= uniform - 1e-9
        assert at == 0 or cumulative[at - 1] <= uniform + 1e-9


def test_what_is_forbidden_may_be_nearly_all() -> None:
    """What is left weighs e**-800 together: too little for any number, yet it is drawn in its proportions."""
    log_probs = np.array([[0.0, -800.0, -800.0 - np.log(3)]])
    uniforms = np.linspace(0, 1, 8, endpoint=False) + 1 / 16
    found = draw_tokens(np.repeat(log_probs, 8, axis=0), uniforms, Sampling(), np.array([0], dtype=np.int32))
    assert found.tolist() == [1] * 6 + [2] * 2


def test_a_row_of_which_all_is_forbidden() -> None:
    log_probs = np.log(np.array([[0.5, 0.5, 1e-9], [1.0, 1e-9, 1e-9]]))
    log_probs[:, 2] = -np.inf
    forbidden = np.array([1, 0], dtype=np.int32)
    for sampling in SAMPLINGS:
        assert draw_tokens(log_probs, np.zeros(2), sampling, forbidden).tolist() == [-1, -1]
    assert draw_tokens(log_probs[:0], np.zeros(0), Sampling(), forbidden).tolist() == []


@pytest.mark.parametrize("sampling", SAMPLINGS, ids=str)
@pytest.mark.parametrize("wrong", [math.nan, math.inf, 1e300, -1e300])
def test_rows_that_are_no_distributions_do_no_harm(sampling: Sampling, wrong: float) -> None:
    log_probs = rows(0, 4, 700, 1.0, np.float64)
    log_probs[0, 5] = log_probs[1, 650:] = log_probs[2] = log_probs[3, 0] = wrong
    for uniform in (0.0, 0.5, 1 - 2**-53):
        found = draw_tokens(log_probs, np.full(4, uniform), sampling, np.array([0], dtype=np.int32))
        assert ((found >= -1) & (found < 700)).all()


def test_rows_that_are_no_block_of_memory() -> None:
    log_probs = rows(0, 40, 90, 1.0, np.float32)
    uniforms = np.random.default_rng(2).random(20)
    found = draw_tokens(log_probs[::2, ::3], uniforms, Sampling(), NOTHING)
    assert found.tolist() == readable(log_probs[::2, ::3], uniforms, Sampling(), NOTHING)


def test_the_exponential_is_exact_to_the_last_place() -> None:
    x = np.concatenate([np.linspace(-699.99, 0, 20_001), -np.logspace(-12, 0, 2000)])
    e = np.empty(len(x))
    drawing._weigh(x, 0.0, 1.0, e)
    assert np.abs(e / np.exp(x) - 1).max() < 4e-16
    drawing._weigh(np.array([0.0, -701.0, -1e300, -np.inf]), 0.0, 1.0, e[:4])
    assert e[:4].tolist() == [1, 0, 0, 0]


@pytest.mark.parametrize("sampling", [Sampling(), Sampling(0.9, 4, 0.9, 0.01)], ids=str)
def test_a_seed_gives_the_text_that_the_definition_gives(sampling: Sampling) -> None:
    """Sample i takes number t of its own generator for token t, past the number of those drawn ahead too."""
    lm, length = DecayingVotes(size=50), 150
    options = vars(sampling)
    found = generate(lm, samples=3, seed=5, max_tokens=length, stop=False, **options)
    for i, child in enumerate(np.random.SeedSequence(5).spawn(3)):
        uniforms = np.random.default_rng(child).random(length)
        state, ids = lm.start(1), []
        for t in range(length):
            (token,) = readable(lm.log_probs(state), uniforms[t : t + 1], sampling, [UNK])
            ids.append(token)
            state = lm.advance(state, np.array([[token]], dtype=np.int32))
        assert found[i].ids == tuple(ids)
