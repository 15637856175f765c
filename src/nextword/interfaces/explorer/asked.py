"""What the page asks of several models at once, and how each answers: numbers, or the reason why it has none."""

import asyncio
import json
from collections.abc import Awaitable, Callable
from typing import Annotated, Any, NamedTuple

from fastapi import Response
from pydantic import BaseModel, ConfigDict, Field

from nextword.errors import NextwordError, TextError
from nextword.interfaces.server.codec import named
from nextword.interfaces.server.models import Models, Served
from nextword.lm import LM
from nextword.text.bpe import PieceTokenizer
from nextword.types import Json

_BLANK = "Ġ"  # as pieces made of bytes write it
LONGEST = 20_000  # characters of a text
Text = Annotated[str, Field(max_length=LONGEST)]
Names = Annotated[list[Annotated[str, Field(max_length=300)]], Field(min_length=1, max_length=32)]


class Asked(BaseModel):
    """A text, and which models are asked; all of them by default."""

    model_config = ConfigDict(extra="forbid")
    text: Text = ""
    models: Names | None = None


class Read(NamedTuple):
    """A text as a model reads it: its tokens as they are spelt, ``</s>`` for each newline, and their ids."""

    tokens: list[str]
    ids: list[int]


def read(lm: LM, text: str) -> Read:
    """The tokens of a text that goes on. Raises TextError if it cannot be read, UsageError for mere scores."""
    vocabulary, lines = lm.predictor().vocabulary, text.split("\n")
    tokens: list[str] = []
    ids: list[int] = []
    for number, line in enumerate(lines, start=1):
        cut = lm.pipeline.tokens(line)
        found = vocabulary.ids(cut).tolist()
        if any(i in (vocabulary.bos, vocabulary.eos) for i in found):
            raise TextError("<s> and </s> stand for the beginning and the end of a line, so a text cannot hold them")
        tokens += cut
        ids += found
        if number < len(lines):
            if vocabulary.eos is None:
                raise TextError("this model reads one line: it has no token for a line's end")
            tokens.append(vocabulary.word(vocabulary.eos))
            ids.append(vocabulary.eos)
    return Read(tokens, ids)


def shown(lm: LM) -> Callable[[str], str]:
    """How a token is shown: a line's end as ``</s>``, and pieces made of bytes as what they spell, ``▁`` a blank."""
    vocabulary, tokenizer = lm.model.vocabulary, lm.pipeline.tokenizer
    end = None if vocabulary.eos is None else vocabulary.word(vocabulary.eos)
    in_bytes = isinstance(tokenizer, PieceTokenizer) and tokenizer.id(_BLANK) is not None

    def show(token: str) -> str:
        if token == end:
            return "</s>"
        return named(token).replace(" ", "▁").replace("\n", "⏎") if in_bytes else token

    return show


async def ask_all(models: Models, asked: Asked, answer: Callable[[Served], Awaitable[Json]]) -> Response:
    """``{"models": [...]}``: what each model that is asked answers, in their order; all work at the same time."""
    served = list(models) if asked.models is None else [models.get(name) for name in asked.models]
    return as_json({"models": await asyncio.gather(*(_or_reason(one, answer) for one in served))})


def as_json(content: Any) -> Response:
    """A response without a detour through a schema; what is not finite must have become None before."""
    return Response(json.dumps(content, allow_nan=False, separators=(",", ":")), media_type="application/json")


async def _or_reason(served: Served, answer: Callable[[Served], Awaitable[Json]]) -> Json:
    try:
        return {"name": served.name, **await answer(served)}
    except NextwordError as error:
        return {"name": served.name, "reason": str(error)}
