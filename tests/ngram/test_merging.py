"""Static mixing against its definition, on dictionaries."""

from types import SimpleNamespace

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from conformance import conforms
from nextword.errors import UsageError
from nextword.mixture import Mixture
from nextword.ngram.arpa import read_arpa
from nextword.ngram.links import words_of
from nextword.ngram.merging import merge, unite
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
    message = (
        r"^model 2 \(stupid-backoff\) is no n-gram model, and only n-gram models are merged; mix without --static$"
    )
    with pytest.raises(UsageError, match=message):
        merge([model, stupid], [0.5, 0.5])
    message = r"^model 1 \(ngram-trie\) is a quantised model, and only n-gram models are merged; mix without --static$"
    with pytest.raises(UsageError, match=message):
        merge([SimpleNamespace(kind="ngram-trie"), model], [0.5, 0.5])


class TwinOfWords:
    """Models of different words, by spelling: what one says of a word that it lacks is an equal part of its <unk>."""

    def __init__(self, models, weights):
        self.models, self.weights = models, weights
        self.words = sorted(set().union(*(model.vocabulary.words for model in models)) - {"<s>"})
        self.held = set().union(*(self.ngrams(model) for model in models))

    def ngrams(self, model):
        """Its n-grams of two words or more, as tuples of words."""
        words, rows = model.vocabulary.words, []
        for k in range(2, model.order + 1):
            low, high = model.starts[k : k + 2].tolist()
            rows += words_of(model.starts, model.word, model.first, low, high).tolist()
        return {tuple(words[i] for i in row) for row in rows}

    def mixed(self, context, word):
        total = 0.0
        for model, weight in zip(self.models, self.weights, strict=True):
            known = set(model.vocabulary.words)
            state = np.full((1, model.context_length), -1, dtype=np.int32)
            for place, w in zip(range(model.context_length)[::-1], context[::-1], strict=False):
                state[0, place] = model.vocabulary[w]
            p = np.exp(model.log_probs(state)[0, model.vocabulary[word]])
            lacking = [w for w in self.words if w not in known]
            total += weight * (p / (len(lacking) + 1) if word in [*lacking, "<unk>"] else p)
        return total

    def p(self, context, word):
        if not context or (*context, word) in self.held:
            return self.mixed(context, word)
        return self.backoff(context) * self.p(context[1:], word)

    def backoff(self, context):
        held = [w for w in self.words if (*context, w) in self.held]
        left = 1 - sum(self.mixed(context, w) for w in held)
        handed = 1 - sum(self.p(context[1:], w) for w in held)
        return left / handed if held and handed > 1e-6 else 1.0


@settings(max_examples=30)
@given(
    texts=st.tuples(sentences(most=4, longest=4), sentences(most=4, longest=4, words=("a", "c", "f", "g", "h"))),
    orders=st.tuples(st.integers(1, 3), st.integers(1, 3)),
    weight=st.sampled_from([0.2, 0.5, 0.9]),
)
def test_models_of_different_words(texts, orders, weight):
    models = [
        train_ngram(corpus(text), order=n, smoothing="witten-bell") for text, n in zip(texts, orders, strict=True)
    ]
    weights = [weight, 1 - weight]
    merged, twin = merge(models, weights, threads=2), TwinOfWords(models, weights)
    assert sorted(merged.vocabulary.words) == sorted([*twin.words, "<s>"])
    first = len(models[0].vocabulary)
    assert merged.vocabulary.words[:first] == models[0].vocabulary.words
    assert len(merged) == len(merged.vocabulary) + len(twin.held)
    contexts = {ngram[:-1] for ngram in twin.held} | {(), ("f", "a"), ("h",)}
    for context in sorted(contexts)[:8]:
        context = context[max(0, len(context) - merged.context_length) :]
        state = np.full((1, merged.context_length), -1, dtype=np.int32)
        state[0, merged.context_length - len(context) :] = merged.vocabulary.ids(context)
        known = tuple(w if w in merged.vocabulary else "<unk>" for w in context)
        actual = np.exp(merged.log_probs(state)[0, merged.vocabulary.ids(twin.words)])
        np.testing.assert_allclose(actual, [twin.p(known, w) for w in twin.words], rtol=1e-4, atol=1e-6)
    conforms(merged, reloaded=False)


def test_the_share_of_a_word_that_one_model_lacks():
    """Of c and d, the first model knows neither: each gets a third of its <unk>, and <unk> keeps a third."""
    models = [train_ngram(corpus(text), order=1, smoothing="witten-bell") for text in ([["a", "b"]], [["a", "c", "d"]])]
    union = unite(models)
    assert union.unknown_share == [1 / 3, 1 / 2]
    p = np.exp(merge(models, [0.5, 0.5]).log_probs(np.zeros((1, 0), dtype=np.int32))[0])
    one, two = (np.exp(model.log_probs(np.zeros((1, 0), dtype=np.int32))[0]) for model in models)
    ids = union.vocabulary.ids(["c", "b", "<unk>"])
    expected = [one[0] / 3 + two[models[1].vocabulary["c"]], one[models[0].vocabulary["b"]] + two[0] / 2]
    np.testing.assert_allclose(p[ids] * 2, [*expected, one[0] / 3 + two[0] / 2], rtol=1e-6)


def test_special_tokens_are_matched_by_what_they_are(tmp_path):
    text = "\\data\\\nngram 1=4\nngram 2=1\n\n\\1-grams:\n-99\t<s>\t0\n-0.3\t</s>\n-0.6\t<UNK>\n-0.6\tb\t0\n"
    (tmp_path / "upper.arpa").write_text(text + "\n\\2-grams:\n-0.2\t<s> <UNK>\n\n\\end\\\n")
    upper = read_arpa(tmp_path / "upper.arpa")
    lower = train_ngram(corpus([["b", "a"]]), order=2, smoothing="witten-bell")
    merged = merge([lower, upper], [0.5, 0.5])
    assert merged.vocabulary.words == lower.vocabulary.words
    assert merge([upper, lower], [0.5, 0.5]).vocabulary.words == ["<UNK>", "<s>", "</s>", "b", "a"]
    state = np.array([[BOS]], dtype=np.int32)
    p = np.exp(lower.log_probs(state)[0, 0]) / 2 + 10**-0.2 / 2 / 2  # which is shared with a
    assert np.exp(merged.log_probs(state)[0, 0]) == pytest.approx(p, rel=1e-6)


def test_threads_change_nothing():
    models = models_of([[["a", "b", "c"], ["a", "c"]], [["b", "b"]]], [3, 2])
    one, three = (merge(models, [0.3, 0.7], threads=threads) for threads in (1, 3))
    for name, array in one.arrays().items():
        np.testing.assert_array_equal(array, three.arrays()[name])
