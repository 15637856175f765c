"""What classifiers are trained for, against the same by hand; a run that was stopped goes on; arrays in and out."""

import numpy as np
import pytest
import torch

from nextword.errors import TrainingError
from nextword.neural.classifying import (
    ClassifyingObjective,
    Texts,
    begin_with_vectors,
    class_log_probs,
    load_weights,
    new_network,
    train_classifier,
    weights,
)
from nextword.neural.distributed import Group
from nextword.neural.training_settings import usual_settings
from nextword.text.examples import ExampleBatch

V = 8
SMALL = {
    "cnn": {"embedding_size": 6, "maps": 4, "widths": [1, 3]},
    "rnn": {"embedding_size": 6, "sizes": [5], "pooling": "concat"},
}


def texts(count, *, seed=0):
    """Two classes: those of class 1 have a 5 in them."""
    random = np.random.default_rng(seed)
    ids = [random.integers(6, V, size=random.integers(1, 7)) for _ in range(count)]
    classes = random.integers(0, 2, size=count)
    for row, wanted in zip(ids, classes, strict=True):
        if wanted:
            row[random.integers(len(row))] = 5
    return Texts(ids, classes)


def small(family, **given):
    return new_network(family, {**SMALL[family], **given}, vocab_size=V, classes=2)


def settings_of(family, **given):
    kind = {"cnn": "cnn", "rnn": "rnn-classifier"}[family]
    return usual_settings(kind, **{"device": "cpu", "threads": 1, "batch_size": 8, "lr": 0.01, **given})


@pytest.mark.parametrize("family", SMALL)
def test_loss_and_figure_are_those_of_the_answers(family):
    """The loss is the sum of -log p(class), the figure the share of wrong answers, whatever the batches."""
    data, held_out = texts(20), texts(300, seed=1)
    network = small(family)
    objective = ClassifyingObjective(network, data, held_out, settings_of(family))
    objective.place(torch.device("cpu"), torch.float32)
    network.eval()
    rows = np.array([3, 0, 7, 12])
    loss, _ = objective.loss(ExampleBatch(rows, len(rows)), slice(1, 3), ())
    expected = class_log_probs(network, [data.ids[0], data.ids[7]])
    assert float(loss.detach()) == pytest.approx(-expected[[0, 1], data.classes[[0, 7]]].sum(), rel=1e-5)
    answers = class_log_probs(network, held_out.ids)
    assert np.exp(answers).sum(axis=1) == pytest.approx(np.ones(300), abs=1e-12)
    with torch.no_grad():
        found = objective.measure(Group())
    assert found.loss == (answers.argmax(axis=1) != held_out.classes).mean()
    assert found.figures["valid_accuracy"] == 1 - found.loss
    nats = -answers[np.arange(300), held_out.classes].mean()
    assert found.figures["valid_cross_entropy"] == pytest.approx(nats, rel=1e-5)


@pytest.mark.parametrize("family", SMALL)
def test_it_learns_and_keeps_the_best_weights(family):
    data, held_out = texts(200), texts(100, seed=1)
    network = small(family, dropout=0.0, word_dropout=0.05)
    report = train_classifier(network, data, settings_of(family, epochs=12), valid=held_out)
    wrong = (class_log_probs(network, held_out.ids).argmax(axis=1) != held_out.classes).mean()
    assert report.valid_loss == wrong <= 0.02


@pytest.mark.parametrize("family", SMALL)
def test_a_run_that_was_stopped_goes_on_as_if_it_had_not_been(family, tmp_path):
    data, held_out = texts(40), texts(30, seed=1)
    settings = settings_of(family, epochs=4, checkpoint_every=0.0)

    def train(directory, *, resume=False, stop_at=None):
        def watch(status):
            if status.step == stop_at:
                raise InterruptedError

        network = small(family)
        train_classifier(network, data, settings, valid=held_out, directory=directory, resume=resume, watch=watch)
        return weights(network)

    whole = train(tmp_path / "whole")
    with pytest.raises(InterruptedError):
        train(tmp_path / "cut", stop_at=13)
    assert all((whole[name] == array).all() for name, array in train(tmp_path / "cut", resume=True).items())
    with pytest.raises(TrainingError):  # other data
        other = small(family)
        train_classifier(other, texts(41), settings, valid=held_out, directory=tmp_path / "cut", resume=True)


@pytest.mark.parametrize("family", SMALL)
def test_training_changes_learnt_vectors_alone(family):
    data = texts(30)
    given = np.random.default_rng(0).normal(size=(V, 6)).astype(np.float32)
    for channels, kept in (("static", range(V)), ("multichannel", range(V)), ("fine-tuned", range(6, V))):
        network = new_network(family, {**SMALL[family], "channels": channels}, vocab_size=V, learned=6, classes=2)
        begin_with_vectors(network, given)
        before = weights(network)
        known = Texts([ids.clip(max=5) for ids in data.ids], data.classes)
        train_classifier(network, known, settings_of(family, epochs=1, patience=None))
        after = weights(network)
        prefix = "embedding." if family == "cnn" else "embedding.0."
        assert (after[f"{prefix}given"] == given[list(kept)]).all()
        assert (f"{prefix}tuned.weight" in after) == (channels != "static")
        if channels != "static":
            assert (before[f"{prefix}tuned.weight"] == given[:6]).all()
            assert (after[f"{prefix}tuned.weight"][5] != given[5]).all()


@pytest.mark.parametrize("family", SMALL)
def test_the_seed_decides_the_weights_and_stored_ones_give_the_same_answers(family):
    network, again = (new_network(family, SMALL[family], vocab_size=V, classes=2, seed=3) for _ in range(2))
    stored = weights(network)
    assert all((stored[name] == array).all() for name, array in weights(again).items())
    other = new_network(family, SMALL[family], vocab_size=V, classes=2, seed=4)
    assert any((stored[name] != array).any() for name, array in weights(other).items())
    load_weights(other, stored)
    data = texts(20).ids
    assert (class_log_probs(other, data) == class_log_probs(network.eval(), data)).all()


def test_arrays_of_another_network():
    network = small("cnn")
    stored = weights(network)
    stored["output.bias"] = np.zeros(3, dtype=np.float32)
    with pytest.raises(ValueError) as caught:
        load_weights(network, stored)
    assert str(caught.value) == "the array 'output.bias' has shape (3,), expected (2,)"


def test_texts_of_no_word():
    """A convolution answers them; alone and beside others alike."""
    network = small("cnn").eval()
    empty = np.array([], dtype=np.int64)
    alone, beside = class_log_probs(network, [empty]), class_log_probs(network, [empty, texts(1).ids[0]])
    assert alone[0] == pytest.approx(beside[0], abs=1e-6)


def test_long_texts_are_answered_a_few_at_a_time(monkeypatch):
    data = [*texts(50).ids, *(np.tile(ids, 30) for ids in texts(5, seed=2).ids)]
    network = small("rnn").eval()
    expected = class_log_probs(network, data)
    sizes = []
    monkeypatch.setattr("nextword.neural.classifying._TOKENS", 200)
    network.register_forward_pre_hook(lambda module, given: sizes.append(given[0].numel()))
    assert class_log_probs(network, data) == pytest.approx(expected, abs=1e-6)
    assert max(sizes) <= max(200, *map(len, data))
