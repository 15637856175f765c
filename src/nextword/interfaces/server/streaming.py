"""Server-sent events: their bytes, and the response that sends them as they come."""

import asyncio
from collections.abc import AsyncGenerator, AsyncIterator, Sequence
from contextlib import aclosing
from json import dumps
from json.encoder import encode_basestring_ascii
from typing import TypeVar

from fastapi.responses import Response
from starlette.types import Receive, Scope, Send

from nextword.interfaces.server.choices import Entry, logprobs
from nextword.interfaces.server.failures import Refused, failure
from nextword.types import Json

Item = TypeVar("Item")
_DONE = b"data: [DONE]\n\n"


class Chunks:
    """The events of one stream. Most of an event is the same every time, and is made once."""

    def __init__(self, name: str, created: int, model: str, choices: int, logged: int | None, *, usage: bool):
        """logged: how many likeliest tokens go with each; None: no log-probabilities. usage: whether the end tells."""
        self._logged, self._usage = logged, usage
        self._head = (
            f'data: {{"id":"{name}","object":"text_completion","created":{created},'
            f'"model":{encode_basestring_ascii(model)},'
        )
        self._heads = [f'{self._head}"choices":[{{"index":{i},"text":' for i in range(choices)]
        self._tail = '],"usage":null}\n\n' if usage else "]}\n\n"
        self._plain = ',"logprobs":null,"finish_reason":null}' + self._tail

    def of(self, choice: int, entries: Sequence[Entry], finish: str | None = None) -> bytes:
        """An event for each token of a choice; the last also says why the text ends, if it does."""
        head, last = self._heads[choice], len(entries) - 1
        if self._logged is None and finish is None:
            parts = [head + encode_basestring_ascii(one.piece) + self._plain for one in entries]
        else:
            parts = [self._event(head, one, finish if i == last else None) for i, one in enumerate(entries)]
            if finish is not None and not entries:
                parts.append(self._event(head, None, finish))
        return "".join(parts).encode()

    def end(self, usage: Json) -> bytes:
        """The last events."""
        last = f'{self._head}"choices":[],"usage":{dumps(usage)}}}\n\n'.encode() if self._usage else b""
        return last + _DONE

    def failed(self, refused: Refused) -> bytes:
        """The last event of a stream that cannot go on."""
        return f"data: {dumps(failure(refused))}\n\n".encode()

    def _event(self, head: str, entry: Entry | None, finish: str | None) -> str:
        piece = "" if entry is None else entry.piece
        shown = entry is not None and self._logged is not None
        figures = dumps(logprobs([entry], top=self._logged or 0)) if shown and entry else "null"
        ending = "null" if finish is None else f'"{finish}"'
        return f'{head}{encode_basestring_ascii(piece)},"logprobs":{figures},"finish_reason":{ending}}}{self._tail}'


class EventStream(Response):
    """A response whose body grows. Its events are closed when it ends, however it ends."""

    media_type = "text/event-stream"

    def __init__(self, first: bytes, events: AsyncGenerator[bytes, None]):
        super().__init__(headers={"Cache-Control": "no-store", "X-Accel-Buffering": "no"})
        del self.headers["content-length"]
        self._first, self._events = first, events

    @classmethod
    async def begun(cls, events: AsyncGenerator[bytes, None]) -> "EventStream":
        """The response, once there is something to send: what fails before that is an answer of its own."""
        try:
            return cls(await anext(events), events)
        except BaseException:
            await events.aclose()
            raise

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Send the events as they come."""
        async with aclosing(self._events) as events:
            await send({"type": "http.response.start", "status": 200, "headers": self.raw_headers})
            await send({"type": "http.response.body", "body": self._first, "more_body": True})
            async for body in events:
                if body:
                    await send({"type": "http.response.body", "body": body, "more_body": True})
            await send({"type": "http.response.body", "body": b"", "more_body": False})


async def merged(sources: Sequence[AsyncIterator[Item]]) -> AsyncGenerator[tuple[int, Item], None]:
    """The items of several iterators as they come, each with its iterator's number; the first failure ends all."""
    if len(sources) == 1:
        async with aclosing(sources[0]) as source:  # type: ignore[type-var]
            async for item in source:
                yield 0, item
        return
    arrived: asyncio.Queue[tuple[int, Item] | Exception | None] = asyncio.Queue(maxsize=2 * len(sources))

    async def drain(number: int) -> None:
        try:
            async with aclosing(sources[number]) as source:  # type: ignore[type-var]
                async for item in source:
                    await arrived.put((number, item))
        except Exception as error:
            await arrived.put(error)
        else:
            await arrived.put(None)

    tasks = [asyncio.create_task(drain(number)) for number in range(len(sources))]
    try:
        left = len(tasks)
        while left:
            found = await arrived.get()
            if isinstance(found, Exception):
                raise found
            if found is None:
                left -= 1
            else:
                yield found
    finally:
        for task in tasks:
            task.cancel()
        await asyncio.gather(*tasks, return_exceptions=True)
