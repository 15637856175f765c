"""Hidden units: aligned with their tokens, equal to stepping, correlated as NumPy and SciPy say."""

import numpy as np
import pytest

from nextword.errors import TextError, UsageError
from nextword.tasks.explain import units
from nextword.tasks.explain.units import by_strength, chance_level, correlations, hidden_units, part_names
from nextword.text.pipeline import Pipeline
from nextword.text.spelling import CharTokenizer
from nextword.text.tokenize import make_tokenizer
from toy import EOS, BigramTable

TEXT = "a b a\nd zz\n"
TOKENS = ["a", "b", "a", "</s>", "d", "zz", "</s>"]
KINDS = [
    ("window", "sentence", {"order": 3, "embedding_size": 4, "hidden_size": 5}),
    ("rnn", "stream", {"embedding_size": 4, "hidden_size": 5, "layers": 2}),
    ("gru", "sentence", {"embedding_size": 4, "hidden_size": 5, "layers": 1}),
    ("lstm", "stream", {"embedding_size": 4, "hidden_size": 5, "layers": 2}),
    ("lstm", "sentence", {"embedding_size": 4, "hidden_size": 5, "layers": 2, "learned_start": True}),
    ("transformer", "stream", {"embedding_size": 8, "context": 4, "layers": 2, "heads": 2}),
]


def model(kind, scope, settings):
    pytest.importorskip("torch")
    from neural.fitting import tiny_model

    return tiny_model(kind, scope=scope, **settings)


@pytest.mark.parametrize(("kind", "scope", "settings"), KINDS)
def test_a_unit_is_what_stepping_leaves_after_each_token(kind, scope, settings):
    lm = model(kind, scope, settings)
    found = hidden_units(lm, Pipeline(), TEXT)
    assert found.text.tokens == TOKENS
    assert found.text.texts == ["a", "b", "a", "\n", "d", "zz", "\n"]
    assert found.values.dtype == np.float32
    state, layers = lm.start(1), [hidden_units(lm, Pipeline(), TEXT, part=part).values for part in part_names(lm)[1:]]
    last = {"lstm": -2}.get(kind, -1)  # of the state's parts, the one that is ``hidden`` itself
    for t, (token, row) in enumerate(zip(TOKENS, found.values, strict=True)):
        state = lm.advance(state, lm.vocabulary.ids([token])[None] if token != "</s>" else np.array([[EOS]]))
        assert row == pytest.approx(lm.hidden(state)[0], abs=1e-5)
        if layers or kind in ("rnn", "gru", "lstm"):
            parts = [part[0].numpy() for part in state.network]
            assert row == pytest.approx(parts.pop(last), abs=1e-5)
            assert [values[t] for values in layers] == [pytest.approx(part, abs=1e-5) for part in parts]


def test_the_parts_of_an_lstm_are_those_of_its_equations():
    """Hochreiter and Schmidhuber (1997), in the order of gates that the weights are stored in, layer by layer."""
    lm = model(*KINDS[3])
    assert part_names(lm) == ["hidden", "h1", "c1", "c2"]
    weights = {name: weight.detach().numpy() for name, weight in lm.network.named_parameters()}
    sigmoid = lambda x: 1 / (1 + np.exp(-x))  # noqa: E731
    h, c, rows = np.zeros((2, 5)), np.zeros((2, 5)), {"hidden": [], "h1": [], "c1": [], "c2": []}
    for token in [EOS, *lm.vocabulary.ids(["a", "b", "a"]), EOS]:  # a stream model begins with </s>
        inputs = weights["embedding.weight"][token]
        for layer in range(2):
            of = {
                name: weights[f"layers.{layer}.cell.{name}_l0"]
                for name in ("weight_ih", "weight_hh", "bias_ih", "bias_hh")
            }
            gates = of["weight_ih"] @ inputs + of["weight_hh"] @ h[layer] + of["bias_ih"] + of["bias_hh"]
            enter, keep, new, out = np.split(gates, 4)
            c[layer] = sigmoid(keep) * c[layer] + sigmoid(enter) * np.tanh(new)
            h[layer] = inputs = sigmoid(out) * np.tanh(c[layer])
        for name, value in (("hidden", h[1]), ("h1", h[0]), ("c1", c[0]), ("c2", c[1])):
            rows[name].append(value.copy())
    for name, expected in rows.items():
        assert hidden_units(lm, Pipeline(), "a b a", part=name).values == pytest.approx(
            np.array(expected)[1:], abs=1e-5
        )


def test_what_a_model_of_letters_reads_is_the_text():
    lm = model(*KINDS[2])
    found = hidden_units(lm, Pipeline(tokenizer=CharTokenizer()), "ab d▁\n\nc").text
    assert found.tokens == ["a", "b", "▁", "d", "▁▁", "</s>", "</s>", "c", "</s>"]
    assert "".join(found.texts) == "ab d▁\n\nc\n"
    assert found.begins == [True, False, True, False, False, True, True, True, True]
    assert not found.whole and hidden_units(lm, Pipeline(), "ab").text.whole
    bytes_ = hidden_units(lm, Pipeline(tokenizer=make_tokenizer("byte")), "a b").text
    assert bytes_.texts == ["a", " ", "b", "\n"]


def test_a_model_or_a_text_without_units_is_refused(monkeypatch):
    lm = model(*KINDS[1])
    monkeypatch.setattr(units, "MOST_TOKENS", 6)
    for given, part, message in (
        (TEXT, "hidden", "the text has 7 tokens, and 6 are looked at at once; give a shorter one"),
        ("", "hidden", "the text is empty; give one with at least one line"),
        ("a", "c1", "part='c1': this model has hidden, h1"),
    ):
        with pytest.raises(UsageError) as caught:
            hidden_units(lm, Pipeline(), given, part=part)
        assert str(caught.value) == message
    with pytest.raises(TextError, match="the text holds </s>"):
        hidden_units(lm, Pipeline(), "a </s> b")
    assert part_names(BigramTable()) == []
    with pytest.raises(UsageError) as caught:
        hidden_units(BigramTable(), Pipeline(), "a")
    assert str(caught.value) == (
        "a BigramTable model has no hidden units; choose a recurrent model, a transformer or a window"
    )


def drawn(seed=0, tokens=80, size=6):
    rng = np.random.default_rng(seed)
    values = np.tanh(rng.normal(size=(tokens, size))).astype(np.float32)
    signal = (values[:, 2] + rng.normal(size=tokens) > 0).astype(float)
    return values, signal


def test_correlations_are_those_of_numpy_and_scipy():
    values, signal = drawn()
    found = correlations(values, signal)
    assert found == pytest.approx(np.corrcoef(values.T, signal)[-1, :-1], abs=1e-6)
    stats = pytest.importorskip("scipy.stats")
    assert found == pytest.approx(
        [stats.pearsonr(column, signal).statistic for column in values.T.astype(float)], abs=1e-9
    )


def test_what_does_not_vary_has_no_correlation_and_comes_last():
    values, signal = drawn()
    values[:, 1] = 0.1  # not a number of binary fractions: its mean is not quite itself
    values[:, 4] = 0
    values[:, 3] = values[:, 5] = signal
    found = correlations(values, signal)
    assert np.isnan(found[[1, 4]]).all()
    assert found[[3, 5]] == pytest.approx([1, 1])
    assert by_strength(found).tolist()[:3] == [3, 5, 2]
    assert by_strength(found).tolist()[-2:] == [1, 4]
    assert np.isnan(correlations(values, np.ones(80))).all()
    assert np.isnan(correlations(values[:1], signal[:1])).all()


def test_the_level_of_chance_is_that_of_the_pattern_moved_along_the_text():
    values, signal = drawn(1, tokens=40)
    best = []
    for move in range(1, 40):
        moved = np.array([signal[(t - move) % 40] for t in range(40)])
        best.append(max(abs(np.corrcoef(column, moved)[0, 1]) for column in values.T))
    assert chance_level(values, signal) == pytest.approx(np.quantile(best, 0.95), abs=1e-6)
    assert chance_level(values, signal) < abs(correlations(values, signal)[2])


def test_the_level_of_chance_of_next_to_nothing():
    values, signal = drawn(2)
    assert np.isnan(chance_level(values[:1], signal[:1]))
    assert chance_level(values, np.zeros(80)) == 0
    assert 0 < chance_level(np.repeat(values, 8, axis=0), np.repeat(signal, 8), shifts=199) < 1
