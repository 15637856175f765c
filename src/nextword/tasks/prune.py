"""Making a finished n-gram model smaller: by what the loss may cost, or to a size on disk."""

from collections.abc import Callable, Sequence

import numpy as np

from nextword import store
from nextword.errors import UsageError
from nextword.ngram.backoff import BackoffModel
from nextword.ngram.entropy import Removal, pruned, removal
from nextword.ngram.marginals import History
from nextword.store import StorableText
from nextword.types import Json

_REMEDIES = {
    "mixture": "merge it first, by mix --static",
    "ngram-trie": "prune the model that it was quantised from",
    "ngram-hash": "prune the model that it was quantised from",
}
_ALL = 0.0  # a threshold that keeps everything
_LONGEST = 1.2345678901234567e-300  # no threshold takes more characters to write


def prune(
    model: object,
    *,
    entropy: float | None = None,
    target_size: int | None = None,
    history: History | BackoffModel = "stationary",
    text: StorableText | None = None,
    trained_on: Sequence[Json] = (),
    settings: Json | None = None,
    progress: Callable[[str], None] | None = None,
) -> BackoffModel:
    """The model without the n-grams that matter least (Stolcke 1998; see ``nextword.ngram.entropy``).

    entropy: n-grams go whose removal raises the perplexity by a smaller share than this. target_size: bytes of the
    directory that ``store.save`` writes; the threshold is the lowest with which it is not larger. One of the two.
    history: where the probabilities of contexts come from, see ``nextword.ngram.marginals``. A finished model has no
    counts, so there is no pruning by counts here: that is done in training. text, trained_on, settings: what is saved
    with the model, for its size. progress: called with each stage's name.

    ``details["pruned"]`` says what was done. Raises UsageError for another kind of model, and for a size that even the
    words alone exceed.
    """
    say = progress or (lambda stage: None)
    _check(model, entropy, target_size)
    assert isinstance(model, BackoffModel)  # _check has seen to it; this tells mypy
    say("weighing n-grams")
    costs = removal(model, history=history)
    named = "another model" if isinstance(history, BackoffModel) else history

    def details(threshold: float) -> Json:
        done = {"threshold": threshold, "history": named, "ngrams_before": model.counts()}
        return {"pruned": [*model.details.get("pruned", ()), done]}

    def size(threshold: float) -> int:
        inserted = int((costs.cost[costs.linked.inserted] >= threshold).sum())
        arrays = model.arrays_like(counts(threshold), inserted=inserted)
        parameters = {"order": model.order, "details": model.details | details(_LONGEST)}
        return store.expected_size(model, parameters, arrays, text=text, trained_on=trained_on, settings=settings)

    counts = _counter(costs)
    if target_size is not None:
        entropy = lowest_threshold(size, target_size)
    assert entropy is not None
    say("removing n-grams")
    return pruned(costs, entropy, details(entropy))


def lowest_threshold(size: Callable[[float], int], target: int) -> float:
    """The lowest threshold, 0 or more, with which ``size``, which falls as thresholds rise, is not above ``target``.

    The bits of floating-point numbers that are 0 or more, read as integers, have the order of the numbers, so halving
    finds it to the last bit. Raises UsageError if there is none.
    """
    low, high = (int(np.float64(x).view(np.int64)) for x in (_ALL, np.inf))
    if (least := size(np.inf)) > target:
        raise UsageError(
            f"the model's words alone take {least:,} bytes, more than the {target:,} asked for; give a larger size, "
            "or train with fewer words (--vocab-size or --min-count)"
        )
    while low < high:
        middle = (low + high) // 2
        if size(float(np.int64(middle).view(np.float64))) <= target:
            high = middle
        else:
            low = middle + 1
    return float(np.int64(low).view(np.float64))


def _counter(costs: Removal) -> Callable[[float], list[int]]:
    """The number of n-grams of each order that cost a threshold or more, quickly for many thresholds."""
    orders = costs.sorted()
    return lambda threshold: [len(order) - int(np.searchsorted(order, threshold)) for order in orders]


def _check(model: object, entropy: float | None, target_size: int | None) -> None:
    if not isinstance(model, BackoffModel):
        kind = getattr(model, "kind", type(model).__name__)
        remedy = _REMEDIES.get(kind, "give an n-gram model that has probabilities")
        raise UsageError(f"a {kind} model has no n-grams to be pruned by relative entropy; {remedy}")
    if (entropy is None) == (target_size is None):
        given = "neither" if entropy is None else "both"
        raise UsageError(f"{given} of a threshold (--entropy) and a size (--target-size) was given; give one of them")
    if entropy is not None and not 0 < entropy < np.inf:
        raise UsageError(f"threshold {entropy:g}: expected a number above 0, such as 1e-8")
