"""A mixture is a language model whatever its members are, and EM finds the weights that a grid finds."""

import itertools
import mmap
import re

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from conformance import conforms
from nextword import kinds, store
from nextword.errors import EstimationError, StoreError, UsageError, VocabularyError
from nextword.mixture import Mixture, fit_weights
from nextword.model import LanguageModel, check_language_model
from nextword.ngram.train import train_ngram
from nextword.text.corpus import Corpus
from nextword.text.vocabulary import Vocabulary
from strategies import corpus, sentences
from toy import EOS, BigramTable, DecayingVotes, random_table, toy_vocabulary

LINES = ["students opened their books", "students opened their laptops", "the students read", "", "they opened it"] * 3


class StoredVotes(DecayingVotes):
    """A stream model that can be saved."""

    kind = "votes"

    def parameters(self):
        return {}

    def arrays(self):
        return {"table": self.table}

    @classmethod
    def from_arrays(cls, parameters, arrays, vocabulary):
        return cls(arrays["table"], vocabulary)


@pytest.fixture(autouse=True)
def votes_is_a_kind(monkeypatch):
    monkeypatch.setitem(kinds.KINDS, "votes", f"{__name__}:StoredVotes")


def ngram(order, lines=LINES, smoothing="witten-bell"):
    return train_ngram(Corpus.from_lines(lines), order=order, smoothing=smoothing)


def votes_for(model, *, seed=0, reverse=False):
    """A stream model with the words of another, in the same or in the opposite order of ids."""
    words = model.vocabulary.words
    vocabulary = Vocabulary.from_words([*words[:3], *reversed(words[3:])]) if reverse else model.vocabulary
    return StoredVotes(random_table(len(words), seed), vocabulary)


def test_of_sentence_models():
    mixture = Mixture([ngram(3), ngram(1), ngram(2)], [0.5, 0.2, 0.3])
    assert (mixture.scope, mixture.context_length) == ("sentence", 2)
    assert isinstance(mixture, LanguageModel)
    conforms(mixture)


def test_of_stream_models_that_cannot_be_saved():
    mixture = Mixture([DecayingVotes(), DecayingVotes(seed=1)], [0.4, 0.6])
    assert (mixture.scope, mixture.context_length) == ("stream", None)
    check_language_model(mixture)


@pytest.mark.parametrize("reverse", [False, True])
def test_of_both_is_a_stream(reverse):
    model = ngram(3)
    mixture = Mixture([model, votes_for(model, reverse=reverse)], [0.25, 0.75])
    assert (mixture.scope, mixture.context_length) == ("stream", None)
    conforms(mixture)
    conforms(Mixture([votes_for(model, reverse=reverse), model], [0.25, 0.75]))


def test_of_a_mixture():
    model = ngram(2)
    inner = Mixture([votes_for(model), votes_for(model, seed=1, reverse=True)], [0.5, 0.5])
    conforms(Mixture([model, inner], [0.9, 0.1]))


def test_of_one_model_is_that_model():
    table = BigramTable()
    mixture = Mixture([table])
    tokens = np.array([[3, 4, EOS, 5, -1]], dtype=np.int32)
    assert mixture.token_log_probs(tokens)[0].tolist() == table.token_log_probs(tokens)[0].tolist()
    check_language_model(mixture)


def test_weighs_probabilities_by_hand():
    one, other = BigramTable(seed=1), BigramTable(seed=2)
    mixture = Mixture([one, other], [0.25, 0.75])
    state = mixture.advance(mixture.start(1), np.array([[3]], dtype=np.int32))
    expected = 0.25 * np.exp(one.table[3]) + 0.75 * np.exp(other.table[3])
    np.testing.assert_allclose(np.exp(mixture.log_probs(state)[0]), expected, rtol=1e-12)


def test_a_sentence_member_forgets_in_a_stream_where_the_others_do_not():
    table, votes = BigramTable(), DecayingVotes()
    mixture = Mixture([table, votes])
    end = np.array([[3, 4, EOS]], dtype=np.int32)
    of_table, of_votes = mixture.advance(mixture.start(1), end)
    assert of_table.tolist() == table.start(1).tolist()
    assert of_votes.tolist() != votes.start(1).tolist()


def test_a_weight_of_0_silences_a_model():
    silent = log = random_table(6, 3)
    log[:, 3] = -np.inf
    mixture = Mixture([BigramTable(silent), BigramTable()], [0.0, 1.0])
    tokens = np.array([[3, 4, 5]], dtype=np.int32)
    assert mixture.token_log_probs(tokens)[0].tolist() == BigramTable().token_log_probs(tokens)[0].tolist()


def test_words_in_another_order_are_the_same_words():
    """A member whose ids differ scores the same words alike, on every path."""
    model = ngram(2)
    straight, turned = votes_for(model), votes_for(model, reverse=True)
    order = np.array([straight.vocabulary[word] for word in turned.vocabulary.words])
    turned.table = straight.table[np.ix_(order, order)]
    one, other = Mixture([model, straight], [0.5, 0.5]), Mixture([model, turned], [0.5, 0.5])
    tokens = model.vocabulary.ids(["students", "opened", "their", "books", "</s>", "they", "read"])[None]
    scores, state = one.token_log_probs(tokens)
    turned_scores, turned_state = other.token_log_probs(tokens)
    np.testing.assert_allclose(turned_scores, scores, rtol=1e-12)
    np.testing.assert_allclose(other.log_probs(turned_state), one.log_probs(state), rtol=1e-12)


@given(lines=sentences(), other=sentences(most=4))
def test_the_door_for_whole_sentences_gives_the_same_numbers(lines, other):
    models = [train_ngram(corpus(lines), order=n, smoothing="witten-bell") for n in (1, 3)]
    mixture = Mixture(models, [0.3, 0.7])
    ids = np.concatenate([mixture.vocabulary.ids([*line, "</s>"]) for line in other])
    np.testing.assert_allclose(mixture.stream_log_probs(ids), mixture.token_log_probs(ids[None])[0][0], rtol=1e-12)


def test_only_members_that_all_have_the_door_give_it():
    model = ngram(2)
    assert not hasattr(Mixture([model, votes_for(model)]), "stream_log_probs")


class Seeing(StoredVotes):
    """A model that shows what it predicts with: its state."""

    def token_log_probs_and_hidden(self, tokens, state=None):
        scores, after = self.token_log_probs(tokens, state)
        return scores, np.full((*tokens.shape, 2), self.table[0, 0]), after


def test_hidden_states_are_those_of_the_heaviest_member_that_has_them():
    model = ngram(2)
    size = len(model.vocabulary)
    light, heavy = (Seeing(random_table(size, seed), model.vocabulary) for seed in (1, 2))
    mixture = Mixture([model, light, heavy], [0.7, 0.1, 0.2])
    tokens = np.array([[3, 4, -1]], dtype=np.int32)
    scores, hidden, state = mixture.token_log_probs_and_hidden(tokens)
    expected, after = mixture.token_log_probs(tokens)
    assert scores.tolist() == expected.tolist()
    assert (hidden == heavy.table[0, 0]).all()
    assert mixture.log_probs(state).tolist() == mixture.log_probs(after).tolist()
    assert not hasattr(Mixture([model]), "token_log_probs_and_hidden")


# what makes no mixture


@pytest.mark.parametrize(
    ("weights", "message"),
    [
        ([0.5], "weights 0.5 of 2 models: give one a model, 0 or more, their sum 1"),
        ([0.5, 0.6], "weights 0.5 0.6 of 2 models: give one a model, 0 or more, their sum 1"),
        ([-0.5, 1.5], "weights -0.5 1.5 of 2 models: give one a model, 0 or more, their sum 1"),
        ([np.nan, 1], "weights nan 1 of 2 models: give one a model, 0 or more, their sum 1"),
    ],
)
def test_weights_that_make_none(weights, message):
    with pytest.raises(UsageError, match=f"^{re.escape(message)}$"):
        Mixture([BigramTable(), DecayingVotes()], weights)


def test_models_that_make_none():
    with pytest.raises(UsageError, match=r"^a mixture of no models was asked for; give at least one$"):
        Mixture([])
    stupid = ngram(2, smoothing="stupid-backoff")
    message = r"^model 2 of the mixture \(stupid-backoff\) gives scores, no probabilities; leave it out$"
    with pytest.raises(UsageError, match=message):
        Mixture([ngram(2), stupid])


def test_other_words_make_none():
    message = (
        "model 2 of the mixture has another vocabulary than model 1: 3 words are in one of them alone, such as 'b'; "
        "train both on the same text, with the same options for words, or merge n-gram models by mix --static"
    )
    with pytest.raises(VocabularyError, match=f"^{re.escape(message)}$"):
        Mixture(
            [BigramTable(), BigramTable(size=5, vocabulary=Vocabulary.from_words(["<unk>", "<s>", "</s>", "a", "d"]))]
        )
    other = Vocabulary.from_words(toy_vocabulary().words, unk=None)
    with pytest.raises(
        VocabularyError, match=r"^model 2 of the mixture has another unk than model 1; train both alike$"
    ):
        Mixture([BigramTable(), BigramTable(vocabulary=other)])


def test_an_id_beyond_the_vocabulary_is_refused():
    model = ngram(2)
    mixture = Mixture([votes_for(model), votes_for(model, reverse=True)])
    size = len(model.vocabulary)
    message = rf"^id {size} is not in the vocabulary, whose ids are 0 to {size - 1}$"
    with pytest.raises(VocabularyError, match=message):
        mixture.token_log_probs(np.array([[3, size]], dtype=np.int32))


# on disk


def test_is_one_directory_whose_arrays_stay_mapped(tmp_path):
    model = ngram(3)
    mixture = Mixture([model, votes_for(model, reverse=True)], [0.125, 0.875])
    store.save(tmp_path / "mixed", mixture)
    loaded = store.load(tmp_path / "mixed").model
    assert isinstance(loaded, Mixture)
    assert loaded.weights == (0.125, 0.875)
    assert loaded.models[1].vocabulary.words == mixture.models[1].vocabulary.words
    for name, array in loaded.arrays().items():
        np.testing.assert_array_equal(array, mixture.arrays()[name])
        base = array
        while isinstance(base, np.ndarray):
            base = base.base
        assert isinstance(base, mmap.mmap), name
        assert not array.flags.writeable
    assert len(list((tmp_path / "mixed").iterdir())) == 3  # the configuration, the vocabulary, the weights


def test_a_member_of_no_kind_cannot_be_saved(tmp_path):
    message = (
        f"{tmp_path}: this model cannot be saved: model 1 of the mixture, a BigramTable, is of no kind that is stored; "
        "expected one of ngram, "
    )
    with pytest.raises(StoreError, match=f"^{re.escape(message)}"):
        store.save(tmp_path, Mixture([BigramTable()]))


def test_a_kind_that_a_later_version_may_know(tmp_path, monkeypatch):
    model = ngram(2)
    store.save(tmp_path / "mixed", Mixture([model, votes_for(model)]))
    monkeypatch.delitem(kinds.KINDS, "votes")
    message = f"{tmp_path / 'mixed'}: its kind 'votes' is unknown, expected one of ngram, "
    with pytest.raises(StoreError, match=f"^{re.escape(message)}"):
        store.load(tmp_path / "mixed")


def test_a_member_that_needs_what_is_not_installed(tmp_path, monkeypatch):
    pytest.importorskip("torch")
    from nextword.neural.families import build
    from nextword.neural.model import NeuralModel

    model = ngram(2)
    network = build("lstm", {"embedding_size": 2, "hidden_size": 2}, len(model.vocabulary), model.vocabulary.bos)
    mixture = Mixture([model, NeuralModel(network, model.vocabulary, scope="stream")])
    conforms(mixture, tolerance=1e-4)
    store.save(tmp_path / "mixed", mixture)
    monkeypatch.setattr("nextword.neural.find_spec", lambda name: None)
    message = f"{tmp_path / 'mixed'}: this needs PyTorch; install it with: pip install 'nextword[neural]'"
    with pytest.raises(StoreError, match=f"^{re.escape(message)}$"):
        store.load(tmp_path / "mixed")


# weights


def test_weights_after_one_step_by_hand():
    """Two tokens, two models: p = (1/2, 1/4) and (1/4, 3/4).

    From weights of 1/2 each: the sums are 3/8 and 1/2; the first model's shares are (1/4) / (3/8) = 2/3 and
    (1/8) / (1/2) = 1/4, so its next weight is (2/3 + 1/4) / 2 = 11/24.
    """
    fit = fit_weights(np.log([[1 / 2, 1 / 4], [1 / 4, 3 / 4]]), steps=1)
    assert fit.weights.tolist() == pytest.approx([11 / 24, 13 / 24])
    assert fit.log_likelihoods[0] == pytest.approx((np.log(3 / 8) + np.log(1 / 2)) / 2)
    after = [11 / 24 / 2 + 13 / 24 / 4, 11 / 24 / 4 + 13 / 24 * 3 / 4]
    assert fit.log_likelihoods[1] == pytest.approx(np.log(after).mean())


@given(
    st.integers(1, 4).flatmap(
        lambda m: st.lists(st.lists(st.floats(-30, 0), min_size=m, max_size=m).map(tuple), min_size=1, max_size=20)
    )
)
def test_no_step_lowers_the_likelihood(columns):
    fit = fit_weights(np.array(columns).T)
    assert all(b >= a - 1e-12 for a, b in itertools.pairwise(fit.log_likelihoods))
    assert fit.weights.sum() == pytest.approx(1)
    assert (fit.weights >= 0).all()


def test_weights_are_those_of_a_fine_grid():
    p = np.random.default_rng(0).dirichlet([0.3] * 6, size=(3, 50)).max(axis=2)
    grid = [(a, b, 100 - a - b) for a in range(101) for b in range(101 - a)]
    likelihoods = [np.log(np.array(w) / 100 @ p).mean() for w in grid]
    fit = fit_weights(np.log(p), tolerance=1e-12, steps=10_000)
    assert fit.log_likelihoods[-1] >= max(likelihoods) - 1e-9
    np.testing.assert_allclose(fit.weights, np.array(grid[int(np.argmax(likelihoods))]) / 100, atol=0.011)


def test_weights_of_models_whose_logs_leave_the_range_of_exp():
    fit = fit_weights(np.array([[-2000.0, -3000.0], [-2001.0, -2999.0]]), tolerance=1e-14)
    assert fit.weights.tolist() == pytest.approx([0.5, 0.5])
    assert np.isfinite(fit.log_likelihoods).all()


def test_a_token_that_no_model_allows_is_left_out_and_counted():
    with np.errstate(divide="ignore"):
        fit = fit_weights(np.log([[0.5, 0.0, 0.0], [0.25, 0.0, 0.5]]))
    without = fit_weights(np.log([[0.5, 1e-300], [0.25, 0.5]]))
    assert fit.impossible == 1
    np.testing.assert_allclose(fit.weights, without.weights, atol=1e-6)


def test_what_has_no_weights():
    with pytest.raises(
        EstimationError, match=r"^every model gives every token of the tuning text probability 0; give "
    ):
        fit_weights(np.full((2, 3), -np.inf))
    message = r"^weights are fitted to an \(M, T\) array of log-probabilities, not to one of \(2, 0\)$"
    with pytest.raises(UsageError, match=message):
        fit_weights(np.zeros((2, 0)))
