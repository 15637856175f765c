"""Training of an encoder–decoder: what is minimised, what is measured, and what a network gives back as arrays."""

import numpy as np
import pytest
import torch
from torch.nn import functional

from nextword.errors import TrainingError, UsageError
from nextword.neural import decoding, translating
from nextword.neural.distributed import Group
from nextword.neural.pairs import Pairs, Specials
from nextword.neural.training_settings import TrainingSettings
from nextword.neural.translating import TranslationObjective

SPECIALS = Specials(0, 1, 2)
V = 8
DATA = Pairs(
    [np.array(row) for row in ([3, 4, 2], [5, 2], [6, 7, 3, 2], [2])],
    [np.array(row, dtype=np.int64) for row in ([3, 3, 4], [7], [5, 6], [])],
)
SETTINGS = TrainingSettings(mode="sentence", batch_size=3, epochs=2, threads=1, precision="float32", log_every=1)


def network(**settings):
    chosen = {"embedding_size": 6, "hidden_size": 8, "dropout": 0.0, **settings}
    return translating.new_network(chosen, source_size=V, target_size=V, excluded=1, seed=3)


def objective(made, **options):
    found = TranslationObjective(made, DATA, SETTINGS, specials=SPECIALS, **options)
    found.place(torch.device("cpu"), torch.float32)
    return found


def logits_of(made, row):
    """Of each target token of one pair and of </s>, (T + 1, V), and these tokens."""
    source, target = torch.from_numpy(DATA.sources[row])[None], DATA.targets[row].tolist()
    memory = made.encode(source, torch.tensor([source.shape[1]]))
    vectors = made(torch.tensor([[1, *target]]), memory, made.start(memory)).vectors[0]
    return vectors @ made.output.weight.T + made.output.bias, torch.tensor([*target, 2])


@pytest.mark.parametrize("smoothing", [0.0, 0.3])
@pytest.mark.parametrize("tied", [True, False])
def test_the_loss_is_pytorchs_cross_entropy(smoothing, tied):
    made = network(tied=tied)
    batch = next(iter(objective(made).batches.epoch(0)[:]))
    loss, _ = objective(made, label_smoothing=smoothing).loss(batch, slice(0, len(batch.rows)), ())
    loss.backward()
    ours = [parameter.grad.clone() for parameter in made.parameters()]
    made.zero_grad()
    made.prepare(None, in_place=False)
    expected = 0.0
    for row in batch.rows:
        logits, tokens = logits_of(made, row)
        kept = torch.cat([logits[:, :1], logits[:, 2:]], dim=1)  # all but <s>, which is never predicted
        moved = torch.where(tokens > 1, tokens - 1, tokens)
        expected = expected + functional.cross_entropy(kept, moved, reduction="sum", label_smoothing=smoothing)
    assert batch.predicted == sum(len(DATA.targets[row]) + 1 for row in batch.rows)
    assert float(loss.detach()) == pytest.approx(float(expected.detach()), rel=1e-5)
    expected.backward()
    for parameter, found in zip(made.parameters(), ours, strict=True):
        torch.testing.assert_close(found, parameter.grad, rtol=1e-4, atol=1e-5)


def test_what_is_measured_has_no_smoothing():
    made = network()
    with torch.no_grad():
        measured = objective(made, valid=DATA, label_smoothing=0.5).measure(Group())
        losses = [functional.cross_entropy(*logits_without_start(made, row), reduction="sum") for row in range(4)]
    mean = float(sum(losses).detach()) / sum(len(row) + 1 for row in DATA.targets)
    assert measured.loss == pytest.approx(mean, rel=1e-5)
    assert measured.figures["valid_perplexity"] == pytest.approx(np.exp(mean), rel=1e-5)


def logits_without_start(made, row):
    logits, tokens = logits_of(made, row)
    logits[:, 1] = -torch.inf
    return logits, tokens


def test_token_log_probs_are_those_of_each_pair_alone():
    made = network(attention="bahdanau")
    found = decoding.token_log_probs(made, DATA, specials=SPECIALS)
    for row, scores in enumerate(found):
        logits, tokens = logits_without_start(made, row)
        expected = torch.log_softmax(logits, dim=1)[range(len(tokens)), tokens]
        assert scores.tolist() == pytest.approx(expected.tolist(), rel=1e-4)
    assert decoding.token_log_probs(made, Pairs([], []), specials=SPECIALS) == []


def test_the_output_begins_at_how_often_each_id_is_written():
    made = network()
    translating.start_bias(made, DATA.targets, SPECIALS)
    # written: 3 twice, 4 5 6 7 once each, </s> four times, 0 and 1 never; half a time more each: 10 + 8 / 2 = 14
    expected = np.log(np.array([0.5, 0.5, 4.5, 2.5, 1.5, 1.5, 1.5, 1.5]) / 14)
    assert made.output.bias.tolist() == pytest.approx(expected.tolist(), rel=1e-5)


def test_a_network_learns_to_copy_backwards():
    random = np.random.default_rng(0)
    targets = [random.integers(3, V, size=random.integers(1, 5)) for _ in range(400)]
    data = Pairs([np.append(row[::-1], 2) for row in targets], targets)
    made = network(embedding_size=16, hidden_size=32)
    settings = TrainingSettings(mode="sentence", batch_size=16, epochs=10, lr=0.01, threads=1, precision="float32")
    report = translating.train_pairs(made, data, settings, specials=SPECIALS, valid=data)
    found = decoding.decode(made, data.sources[:50], specials=SPECIALS, beam=3)
    right = [one[0].ids == tuple(row) for one, row in zip(found, targets, strict=False)]
    assert report.valid_loss < 0.2  # nats; log 5 = 1.6 for who knows nothing
    assert np.mean(right) >= 0.85


def test_a_killed_run_goes_on_as_if_nothing_had_happened(tmp_path):
    def trained(directory, *, stop_at=None, **options):
        made = network(dropout=0.3)

        def watch(status):
            if status.step == stop_at:
                raise KeyboardInterrupt

        settings = TrainingSettings(
            mode="sentence", batch_size=2, epochs=3, threads=1, precision="float32", checkpoint_every=0.0
        )
        translating.train_pairs(
            made, DATA, settings, specials=SPECIALS, valid=DATA, directory=directory, watch=watch, **options
        )
        return translating.stored(made)[1]

    whole = trained(tmp_path / "whole")
    with pytest.raises(KeyboardInterrupt):
        trained(tmp_path / "part", stop_at=4)
    resumed = trained(tmp_path / "part", resume=True)
    assert all(np.array_equal(resumed[name], whole[name]) for name in whole)


def test_other_pairs_or_another_network_are_not_resumed(tmp_path):
    translating.train_pairs(network(), DATA, SETTINGS, specials=SPECIALS, directory=tmp_path)
    other = Pairs(DATA.sources, [*DATA.targets[:3], np.array([4])])
    with pytest.raises(TrainingError):
        translating.train_pairs(network(), other, SETTINGS, specials=SPECIALS, directory=tmp_path, resume=True)
    with pytest.raises(TrainingError):
        made = network(attention="none")
        translating.train_pairs(made, DATA, SETTINGS, specials=SPECIALS, directory=tmp_path, resume=True)


@pytest.mark.parametrize("settings", [{}, {"cell": "gru", "tied": False, "layers": 2}, {"attention": "bahdanau"}])
def test_a_stored_network_is_the_same(settings):
    made = network(**settings).eval()
    parameters, arrays = translating.stored(made)
    again = translating.restored(parameters, arrays)
    before, after = (decoding.token_log_probs(one, DATA, specials=SPECIALS) for one in (made, again))
    assert all(np.array_equal(*pair) for pair in zip(before, after, strict=True))
    assert set(translating.stored(again)[1]) == set(arrays)


def test_what_does_not_fit_is_refused():
    made = network()
    parameters, arrays = translating.stored(made)
    with pytest.raises(UsageError, match="the network's arrays are not those of its settings; copy or train the model"):
        translating.restored(parameters, {**arrays, "combine.bias": np.zeros(3, np.float32)})
    with pytest.raises(UsageError) as error:
        network(heads=3)
    assert str(error.value) == (
        "unknown setting 'heads'; an encoder–decoder has cell, embedding_size, hidden_size, layers, attention, "
        "input_feeding, dropout, tied, features"
    )
    with pytest.raises(TrainingError) as failed:
        translating.train_pairs(made, DATA, SETTINGS, specials=SPECIALS, valid=Pairs([], []))
    assert str(failed.value) == "there is no pair of sentences to measure on; give at least one"
    for data, message in (
        (Pairs([], []), "there is no pair of sentences to learn from; give at least one"),
        (Pairs(DATA.sources[:2], DATA.targets), "2 sources and 4 targets: give as many of each"),
        (
            Pairs([np.array([9, 2])], [np.array([3])]),
            "a source has the id 9, but its vocabulary has 8 ids; encode it with that",
        ),
        (
            Pairs([np.array([3, 2])], [np.array([8])]),
            "a target has the id 8, but its vocabulary has 8 ids; encode it with that",
        ),
    ):
        with pytest.raises((TrainingError, UsageError)) as error:
            translating.train_pairs(made, data, SETTINGS, specials=SPECIALS)
        assert str(error.value) == message


def test_where_it_looks_sums_to_one():
    found = decoding.attend(network(), DATA.sources[2], DATA.targets[2], specials=SPECIALS)
    assert found.shape == (3, 4)
    assert found.sum(axis=1) == pytest.approx(np.ones(3), abs=1e-6)
