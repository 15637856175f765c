"""What is inside a model: hidden units over a text, the neighbours of a word, a map of words."""

import math
from typing import Annotated, Any

import numpy as np
from fastapi import APIRouter
from pydantic import BaseModel, Field

from nextword.errors import UsageError
from nextword.interfaces.server.models import Models
from nextword.lm import LM
from nextword.neural.embeddings import Embeddings
from nextword.tasks.explain import patterns
from nextword.tasks.explain.embedding_map import MOST_WORDS, map_words, neighbours, word_vectors
from nextword.tasks.explain.units import Units, by_strength, chance_level, correlations, hidden_units, part_names
from nextword.types import Array, Json

_MOST_TRACKS = 100
_MOST_UNITS = 1 << 20  # no model has so many
_DIGITS = 4  # significant ones of an activation

Name = Annotated[str | None, Field(max_length=200)]


class UnitsBody(BaseModel):
    """Which units over which text. order: by correlation with the pattern, by how much they vary, or as they come."""

    model: Name = None
    text: str = Field(max_length=20_000)
    part: str = Field("hidden", max_length=20)
    pattern: str = Field("", max_length=patterns.LONGEST)
    order: str = Field("correlation", pattern="^(correlation|variation|number)$")
    count: int = Field(20, ge=1, le=_MOST_TRACKS)
    unit: int | None = Field(None, ge=0, le=_MOST_UNITS)


class NeighboursBody(BaseModel):
    """A word and how many of its neighbours."""

    model: Name = None
    word: str = Field(min_length=1, max_length=200)
    k: int = Field(20, ge=1, le=200)


class MapBody(BaseModel):
    """How many words, and around which if not the most frequent."""

    model: Name = None
    n: int = Field(400, ge=3, le=MOST_WORDS)
    around: str | None = Field(None, min_length=1, max_length=200)


def router(models: Models) -> APIRouter:
    """``POST /explore/units``, ``/explore/neighbours`` and ``/explore/map``."""
    routes = APIRouter(prefix="/explore")
    vectors: dict[str, Embeddings] = {}

    @routes.post("/units")
    async def units(body: UnitsBody) -> Json:
        """Hidden units as tracks over a text, and their correlation with a pattern of it."""
        served = models.get(body.model)
        return {"model": served.name, **await served.engine.run(_units, served.lm, body)}

    @routes.post("/neighbours")
    async def neighbours_of(body: NeighboursBody) -> Json:
        """The words whose vectors have the smallest angles with a word's."""
        served = models.get(body.model)

        def find() -> Json:
            known = _vectors(vectors, served.name, served.lm)
            word = _one_token(served.lm, known, body.word)
            found = [{"word": other, "cosine": cosine} for other, cosine in neighbours(known, word, body.k)]
            return {"model": served.name, "word": word, "neighbours": found, "words": len(known.words)}

        return await served.engine.run(find)

    @routes.post("/map")
    async def map_of(body: MapBody) -> Json:
        """Words on the plane of their two principal components."""
        served = models.get(body.model)

        def draw() -> Json:
            known = _vectors(vectors, served.name, served.lm)
            around = None if body.around is None else _one_token(served.lm, known, body.around)
            found = map_words(known, body.n, around=around)
            x, y = found.places.T.round(5).tolist()
            size = {"words": found.words, "x": x, "y": y, "variance": found.variance.tolist()}
            return {"model": served.name, **size, "of": len(known.words), "dimensions": known.vectors.shape[1]}

        return await served.engine.run(draw)

    return routes


def _vectors(held: dict[str, Embeddings], name: str, lm: LM) -> Embeddings:
    """A model's words and vectors, gathered once."""
    if name not in held:
        held[name] = word_vectors(lm.model)
    return held[name]


def _one_token(lm: LM, known: Embeddings, word: str) -> str:
    """A word as the model writes it. Raises UsageError for several tokens."""
    if word in known.words:
        return word
    tokens = lm.pipeline.tokens(word)
    if len(tokens) != 1:
        cut = ", ".join(tokens) if tokens else "nothing"
        raise UsageError(f"{word!r} is {len(tokens)} tokens to this model ({cut}); give one")
    return tokens[0]


def _units(lm: LM, body: UnitsBody) -> Json:
    found = hidden_units(lm.model, lm.pipeline, body.text, part=body.part)
    pattern, r = None, np.full(found.values.shape[1], np.nan)
    if body.pattern.strip():
        signal, meaning = patterns.find_pattern(body.pattern, found.text)
        r, chance = correlations(found.values, signal), chance_level(found.values, signal)
        varies = bool(signal.min() < signal.max())
        pattern = {"meaning": meaning, "signal": signal.tolist(), "varies": varies, "chance": _number(chance)}
    order = _ordered(body.order, found.values, r)
    shown = order[: body.count].tolist()
    chosen = body.unit if body.unit is not None and body.unit < len(order) else shown[0]
    return {
        "part": body.part,
        "parts": part_names(lm.model),
        "tokens": found.text.tokens,
        "texts": found.text.texts,
        "units": len(order),
        "pattern": pattern,
        "tracks": [_track(found, r, unit) for unit in shown],
        "chosen": _track(found, r, chosen),
    }


def _ordered(order: str, values: Array, r: Array) -> Array:
    """Units in the order wished for; without a pattern that varies, correlation is none, and variation stands in."""
    if order == "number":
        return np.arange(values.shape[1])
    if order == "correlation" and not np.isnan(r).all():
        return by_strength(r)
    return by_strength(values.astype(np.float64).std(axis=0))


def _track(found: Units, r: Array, unit: int) -> Json:
    values = found.values[:, unit].astype(np.float64)
    return {
        "unit": unit,
        "r": _number(r[unit]),
        "mean": _number(values.mean()),
        "values": [_number(value) for value in values],
    }


def _number(value: Any) -> float | None:
    """A figure in few digits, null where there is none."""
    return float(f"{value:.{_DIGITS}g}") if math.isfinite(value) else None
