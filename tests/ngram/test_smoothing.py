import numpy as np
import pytest

from nextword.errors import EstimationError, UsageError
from nextword.ngram.smoothing import Smoothing, absolute_discount, good_turing_ratios, make_rule, modified_discounts
from nextword.ngram.train import train_ngram
from strategies import corpus


def test_discounts_by_hand():
    n = np.array([0, 10, 5, 2, 1, 4, 2])
    assert absolute_discount(n) == 0.5  # 10 / (10 + 2·5)
    # Y = 0.5: 1 - 2·0.5·5/10, 2 - 3·0.5·2/5, 3 - 4·0.5·1/2
    assert modified_discounts(n).tolist() == pytest.approx([0, 0.5, 1.4, 2.0])


def test_good_turing_by_hand():
    n = np.array([0, 100, 30, 12, 0, 0, 0])
    # k = 2: A = 3·12/100 = 0.36; 1* = 2·30/100 = 0.6, d1 = (0.6 - 0.36)/0.64; 2* = 3·12/30 = 1.2, d2 the same
    assert good_turing_ratios(n, 2).tolist() == pytest.approx([1, 0.375, 0.375])


@pytest.mark.parametrize(
    ("settings", "message"),
    [
        ({"name": "good"}, "unknown smoothing 'good'; choose one of mle, add, laplace, absolute, katz, "),
        ({"name": "add", "alpha": 0}, "alpha is 0; additive smoothing needs a number above 0"),
        ({"name": "absolute", "discount": 1.0}, "the discount is 1.0; it must lie between 0 and 1, both excluded"),
        ({"name": "katz", "katz_k": 0}, "katz_k is 0; it must be 1 or more"),
        ({"name": "jelinek-mercer", "buckets": 0}, "0 buckets; there can be 1 to 32"),
    ],
)
def test_settings_that_make_no_sense(settings, message):
    with pytest.raises(UsageError) as error:
        Smoothing(**settings)
    assert str(error.value).startswith(message)


def test_unusable_discounts_name_the_order_and_the_remedy():
    with pytest.raises(EstimationError) as error:
        train_ngram(corpus([["a"]]), order=2)
    assert str(error.value) == (
        "order 1: the counts give no usable discounts for modified Kneser-Ney (n1 = 2, n2 = 0, n3 = 0, n4 = 0; "
        "D1 = 1, D2 = nan, D3 = nan; D must lie between 0 and its count). Small or repetitive text and characters do "
        "this: take 0.5, 1 and 1.5 for such orders with --discount-fallback, or use --smoothing witten-bell"
    )


def test_absolute_without_counts_of_two_asks_for_a_discount():
    with pytest.raises(EstimationError) as error:
        train_ngram(corpus([["a"]]), order=1, smoothing="absolute")
    assert str(error.value) == (
        "order 1: no discount for absolute can be estimated from n1 = 2, n2 = 0, since one of them is 0; "
        "give one with --discount 0.5, or take 0.5 for such orders with --discount-fallback"
    )
    model = train_ngram(corpus([["a"]]), order=1, smoothing=Smoothing("absolute", discount=0.5))
    assert np.exp(model.log_probs(model.start(1))).sum() == pytest.approx(1)


def test_a_fallback_is_said():
    model = train_ngram(corpus([["a"]]), order=1, smoothing=Smoothing(discount_fallback=True))
    assert model.details["notes"] == ["order 1: discounts 0.5, 1, 1.5 instead of D1 = 1, D2 = nan, D3 = nan"]


def test_a_discount_for_a_count_that_nothing_has_may_be_anything():
    n = np.array([0, 10, 5, 2, 0])  # n4 = 0 is legal: D3 = 3
    assert make_rule(Smoothing(), 1, n, 10).discounts.tolist() == pytest.approx([0, 0.5, 1.4, 3.0])


def test_jelinek_mercer_needs_held_out_text():
    with pytest.raises(UsageError, match="jelinek-mercer needs held-out text for its weights; give it with --valid"):
        train_ngram(corpus([["a"]]), smoothing="jelinek-mercer")


def test_empty_text():
    with pytest.raises(EstimationError, match="the training text is empty; give a file with at least one line"):
        train_ngram([])


@pytest.mark.parametrize(
    ("prune", "message"),
    [
        ([0, 0, 0], "3 pruning thresholds for 2 orders; give at most one per order"),
        ([1, 0], "pruning thresholds 1 0: they must be 0 or more and never decrease, such as 0 0 1"),
    ],
)
def test_pruning_thresholds(prune, message):
    with pytest.raises(UsageError) as error:
        train_ngram(corpus([["a"]]), order=2, smoothing="witten-bell", prune=prune)
    assert str(error.value) == message
