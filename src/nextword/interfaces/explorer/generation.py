"""Texts as they are written, token by token, as server-sent events."""

import json
from collections.abc import AsyncGenerator, AsyncIterator
from math import isfinite, log
from typing import Annotated, Any

from fastapi import APIRouter, Response
from fastapi.responses import StreamingResponse
from pydantic import BaseModel, ConfigDict, Field

from nextword.errors import NextwordError
from nextword.interfaces.explorer.asked import Text, read
from nextword.interfaces.server.engine import Busy, Late, Token, Wish
from nextword.interfaces.server.models import Models
from nextword.lm import LM
from nextword.tasks.sampling import Sampling
from nextword.types import Json

_LN2 = log(2)
_BEFORE = 32  # tokens of the prompt that decide how the first new ones are written


class GenerationAsked(BaseModel):
    """What is to be written, by one model; the first that is served by default."""

    model_config = ConfigDict(extra="forbid")
    text: Text = ""
    model: Annotated[str, Field(max_length=300)] | None = None
    samples: int = Field(1, ge=1, le=8)
    max_tokens: int = Field(40, ge=1, le=500)
    seed: int | None = Field(None, ge=0, le=2**63 - 1)
    stop_at_end: bool = True
    temperature: float = Field(1.0, ge=0, le=100, allow_inf_nan=False)
    top_k: int | None = Field(None, ge=1, le=10_000_000)
    top_p: float | None = Field(None, gt=0, le=1)
    min_p: float | None = Field(None, gt=0, le=1)


def router(models: Models) -> APIRouter:
    """``POST /explore/generate``."""
    routes = APIRouter(prefix="/explore")

    @routes.post("/generate", response_class=StreamingResponse)
    async def generate(asked: GenerationAsked) -> Response:
        """Events of ``{"tokens": [...]}`` and at last one of ``{"done": [...]}``, or ``{"error": {...}}``.

        A token tells its sample, its surprisal in bits before any sampler, and the text that stands from position
        ``at`` of the sample on (in UTF-16 units, as JavaScript counts).
        """
        served = models.get(asked.model)
        wish = await served.engine.run(_wish, served.lm, asked)
        tokens = served.engine.generate(wish)
        first = await anext(tokens, None)  # what is refused is refused with a status, before the stream begins
        return StreamingResponse(_events(served.lm, wish, first, tokens), media_type="text/event-stream")

    return routes


def _wish(lm: LM, asked: GenerationAsked) -> Wish:
    sampling = Sampling(asked.temperature, asked.top_k, asked.top_p, asked.min_p)
    return Wish(
        read(lm, asked.text).ids, sampling, max_tokens=asked.max_tokens, samples=asked.samples, seed=asked.seed,
        stop_at_end=asked.stop_at_end,
    )  # fmt: skip


async def _events(
    lm: LM, wish: Wish, first: list[Token] | None, tokens: AsyncIterator[list[Token]]
) -> AsyncGenerator[str, None]:
    """The stream; closed by a client that goes away, it closes ``tokens``, which frees their places in the engine."""
    writers = [Writer(lm, list(wish.prompt), ends=wish.stop_at_end) for _ in range(wish.samples)]
    try:
        if first is not None:
            yield _event({"tokens": [writers[token.sample].add(token) for token in first]})
        async for some in tokens:
            yield _event({"tokens": [writers[token.sample].add(token) for token in some]})
        yield _event({"done": [writer.reason for writer in writers]})
    except (Busy, Late, NextwordError) as error:
        yield _event({"error": {"message": str(error)}})
    finally:
        await tokens.aclose()  # type: ignore[attr-defined]


class Writer:
    """The text of one sample as its tokens come. ends: whether ``</s>`` ends it. reason: it did (stop), or length."""

    def __init__(self, lm: LM, prompt: list[int], *, ends: bool = True):
        self._lm, self._ids = lm, prompt[-_BEFORE:]
        self._end = lm.model.vocabulary.eos if ends else None
        self._skip = len(self._lm.text(self._ids))
        self._text = ""
        self.reason = "length"

    def add(self, token: Token) -> Json:
        """What one more token changes: usually text is added, sometimes the last of it is written otherwise."""
        self._ids.append(token.id)
        if token.id == self._end:
            self.reason = "stop"
        text = self._lm.text(self._ids)[self._skip :]
        at = _common(self._text, text)
        changed, kept, self._text = text[at:], text[:at], text
        bits = -token.log_prob / _LN2 + 0.0 if isfinite(token.log_prob) else None
        return {"sample": token.sample, "id": token.id, "at": _utf16(kept), "text": changed, "bits": bits}


def _common(one: str, other: str) -> int:
    """Length of the longest common beginning."""
    if other.startswith(one):
        return len(one)
    return next((i for i, (a, b) in enumerate(zip(one, other, strict=False)) if a != b), min(len(one), len(other)))


def _utf16(text: str) -> int:
    return len(text) if text.isascii() else len(text.encode("utf-16-le", errors="surrogatepass")) // 2


def _event(content: Any) -> str:
    return f"data: {json.dumps(content, allow_nan=False, separators=(',', ':'))}\n\n"
