"""The tagger as an estimator: learning, storing, unknown things, input that does not fit."""

import json

import numpy as np
import pytest

pytest.importorskip("torch")
pytest.importorskip("sklearn")

from sklearn.base import clone  # noqa: E402
from sklearn.exceptions import NotFittedError  # noqa: E402

from nextword import store  # noqa: E402
from nextword.errors import StoreError, TrainingError, UsageError  # noqa: E402
from nextword.tasks.tag.encode import Encoder, read_vectors, shape  # noqa: E402
from nextword.tasks.tag.tagger import Tagger  # noqa: E402

SMALL = {
    "embedding_size": 8, "character_size": 4, "character_features": 6, "shape_size": 2, "hidden_size": 8,
    "threads": 1, "training": {"precision": "float32"},
}  # fmt: skip
PEOPLE, PLACES, VERBS = ["Ann", "Bob", "Eve Lee"], ["Rome", "New York"], ["saw", "likes", "left"]


def sentences(count, seed=0):
    """Made-up sentences with entities in IOB1, and their tags."""
    random = np.random.default_rng(seed)
    X, y = [], []
    for _ in range(count):
        words, tags = [], []
        for part in (random.choice(PEOPLE), random.choice(VERBS), random.choice(PLACES)):
            kind = "I-per" if part in PEOPLE else "I-loc" if part in PLACES else "O"
            words += part.split()
            tags += [kind] * len(part.split())
        X.append(words)
        y.append(tags)
    return X, y


@pytest.fixture(scope="module")
def entities():
    """A tagger of entities, with a conditional random field."""
    X, y = sentences(60)
    options = {**SMALL, "output": "crf", "scheme": "iobes", "epochs": 8, "lr": 0.03, "batch_size": 8}
    return Tagger(**options).fit([*X, []], [*y, []], valid=sentences(10, seed=1))


def test_entities_are_learnt_in_another_scheme_than_they_are_given_in(entities):
    X, y = sentences(20, seed=2)
    assert entities.score(X, y) == 1
    assert entities.predict([["Eve", "Lee", "saw", "Rome"], []]) == [["B-per", "E-per", "O", "S-loc"], []]
    assert entities.tags_.scheme == "iobes"
    assert entities.report_.valid_loss == 0
    found = entities.evaluate([["Ann", "Xyz"]], [["I-per", "I-org"]])
    assert (found.unknown, found.unseen) == (1, {"S-org": 1})


def test_a_conditional_random_field_gives_well_formed_entities(entities):
    untrained = Tagger(**SMALL, output="crf", epochs=1, lr=1e-9).fit(*sentences(8))
    random = np.random.default_rng(0)
    X = [list(random.choice([*PEOPLE, *PLACES, "x", "1"], size=n)) for n in range(1, 30)]
    for row in untrained.predict(X):
        assert all(b[0] != "I" or a[1:] == b[1:] for a, b in zip(["O", *row], row, strict=False))


def test_marginals_are_probabilities_of_tags_at_tokens(entities):
    X, _ = sentences(5, seed=3)
    rows = entities.predict_marginals([*X, []])
    assert [row.shape for row in rows] == [*((len(x), 9) for x in X), (0, 9)]
    assert all(np.allclose(row.sum(axis=1), 1, atol=1e-5) for row in rows)
    person = [i for i, name in enumerate(entities.tags_.names) if name.endswith("-per")]
    assert all(row[0, person].sum() > 0.5 > row[-1, person].sum() for row in rows[:-1])


def test_what_was_saved_is_what_is_loaded(entities, tmp_path):
    entities.info = {"settings": {"column": "2"}, "trained_on": [{"path": "a", "bytes": 1, "sha256": "0"}]}
    entities.save(tmp_path / "tagger")
    loaded = Tagger.load(tmp_path / "tagger")
    X, y = sentences(9, seed=4)
    for one, other in zip(entities.predict_marginals(X), loaded.predict_marginals(X), strict=True):
        assert np.array_equal(one, other)
    assert loaded.predict(X) == entities.predict(X)
    assert loaded.evaluate(X, y) == entities.evaluate(X, y)
    assert loaded.info["settings"] == {"column": "2"}
    assert loaded.get_params() == entities.get_params()
    assert {**loaded.arrays()}.keys() == entities.arrays().keys()
    store.verify(tmp_path / "tagger")


def test_the_score_of_outside_is_tuned_on_the_validation_sentences():
    """Where entities are rarer in training than in validation, O is favoured by too much."""
    X, y = sentences(12)
    seldom = [["O"] * len(row) if i % 4 else row for i, row in enumerate(y)]  # three quarters are not marked
    options = {**SMALL, "output": "crf", "epochs": 4, "lr": 0.03, "batch_size": 4}
    plain = Tagger(**options).fit(X, seldom, valid=(X, y))
    tuned = Tagger(**options, tune_outside=True).fit(X, seldom, valid=(X, y))
    assert plain.outside_ == 0 < tuned.outside_
    assert tuned.score(X, y) > plain.score(X, y)
    outside = tuned.tags_.names.index("O")
    one, other = (model.arrays()["network.output.bias"] for model in (plain, tuned))
    assert other[outside] == pytest.approx(one[outside] - tuned.outside_, abs=1e-5)
    assert np.array_equal(np.delete(one, outside), np.delete(other, outside))
    with pytest.raises(UsageError) as refused:
        Tagger(**options, tune_outside=True).fit(X, y)
    assert str(refused.value) == "tune_outside needs validation sentences with entities; give them with valid (--valid)"


def test_damaged_models_are_refused_by_name(entities, tmp_path):
    entities.save(tmp_path / "tagger")
    config = json.loads((tmp_path / "tagger" / "config.json").read_text())
    config["parameters"]["tags"].append("B-extra")
    (tmp_path / "tagger" / "config.json").write_text(json.dumps(config))
    with pytest.raises(StoreError, match="tagger"):
        Tagger.load(tmp_path / "tagger")


@pytest.mark.parametrize("network", ["window", "rnn", "bilstm"])
def test_parts_of_speech_with_vectors(network, tmp_path):
    (tmp_path / "vectors.txt").write_text("ann 1 0\nbob 1 0\nzoe 1 0\nsaw 0 1\nleft 0 1\nwent 0 1\n")
    X = [["Ann", "saw", "Bob"], ["Bob", "left"], ["Ann", "left", "Ann"]] * 6
    y = [["N" if word[0].isupper() else "V" for word in row] for row in X]
    vectors = tmp_path / "vectors.txt"
    settings = {**SMALL, "characters": "none", "shape_size": 0, "embedding_size": 0, "epochs": 30, "lr": 0.03}
    with pytest.raises(UsageError):
        Tagger(**settings, network=network, vectors=vectors).fit(X, y)
    tagger = Tagger(**(settings | {"embedding_size": 2}), network=network, vectors=vectors, word_dropout=0.5)
    tagger.fit(X, y)
    assert tagger.tags_ == (["N", "V"], "none")
    assert tagger.predict([["Zoe", "went"]]) == [["N", "V"]]  # neither is in the training text
    assert tagger.score([["Zoe", "went"]], [["N", "X"]]) == 0.5


def test_words_are_looked_up_as_they_are_then_lowercased_then_without_their_digits(tmp_path):
    (tmp_path / "vectors.txt").write_text("Apple 1\napple 2\npear 3\n00 4\n")
    vectors = read_vectors(tmp_path / "vectors.txt")
    table = Encoder.of([["Pear", "17"]], vectors=vectors).table(
        ["Apple", "APPLE", "Pear", "17", "plum", "@ApplePear's"]
    )
    assert table.vectors.tolist() == [[0, -1], [1, -1], [2, -1], [3, -1], [-1, -1], [0, 2]]
    assert table.ids.tolist()[2:] == [4, 3, 0, 0]
    assert read_vectors(tmp_path / "vectors.txt", most=2).table.tolist() == [[1], [2]]


def test_long_words_are_read_at_both_ends():
    encoder = Encoder.of([["abcdefghijklmnopqrstuvwxyz"]])
    one, other = encoder.table(["a" * 12 + "x" * 9 + "b" * 12, "a" * 12 + "b" * 12]).characters
    assert one.tolist() == other.tolist()


@pytest.mark.parametrize(
    ("word", "expected"),
    [("I", "Title"), ("U.S.", "UPPER"), ("@", "marks"), ("#", "marks"), ("#a", "#tag"), ("a@b.c", "address"),
     ("1,000", "digits"), ("B2B", "with digits"), ("das", "lower"), ("ش", "other")],
)  # fmt: skip
def test_ways_of_writing(word, expected):
    assert shape(word) == expected


def test_it_is_an_estimator():
    tagger = Tagger(network="rnn", hidden_size=7)
    copy = clone(tagger.set_params(output="crf"))
    assert copy.get_params() == tagger.get_params() and copy.output == "crf"
    with pytest.raises(NotFittedError):
        tagger.predict([["a"]])


@pytest.mark.parametrize(
    ("options", "X", "y", "error", "message"),
    [
        ({}, [[]], [[]], TrainingError, "the training text has no token; give sentences with their tags"),
        ({}, [["a"]], [], UsageError,
         "the training text has 1 sentences and tags of 0; give a list of tags for each"),
        ({}, [["a"], ["b", "c"]], [["X"], ["X"]], UsageError,
         "sentence 2 of the training text has 2 tokens and 1 tags; give one a token"),
        ({}, ["a b"], [["X"]], UsageError, "sentence 1 is the string 'a b'; give a list of its tokens"),
        ({"scheme": "iob1"}, [["a"]], [["X"]], UsageError,
         "scheme='iob1': expected one of auto, none, iob2, iobes"),
        ({"scheme": "iob2"}, [["a"]], [["NOUN"]], UsageError,
         "the tag 'NOUN' is no entity's: expected O, or B-, I-, E- or S- and a type, such as B-person"),
        ({"patience": 2}, [["a"]], [["X"]], UsageError,
         "patience needs a validation text to go by; give one with valid (--valid FILE)"),
        ({"network": "gru"}, [["a"]], [["X"]], UsageError, "network='gru': expected one of window, rnn, bilstm"),
    ],
)  # fmt: skip
def test_what_does_not_fit(options, X, y, error, message):
    with pytest.raises(error) as refused:
        Tagger(**options).fit(X, y)
    assert str(refused.value) == message
