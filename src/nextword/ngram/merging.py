"""Static interpolation: several n-gram models as one, as SRILM's ``ngram -mix-lm`` makes it (Stolcke 2002).

The one holds every n-gram that any of them holds. Its probability is the weighted sum of theirs, each with its own
back-off; the back-off weights are such that every context's probabilities sum to 1. It is not the dynamic mixture: a
word after a context with which no model holds it takes the merged probability of the shorter context, by one weight
for all models, where the mixture would take each model's own weight. Perplexities differ little, and one model is read
as fast as one model.
"""

from collections.abc import Sequence
from typing import Any

import numpy as np

from nextword.errors import EstimationError, UsageError, VocabularyError
from nextword.ngram.backoff import BackoffModel
from nextword.ngram.table import MAX_SLOTS, SLOTS_PER_NGRAM
from nextword.types import Array

_AT_ONCE = 1 << 18  # n-grams scored together


def merge(models: Sequence[BackoffModel], weights: Sequence[float]) -> BackoffModel:
    """One back-off model in place of a mixture. models: with one vocabulary, ids included. weights: their sum is 1.

    Raises UsageError for a model that is none of n-grams, VocabularyError for another vocabulary, EstimationError if
    there are too many n-grams.
    """
    check_mergeable(models)
    order, size = max(model.order for model in models), len(models[0].vocabulary)
    keys = [
        np.arange(size)
    ]  # of each order: parent · V + last word, sorted; the parent as its place in the order below
    places = [np.arange(size) for _ in models]  # of each model's n-grams of the order, among the merged ones
    words, suffix = keys[0][:, None], np.zeros(size, dtype=np.int64)
    p = _log10(_probabilities(models, weights, words))
    p[models[0].bos] = 0.0  # as lmplz writes it; never predicted
    probabilities, backoffs = [p], list[Array]()
    for k in range(2, order + 1):
        found = [_keys(model, k, place, size) for model, place in zip(models, places, strict=True)]
        merged = _union(found)
        places = [np.searchsorted(merged, some) for some in found]
        parent, word = merged // size, merged % size
        words = np.column_stack([words[parent], word])
        suffix = word if k == 2 else np.searchsorted(keys[-1], suffix[parent] * size + word)
        p = _log10(_probabilities(models, weights, words))
        backoffs.append(_backoffs(p, probabilities[-1], parent, suffix))
        keys.append(merged)
        probabilities.append(p)
    return _assemble(models, weights, keys, probabilities, backoffs)


def check_mergeable(models: Sequence[Any]) -> None:
    """Raise what ``merge`` raises of its models, for those who want to know before they have the weights."""
    for i, model in enumerate(models, start=1):
        if not isinstance(model, BackoffModel):
            kind = getattr(model, "kind", type(model).__name__)
            raise UsageError(f"model {i} ({kind}) is no n-gram model, and only these are merged; mix without --static")
        if model.vocabulary.words != models[0].vocabulary.words:
            raise VocabularyError(
                f"model {i} gives words other ids than model 1, and merging needs the same; mix without --static"
            )


def _keys(model: BackoffModel, k: int, places: Array, size: int) -> Array:
    """The model's k-grams as keys; ``places``: where its (k - 1)-grams are among the merged ones."""
    if k > model.order:
        return np.zeros(0, dtype=np.int64)
    starts = model.starts
    children = model.first[starts[k - 1] : starts[k] + 1].astype(np.int64)
    word = model.word[starts[k] : starts[k + 1]].astype(np.int64)
    return np.repeat(places, np.diff(children)) * size + word


def _union(keys: Sequence[Array]) -> Array:
    """All keys, sorted, each once."""
    merged = np.sort(np.concatenate(keys), kind="stable")  # a merge sort, fast on runs that are sorted already
    return merged[np.append(True, merged[1:] != merged[:-1])] if len(merged) else merged


def _probabilities(models: Sequence[BackoffModel], weights: Sequence[float], words: Array) -> Array:
    """Weighted sum of the models' probabilities of each n-gram's last word given the others: (N, k) ids → (N,)."""
    total = np.zeros(len(words))
    for begin in range(0, len(words), _AT_ONCE):
        some = words[begin : begin + _AT_ONCE].astype(np.int32)
        barrier = np.full((len(some), 1), -1, dtype=np.int32)
        stream = np.concatenate([barrier, some], axis=1)
        for model, weight in zip(models, weights, strict=True):
            scores, _ = model.score_stream(stream.ravel())
            total[begin : begin + len(some)] += weight * np.exp(scores.reshape(stream.shape)[:, -1])
    return total


def _log10(p: Array) -> Array:
    """As a model holds it: log10 in float32, at most 0."""
    with np.errstate(divide="ignore"):
        return np.minimum(np.log10(p), 0.0).astype(np.float32)


def _backoffs(p: Array, lower: Array, parent: Array, suffix: Array) -> Array:
    """Log10 of the weight with which a context hands on what it leaves of 1 (Katz 1987), for each one in ``lower``.

    p: log10 probability of each n-gram; lower: of those of the order below. parent, suffix: which of those it extends,
    and which it is without its first word. A context that holds every possible word, or no word, has weight 1.
    """
    left = 1 - np.bincount(parent, 10.0 ** p.astype(np.float64), minlength=len(lower))
    handed = 1 - np.bincount(parent, 10.0 ** lower[suffix].astype(np.float64), minlength=len(lower))
    some = (handed > 1e-9) & (np.bincount(parent, minlength=len(lower)) > 0)
    weight = np.divide(np.maximum(left, 0.0), handed, out=np.ones(len(lower)), where=some)
    with np.errstate(divide="ignore"):
        return np.log10(weight).astype(np.float32)


def _assemble(
    models: Sequence[BackoffModel],
    weights: Sequence[float],
    keys: Sequence[Array],
    probabilities: Sequence[Array],
    backoffs: Sequence[Array],
) -> BackoffModel:
    vocabulary, order = models[0].vocabulary, len(keys)
    size, sizes = len(vocabulary), [len(some) for some in keys]
    if sum(sizes) * SLOTS_PER_NGRAM >= MAX_SLOTS:
        raise EstimationError(f"{sum(sizes):,} n-grams are more than one model can hold; mix without --static")
    starts = np.concatenate([[0, 0], np.cumsum(sizes)]).astype(np.int64)
    first = [starts[k] + np.searchsorted(keys[k - 1] // size, np.arange(sizes[k - 2])) for k in range(2, order + 1)]
    inner = [np.column_stack(pair) for pair in zip(probabilities[:-1], backoffs, strict=True)]
    members = [
        {"order": model.order, "weight": float(weight), **model.details}
        for model, weight in zip(models, weights, strict=True)
    ]
    return BackoffModel.from_trie(
        vocabulary,
        order,
        starts=starts,
        word=(np.concatenate(keys) % size).astype(np.uint32),
        first=np.concatenate([*first, [starts[-1]]]).astype(np.uint32),
        inner=np.concatenate([np.zeros((0, 2), dtype=np.float32), *inner]),
        leaf=probabilities[-1],
        details={"smoothing": "static mixture", "members": members},
    )
