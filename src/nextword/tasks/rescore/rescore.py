"""Reorder n-best lists by a weighted sum of their scores and a language model's, and count what it gains.

    total = Σ own weight · own score + LM weight · log P(text) + word bonus · words + unknown weight · unknown tokens

Weights are given, or tuned on other lists, whose references are known (``tune``).
"""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import NamedTuple

import numpy as np

from nextword.errors import UsageError
from nextword.tasks.rescore.errors import (
    ErrorDifference,
    Errors,
    ErrorUnit,
    compare_errors,
    count_errors,
    line_errors,
)
from nextword.tasks.rescore.formats import write_nbest
from nextword.tasks.rescore.scoring import ScoredLists, Weights
from nextword.tasks.rescore.tune import minimum_error_weights, standard_scale
from nextword.types import Array

LEAST_LISTS = 20


@dataclass(frozen=True, eq=False)
class Rescored:
    """Lists in a new order. totals: of every hypothesis, (N,). order: of each list, the best first."""

    scored: ScoredLists
    weights: Weights
    totals: Array
    order: list[list[int]]

    @property
    def best(self) -> list[str]:
        """The text of each list's best hypothesis."""
        pairs = zip(self.scored.lists, self.order, strict=True)
        return [one.hypotheses[ranked[0]].text for one, ranked in pairs]

    def lines(self) -> list[str]:
        """The reordered lists, in the form that they were read in, with the model's score and the total."""
        totals: Sequence[float] = self.totals.tolist()
        name = self.scored.names[len(self.scored.lists.names)]
        return list(write_nbest(self.scored.lists, self.order, self.scored.lm_scores.tolist(), totals, name=name))


class Measured(NamedTuple):
    """Errors of each list's first hypothesis as it came, of the best after rescoring, and of the best that there is.

    difference: after less before, with its interval; None for fewer than 20 lists.
    """

    before: Errors
    after: Errors
    oracle: Errors
    difference: ErrorDifference | None


def tune_weights(
    scored: ScoredLists, references: Sequence[str], *, unit: ErrorUnit = "words", seed: int = 0
) -> Weights:
    """Weights of the fewest errors on these lists. Raises UsageError unless there is a reference for each list."""
    errors = hypothesis_errors(scored, references, unit=unit)
    own = len(scored.lists.names)
    found, _ = minimum_error_weights(scored.features, scored.offsets, errors, own=own, seed=seed)
    return Weights(standard_scale(found, scored.names, own))


def rescore(scored: ScoredLists, weights: Weights) -> Rescored:
    """Sort each list by its totals; of equals, those that came first stay so. Raises UsageError for unknown names."""
    totals = scored.features @ weights.array(scored.names)
    order = [np.argsort(-totals[rows], kind="stable").tolist() for rows in scored.rows()]
    return Rescored(scored, weights, totals, order)


def measure(rescored: Rescored, references: Sequence[str], *, unit: ErrorUnit = "words") -> Measured:
    """Errors before and after; errors and figures as in ``count_errors``."""
    scored = rescored.scored
    errors = hypothesis_errors(scored, references, unit=unit)
    lists = scored.lists.lists
    firsts = [one.hypotheses[0].text for one in lists]
    picked = [errors[rows].argmin() for rows in scored.rows()]
    oracle = [one.hypotheses[i].text for one, i in zip(lists, picked, strict=True)]
    difference = None
    if len(lists) >= LEAST_LISTS:
        after, lengths = line_errors(references, rescored.best, unit=unit)
        difference = compare_errors(errors[scored.offsets[:-1]], after, lengths)
    before, best, least = (count_errors(references, texts, unit=unit) for texts in (firsts, rescored.best, oracle))
    return Measured(before, best, least, difference)


def hypothesis_errors(scored: ScoredLists, references: Sequence[str], *, unit: ErrorUnit = "words") -> Array:
    """Errors of every hypothesis of all lists, (N,)."""
    if len(references) != len(scored.lists):
        raise UsageError(f"{len(references)} references for {len(scored.lists)} lists; give one for each list")
    repeated = [text for text, size in zip(references, scored.lists.sizes, strict=True) for _ in range(size)]
    return line_errors(repeated, [one.text for one in scored.lists.hypotheses], unit=unit)[0]
