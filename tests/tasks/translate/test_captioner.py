"""A vector says size, colour and shape; the caption has to say them too."""

import itertools

import numpy as np
import pytest

pytest.importorskip("torch")
pytest.importorskip("sacrebleu")
pytest.importorskip("sklearn")

from nextword.errors import UsageError
from nextword.tasks.translate.captioner import Captioner
from tasks.translate.languages import quick

SIZES, COLOURS, SHAPES = ["small", "big"], ["red", "green", "blue", "black"], ["square", "circle", "star"]
THINGS = list(itertools.product(range(2), range(4), range(3)))
SMALL = {"embedding_size": 24, "hidden_size": 48, "dropout": 0.1}


def examples(count, *, seed, things=THINGS):
    """Noisy vectors (N, 9), one of each kind of attribute set, and what they say."""
    random = np.random.default_rng(seed)
    drawn = [things[i] for i in random.integers(len(things), size=count)]
    features = random.normal(0, 0.15, (count, 9))
    for row, (size, colour, shape) in zip(features, drawn, strict=True):
        row[[size, 2 + colour, 6 + shape]] += 1
    return features, [f"a {SIZES[s]} {COLOURS[c]} {SHAPES[k]}" for s, c, k in drawn]


@pytest.fixture(scope="module")
def captioner():
    return Captioner(training=quick(), **SMALL).fit(*examples(600, seed=0), valid=examples(50, seed=1))


def test_it_says_what_the_vector_says(captioner):
    features, texts = examples(100, seed=2)
    found = captioner.predict(features)
    assert np.mean([one == other for one, other in zip(found, texts, strict=True)]) >= 0.98
    assert captioner.score(features, texts) >= 98


def test_it_says_what_it_never_saw_together():
    held_back = (1, 2, 0)
    known = [thing for thing in THINGS if thing != held_back]
    made = Captioner(training=quick(), **SMALL).fit(*examples(600, seed=0, things=known))
    features, texts = examples(20, seed=3, things=[held_back])
    assert set(texts) == {"a big blue square"}
    assert np.mean([one == "a big blue square" for one in made.predict(features)]) >= 0.9


def test_what_is_saved_is_what_is_loaded(captioner, tmp_path):
    captioner.save(tmp_path / "model")
    again = Captioner.load(tmp_path / "model")
    features, _ = examples(20, seed=4)
    assert again.captions(features, best=2, beam=3) == captioner.captions(features, best=2, beam=3)
    assert np.array_equal(again.mean_, captioner.mean_)


def test_features_are_standardised_by_those_of_training(captioner):
    features, texts = examples(50, seed=5)
    scale = np.geomspace(1e-3, 1e3, 9)
    known, said = examples(600, seed=0)
    wide = Captioner(training=quick(), **SMALL).fit(known * scale, said)
    assert np.mean([a == b for a, b in zip(wide.predict(features * scale), texts, strict=True)]) >= 0.95


def test_blank_and_long_texts_are_counted():
    made = Captioner(training=quick(epochs=None, steps=1), max_tokens=2, **SMALL)
    made.fit(np.eye(4), ["a star", " ", "a very big star", "a circle"])
    assert made.skipped_ == {"blank": 1, "long": 1}


@pytest.mark.parametrize(
    ("features", "message"),
    [
        (np.zeros(3), "features of shape (3,): give an array of a vector in each row, (N, F)"),
        (np.zeros((3, 2)), "3 vectors and 2 texts: give a text for each vector"),
        (np.full((2, 2), np.nan), "the features hold numbers that are not finite; replace them"),
    ],
)
def test_features_that_are_none(features, message):
    with pytest.raises(UsageError) as error:
        Captioner().fit(features, ["a", "b"])
    assert str(error.value) == message


def test_vectors_of_another_size_are_refused(captioner):
    with pytest.raises(UsageError) as error:
        captioner.predict(np.zeros((1, 3)))
    assert str(error.value) == "vectors of 3 numbers: this captioner was trained on 9"
