"""What a request may ask for at most, and the gate that holds all requests to it: nothing grows without bound."""

import asyncio
from collections.abc import MutableMapping
from dataclasses import dataclass
from typing import Any, TypeAlias

from starlette.types import ASGIApp, Message, Receive, Scope, Send

from nextword.interfaces.server.failures import Refused, answer, refusal

Headers: TypeAlias = list[tuple[bytes, bytes]]
_ALWAYS = ("/health", "/metrics")  # answered when the server is full, too
_UNREAD = 1 << 18  # bytes of a refused body that are read and thrown away, so that the client reads the answer


@dataclass(frozen=True)
class Limits:
    """Bounds on requests: bytes, counts and seconds. Those from ``prompts`` on are the API's, on every server."""

    body: int = 1 << 20
    body_seconds: float = 10.0
    requests: int = 512  # in work or waiting at the same time
    seconds: float = 65.0  # until an answer is whole; an engine's own limit is shorter
    connections: int = 1024
    head: int = 32 << 10  # bytes of a request's first line and headers
    head_seconds: float = 10.0
    stuck_seconds: float = 30.0  # that a client may leave an answer unread

    prompts: int = 128
    characters: int = 200_000  # of all the prompts of a request
    prompt_tokens: int = 32_768
    max_tokens: int = 4_096
    samples: int = 64
    choices: int = 128  # prompts times samples
    generated: int = 65_536  # tokens of all choices
    logprobs: int = 100
    figures: int = 1_000_000  # log-probabilities in an answer
    biases: int = 1_024


LIMITS = Limits()


class Gate:
    """ASGI middleware: bounds the requests at work, their bodies and their time; a client that leaves ends its request.

    It reads a body whole before the application sees the request. ``closing`` refuses what is new.
    """

    def __init__(self, app: ASGIApp, limits: Limits):
        self.app, self.limits = app, limits
        self.running = 0

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Answer one request, or refuse it."""
        if scope["type"] != "http":
            await self.app(scope, receive, send)
            return
        started = Started(send)
        try:
            counted = scope["path"] not in _ALWAYS
            if counted:
                self._admit(scope)
            self.running += counted
            try:
                body = await self._read(scope, receive)
                if body is not None:
                    await self._answer(scope, body, receive, started)
            finally:
                self.running -= counted
        except asyncio.CancelledError:  # the server is at the end of its patience
            if not started.begun:
                await answer(_closing())(scope, receive, send)
        except Exception as error:
            refused = refusal(error)
            if not started.begun:
                await answer(refused)(scope, receive, send)

    def _admit(self, scope: Scope) -> None:
        if getattr(scope["app"].state, "closing", False):
            raise _closing()
        if self.running >= self.limits.requests:
            words = f"the server has {self.limits.requests} requests at work; send this one again in a second"
            raise Refused(429, words, code="too_many_requests", headers={"Retry-After": "1"})

    async def _read(self, scope: Scope, receive: Receive) -> bytes | None:
        """The whole body; None if the client has left. Raises Refused for one that is too long or too slow."""
        length = header(scope, b"content-length")
        too_long = Refused(
            413, f"the body is longer than {self.limits.body:,} bytes; send less at once", code="body_too_large",
            headers={"Connection": "close"},
        )  # fmt: skip
        if length is not None and length.isdigit() and (len(length) > 12 or int(length) > self.limits.body):
            if len(length) <= 12 and int(length) <= self.limits.body + _UNREAD:
                await self._skip(receive)
            raise too_long
        parts, size = [], 0
        try:
            async with asyncio.timeout(self.limits.body_seconds):
                while True:
                    message = await receive()
                    if message["type"] == "http.disconnect":
                        return None
                    parts.append(message.get("body", b""))
                    size += len(parts[-1])
                    if size > self.limits.body:
                        raise too_long
                    if not message.get("more_body", False):
                        return b"".join(parts)
        except TimeoutError:
            words = f"the body took more than {self.limits.body_seconds:g} s to arrive"
            raise Refused(408, words, code="body_too_slow", headers={"Connection": "close"}) from None

    async def _skip(self, receive: Receive) -> None:
        """Read a body that is a little too long, so that its sender looks at the answer and not at a broken pipe."""
        try:
            async with asyncio.timeout(1.0):
                while (await receive()).get("more_body", False):
                    pass
        except TimeoutError:
            return

    async def _answer(self, scope: Scope, body: bytes, receive: Receive, started: "Started") -> None:
        replay = Replay(body)
        work = asyncio.ensure_future(self.app(scope, replay, started))
        gone = asyncio.ensure_future(receive())  # the body is read: this can only be the end
        try:
            done, _ = await asyncio.wait(
                {work, gone}, timeout=self.limits.seconds, return_when=asyncio.FIRST_COMPLETED
            )  # fmt: skip
            if work in done:
                work.result()
            elif not done:
                await _cancel(work)
                words = f"the answer took more than {self.limits.seconds:g} s; ask for less at once"
                raise Refused(503, words, code="too_late")
        finally:
            await _cancel(gone)
            await _cancel(work)


class Replay:
    """A ``receive`` that gives a body which has been read, and then waits for ever: the gate watches the client."""

    def __init__(self, body: bytes):
        self._message: Message | None = {"type": "http.request", "body": body, "more_body": False}

    async def __call__(self) -> Message:
        """The body, once."""
        message, self._message = self._message, None
        if message is None:
            await asyncio.Event().wait()
        return message or {}


class Started:
    """A ``send`` that remembers whether an answer has begun."""

    def __init__(self, send: Send):
        self._send, self.begun = send, False

    async def __call__(self, message: MutableMapping[str, Any]) -> None:
        """Send on."""
        self.begun = True
        await self._send(message)


def header(scope: Scope, name: bytes) -> bytes | None:
    """A header of a request, None without it."""
    headers: Headers = scope["headers"]
    return next((value for key, value in headers if key == name), None)


def _closing() -> Refused:
    return Refused(503, "the server is closing", code="closing", headers={"Connection": "close"})


async def _cancel(task: "asyncio.Future[Any]") -> None:
    """End a task and wait for its end; what it raises now is of no interest."""
    if not task.done():
        task.cancel()
        await asyncio.wait({task})
    if not task.cancelled():
        task.exception()
