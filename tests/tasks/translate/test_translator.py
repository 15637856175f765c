import numpy as np
import pytest

pytest.importorskip("torch")
pytest.importorskip("sacrebleu")
pytest.importorskip("sklearn")

from sklearn.base import clone
from sklearn.exceptions import NotFittedError

import nextword.store
from nextword.errors import StoreError, TextError, TrainingError, UsageError
from nextword.tasks.translate.captioner import Captioner
from nextword.tasks.translate.translator import Translator, whole_pairs
from tasks.translate.languages import WORDS, quick, sentences

TRAIN, DEV = sentences(700, seed=0), sentences(60, seed=1)
SMALL = {"embedding_size": 24, "hidden_size": 48, "dropout": 0.1}


@pytest.fixture(scope="module")
def translator():
    return Translator(tokenizer="word", training=quick(), **SMALL).fit(*TRAIN, valid=DEV)


def test_it_learns_and_says_how_well(translator):
    found = translator.predict(DEV[0])
    assert np.mean([one == other for one, other in zip(found, DEV[1], strict=True)]) >= 0.9
    assert translator.score(*DEV) >= 90
    assert translator.report_.epochs == 6
    assert translator.skipped_ == {"blank": 0, "long": 0}


def test_it_is_an_estimator(translator):
    again = clone(translator)
    assert again.get_params() == translator.get_params()
    with pytest.raises(NotFittedError):
        again.predict(["the cat"])


def test_blank_sentences_stay_blank_and_in_their_places(translator):
    alone = translator.predict(["the cat"])
    assert translator.predict(["", "the cat", " \t"]) == ["", *alone, ""]
    assert translator.predict([]) == []


def test_a_sentence_is_translated_as_if_it_were_alone(translator):
    assert translator.predict(DEV[0][:20]) == [translator.predict([source])[0] for source in DEV[0][:20]]


def test_several_translations_are_ranked(translator):
    found = translator.translations(["the red bird sees"], best=3, beam=4)[0]
    assert len({one.text for one in found}) == 3
    assert [one.score for one in found] == sorted((one.score for one in found), reverse=True)
    assert found[0].finished and found[0].log_prob < 0


def test_a_translation_has_the_probability_that_the_search_gave_it(translator):
    found = [one[0] for one in translator.translations(DEV[0][:10])]
    scored = translator.log_probs(DEV[0][:10], [one.text for one in found])
    assert scored.tolist() == pytest.approx([one.log_prob for one in found], abs=1e-3)
    wrong = translator.log_probs(DEV[0][:10], ["ve " + one.text for one in found])
    assert (wrong < scored).all()
    with pytest.raises(UsageError) as error:
        translator.log_probs(["the cat", ""], ["el gato", "x"])
    assert str(error.value) == "1 of the pairs are blank, and have no probability; leave them out"


def test_a_translation_has_at_most_so_many_tokens(translator):
    cut = translator.translations(["the red bird sees"], max_tokens=2, beam=1)[0][0]
    assert len(cut.text.split()) == 2
    assert not cut.finished


def test_where_it_looks_is_the_word_that_it_translates(translator):
    looked = translator.look("small red bird", "pájaro rojo pequeño")
    assert (looked.source, looked.target) == (
        ["small", "red", "bird", "</s>"],
        ["pájaro", "rojo", "pequeño", "</s>"],
    )
    assert looked.weights.shape == (4, 4)
    assert looked.weights.sum(axis=1) == pytest.approx(np.ones(4), abs=1e-5)
    assert translator.look("small red bird").target == [*translator.predict(["small red bird"])[0].split(), "</s>"]


@pytest.mark.parametrize(
    "options",
    [
        {"tokenizer": "bpe", "vocab_size": 290, "separate": True, "attention": "bahdanau", "cell": "gru"},
        {"tokenizer": "char", "input_feeding": True, "lowercase": True, "tied": False},
        {"tokenizer": "word", "attention": "none", "label_smoothing": 0.1, "layers": 2},
    ],
)
def test_what_is_saved_is_what_is_loaded(options, tmp_path):
    settings = quick(epochs=None, steps=4)
    made = Translator(training=settings, **SMALL, **options).fit(TRAIN[0][:50], TRAIN[1][:50], valid=DEV)
    made.save(tmp_path / "model")
    again = Translator.load(tmp_path / "model")
    assert again.get_params() == made.get_params()
    for one, other in ((made, again), (again, clone(again))):
        assert one.training == other.training
    found = [model.translations(DEV[0], best=2, beam=3) for model in (made, again)]
    assert found[0] == found[1]
    assert again.skipped_ == made.skipped_
    assert again.info["settings"]["steps"] == 4
    nextword.store.verify(tmp_path / "model")
    if options["attention"] != "none" if "attention" in options else True:
        looks = [model.look(DEV[0][0]) for model in (made, again)]
        assert np.array_equal(looks[0].weights, looks[1].weights)


def test_another_kind_of_model_is_refused(tmp_path):
    rows = np.eye(2)
    made = Captioner(training=quick(epochs=None, steps=1), embedding_size=4, hidden_size=4).fit(rows, ["a", "b"])
    made.save(tmp_path)
    with pytest.raises(StoreError, match="holds a model of kind captioner, expected a translator"):
        Translator.load(tmp_path)


def test_bpe_knows_every_byte():
    made = Translator(vocab_size=270, training=quick(epochs=None, steps=1), **SMALL).fit(["the cat"], ["el gato"])
    assert len(made.vocabulary) >= 3 + 256
    assert made._source.ids(["żółw 🐢"])[0].min() > 2
    assert made._source.text(made._source.ids(["żółw 🐢"])[0]) == "żółw 🐢"
    assert made._source.readable(made._source.ids(["the cats"])[0])[-1].startswith("·")


def test_an_unknown_word_is_copied_from_where_it_looks():
    made = Translator(tokenizer="word", training=quick(epochs=None, steps=1), **SMALL).fit(["the cat"], ["el gato"])
    unk, cat = made.vocabulary.unk, made.vocabulary["gato"]

    class Hypothesis:
        ids, places = (cat, unk, unk), (0, 1, 2)

    assert made._text(Hypothesis, "the Zorglub") == "gato Zorglub"  # the last looked at </s>


def test_without_attention_nothing_is_unknown():
    made = Translator(tokenizer="word", attention="none", training=quick(epochs=None, steps=2), **SMALL).fit(*DEV)
    with_unknown = [source + " zebra" for source in DEV[0]]
    assert not any("<unk>" in text for text in made.predict(with_unknown, beam=2))
    with pytest.raises(UsageError) as error:
        made.look("the cat")
    assert str(error.value) == (
        "this translator was trained without attention, so it looks nowhere; train one with luong"
    )


def test_blank_and_long_pairs_are_counted():
    sources = ["the cat", "", "dog", "a a a a a a", "bird"]
    targets = ["el gato", "x", "  ", "un", "pájaro pájaro pájaro pájaro pájaro pájaro"]
    made = Translator(tokenizer="word", max_tokens=5, training=quick(epochs=None, steps=1), **SMALL)
    assert made.fit(sources, targets).skipped_ == {"blank": 2, "long": 2}
    assert whole_pairs([" a ", "b"], ["c", ""]) == (["a"], ["c"], 1)


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({"attention": "cosine"}, "attention='cosine': expected one of luong, luong-dot, bahdanau, none"),
        ({"label_smoothing": 1.0}, "label_smoothing=1.0: expected a share of 0 to below 1"),
        ({"max_tokens": 0}, "max_tokens=0: expected the longest text that is learnt, 1 token or more"),
        ({"beam": 0}, "beam=0: expected the number of texts to keep, 1 or more"),
        ({"length_penalty": -1.0}, "length_penalty=-1.0: expected 0 (none) or more"),
        (
            {"vocab_size": 100, "tokenizer": "bpe"},
            "a byte-level BPE vocabulary holds the 256 bytes at least; vocab_size is 100",
        ),
    ],
)
def test_options_out_of_range(options, message):
    with pytest.raises(UsageError) as error:
        Translator(**{"tokenizer": "word", **options}).fit(["the cat"], ["el gato"])
    assert str(error.value) == message


def test_pairs_that_are_none(translator):
    made = Translator(tokenizer="word")
    with pytest.raises(UsageError) as error:
        made.fit(["the cat"], [])
    assert str(error.value) == "1 sources and 0 targets: give a translation for each sentence"
    with pytest.raises(TrainingError) as failed:
        made.fit(["", "a"], ["un", " "])
    assert str(failed.value) == "there is no pair of sentences to learn from; give at least one"
    with pytest.raises(TextError):
        translator.predict(["the\ncat"])
    with pytest.raises(UsageError) as error:
        translator.translations(["the cat"], best=3, beam=2)
    assert str(error.value) == "best=3 of a beam of 2: expected 1 to 2; widen the beam to get more"
    with pytest.raises(UsageError) as error:
        translator.look(" ")
    assert str(error.value) == "the sentence is blank, so there is nothing to look at; give one with words"


def test_the_toy_languages_have_a_word_for_a_word():
    assert len(set(WORDS.values())) == len(WORDS)
