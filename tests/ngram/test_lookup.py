"""What a model holds of a sentence's n-grams: in its arrays, and as its probabilities tell."""

import numpy as np
import pytest

import nextword
from nextword.errors import VocabularyError
from nextword.ngram.lookup import _by_asking, held
from nextword.text.corpus import Corpus

LINES = ["a b c", "a b d", "b c", "", "a c d b"] * 2


@pytest.fixture(scope="module")
def lm():
    return nextword.train(Corpus.from_lines(LINES), order=3, smoothing="witten-bell")


def ids(lm, text):
    return np.append(lm.ids(text), lm.model.eos).astype(np.int32)


def test_each_column_is_the_model_after_so_short_a_context(lm):
    sentence = ids(lm, "a b c c d")
    found = held(lm.model, sentence)
    history = [lm.model.bos, *sentence.tolist()]
    for t in range(len(sentence)):
        for k in range(1, 4):
            begin = t + 2 - k
            if begin < 0:
                assert np.isnan(found.log_probs[t, k - 1])
                continue
            scores, orders = lm.model.score_stream(np.array([-1, *history[begin : t + 2]], dtype=np.int32))
            assert (orders[-1] == k) == (not np.isnan(found.log_probs[t, k - 1]))
            if orders[-1] == k:
                assert found.log_probs[t, k - 1] == pytest.approx(scores[-1], abs=1e-12)


def test_back_off_weights_are_those_that_unseen_words_show(lm):
    """An independent way: a word that does not follow a context has the weight in its probability."""
    sentence = ids(lm, "a b c zz d b")
    table, asked = held(lm.model, sentence), _by_asking(lm.model, sentence, range(len(sentence)))
    np.testing.assert_array_equal(np.isnan(table.log_weights), np.isnan(asked.log_weights))
    np.testing.assert_allclose(table.log_weights, asked.log_weights, atol=1e-12)
    np.testing.assert_allclose(table.log_probs, asked.log_probs, atol=1e-12)


@pytest.mark.parametrize("layout", ["trie", "hash"])
def test_a_quantised_model_holds_the_same_n_grams(lm, layout):
    small = nextword.quantize(lm, layout=layout, bits=8)
    sentence = ids(lm, "a b c c d zz b")
    exact, found = held(lm.model, sentence), held(small.model, sentence)
    np.testing.assert_array_equal(np.isnan(exact.log_probs), np.isnan(found.log_probs))
    np.testing.assert_allclose(found.log_probs, exact.log_probs, atol=0.05)
    np.testing.assert_allclose(found.log_weights, exact.log_weights, atol=0.05)


def test_only_the_tokens_asked_for_are_looked_up(lm):
    small = nextword.quantize(lm, bits=8)
    sentence = ids(lm, "a b c")
    found, whole = held(small.model, sentence, [2]), held(small.model, sentence)
    assert np.isnan(found.log_probs[[0, 1, 3]]).all()
    np.testing.assert_array_equal(found.log_probs[2], whole.log_probs[2])


def test_a_sentence_that_ends_begins_anew(lm):
    two = np.concatenate([ids(lm, "a b"), ids(lm, "b c")])
    found = held(lm.model, two)
    np.testing.assert_array_equal(found.log_probs[3:], held(lm.model, ids(lm, "b c")).log_probs)
    np.testing.assert_array_equal(found.log_weights[3:], held(lm.model, ids(lm, "b c")).log_weights)


def test_an_id_beyond_the_vocabulary_is_refused(lm):
    with pytest.raises(VocabularyError, match="id 99 is not in the vocabulary, whose ids are 0 to 6"):
        held(lm.model, np.array([99], dtype=np.int32))
