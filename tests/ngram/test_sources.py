"""N-gram models against sources whose entropy is known exactly: the physical limit, not another model."""

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from nextword.ngram.smoothing import Smoothing
from nextword.ngram.train import train_ngram
from nextword.tasks.divergence import divergence
from nextword.tasks.evaluate import evaluate
from nextword.text.corpus import Corpus
from nextword.text.synthetic import AgreementGrammar, MarkovSource

WORDS = [f"w{i}" for i in range(30)]


def train(source, tokens, order, *, seed=1, smoothing=None):
    lines = source.sample(tokens, seed=seed)
    return train_ngram(Corpus.from_lines(lines), order=order, smoothing=smoothing or Smoothing(discount_fallback=True))


@pytest.mark.parametrize(("order", "tokens"), [(1, 200_000), (2, 1_000_000)])
def test_kneser_ney_of_the_right_order_comes_within_two_percent_of_the_source(order, tokens):
    source = MarkovSource(WORDS, order=order, end=0.1, concentration=0.3, seed=3)
    model = train(source, tokens, order + 1)
    exact = source.perplexity() * np.exp(divergence(source, model))
    measured = evaluate(model, Corpus.from_lines(source.sample(200_000, seed=2))).perplexity
    assert source.perplexity() < exact < 1.02 * source.perplexity()
    assert measured == pytest.approx(exact, rel=0.01)


def test_an_order_too_low_stays_at_its_own_limit():
    source = MarkovSource(WORDS, order=2, end=0.1, concentration=0.3, seed=3)
    model = train(source, 500_000, 2)
    assert source.perplexity() * np.exp(divergence(source, model)) > 1.5 * source.perplexity()
    assert source.perplexity() * np.exp(divergence(source, model)) >= source.ngram_perplexity(2)


@pytest.mark.parametrize("name", ["witten-bell", "kneser-ney", "modified-kneser-ney", "absolute", "katz", "laplace"])
def test_divergence_falls_as_the_text_grows(name):
    source = MarkovSource(WORDS[:12], order=1, end=0.1, concentration=0.5, seed=5)
    smoothing = Smoothing(name, discount_fallback=True)
    found = [divergence(source, train(source, n, 2, smoothing=smoothing)) for n in (1_000, 10_000, 100_000)]
    assert 0 < found[2] < found[1] < found[0]


@settings(max_examples=20)
@given(seed=st.integers(0, 1000), order=st.integers(1, 4), words=st.integers(2, 6))
def test_divergence_is_never_negative(seed, order, words):
    source = MarkovSource(WORDS[:words], order=1, end=0.2, seed=seed)
    assert divergence(source, train(source, 2_000, order, seed=seed)) > -1e-9


def test_agreement_at_a_distance_is_out_of_reach_of_a_short_context():
    source = AgreementGrammar(distance=3, words=3)
    short, long = (train(source, 200_000, n, smoothing=Smoothing("witten-bell")) for n in (3, 5))
    reached = [source.perplexity() * np.exp(divergence(source, model)) for model in (short, long)]
    assert reached[0] >= source.ngram_perplexity(3) > 1.05 * source.perplexity()
    assert reached[1] < 1.02 * source.perplexity()
