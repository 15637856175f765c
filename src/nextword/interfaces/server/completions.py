"""``POST /v1/completions``: texts that go on from prompts, and the prompts' own probabilities, whole or as a stream."""

import asyncio
import secrets
import time
from collections.abc import AsyncGenerator, Callable
from contextlib import aclosing
from typing import Any, TypeVar

from fastapi import APIRouter
from fastapi.responses import Response

from nextword.interfaces.server.choices import Entry, Growing, echoed, logprobs
from nextword.interfaces.server.codec import Codec, Prompt
from nextword.interfaces.server.engine import Token, Wish
from nextword.interfaces.server.failures import Answer, Refused, documented, refusal
from nextword.interfaces.server.limits import LIMITS
from nextword.interfaces.server.metrics import Metrics
from nextword.interfaces.server.models import Models, Served
from nextword.interfaces.server.schemas import Completion, CompletionRequest
from nextword.interfaces.server.streaming import Chunks, EventStream, merged
from nextword.model import LanguageModel
from nextword.tasks.sampling import Sampling
from nextword.types import Json

Result = TypeVar("Result")
_LONG = 4_000  # characters, or tokens of an answer, whose work is not done between two events of the server
_STREAMED = {"text/event-stream": {"schema": {"type": "string"}}}
STATUSES = (400, 401, 403, 404, 408, 413, 421, 422, 429, 503)


class Work:
    """One request at work: its prompts read, its choices growing."""

    def __init__(self, served: Served, codec: Codec, prompts: list[Prompt], asked: CompletionRequest, metrics: Metrics):
        self.served, self.codec, self.prompts, self.asked, self.metrics = served, codec, prompts, asked, metrics
        self.id = f"cmpl-{secrets.token_hex(12)}"
        self.created = int(time.time())
        self.samples = asked.n or 1
        self.max_tokens = 16 if asked.max_tokens is None else asked.max_tokens
        self.echoed: list[list[Entry]] = []
        self.choices: list[Growing] = []

    @property
    def logged(self) -> bool:
        """Whether log-probabilities were asked for."""
        return self.asked.logprobs is not None

    async def begin(self) -> None:
        """Score the prompts if they are to be shown, and lay out the choices."""
        top = self.asked.logprobs
        scores: list[Any] = [None] * len(self.prompts)
        if self.asked.echo and self.logged:
            scored = [self.served.engine.score(one.ids, top=top or 0) for one in self.prompts]
            scores = await _together(scored)
        for prompt, score in zip(self.prompts, scores, strict=True):
            entries: list[Entry] = []
            if self.asked.echo:
                entries = await _aside(len(prompt), echoed, self.codec, prompt, score, top, not self.max_tokens)
            offset = entries[-1].offset + len(entries[-1].piece) if entries else 0
            for _ in range(self.samples):
                writer = self.codec.writer(marked=prompt.marked).follow(prompt.words)
                self.echoed.append(list(entries))
                self.choices.append(Growing(self.codec, writer, self.asked.stop, top=top, offset=offset))
        self.metrics.tokens[self.served.name, "read"] += sum(map(len, self.prompts))

    def steps(self) -> AsyncGenerator[tuple[int, list[Token]], None]:
        """Tokens as they come, with the number of their prompt."""
        return merged([self.served.engine.generate(self._wish(prompt)) for prompt in self.prompts])

    def add(self, prompt: int, tokens: list[Token]) -> list[int]:
        """Let choices grow; the numbers of those that did."""
        grown: dict[int, None] = {}
        ends = not self.asked.ignore_eos
        for token in tokens:
            number = prompt * self.samples + token.sample
            choice = self.choices[number]
            if choice.finish is None:
                choice.add(token, ends=ends)
                if choice.count == self.max_tokens:
                    choice.close()
                grown[number] = None
        self.metrics.tokens[self.served.name, "written"] += len(tokens)
        return list(grown)

    @property
    def finished(self) -> bool:
        """Whether every choice has come to its end."""
        return all(choice.finish is not None for choice in self.choices)

    def usage(self) -> Json:
        """How many tokens there were."""
        read, written = sum(map(len, self.prompts)), sum(choice.count for choice in self.choices)
        return {"prompt_tokens": read, "completion_tokens": written, "total_tokens": read + written}

    def _wish(self, prompt: Prompt) -> Wish:
        asked = self.asked
        temperature = 1.0 if asked.temperature is None else asked.temperature
        top_k = asked.top_k if asked.top_k and asked.top_k > 0 else None
        return Wish(
            prompt=prompt.ids,
            sampling=Sampling(temperature, top_k, asked.top_p, asked.min_p or None),
            max_tokens=self.max_tokens,
            samples=self.samples,
            seed=asked.seed,
            top=asked.logprobs or 0,
            bias=asked.logit_bias or None,
            stop_at_end=not asked.ignore_eos,
        )


def router(models: Models, codecs: dict[str, Codec], metrics: Metrics) -> APIRouter:
    """The route."""
    found = APIRouter(prefix="/v1", tags=["completions"])

    @found.post(
        "/completions",
        response_class=Answer,
        responses={200: {"model": Completion, "content": _STREAMED}, **documented(*STATUSES)},
    )
    async def complete(asked: CompletionRequest) -> Response:
        """Texts that go on from the prompts; with ``stream`` as server-sent events."""
        served = models.get(asked.model)
        prompts = await _read(codecs[served.name], asked)
        _check(served, prompts, asked)
        work = Work(served, codecs[served.name], prompts, asked, metrics)
        if asked.stream:
            return await EventStream.begun(_events(work))
        return await _whole(work)

    return found


async def _read(codec: Codec, asked: CompletionRequest) -> list[Prompt]:
    """The prompts' tokens."""

    def read() -> list[Prompt]:
        return [codec.read(one) if isinstance(one, str) else codec.check(one) for one in asked.prompt]

    return await _aside(sum(map(len, asked.prompt)), read)


def _check(served: Served, prompts: list[Prompt], asked: CompletionRequest) -> None:
    """What only shows when the prompts are read. Raises Refused."""
    samples, most = asked.n or 1, 16 if asked.max_tokens is None else asked.max_tokens
    read, choices = sum(map(len, prompts)), len(prompts) * samples
    if read > LIMITS.prompt_tokens:
        raise Refused(422, f"prompt: {read:,} tokens are more than {LIMITS.prompt_tokens:,}", param="prompt")
    if choices > LIMITS.choices:
        words = f"n: {len(prompts)} prompts times {samples} are more than {LIMITS.choices} texts"
        raise Refused(422, words, param="n")
    if choices * most > LIMITS.generated:
        words = f"max_tokens: {most:,} tokens for each of {choices} texts are more than {LIMITS.generated:,}"
        raise Refused(422, words, param="max_tokens")
    shown = choices * most + (read * samples if asked.echo else 0)
    if shown * (asked.logprobs or 1) > LIMITS.figures:
        words = f"logprobs: {asked.logprobs or 1} for each of {shown:,} tokens are more than {LIMITS.figures:,} numbers"
        raise Refused(422, words, param="logprobs")
    if not isinstance(served.lm.model, LanguageModel) and (most or asked.logprobs):
        words = "gives scores, no probabilities of the next token, so it cannot write or tell the likeliest token"
        raise Refused(400, f"{served.name} {words}; ask for max_tokens 0, echo and logprobs 0")
    for token in asked.logit_bias:
        if token >= len(served.lm.model.vocabulary):
            size = len(served.lm.model.vocabulary)
            words = f"logit_bias: id {token} is not in the vocabulary, whose ids are 0 to {size - 1}"
            raise Refused(422, words, param="logit_bias")


async def _whole(work: Work) -> Response:
    """The answer in one piece."""
    await work.begin()
    entries = work.echoed
    if work.max_tokens:
        async with aclosing(work.steps()) as steps:
            async for prompt, tokens in steps:
                for number in work.add(prompt, tokens):
                    entries[number] += work.choices[number].take()
                if work.finished:
                    break
    for number, choice in enumerate(work.choices):
        choice.close()
        entries[number] += choice.take()
    shown = sum(map(len, entries)) * (1 + (work.asked.logprobs or 0))
    return await _aside(shown, _answer, work, entries)


def _answer(work: Work, entries: list[list[Entry]]) -> Response:
    choices = [
        {
            "text": "".join([one.piece for one in some]),
            "index": index,
            "logprobs": logprobs(some, top=work.asked.logprobs or 0) if work.logged else None,
            "finish_reason": choice.finish,
        }
        for index, (some, choice) in enumerate(zip(entries, work.choices, strict=True))
    ]
    head = {"id": work.id, "object": "text_completion", "created": work.created, "model": work.served.name}
    return Answer({**head, "choices": choices, "usage": work.usage()})


async def _events(work: Work) -> AsyncGenerator[bytes, None]:
    """The answer as server-sent events; each item holds those that are there by then."""
    await work.begin()
    with_usage = bool(work.asked.stream_options and work.asked.stream_options.include_usage)
    chunks = Chunks(work.id, work.created, work.served.name, len(work.choices), work.asked.logprobs, usage=with_usage)
    begun = False
    try:
        if work.asked.echo:
            begun = True
            yield b"".join([chunks.of(number, some) for number, some in enumerate(work.echoed)])
        if work.max_tokens:
            async with aclosing(work.steps()) as steps:
                async for prompt, tokens in steps:
                    grown, begun = work.add(prompt, tokens), True
                    yield b"".join([chunks.of(i, work.choices[i].take(), work.choices[i].finish) for i in grown])
                    if work.finished:
                        break
        ended = []
        for number, choice in enumerate(work.choices):
            if choice.finish is None or not work.max_tokens:
                choice.close()
                ended.append(chunks.of(number, choice.take(), choice.finish))
        yield b"".join(ended) + chunks.end(work.usage())
    except Exception as error:
        if not begun:  # it can still be an answer of its own
            raise
        yield chunks.failed(refusal(error))


async def _together(awaited: list[Any]) -> list[Any]:
    """All results; the first failure ends the others."""
    tasks = [asyncio.ensure_future(one) for one in awaited]
    try:
        return list(await asyncio.gather(*tasks))
    finally:
        for task in tasks:
            task.cancel()


async def _aside(size: int, function: Callable[..., Result], *arguments: Any) -> Result:
    """A result, from another thread if it may take long, so that other requests are not held up."""
    return await asyncio.to_thread(function, *arguments) if size > _LONG else function(*arguments)
