"""Every classifier keeps scikit-learn's conventions, says what is wrong with its input, and counts empty texts."""

import numpy as np
import pytest

pytest.importorskip("sklearn")

from sklearn.base import clone  # noqa: E402
from sklearn.exceptions import NotFittedError  # noqa: E402
from sklearn.model_selection import GridSearchCV, cross_val_score  # noqa: E402
from sklearn.pipeline import make_pipeline  # noqa: E402
from sklearn.preprocessing import FunctionTransformer  # noqa: E402

from nextword import store  # noqa: E402
from nextword.errors import EstimationError, StoreError, UsageError  # noqa: E402
from nextword.ngram.train import train_ngram  # noqa: E402
from nextword.tasks.classify.base import TextClassifier  # noqa: E402
from nextword.tasks.classify.bow import BowClassifier  # noqa: E402
from nextword.tasks.classify.methods import METHODS, new_classifier  # noqa: E402
from nextword.tasks.classify.ngram import NgramClassifier  # noqa: E402
from nextword.text.corpus import Corpus  # noqa: E402
from numbers_as_text import estimator_checks  # noqa: E402

ANIMALS = ["the cat purrs", "a dog barks at the cat", "the dog sleeps", "cats and dogs run", "a cat sleeps"]
CARS = ["the car stops", "a lorry brakes hard", "the engine stops", "cars and lorries queue", "a car queues", "fuel"]
TEXTS, LABELS = ANIMALS + CARS, ["animal"] * 5 + ["car"] * 6
KINDS = [
    pytest.param(BowClassifier(features="counts", model="naive-bayes", tokenizer="whitespace"), id="bow"),
    pytest.param(NgramClassifier(order=1, smoothing="witten-bell", tokenizer="whitespace"), id="ngram"),
]


@pytest.mark.parametrize(("estimator", "check"), [pair for kind in KINDS for pair in estimator_checks(kind.values[0])])
def test_what_scikit_learn_asks_of_estimators(estimator, check):
    check(estimator)


@pytest.mark.parametrize("classifier", KINDS)
class TestEstimator:
    def test_it_learns_predicts_and_scores(self, classifier):
        fitted = clone(classifier).fit(TEXTS, LABELS)
        assert fitted.classes_.tolist() == ["animal", "car"]
        assert fitted.predict(["a dog and a cat", "the engine of a lorry"]).tolist() == ["animal", "car"]
        assert fitted.score(TEXTS, LABELS) == 1.0
        shares = fitted.predict_proba(TEXTS)
        np.testing.assert_allclose(shares.sum(axis=1), 1.0)
        np.testing.assert_allclose(np.log(shares), fitted.predict_log_proba(TEXTS))
        assert fitted.predict_proba([]).shape == (0, 2)

    def test_it_works_where_scikit_learn_expects_an_estimator(self, classifier):
        assert clone(classifier).get_params() == classifier.get_params()
        assert cross_val_score(classifier, np.array(TEXTS * 3), LABELS * 3, cv=3).mean() > 0.8
        lower = FunctionTransformer(lambda texts: [text.lower() for text in texts])
        assert make_pipeline(lower, clone(classifier)).fit(TEXTS, LABELS).score(TEXTS, LABELS) == 1.0
        search = GridSearchCV(classifier, {"tokenizer": ["word", "whitespace"]}, cv=2).fit(TEXTS, LABELS)
        assert search.best_estimator_.tokenizer in ("word", "whitespace")

    def test_labels_may_be_numbers_or_truth_values(self, classifier):
        numbers = clone(classifier).fit(TEXTS, [10] * 5 + [2] * 6)
        assert numbers.classes_.tolist() == [2, 10]
        assert numbers.predict(["a cat"]).tolist() == [10]
        assert clone(classifier).fit(TEXTS, [True] * 5 + [False] * 6).predict(["a cat"]).tolist() == [True]

    @pytest.mark.parametrize("labels", [LABELS, [1] * 5 + [0] * 6, [2.0] * 5 + [1.0] * 6, [True] * 5 + [False] * 6])
    def test_a_stored_one_predicts_the_very_same(self, classifier, labels, tmp_path):
        fitted = clone(classifier).fit(TEXTS, labels)
        fitted.save(tmp_path / "model")
        loaded = TextClassifier.load(tmp_path / "model")
        assert type(loaded) is type(fitted)
        assert loaded.get_params() == fitted.get_params()
        assert loaded.predict(TEXTS).dtype == fitted.predict(TEXTS).dtype
        asked = [*TEXTS, "", "what is this?", "two\nlines"]
        np.testing.assert_array_equal(loaded.predict_log_proba(asked), fitted.predict_log_proba(asked))

    def test_an_empty_text_is_counted_and_predicted_by_the_prior(self, classifier):
        fitted = clone(classifier).fit([*TEXTS, "", " \n\t"], [*LABELS, "animal", "animal"])
        assert fitted.empty_ == 2
        np.testing.assert_allclose(fitted.predict_proba(["", "\u3000"]), [[7 / 13, 6 / 13]] * 2)
        alone = clone(classifier).fit(TEXTS, LABELS)
        np.testing.assert_allclose(alone.predict_proba([""]), [[5 / 11, 6 / 11]])
        mixed = alone.predict_log_proba(["a cat", "", "a car"])
        np.testing.assert_array_equal(mixed[[0, 2]], alone.predict_log_proba(["a cat", "a car"]))

    def test_held_out_examples_are_checked(self, classifier):
        clone(classifier).fit(TEXTS, LABELS, valid=(["a cat"], ["animal"]))
        message = "held-out example 2 has the label 'ship', unseen in training; expected one of 'animal', 'car'"
        with pytest.raises(UsageError, match=f"^{message}$"):
            clone(classifier).fit(TEXTS, LABELS, valid=(["a cat", "a ship"], ["animal", "ship"]))

    @pytest.mark.parametrize(
        ("texts", "labels", "message"),
        [
            ("a cat", ["animal"], r"X is one text, 'a cat'; give a list of texts, \[text\] for a single one"),
            (["a", 7], ["x", "y"], r"example 2 is a int, 7; expected a text \(str\)"),
            (7, ["x"], r"X is a int, expected a sequence of texts \(str\)"),
            (np.zeros((2, 2)), ["x", "y"], r"X has the shape \(2, 2\), expected one dimension: .*"),
            (["a", "b"], "xy", "y is one label, 'xy'; give a list of labels, one for each text"),
            (["a", "b"], ["x"], "there are 2 texts and 1 labels; give one label for each text"),
            ([], [], "there are no examples; give texts and a label for each"),
            (["a", "b"], ["x", "x"], "all examples are of one class, 'x'; give examples of two or more classes"),
            (["a", "b"], np.array(["x", 3], object), r"the labels cannot be sorted \(.*\); give strings, or numbers"),
            (["a", "b"], [1.0, float("nan")], "Input y contains infinity or NaN; give each text a label"),
        ],
    )
    def test_what_is_no_example_is_refused(self, classifier, texts, labels, message):
        with pytest.raises(UsageError, match=f"^{message}$"):
            clone(classifier).fit(texts, labels)

    def test_a_class_of_empty_texts_cannot_be_learnt(self, classifier):
        message = "all texts of class 'b' are empty; give some that are not, or leave it out"
        with pytest.raises(EstimationError, match=f"^{message}$"):
            clone(classifier).fit(["one", " "], ["a", "b"])

    def test_an_unfitted_one_says_so(self, classifier):
        for ask in (classifier.predict, classifier.predict_proba, classifier.targets):
            with pytest.raises(NotFittedError):
                ask(["a cat"])


def test_labels_that_json_lacks_cannot_be_stored(tmp_path):
    days = np.array(["2024-01-01"] * 5 + ["2024-01-02"] * 6, dtype="datetime64[D]").astype(object)
    numbers = {day: i for i, day in enumerate(sorted(set(days)))}
    classifier = NgramClassifier(order=1).fit(TEXTS, [numbers[day] for day in days])
    classifier.classes_ = np.array(sorted(numbers), dtype=object)
    message = r"a label is datetime.date\(2024, 1, 1\), and only strings and numbers can be stored; .*"
    with pytest.raises(StoreError, match=message):
        classifier.save(tmp_path / "model")


def test_another_kind_of_model_is_no_classifier(tmp_path):
    store.save(tmp_path / "lm", train_ngram(Corpus.from_text("a b\n"), order=1, smoothing="witten-bell"))
    with pytest.raises(StoreError, match="holds a model of kind ngram, expected a classifier; "):
        TextClassifier.load(tmp_path / "lm")


def test_classes_are_found_by_how_they_are_written():
    classifier = NgramClassifier(order=1).fit(TEXTS, [1] * 5 + [0] * 6)
    assert classifier.classes_of(["1", "0"]).tolist() == [1, 0]
    assert classifier.targets([1, 7, 0]).tolist() == [1, -1, 0]
    with pytest.raises(UsageError, match="^the label '2' is unseen in training; expected one of 0, 1$"):
        classifier.classes_of(["1", "2"])


def test_methods_by_name():
    assert METHODS == ("ngram", "bow", "encoder", "cnn", "rnn")
    assert new_classifier("bow", model="svm").get_params()["model"] == "svm"
    with pytest.raises(UsageError, match="^unknown method 'lda'; choose one of ngram, bow, encoder, cnn, rnn$"):
        new_classifier("lda")
    with pytest.raises(UsageError, match="^ngram has no option depth; its options are lowercase, order, .*"):
        new_classifier("ngram", depth=3)
