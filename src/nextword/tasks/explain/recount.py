"""One probability worked out again from counts, as its smoothing defines it, with the equation in numbers.

After a context h, den(h) is the sum of the counts there, and of what the smoothing adds to it, D the discount of a
count. Interpolated: p(w given h) = (a(hw) - D) / den(h) + γ(h) p(w given h'), γ(h) being what the discounts have freed.
Backing off: (a(hw) - D) / den(h) for the words seen, and for the others γ(h) p(w given h') / (1 - Σ p(seen given h')).
h' is h without its oldest word; below the unigrams stands 1/V. Sources: Chen and Goodman (1998), section 2.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from functools import cached_property, lru_cache
from typing import Any, NamedTuple

import numpy as np

from nextword.errors import UsageError
from nextword.ngram.history import HistoryModel
from nextword.ngram.pruning import thresholds
from nextword.ngram.smoothing import NAMES, Smoothing
from nextword.tasks.explain.counts import TrainingText
from nextword.types import Array, Json

_DIGITS = 5e-7  # a model records its discounts and weights to six decimals
_CONTEXTS = 8  # whose distributions are remembered: those of a token and of those just before
_FLOAT32 = 2e-7  # of a logarithm, stored as float32, relative


@dataclass(frozen=True)
class Recounted:
    """One order's counts and what follows from them.

    count: a(hw), 0 for a word that never follows. raw: how often h and w come together. continuation: whether a counts
    distinct words to the left instead. total: Σ a(h·). types: how many distinct words follow, N1+(h·). classes: how
    many of them do once, twice, and three times or more. discount: taken from the count, None where none is. pruned:
    counted, but left out of the model. own: the part of the count itself. weight: γ(h), or the back-off weight. lower:
    the lower order's probability. equation, weight_equation: in numbers. probability: from the counts alone.
    difference: between its log10 and the model's, infinite if one of the two is 0. agrees: whether that is no more than
    rounding explains, None for a quantised model, whose numbers are rounded more coarsely.
    """

    count: int
    raw: int
    continuation: bool
    total: int
    types: int
    classes: tuple[int, int, int]
    discount: float | None
    pruned: bool
    own: float
    weight: float
    lower: float
    equation: str
    weight_equation: str
    probability: float
    difference: float
    agrees: bool | None


class _Order(NamedTuple):
    """Probabilities of all words after one context, (V,), with what they are made of; slack: of those of one word."""

    p: Array
    weight: float
    denominator: float
    counts: Array  # of the words that follow, (V,)
    raw: Array
    kept: Array  # bool, (V,): counted and not pruned
    taken: Array  # their discounts, (V,)
    full: bool
    slack: Array


class Recount:
    """Works probabilities of one model out of a text's counts."""

    def __init__(self, model: HistoryModel, text: TrainingText, settings: Json | None = None):
        """settings: as recorded in training. Raises UsageError, in words, for a model whose numbers are not of counts.

        These are models that do not say how they were estimated, such as one from an ARPA file, mixtures, models
        pruned by relative entropy, and those with a limited vocabulary.
        """
        details: Json = getattr(model, "details", {})
        self.model, self.text, self.details = model, text, details
        name = details.get("smoothing")
        if name not in NAMES:
            made = "does not say how it was estimated" if name is None else f"is a {name}"
            raise UsageError(f"the model {made}, so its probabilities cannot be worked out from counts")
        self.smoothing = Smoothing(**details.get("options", {"name": name}))
        if details.get("pruned"):
            raise UsageError("the model was pruned by relative entropy, which changed its weights: counts do not show")
        if details.get("limit_vocab"):
            raise UsageError("the model has a limited vocabulary, which is not recorded: counts do not show")
        self.prune = thresholds((settings or {}).get("prune") or [0], model.order)
        if self.prune[0]:
            raise UsageError("words were pruned from the vocabulary, and are not recorded: counts do not show")
        self.words = len(model.vocabulary) - 1
        self.quantised = hasattr(model, "quantised")
        self._longer = lru_cache(_CONTEXTS)(self._estimated)

    def recounted(self, context: Sequence[int], word: int, log_prob: float) -> Recounted:
        """What the counts say of a word after a context, ids; log_prob: what the model does, nats."""
        found = self._order(tuple(context))
        lower = self._lower(tuple(context))
        count, p = int(found.counts[word]), float(found.p[word])
        classes = np.bincount(np.minimum(found.counts[found.counts > 0], 3), minlength=4)[1:]
        kept = bool(found.kept[word])
        own = (count - float(found.taken[word])) / found.denominator if kept and found.denominator else 0.0
        with np.errstate(divide="ignore"):
            stored, ours = log_prob / np.log(10.0), float(np.log10(min(p, 1.0)))
        difference = 0.0 if ours == stored else abs(ours - stored)
        allowed = _FLOAT32 * max(abs(stored), 1.0) * (len(context) + 1) + float(found.slack[word]) / max(p, 1e-300)
        return Recounted(
            count=count,
            raw=int(found.raw[word]),
            continuation=self._continuation(context),
            total=int(found.counts.sum()),
            types=int((found.counts > 0).sum()),
            classes=(int(classes[0]), int(classes[1]), int(classes[2])),
            discount=float(found.taken[word]) if self._discounts and kept else None,
            pruned=count > 0 and not kept,
            own=own,
            weight=found.weight,
            lower=float(lower[word]),
            equation=self._equation(found, word, p, float(lower[word])),
            weight_equation=self._weight_equation(found, lower),
            probability=p,
            difference=float(difference),
            agrees=None if self.quantised else bool(difference <= allowed),
        )

    def _continuation(self, context: Sequence[int]) -> bool:
        below = len(context) + 1 < self.model.order
        return self.smoothing.continuation and below and not (len(context) and context[0] == self.text.bos)

    @property
    def _discounts(self) -> bool:
        return self.smoothing.name in ("absolute", "katz", "kneser-ney", "modified-kneser-ney")

    def _lower(self, context: tuple[int, ...]) -> Array:
        """Probabilities of the order below a context's, (V,)."""
        if self.smoothing.name in ("add", "laplace"):
            return self._base
        return self._order(context[1:]).p if context else self._base

    @cached_property
    def _base(self) -> Array:
        base = np.full(len(self.model.vocabulary), 1 / self.words)
        if not self.smoothing.interpolate_unigrams:
            base[:] = 0.0
            base[self.model.vocabulary.unk] = 1.0
        return base

    @cached_property
    def _unigrams(self) -> _Order:
        return self._estimated(())

    def _order(self, context: tuple[int, ...]) -> _Order:
        return self._longer(context) if context else self._unigrams

    def _estimated(self, context: tuple[int, ...]) -> _Order:
        """As ``ngram.estimate`` has it, for one context, in plain arithmetic."""
        lower, counts, raw = self._lower(context), *self._counts(context)
        order = len(context) + 1
        below = np.zeros(len(lower)) if not context else self._order(context[1:]).slack
        total = int(counts.sum())
        nothing = _Order(lower, 1.0, 0.0, counts, raw, counts > len(raw) * total, np.zeros(len(lower)), False, below)
        uniform = self.smoothing.name in ("add", "laplace") and order < self.model.order
        if uniform and not (context and context[0] == self.text.bos):  # shorter contexts are not asked
            return nothing._replace(p=self._base)
        if not total or (order > 2 and int(raw.sum()) <= self.prune[order - 2]):
            return nothing
        kept = (counts > 0) & (raw > self.prune[order - 1])
        discounts, step = self._discounts_of(order)
        taken = np.where(kept, discounts[np.minimum(counts, len(discounts) - 1)], 0.0)
        types = int((counts > 0).sum())
        denominator = float(total * (1 + self._ratio(order, total)) + self._added(types))
        mass = float((counts - taken)[kept].sum())
        interpolated = self.smoothing.interpolated
        full = not interpolated and int(kept.sum()) == self.words
        if full:
            taken[:] = 0.0
            denominator = mass = float(counts[kept].sum())
        elif not interpolated and denominator - mass <= 0:
            denominator += 1.0
        weight = 1.0 if full else (denominator - mass) / denominator
        if not interpolated and not full:
            weight /= 1.0 - float(lower[kept].sum())
        p = np.where(kept, (counts - taken) / denominator, 0.0)
        p = p + weight * lower if interpolated else np.where(kept, p, weight * lower)
        moved = step * (1 + lower * types) / denominator if not self._weights else step * np.ones(len(lower))
        slack = moved + weight * below
        if not interpolated and not full:
            left = 1.0 - float(lower[kept].sum())
            slack = np.where(kept, moved, (slack + lower * weight * float(below[kept].sum())) / left)
        return _Order(p, weight, denominator, counts, raw, kept, taken, full, slack)

    def _counts(self, context: tuple[int, ...]) -> tuple[Array, Array]:
        """The counts that the smoothing uses and the raw ones of every word, (V,) each."""
        after = self.text.after(context)
        counts, raw = np.zeros((2, len(self.model.vocabulary)), dtype=np.int64)
        raw[after.words] = after.raw
        counts[after.words] = after.adjusted if self._continuation(context) else after.raw
        return counts, raw

    @property
    def _weights(self) -> list[list[float]]:
        return self.details.get("weights") or []

    def _discounts_of(self, order: int) -> tuple[Array, float]:
        """D by count, 0 first, and how far the recorded ones may be off."""
        recorded = self.details.get("discounts")
        if recorded is None:
            return np.zeros(2), _DIGITS if self._weights else 0.0
        return np.array([0.0, *recorded[order - 1]]), _DIGITS

    def _ratio(self, order: int, total: int) -> float:
        return 1 / self._weight_of(order, total) - 1 if self._weights else 0.0

    def _weight_of(self, order: int, total: int) -> float:
        """Jelinek and Mercer's λ for a context seen ``total`` times."""
        row = self._weights[order - 1]
        return row[min(total.bit_length() - 1, len(row) - 1)]

    def _added(self, types: int) -> float:
        match self.smoothing.name:
            case "witten-bell":
                return float(types)
            case "add":
                return self.smoothing.alpha * self.words
            case "laplace":
                return float(self.words)
            case _:
                return 0.0

    def _equation(self, found: _Order, word: int, p: float, lower: float) -> str:
        """p(w given h) in numbers."""
        name, total, count = self.smoothing.name, int(found.counts.sum()), int(found.counts[word])
        if not found.denominator:
            return f"{_shown(lower)}, as after the shorter context"
        if name in ("add", "laplace"):
            alpha = self.smoothing.alpha if name == "add" else 1
            return f"({count} + {alpha:g}) / ({total} + {alpha:g} × {self.words}) = {_shown(p)}"
        if name == "witten-bell":
            types = int((found.counts > 0).sum())
            return f"({count} + {types} × {_shown(lower)}) / ({total} + {types}) = {_shown(p)}"
        if name == "jelinek-mercer":
            share = 1 - found.weight
            return f"{share:.4f} × {count} / {total} + {found.weight:.4f} × {_shown(lower)} = {_shown(p)}"
        own = f"{count} / {_whole(found.denominator)}"
        if found.taken[word]:
            own = f"({count} − {found.taken[word]:.4f}) / {_whole(found.denominator)}"
        rest = f"{_shown(found.weight)} × {_shown(lower)}"
        if not found.kept[word]:
            return f"{rest} = {_shown(p)}"
        return f"{own} + {rest} = {_shown(p)}" if self.smoothing.continuation else f"{own} = {_shown(p)}"

    def _weight_equation(self, found: _Order, lower: Array) -> str:
        """γ(h), or the back-off weight, in numbers; empty where the smoothing's own formula shows it."""
        if not found.denominator or found.full or not self._discounts:
            return ""
        total, taken = int(found.counts.sum()), found.taken[found.kept]
        values, times = np.unique(np.round(taken, 6), return_counts=True)
        parts = [f"{n} × {d:.4f}" for d, n in zip(values.tolist(), times.tolist(), strict=True) if d]
        pruned = int(found.counts.sum() - found.counts[found.kept].sum())
        parts += [f"{pruned} pruned"] if pruned else []
        extra = found.denominator - total
        parts += [_whole(extra)] if extra else []
        freed = f"({' + '.join(parts) or '0'}) / {_whole(found.denominator)}"
        if self.smoothing.interpolated:
            return f"{freed} = {_shown(found.weight)}"
        return f"{freed} / (1 − {float(lower[found.kept].sum()):.4f}) = {_shown(found.weight)}"


def _shown(value: Any) -> str:
    """A probability in four significant digits."""
    return f"{float(value):.4g}"


def _whole(value: float) -> str:
    return f"{value:.0f}" if value == round(value) else f"{value:.4f}"
