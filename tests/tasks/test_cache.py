"""The cache against its definition, token by token, and its tuning against all that it could have chosen."""

import math
import re
from collections import Counter

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from nextword.errors import TextError, UsageError
from nextword.mixture import Mixture
from nextword.model import LanguageModel, Scorer
from nextword.ngram.train import train_ngram
from nextword.tasks import cache
from nextword.tasks.cache import Cache, tune_cache
from nextword.tasks.evaluate import evaluate
from nextword.text.corpus import Corpus
from toy import DecayingVotes

LINES = ["a b c a", "b", "", "c c a b", "a a"]


class Seeing(DecayingVotes):
    """A stream model that predicts with its state and shows it: the hidden state is that of the step before."""

    def token_log_probs_and_hidden(self, tokens, state=None):
        current = self.start(len(tokens)) if state is None else state
        hidden = []
        for column in tokens.T:
            hidden.append(current)
            current = self.advance(current, column[:, None])
        scores, after = self.token_log_probs(tokens, state)
        return scores, np.stack(hidden, axis=1).astype(np.float32), after


def twin(lm, ids, *, size, theta, weight):
    """Eq. 3-5 of Grave et al. (2017) for one row, as they are written. Returns p of each token."""
    state, hidden, found = lm.start(1), [], []
    for t, word in enumerate(ids):
        h = state[0].astype(np.float64)
        shares = Counter()
        for i in range(max(0, t - size), t):
            shares[ids[i]] += math.exp(theta * float(h @ hidden[i]))
        p = math.exp(lm.log_probs(state)[0, word])
        total = sum(shares.values())
        found.append((1 - weight) * p + weight * shares[word] / total if total else p)
        hidden.append(h)
        state = lm.advance(state, np.array([[word]], dtype=np.int32))
    return found


ROW = st.lists(st.sampled_from([0, 2, 3, 4, 5]), min_size=1, max_size=40)


@settings(max_examples=50)
@given(
    row=ROW,
    size=st.integers(1, 50),
    theta=st.sampled_from([0.0, 0.3, 3.0, 100.0]),
    weight=st.sampled_from([0.0, 0.1, 1.0]),
    queries=st.integers(1, 9),
    cut=st.integers(0, 40),
)
def test_equals_its_definition(row, size, theta, weight, queries, cut):
    lm = Seeing()
    scorer = Cache(lm, size=size, theta=theta, weight=weight)
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(cache, "_QUERIES", queries)
        patch.setattr(cache, "_PIECE", 3 * queries)
        tokens = np.array([row], dtype=np.int32)
        whole, _ = scorer.token_log_probs(tokens)
        first, state = scorer.token_log_probs(tokens[:, :cut])
        rest, _ = scorer.token_log_probs(tokens[:, cut:], state)
    expected = twin(lm, row, size=size, theta=theta, weight=weight)
    np.testing.assert_allclose(np.exp(whole[0]), expected, rtol=1e-4)
    np.testing.assert_allclose(np.concatenate([first, rest], axis=1), whole, rtol=1e-4)


@given(rows=st.lists(ROW, min_size=1, max_size=3), theta=st.sampled_from([0.0, 0.5]))
def test_rows_have_caches_of_their_own(rows, theta):
    scorer = Cache(Seeing(), size=5, theta=theta, weight=0.5)
    tokens = np.full((len(rows), max(map(len, rows))), -1, dtype=np.int32)
    for line, row in zip(tokens, rows, strict=True):
        line[: len(row)] = row
    scores, state = scorer.token_log_probs(tokens)
    again, _ = scorer.token_log_probs(tokens[:, :1], state)
    for i, row in enumerate(rows):
        ids = np.array([row], dtype=np.int32)
        alone, after = scorer.token_log_probs(ids)
        np.testing.assert_allclose(scores[i, : len(row)], alone[0], rtol=1e-5)
        assert (scores[i, len(row) :] == 0).all()
        np.testing.assert_allclose(again[i], scorer.token_log_probs(tokens[i : i + 1, :1], after)[0][0], rtol=1e-5)


def test_a_cache_by_hand():
    """Without hidden states: of ``a b a``, a was 0 of 0, b 0 of 1, a 1 of 2 words of the past."""
    lm = train_ngram(Corpus.from_lines(LINES), order=1, smoothing="witten-bell")
    tokens = lm.vocabulary.ids(["a", "b", "a"])[None]
    p = np.exp(lm.token_log_probs(tokens)[0][0])
    scores, _ = Cache(lm, weight=0.25).token_log_probs(tokens)
    np.testing.assert_allclose(np.exp(scores[0]), [p[0], 0.75 * p[1], 0.75 * p[2] + 0.25 / 2], rtol=1e-12)


def test_is_a_scorer_of_one_long_stream():
    lm = train_ngram(Corpus.from_lines(LINES), order=3, smoothing="witten-bell")
    scorer = Cache(lm)
    assert isinstance(scorer, Scorer)
    assert not isinstance(scorer, LanguageModel)
    ids = lm.vocabulary.encode("\n".join(LINES).encode()).ids
    found = evaluate(scorer, Corpus.from_lines(LINES))
    assert found.nats == pytest.approx(-scorer.token_log_probs(ids[None])[0].sum())
    assert not found.normalised
    small = [
        block for line in LINES for block in Corpus.from_lines([line])
    ]  # the window is carried from block to block
    assert evaluate(scorer, small).nats == pytest.approx(found.nats)


def test_of_a_mixture_it_compares_the_hidden_states_of_the_member_that_has_them():
    ngram = train_ngram(Corpus.from_lines(LINES), order=2, smoothing="witten-bell")
    seeing = Seeing(vocabulary=ngram.vocabulary)
    mixture = Mixture([ngram, seeing], [0.5, 0.5])
    ids = ngram.vocabulary.encode("\n".join(LINES).encode()).ids[None]
    with_theta, _ = Cache(mixture, theta=0.5, weight=0.2).token_log_probs(ids)
    shares = (np.exp(Cache(seeing, theta=0.5, weight=1.0).token_log_probs(ids)[0]))[0, 1:]
    plain = np.exp(mixture.token_log_probs(ids)[0])[0, 1:]
    np.testing.assert_allclose(np.exp(with_theta[0, 1:]), 0.8 * plain + 0.2 * shares, rtol=1e-5)


def test_an_impossible_word_is_possible_once_it_has_been_read():
    table = Seeing().table.copy()
    table[:, 3] = -np.inf
    scores, _ = Cache(Seeing(table), weight=0.5, theta=0.0).token_log_probs(np.array([[3, 3]], dtype=np.int32))
    assert scores[0].tolist() == [-np.inf, pytest.approx(math.log(0.5))]


def test_tuning_finds_the_best_of_what_it_tries():
    lm, text = Seeing(), Corpus.from_lines(LINES * 3)
    thetas = (0.0, 0.3, 2.0)
    tuning = tune_cache(lm, text, size=6, thetas=thetas)
    assert tuning.plain == pytest.approx(evaluate(lm, text).perplexity)
    assert [theta for theta, _, _ in tuning.tried] == list(thetas)

    def perplexity(theta, weight):
        found = evaluate(Cache(lm, size=6, theta=theta, weight=weight), text)
        return math.exp(found.nats / found.tokens)

    for theta, weight, found in tuning.tried:
        assert found == pytest.approx(perplexity(theta, weight), rel=1e-5)
        assert all(found <= perplexity(theta, other) * (1 + 1e-6) for other in np.linspace(0, 1, 21))
    assert (tuning.theta, tuning.weight, tuning.perplexity) == min(tuning.tried, key=lambda row: row[2])


def test_tuning_without_hidden_states_has_one_theta():
    lm = train_ngram(Corpus.from_lines(LINES), order=2, smoothing="witten-bell")
    tuning = tune_cache(lm, Corpus.from_lines(["z z z z z z", "a b"]))
    assert [theta for theta, _, _ in tuning.tried] == [0.0]
    assert tuning.perplexity < tuning.plain
    one_token = tune_cache(lm, Corpus.from_lines([""]))  # a cache of nothing: no weight can be told from another
    assert one_token.perplexity == one_token.plain


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({"size": 0}, "a cache of size 0, theta 0.3 and weight 0.1: give a size of 1 or more, a theta of 0 or more, "),
        ({"theta": -1.0}, "a cache of size 2000, theta -1 and weight 0.1: give a size of 1 or more, a theta of 0 or "),
        ({"weight": 1.5}, "a cache of size 2000, theta 0.3 and weight 1.5: give a size of 1 or more, a theta of 0 or "),
        ({"weight": math.nan}, "a cache of size 2000, theta 0.3 and weight nan: give a size of 1 or more, a theta of "),
    ],
)
def test_options_that_make_no_sense(options, message):
    with pytest.raises(UsageError, match=f"^{re.escape(message)}.*weight from 0 to 1$"):
        Cache(Seeing(), **options)


def test_models_that_have_no_cache():
    message = r"^theta 0\.3: this model has no hidden states to compare; leave theta out$"
    with pytest.raises(UsageError, match=message):
        Cache(DecayingVotes(), theta=0.3)
    stupid = train_ngram(Corpus.from_lines(LINES), order=2, smoothing="stupid-backoff")
    message = r"^a cache stands beside probabilities, and this model gives only scores; give another$"
    with pytest.raises(UsageError, match=message):
        Cache(stupid)
    message = r"^the tuning text is empty: there is nothing to tune the cache to; give a file with a line$"
    with pytest.raises(TextError, match=message):
        tune_cache(Seeing(), Corpus.from_text(""))
