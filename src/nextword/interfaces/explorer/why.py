"""Why a token has its probability, and how far back the gradients of networks reach."""

import asyncio
import math
from pathlib import PurePath
from typing import Annotated, Any

import numpy as np
from fastapi import APIRouter, Response
from pydantic import BaseModel, ConfigDict, Field

from nextword.errors import NextwordError
from nextword.interfaces.explorer.asked import LONGEST, Names, as_json
from nextword.interfaces.server.models import Models, Served
from nextword.lm import LM
from nextword.ngram.history import HistoryModel, sentences_as_stream
from nextword.tasks.explain.counts import read_ids
from nextword.tasks.explain.distance import ByDistance, mean_by_distance, pieces, rows_by_distance, untrained
from nextword.tasks.explain.explanation import MOST_TOKENS, Explanation, check_explainable, explain_text
from nextword.tasks.explain.gradients import Influence, is_network
from nextword.tasks.explain.spelt import read_spelt
from nextword.text.corpus import Corpus
from nextword.types import Ids_T, Json

_MOST_TRAINING_BYTES = 128 << 20  # a longer training text is not read again for its counts
_SAMPLE = 128  # tokens that a network writes to have its gradients looked at
_DIGITS = 6  # significant ones of a norm


class WhyAsked(BaseModel):
    """A text, and the token of it to be explained, from 1; the most surprising one unless it is given."""

    model_config = ConfigDict(extra="forbid")
    model: Annotated[str | None, Field(max_length=300)] = None
    text: Annotated[str, Field(max_length=LONGEST)]
    position: Annotated[int | None, Field(ge=1, le=MOST_TOKENS)] = None


class GradientsAsked(BaseModel):
    """Which networks, all of them by default; untrained: also Elman, GRU and LSTM as they are before training."""

    model_config = ConfigDict(extra="forbid")
    models: Names | None = None
    untrained: bool = False


def router(models: Models) -> APIRouter:
    """``POST /explore/why`` and ``POST /explore/gradients``."""
    routes = APIRouter(prefix="/explore")
    measured: dict[str, ByDistance] = {}
    before: list[ByDistance] = []
    one_at_a_time = asyncio.Lock()

    @routes.post("/why")
    async def why(asked: WhyAsked) -> Response:
        """The tokens of a text, and why one of them has its probability."""
        served = models.get(asked.model)
        found = await served.engine.run(_explained, served.lm, asked.text, asked.position)
        return as_json({"model": served.name, **found})

    @routes.post("/gradients")
    async def gradients(asked: GradientsAsked) -> Response:
        """The mean norm of the gradient at each distance, of a text that each network writes itself."""
        wanted = list(models) if asked.models is None else [models.get(name) for name in asked.models]
        answers = [await _measured(one, measured) for one in wanted]
        if asked.untrained:
            async with one_at_a_time:
                if not before:
                    before.extend(await asyncio.to_thread(untrained))
        return as_json({"models": answers, "untrained": [_by_distance(one) for one in before if asked.untrained]})

    return routes


async def _measured(served: Served, known: dict[str, ByDistance]) -> Json:
    """A network's norms, once; a piece of the text at a time, so that others get their turn at the model."""
    model = served.lm.model
    if not is_network(model):
        return {"name": served.name, "reason": f"a {model.kind} model is no network and has no gradients"}
    try:
        if served.name not in known:
            rows = []
            for piece in pieces(model, await served.engine.run(_written, served.lm)):
                rows += await served.engine.run(rows_by_distance, model, piece)
            known[served.name] = mean_by_distance(rows, name=served.name)
    except NextwordError as error:
        return {"name": served.name, "reason": str(error)}
    return {"kind": model.kind, **_by_distance(known[served.name])}


def _written(lm: LM) -> Ids_T:
    """Ids of a text that the model writes."""
    (text,) = lm.generate(seed=0, max_tokens=_SAMPLE, stop=False)
    return read_ids(Corpus.from_text(text), lm.model.vocabulary, lm.pipeline)[:_SAMPLE]


def _by_distance(one: ByDistance) -> Json:
    norms = [_number(norm) for norm in one.norms]
    return {"name": one.name, "what": one.what, "trained": one.trained, "norms": norms, "counts": one.counts}


def _explained(lm: LM, text: str, position: int | None) -> Json:
    check_explainable(lm.model)
    spelt = read_spelt(lm.model, lm.pipeline, text, most=MOST_TOKENS)
    if position is None:
        log_probs = lm.model.token_log_probs(spelt.ids[None])[0][0]
        position = 1 + int(np.argmin(np.where(spelt.ids == lm.model.vocabulary.eos, np.inf, log_probs)))
    one = explain_text(lm, text, position=position, most_training_bytes=_MOST_TRAINING_BYTES)
    orders = _orders(lm.model, spelt.ids)
    tokens = [
        {"token": token, "bits": _number(bits), "probability": math.exp(log_prob), "oov": oov, "order": order}
        for token, bits, log_prob, oov, order in zip(one.tokens, one.bits, one.log_probs, one.oov, orders, strict=True)
    ]
    return {"kind": one.kind, "whole": spelt.whole, "tokens": tokens, "position": position, "explained": _part(one)}


def _orders(model: Any, ids: Ids_T) -> list[int | None]:
    """The order of the longest n-gram that each token was found in, of an n-gram model."""
    if not isinstance(model, HistoryModel):
        return [None] * len(ids)
    return [int(order) for order in model.score_stream(sentences_as_stream(ids, model.eos))[1][1:]]


def _part(one: Explanation) -> Json:
    """Why the one token that is explained has its probability, by this model or by a member of a mixture."""
    (t,) = one.positions
    plain: Json = {"kind": one.kind, "probability": math.exp(one.log_probs[t]), "bits": _number(one.bits[t])}
    if one.members:
        members = [
            {"kind": part.kind, "weight": part.weight, "share": part.shares[t], "explained": _part(part.explanation)}
            for part in one.members
        ]
        return plain | {"members": members}
    if one.influences:
        return plain | {"influence": _influence(one.influences[0])}
    counts = None if one.counts is None else ", ".join(PurePath(name).name for name in one.counts.split(", "))
    return plain | {"path": one.paths[0].to_json(), "counts": counts, "no_counts": one.no_counts}


def _influence(one: Influence) -> list[Json]:
    return [
        {"token": token, "norm": _number(norm), "product": _number(product)}
        for token, norm, product in zip(one.inputs, one.norms, one.products, strict=True)
    ]


def _number(value: float) -> float | None:
    """A figure in few digits, null where there is none."""
    return float(f"{value:.{_DIGITS}g}") if math.isfinite(value) else None
