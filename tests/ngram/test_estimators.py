"""Every estimator against its definition (``twin``), and against the protocol, on drawn corpora."""

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from conformance import conforms
from nextword.ngram.smoothing import Smoothing
from nextword.ngram.train import train_ngram
from ngram.twin import BOS, EOS, Twin
from strategies import corpus, sentences

NAMES = (
    "mle", "add", "laplace", "absolute", "katz", "jelinek-mercer", "witten-bell", "kneser-ney", "modified-kneser-ney",
)  # fmt: skip
CLOSE = 3e-6  # float32 tables: a relative error of 6e-8 on each of a few logarithms of up to about 10


def fit(lines, order, name, **settings_):
    smoothing = Smoothing(name, discount_fallback=True, **settings_)
    return train_ngram(corpus(lines), order=order, smoothing=smoothing, valid=corpus(lines[::2] + [["a", "zz"]]))


def every_context(lines, order, extra):
    """Every context that occurs, and contexts that do not; beginnings of sentences and ``<unk>`` among them."""
    seen = {()} if order == 1 else {(BOS,)}
    for sentence in [*lines, *extra]:
        padded = [BOS, *sentence]
        for i in range(1, len(padded) + 1):
            seen.add(tuple(padded[max(0, i - order + 1) : i]) if order > 1 else ())
    return sorted(seen)


@pytest.mark.parametrize("name", NAMES)
@settings(max_examples=25)
@given(lines=sentences(), extra=sentences(most=3), order=st.integers(1, 6))
def test_equals_its_definition(name, lines, extra, order):
    model = fit(lines, order, name)
    twin = Twin(lines, order, name=name, weights=model.details.get("weights"))
    for context in every_context(lines, order, extra):
        state = np.full((1, order - 1), -1, dtype=np.int32)
        if context:
            state[0, -len(context) :] = model.vocabulary.ids(context)
        actual = np.exp(model.log_probs(state)[0])
        known = [word if word in model.vocabulary else "<unk>" for word in context]
        expected = [twin.p(word, tuple(known)) for word in twin.words]
        np.testing.assert_allclose(actual[model.vocabulary.ids(twin.words)], expected, atol=CLOSE, err_msg=str(context))


@pytest.mark.parametrize("name", NAMES)
@settings(max_examples=12)
@given(
    lines=sentences(),
    order=st.integers(1, 6),
    rows=st.lists(st.lists(st.integers(2, 6), max_size=9), min_size=1, max_size=4),
)
def test_conforms(name, lines, order, rows):
    model = fit(lines, order, name)
    size = len(model.vocabulary)
    tokens = [[0 if i >= size else i for i in row] or [2] for row in rows]
    conforms(model, tokens=[[0, 2, 0], *tokens])


@settings(max_examples=30)
@given(lines=sentences(), order=st.integers(1, 6), data=st.data())
def test_pruned_and_limited_models_conform(lines, order, data):
    prune = sorted(data.draw(st.lists(st.integers(0, 3), min_size=1, max_size=order)))
    limit = data.draw(st.none() | st.lists(st.sampled_from(["a", "b", "c"]), max_size=2))
    name = data.draw(st.sampled_from(NAMES))
    smoothing = Smoothing(name, discount_fallback=True)
    model = train_ngram(
        corpus(lines), order=order, smoothing=smoothing, prune=prune, limit_vocab=limit, valid=corpus(lines)
    )
    conforms(model, reloaded=False)


@settings(max_examples=20)
@given(lines=sentences(words=("a", "b", "c", "d")), order=st.integers(1, 4))
def test_unigrams_without_a_uniform_share(lines, order):
    model = fit(lines, order, "modified-kneser-ney", interpolate_unigrams=False)
    twin = Twin(lines, order, name="modified-kneser-ney", interpolate_unigrams=False)
    actual = np.exp(model.log_probs(np.full((1, order - 1), -1, dtype=np.int32))[0])
    expected = [twin.recursive(word, ()) for word in twin.words]
    np.testing.assert_allclose(actual[model.vocabulary.ids(twin.words)], expected, atol=CLOSE)


def test_order_twenty():
    lines = [["w" + str(i % 7) for i in range(j, j + 25)] for j in range(6)]
    model = fit(lines, 20, "modified-kneser-ney")
    assert model.order == 20
    twin = Twin(lines, 20, name="modified-kneser-ney")
    context = tuple([BOS, *lines[0]][:19])
    state = model.vocabulary.ids(context)[None]
    np.testing.assert_allclose(
        np.exp(model.log_probs(state)[0][model.vocabulary.ids(twin.words)]),
        [twin.p(word, context) for word in twin.words],
        atol=CLOSE,
    )


def test_mle_says_minus_infinity_after_a_seen_context():
    model = fit([["a", "b"], ["a", "c"]], 2, "mle")
    probabilities = np.exp(model.log_probs(model.vocabulary.ids(["a"])[None])[0])
    assert probabilities[model.vocabulary.ids(["b", "c", "a", EOS])].tolist() == pytest.approx([0.5, 0.5, 0, 0])
