import copy
import re

import numpy as np
import pytest
import torch

from conformance import conforms, reload
from neural.fitting import V, tiny, tiny_model
from nextword import store
from nextword.errors import StoreError, UsageError
from nextword.model import LanguageModel, stepwise_log_probs
from nextword.neural import reading
from nextword.neural.families import FAMILIES, build
from nextword.neural.model import NeuralModel
from nextword.text.vocabulary import Vocabulary
from toy import BOS, EOS, toy_vocabulary

SMALL = {"embedding_size": 4}
CASES = [
    (kind, scope) for kind in FAMILIES for scope in ("sentence", "stream") if (kind, scope) != ("window", "stream")
]


def text(rows, length, *, seed=0, sentences=0.3):
    """Ids with </s> now and then, (rows, length)."""
    random = np.random.default_rng(seed)
    ids = random.choice([0, 3, 4, 5, 6], size=(rows, length))
    return np.where(random.random((rows, length)) < sentences, EOS, ids).astype(np.int32)


def settings_of(kind):
    return SMALL | ({"heads": 2, "layers": 2, "context": 6} if kind == "transformer" else {"hidden_size": 5})


@pytest.mark.parametrize(("kind", "scope"), CASES)
def test_rows_of_many_sentences_in_small_pieces(kind, scope, monkeypatch):
    monkeypatch.setattr(reading, "_CELLS", 16)  # so that rows are cut, and sentences fall into several batches
    model = tiny_model(kind, scope=scope, double=True, **settings_of(kind))
    assert isinstance(model, LanguageModel)
    tokens = text(3, 40)
    tokens[1, 25:] = tokens[2] = -1
    before = model.advance(model.start(3), text(3, 5, seed=1, sentences=0.0))
    for state in (None, before):
        expected, stepped = stepwise_log_probs(model, tokens, state)
        found, after = model.token_log_probs(tokens, state)
        np.testing.assert_allclose(found, expected, atol=1e-12)
        np.testing.assert_allclose(model.log_probs(after), model.log_probs(stepped), atol=1e-12)
    conforms(model, tokens=[row[row >= 0] for row in tokens], tolerance=1e-9)


@pytest.mark.parametrize(("kind", "scope"), CASES)
def test_hidden_states_are_those_that_predicted_each_token(kind, scope):
    model = tiny_model(kind, scope=scope, double=True, **settings_of(kind))
    tokens = text(2, 12)
    tokens[1, 7:] = -1
    scores, hidden, after = model.token_log_probs_and_hidden(tokens)
    np.testing.assert_array_equal(scores, model.token_log_probs(tokens)[0])
    state = model.start(2)
    for t in range(12):
        real = tokens[:, t] >= 0
        np.testing.assert_allclose(hidden[real, t], model.hidden(state)[real], atol=1e-12)
        state = model.advance(state, tokens[:, t : t + 1])
    np.testing.assert_allclose(model.hidden(after), model.hidden(state), atol=1e-12)
    with torch.no_grad():
        again = model.network.output.log_probs(torch.from_numpy(hidden[0])).numpy()
    np.testing.assert_allclose(np.take_along_axis(again, tokens[0][:, None], axis=1)[:, 0], scores[0], atol=1e-12)


@pytest.mark.parametrize("kind", FAMILIES)
def test_what_is_saved_and_what_comes_back(kind):
    model = tiny_model(kind, **settings_of(kind))
    again = reload(model)
    assert (again.kind, again.scope, again.settings) == (kind, "sentence", model.settings)
    assert again.network.settings == model.network.settings
    for name, array in model.arrays().items():
        assert array.dtype == np.float32
        np.testing.assert_array_equal(again.arrays()[name], array)
    assert not again.network.training
    np.testing.assert_array_equal(again.embeddings(), model.embeddings())
    assert again.embeddings().shape == (V, 4)


def test_a_tied_weight_is_stored_once():
    model = tiny_model("transformer", **settings_of("transformer"))
    assert "output.weight" not in model.arrays()
    again = NeuralModel.from_arrays(model.parameters(), model.arrays(), model.vocabulary)
    assert again.network.output.weight is again.network.embedding.weight


def test_loading_draws_no_random_numbers():
    model = tiny_model("lstm", hidden_size=5, **SMALL)
    before = torch.random.get_rng_state()
    NeuralModel.from_arrays(model.parameters(), model.arrays(), model.vocabulary)
    assert torch.equal(torch.random.get_rng_state(), before)


def test_a_model_of_bfloat16_answers_in_float32():
    model = NeuralModel(tiny("gru", hidden_size=5, **SMALL).bfloat16(), toy_vocabulary(V), scope="stream")
    assert model.log_probs(model.start(2)).dtype == np.float32
    assert all(array.dtype == np.float32 for array in model.arrays().values())


def test_training_may_go_on_after_a_model_was_measured():
    model = tiny_model("lstm", hidden_size=5, scope="stream", **SMALL)
    model.token_log_probs(text(2, 5))
    network = model.network.train()
    hidden, _ = network(torch.from_numpy(text(2, 5)).long(), network.initial_state(2))
    network.output.loss(hidden.flatten(0, 1), torch.full((10,), 3)).backward()
    assert all(weight.grad is not None for weight in network.parameters())


def test_nothing_to_read():
    for kind, scope in CASES:
        model = tiny_model(kind, scope=scope, **settings_of(kind))
        none = np.zeros((2, 0), dtype=np.int32)
        scores, state = model.token_log_probs(none)
        assert scores.shape == (2, 0)
        np.testing.assert_array_equal(model.log_probs(state), model.log_probs(model.start(2)))
        assert model.token_log_probs(np.zeros((0, 4), dtype=np.int32))[0].shape == (0, 4)


def test_what_it_says_of_itself():
    model = tiny_model("lstm", hidden_size=5, **SMALL)
    size = sum(array.size for array in model.arrays().values())
    assert repr(model) == f"NeuralModel(lstm, sentence, 7 words, {size} parameters)"


def refusal(message):
    return pytest.raises(UsageError, match=f"^{re.escape(message)}$")


def test_refusals():
    network = tiny("lstm", hidden_size=5, **SMALL)
    with refusal("the network predicts 7 ids, but the vocabulary has 9: take the vocabulary that it was trained with"):
        NeuralModel(network, toy_vocabulary(9), scope="stream")
    with refusal("scope='text': expected 'sentence' or 'stream'"):
        NeuralModel(network, toy_vocabulary(V), scope="text")
    with refusal("a window model forgets at </s>: its scope is 'sentence', not 'stream'"):
        tiny_model("window", scope="stream", **SMALL)
    words = Vocabulary.from_words(list("abcdefg"), unk=None, bos=None, eos=None)
    with refusal("the network never predicts id 1, but <s> is id None: take the vocabulary that it was trained with"):
        NeuralModel(network, words, scope="stream")
    with refusal("a neural model of scope 'stream' begins after <s> or </s>, which this vocabulary lacks"):
        NeuralModel(build("lstm", {}, V, None), words, scope="stream")
    with refusal("the kind 'rnm' is unknown, expected one of window, rnn, gru, lstm, transformer"):
        build("rnm", {}, V, BOS)
    with refusal(
        "a window has no setting 'layers', expected some of activation, adaptive, direct, dropout, embedding_size, "
        "hidden_size, order"
    ):
        build("window", {"layers": 2}, V, BOS)


def test_arrays_that_do_not_fit():
    model = tiny_model("lstm", hidden_size=5, **SMALL)
    arrays = model.arrays()
    for changed, message in (
        (
            arrays | {"output.bias": arrays["output.bias"][:3]},
            "'output.bias' of this lstm has shape (3,), expected (7,)",
        ),
        ({name: array for name, array in arrays.items() if name != "output.bias"}, "has shape None, expected (7,)"),
        (arrays | {"more": arrays["output.bias"]}, "'more' of this lstm has shape (7,), expected None"),
    ):
        with pytest.raises(UsageError, match=re.escape(f"{message}; train or copy the model again") + "$"):
            NeuralModel.from_arrays(model.parameters(), changed, model.vocabulary)


def test_a_directory_whose_parts_do_not_fit_is_refused_by_name(tmp_path):
    class Other(NeuralModel):
        def parameters(self):
            return super().parameters() | {"settings": {"cell": "lstm", "hidden_size": 6, "embedding_size": 4}}

    network = tiny("lstm", hidden_size=5, **SMALL)
    store.save(tmp_path / "model", Other(network, toy_vocabulary(V), scope="stream"))
    with pytest.raises(
        StoreError, match=r"model: its parts do not fit together: the array '.*' of this lstm has shape"
    ):
        store.load(tmp_path / "model")


def test_models_can_be_copied():
    model = tiny_model("lstm", scope="stream", hidden_size=5, **SMALL)
    model.token_log_probs(text(2, 5))
    conforms(copy.deepcopy(model), tolerance=1e-4, reloaded=False)


@pytest.mark.parametrize(("kind", "scope"), CASES)
def test_distributions_are_those_before_each_token(kind, scope, monkeypatch):
    """As stepping gives them, a few tokens at a time, on from a state and over the ends of sentences."""
    monkeypatch.setattr("nextword.neural.model._LOGITS", 3 * 4 * V)
    model, tokens = tiny_model(kind, scope=scope, double=True, **settings_of(kind)), text(3, 14)
    tokens[1, 9:] = tokens[2, 2:] = -1
    state = begin = model.advance(model.start(3), text(3, 4, seed=1))
    parts = list(model.distributions(tokens, begin))
    assert [rows.shape for rows, _ in parts] == [(3, n, V) for n in (4, 4, 4, 2)]
    found = np.concatenate([rows for rows, _ in parts], axis=1)
    for t in range(tokens.shape[1]):
        reading = tokens[:, t] >= 0
        np.testing.assert_allclose(found[reading, t], model.log_probs(state)[reading], atol=1e-9)
        state = model.advance(state, tokens[:, t, None])
    np.testing.assert_allclose(model.log_probs(parts[-1][1]), model.log_probs(state), atol=1e-9)
    assert list(model.distributions(tokens[:0], model.start(0))) == []
