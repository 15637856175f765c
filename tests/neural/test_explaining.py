"""Gradients with respect to inputs: finite differences of the embeddings, and backpropagation written out."""

import numpy as np
import pytest

torch = pytest.importorskip("torch")

from neural.fitting import V, tiny  # noqa: E402
from nextword.errors import UsageError  # noqa: E402
from nextword.neural.explaining import input_gradients, random_network, state_gradients  # noqa: E402
from nextword.neural.model import NeuralModel  # noqa: E402
from nextword.neural.reference import ReferenceNetwork  # noqa: E402
from toy import BOS, EOS, toy_vocabulary  # noqa: E402

KINDS = {
    "window": {"order": 4, "embedding_size": 3, "hidden_size": 5},
    "rnn": {"embedding_size": 3, "hidden_size": 5, "layers": 2},
    "gru": {"embedding_size": 3, "hidden_size": 5, "layers": 2},
    "lstm": {"embedding_size": 3, "hidden_size": 5, "layers": 2},
    "transformer": {"embedding_size": 8, "heads": 2, "layers": 2, "context": 12, "tied": False},
    "adaptive": {"embedding_size": 3, "hidden_size": 5, "layers": 1, "adaptive": (3,)},
}
IDS = np.array([3, 4, 5, 6, EOS], dtype=np.int32)  # no id twice, so that to change an embedding is to change an input


def model_of(name, scope="sentence"):
    kind = "lstm" if name == "adaptive" else name
    return NeuralModel(tiny(kind, double=True, **KINDS[name]), toy_vocabulary(V), scope=scope)


def nudged(model, token, column, step):
    """Log-probabilities of IDS when one number of a token's embedding is moved."""
    weight = model.network.get_parameter("embedding.weight")
    with torch.no_grad():
        weight[token, column] += step
        found = model.token_log_probs(IDS[None])[0][0].copy()
        weight[token, column] -= step
    return found


@pytest.mark.parametrize("name", KINDS)
def test_gradients_are_finite_differences(name):
    model = model_of(name)
    found = input_gradients(model, IDS)
    weight = model.network.get_parameter("embedding.weight").detach().numpy()
    gradient = np.zeros((len(IDS), len(IDS), weight.shape[1]))  # prediction, input, column
    for k, token in enumerate([BOS, *IDS[:-1].tolist()]):
        for column in range(weight.shape[1]):
            change = nudged(model, token, column, 1e-6) - nudged(model, token, column, -1e-6)
            gradient[:, k, column] = change / 2e-6
    expected = np.linalg.norm(gradient, axis=2)
    if name != "window":  # there <s> stands in several places, whose norms are joined otherwise than their sum's
        np.testing.assert_allclose(found.norms, expected, atol=1e-7)
    np.testing.assert_allclose(found.norms[:, 1:], expected[:, 1:], atol=1e-7)
    np.testing.assert_allclose(found.products, (gradient * weight[found.read]).sum(axis=2), atol=1e-7)
    np.testing.assert_allclose(found.log_probs, model.token_log_probs(IDS[None])[0][0], atol=1e-12)
    assert found.read.tolist() == [BOS, 3, 4, 5, 6]
    assert (np.triu(found.norms, 1) == 0).all()  # what comes later has no influence


def test_a_window_sees_no_further():
    norms = input_gradients(model_of("window"), IDS).norms
    assert (norms[4, :2] == 0).all() and (norms[4, 2:] > 0).all()


def test_chosen_positions_are_rows_of_all():
    model = model_of("gru")
    whole, some = input_gradients(model, IDS), input_gradients(model, IDS, [3, 1])
    np.testing.assert_array_equal(some.norms, whole.norms[[3, 1]])
    np.testing.assert_array_equal(some.products, whole.products[[3, 1]])
    np.testing.assert_allclose(some.log_probs, whole.log_probs[[3, 1]], atol=1e-12)


def test_a_stream_begins_with_the_end_of_what_was_before():
    assert input_gradients(model_of("lstm", scope="stream"), IDS).read.tolist() == [EOS, 3, 4, 5, 6]


def test_an_elman_network_is_that_of_backpropagation_written_out():
    network = tiny("rnn", double=True, embedding_size=4, hidden_size=5, layers=1)
    weights = {name: weight.detach().numpy() for name, weight in network.named_parameters()}
    reference = ReferenceNetwork(
        {
            "E": weights["embedding.weight"], "W_e": weights["layers.0.inputs.weight"],
            "b1": weights["layers.0.inputs.bias"], "W_h": weights["layers.0.recurrent"],
            "U": weights["output.weight"], "b2": weights["output.bias"], "h0": np.zeros(5),
        },
        excluded=BOS,
    )  # fmt: skip
    tokens = np.array([BOS, 3, 4, 3, 5, EOS])
    unsummed = reference.contributions(tokens, "E")  # (T, T, V, D), of -log p: one row of (V, D) is not 0
    expected = np.linalg.norm(unsummed.sum(axis=2), axis=2)
    model = NeuralModel(network, toy_vocabulary(V), scope="sentence")
    np.testing.assert_allclose(input_gradients(model, tokens[1:]).norms, expected, atol=1e-12)
    np.testing.assert_allclose(state_gradients(network, tokens[:-1], tokens[1:]), expected, atol=1e-12)


def test_more_than_a_context_holds_is_refused():
    model = model_of("transformer")
    with pytest.raises(UsageError) as error:
        input_gradients(model, np.full(13, 3, dtype=np.int32))
    assert str(error.value) == "the text has 13 tokens, and the model looks back on 12; give a shorter one"
    assert input_gradients(model, np.full(12, 3, dtype=np.int32)).norms.shape == (12, 12)


def test_nothing_of_the_model_is_changed():
    model = model_of("lstm")
    before = {name: weight.detach().clone() for name, weight in model.network.named_parameters()}
    input_gradients(model, IDS)
    for name, weight in model.network.named_parameters():
        assert weight.grad is None
        torch.testing.assert_close(weight.detach(), before[name], rtol=0, atol=0)
    assert not model.network.get_submodule("embedding")._forward_hooks


def test_a_random_network_draws_no_one_elses_numbers():
    torch.manual_seed(1)
    expected = torch.rand(3)
    torch.manual_seed(1)
    first, again = (random_network("rnn", vocab_size=5, size=4, scale=s, seed=3) for s in (1.0, 2.0))
    assert torch.equal(torch.rand(3), expected)
    torch.testing.assert_close(again.layers[0].recurrent, 2 * first.layers[0].recurrent)
    torch.testing.assert_close(again.embedding.weight, first.embedding.weight)


def test_a_pretrained_model_has_gradients_too(tmp_path):
    transformers = pytest.importorskip("transformers")
    from nextword.neural.pretrained import PretrainedModel
    from nextword.text.vocabulary import Vocabulary

    torch.manual_seed(0)
    config = transformers.GPT2Config(
        vocab_size=8, n_positions=16, n_embd=8, n_layer=1, n_head=2, bos_token_id=0, eos_token_id=0
    )
    network = transformers.GPT2LMHeadModel(config).double()
    vocabulary = Vocabulary.from_words([*"abcdefgh"], unk=None, bos=None, eos=0)
    model = PretrainedModel(network, vocabulary, first=0)
    ids = np.array([3, 4, 5], dtype=np.int32)
    found = input_gradients(model, ids)
    np.testing.assert_allclose(found.log_probs, model.token_log_probs(ids[None])[0][0], atol=1e-5)
    assert found.read.tolist() == [0, 3, 4]
    assert (np.triu(found.norms, 1) == 0).all() and (np.tril(found.norms) > 0).sum() == 6
