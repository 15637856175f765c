"""Bayes' rule over n-gram models: probabilities by hand, texts of several lines, and what cannot be learnt."""

import math

import numpy as np
import pytest

pytest.importorskip("sklearn")

from nextword.api import LM  # noqa: E402
from nextword.errors import EstimationError, StoreError, TextError, UsageError  # noqa: E402
from nextword.tasks.classify.ngram import NgramClassifier  # noqa: E402

TEXTS, LABELS = ["a a b", "a b", "b c"], ["x", "x", "y"]


def test_probabilities_by_hand():
    # Five events: a, b, c, </s> and <unk>. Class x has a 3, b 2, </s> 2 of 7 tokens, so p(w) = (count + 1) / (7 + 5);
    # class y has b, c and </s> once each: p(w) = (count + 1) / (3 + 5). Two of three texts are of class x.
    found = NgramClassifier(order=1, smoothing="laplace", tokenizer="whitespace").fit(TEXTS, LABELS)
    a_b = [4 / 12 * 3 / 12 * 3 / 12, 1 / 8 * 2 / 8 * 2 / 8]
    np.testing.assert_allclose(np.exp(found.log_likelihoods(["a b"])), [a_b], rtol=1e-6)
    joint = 2 / 3 * a_b[0], 1 / 3 * a_b[1]
    np.testing.assert_allclose(
        found.predict_proba(["a b"]), [[joint[0] / sum(joint), joint[1] / sum(joint)]], rtol=1e-6
    )
    uniform = NgramClassifier(order=1, smoothing="laplace", tokenizer="whitespace", prior="uniform").fit(TEXTS, LABELS)
    np.testing.assert_allclose(uniform.predict_proba(["a b"])[0, 0], a_b[0] / sum(a_b), rtol=1e-6)
    np.testing.assert_allclose(uniform.predict_proba([""]), [[0.5, 0.5]])


@pytest.mark.parametrize("tokenizer", ["char", "byte", "word", "whitespace"])
@pytest.mark.parametrize("smoothing", ["modified-kneser-ney", "witten-bell", "katz"])
def test_likelihoods_are_those_of_its_models_line_by_line(tokenizer, smoothing):
    texts = ["the cat sat\non the mat", "un chat noir", "a cat", "le chat dort\n\nbien", "naïve ▁ text"]
    found = NgramClassifier(order=3, smoothing=smoothing, tokenizer=tokenizer).fit(texts, [0, 1, 0, 1, 0])
    asked = [*texts, "one\n", "unseen: ü 字", "x"]
    expected = [[LM(model, found.pipeline).score(text + "\n") for model in found.models_] for text in asked]
    np.testing.assert_allclose(found.log_likelihoods(asked), expected, rtol=1e-9)
    for model in found.models_:
        assert model.vocabulary is found.vocabulary_
        total = np.exp(model.log_probs(model.start(1))).sum()
        assert math.isclose(total, 1.0, rel_tol=1e-5)


def test_threads_change_nothing():
    chance = np.random.default_rng(0)
    texts = ["".join(chance.choice(list("abc \n"), 10)) + "a" for _ in range(5000)]
    labels = chance.integers(0, 2, len(texts))
    one, two = (NgramClassifier(order=3, threads=threads).fit(texts, labels) for threads in (1, 2))
    np.testing.assert_array_equal(one.predict_log_proba(texts), two.predict_log_proba(texts))


def test_languages_are_told_apart_by_their_characters():
    english = ["where is the station", "the weather is nice today", "she would rather walk there", "that was the truth"]
    french = ["où est la gare", "il fait beau aujourd'hui", "elle préfère y aller à pied", "c'était la vérité"]
    found = NgramClassifier(order=3).fit(english + french, ["en"] * 4 + ["fr"] * 4)
    assert found.predict(["the other", "la première"]).tolist() == ["en", "fr"]


def test_case_may_be_ignored():
    found = NgramClassifier(order=2, lowercase=True).fit(["ABBA", "cc"], [0, 1])
    np.testing.assert_array_equal(found.predict_proba(["abba", "CC"]), found.predict_proba(["ABBA", "cc"]))


def test_a_marker_in_a_text_is_an_unknown_word():
    found = NgramClassifier(order=2, smoothing="witten-bell", tokenizer="whitespace").fit(["a <s> b", "c </s>"], [0, 1])
    assert not {"<s>", "</s>"} & set(found.vocabulary_.words[3:])
    np.testing.assert_array_equal(found.predict_proba(["a </s> b", "<s>"]), found.predict_proba(["a <unk> b", "zzz"]))


def test_half_a_character_is_refused():
    found = NgramClassifier(order=1).fit(["a", "b"], [0, 1])
    with pytest.raises(TextError, match=r"^text 2: U\+D800 is half of a surrogate pair and no character; replace it$"):
        found.predict(["a", "\ud800"])


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({"order": 0}, "the order is 0; it must be 1 or more"),
        ({"prior": "flat"}, "unknown prior 'flat'; choose one of empirical, uniform"),
        (
            {"smoothing": "stupid-backoff"},
            "smoothing stupid-backoff has no probabilities, so it cannot classify; choose one of add, laplace, "
            "absolute, katz, witten-bell, kneser-ney, modified-kneser-ney",
        ),
        ({"smoothing": "mle"}, "smoothing mle gives what it has not seen no probability at all, so .*"),
        ({"smoothing": "jelinek-mercer"}, "smoothing jelinek-mercer needs held-out text for each class, so .*"),
        ({"tokenizer": "chars"}, "unknown tokenizer 'chars'; .*did you mean char.*"),
    ],
)
def test_impossible_options_are_refused(options, message):
    with pytest.raises(UsageError, match=f"^{message}$"):
        NgramClassifier(**options).fit(["a", "b"], [0, 1])


def test_a_class_without_words_is_refused():
    with pytest.raises(EstimationError, match="all texts of class 1 are empty"):
        NgramClassifier(order=1).fit(["a", " "], [0, 1])


def test_models_that_are_not_one_a_class_are_refused(tmp_path):
    found = NgramClassifier(order=1).fit(["a", "b"], [0, 1])
    parameters = found.parameters()
    parameters["state"]["members"].append(parameters["state"]["members"][0])
    with pytest.raises(UsageError, match="^there are 3 models of 2 classes; train it again$"):
        NgramClassifier.from_arrays(parameters, found.arrays(), found.vocabulary)
    found.save(tmp_path / "model")
    next((tmp_path / "model").glob("weights-*")).unlink()
    with pytest.raises(StoreError, match="is missing"):
        NgramClassifier.load(tmp_path / "model")
