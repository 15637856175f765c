"""Relative-entropy pruning: n-grams go whose absence the model hardly notices (Stolcke 1998).

To remove the n-gram hw moves the model by the relative entropy D, weighted by how often h comes (eqs. 5-8 there):

    D = p(h) { p(w given h) [log p(w given h) - log p(w given h') - log a'(h)] + rest(h) [log a(h) - log a'(h)] }

a(h) is the back-off weight, a'(h) the one without hw, and rest(h) the probability of all words that h does not hold.
The perplexity of the model's own text rises by the factor e^D; the cost of an n-gram is e^D - 1.

All costs are those of the whole model, as in the paper. SRILM takes the highest order first; as the probability after
h' is that of the unpruned model there too, it comes to the same costs. What is kept must have its context kept and, as
look-ups here rely on it (and KenLM would enter it again as a blank), its suffix h'w. So an n-gram's cost counts as that
of the costliest which needs it; one threshold then gives one model, and a higher one a part of it.

Where there are counts, to prune by them first is better still, as they tell what was seen but once. Perplexity of
WikiText-2's test text, 5-grams of modified Kneser-Ney (220.1 unpruned), by n-grams of order 2 and up:

                                    981,513   700,000   567,665   300,000   100,000
    by entropy alone                  228.5     235.4     240.3     256.8     299.3
    train --prune 0 0 1, then so      225.7     232.7     239.3     257.1     299.7
    train --prune 0 1, then so                            243.5     252.6     299.7
"""

from dataclasses import dataclass

import numpy as np
from numba import njit

from nextword.errors import UsageError
from nextword.ngram.backoff import BackoffModel
from nextword.ngram.links import Linked, link
from nextword.ngram.marginals import History, marginals
from nextword.types import Array, Json


@dataclass(frozen=True)
class Removal:
    """What the removal of each n-gram of a model costs. cost: (N,) float64, 0 or more, infinite for unigrams."""

    model: BackoffModel
    linked: Linked
    cost: Array

    def counts(self, threshold: float) -> list[int]:
        """How many n-grams of each order cost ``threshold`` or more."""
        starts = self.linked.starts
        return [
            int((self.cost[low:high] >= threshold).sum()) for low, high in zip(starts[1:], starts[2:], strict=False)
        ]

    def sorted(self) -> list[Array]:
        """The costs of each order, rising."""
        starts = self.linked.starts
        return [np.sort(self.cost[low:high]) for low, high in zip(starts[1:], starts[2:], strict=False)]


def removal(model: BackoffModel, *, history: History | BackoffModel = "stationary") -> Removal:
    """The costs of a model's n-grams. history: where p(h) comes from, see ``marginals``.

    What stands for n-grams that an ARPA file left out costs nothing. Raises UsageError for a model of order 1, a
    damaged one, and another history.
    """
    if model.order < 2:
        raise UsageError(
            "a model of order 1 holds nothing but its words, and these are not pruned; give a longer order"
        )
    linked = link(model)
    weight = marginals(model, linked, history)
    cost = np.full(len(model), np.inf)
    _costs(*_trie(linked), linked.p, linked.backoff, linked.inserted, weight, cost)
    _hand_down(*_trie(linked), cost)
    return Removal(model, linked, cost)


def pruned(costs: Removal, threshold: float, details: Json | None = None) -> BackoffModel:
    """The model without the n-grams that cost less than ``threshold``; its rows sum to what they did.

    Kept n-grams keep their probabilities. A context that loses n-grams takes the back-off weight by which it hands on
    what they had: (a(h) rest' + Σ p(w given h)) / (rest' + Σ p(w given h')), sums over the lost, rest' what h' leaves
    to words that h did not hold. details: what to note of the model beside how it was made.
    """
    model, linked, kept = costs.model, costs.linked, costs.cost >= threshold
    p, backoff = linked.p, linked.backoff.copy()
    if len(linked.inserted):
        p = p.copy()  # what stands for missing n-grams follows from the new weights
    _reweigh(*_trie(linked), linked.p, linked.inserted, kept, p, backoff)
    below = kept[: linked.starts[linked.order]]
    changed = (backoff != linked.backoff)[below]  # the others keep their very numbers
    inner, leaf = model.inner[below], model.leaf[kept[len(below) :]]
    inner[changed, 1] = _log10(backoff[below][changed])
    ends = np.zeros(len(kept) + 1, dtype=np.uint32)
    np.cumsum(kept, out=ends[1:])
    old = linked.inserted[kept[linked.inserted]]
    inserted, log10 = ends[old], _log10(p[old])
    inner[inserted[inserted < len(inner)], 0] = log10[inserted < len(inner)]
    leaf[inserted[inserted >= len(inner)] - len(inner)] = log10[inserted >= len(inner)]
    return BackoffModel.from_trie(
        model.vocabulary,
        model.order,
        starts=ends[linked.starts].astype(np.int64),
        word=linked.word[kept],
        first=np.append(ends[linked.first[:-1]][below], ends[-1]),
        inner=inner,
        leaf=leaf,
        inserted=inserted,
        details=model.details | (details or {}),
    )


def _trie(linked: Linked) -> tuple[Array, Array, Array]:
    return linked.starts, linked.first, linked.suffix


def _log10(p: Array) -> Array:
    with np.errstate(divide="ignore"):
        return np.log10(p).astype(np.float32)


@njit(cache=True, nogil=True)
def _costs(
    starts: Array, first: Array, suffix: Array, p: Array, backoff: Array, inserted: Array, weight: Array, cost: Array
) -> None:
    """e^D - 1 of each n-gram of order 2 and up; a rounding error below 0 counts as 0. weight: (M,) p(h)."""
    begins_at = 0
    for h in range(starts[len(starts) - 2]):
        low, high = first[h], first[h + 1]
        unheld, begins_at = _unheld(low, high, suffix, p, inserted, begins_at)
        rest = backoff[h] * unheld
        at = begins_at
        for g in range(low, high):
            while at < len(inserted) and inserted[at] < g:
                at += 1
            lower, new, moved = p[suffix[g]], 1.0, 0.0
            if unheld + lower > 0.0:
                new = (rest + p[g]) / (unheld + lower)
            if p[g] > 0.0:
                moved = p[g] * np.log(p[g] / (lower * new)) if lower > 0.0 else np.inf
            if rest > 0.0:
                moved += rest * np.log(backoff[h] / new)
            free = weight[h] <= 0.0 or (at < len(inserted) and inserted[at] == g)
            cost[g] = 0.0 if free else max(np.expm1(weight[h] * moved), 0.0)


@njit(cache=True, nogil=True)
def _unheld(low: int, high: int, suffix: Array, p: Array, inserted: Array, at: int) -> tuple[float, int]:
    """What the shorter context leaves to words that n-grams ``low`` to ``high``, of one context, do not hold.

    inserted: sorted; they hold nothing. at: of them, one at or before the first that is sought; the same comes back.
    """
    while at < len(inserted) and inserted[at] < low:
        at += 1
    unheld, skip = 1.0, at
    for g in range(low, high):
        while skip < len(inserted) and inserted[skip] < g:
            skip += 1
        if skip == len(inserted) or inserted[skip] != g:
            unheld -= p[suffix[g]]
    return max(unheld, 0.0), at


@njit(cache=True, nogil=True)
def _hand_down(starts: Array, first: Array, suffix: Array, cost: Array) -> None:
    """Raise the cost of each context and suffix to that of what needs it."""
    for k in range(len(starts) - 2, 2, -1):
        for h in range(starts[k - 1], starts[k]):
            for g in range(first[h], first[h + 1]):
                cost[h] = max(cost[h], cost[g])
                cost[suffix[g]] = max(cost[suffix[g]], cost[g])


@njit(cache=True, nogil=True)
def _reweigh(
    starts: Array, first: Array, suffix: Array, p: Array, inserted: Array, kept: Array, new_p: Array, backoff: Array
) -> None:
    """New back-off weights, (M,), and new probabilities of what was inserted, (N,), for which both begin as the old.

    The weight of a context that loses nothing changes too where it holds a word that the shorter context does not.
    """
    begins_at = 0
    for h in range(starts[len(starts) - 2]):
        low, high = first[h], first[h + 1]
        unheld, begins_at = _unheld(low, high, suffix, p, inserted, begins_at)
        new_unheld = unheld
        if len(inserted) > 0:
            new_unheld, _ = _unheld(low, high, suffix, new_p, inserted, begins_at)
        lost, lost_lower, at = 0.0, 0.0, begins_at
        for g in range(low, high):
            while at < len(inserted) and inserted[at] < g:
                at += 1
            if not kept[g] and (at == len(inserted) or inserted[at] != g):
                lost += p[g]
                lost_lower += new_p[suffix[g]]
        if (lost > 0.0 or new_unheld != unheld) and new_unheld + lost_lower > 0.0:
            backoff[h] = (backoff[h] * unheld + lost) / (new_unheld + lost_lower)
        for at in range(begins_at, len(inserted)):
            if inserted[at] >= high:
                break
            new_p[inserted[at]] = backoff[h] * new_p[suffix[inserted[at]]]
