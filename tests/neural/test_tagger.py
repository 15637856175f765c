"""The tagging networks: padding, order, what they see; and the objective that trains them."""

from dataclasses import replace

import numpy as np
import pytest

torch = pytest.importorskip("torch")

from nextword.errors import UsageError  # noqa: E402
from nextword.neural.objective import Measured  # noqa: E402
from nextword.neural.tagger import CharacterCnn, CharacterLstm, Sizes, TaggerNetwork, TaggerSettings  # noqa: E402
from nextword.neural.tagging import (  # noqa: E402
    Sentences,
    WordTable,
    best_tags,
    new_tagger,
    restore,
    tag_probabilities,
    train_tagger,
    weights,
)
from nextword.neural.training_settings import usual_settings  # noqa: E402

SMALL = TaggerSettings(
    embedding_size=5, character_size=3, character_features=4, shape_size=2, hidden_size=6, dropout=0.2, layers=2
)
SIZES = Sizes(words=10, characters=7, shapes=3, tags=3, vector_size=2)
KINDS = [
    replace(SMALL, network=network, output=output, characters=characters)
    for network in ("window", "rnn", "bilstm")
    for output in ("softmax", "crf")
    for characters in ("cnn", "lstm")
]


def sentences(lengths, *, tags=True, seed=0):
    """Sentences of those lengths, of ten distinct words with vectors for some."""
    random = np.random.default_rng(seed)
    spelt = [random.integers(0, 7, random.integers(1, 6)) for _ in range(10)]
    characters = np.full((10, 5), -1)
    for row, ids in zip(characters, spelt, strict=True):
        row[: len(ids)] = ids
    words = WordTable(np.arange(10), random.integers(0, 3, 10), random.integers(-1, 4, (10, 2)), characters)
    places = [random.integers(0, 10, n) for n in lengths]
    rows = [place % 3 for place in places] if tags else ()
    return Sentences(words, places, random.normal(size=(4, 2)).astype(np.float32), rows)


@pytest.mark.parametrize("settings", KINDS, ids=lambda s: f"{s.network}-{s.output}-{s.characters}")
def test_a_sentence_alone_is_the_sentence_among_longer_ones(settings):
    network = new_tagger(settings, SIZES, seed=1).double().eval()
    data = sentences([1, 7, 3, 12, 2])
    data = replace(data, vectors=data.vectors.astype(np.float64))
    together, best = tag_probabilities(network, data), best_tags(network, data)
    for i, place in enumerate(data.places):
        alone = replace(data, places=[place], tags=())
        np.testing.assert_allclose(tag_probabilities(network, alone)[0], together[i], rtol=0, atol=1e-12)
        assert best_tags(network, alone)[0].tolist() == best[i].tolist()
    assert all(np.allclose(rows.sum(axis=1), 1) for rows in together)
    one = [replace(data, places=[p], tags=[t]) for p, t in zip(data.places, data.tags, strict=True)]
    assert total_loss(network, data) == pytest.approx(sum(total_loss(network, d) for d in one), abs=1e-9)


def total_loss(network, data):
    numbers = np.arange(len(data.places))
    words, places, lengths = data.batch(numbers, torch.device("cpu"))
    loss = network.loss(network(words, places, lengths), data.target(numbers, torch.device("cpu")), lengths)
    return loss.item()


@pytest.mark.parametrize(
    ("network", "layers", "reach"),
    [("window", 1, (2, 2)), ("rnn", 1, (9, 0)), ("bilstm", 1, (9, 9)), ("bilstm", 2, (9, 9))],
)
def test_what_a_network_sees_of_a_sentence(network, layers, reach):
    """By gradients: the score of the fifth of nine tokens depends on the tokens in reach, and on no other."""
    model = new_tagger(replace(SMALL, network=network, layers=layers, dropout=0.0), SIZES, seed=2).double().eval()
    values = torch.randn((1, 9, model.features.size), dtype=torch.float64, requires_grad=True)
    hidden = values
    for layer in model.layers:
        hidden = layer(hidden, torch.tensor([9]))
    gradient = torch.autograd.grad(model.output(hidden)[0, 4].square().sum(), values)[0]
    seen = [i for i in range(9) if gradient[0, i].abs().sum() > 0]
    assert seen == [i for i in range(9) if -reach[0] <= i - 4 <= reach[1]]


@pytest.mark.parametrize("kind", [CharacterCnn, CharacterLstm])
def test_words_are_read_by_their_characters_alone(kind):
    torch.manual_seed(0)
    reader = kind(7, SMALL).eval()
    short, long = torch.tensor([[1, 2, -1, -1, -1]]), torch.tensor([[1, 2, -1], [5, 6, 3]])
    torch.testing.assert_close(reader(short)[0], reader(long)[0])
    assert reader(torch.tensor([[2, 1]])).shape == (1, 4)
    assert not torch.allclose(reader(torch.tensor([[2, 1]])), reader(torch.tensor([[1, 2]])))


def test_the_convolution_is_the_maximum_of_windows_of_three():
    torch.manual_seed(0)
    reader = CharacterCnn(7, SMALL).eval()
    with torch.no_grad():
        table, (weight, bias) = reader.embedding.weight, reader.convolution.parameters()
        zero = torch.zeros(3)
        e = [zero, *table[[4, 1, 2]], zero]  # what is outside the word is nothing
        windows = [weight @ torch.cat(e[i : i + 3]) + bias for i in range(3)]
        expected = torch.stack(windows).max(dim=0).values.clamp(min=0)
        torch.testing.assert_close(reader(torch.tensor([[4, 1, 2, -1]]))[0], expected)


def test_tuned_vectors_begin_as_those_of_the_file():
    network = TaggerNetwork(replace(SMALL, vectors="tuned", characters="none", shape_size=0), SIZES).eval()
    words, _, _ = sentences([4]).batch(np.array([0]), torch.device("cpu"))
    assert network.features.size == 2
    assert torch.equal(network.features(words), words.vectors)
    network.features.embedding.weight.data[:] = 1.0
    assert torch.equal(network.features(words), words.vectors + 1)


def test_dropped_words_are_unknown_ones_in_training_alone():
    network = TaggerNetwork(replace(SMALL, word_dropout=0.999, characters="none", shape_size=0, dropout=0.0), SIZES)
    words, _, _ = sentences([8]).batch(np.array([0]), torch.device("cpu"))
    unknown = network.embedding.weight[0].expand(len(words.ids), -1)
    torch.manual_seed(0)
    assert torch.equal(network.train().features(words)[:, :5], unknown)
    assert torch.equal(network.eval().features(words)[:, :5], network.embedding(words.ids))


class Share:
    """A judge: the share of wrong tags."""

    def __init__(self, gold):
        self.gold = gold

    def counts(self, numbers, tags):
        right = sum(int((self.gold[i] == row).sum()) for i, row in zip(numbers, tags, strict=True))
        return [right, sum(map(len, tags))]

    def measured(self, counts):
        return Measured(1 - counts[0] / counts[1], {"valid_accuracy": counts[0] / counts[1]})


@pytest.mark.parametrize("output", ["softmax", "crf"])
def test_training_learns_and_repeats_itself(output):
    data, valid = sentences([3, 5, 4, 6, 2, 8] * 4), sentences([4, 7, 2])
    settings = usual_settings("tagger", epochs=20, batch_size=8, lr=0.05, threads=1, precision="float32")
    chosen = replace(SMALL, output=output, layers=1, word_dropout=0.0, dropout=0.0, hidden_size=8)
    runs = []
    for _ in range(2):
        network = new_tagger(chosen, SIZES, seed=3)
        report = train_tagger(network, data, settings, valid=valid, judge=Share(valid.tags))
        runs.append((report.valid_loss, weights(network)))
    assert runs[0][0] < 0.1
    assert report.steps == 20 * 3
    assert all(np.array_equal(runs[0][1][name], runs[1][1][name]) for name in runs[0][1])
    again = new_tagger(network.settings, SIZES, seed=9)
    restore(again, runs[0][1])
    assert [row.tolist() for row in best_tags(again, valid)] == [row.tolist() for row in best_tags(network, valid)]


def test_weights_of_another_shape_are_refused():
    network = new_tagger(SMALL, SIZES, seed=0)
    arrays = weights(network) | {"output.bias": np.zeros(4, dtype=np.float32)}
    message = "the array 'output.bias' of this tagger has shape (4,), expected (3,); train or copy the model again"
    with pytest.raises(UsageError) as refused:
        restore(network, arrays)
    assert str(refused.value) == message


@pytest.mark.parametrize(
    ("wrong", "message"),
    [
        ({"network": "lstm"}, "network='lstm': expected one of window, rnn, bilstm"),
        ({"output": "argmax"}, "output='argmax': expected one of softmax, crf"),
        ({"characters": "rnn"}, "characters='rnn': expected one of cnn, lstm, none"),
        ({"window": 0}, "window=0: expected a whole number of 1 or more"),
        ({"word_dropout": 1.0}, "word_dropout=1.0: expected the share to drop, from 0 to below 1"),
        (
            {"embedding_size": 0, "shape_size": 0, "characters": "none"},
            "a tagger needs to see something of a word: give embedding_size, shape_size or characters",
        ),
    ],
)
def test_settings_that_make_no_sense(wrong, message):
    with pytest.raises(UsageError) as refused:
        TaggerSettings(**wrong)
    assert str(refused.value) == message
