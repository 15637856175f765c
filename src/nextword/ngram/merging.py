"""Static interpolation: several n-gram models as one, as SRILM's ``ngram -mix-lm`` makes it (Stolcke 2002).

The one holds every n-gram that any of them holds. Its probability is the weighted sum of theirs, each with its own
back-off; the back-off weights are such that every context's probabilities sum to 1. It is not the dynamic mixture: a
word after a context with which no model holds it takes the merged probability of the shorter context, by one weight
for all models, where the mixture would take each model's own weight. Perplexities differ little, and one model is read
as fast as one model.

The models may have different words; the one has those of all. What a model says of a word that it does not know is its
probability of ``<unk>``, divided equally among ``<unk>`` itself and the words of the others that it lacks: so its
probabilities of all words still sum to 1, and models are compared on the same events when weights are fitted. (SRILM
does not share it out: such a word has probability 0 by that model.) In contexts, what a model does not know is its
``<unk>``; an n-gram is held if some model holds it word for word.
"""

from collections.abc import Sequence
from concurrent.futures import ThreadPoolExecutor
from typing import Any, NamedTuple

import numpy as np

from nextword.errors import EstimationError, UsageError
from nextword.ngram.backoff import BackoffModel
from nextword.ngram.marginals import last_probabilities
from nextword.ngram.table import MAX_SLOTS, SLOTS_PER_NGRAM
from nextword.text.vocabulary import Vocabulary
from nextword.types import Array

_AT_ONCE = 1 << 18  # n-grams scored together


class Union(NamedTuple):
    """The words of several models, and what each makes of them.

    theirs: of each model, (U,) int32, its id of each word, ``<unk>`` for those that it lacks. ours: of each, (V,)
    int64, the word of each of its ids. unknown_share: of each, the part of its ``<unk>`` that a word which it lacks
    gets, and ``<unk>`` keeps.
    """

    vocabulary: Vocabulary
    theirs: list[Array]
    ours: list[Array]
    unknown_share: list[float]


def unite(models: Sequence[BackoffModel]) -> Union:
    """The union of the models' words: those of the first under its ids, then the others' as they come.

    Special tokens are matched by what they are, not by their spelling.
    """
    lists = [_words(model) for model in models]
    words = list(dict.fromkeys(word for some in lists for word in some))
    first = models[0].vocabulary
    more = [word for word in words[len(first) :] if isinstance(word, str)]  # the special tokens are in the first
    vocabulary = Vocabulary.from_words([*first.words, *more], **first.specials()) if more else first
    number = {word: i for i, word in enumerate(words)}
    ours = [np.array([number[word] for word in some]) for some in lists]
    theirs = []
    for model, own in zip(models, ours, strict=True):
        ids = np.full(len(words), model.vocabulary.unk, dtype=np.int32)
        ids[own] = np.arange(len(own))
        theirs.append(ids)
    return Union(vocabulary, theirs, ours, [1 / (len(words) - len(own) + 1) for own in ours])


def _words(model: BackoffModel) -> list[str | int]:
    """A model's words; numbers stand for the special tokens, so that they are the same in all."""
    words: list[str | int] = [*model.vocabulary.words]
    assert model.vocabulary.unk is not None  # a BackoffModel has one
    for number, special in enumerate((model.vocabulary.unk, model.bos, model.eos)):
        words[special] = number
    return words


def merge(models: Sequence[BackoffModel], weights: Sequence[float], *, threads: int = 1) -> BackoffModel:
    """One back-off model in place of a mixture. weights: their sum is 1.

    N-grams that stand for what an ARPA file left out become n-grams like the others. Raises UsageError for a model that
    is none of n-grams, EstimationError if there are too many n-grams.
    """
    check_mergeable(models)
    union = unite(models)
    order, size = max(model.order for model in models), len(union.vocabulary)
    members = _Members(models, weights, union, threads)
    keys = [np.arange(size)]  # per order: parent · U + last word, sorted; the parent as its place in the order below
    places = union.ours  # of each model's n-grams of the order, among the merged ones
    suffix = np.zeros(size, dtype=np.int64)
    p = _log10(members.probabilities(keys))
    p[union.vocabulary.bos] = 0.0  # as lmplz writes it; never predicted
    probabilities, backoffs = [p], list[Array]()
    for k in range(2, order + 1):
        known = zip(models, places, union.ours, strict=True)
        found = [_keys(model, k, place, ours, size) for model, place, ours in known]
        merged = _union(found)
        places = [np.searchsorted(merged, some) for some in found]
        parent, word = merged // size, merged % size
        suffix = word if k == 2 else np.searchsorted(keys[-1], suffix[parent] * size + word)
        keys.append(merged)
        p = _log10(members.probabilities(keys))
        predicted = word != union.vocabulary.bos  # <s> may end an n-gram of an ARPA file
        backoffs.append(_backoffs(p[predicted], probabilities[-1], parent[predicted], suffix[predicted]))
        probabilities.append(p)
    return _assemble(models, weights, union.vocabulary, keys, probabilities, backoffs)


def check_mergeable(models: Sequence[Any]) -> None:
    """Raise what ``merge`` raises of its models, for those who want to know before they have the weights."""
    for i, model in enumerate(models, start=1):
        if not isinstance(model, BackoffModel):
            kind = getattr(model, "kind", type(model).__name__)
            what = "a quantised model" if kind.startswith("ngram-") else "no n-gram model"
            raise UsageError(f"model {i} ({kind}) is {what}, and only n-gram models are merged; mix without --static")


def _keys(model: BackoffModel, k: int, places: Array, ours: Array, size: int) -> Array:
    """The model's k-grams as keys; ``places``: where its (k - 1)-grams are among the merged ones."""
    if k > model.order:
        return np.zeros(0, dtype=np.int64)
    starts = model.starts
    children = model.first[starts[k - 1] : starts[k] + 1].astype(np.int64)
    word = ours[model.word[starts[k] : starts[k + 1]]]
    return np.repeat(places, np.diff(children)) * size + word


def _union(keys: Sequence[Array]) -> Array:
    """All keys, sorted, each once."""
    merged = np.sort(np.concatenate(keys), kind="stable")  # a merge sort, fast on runs that are sorted already
    return merged[np.append(True, merged[1:] != merged[:-1])] if len(merged) else merged


class _Members(NamedTuple):
    """The models, their weights, and how they read the union's words."""

    models: Sequence[BackoffModel]
    weights: Sequence[float]
    union: Union
    threads: int

    def probabilities(self, keys: Sequence[Array]) -> Array:
        """Weighted sum of the models' probabilities of each n-gram of the last of ``keys``, (N,)."""
        total = np.empty(len(keys[-1]))

        def fill(begin: int) -> None:
            words = self._words(keys, begin)
            part = np.zeros(len(words))
            for model, weight, theirs, share in zip(
                self.models, self.weights, self.union.theirs, self.union.unknown_share, strict=True
            ):
                ids = theirs[words]
                p = last_probabilities(model, ids)
                if share < 1:
                    p[ids[:, -1] == model.vocabulary.unk] *= share
                part += weight * p
            total[begin : begin + len(part)] = part

        with ThreadPoolExecutor(self.threads) as pool:
            list(pool.map(fill, range(0, len(total), _AT_ONCE)))
        return total

    def _words(self, keys: Sequence[Array], begin: int) -> Array:
        """The words of some n-grams of the last order, from the ``begin``-th on: (some, k)."""
        at, columns = np.arange(begin, min(begin + _AT_ONCE, len(keys[-1]))), list[Array]()
        for level in keys[::-1]:
            at, last = np.divmod(level[at], len(self.union.vocabulary))
            columns.append(last)
        return np.column_stack(columns[::-1])


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
    vocabulary: Vocabulary,
    keys: Sequence[Array],
    probabilities: Sequence[Array],
    backoffs: Sequence[Array],
) -> BackoffModel:
    order = len(keys)
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
