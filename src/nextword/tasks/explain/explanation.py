"""Why a model gives a text the probabilities it does: back-off paths of n-grams, gradients of networks, or both."""

import math
from collections.abc import Sequence
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any, NamedTuple, Protocol

import numpy as np

from nextword.errors import UsageError
from nextword.mixture import Mixture
from nextword.model import LanguageModel
from nextword.ngram.history import HistoryModel
from nextword.tasks.explain.backoff import BackoffPath, backoff_paths
from nextword.tasks.explain.counts import find_text, read_text
from nextword.tasks.explain.gradients import Influence, influences, is_network
from nextword.tasks.explain.recount import Recount
from nextword.tasks.explain.spelt import Spelt, read_spelt
from nextword.text.corpus import Corpus
from nextword.text.pipeline import Pipeline
from nextword.types import Array, Ids_T, Json

MOST_TOKENS = 20_000


class Explainable(Protocol):
    """A model, how it reads text and how it was made: ``nextword.LM``."""

    model: Any
    pipeline: Pipeline
    info: Json


class _Part(NamedTuple):
    model: Any
    pipeline: Pipeline
    info: Json


@dataclass(frozen=True)
class Member:
    """One model of a mixture. log_probs: of every token, nats. explanation: its own; its tokens are the mixture's.

    shares: the part of the mixture's probability of each token that comes from it, weight · p_member / p.
    """

    kind: str
    weight: float
    log_probs: tuple[float, ...]
    shares: tuple[float, ...]
    explanation: "Explanation"


@dataclass(frozen=True)
class Explanation:
    """Why each token of a text, the ends of lines among them, has its probability.

    kind: the model's. tokens: as the model has them; texts: what they stand for; oov: which of them the vocabulary
    lacks, so that the probability is that of ``<unk>``. log_probs: nats. positions: from 0, of the tokens explained.
    What explains them, one entry a position: ``paths`` of an n-gram model, ``influences`` of a network; ``members`` of
    a mixture. counts: the text that counts were read in, or None with the reason in ``no_counts``.
    """

    kind: str
    tokens: tuple[str, ...]
    texts: tuple[str, ...]
    oov: tuple[bool, ...]
    log_probs: tuple[float, ...]
    positions: tuple[int, ...]
    paths: tuple[BackoffPath, ...] = ()
    influences: tuple[Influence, ...] = ()
    members: tuple[Member, ...] = ()
    counts: str | None = None
    no_counts: str | None = None

    @property
    def bits(self) -> tuple[float, ...]:
        """Surprisal of each token."""
        return tuple(-log_prob / math.log(2) for log_prob in self.log_probs)

    def to_json(self) -> Json:
        """For programs; what is infinite is null."""
        members = [
            {"kind": one.kind, "weight": one.weight, "log_probs": _finite(one.log_probs), "shares": one.shares,
             "explanation": one.explanation.to_json()}
            for one in self.members
        ]  # fmt: skip
        plain = {name: getattr(self, name) for name in ("kind", "tokens", "texts", "oov", "positions")}
        return plain | {
            "log_probs": _finite(self.log_probs),
            "paths": [path.to_json() for path in self.paths],
            "influences": [asdict(one) for one in self.influences],
            "members": members,
            "counts": self.counts,
            "no_counts": self.no_counts,
        }


def explain_text(
    lm: Explainable,
    text: str,
    *,
    position: int | None = None,
    train: str | Path | Sequence[str | Path] | Corpus | None = None,
    most_training_bytes: int | None = None,
) -> Explanation:
    """Why ``lm`` gives the tokens of a text their probabilities.

    position: of the one token to be explained, from 1, the ends of lines counted; all are unless it is given. train:
    the text that the model was trained on, to show counts; if it is not given, the one that the model names, if that
    is still there and has not changed. most_training_bytes: a longer one is then not read.

    Raises UsageError for an empty text, a position beyond its end, a model of scores and not probabilities, and, unless
    a position is given, for a text that is long for a network; TextError for a text that cannot be read.
    """
    check_explainable(lm.model)
    spelt = read_spelt(lm.model, lm.pipeline, text, most=MOST_TOKENS)
    if position is not None and not 1 <= position <= len(spelt.ids):
        raise UsageError(f"position {position}: the text has {len(spelt.ids)} tokens; give 1 to {len(spelt.ids)}")
    positions = list(range(len(spelt.ids))) if position is None else [position - 1]
    return _explained(_Part(lm.model, lm.pipeline, lm.info), spelt, positions, train, most_training_bytes)


def check_explainable(model: Any) -> None:
    """Raise UsageError for a model whose numbers have no explanation here."""
    kind = getattr(model, "kind", type(model).__name__)
    if not isinstance(model, LanguageModel):
        raise UsageError(f"a {kind} model gives scores, no probabilities, so there is none to explain; give another")
    if not isinstance(model, HistoryModel | Mixture) and not is_network(model):
        raise UsageError(f"a {kind} model is neither of n-grams nor a network nor a mixture of these; give one that is")


def _explained(lm: _Part, spelt: Spelt, positions: list[int], train: Any, most: int | None) -> Explanation:
    model = lm.model
    log_probs, _ = model.token_log_probs(spelt.ids[None])
    common: Json = {
        "kind": model.kind, "tokens": tuple(spelt.tokens), "texts": tuple(spelt.texts),
        "oov": tuple(_unknown(model, spelt)), "log_probs": tuple(log_probs[0].astype(float).tolist()),
        "positions": tuple(positions),
    }  # fmt: skip
    if isinstance(model, Mixture):
        return Explanation(**common, members=tuple(_members(lm, spelt, positions, train, most, log_probs[0])))
    if not isinstance(model, HistoryModel):
        return Explanation(**common, influences=tuple(_influences(model, spelt, positions)))
    recount, counts, reason = _recount(lm, train, most)
    paths = tuple(_paths(model, spelt, positions, recount))
    return Explanation(**common, paths=paths, counts=counts, no_counts=reason)


def _members(
    lm: _Part, spelt: Spelt, positions: list[int], train: Any, most: int | None, log_probs: Array
) -> list[Member]:
    found = []
    for model, weight in zip(lm.model.models, lm.model.weights, strict=True):
        ids = np.array([model.vocabulary[lm.model.vocabulary.word(i)] for i in spelt.ids.tolist()], dtype=np.int32)
        info = {name: lm.info.get(name) for name in ("trained_on", "settings") if lm.info.get(name)}
        part = _explained(_Part(model, lm.pipeline, info), spelt._replace(ids=ids), positions, train, most)
        own = np.array(part.log_probs)
        with np.errstate(invalid="ignore"):
            shares = np.nan_to_num(weight * np.exp(own - log_probs))
        found.append(Member(model.kind, weight, part.log_probs, tuple(shares.tolist()), part))
    return found


def _unknown(model: Any, spelt: Spelt) -> list[bool]:
    unk = model.vocabulary.unk
    if unk is None:
        return [False] * len(spelt.ids)
    pairs = zip(spelt.ids.tolist(), spelt.tokens, strict=True)
    return [i == unk and token != model.vocabulary.word(unk) for i, token in pairs]


def _sentences(ids: Ids_T, eos: int | None) -> list[range]:
    """The places of each sentence's tokens, its end among them."""
    ends = [0, *(np.flatnonzero(ids == eos) + 1).tolist(), len(ids)]
    return [range(a, b) for a, b in zip(ends, ends[1:], strict=False) if b > a]


def _influences(model: Any, spelt: Spelt, positions: list[int]) -> list[Influence]:
    """Those of running text; of a sentence model, each from the tokens of its own sentence."""
    if model.scope == "stream":
        return influences(model, spelt.ids, spelt.tokens, positions if len(positions) < len(spelt.ids) else None)
    found = []
    for span in _sentences(spelt.ids, model.vocabulary.eos):
        here = [t - span.start for t in positions if t in span]
        part = slice(span.start, span.stop)
        whole = None if len(here) == len(span) else here
        for one in influences(model, spelt.ids[part], spelt.tokens[part], whole) if here else ():
            found.append(_moved(one, span.start))
    return found


def _moved(one: Influence, begin: int) -> Influence:
    return Influence(one.position + begin, one.token, one.inputs, one.log_prob, one.norms, one.products)


def _recount(lm: _Part, train: Any, most: int | None) -> tuple[Recount | None, str | None, str | None]:
    """Who works probabilities out from counts, the name of their text, or why there are none."""
    vocabulary, settings = lm.model.vocabulary, lm.info.get("settings") or {}
    try:
        if train is None:
            text = find_text(vocabulary, lm.pipeline, lm.info.get("trained_on", ()), most=most)
        else:
            text, _ = read_text(train, vocabulary, lm.pipeline)
            if "split" in settings:  # compare trains on the first lines of a text
                text = text.first_lines(settings["split"][0])
        return Recount(lm.model, text, settings), text.name, None
    except UsageError as error:
        return None, None, str(error)


def _paths(model: HistoryModel, spelt: Spelt, positions: list[int], recount: Recount | None) -> list[BackoffPath]:
    found = []
    for span in _sentences(spelt.ids, model.eos):
        here = [t - span.start for t in positions if t in span]
        if here:
            part = slice(span.start, span.stop)
            tokens = spelt.tokens[part]
            found += backoff_paths(model, spelt.ids[part], tokens=tokens, recount=recount, positions=here)
    return found


def _finite(values: Sequence[float]) -> list[float | None]:
    return [value if math.isfinite(value) else None for value in values]
