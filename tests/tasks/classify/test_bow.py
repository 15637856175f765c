"""Bags of words: features by hand, predictions as scikit-learn's own, and the same ones after a save."""

import numpy as np
import pytest

pytest.importorskip("sklearn")

from hypothesis import given  # noqa: E402
from hypothesis import strategies as st  # noqa: E402
from sklearn.ensemble import RandomForestClassifier  # noqa: E402
from sklearn.feature_extraction.text import CountVectorizer, TfidfVectorizer  # noqa: E402
from sklearn.linear_model import LogisticRegression  # noqa: E402
from sklearn.naive_bayes import MultinomialNB  # noqa: E402
from sklearn.svm import LinearSVC  # noqa: E402
from sklearn.tree import DecisionTreeClassifier  # noqa: E402

from nextword.errors import EstimationError, UsageError  # noqa: E402
from nextword.tasks.classify.bow import BowClassifier  # noqa: E402
from nextword.tasks.classify.fitted import Trees, fitted_from_arrays  # noqa: E402
from nextword.tasks.classify.terms import choose_terms, count_matrix, terms  # noqa: E402
from nextword.text.pipeline import Pipeline  # noqa: E402

WORDS = "sun rain wind snow goal match team score bread soup salt spoon the of and".split()  # noqa: SIM905
MODELS = ["logistic", "naive-bayes", "svm", "tree", "forest"]


def examples(classes=3, count=60):
    """Texts of random words, of which five are likelier in each class than in the others."""
    chance = np.random.default_rng(0)
    labels = [f"class {i % classes}" for i in range(count)]
    weights = np.ones((classes, len(WORDS)))
    for c in range(classes):
        weights[c, 4 * c : 4 * c + 4] = 5
    weights /= weights.sum(axis=1, keepdims=True)
    rows = [chance.choice(WORDS, 8, p=weights[i % classes]) for i in range(count)]
    return [" ".join(row) for row in rows], labels


@pytest.mark.parametrize("classes", [2, 3])
@pytest.mark.parametrize("model", MODELS)
@pytest.mark.parametrize("features", ["counts", "tfidf", "lda"])
def test_a_stored_one_predicts_the_very_same(features, model, classes, tmp_path):
    texts, labels = examples(classes)
    fitted = BowClassifier(features=features, model=model, ngrams=2, topics=4, trees=5).fit(texts, labels)
    assert fitted.score(texts, labels) > 1 / classes
    fitted.save(tmp_path / "model")
    loaded = BowClassifier.load(tmp_path / "model")
    asked = [*texts, "the soup of the sun", "unknown", ""]
    np.testing.assert_array_equal(loaded.predict_log_proba(asked), fitted.predict_log_proba(asked))


@pytest.mark.parametrize("classes", [2, 3])
@pytest.mark.parametrize("model", MODELS)
def test_predictions_are_those_of_scikit_learn(model, classes):
    texts, labels = examples(classes)
    theirs = {
        "logistic": LogisticRegression(C=4.0, max_iter=10_000),
        "naive-bayes": MultinomialNB(alpha=0.5),
        "svm": LinearSVC(C=0.5, max_iter=10_000, random_state=1),
        "tree": DecisionTreeClassifier(random_state=1),
        "forest": RandomForestClassifier(7, random_state=1),
    }[model]
    ours = BowClassifier(features="counts", model=model, alpha=0.5, trees=7, seed=1).fit(texts, labels)
    counted = ours.feature_vectors(texts)
    theirs.fit(counted, labels)
    asked = ours.feature_vectors(examples(classes, 90)[0][60:])
    found = ours.predict_proba(examples(classes, 90)[0][60:])
    np.testing.assert_array_equal(ours.classes_[found.argmax(axis=1)], theirs.predict(asked))
    if model == "svm":  # margins, whose softmax, against 0 for the first of two classes, stands for probabilities
        margins = theirs.decision_function(asked)
        margins = margins if classes == 3 else np.stack([np.zeros_like(margins), margins], axis=1)
        expected = np.exp(margins) / np.exp(margins).sum(axis=1, keepdims=True)
    else:
        expected = theirs.predict_proba(asked)
    np.testing.assert_allclose(found, expected, atol=1e-12)


@given(st.lists(st.lists(st.sampled_from(["a", "b", "c", "d"]), max_size=6).map(" ".join), min_size=1, max_size=6))
def test_counts_are_those_of_a_count_vectorizer(texts):
    bags = [terms(Pipeline(), text, 2) for text in texts]
    kept = choose_terms(bags, min_count=1, most=None)
    ours = count_matrix(bags, {term: i for i, term in enumerate(kept)}, presence=False).toarray()
    if kept:
        theirs = CountVectorizer(token_pattern=r"\S+", ngram_range=(1, 2), vocabulary=kept)
        np.testing.assert_array_equal(ours, theirs.transform(texts).toarray())
    else:
        assert ours.shape == (len(texts), 0)


def test_tfidf_is_that_of_a_tfidf_vectorizer():
    texts, labels = examples()
    ours = BowClassifier(tokenizer="whitespace").fit(texts, labels)
    theirs = TfidfVectorizer(vocabulary=ours.vocabulary_.words).fit(texts)
    np.testing.assert_allclose(ours.feature_vectors(texts).toarray(), theirs.transform(texts).toarray())


def test_terms_are_chosen_by_the_texts_that_have_them():
    bags = [["a", "a", "a", "b"], ["b", "c"], ["c", "b"]]
    assert choose_terms(bags, min_count=1, most=None) == ["b", "c", "a"]
    assert choose_terms(bags, min_count=2, most=None) == ["b", "c"]
    assert choose_terms(bags, min_count=1, most=1) == ["b"]
    found = count_matrix(bags, {"b": 0, "a": 1}, presence=False).toarray()
    assert found.tolist() == [[1, 3], [1, 0], [1, 0]]
    assert count_matrix(bags, {"a": 0}, presence=True).toarray().tolist() == [[1], [0], [0]]


def test_terms_end_with_their_line():
    assert terms(Pipeline(), "a b\nc", 2) == ["a", "b", "c", "a b"]


PAIRS = [
    # As the lectures mean it: the same words in another order. In their own spelling make and makes differ, for which
    # a bag of words would need lemmas.
    ("Football can make people happy", "People can make football happy"),
    ("The food was good, not bad at all", "The food was bad, not good at all"),
]


@pytest.mark.parametrize(("one", "other"), PAIRS)
def test_a_bag_of_words_does_not_know_the_order(one, other):
    bag = BowClassifier(features="counts").fit([one, "something else"], ["a", "b"])
    first, second = bag.feature_vectors([one, other]).toarray()
    assert first.sum() > 4
    np.testing.assert_array_equal(first, second)
    assert bag.predict_proba([one]).tolist() == bag.predict_proba([other]).tolist()
    pairs = BowClassifier(features="counts", ngrams=2).fit([one, "something else"], ["a", "b"])
    first, second = pairs.feature_vectors([one, other]).toarray()
    assert (first != second).any()


def test_the_lectures_own_spelling_differs_in_one_word():
    bag = BowClassifier(features="counts").fit(["football makes people happy", "people make football happy"], [0, 1])
    first, second = bag.feature_vectors(["Football makes people happy", "People make football happy"]).toarray()
    assert {bag.vocabulary_.words[i] for i in np.flatnonzero(first != second)} == {"make", "makes"}


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({"features": "bm25"}, "unknown features 'bm25'; choose one of counts, tfidf, lda"),
        ({"model": "knn"}, "unknown model 'knn'; choose one of logistic, naive-bayes, svm, tree, forest"),
        ({"tokenizer": "bpe"}, "unknown tokenizer 'bpe'; choose one of whitespace, word, char, byte"),
        ({"ngrams": 0}, "ngrams is 0; it must be 1 or more"),
        ({"alpha": 0.0}, "alpha is 0.0; it must be above 0"),
    ],
)
def test_impossible_options_are_refused(options, message):
    with pytest.raises(UsageError, match=f"^{message}$"):
        BowClassifier(**options).fit(*examples())


def test_text_without_terms_is_refused():
    message = "no term occurs in 3 of the 2 texts; lower min_count, or give more text"
    with pytest.raises(EstimationError, match=f"^{message}$"):
        BowClassifier(min_count=3).fit(["one", "two"], ["a", "b"])


def a_stump(**changes):
    """One tree: feature 0 at most 0.5 or above."""
    arrays = {
        "starts": np.array([0]),
        "left": np.array([1, -1, -1]),
        "right": np.array([2, -1, -1]),
        "feature": np.array([0, 0, 0]),
        "threshold": np.array([0.5, 0.0, 0.0]),
        "shares": np.array([[0.5, 0.5], [0.9, 0.1], [0.2, 0.8]]),
    }
    return arrays | changes


def test_a_tree_by_hand():
    found = np.exp(Trees(2, a_stump()).scores(np.array([[0.5, 3.0], [0.6, 0.0]])))
    np.testing.assert_allclose(found, [[0.9, 0.1], [0.2, 0.8]])


@pytest.mark.parametrize(
    "changes",
    [
        {"left": np.array([0, -1, -1])},  # a node that is its own child: a walk without end
        {"right": np.array([3, -1, -1])},  # a child beyond the last
        {"feature": np.array([2, 0, 0])},  # a feature beyond the last
        {"starts": np.array([3])},
        {"starts": np.zeros(0, np.int64)},
        {"shares": np.zeros((2, 2))},
        {"threshold": np.zeros(3, np.float64), "more": np.zeros(1)},
    ],
)
def test_damaged_trees_are_refused(changes):
    with pytest.raises(UsageError, match="^the classifier's arrays do not fit together; .*$"):
        fitted_from_arrays(a_stump(**changes), 2)


def test_weights_of_other_features_are_refused():
    with pytest.raises(UsageError, match="do not fit together"):
        fitted_from_arrays({"weights": np.zeros((2, 3)), "bias": np.zeros(2)}, 4)
