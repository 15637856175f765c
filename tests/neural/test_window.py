import re

import numpy as np
import pytest
import torch

from conformance import conforms
from neural.fitting import check_gradients, rows, tiny, tiny_model, train_sentences
from nextword.errors import UsageError
from nextword.neural.families import build
from nextword.neural.window import WindowSettings
from nextword.ngram.smoothing import Smoothing
from nextword.ngram.train import train_ngram
from nextword.text.corpus import Corpus
from toy import BOS

SMALL = {"embedding_size": 3, "hidden_size": 4}


@pytest.mark.parametrize("order", [2, 3, 5])
@pytest.mark.parametrize("direct", [False, True])
def test_windows_keep_the_protocol(order, direct):
    conforms(tiny_model("window", order=order, direct=direct, **SMALL), tolerance=1e-4, seed=order)
    conforms(tiny_model("window", order=order, direct=direct, double=True, **SMALL), tolerance=1e-9, seed=order)


def test_an_adaptive_softmax_keeps_the_protocol():
    conforms(tiny_model("window", adaptive=(3,), **SMALL), tolerance=1e-4)


@pytest.mark.parametrize("activation", ["tanh", "sigmoid", "relu", "gelu"])
@pytest.mark.parametrize("direct", [False, True])
def test_gradients_agree_with_finite_differences(activation, direct):
    network = tiny("window", order=3, activation=activation, direct=direct, double=True, **SMALL)
    check_gradients(network, rows(2, 3), rows(2, 3, seed=1))


@pytest.mark.parametrize("direct", [False, True])
def test_the_equation_of_bengio(direct):
    """y = b2 + D x + U tanh(W x + b1), with x the last n - 1 embeddings, oldest first; written out in NumPy."""
    model = tiny_model("window", order=3, direct=direct, double=True, **SMALL)
    arrays = model.arrays()
    x = np.concatenate([arrays["embedding.weight"][i] for i in (4, 6)])
    h = np.tanh(arrays["hidden.weight"] @ x + arrays["hidden.bias"])
    u, d = np.split(arrays["output.weight"], [4], axis=1)
    y = arrays["output.bias"] + u @ h + (d @ x if direct else 0)
    y[BOS] = -np.inf
    state = model.advance(model.start(1), np.array([[3, 4, 6]], dtype=np.int32))
    np.testing.assert_allclose(model.log_probs(state)[0], y - np.log(np.exp(y).sum()), atol=1e-12)


def test_rows_of_unequal_length_are_read_as_alone():
    network, tokens = tiny("window", **SMALL), rows(4, 6)
    state = network(rows(4, 3, seed=1), network.initial_state(4))[1]
    lengths = torch.tensor([6, 0, 3, 1])
    hidden, (after,) = network(tokens, state, lengths)
    for i, length in enumerate(lengths.tolist()):
        if length == 0:
            assert torch.equal(after[i], state[0][i])
            continue
        alone, (ids,) = network(tokens[i : i + 1, :length], (state[0][i : i + 1],))
        torch.testing.assert_close(hidden[i : i + 1, :length], alone)
        assert torch.equal(after[i : i + 1], ids)


# The lectures' claim. Students, pupils and scholars do the same things; animals do others. Each of the three has one
# deed that the text never shows.
PEOPLE, ANIMALS = ["students", "pupils", "scholars", "teachers"], ["dogs", "cats", "wolves", "horses"]
DEEDS = ["opened their books", "carried their bags", "wrote their essays", "read their notes"]
HABITS = ["chased their tails", "drank their water", "ate their food", "slept their fill"]
HELD_OUT = [("students", "wrote"), ("pupils", "carried"), ("scholars", "opened")]
LINES = [
    f"{who} {deed}"
    for people, deeds in ((PEOPLE, DEEDS), (ANIMALS, HABITS))
    for who in people
    for deed in deeds
    if (who, deed.split()[0]) not in HELD_OUT
]


def probability(model, *words):
    """p(last word given the ones before) at the beginning of a sentence."""
    *before, word = model.vocabulary.ids(words)
    state = model.advance(model.start(1), np.array([before], dtype=np.int32))
    return float(np.exp(model.log_probs(state)[0, word]))


def test_an_unseen_combination_gets_mass_from_its_neighbours():
    settings = {"order": 3, "embedding_size": 6, "hidden_size": 12}
    window = train_sentences("window", LINES, steps=100, rate=0.02, **settings)
    corpus = Corpus.from_lines(LINES)
    unsmoothed = train_ngram(corpus, order=3, smoothing=Smoothing("mle"))
    smoothed = train_ngram(corpus, order=3, smoothing=Smoothing("witten-bell"))
    for who, deed in HELD_OUT:
        other = next(habit.split()[0] for habit in HABITS)
        unseen, absurd = probability(window, who, deed), probability(window, who, other)
        assert probability(unsmoothed, who, deed) == 0
        # the n-gram backs off to how often the word occurs at all, and thinks as well of what animals do
        assert probability(smoothed, who, deed) < 1.05 * probability(smoothed, who, other)
        assert unseen > 0.1 > 10 * probability(smoothed, who, deed)
        assert unseen > 10 * absurd


@pytest.mark.parametrize(
    ("settings", "message"),
    [
        ({"order": 1}, "order=1: expected a whole number of 2 or more"),
        ({"hidden_size": "many"}, "hidden_size='many': expected a whole number of 1 or more"),
        ({"activation": "step"}, "activation='step': expected one of tanh, sigmoid, relu, gelu"),
        ({"dropout": 1.0}, "dropout=1.0: expected the share to drop, from 0 to below 1"),
    ],
)
def test_refusals(settings, message):
    with pytest.raises(UsageError, match=f"^{re.escape(message)}$"):
        WindowSettings(**settings)


def test_a_window_needs_something_to_fill_its_first_places():
    message = "a window model fills its first windows with <s>, which this vocabulary lacks; add it"
    with pytest.raises(UsageError, match=f"^{re.escape(message)}$"):
        build("window", {}, 10)
