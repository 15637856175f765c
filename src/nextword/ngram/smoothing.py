"""Every estimator as one rule per order, and the counts each rule is made from.

A rule turns the counts a(hw) after a context h into p(w given h) = (a(hw) - D(a)) / den(h) plus what is left over,
spread as the lower order has it: over all words (interpolated) or over the unseen ones (back-off). The estimators
differ in D, in what den(h) adds to the sum of the counts, in whether the counts below the top order are raw or
numbers of distinct words to the left (continuation counts), and in how the rest is spread. ``estimate`` applies them.
"""

from dataclasses import dataclass, field
from typing import Literal

import numpy as np

from nextword.errors import EstimationError, UsageError
from nextword.types import Array

Name = Literal[
    "mle", "add", "laplace", "absolute", "katz", "jelinek-mercer", "witten-bell", "kneser-ney", "modified-kneser-ney",
    "stupid-backoff",
]  # fmt: skip
NAMES: tuple[Name, ...] = Name.__args__  # type: ignore[attr-defined]
BUCKETS = 32
_FALLBACK = (0.5, 1.0, 1.5)


@dataclass(frozen=True)
class Smoothing:
    """An estimator and its settings.

    name: one of NAMES. alpha: what ``add`` adds. discount: the fixed d of ``absolute``, ``kneser-ney`` and Katz's
    fallback, between 0 and 1; estimated if None. katz_k: counts above it are trusted. discount_fallback: use 0.5, 1,
    1.5 for an order whose counts give no usable discounts, instead of an error. interpolate_unigrams: give unigrams a
    uniform share. like_lmplz: count discounts as KenLM's lmplz does. buckets: 1 gives ``jelinek-mercer`` one weight
    per order.
    """

    name: Name = "modified-kneser-ney"
    alpha: float = 1.0
    discount: float | None = None
    katz_k: int = 5
    discount_fallback: bool = False
    interpolate_unigrams: bool = True
    like_lmplz: bool = False
    buckets: int = BUCKETS

    def __post_init__(self) -> None:
        if self.name not in NAMES:
            raise UsageError(f"unknown smoothing {self.name!r}; choose one of {', '.join(NAMES)}")
        if not self.alpha > 0 or not np.isfinite(self.alpha):
            raise UsageError(f"alpha is {self.alpha}; additive smoothing needs a number above 0")
        if self.discount is not None and not 0 < self.discount < 1:
            raise UsageError(f"the discount is {self.discount}; it must lie between 0 and 1, both excluded")
        if self.katz_k < 1:
            raise UsageError(f"katz_k is {self.katz_k}; it must be 1 or more")
        if not 1 <= self.buckets <= BUCKETS:
            raise UsageError(f"{self.buckets} buckets; there can be 1 to {BUCKETS}")

    @property
    def continuation(self) -> bool:
        """Whether orders below the top count distinct words to the left instead of occurrences."""
        return self.name in ("kneser-ney", "modified-kneser-ney")

    @property
    def interpolated(self) -> bool:
        """Whether the lower order has a share in every word, not just in the unseen ones."""
        return self.name not in ("absolute", "katz")


@dataclass(frozen=True)
class Rule:
    """One order: D(a) = discounts[min(a, last)], den(h) = Σa · (1 + ratios[bucket of Σa]) + types · N1+ + constant.

    Buckets of Σa are its binary orders of magnitude, floor(log2 Σa). Σa is the sum of the counts after h, N1+ the
    number of distinct words after it.
    """

    discounts: Array
    types: float = 0.0
    constant: float = 0.0
    ratios: Array = field(default_factory=lambda: np.zeros(BUCKETS))
    note: str = ""


def make_rule(
    smoothing: Smoothing, order: int, counts_of_counts: Array, words: int, weights: Array | None = None
) -> Rule:
    """The rule of one order.

    counts_of_counts: n_r at index r, the n-grams counted r times, pruned ones among them. words: V. weights: (BUCKETS,)
    Jelinek-Mercer's λ. Raises EstimationError, with a remedy, if the discounts cannot be computed from the counts.
    """
    nothing = np.zeros(2)
    match smoothing.name:
        case "add" | "laplace":
            alpha = 1.0 if smoothing.name == "laplace" else smoothing.alpha
            return Rule(nothing, constant=alpha * words)
        case "witten-bell":
            return Rule(nothing, types=1.0)
        case "jelinek-mercer":
            if weights is None:
                raise UsageError("jelinek-mercer needs held-out text for its weights; give it with --valid")
            return Rule(nothing, ratios=1 / weights - 1)
        case "absolute" | "kneser-ney":
            return _absolute(smoothing, order, counts_of_counts)
        case "katz":
            return _katz(smoothing, order, counts_of_counts)
        case "modified-kneser-ney":
            return _modified(smoothing, order, counts_of_counts)
        case _:  # mle, and stupid-backoff's relative frequencies
            return Rule(nothing)


def absolute_discount(n: Array) -> float:
    """D = n1 / (n1 + 2 n2) (Ney, Essen and Kneser 1994, eq. 24); NaN if n1 or n2 is 0."""
    return float(n[1] / (n[1] + 2 * n[2])) if n[1] and n[2] else float("nan")


def good_turing_ratios(n: Array, k: int) -> Array:
    """Katz's d_r for r = 0 to k, by which a count r is multiplied (Katz 1987, eq. 20); NaN where n_r is 0.

    d_r = (r*/r - A) / (1 - A) with r* = (r + 1) n_{r+1} / n_r and A = (k + 1) n_{k+1} / n_1.
    """
    r = np.arange(1, k + 1)
    with np.errstate(divide="ignore", invalid="ignore"):
        a = (k + 1) * n[k + 1] / n[1]
        return np.concatenate([[1.0], ((r + 1) * n[r + 1] / (n[r] * r) - a) / (1 - a)])


def modified_discounts(n: Array) -> Array:
    """D_0 to D_3 = 0 and j - (j + 1) Y n_{j+1} / n_j, Y = n1 / (n1 + 2 n2) (Chen and Goodman 1998, eq. 26)."""
    j = np.arange(1, 4)
    with np.errstate(divide="ignore", invalid="ignore"):
        y = n[1] / (n[1] + 2 * n[2])
        return np.concatenate([[0.0], j - (j + 1) * y * n[j + 1] / n[j]])


def _absolute(smoothing: Smoothing, order: int, n: Array) -> Rule:
    d = smoothing.discount if smoothing.discount is not None else absolute_discount(n)
    if np.isnan(d):
        which = _counts_of_counts(n, 2)
        if not smoothing.discount_fallback:
            raise EstimationError(
                f"order {order}: no discount for {smoothing.name} can be estimated from {which}, since one of them is "
                "0; give one with --discount 0.5, or take 0.5 for such orders with --discount-fallback"
            )
        return Rule(np.array([0.0, 0.5]), note=f"order {order}: discount 0.5 instead of an estimate from {which}")
    return Rule(np.array([0.0, d]))


def _katz(smoothing: Smoothing, order: int, n: Array) -> Rule:
    ratios = good_turing_ratios(n, smoothing.katz_k)
    if ((ratios[1:] > 0) & (ratios[1:] < 1)).all():
        discounts = np.arange(len(ratios)) * (1 - ratios)
        return Rule(np.append(discounts, 0.0))
    rule = _absolute(smoothing, order, n)
    which = _counts_of_counts(n, smoothing.katz_k + 1)
    note = f"order {order}: absolute discounting instead of Good-Turing's, whose estimates from {which} are unusable"
    return Rule(rule.discounts, note="; ".join(filter(None, [note, rule.note])))


def _modified(smoothing: Smoothing, order: int, n: Array) -> Rule:
    discounts = modified_discounts(n)
    if n[1:4].all() and ((discounts >= 0) & (discounts <= np.arange(4))).all():
        return Rule(discounts)
    which = _counts_of_counts(n, 4)
    shown = ", ".join(f"D{j} = {d:.4g}" for j, d in enumerate(discounts[1:], start=1))
    if not smoothing.discount_fallback:
        raise EstimationError(
            f"order {order}: the counts give no usable discounts for modified Kneser-Ney ({which}; {shown}; D must lie "
            "between 0 and its count). Small or repetitive text and characters do this: take 0.5, 1 and 1.5 for such "
            "orders with --discount-fallback, or use --smoothing witten-bell"
        )
    return Rule(np.array([0.0, *_FALLBACK]), note=f"order {order}: discounts 0.5, 1, 1.5 instead of {shown}")


def _counts_of_counts(n: Array, last: int) -> str:
    return ", ".join(f"n{r} = {n[r]:,}" for r in range(1, last + 1))
