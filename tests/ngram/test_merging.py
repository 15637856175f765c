"""Static mixing against its definition, on dictionaries."""

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from conformance import conforms
from nextword.errors import UsageError, VocabularyError
from nextword.mixture import Mixture
from nextword.ngram.merging import merge
from nextword.ngram.smoothing import Smoothing
from nextword.ngram.train import NgramSettings, train_ngram, train_on_tokens
from nextword.text.corpus import Corpus
from nextword.text.indexing import Indexer
from strategies import corpus, sentences

BOS, EOS = 1, 2


def models_of(texts, orders):
    """A model of each text, all with the words of all of them."""
    indexer = Indexer()
    for text in texts:
        indexer.read("".join(f"{' '.join(line)}\n" for line in text).encode(), str)
    _, vocabulary = indexer.finish()
    models = []
    for text, order in zip(texts, orders, strict=True):
        ids = vocabulary.encode("".join(f"{' '.join(line)}\n" for line in text).encode()).ids
        settings = NgramSettings(order, Smoothing("witten-bell"), threads=1)
        models.append(train_on_tokens(np.append(EOS, ids).astype(np.int32), vocabulary, settings))
    return models


def ngrams_of(text, order, vocabulary):
    """All n-grams of a text, ``<s>`` first in its sentences, as tuples of ids."""
    rows = [[BOS, *vocabulary.ids(line).tolist(), EOS] for line in text]
    return {tuple(row[i : i + k]) for row in rows for k in range(1, order + 1) for i in range(len(row) - k + 1)}


class Twin:
    """The merged model as SRILM defines it: sums of probabilities, and back-off weights that make rows sum to 1."""

    def __init__(self, models, weights, held):
        self.models, self.weights, self.held = models, weights, held
        self.words = [w for w in range(len(models[0].vocabulary)) if w != BOS]

    def mixed(self, context, word):
        total = 0.0
        for model, weight in zip(self.models, self.weights, strict=True):
            state = np.full((1, model.context_length), -1, dtype=np.int32)
            tail = context[max(0, len(context) - model.context_length) :]
            state[0, model.context_length - len(tail) :] = tail
            total += weight * np.exp(model.log_probs(state)[0, word])
        return total

    def p(self, context, word):
        if not context or (*context, word) in self.held:
            return self.mixed(context, word)
        return self.backoff(context) * self.p(context[1:], word)

    def backoff(self, context):
        held = [w for w in self.words if (*context, w) in self.held]
        left = 1 - sum(self.mixed(context, w) for w in held)
        handed = 1 - sum(self.p(context[1:], w) for w in held)
        return left / handed if held and handed > 1e-9 else 1.0


@settings(max_examples=30)
@given(texts=st.lists(sentences(most=4, longest=4), min_size=1, max_size=3), data=st.data())
def test_equals_its_definition(texts, data):
    orders = [data.draw(st.integers(1, 3)) for _ in texts]
    raw = [data.draw(st.integers(1, 9)) for _ in texts]
    weights = [w / sum(raw) for w in raw]
    models = models_of(texts, orders)
    vocabulary = models[0].vocabulary
    held = set().union(*(ngrams_of(text, n, vocabulary) for text, n in zip(texts, orders, strict=True)))
    twin, merged = Twin(models, weights, held), merge(models, weights)
    assert merged.order == max(orders)
    lengths = [len(ngram) for ngram in held]
    assert merged.counts()[1:] == [lengths.count(k) for k in range(2, merged.order + 1)]
    contexts = {ngram[:-1] for ngram in held if len(ngram) == merged.order} | {()}
    for context in sorted(contexts)[:8]:
        state = np.full((1, merged.context_length), -1, dtype=np.int32)
        state[0, merged.context_length - len(context) :] = context
        expected = [0.0 if w == BOS else twin.p(context, w) for w in range(len(vocabulary))]
        np.testing.assert_allclose(np.exp(merged.log_probs(state)[0]), expected, rtol=1e-4, atol=1e-7)


@settings(max_examples=20)
@given(lines=sentences(), other=sentences())
def test_is_a_language_model(lines, other):
    conforms(merge(models_of([lines, other], [3, 2]), [0.25, 0.75]))


def test_of_models_of_one_text_it_is_their_mixture():
    """Where all hold the same n-grams, and back off alike, nothing is lost: here, a model and itself."""
    model = train_ngram(Corpus.from_lines(["a b c", "a c", "b b"]), order=3, smoothing="witten-bell")
    merged = merge([model, model], [0.5, 0.5])
    assert merged.arrays().keys() == model.arrays().keys()
    for name in ("starts", "word", "first"):
        np.testing.assert_array_equal(getattr(merged, name), getattr(model, name))
    np.testing.assert_allclose(merged.inner, model.inner, atol=1e-6)
    np.testing.assert_allclose(merged.leaf, model.leaf, atol=1e-6)


def test_held_ngrams_have_the_mixture_s_probability():
    lines = [["a", "b", "c"], ["a", "c"], ["b", "b"]]
    models = models_of([lines, lines], [3, 2])
    merged, mixture = merge(models, [0.5, 0.5]), Mixture(models, [0.5, 0.5])
    ids = merged.vocabulary.ids(["a", "b", "c", "</s>", "a", "c", "</s>"])
    np.testing.assert_allclose(merged.stream_log_probs(ids), mixture.stream_log_probs(ids), rtol=1e-5)


def test_what_cannot_be_merged():
    model = train_ngram(corpus([["a", "b"]]), order=2, smoothing="witten-bell")
    stupid = train_ngram(corpus([["a", "b"]]), order=2, smoothing="stupid-backoff")
    message = r"^model 2 \(stupid-backoff\) is no n-gram model, and only these are merged; mix without --static$"
    with pytest.raises(UsageError, match=message):
        merge([model, stupid], [0.5, 0.5])
    other = train_ngram(corpus([["b", "a", "b"]]), order=2, smoothing="witten-bell")
    message = r"^model 2 gives words other ids than model 1, and merging needs the same; mix without --static$"
    with pytest.raises(VocabularyError, match=message):
        merge([model, other], [0.5, 0.5])
