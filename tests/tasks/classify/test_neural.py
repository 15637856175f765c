"""Networks as estimators: word order that a bag of words cannot see, reproducible, stored bit by bit, or refused."""

import itertools
import random
from pathlib import Path

import numpy as np
import pytest

pytest.importorskip("torch")
pytest.importorskip("sklearn")

import torch
from sklearn.base import clone
from sklearn.feature_extraction.text import CountVectorizer
from sklearn.linear_model import LogisticRegression
from sklearn.model_selection import cross_val_score
from sklearn.pipeline import make_pipeline

from nextword import store
from nextword.api import LM
from nextword.errors import StoreError, UsageError
from nextword.neural.families import build
from nextword.neural.model import NeuralModel
from nextword.tasks.classify.base import Examples, TextClassifier
from nextword.tasks.classify.network import split, tokens
from nextword.tasks.classify.neural import CnnClassifier, RnnClassifier
from nextword.text.normalize import Normalizer
from nextword.text.pipeline import Pipeline
from nextword.text.vocabulary import Vocabulary
from nextword.text.words import WordTokenizer
from toy import toy_vocabulary

THINGS = ["football", "music", "rain", "summer", "chess", "snow"]
PEOPLE = ["people", "children", "students", "farmers", "neighbours", "sailors"]
MOODS = ["happy", "angry", "loud", "famous"]
NOUNS = ["food", "soup", "tea", "room", "view", "staff"]
OPPOSITES = [("good", "bad"), ("warm", "cold"), ("clean", "dirty"), ("quick", "slow"), ("kind", "rude")]
EXTRAS = ["at all", "today", "here", "this time"]

FAST = {"threads": 1, "device": "cpu", "dropout": 0.0, "dropout_input": 0.0, "word_dropout": 0.0}
TINY = {
    CnnClassifier: {**FAST, "embedding_size": 6, "maps": 4, "widths": (1, 2), "lr": 0.03, "epochs": 6, "batch_size": 8},
    RnnClassifier: {**FAST, "embedding_size": 6, "hidden_size": 5, "lr": 0.03, "epochs": 6, "batch_size": 8},
}
LIKED = ["a lovely play", "lovely and warm", "it was a warm lovely day", "so warm", "lovely", "what lovely people"]
HATED = [
    "a dreadful play",
    "dreadful and cold",
    "it was a cold dreadful day",
    "so cold",
    "dreadful",
    "what dreadful people",
]
TEXTS, LABELS = LIKED * 3 + HATED * 3, ["liked"] * 18 + ["hated"] * 18


def order_pairs():
    """Pairs of the same words in another order, of which the first is of class 1 and the second of class 0."""
    for thing, people, mood in itertools.product(THINGS, PEOPLE, MOODS):
        yield f"{thing} made {people} {mood}", f"{people} made {thing} {mood}"
    for noun, (good, bad), extra in itertools.product(NOUNS, OPPOSITES, EXTRAS):
        yield f"{noun} {good} , not {bad} {extra}", f"{noun} {bad} , not {good} {extra}"


def test_the_order_of_words_is_seen_where_a_bag_of_words_sees_none():
    """*Football makes people happy* / *People make football happy*; *food good, not bad* / *bad, not good*."""
    pairs = list(order_pairs())
    random.Random(0).shuffle(pairs)
    known, unseen = ([text for pair in part for text in pair] for part in (pairs[:180], pairs[180:]))
    labels, expected = ([1, 0] * (len(part) // 2) for part in (known, unseen))
    bag = make_pipeline(CountVectorizer(), LogisticRegression()).fit(known, labels)
    assert bag.score(unseen, expected) == 0.5  # both texts of a pair are given the same class
    options = {**FAST, "embedding_size": 16, "hidden_size": 16, "cell": "gru", "lr": 0.01, "batch_size": 16}
    reader = RnnClassifier(**options, epochs=15).fit(known, labels)
    assert reader.score(unseen, expected) >= 0.99


@pytest.mark.parametrize("method", TINY)
def test_it_learns_and_the_seed_decides_all(method):
    first = method(**TINY[method]).fit(TEXTS, LABELS)
    assert first.score(["such a lovely day", "a cold room"], ["liked", "hated"]) == 1.0
    probabilities = first.predict_proba(TEXTS)
    assert (probabilities == method(**TINY[method]).fit(TEXTS, LABELS).predict_proba(TEXTS)).all()
    assert (probabilities != method(**TINY[method], seed=1).fit(TEXTS, LABELS).predict_proba(TEXTS)).any()


@pytest.mark.parametrize("method", TINY)
def test_a_stored_classifier_is_the_same_bit_by_bit(method, tmp_path):
    trained = method(**TINY[method]).fit(TEXTS, LABELS)
    trained.save(tmp_path / "model")
    opened = TextClassifier.load(tmp_path / "model")
    assert type(opened) is method
    texts = [*TEXTS, "words never seen before", "", "!"]
    assert (opened.predict_proba(texts) == trained.predict_proba(texts)).all()
    assert (opened.predict(texts) == trained.predict(texts)).all()
    assert opened.valid_accuracy_ == trained.valid_accuracy_
    stored = {name: array.tobytes() for name, array in trained.arrays().items()}
    assert {name: array.tobytes() for name, array in opened.arrays().items()} == stored


@pytest.mark.parametrize("method", TINY)
def test_scikit_learns_tools_work(method):
    estimator = method(**TINY[method])
    assert clone(estimator).get_params() == estimator.get_params()
    assert cross_val_score(estimator, TEXTS, LABELS, cv=2).mean() > 0.8


@pytest.mark.parametrize("method", TINY)
def test_neither_other_texts_nor_their_number_change_an_answer(method):
    trained = method(**TINY[method]).fit(TEXTS, LABELS)
    texts = ["lovely", "a cold and dreadful day , was it not ?", "so", "…"]
    together = trained.predict_log_proba(texts)
    for row, text in zip(together, texts, strict=True):
        assert trained.predict_log_proba([text])[0] == pytest.approx(row, abs=1e-5)


def test_held_out_examples_decide_which_weights_are_kept():
    given = RnnClassifier(**TINY[RnnClassifier]).fit(
        TEXTS, LABELS, valid=(["warm", "cold", ""], ["liked", "hated", "hated"])
    )
    assert given.valid_accuracy_ == 1.0  # of the two that are not empty
    alone = RnnClassifier(**{**TINY[RnnClassifier], "epochs": 2}, valid_share=0.0).fit(TEXTS, LABELS)
    assert (alone.valid_accuracy_, alone.report_.stopped, alone.report_.epochs) == (None, "epochs", 2)
    with pytest.raises(UsageError) as caught:
        CnnClassifier(**TINY[CnnClassifier]).fit(TEXTS, LABELS, valid=([" "], ["liked"]))
    assert str(caught.value) == "all held-out texts are empty; give some that are not, or none at all"


def test_a_split_takes_the_same_share_of_each_class():
    targets = np.array([0] * 50 + [1] * 20 + [2] * 2 + [3])
    examples = Examples([str(i) for i in range(len(targets))], targets)
    known, held_out = split(examples, share=0.2, seed=5)
    assert np.bincount(known.targets).tolist() == [40, 16, 2, 1]
    assert np.bincount(held_out.targets).tolist() == [10, 4]
    assert sorted(known.texts + held_out.texts) == sorted(examples.texts)
    assert all(examples.targets[int(text)] == target for text, target in zip(*held_out, strict=True))
    assert split(examples, share=0.2, seed=5)[1].texts == held_out.texts != split(examples, share=0.2, seed=6)[1].texts
    assert split(examples, share=0.9)[0].targets.tolist() == [0] * 5 + [1] * 2 + [2, 3]  # one or more to learn from
    assert split(examples, share=0.0)[1] is None


def test_a_text_of_several_lines():
    assert tokens(Pipeline(), "so warm\n\nand lovely") == ["so", "warm", "</s>", "</s>", "and", "lovely"]
    trained = CnnClassifier(**TINY[CnnClassifier]).fit([f"{text}\nor so" for text in TEXTS], LABELS)
    assert trained.score([f"so\n{text}" for text in TEXTS], LABELS) > 0.8


def test_training_settings_by_name():
    trained = CnnClassifier(**TINY[CnnClassifier], training={"steps": 3, "epochs": None, "optimizer": "sgd"})
    assert trained.fit(TEXTS, LABELS).report_.steps == 3


def glove(folder: Path) -> Path:
    """Vectors in which what is pleasant has a first number above 0; "sunny" and "gloomy" are in no training text."""
    words = {"lovely": 1, "warm": 1, "sunny": 1, "dreadful": -1, "cold": -1, "gloomy": -1}
    file = folder / "vectors.txt"
    file.write_text("".join(f"{word} {sign} 0.5 -0.25\n" for word, sign in words.items()))
    return file


@pytest.mark.parametrize("method", TINY)
@pytest.mark.parametrize("channels", ["static", "fine-tuned", "multichannel"])
def test_words_of_a_vector_file_mean_what_their_neighbours_do(method, channels, tmp_path):
    options = {**TINY[method], "embedding_size": 3, "epochs": 12}
    vectors = glove(tmp_path)
    trained = method(**options, vectors=vectors, channels=channels).fit(TEXTS, LABELS)
    assert trained.predict(["Sunny", "gloomy"]).tolist() == ["liked", "hated"]
    assert "sunny" in trained.vocabulary_
    assert trained.learned_ == len(trained.vocabulary_) - 2
    trained.save(tmp_path / "model")
    vectors.unlink()  # it is not needed again
    assert TextClassifier.load(tmp_path / "model").predict(["sunny"]).tolist() == ["liked"]
    fewer = method(**{**options, "epochs": 1}, vectors=glove(tmp_path), more_words=0).fit(TEXTS, LABELS)
    assert "sunny" not in fewer.vocabulary_


def language_model(folder: Path, *, cell="lstm", scope="stream") -> Path:
    words = [*toy_vocabulary(3).words, "a", "warm", "cold", "day"]
    torch.manual_seed(0)
    network = build(cell, {"embedding_size": 6, "hidden_size": 5, "layers": 2, "tied": True}, len(words), 1)
    model = NeuralModel(network, Vocabulary.from_words(words), scope=scope)
    LM(model, Pipeline(Normalizer(lowercase=True), WordTokenizer())).save(folder)
    return folder


@pytest.mark.parametrize(("cell", "scope", "first"), [("lstm", "stream", 2), ("gru", "sentence", 1)])
def test_a_language_model_to_begin_with(cell, scope, first, tmp_path):
    start = language_model(tmp_path / "lm", cell=cell, scope=scope)
    options = {**TINY[RnnClassifier], "epochs": 30, "patience": 30, "valid_share": 0.0}
    trained = RnnClassifier(**options, start=start, pooling="concat", tokenizer="char").fit(TEXTS, LABELS)
    assert trained.vocabulary_.words[:7] == ["<unk>", "<s>", "</s>", "a", "warm", "cold", "day"]
    assert "dreadful" in trained.vocabulary_  # what the language model lacks is learnt
    assert trained.settings_["sizes"] == [5, 6]
    assert trained.first_ == first
    assert trained.predict(["Warm!", "cold"]).tolist() == ["liked", "hated"]  # cut as the language model cuts text
    trained.save(tmp_path / "model")
    texts = ["lovely warm", "x"]
    assert (TextClassifier.load(tmp_path / "model").predict_proba(texts) == trained.predict_proba(texts)).all()


def test_what_a_language_model_knows_is_taken_over(tmp_path):
    """Before a step is made, the layers that read forwards are the language model's; vectors stand beside its own."""
    start = language_model(tmp_path / "lm")
    options = {**TINY[RnnClassifier], "start": start, "vectors": glove(tmp_path), "training": {"lr": 1e-30}}
    trained = RnnClassifier(**options).fit(TEXTS, LABELS)
    arrays = trained.arrays()
    theirs = store.load(start).model.arrays()
    assert arrays["embedding.0.tuned.weight"][:7] == pytest.approx(theirs["embedding.weight"])
    inputs = arrays["forwards.0.cell.weight_ih_l0"]
    assert inputs[:, :6] == pytest.approx(theirs["layers.0.cell.weight_ih_l0"])
    assert abs(inputs[:, 6:]).max() < 1e-20  # 3 + 3: multichannel
    assert inputs.shape[1] == 12


def test_a_model_that_cannot_be_started_from(tmp_path):
    start = language_model(tmp_path / "lm", cell="rnn")
    with pytest.raises(StoreError) as caught:
        RnnClassifier(start=start).fit(TEXTS, LABELS)
    assert str(caught.value) == f"{start}: holds a model of kind rnn, expected one of lstm, gru to start from"


def test_opening_without_pytorch(tmp_path, monkeypatch):
    CnnClassifier(**{**TINY[CnnClassifier], "epochs": 1}).fit(TEXTS, LABELS).save(tmp_path / "model")
    monkeypatch.setattr("nextword.neural.find_spec", lambda name: None)
    with pytest.raises(StoreError) as caught:
        TextClassifier.load(tmp_path / "model")
    expected = f"{tmp_path / 'model'}: this needs PyTorch; install it with: pip install 'nextword[neural]'"
    assert str(caught.value) == expected


def test_vectors_that_do_not_suit(tmp_path):
    vectors = glove(tmp_path)
    with pytest.raises(UsageError) as caught:
        CnnClassifier(vectors=vectors, embedding_size=5).fit(TEXTS, LABELS)
    assert str(caught.value) == f"{vectors}: its vectors have 3 numbers, not 5; leave out the size"
    with pytest.raises(UsageError) as caught:
        CnnClassifier(vectors=vectors, tokenizer="char").fit(["x y", "z"], [0, 1])
    assert str(caught.value) == f"{vectors}: has none of the 4 words of the texts; were they cut or cased alike?"


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({"channels": "static"}, "channels='static' needs word vectors; give a file of them with vectors"),
        (
            {"channels": "random", "vectors": "v.txt"},
            "channels='random' uses no word vectors; leave out one of vectors and channels",
        ),
        ({"valid_share": 1.0}, "valid_share is 1.0; give a share from 0 to below 1, such as 0.1"),
        ({"min_count": 0}, "min_count=0, more_words=50000: expected 1 or more, and 0 or more"),
        (
            {"tokenizer": "wrod"},
            "unknown tokenizer 'wrod'; choose one of whitespace, word, char, byte, or a file",
        ),
        ({"epochs": 0}, "epochs is 0; give a whole number at least 1"),
        ({"training": {"speed": 1}}, "unknown setting 'speed'; a cnn model is trained with those of TrainingSettings"),
        ({"maps": 0}, "maps=0: expected a whole number of 1 or more"),
    ],
)
def test_options_that_make_no_sense(options, message):
    with pytest.raises(UsageError) as caught:
        CnnClassifier(**options).fit(TEXTS, LABELS)
    assert str(caught.value) == message


def test_a_seed_is_the_same_however_it_is_given(tmp_path):
    """Words that the file of vectors lacks get random ones, which the seed decides too."""
    (tmp_path / "vectors.txt").write_text("good 0.1 0.2 0.3\nbad -0.1 -0.2 0.3\n", encoding="utf-8")
    texts, labels = ["a good film", "a bad film", "good", "bad one"] * 3, [1, 0, 1, 0] * 3
    given = {"vectors": tmp_path / "vectors.txt", "maps": 4, "epochs": 2, "threads": 1, "batch_size": 4}
    one = CnnClassifier(**given, seed=5).fit(texts, labels, valid=(texts, labels))
    two = CnnClassifier(**given, training={"seed": 5}).fit(texts, labels, valid=(texts, labels))
    other = CnnClassifier(**given, seed=6).fit(texts, labels, valid=(texts, labels))
    assert np.array_equal(one.predict_proba(texts), two.predict_proba(texts))
    assert not np.array_equal(one.predict_proba(texts), other.predict_proba(texts))
