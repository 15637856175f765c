"""Gradient norms against distance: means by hand, and what is known of untrained networks."""

import re
import xml.etree.ElementTree as ElementTree

import numpy as np
import pytest

from nextword.errors import UsageError
from nextword.tasks.explain import distance
from nextword.tasks.explain.distance import ByDistance, check_plot, norms_by_distance, plot_distances, untrained
from toy import BOS, EOS, BigramTable, toy_vocabulary


def model(kind="lstm", scope="stream", **settings):
    torch = pytest.importorskip("torch")
    from nextword.neural.families import build
    from nextword.neural.model import NeuralModel

    torch.manual_seed(0)
    sizes = settings or {"embedding_size": 4, "hidden_size": 4}
    return NeuralModel(build(kind, {"layers": 1, **sizes}, 6, BOS), toy_vocabulary(6), scope=scope)


def test_the_mean_at_a_distance_is_that_of_a_diagonal():
    """Of one stretch of text, the norms at distance d are the d-th diagonal below the main one."""
    lstm, ids = model(), np.array([3, 4, 5, EOS, 3, 5, 4], dtype=np.int32)
    from nextword.neural.explaining import input_gradients

    norms = input_gradients(lstm, ids).norms
    found = norms_by_distance(lstm, ids, name="mine", steps=4)
    assert found.norms == pytest.approx([np.diagonal(norms, -d).mean() for d in range(5)])
    assert (found.name, found.counts, found.trained) == ("mine", (7, 6, 5, 4, 3), True)


def test_sentences_do_not_reach_into_each_other():
    ids = np.array([3, 4, EOS, 5, EOS], dtype=np.int32)
    found = norms_by_distance(model(scope="sentence"), ids)
    assert found.counts == (5, 3, 1)


def test_a_long_text_is_read_in_pieces(monkeypatch):
    monkeypatch.setattr(distance, "_AT_ONCE", 4)
    ids = np.array([3, 4, 5, 3, 4, 5, 3, 4, 5], dtype=np.int32)
    assert norms_by_distance(model(), ids).counts == (9, 6, 4, 2)


def test_a_transformer_is_asked_no_more_than_its_context():
    transformer = model("transformer", embedding_size=8, heads=2, context=4)
    assert norms_by_distance(transformer, np.full(8, 3, dtype=np.int32)).counts == (8, 6, 4, 2)


def test_gradients_vanish_and_explode_before_training():
    """Pascanu et al. (2013): by the same factor at each step back, below 1 or above; gates let more through."""
    pytest.importorskip("torch")
    found = {one.name: one for one in untrained(size=16, steps=20, texts=1)}
    assert list(found) == ["Elman", "GRU", "LSTM", "Elman, recurrent weights × 8", "Elman, written out"]
    last = {name: one.norms[18] / one.norms[0] for name, one in found.items()}
    assert last["Elman"] < 1e-4 < last["LSTM"] < 1 < last["Elman, recurrent weights × 8"]
    assert last["Elman"] < last["GRU"] < last["LSTM"]
    assert last["Elman, written out"] == pytest.approx(last["Elman"], rel=20)
    steps = np.diff(np.log(found["Elman"].norms[:19]))
    assert steps.std() < 0.2 and steps.mean() < -0.5  # a straight line on the logarithmic axis
    assert not any(one.trained for one in found.values())
    assert untrained(size=8, steps=2, texts=1) == untrained(size=8, steps=2, texts=1)


LINES = [
    ByDistance("mine <&>", "log-probability", True, (1.0, 0.1, 0.0), (3, 2, 1)),
    ByDistance("Elman", "loss", False, (1.0, 1e-20), (2, 1)),
]


def test_a_plot_is_an_image(tmp_path):
    pytest.importorskip("matplotlib")
    plot_distances(LINES, tmp_path / "g.png")
    assert (tmp_path / "g.png").read_bytes().startswith(b"\x89PNG")
    plot_distances(LINES, tmp_path / "g.svg")
    first = (tmp_path / "g.svg").read_bytes()
    assert ElementTree.fromstring(first).tag.endswith("svg")
    plot_distances(LINES, tmp_path / "g.svg")
    assert (tmp_path / "g.svg").read_bytes() == first


def test_another_kind_of_file_is_refused(tmp_path):
    with pytest.raises(UsageError, match=re.escape("g.pdf: a plot is a .png or .svg file; give it such a name")):
        check_plot(tmp_path / "g.pdf")


def test_models_and_texts_without_gradients():
    with pytest.raises(UsageError) as error:
        norms_by_distance(model(), np.zeros(0, dtype=np.int32))
    assert str(error.value) == "the text is empty: there is no gradient to look at; give one with at least one line"
    with pytest.raises(UsageError) as error:
        distance.check_network(BigramTable(), "here")
    assert str(error.value) == (
        "here: a BigramTable model is no network and has no gradients; give a neural language model"
    )
