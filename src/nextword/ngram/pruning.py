"""Leaving n-grams out: those too rare (as lmplz's --prune) and those with words outside a list (--limit_vocab_file).

What is left out still counts: in the discounts, in the denominators, and as mass that goes to the lower order.
"""

from collections.abc import Sequence

import numpy as np
from numba import njit

from nextword.errors import UsageError
from nextword.ngram.arena import Arena
from nextword.ngram.counting import Level
from nextword.text.vocabulary import SPECIALS
from nextword.types import Array


def thresholds(prune: Sequence[int], order: int) -> list[int]:
    """A threshold per order: n-grams counted that often or less go. The last one given is repeated.

    Raises UsageError if there are more than orders, one is negative, or they decrease.
    """
    given = list(prune) or [0]
    if len(given) > order:
        raise UsageError(f"{len(given)} pruning thresholds for {order} orders; give at most one per order")
    if min(given) < 0 or sorted(given) != given:
        shown = " ".join(map(str, given))
        raise UsageError(f"pruning thresholds {shown}: they must be 0 or more and never decrease, such as 0 0 1")
    return given + [given[-1]] * (order - len(given))


def kept_ngrams(levels: Sequence[Level], prune: Sequence[int], allowed: Array | None, arena: Arena) -> list[Array]:
    """Per order, (N,) bool: what stays. Unigram specials do. allowed: (V,) bool, words that may occur, or None.

    Nothing to prune gives empty arrays.
    """
    if not any(prune) and allowed is None:
        return [np.zeros(0, dtype=bool) for _ in levels]
    permitted = np.ones(len(levels[0]), dtype=bool) if allowed is None else allowed
    unigrams = permitted & (levels[0].count > prune[0]) if prune[0] else permitted.copy()
    unigrams[: len(SPECIALS)] = True
    result = [unigrams]
    for level, threshold in zip(levels[1:], prune[1:], strict=True):
        kept = arena.empty(len(level), np.bool_)
        _keep(level.first, level.count, level.word, result[-1], threshold, permitted, kept)
        result.append(kept)
    return result


@njit(cache=True, nogil=True)
def _keep(
    first: Array, count: Array, word: Array, contexts: Array, threshold: int, permitted: Array, kept: Array
) -> None:
    """Mark the n-grams of one order that stay; what extends a context that does not stay goes with it."""
    for h in range(len(contexts)):
        for g in range(first[h], first[h + 1]):
            kept[g] = contexts[h] and count[g] > threshold and permitted[word[g]]


def place_children(first: Array, contexts: Array, kept: Array, start: int, target: Array) -> None:
    """Write where the children of each kept context begin when those of all orders are numbered on from ``start``.

    first: (C + 1,) within the order. contexts, kept: what stays of the order below and of this one; empty for all.
    """
    if len(kept):
        _place_children(first, contexts, kept, start, target)
    else:
        np.add(first[:-1], np.uint32(start), out=target)


@njit(cache=True, nogil=True)
def _place_children(first: Array, contexts: Array, kept: Array, start: int, target: Array) -> None:
    n = 0
    for h in range(len(contexts)):
        if contexts[h]:
            target[n] = start
            n += 1
        for g in range(first[h], first[h + 1]):
            start += kept[g]
