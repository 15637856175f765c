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
from nextword.tasks.evaluate import SPELLING_BITS
from nextword.tasks.surprisal import walk_distributions
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
    text = asked.text if asked.text.endswith("\n") else asked.text + "\n"
    found = read(served.lm, text)
    state, steps = None, list[Json]()
    for start in range(0, len(found.ids), _AT_ONCE):
        if start and await request.is_disconnected():
            break
        part = Read(found.tokens[start : start + _AT_ONCE], found.ids[start : start + _AT_ONCE])
        some, state = await served.engine.run(walk, served.lm, state, part, asked.k)
        steps += some
    return summed(steps, _lines(steps)) | figures(served.lm, text, steps)


def walk(lm: LM, state: Any, found: Read, k: int) -> tuple[list[Json], Any]:
    """Steps of some tokens from a state, that at the beginning if None, and the state after them."""
    steps: list[Json] = []
    state = lm.model.start(1) if state is None else state
    places = zip(found.tokens, found.ids, strict=True)
    for _, rows, after in walk_distributions(lm.model, np.array([found.ids], dtype=np.int32), state):
        token, token_id = next(places)
        steps.append(step_of(rows[0].astype(np.float64), lm, token, token_id, k=k))
        state = after
    return steps, state


def _lines(steps: list[Json]) -> list[list[Json]]:
    """Steps cut after each line's end."""
    ends = [i + 1 for i, step in enumerate(steps) if step["token"] == "</s>"]
    return [steps[first:last] for first, last in zip([0, *ends], ends, strict=False)]


def summed(steps: list[Json], lines: list[list[Json]]) -> Json:
    """Lines with their bits, and the perplexity; None for what is infinite, since a token was impossible."""
    total = _bits(steps)
    return {
        "lines": [{"tokens": line, "bits": _finite(_bits(line))} for line in lines],
        "tokens": len(steps),
        "bits": _finite(total),
        "perplexity": _perplexity(total, len(steps)),
    }


def figures(lm: LM, text: str, steps: list[Json]) -> Json:
    """What compares models of different vocabularies, as ``evaluate`` has it. oov: how many tokens are unknown."""
    unknown = [step["token"].encode(errors="surrogatepass") for step in steps if step["oov"]]
    known = [step for step in steps if not step["oov"]]
    size = lm.pipeline.canonical(text.encode(errors="replace")).size
    spelling = (sum(map(len, unknown)) + len(unknown)) * SPELLING_BITS
    return {
        "oov": len(unknown),
        "perplexity_excluding_oov": _perplexity(_bits(known), len(known)),
        "bits_per_byte": _finite((_bits(steps) + spelling) / size),
    }


def _perplexity(bits: float, tokens: int) -> float | None:
    return 2 ** (bits / tokens) if tokens and bits / tokens < 1000 else None


def _bits(steps: list[Json]) -> float:
    return sum((inf if step["bits"] is None else step["bits"] for step in steps), 0.0)


def _finite(bits: float) -> float | None:
    return bits if bits < inf else None
