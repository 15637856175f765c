"""The way by which an n-gram model came to a probability: the orders it tried, and what it found there.

p(w given h) is the probability stored for hw if hw is there, otherwise the back-off weight of h times p(w given h'),
h' being h without its oldest word (Katz 1987, eq. 4). In an interpolated model what is stored is itself a sum: the
discounted part of the count, and the back-off weight times the lower order's probability.
"""

import math
from dataclasses import asdict, dataclass

import numpy as np

from nextword.ngram.history import HistoryModel
from nextword.ngram.lookup import held
from nextword.tasks.explain.recount import Recount, Recounted
from nextword.types import Array, Ids_T, Json

_INTERPOLATED = ("jelinek-mercer", "witten-bell", "kneser-ney", "modified-kneser-ney")


@dataclass(frozen=True)
class Rung:
    """One order of the path. context: its order - 1 words.

    seen: whether the model holds context and word together; known: whether it holds the context. probability: the
    model's p(word given context), stored if it is seen, otherwise weight times the lower order's. weight: the back-off
    weight of the context, None where there is none. own, from_lower: of a probability that is stored and interpolated,
    what its count gives it, p - weight · p_lower, and what the lower order gives it; None where it is no such sum, or
    the model does not say. counted: the same from counts, where there are any.
    """

    order: int
    context: tuple[str, ...]
    seen: bool
    known: bool
    probability: float
    log_prob: float
    weight: float | None
    own: float | None
    from_lower: float | None
    counted: Recounted | None = None


@dataclass(frozen=True)
class BackoffPath:
    """The rungs of one token, from the highest order down to the unigrams. log_prob: nats, the model's own.

    order: of the longest n-gram that is there. factors: the back-off weights of the contexts given up, and last the
    probability that is stored; their product is the probability.
    """

    token: str
    word: str
    order: int
    log_prob: float
    rungs: tuple[Rung, ...]
    factors: tuple[float, ...]

    @property
    def probability(self) -> float:
        """The product of the factors."""
        return math.prod(self.factors)

    @property
    def product(self) -> str:
        """The factors in numbers; contexts that the model does not know, whose weight is 1, are left out."""
        unknown = sum(1 for rung in self.rungs if rung.order > self.order and rung.weight is None)
        return " × ".join(f"{factor:.4g}" for factor in self.factors[unknown:])

    def to_json(self) -> Json:
        """For programs; what is infinite is null."""
        return {name: _finite(value) for name, value in asdict(self).items()} | {"probability": self.probability}


def backoff_paths(
    model: HistoryModel,
    sentence: Ids_T,
    *,
    tokens: list[str] | None = None,
    recount: Recount | None = None,
    positions: range | list[int] | None = None,
) -> list[BackoffPath]:
    """The paths of a sentence's tokens, (T,) ids that follow ``<s>``, in their order.

    tokens: as they are spelt, if not as the vocabulary has them. recount: shows counts. positions: from 0, of the
    tokens whose paths are wanted; all unless given. Raises VocabularyError for an id that is not in the vocabulary.
    """
    chosen = range(len(sentence)) if positions is None else positions
    there = held(model, sentence, chosen)
    log_probs = model.token_log_probs(np.asarray(sentence, dtype=np.int32)[None])[0][0]
    return [
        _path(model, sentence, t, there.log_probs[t], there.log_weights[t], float(log_probs[t]), tokens, recount)
        for t in chosen
    ]


def _path(
    model: HistoryModel,
    sentence: Ids_T,
    t: int,
    stored: Array,
    weights: Array,
    log_prob: float,
    tokens: list[str] | None,
    recount: Recount | None,
) -> BackoffPath:
    history = [model.bos, *sentence[:t].tolist()]
    word, longest = int(sentence[t]), min(model.order, len(history) + 1)
    names = model.vocabulary.word
    rungs: list[Rung] = []
    below = -math.inf
    for order in range(1, longest + 1):
        context = history[len(history) - order + 1 :]
        here, weight = float(stored[order - 1]), float(weights[order - 2]) if order > 1 else math.nan
        seen = not math.isnan(here)
        if not seen:
            here = below + (0.0 if math.isnan(weight) else weight)
        known = order == 1 or not math.isnan(weight) or seen
        own = _own(model, order, seen, here, weight, below)
        counted = None if recount is None else recount.recounted(context, word, here)
        rungs.append(
            Rung(
                order,
                tuple(map(names, context)),
                seen,
                known,
                math.exp(here),
                here,
                None if math.isnan(weight) else math.exp(weight),
                own,
                None if own is None else math.exp(here) - own,
                counted,
            )
        )
        below = here
    found = max(rung.order for rung in rungs if rung.seen)
    passed = [1.0 if rung.weight is None else rung.weight for rung in rungs[: found - 1 : -1]]
    spelt = names(word) if tokens is None else tokens[t]
    factors = (*passed, rungs[found - 1].probability)
    return BackoffPath(spelt, names(word), found, log_prob, tuple(rungs[::-1]), factors)


def _own(model: HistoryModel, order: int, seen: bool, here: float, weight: float, below: float) -> float | None:
    """What a stored probability has from its count: what is left without the lower order's share, never below 0."""
    details: Json = getattr(model, "details", {})
    if not seen or order == 1 or math.isnan(weight) or details.get("smoothing") not in _INTERPOLATED:
        return None
    return None if details.get("pruned") else max(math.exp(here) - math.exp(weight + below), 0.0)


def _finite(value: object) -> object:
    """JSON has no infinities: null stands for them."""
    if isinstance(value, dict):
        return {name: _finite(inner) for name, inner in value.items()}
    if isinstance(value, list | tuple):
        return [_finite(inner) for inner in value]
    return None if isinstance(value, float) and not math.isfinite(value) else value
