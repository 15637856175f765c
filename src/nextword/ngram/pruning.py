"""Leaving n-grams out: those too rare (as lmplz's --prune) and those with words outside a list (--limit_vocab_file).

What is left out still counts: in the discounts, in the denominators, and as mass that goes to the lower order.
"""

from collections.abc import Sequence

import numpy as np

from nextword.errors import UsageError
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


def kept_ngrams(levels: Sequence[Level], prune: Sequence[int], allowed: Array | None) -> list[Array]:
    """Per order, (N,) bool: what stays. Unigram specials do. allowed: (V,) bool, words that may occur, or None."""
    if not any(prune) and allowed is None:
        return [np.zeros(0, dtype=bool) for _ in levels]
    result: list[Array] = []
    for level, threshold in zip(levels, prune, strict=True):
        kept = level.count > threshold if threshold else np.ones(len(level), dtype=bool)
        if allowed is not None:
            kept &= allowed[level.word]
        if result:  # the words before the last are those of the context
            kept &= np.repeat(result[-1], level.children)
        else:
            kept[: len(SPECIALS)] = True
        result.append(kept)
    return result


def without(levels: Sequence[Level], kept: Sequence[Array]) -> list[Level]:
    """The levels without what is not kept; words get the numbers of the kept unigrams."""
    result: list[Level] = []
    renumbered = [np.cumsum(mask, dtype=np.int64) - 1 for mask in kept]
    for k, (level, mask) in enumerate(zip(levels, kept, strict=True)):
        ends = np.concatenate([[0], np.cumsum(mask, dtype=np.int64)])[level.first]
        contexts = kept[k - 1] if k else np.ones(1, dtype=bool)
        first = np.append(ends[:-1][contexts], ends[-1]).astype(np.uint32)
        suffix = renumbered[k - 1][level.suffix[mask]].astype(np.uint32) if k else level.suffix[mask]
        word = renumbered[0][level.word[mask]].astype(np.uint32)
        result.append(Level(word, level.count[mask], suffix, first))
    return result
