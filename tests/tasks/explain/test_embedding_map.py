"""Maps of words: the plane that scikit-learn finds, the neighbours of a loop, and what no map can be made of."""

import numpy as np
import pytest

from nextword.errors import UsageError, VocabularyError
from nextword.neural.embeddings import Embeddings
from nextword.tasks.explain.embedding_map import has_embeddings, map_words, neighbours, principal_plane, word_vectors
from toy import BigramTable

WORDS = Embeddings(
    [f"w{i}" for i in range(40)],
    (np.random.default_rng(3).normal(size=(40, 6)) * [5, 3, 1, 0.5, 0.2, 0.1] + 7).astype(np.float32),
)


def test_the_plane_is_that_of_scikit_learn():
    decomposition = pytest.importorskip("sklearn.decomposition")
    places, share = principal_plane(WORDS.vectors)
    pca = decomposition.PCA(2, svd_solver="full").fit(WORDS.vectors.astype(float))
    expected = pca.transform(WORDS.vectors.astype(float))
    assert share == pytest.approx(pca.explained_variance_ratio_, rel=1e-9)
    assert np.abs(places) == pytest.approx(np.abs(expected), abs=1e-6)  # a component's sign is free


def test_a_plane_turned_in_space_is_found_again():
    """Points of a plane, put into seven dimensions by an orthogonal map: nothing is lost, no distance changes."""
    rng = np.random.default_rng(0)
    flat = rng.normal(size=(30, 2)) * [3, 1]
    turn, _ = np.linalg.qr(rng.normal(size=(7, 7)))
    places, share = principal_plane(flat @ turn[:2] + 5)
    assert share.sum() == pytest.approx(1)
    distances = lambda x: np.linalg.norm(x[:, None] - x[None], axis=2)  # noqa: E731
    assert distances(places) == pytest.approx(distances(flat), abs=1e-9)
    assert (places[np.abs(places).argmax(axis=0), [0, 1]] > 0).all()


@pytest.mark.parametrize(
    ("vectors", "share"),
    [(np.ones((4, 3)), [0, 0]), (np.ones((1, 3)), [0, 0]), (np.arange(5.0)[:, None], [1, 0])],
    ids=["all alike", "one", "a line"],
)
def test_planes_of_next_to_nothing(vectors, share):
    places, found = principal_plane(vectors)
    assert places.shape == (len(vectors), 2)
    assert found == pytest.approx(share)


def test_a_map_has_the_most_frequent_words_or_those_around_one():
    found = map_words(WORDS, 10)
    assert found.words == [f"w{i}" for i in range(10)]
    assert found.places == pytest.approx(principal_plane(WORDS.vectors[:10])[0])
    found = map_words(WORDS, 10, around="w7")
    cosine = lambda i: WORDS.vectors[i] @ WORDS.vectors[7] / np.linalg.norm(WORDS.vectors[i])  # noqa: E731
    nearest = sorted((i for i in range(40) if i != 7), key=lambda i: -cosine(i))[:9]
    assert found.words == ["w7", *(f"w{i}" for i in nearest)]
    assert found.places == pytest.approx(principal_plane(WORDS.vectors[[7, *nearest]])[0])
    assert len(map_words(WORDS, 2000).words) == 40


def test_neighbours_are_by_angle_and_not_the_word_itself():
    vectors = np.array([[1, 0], [5, 0.1], [0, 1], [-1, 0]], dtype=np.float32)
    found = neighbours(Embeddings(["east", "far east", "north", "west"], vectors), "east", 3)
    assert [word for word, _ in found] == ["far east", "north", "west"]
    assert [cosine for _, cosine in found] == pytest.approx([5 / np.hypot(5, 0.1), 0, -1], abs=1e-6)


def test_the_words_of_a_model_are_without_the_marks_of_sentences():
    pytest.importorskip("torch")
    from neural.fitting import tiny_model

    lm = tiny_model("gru", scope="stream", embedding_size=4, hidden_size=5)
    found = word_vectors(lm)
    assert found.words == ["a", "b", "c", "d"]
    assert np.array_equal(found.vectors, lm.embeddings()[3:])
    assert has_embeddings(lm) and not has_embeddings(BigramTable())


def test_what_has_no_map_is_refused():
    for call, error, message in (
        (
            lambda: word_vectors(BigramTable()),
            UsageError,
            "a BigramTable model has no embeddings, as a network has; choose one of these",
        ),
        (lambda: map_words(WORDS, 2), UsageError, "a map of 2 words: expected 3 to 2,000"),
        (lambda: map_words(WORDS, 2001), UsageError, "a map of 2,001 words: expected 3 to 2,000"),
        (
            lambda: neighbours(WORDS, "x"),
            VocabularyError,
            "'x' is not among the 40 words of this model; try another",
        ),
    ):
        with pytest.raises(error) as caught:
            call()
        assert str(caught.value) == message
