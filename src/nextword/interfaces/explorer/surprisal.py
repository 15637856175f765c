"""The surprisal of every token of a text under several models, with rank and alternatives."""

from math import inf
from typing import Any

import numpy as np
from fastapi import APIRouter, Request, Response
from pydantic import Field

from nextword.interfaces.explorer.asked import Asked, Read, ask_all, read
from nextword.interfaces.explorer.words import step_of
from nextword.interfaces.server.models import Models, Served
from nextword.lm import LM
from nextword.types import Json

_AT_ONCE = 64  # tokens measured before others get their turn at the model


class SurprisalAsked(Asked):
    """k: how many words that were expected more, or as much, to give beside each token."""

    k: int = Field(5, ge=1, le=20)


def router(models: Models) -> APIRouter:
    """``POST /explore/surprisal``."""
    routes = APIRouter(prefix="/explore")

    @routes.post("/surprisal")
    async def surprisal(asked: SurprisalAsked, request: Request) -> Response:
        """The text's lines, each with its tokens, ``</s>`` last: bits, rank, probability, and what was expected."""

        async def answer(served: Served) -> Json:
            return await _measured(served, asked, request)

        return await ask_all(models, asked, answer)

    return routes


async def _measured(served: Served, asked: SurprisalAsked, request: Request) -> Json:
    """A model's answer; a few tokens at a time, and no more once nobody waits for it."""
    found = read(served.lm, asked.text if asked.text.endswith("\n") else asked.text + "\n")
    state, steps = None, list[Json]()
    for start in range(0, len(found.ids), _AT_ONCE):
        if start and await request.is_disconnected():
            break
        part = Read(found.tokens[start : start + _AT_ONCE], found.ids[start : start + _AT_ONCE])
        some, state = await served.engine.run(walk, served.lm, state, part, asked.k)
        steps += some
    return summed(steps, _lines(steps, found.tokens[-1]))


def walk(lm: LM, state: Any, found: Read, k: int) -> tuple[list[Json], Any]:
    """Steps of some tokens from a state, that at the beginning if None, and the state after them."""
    model, steps = lm.model, []
    state = model.start(1) if state is None else state
    for token, token_id in zip(*found, strict=True):
        row = model.log_probs(state)[0].astype(np.float64)
        steps.append(step_of(row, model.vocabulary, token, token_id, k=k))
        state = model.advance(state, np.array([[token_id]], dtype=np.int32))
    return steps, state


def _lines(steps: list[Json], end: str) -> list[list[Json]]:
    """Steps cut after each line's end."""
    ends = [i + 1 for i, step in enumerate(steps) if step["token"] == end]
    return [steps[first:last] for first, last in zip([0, *ends], ends, strict=False)]


def summed(steps: list[Json], lines: list[list[Json]]) -> Json:
    """Lines with their bits, and the perplexity; None for what is infinite, since a token was impossible."""
    total = _bits(steps)
    perplexity = 2 ** (total / len(steps)) if steps and total / len(steps) < 1000 else None
    return {
        "lines": [{"tokens": line, "bits": _finite(_bits(line))} for line in lines],
        "tokens": len(steps),
        "bits": _finite(total),
        "perplexity": perplexity,
    }


def _bits(steps: list[Json]) -> float:
    return sum((inf if step["bits"] is None else step["bits"] for step in steps), 0.0)


def _finite(bits: float) -> float | None:
    return bits if bits < inf else None
