"""The recurrent model from scratch: against autograd, finite differences, and the promises of a language model."""

import numpy as np
import pytest

from conformance import conforms
from nextword.errors import UsageError
from nextword.neural.foundations import ACTIVATIONS
from nextword.neural.reference import ReferenceModel, ReferenceNetwork, clipped, sentences_of, train_reference
from nextword.tasks.next import next_tokens
from nextword.text.indexing import Indexer
from nextword.text.vocabulary import Vocabulary
from toy import BOS, toy_vocabulary

TOKENS = np.array([1, 4, 0, 3, 3, 5, 2], dtype=np.int32)
V = 6


def tiny(activation="tanh", *, start=0.3, excluded=None, seed=2):
    """A network with no zeros in it, so that every gradient is of some size."""
    network = ReferenceNetwork.initial(
        V, embedding_size=3, hidden_size=4, activation=activation, learned_start=True, excluded=excluded, seed=seed
    )
    random = np.random.default_rng(seed + 1)
    for name in ("b1", "b2", "h0"):
        network.parameters[name] += start * random.normal(size=network.parameters[name].shape)
    return network


def autograd(network, tokens):
    """The same equations in PyTorch: loss, gradients, and the gradient of each loss at each step's own copy of W_h."""
    torch = pytest.importorskip("torch")
    act = {"identity": lambda z: z, "gelu": torch.nn.functional.gelu}.get(network.activation) or getattr(
        torch, network.activation
    )
    p = {name: torch.tensor(array, requires_grad=True) for name, array in network.parameters.items()}
    time = len(tokens) - 1
    copies = [p["W_h"].detach().clone().requires_grad_() for _ in range(time)]
    ids = torch.tensor(tokens.astype(np.int64))

    def losses(recurrent):
        h, out = p["h0"], []
        for t in range(time):
            h = act(recurrent[t] @ h + p["W_e"] @ p["E"][ids[t]] + p["b1"])
            logits = p["U"] @ h + p["b2"]
            if network.excluded is not None:
                logits = logits.index_fill(0, torch.tensor([network.excluded]), -torch.inf)
            out.append(-torch.log_softmax(logits, 0)[ids[t + 1]])
        return torch.stack(out)

    mean = losses([p["W_h"]] * time).mean()
    mean.backward()
    unsummed = []
    for loss in losses(copies):
        row = torch.autograd.grad(loss, copies, retain_graph=True, allow_unused=True)
        unsummed.append([torch.zeros_like(p["W_h"]) if g is None else g for g in row])
    stacked = np.stack([np.stack([g.numpy() for g in row]) for row in unsummed])
    return mean.item(), {name: tensor.grad.numpy() for name, tensor in p.items()}, stacked


@pytest.mark.parametrize("activation", ACTIVATIONS)
@pytest.mark.parametrize("excluded", [None, BOS])
def test_loss_and_every_gradient_agree_with_autograd(activation, excluded):
    network = tiny(activation, excluded=excluded)
    expected, expected_gradients, expected_unsummed = autograd(network, TOKENS)
    loss, gradients = network.loss_and_gradients(TOKENS)
    assert loss == network.loss(TOKENS) == pytest.approx(expected, abs=1e-12)
    assert set(gradients) == set(expected_gradients)
    for name, gradient in gradients.items():
        assert gradient == pytest.approx(expected_gradients[name], abs=1e-12), name
    assert network.contributions(TOKENS) == pytest.approx(expected_unsummed, abs=1e-12)


@pytest.mark.parametrize("activation", ["tanh", "sigmoid", "relu", "gelu"])
@pytest.mark.parametrize("learned_start", [False, True])
def test_it_is_the_twin_of_the_recurrent_network(activation, learned_start):
    """The fast network of one layer, with the same weights: its loss, and every gradient, to 1e-6."""
    torch = pytest.importorskip("torch")
    from nextword.neural.families import build

    twin = tiny(activation, excluded=BOS)
    settings = {"embedding_size": 3, "hidden_size": 4, "layers": 1, "dropout": 0.0, "cell": "rnn"}
    settings |= {"activation": activation, "learned_start": learned_start}
    network = build("rnn", settings, V, BOS).double()
    mine = {"E": network.embedding.weight, "U": network.output.weight, "b2": network.output.bias}
    mine |= {"W_h": network.layers[0].recurrent, "W_e": network.layers[0].inputs.weight}
    mine |= {"b1": network.layers[0].inputs.bias} | ({"h0": network.starts[0]} if learned_start else {})
    if not learned_start:
        twin.parameters["h0"][:] = 0
    assert len(mine) == len(list(network.parameters()))
    with torch.no_grad():
        for name, parameter in mine.items():
            parameter.copy_(torch.from_numpy(twin.parameters[name]))
    ids = torch.from_numpy(TOKENS.astype(np.int64))[None]
    hidden, _ = network(ids[:, :-1], network.initial_state(1))
    loss = network.output.loss(hidden[0], ids[0, 1:]) / (len(TOKENS) - 1)
    loss.backward()
    expected, gradients = twin.loss_and_gradients(TOKENS)
    assert loss.item() == pytest.approx(expected, abs=1e-6)
    assert hidden[0].detach().numpy() == pytest.approx(twin.forward(TOKENS).hidden[1:], abs=1e-6)
    for name, parameter in mine.items():
        assert parameter.grad.numpy() == pytest.approx(gradients[name], abs=1e-6), name


@pytest.mark.parametrize("activation", ["sigmoid", "tanh", "gelu"])
def test_every_gradient_agrees_with_finite_differences(activation):
    network, step = tiny(activation), 1e-5
    _, gradients = network.loss_and_gradients(TOKENS)
    for name, array in network.parameters.items():
        for index in np.ndindex(array.shape):
            kept, values = array[index], []
            for sign in (1, -1):
                array[index] = kept + sign * step
                values.append(network.loss(TOKENS))
            array[index] = kept
            assert gradients[name][index] == pytest.approx((values[0] - values[1]) / (2 * step), abs=1e-9)


def test_a_gradient_is_the_sum_of_its_contributions():
    """∂J/∂θ = Σₖ (∂J/∂θ at step k), and ∂Jₜ/∂θ = Σₖ (∂Jₜ/∂θ at step k): the lectures' identity, for every parameter."""
    network = tiny()
    _, gradients = network.loss_and_gradients(TOKENS)
    steps = network.step_gradients(TOKENS)
    assert set(steps) == set(gradients) == set(network.parameters)
    for name, gradient in gradients.items():
        assert steps[name].shape == (6, *gradient.shape)
        assert steps[name].sum(axis=0) == pytest.approx(gradient, abs=1e-15)
        unsummed = network.contributions(TOKENS, name)  # (T, T, …)
        assert unsummed.shape == (6, 6, *gradient.shape)
        assert unsummed.mean(axis=0) == pytest.approx(steps[name], abs=1e-15)
        assert not unsummed[np.triu_indices(6, 1)].any()  # no loss depends on a later step


def test_the_norms_are_those_of_the_contributions():
    network = tiny()
    norms, unsummed = network.contribution_norms(TOKENS), network.contributions(TOKENS)
    assert norms.shape == (6, 6)
    assert norms[4, 2] == pytest.approx(np.linalg.norm(unsummed[4, 2]))


TIME = 40


def last_loss(w_h, activation, name="W_h"):
    """How much the last loss of 40 teaches a parameter at each step: the norm of ∂J₄₀/∂θ at step k, (T,)."""
    size, random = len(w_h), np.random.default_rng(0)
    network = ReferenceNetwork.initial(V, embedding_size=3, hidden_size=size, activation=activation, seed=1)
    network.parameters["W_h"][:] = w_h
    network.parameters["h0"][:] = random.normal(size=size)
    return network.contribution_norms(random.integers(0, V, TIME + 1), name)[-1]


@pytest.mark.parametrize("gain", [0.8, 1.0, 1.2])
def test_the_exact_law_of_a_linear_network(gain):
    """With f the identity and W_h a rotation times g, ‖∂J_t/∂z_k‖ = gᵗ⁻ᵏ ‖∂J_t/∂z_t‖, and z_k adds to b₁ as it is."""
    rotation, _ = np.linalg.qr(np.random.default_rng(5).normal(size=(4, 4)))
    norms = last_loss(gain * rotation, "identity", name="b1")
    assert norms / norms[-1] == pytest.approx(gain ** np.arange(TIME - 1, -1, -1), rel=1e-9)


def test_gradients_vanish_under_a_contraction_and_explode_under_an_expansion():
    """‖∂h_t/∂h_k‖ ≤ (‖W_h‖ max f')ᵗ⁻ᵏ (Pascanu et al. 2013): largest singular values of 0.9 and of far above 1."""
    random = np.random.default_rng(0).normal(size=(32, 32))
    vanishing = last_loss(0.9 * random / np.linalg.norm(random, 2), "tanh")
    deltas = last_loss(0.9 * random / np.linalg.norm(random, 2), "tanh", "b1")
    assert vanishing[0] < 1e-6 * vanishing[-1]
    assert (deltas[:-1] <= 0.9 * deltas[1:]).all()
    exploding = last_loss(5 * random / 32**0.5, "tanh")
    assert exploding[0] > 1e6 * exploding[-1]


def test_sigmoid_units_let_gradients_vanish_even_under_an_expansion():
    """σ' is at most 1/4, so a matrix under which tanh units explode is too small for sigmoid ones."""
    w_h = 3 * np.random.default_rng(0).normal(size=(32, 32)) / 32**0.5
    sigmoid, tanh = last_loss(w_h, "sigmoid"), last_loss(w_h, "tanh")
    assert sigmoid[0] < 1e-6 * sigmoid[-1]
    assert tanh[0] > 1e3 * tanh[-1]


def test_clipping_keeps_the_direction():
    gradients = {"a": np.array([3.0]), "b": np.array([[4.0]])}
    assert clipped(gradients, 5.0) is gradients
    short = clipped(gradients, 1.0)
    assert (short["a"].tolist(), short["b"].tolist()) == ([pytest.approx(0.6)], [[pytest.approx(0.8)]])


def text_ids(lines):
    indexer = Indexer()
    indexer.read("".join(line + "\n" for line in lines).encode())
    return indexer.finish()


def test_sentences_of_a_stream():
    tokens, vocabulary = text_ids(["a b", "", "b"])
    words = [[vocabulary.word(int(i)) for i in sentence] for sentence in sentences_of(tokens, vocabulary)]
    assert words == [["<s>", "a", "b", "</s>"], ["<s>", "</s>"], ["<s>", "b", "</s>"]]
    assert tokens[0] == vocabulary.eos  # the stream itself is untouched


@pytest.mark.parametrize("learned_start", [False, True])
def test_training_learns_what_only_an_earlier_word_tells(learned_start):
    """The last word repeats the first, two words before: a bigram model cannot know it."""
    lines = ["a x y a", "b x y b", "c x y c"]
    tokens, vocabulary = text_ids(lines)
    network = ReferenceNetwork.initial(
        len(vocabulary), embedding_size=8, hidden_size=16, learned_start=learned_start, excluded=vocabulary.bos
    )
    history = train_reference(network, sentences_of(tokens, vocabulary), rate=0.5, epochs=80)
    assert history[-1] < 0.35 < history[0]  # only the first word is left to guess: log 3 / 5 tokens = 0.22
    assert network.parameters["h0"].any() == learned_start
    model = ReferenceModel(network, vocabulary)
    for line in lines:
        *context, last = line.split()
        found = next_tokens(model, vocabulary.ids(context), k=1)
        assert found.words == (last,)
        assert found.probabilities[0] > 0.9


@pytest.mark.parametrize("seed", range(3))
def test_it_is_a_language_model(seed):
    model = ReferenceModel(tiny(excluded=BOS, seed=seed), toy_vocabulary(V))
    conforms(model, seed=seed, reloaded=False)


def test_its_log_probs_are_the_losses():
    model = ReferenceModel(tiny(excluded=BOS), toy_vocabulary(V))
    log_probs, _ = model.token_log_probs(TOKENS[None, 1:])
    assert -log_probs[0] == pytest.approx(model.network.forward(TOKENS).losses)


@pytest.mark.parametrize("tokens", [[3], [[1, 3], [1, 4]]])
def test_a_sequence_has_two_tokens(tokens):
    with pytest.raises(UsageError) as caught:
        tiny().loss(np.array(tokens))
    shape = np.shape(tokens)
    assert str(caught.value) == f"a sequence of shape {shape}: expected one row of two tokens or more, (1 + T,)"


def test_sentences_need_their_ends():
    vocabulary = Vocabulary.from_words(["a"], unk=None, bos=None, eos=None)
    with pytest.raises(UsageError) as caught:
        sentences_of(np.zeros(3, dtype=np.int32), vocabulary)
    expected = "sentences stand between <s> and </s>, which this vocabulary lacks; train on another's ids"
    assert str(caught.value) == expected
