"""``/tokenizer_info``, ``/tokenize`` and ``/detokenize``: what evaluation harnesses ask to count and place tokens."""

import asyncio
from typing import Annotated

from fastapi import APIRouter, Query
from pydantic import BaseModel, Field

from nextword.interfaces.server.codec import Codec, Prompt
from nextword.interfaces.server.completions import STATUSES
from nextword.interfaces.server.failures import documented
from nextword.interfaces.server.limits import LIMITS
from nextword.interfaces.server.models import Models
from nextword.interfaces.server.schemas import Strict, Text

_LONG = 4_000
_Id = Annotated[int, Field(ge=0, le=2**31 - 1)]
_Name = Annotated[Text | None, Field(max_length=200)]


class TokenizerInfo(BaseModel):
    """bos_token: what begins every text, and may be spelt out. eos_token: what ends a line, as a newline does."""

    model: str
    tokenizer: str
    vocabulary_size: int
    bos_token: str | None
    bos_token_id: int | None
    eos_token: str | None
    eos_token_id: int | None
    unk_token: str | None
    unk_token_id: int | None
    pad_token: None = None
    chat_template: None = None
    max_length: int


class TokenizeRequest(Strict):
    """add_special_tokens: whether to put bos_token in front."""

    prompt: Annotated[Text, Field(max_length=LIMITS.characters)]
    model: _Name = None
    add_special_tokens: bool = True
    return_token_strs: bool | None = False


class Tokenized(BaseModel):
    """tokens: ids. token_strs: as the vocabulary has them."""

    count: int
    max_model_len: int
    tokens: list[int]
    token_strs: list[str] | None = None


class DetokenizeRequest(Strict):
    """tokens: ids."""

    tokens: Annotated[list[_Id], Field(max_length=LIMITS.prompt_tokens)]
    model: _Name = None


class Detokenized(BaseModel):
    """prompt: the text that the ids spell; tokenize gives them again."""

    prompt: str


def router(models: Models, codecs: dict[str, Codec]) -> APIRouter:
    """The routes, at the root."""
    found = APIRouter(tags=["tokenizer"], responses=documented(*STATUSES))

    @found.get("/tokenizer_info")
    async def info(model: Annotated[str | None, Query(max_length=200)] = None) -> TokenizerInfo:
        """How a model reads text."""
        served = models.get(model)
        codec, vocabulary = codecs[served.name], served.lm.model.vocabulary
        return TokenizerInfo(
            model=served.name,
            tokenizer=codec.tokenizer.name,
            vocabulary_size=len(vocabulary),
            bos_token=codec.mark_word,
            bos_token_id=codec.mark,
            eos_token=codec.end_word,
            eos_token_id=codec.end,
            unk_token=None if vocabulary.unk is None else codec.word(vocabulary.unk),
            unk_token_id=vocabulary.unk,
            max_length=LIMITS.prompt_tokens,
        )

    @found.post("/tokenize")
    async def tokenize(asked: TokenizeRequest) -> Tokenized:
        """The ids of a text, ``</s>`` for each newline."""
        codec = codecs[models.get(asked.model).name]
        if asked.prompt == codec.end_word:
            prompt = Prompt([codec.vocabulary[codec.end_word]], [codec.end_word])
        elif len(asked.prompt) > _LONG:
            prompt = await asyncio.to_thread(codec.read, asked.prompt)
        else:
            prompt = codec.read(asked.prompt)
        marked = codec.mark is not None and (prompt.marked or asked.add_special_tokens)
        ids = [codec.mark, *prompt.ids] if marked and codec.mark is not None else prompt.ids
        strings = [codec.word(i) for i in ids] if asked.return_token_strs else None
        return Tokenized(count=len(ids), max_model_len=LIMITS.prompt_tokens, tokens=ids, token_strs=strings)

    @found.post("/detokenize")
    async def detokenize(asked: DetokenizeRequest) -> Detokenized:
        """The text of ids."""
        codec = codecs[models.get(asked.model).name]
        prompt = codec.check(asked.tokens)
        return Detokenized(prompt=await asyncio.to_thread(codec.text, prompt))

    return found
