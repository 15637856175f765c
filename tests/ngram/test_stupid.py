"""Stupid backoff against its definition, eq. 5 of Brants et al. 2007."""

import math

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from nextword.model import LanguageModel, Scorer
from nextword.ngram.train import train_ngram
from ngram.twin import BOS, EOS, Twin
from strategies import corpus, sentences


def score(twin, word, context):
    while True:
        counts = twin.after[context]
        if counts[word]:
            return counts[word] / sum(counts.values())
        if not context:
            return 0.0
        return 0.4 * score(twin, word, context[1:])


@given(lines=sentences(), other=sentences(most=4), order=st.integers(1, 5))
def test_equals_its_definition(lines, other, order):
    model = train_ngram(corpus(lines), order=order, smoothing="stupid-backoff")
    twin = Twin(lines, order, name="mle")
    rows = [[w if w in model.vocabulary else "<unk>" for w in sentence] + [EOS] for sentence in other]
    expected = []
    for row in rows:
        padded = [BOS, *row]
        expected += [score(twin, padded[i], tuple(padded[max(0, i - order + 1) : i])) for i in range(1, len(padded))]
    ids = [model.vocabulary.ids(row) for row in rows]
    with np.errstate(divide="ignore"):
        np.testing.assert_allclose(np.exp(model.stream_log_probs(np.concatenate(ids))), expected, rtol=1e-5)
    for row, start in zip(ids, np.cumsum([0, *map(len, ids)]), strict=False):
        got, _ = model.token_log_probs(row[None])
        np.testing.assert_allclose(np.exp(got[0]), expected[start : start + len(row)], rtol=1e-5)
        first, state = model.token_log_probs(row[None, :1])
        rest, _ = model.token_log_probs(row[None, 1:], state)
        np.testing.assert_allclose(np.exp([*first[0], *rest[0]]), expected[start : start + len(row)], rtol=1e-5)


def test_it_is_a_scorer_and_no_language_model():
    model = train_ngram(corpus([["a", "b"]]), order=2, smoothing="stupid-backoff")
    assert isinstance(model, Scorer)
    assert not isinstance(model, LanguageModel)
    padded, _ = model.token_log_probs(np.array([[3, -1]], dtype=np.int32))
    assert padded[0].tolist() == [pytest.approx(math.log(1.0)), 0.0]


def test_what_pruning_drops_is_shared_out_to_nobody():
    lines = [["a", "b"], ["a", "b"], ["a", "c"], ["b", "c"]]
    model = train_ngram(corpus(lines), order=2, smoothing="stupid-backoff", prune=[0, 1])
    scores, _ = model.token_log_probs(model.vocabulary.ids(["a", "b"])[None])
    assert np.exp(scores[0]).tolist() == pytest.approx([3 / 4, 2 / 3])  # c(<s> a) / c(<s>), c(a b) / c(a)
    scores, _ = model.token_log_probs(model.vocabulary.ids(["a", "c"])[None])
    assert np.exp(scores[0, 1]) == pytest.approx(0.4 * 2 / 12)  # a c was dropped: 0.4 c(c) / c(all)
