"""The parser's network: the paper's formula, padding, what training drops; and the objective that trains it."""

from dataclasses import replace

import numpy as np
import pytest

torch = pytest.importorskip("torch")

from nextword.errors import UsageError  # noqa: E402
from nextword.neural.objective import Measured  # noqa: E402
from nextword.neural.parser import Column, ParserNetwork, ParserSettings, Scorer  # noqa: E402
from nextword.neural.parser_training import Derivations, new_parser, restore, train_parser, weights  # noqa: E402
from nextword.neural.training_settings import usual_settings  # noqa: E402

SMALL = ParserSettings(lstm_size=4, hidden_size=6, embedding_size=5, tag_size=3, label_size=2, dropout=0.2)
COLUMNS = [Column("form", 9, False), Column("upos", 5, True)]
KINDS = [replace(SMALL, layers=n, activation=name) for n, name in ((0, "cube"), (0, "relu"), (1, "tanh"), (2, "relu"))]
LABELS = 3


def states(random, length, count):
    """Words, 0 for ROOT and -1 for none, and labels, -1 for none, of states of a sentence."""
    return random.integers(-1, length + 1, (count, 18)), random.integers(-1, LABELS, (count, 12))


def columns(random, length):
    found = np.stack([random.integers(0, column.ids, length + 1) for column in COLUMNS], axis=1)
    found[0] = 1
    return found


@pytest.mark.parametrize("settings", KINDS, ids=lambda s: f"{s.layers}-{s.activation}")
def test_a_sentence_alone_is_the_sentence_among_longer_ones(settings):
    network = new_parser(settings, COLUMNS, LABELS, seed=1).double()
    random = np.random.default_rng(0)
    lengths = [1, 7, 3, 12]
    rows = [columns(random, length) for length in lengths]
    together = Scorer(network, rows)
    for i, length in enumerate(lengths):
        words, labels = states(random, length, 5)
        alone = Scorer(network, [rows[i]])(np.zeros(5, dtype=np.int64), words, labels)
        np.testing.assert_allclose(together(np.full(5, i), words, labels), alone, rtol=0, atol=1e-6)


@pytest.mark.parametrize("activation", ["cube", "relu", "tanh"])
def test_without_lstms_it_is_the_formula_of_chen_and_manning(activation):
    """h = f(W [x_1 … x_18, l_1 … l_12] + b), scores = W' h + b' (section 3.1), written out for one state."""
    network = new_parser(replace(SMALL, layers=0, activation=activation), COLUMNS, LABELS, seed=2)
    random = np.random.default_rng(1)
    ids, (words, labels) = columns(random, 6), states(random, 6, 1)
    arrays = {name: array.astype(np.float64) for name, array in weights(network).items()}
    vectors = np.concatenate([arrays[f"embedding.{i}.weight"][ids[:, i]] for i in range(2)], axis=1)
    matrix = arrays["places.weight"].reshape(18, 6, 8)
    hidden = arrays["arcs.bias"].copy()
    for place, word in enumerate(words[0]):
        hidden += matrix[place] @ (arrays["absent"][0] if word < 0 else vectors[word])
    hidden += arrays["arcs.weight"] @ np.concatenate([arrays["label_embedding.weight"][1 + i] for i in labels[0]])
    hidden = {"cube": hidden**3, "relu": np.maximum(hidden, 0), "tanh": np.tanh(hidden)}[activation]
    expected = arrays["output.weight"] @ hidden + arrays["output.bias"]
    found = Scorer(network, [ids])(np.zeros(1, dtype=np.int64), words, labels)
    np.testing.assert_allclose(found[0], expected, rtol=1e-4, atol=1e-6)


def test_an_lstm_lets_every_word_see_the_sentence():
    network = new_parser(SMALL, COLUMNS, LABELS, seed=1)
    ids = columns(np.random.default_rng(0), 4)
    other = ids.copy()
    other[4, 0] = (other[4, 0] + 1) % 9
    words = np.full((1, 18), 1)  # word 1 everywhere
    found = [Scorer(network, [x])(np.zeros(1, dtype=np.int64), words, np.full((1, 12), -1)) for x in (ids, other)]
    assert np.abs(found[0] - found[1]).max() > 1e-6


def test_training_drops_words_and_tags_but_never_root():
    network = ParserNetwork(replace(SMALL, layers=0, dropout=0.0, word_dropout=0.5, tag_dropout=0.5), COLUMNS, LABELS)
    ids = torch.full((1, 2000, 2), 3)
    ids[0, 0] = 1
    with torch.no_grad():
        for table in network.embedding:
            table.weight.copy_(torch.arange(len(table.weight))[:, None].expand_as(table.weight).float())
        values = [network.train()._embedded(i, ids[:, :, i])[0, :, 0] for i in range(2)]
    for found in values:
        assert found[0] == 1
        assert set(found[1:].tolist()) == {0.0, 3.0}
        assert 0.4 < (found == 0).float().mean() < 0.6
    assert not torch.equal(*values)
    assert (network.eval()._embedded(0, ids[:, :, 0]) == ids[:, :, :1]).all()


def data(random, count=12):
    """Sentences in which the right transition can be read from the tag of the word on top of the stack."""
    rows = [columns(random, length) for length in random.integers(1, 6, count)]
    begins = np.concatenate([[0], np.cumsum([2 * (len(row) - 1) for row in rows])])
    words, labels = states(random, 1, begins[-1])
    for i, row in enumerate(rows):
        words[begins[i] : begins[i + 1], 0] = random.integers(1, len(row), begins[i + 1] - begins[i])
    tags = [rows[i][words[j, 0], 1] for i in range(count) for j in range(begins[i], begins[i + 1])]
    return Derivations(rows, begins, words.astype(np.int16), labels.astype(np.int16), np.array(tags, dtype=np.int16))


@pytest.mark.parametrize("layers", [0, 1])
def test_training_learns_what_there_is_and_keeps_what_measures_best(layers):
    network = new_parser(replace(SMALL, layers=layers, hidden_size=24, word_dropout=0.0), COLUMNS, LABELS, seed=0)
    settings = usual_settings("parser", epochs=60, batch_size=4, lr=0.02, threads=1, precision="float32")
    known = data(np.random.default_rng(0))
    measured = []

    def judge(model):
        measured.append(np.mean([accuracy(model, known)]))
        return Measured(1 - measured[-1], {"accuracy": measured[-1]})

    report = train_parser(network, known, settings, judge=judge, valid="x")
    assert max(measured) > 0.9
    assert accuracy(network, known) == pytest.approx(max(measured))
    assert report.valid_loss == pytest.approx(1 - max(measured))


def accuracy(network, known):
    scorer, right = Scorer(network, known.columns), []
    for i in range(len(known.columns)):
        at = slice(known.begins[i], known.begins[i + 1])
        found = scorer(np.full(at.stop - at.start, i), known.words[at], known.labels[at])
        right += (found.argmax(axis=1) == known.transitions[at]).tolist()
    return np.mean(right)


def test_half_precision_gives_nearly_the_same_loss():
    from nextword.neural.parser_training import ParserObjective

    known = data(np.random.default_rng(0))
    network = new_parser(replace(SMALL, dropout=0.0, word_dropout=0.0), COLUMNS, LABELS, seed=0)
    objective = ParserObjective(network, known, usual_settings("parser", threads=1))
    batch = objective.batches.epoch(0)[0]
    assert batch.predicted == known.begins[-1]
    losses = []
    for precision in (torch.float32, torch.bfloat16):
        objective.place(torch.device("cpu"), precision)
        losses.append(float(objective.loss(batch, slice(0, len(batch)), ())[0].detach()))
    assert losses[0] == pytest.approx(losses[1], rel=0.02)


def test_weights_are_restored_and_checked():
    network, other = (new_parser(SMALL, COLUMNS, LABELS, seed=seed) for seed in (1, 2))
    restore(other, weights(network))
    assert all(np.array_equal(array, weights(network)[name]) for name, array in weights(other).items())
    with pytest.raises(UsageError) as error:
        restore(other, {**weights(network), "absent": np.zeros((1, 3), dtype=np.float32)})
    assert str(error.value) == (
        "the array 'absent' of this parser has shape (1, 3), expected (1, 8); train or copy the model again"
    )


def test_settings_are_checked():
    for wrong in ({"layers": -1}, {"hidden_size": 0}, {"activation": "square"}, {"dropout": 1.0}):
        with pytest.raises(UsageError, match=next(iter(wrong))):
            ParserSettings(**wrong)
    with pytest.raises(UsageError) as error:
        ParserNetwork(SMALL, [], LABELS)
    assert str(error.value) == "a parser needs to see something of a word; give it a column"
