"""The numbers and claims of the lectures on neural models, reproduced from the examples they give."""

import math

import numpy as np
import pytest

from nextword.interfaces.cli import run
from nextword.lm import LM
from nextword.neural.foundations import (
    FeedForward,
    Perceptron,
    binary_cross_entropy,
    cross_entropy,
    gradient_descent,
    one_hot,
)
from nextword.neural.reference import ReferenceModel, ReferenceNetwork, sentences_of, train_reference, training_pairs
from nextword.text.indexing import Indexer

PARK = "I went to the park ."


def trained(lines, *, epochs, hidden_size=16, rate=0.5):
    """The lectures' recurrent model, trained by SGD on a few sentences."""
    indexer = Indexer()
    indexer.read("".join(line + "\n" for line in lines).encode())
    tokens, vocabulary = indexer.finish()
    network = ReferenceNetwork.initial(
        len(vocabulary), embedding_size=8, hidden_size=hidden_size, excluded=vocabulary.bos, seed=1
    )
    train_reference(network, sentences_of(tokens, vocabulary), rate=rate, epochs=epochs)
    return ReferenceModel(network, vocabulary)


@pytest.mark.parametrize(("prediction", "loss"), [([0.2, 0.7, 0.1], "1.609"), ([0.9, 0.05, 0.05], "0.105")])
def test_the_loss_of_apple_banana_orange(prediction, loss):
    """Truth apple: −log 0.2 ≈ 1.609; if ŷ_apple = 0.9, −log 0.9 ≈ 0.105."""
    apple = one_hot(np.array(0), 3)
    assert apple.tolist() == [1, 0, 0]
    assert f"{cross_entropy(np.array(prediction), apple)[0]:.3f}" == loss


def test_the_training_pairs_of_the_park():
    """x (input) and y (output) of <START>I went to the park.<STOP>, as the lecture lists them."""
    pairs = training_pairs(["START", *PARK.split(), "STOP"])
    assert [(" ".join(x), y) for x, y in pairs] == [
        ("START", "I"),
        ("START I", "went"),
        ("START I went", "to"),
        ("START I went to", "the"),
        ("START I went to the", "park"),
        ("START I went to the park", "."),
        ("START I went to the park .", "STOP"),
    ]


def test_next_steps_prints_the_table_of_the_park(tmp_path, capsys):
    """One row for each p(x | START), p(x | START I), …: the likeliest words, the one that came, how likely it was."""
    lines = [PARK, "I went to the store .", "The cat went back .", "They went into the house .", "I think so ."]
    (tmp_path / "text").write_text("\n".join(lines) + "\n")
    model = str(tmp_path / "model")
    options = ["--order", "3", "--smoothing", "mle", "--out", model, "--quiet"]
    assert run(["train", "ngram", str(tmp_path / "text"), *options]) == 0
    assert run(["next", model, PARK, "--steps"]) == 0
    assert capsys.readouterr().out == (
        "after  expected                        token  probability  rank    entropy\n"
        "-----  ------------------------------  -----  -----------  ----  ---------\n"
        "<s>    I 0.600  The 0.200  They 0.200  I         0.600000     1  1.37 bits\n"
        "I      went 0.667  think 0.333         went      0.666667     1  0.92 bits\n"
        "went   to 1.000                        to        1.000000     1  0.00 bits\n"
        "to     the 1.000                       the       1.000000     1  0.00 bits\n"
        "the    park 0.500  store 0.500         park      0.500000     1  1.00 bits\n"
        "park   . 1.000                         .         1.000000     1  0.00 bits\n"
        ".      </s> 1.000                      </s>      1.000000     1  0.00 bits\n"
    )


def test_xor_is_for_layers_of_perceptrons():
    """A perceptron is one line, and no line separates XOR; a feed-forward network of two hidden units learns it."""
    corners, xor = np.array([[0.0, 0], [0, 1], [1, 0], [1, 1]]), np.array([0, 1, 1, 0])
    assert min(Perceptron(np.zeros(2)).learn(corners, xor)) > 0
    network = FeedForward.initial([2, 2, 1], output="sigmoid", seed=3)
    gradient_descent(
        lambda: network.loss_and_gradients(corners, xor[:, None].astype(float), binary_cross_entropy),
        network.parameters,
        rate=1.0,
        steps=500,
    )
    assert network.predict(corners)[:, 0].round().tolist() == xor.tolist()


def test_a_gradient_is_the_sum_over_all_time_steps():
    """∂J⁽ᵗ⁾/∂W_h = Σₖ₌₁ᵗ ∂J⁽ᵗ⁾/∂W_h at step k; under tanh and small weights little of it comes from long ago."""
    network = ReferenceNetwork.initial(6, embedding_size=4, hidden_size=8, seed=3)
    network.parameters["h0"][:] = 0.5  # otherwise W_h has no part in the first step
    tokens = np.array([1, 3, 4, 5, 3, 4, 5, 3, 2])
    unsummed = network.contributions(tokens)  # (T, T, H, H)
    step = 1e-5
    for t in (2, 7):
        slope = np.zeros((8, 8))
        for index in np.ndindex(8, 8):
            for sign in (1, -1):
                network.parameters["W_h"][index] += sign * step
                slope[index] += sign * network.forward(tokens).losses[t] / (2 * step)
                network.parameters["W_h"][index] -= sign * step
        assert unsummed[t].sum(axis=0) == pytest.approx(slope, abs=1e-8)
    from_the_last = network.contribution_norms(tokens)[-1][::-1]
    assert from_the_last[6:].max() < 0.05 * from_the_last[:2].max()


def test_the_same_weights_at_every_step_and_any_length():
    """Design criteria: variable length and shared parameters; and the perplexity of a text is e to the power of J."""
    model = trained(["a b a b a b", "b"], epochs=3)
    network = model.network
    sizes = {name: array.shape for name, array in network.parameters.items()}
    for text in ["", "a", "a b " * 50]:
        ids = np.array([1, *model.vocabulary.ids(text.split()), 2])
        loss, gradients = network.loss_and_gradients(ids)
        assert all(gradient.shape == sizes[name] for name, gradient in gradients.items())
        assert LM(model).perplexity(text + "\n") == pytest.approx(math.exp(loss))


def test_generation_by_repeated_sampling():
    """The lectures' sample: my, favorite, season, is, spring; each drawn word is the next input."""
    model = trained(["my favorite season is spring", "my favorite food is soup"], epochs=60)
    texts = LM(model).generate(samples=30, seed=1, max_tokens=8)
    assert texts.count("my favorite season is spring") > 8
    assert LM(model).generate("my favorite season", temperature=0) == ["my favorite season is spring"]


def test_order_matters_to_a_recurrent_model():
    """The same words in another order mean the opposite, which a bag of words cannot tell."""
    good, bad = "the food was good not bad at all :)", "the food was bad not good at all :("
    assert sorted(good.split()[:-1]) == sorted(bad.split()[:-1])
    model = trained([good, bad], epochs=80)
    for line in (good, bad):
        context, _, mark = line.rpartition(" ")
        assert LM(model).next(context, k=1).words == (mark,)


def test_long_term_memory_is_difficult():
    """France … I speak fluent ___: learnt where one word lies between, still a guess where eight do (they vanish)."""
    for middle, low, high in [("speaks", 0.95, 1.0), ("is where i grew up and i speak", 0.4, 0.6)]:
        lines = [f"france {middle} french", f"spain {middle} spanish"]
        model = trained(lines, epochs=100)
        for line in lines:
            context, _, language = line.rpartition(" ")
            found = LM(model).next(context, k=2)
            probability = dict(zip(found.words, found.probabilities, strict=True))[language]
            assert low <= probability <= high
