"""Word vectors to look at: the nearest ones, and a map of the most frequent by principal components."""

from typing import Any, NamedTuple

import numpy as np

from nextword.errors import UsageError, VocabularyError
from nextword.neural.embeddings import Embeddings, nearest_words
from nextword.types import Array

MOST_WORDS = 2000


class Map(NamedTuple):
    """Words and where they lie, (N, 2) float64. variance: the share of the vectors' variance on each axis, (2,)."""

    words: list[str]
    places: Array
    variance: Array


def has_embeddings(model: Any) -> bool:
    """Whether the model has a vector for each word."""
    return hasattr(model, "embeddings")


def word_vectors(model: Any) -> Embeddings:
    """The words of a model but ``<s>``, ``</s>`` and ``<unk>``, the most frequent first, and their vectors, (N, D).

    Raises UsageError for a model that has no vectors.
    """
    if not has_embeddings(model):
        kind = getattr(model, "kind", type(model).__name__)
        raise UsageError(
            f"{'an' if kind == 'ngram' else 'a'} {kind} model has no embeddings, as a network has; choose one of these"
        )
    specials = set(model.vocabulary.specials().values())
    chosen = [i for i in range(len(model.vocabulary)) if i not in specials]
    words = model.vocabulary.words
    return Embeddings([words[i] for i in chosen], model.embeddings()[chosen])


def neighbours(embeddings: Embeddings, word: str, k: int = 10) -> list[tuple[str, float]]:
    """The k other words of the smallest angle with ``word``, and its cosine. Raises VocabularyError without it."""
    if word not in embeddings.words:
        raise VocabularyError(f"{word!r} is not among the {len(embeddings.words):,} words of this model; try another")
    return nearest_words(embeddings, word, k)


def map_words(embeddings: Embeddings, count: int = 500, *, around: str | None = None) -> Map:
    """The ``count`` most frequent words on the plane in which their vectors differ most (Pearson 1901; Hotelling 1933).

    around: a word, whose map shows it and its ``count - 1`` nearest neighbours instead. The plane is that of the first
    two principal components of these words alone; what the others would show is lost, and ``variance`` says how much
    is left. Each axis points to where its largest coordinate is. Raises UsageError for a count that is not from 3 to
    ``MOST_WORDS``, VocabularyError for a word that the model lacks.
    """
    if not 3 <= count <= MOST_WORDS:
        raise UsageError(f"a map of {count:,} words: expected 3 to {MOST_WORDS:,}")
    if around is None:
        words, vectors = embeddings.words[:count], embeddings.vectors[:count]
    else:
        words = [around, *(word for word, _ in neighbours(embeddings, around, count - 1))]
        ids = {word: i for i, word in enumerate(embeddings.words)}
        vectors = embeddings.vectors[[ids[word] for word in words]]
    return Map(words, *principal_plane(vectors))


def principal_plane(vectors: Array) -> tuple[Array, Array]:
    """The first two principal components of (N, D) vectors: coordinates (N, 2), and each one's share of variance, (2,).

    By the singular value decomposition of the centred vectors, X = U S Vᵀ: coordinates U S, variances S² / N.
    """
    centred = vectors.astype(np.float64) - vectors.mean(axis=0, dtype=np.float64)
    left, singular, _ = np.linalg.svd(centred, full_matrices=False)
    places = np.zeros((len(vectors), 2))
    share = np.zeros(2)
    size = min(2, len(singular))
    places[:, :size] = left[:, :size] * singular[:size]
    total = float((singular**2).sum())
    if total > 0:
        share[:size] = singular[:size] ** 2 / total
    if len(places):
        places *= np.where(places[np.abs(places).argmax(axis=0), [0, 1]] < 0, -1.0, 1.0)
    return places, share
