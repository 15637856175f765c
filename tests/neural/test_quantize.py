"""Weights in fewer bits, by the bound on each weight's error and by what a model says."""

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from hypothesis.extra.numpy import arrays

torch = pytest.importorskip("torch")

import nextword  # noqa: E402
from conformance import conforms, reload  # noqa: E402
from nextword import store  # noqa: E402
from nextword.errors import UsageError  # noqa: E402
from nextword.neural.families import build  # noqa: E402
from nextword.neural.model import NeuralModel  # noqa: E402
from nextword.neural.quantize import compress, expand, quantize  # noqa: E402
from toy import BigramTable, toy_vocabulary  # noqa: E402

numbers = st.floats(-1e6, 1e6, width=32).map(lambda x: x if abs(x) > 1e-30 else 0.0)
matrices = arrays(np.float32, st.tuples(st.integers(1, 4), st.integers(1, 6)), elements=numbers)


def a_model(kind="lstm", size=16, words=40):
    vocabulary = toy_vocabulary(words)
    torch.manual_seed(1)
    sizes = {"heads": 2, "layers": 1, "context": 16} if kind == "transformer" else {"hidden_size": size}
    network = build(kind, {"embedding_size": size} | sizes, words, vocabulary.bos)
    return NeuralModel(network, vocabulary, scope="sentence" if kind == "window" else "stream")


@given(matrices)
def test_int8_is_wrong_by_half_a_scale(array):
    stored = compress({"w": array}, "int8")
    assert (stored["w:int8"].dtype, stored["w:scale"].dtype) == (np.int8, np.float32)
    scales = stored["w:scale"].astype(np.float64)[:, None]
    largest = np.abs(array).max(axis=1, keepdims=True)
    np.testing.assert_allclose(scales, largest / 127, rtol=2**-15)
    _, found = expand(stored)
    assert (np.abs(found["w"] - array) <= 0.5 * scales * (1 + 1e-6)).all()
    assert (np.abs(stored["w:int8"]).max(axis=1)[largest[:, 0] > 0] == 127).all()


@given(matrices)
def test_bfloat16_is_pytorchs(array):
    _, found = expand(compress({"w": array}, "bfloat16"))
    np.testing.assert_array_equal(found["w"], torch.from_numpy(array).bfloat16().float().numpy())


@given(matrices, st.sampled_from(["int8", "bfloat16", "float32"]))
def test_what_was_expanded_is_compressed_without_loss(array, to):
    stored = compress({"w": array, "b": array[0]}, to)
    _, once = expand(stored)
    again = compress(once, to)
    assert list(again) == list(stored)
    _, twice = expand(again)
    for name in once:
        np.testing.assert_array_equal(twice[name], once[name])


def test_vectors_stay():
    gain = np.ones(3, dtype=np.float32)
    assert compress({"gain": gain}, "int8") == {"gain": gain}


@pytest.mark.parametrize("to", ["int8", "bfloat16"])
@pytest.mark.parametrize("kind", ["window", "rnn", "gru", "lstm", "transformer"])
def test_it_is_a_language_model_as_before(kind, to):
    model = a_model(kind)
    small = quantize(model, to)
    conforms(small, tolerance=1e-4)
    assert (small.kind, small.stored_as, reload(small).stored_as) == (kind, to, to)
    tokens = np.arange(3, 19, dtype=np.int32)[None]
    expected, _ = model.token_log_probs(tokens)
    found, _ = small.token_log_probs(tokens)
    assert 0 < abs(found - expected).max() < 0.05


@pytest.mark.parametrize(("to", "share"), [("int8", 0.27), ("bfloat16", 0.51)])
def test_it_takes_a_quarter_or_half_of_the_bytes(tmp_path, to, share):
    model = a_model(size=128, words=2000)
    sizes = []
    for name, lm in (("whole", model), ("small", quantize(model, to))):
        nextword.LM(lm).save(tmp_path / name)
        (weights,) = (tmp_path / name).glob("weights-*")
        sizes.append(weights.stat().st_size)
    assert sizes[1] < share * sizes[0]


@pytest.mark.parametrize(
    ("model", "to", "message"),
    [
        (lambda: a_model(), "int4", "weights of type 'int4': expected one of float32, bfloat16, int8"),
        (
            lambda: quantize(a_model(), "int8"),
            "bfloat16",
            "the model's weights are int8 already; quantise the model they came from",
        ),
    ],
)
def test_what_cannot_be_quantised(model, to, message):
    with pytest.raises(UsageError) as caught:
        quantize(model(), to)
    assert str(caught.value) == message


def test_a_model_without_a_network():
    model = BigramTable()
    model.kind = "ngram"
    with pytest.raises(UsageError) as caught:
        quantize(model, "int8")
    assert str(caught.value) == "a ngram model has no network to quantise; give a neural model"


def test_scales_that_do_not_fit():
    stored = compress({"w": np.ones((2, 3), dtype=np.float32)}, "int8")
    with pytest.raises(UsageError) as caught:
        expand(stored | {"w:scale": np.ones(3, dtype=np.float32)})
    assert str(caught.value) == "the array 'w:int8' has no scale for each of its rows; quantise the model again"


class TestCommands:
    @pytest.fixture
    def directory(self, tmp_path):
        nextword.LM(a_model()).save(tmp_path / "lstm")
        return tmp_path

    def run(self, *arguments):
        from nextword.interfaces.cli import run

        return run([str(argument) for argument in arguments])

    def test_quantize(self, directory, capsys):
        assert self.run("quantize", directory / "lstm", "--out", directory / "small") == 0
        size = store.size(directory / "small")
        assert capsys.readouterr().err == f"wrote {directory}/small: {size:,} bytes\n"
        assert nextword.load(directory / "small").model.stored_as == "int8"

    def test_quantize_refuses(self, directory, capsys):
        corpus = nextword.Corpus.from_text("a b\n")
        nextword.train(corpus, order=1, smoothing="laplace").save(directory / "ngram")
        for model, option, owner, kind in (
            ("ngram", ["--to", "int8"], "to: for neural models", "ngram"),
            ("lstm", ["--bits", "8", "--layout", "hash"], "layout, bits: for n-gram models", "lstm"),
        ):
            assert self.run("quantize", directory / model, "--out", directory / "small", *option) == 2
            expected = f"{directory}/{model}: {owner}, and this is a model of kind {kind}; leave it out\n"
            assert capsys.readouterr().err.endswith(f"nextword: {expected}")

    def test_convert_to_onnx(self, directory, capsys):
        pytest.importorskip("onnx")
        assert self.run("convert", directory / "lstm", directory / "lstm.onnx") == 0
        assert capsys.readouterr().err == f"wrote {directory}/lstm.onnx\n"
        assert (directory / "lstm.onnx").stat().st_size > 4 * 40 * 16
