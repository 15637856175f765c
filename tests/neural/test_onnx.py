"""ONNX graphs run by onnxruntime against the models that they were made of, token by token and at once."""

import json

import numpy as np
import pytest

torch = pytest.importorskip("torch")
onnx = pytest.importorskip("onnx")
onnxruntime = pytest.importorskip("onnxruntime")

from nextword.errors import UsageError  # noqa: E402
from nextword.neural.families import build  # noqa: E402
from nextword.neural.model import NeuralModel  # noqa: E402
from nextword.neural.onnx import write_onnx  # noqa: E402
from toy import BigramTable, toy_vocabulary  # noqa: E402

SMALL = {"embedding_size": 8, "hidden_size": 6, "layers": 2}
CASES = {
    "window": ("window", {"order": 4, "embedding_size": 5, "hidden_size": 6}),
    "window of one": ("window", {"order": 2, "embedding_size": 5, "hidden_size": 6, "activation": "relu"}),
    "direct": ("window", {"order": 3, "embedding_size": 5, "hidden_size": 6, "direct": True, "activation": "gelu"}),
    "rnn": ("rnn", SMALL | {"activation": "gelu"}),
    "rnn, sigmoid": ("rnn", SMALL | {"activation": "sigmoid", "learned_start": True}),
    "gru": ("gru", SMALL),
    "lstm": ("lstm", SMALL),
    "tied": ("lstm", SMALL | {"tied": True, "learned_start": True}),
    "adaptive": ("lstm", SMALL | {"adaptive": (5, 8)}),
    "rotary": ("transformer", {"layers": 2, "heads": 2, "embedding_size": 8, "context": 32}),
    "learned": ("transformer", {"layers": 1, "heads": 2, "embedding_size": 8, "context": 32, "positions": "learned"}),
}
WORDS = 12


def a_model(kind, settings, scope=None):
    vocabulary = toy_vocabulary(WORDS)
    torch.manual_seed(0)
    network = build(kind, settings, WORDS, vocabulary.bos)
    with torch.no_grad():
        for weight in network.parameters():
            weight.add_(torch.randn_like(weight) / 2)
    return NeuralModel(network, vocabulary, scope=scope or ("sentence" if kind == "window" else "stream"))


class Session:
    """A graph and the states that it carries, as a program without nextword would use it."""

    def __init__(self, path, batch):
        self.session = onnxruntime.InferenceSession(path, providers=["CPUExecutionProvider"])
        self.metadata = self.session.get_modelmeta().custom_metadata_map
        starts = json.loads(self.metadata["start"])
        self.states = [self.start(info, start, batch) for info, start in zip(self.inputs, starts, strict=True)]

    @property
    def inputs(self):
        return self.session.get_inputs()[1:]

    def start(self, info, start, batch):
        dtype = np.int64 if "int64" in info.type else np.float32
        if len(info.shape) == 4:
            return np.zeros((batch, info.shape[1], 0, info.shape[3]), dtype)
        return np.tile(np.array(start, dtype), (batch, 1))

    def read(self, tokens):
        given = {info.name: state for info, state in zip(self.inputs, self.states, strict=True)}
        log_probs, *self.states = self.session.run(None, {"tokens": np.asarray(tokens, dtype=np.int64)} | given)
        return log_probs


@pytest.mark.parametrize("case", CASES)
def test_the_graph_is_the_model(case, tmp_path):
    model = a_model(*CASES[case])
    path = tmp_path / "model.onnx"
    write_onnx(model, path)
    onnx.checker.check_model(str(path), full_check=True)
    for batch in (1, 3):
        tokens = np.random.default_rng(batch).integers(3, WORDS, (batch, 7)).astype(np.int32)
        session = Session(path, batch)
        first = int(session.metadata["first"])
        found = [session.read(np.full((batch, 1), first))[:, -1]]
        found += [session.read(tokens[:, t : t + 1])[:, -1] for t in range(4)]
        found += list(session.read(tokens[:, 4:]).transpose(1, 0, 2))
        state = model.start(batch)
        for t, log_probs in enumerate(found):
            np.testing.assert_allclose(log_probs, model.log_probs(state), atol=1e-4)
            assert np.isneginf(log_probs[:, model.vocabulary.bos]).all()
            if t < 7:
                state = model.advance(state, tokens[:, t : t + 1])


def test_metadata(tmp_path):
    write_onnx(a_model("lstm", SMALL), tmp_path / "m.onnx")
    metadata = Session(tmp_path / "m.onnx", 1).metadata
    assert {name: metadata[name] for name in ("kind", "scope", "context_length", "first", "unk", "bos", "eos")} == {
        "kind": "lstm", "scope": "stream", "context_length": "null", "first": "2", "unk": "0", "bos": "1", "eos": "2",
    }  # fmt: skip
    assert json.loads(metadata["words"])[:4] == ["<unk>", "<s>", "</s>", "a"]


def test_a_large_vocabulary_stays_outside(tmp_path, monkeypatch):
    monkeypatch.setattr("nextword.neural.onnx._WORDS_LIMIT", 10)
    write_onnx(a_model("lstm", SMALL), tmp_path / "m.onnx")
    assert "words" not in Session(tmp_path / "m.onnx", 1).metadata


def test_other_models_have_no_onnx_form(tmp_path):
    model = BigramTable()
    model.kind = "ngram"
    with pytest.raises(UsageError) as caught:
        write_onnx(model, tmp_path / "m.onnx")
    assert str(caught.value) == ("a ngram model has no ONNX form; only window, rnn, gru, lstm, transformer models have")
    assert not list(tmp_path.iterdir())
