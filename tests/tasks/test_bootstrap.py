"""The paired bootstrap: cases done by hand, and whether 95 % intervals hold the truth 95 % of the time."""

import math

import numpy as np
import pytest

from nextword.errors import UsageError
from nextword.tasks.bootstrap import LEAST_LINES, paired_bootstrap
from nextword.tasks.evaluate import Evaluation, evaluate
from nextword.text.corpus import Corpus
from toy import BigramTable, log_table


def measured(bits, parts=1):
    """An evaluation with these bits per line, in several blocks."""
    blocks = np.array_split(np.asarray(bits, dtype=np.float64), parts)
    return Evaluation(tokens=len(bits), nats=float(np.sum(bits)), known_nats=1.0, bytes=1, line_bits=list(blocks))


def test_a_constant_difference_is_the_difference_and_leaves_no_doubt():
    bits = np.arange(40.0)
    found = paired_bootstrap(measured(bits), measured(bits + 0.5, parts=3))
    assert found[:3] == (0.5, 0.5, 0.5)
    assert found.p_value == pytest.approx(2 / 2001)  # as small as 2,000 draws can show
    assert found.real


def test_a_model_against_itself_does_not_differ():
    bits = np.arange(40.0)
    found = paired_bootstrap(measured(bits), measured(bits))
    assert found == (0.0, 0.0, 0.0, 1.0)
    assert not found.real


def test_the_order_of_the_models_is_the_sign_of_the_difference():
    random = np.random.default_rng(0)
    a, b = random.normal(size=(2, 50))
    one, other = paired_bootstrap(measured(a), measured(b)), paired_bootstrap(measured(b), measured(a))
    np.testing.assert_allclose([one.bits, one.low, one.high], [-other.bits, -other.high, -other.low])
    assert one.p_value == pytest.approx(other.p_value)


def test_the_interval_is_that_of_all_draws():
    """Twenty lines that differ by 0 or 1: a draw's mean is a binomial share, whose quantiles are known exactly."""
    difference = np.array([0.0] * 15 + [1.0] * 5)
    weights = np.array([math.comb(20, k) * 0.25**k * 0.75 ** (20 - k) for k in range(21)])
    cumulative = weights.cumsum()
    low, high = (int(np.searchsorted(cumulative, share)) / 20 for share in (0.025, 0.975))
    found = paired_bootstrap(measured(np.zeros(20)), measured(difference), resamples=20_000)
    assert found.bits == 0.25
    assert (found.low, found.high) == pytest.approx((low, high), abs=0.051)  # a draw's mean moves by 0.05
    assert found.p_value == pytest.approx(2 * weights[0], abs=0.002)


def test_intervals_hold_the_truth_as_often_as_they_say():
    random = np.random.default_rng(7)
    truth, held = 0.3, 0
    for seed in range(300):
        a = random.exponential(10.0, size=120)
        b = a + random.normal(truth, 2.0, size=120) + random.exponential(1.0, size=120) - 1
        found = paired_bootstrap(measured(a), measured(b), resamples=300, seed=seed)
        held += found.low <= truth <= found.high
    assert 0.91 <= held / 300 <= 0.985  # 0.95 give or take three standard errors, and a small sample's bias


def test_a_difference_that_is_not_there_is_seldom_called_real():
    random = np.random.default_rng(3)
    called = 0
    for seed in range(300):
        a = random.exponential(10.0, size=120)
        b = a + random.normal(0.0, 2.0, size=120)
        called += paired_bootstrap(measured(a), measured(b), resamples=300, seed=seed).real
    assert called / 300 <= 0.09


def test_neighbouring_lines_are_drawn_together_where_there_are_many():
    """12,000 lines, each said three times over: drawn one by one, the interval would be narrower by the root of 3."""
    random = np.random.default_rng(0)
    difference = np.repeat(random.normal(0.0, 1.0, size=4000), 3)
    found = paired_bootstrap(measured(np.zeros(12_000)), measured(difference))
    assert found.high - found.low == pytest.approx(2 * 1.96 / np.sqrt(4000), rel=0.1)
    assert found.bits == pytest.approx(difference.mean())


def test_the_seed_decides():
    random = np.random.default_rng(0)
    a, b = measured(random.normal(size=50)), measured(random.normal(size=50))
    assert paired_bootstrap(a, b, seed=4) == paired_bootstrap(a, b, seed=4)
    assert paired_bootstrap(a, b, seed=4) != paired_bootstrap(a, b, seed=5)


@pytest.mark.parametrize(
    ("a", "b", "message"),
    [
        (
            measured([1.0] * 30),
            measured([1.0] * 29),
            "a paired bootstrap needs both models' bits for the same lines; evaluate with keep_lines=True",
        ),
        (
            Evaluation(),
            Evaluation(),
            "a paired bootstrap needs both models' bits for the same lines; evaluate with keep_lines=True",
        ),
        (
            measured([1.0] * 19),
            measured([1.0] * 19),
            "the text has 19 lines, too few to tell a difference from chance; give 20 or more",
        ),
        (
            measured([1.0] * 30),
            Evaluation(tokens=1, nats=np.inf, known_nats=0.0, infinite="f:3: x", line_bits=[np.full(30, np.inf)]),
            "a paired bootstrap needs finite bits of both models: probability 0 at f:3: x",
        ),
        (
            Evaluation(normalised=False, line_bits=[np.ones(30)]),
            measured([1.0] * 30),
            "a paired bootstrap needs finite bits of both models: its scores do not sum to 1, so they are no "
            "probabilities and have no perplexity",
        ),
    ],
)
def test_what_cannot_be_compared_is_refused(a, b, message):
    with pytest.raises(UsageError) as caught:
        paired_bootstrap(a, b)
    assert str(caught.value) == message


def test_an_ignorant_vocabulary_pays_for_its_unknown_words():
    """By perplexity the model that knows no word is better; by what it must spell, it is not."""
    text = Corpus.from_text("a b a b a b\n" * LEAST_LINES)
    ignorant = BigramTable(log_table({1: {0: 1.0}, 0: {0: 0.9, 2: 0.1}}, 3))
    knowing = BigramTable(log_table({1: {3: 1.0}, 3: {4: 0.7, 3: 0.3}, 4: {3: 0.5, 2: 0.5}}, 5))
    first, second = (evaluate(lm, text, keep_lines=True) for lm in (ignorant, knowing))
    assert first.perplexity < second.perplexity
    assert paired_bootstrap(first, second).bits < 0
