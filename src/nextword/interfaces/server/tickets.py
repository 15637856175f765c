"""Requests on their way through an engine: made and answered in the event loop, worked on in the engine's thread.

The loop alone changes a ticket, but for what a subclass says; the thread only looks whether it is ``abandoned``.
"""

import asyncio
from collections.abc import Callable
from typing import Any

import numpy as np

from nextword.interfaces.server.wishes import Late, Scored, Token, Wish
from nextword.types import Ids_T


class Ticket:
    """A request. abandoned: nobody waits for it any more. rows: of a batch that it needs."""

    rows = 1

    def __init__(self) -> None:
        self.loop = asyncio.get_running_loop()
        self.answer: asyncio.Future[Any] = self.loop.create_future()
        self.answer.add_done_callback(_seen)
        self.abandoned = False

    def finish(self, result: Any) -> None:
        """Give the result, if anybody still waits for it."""
        if not self.answer.done():
            self.answer.set_result(result)

    def fail(self, error: BaseException) -> None:
        """Give an error in its place."""
        self.abandoned = True
        if not self.answer.done():
            stopped = isinstance(error, StopIteration)  # which no future can hold
            self.answer.set_exception(RuntimeError("a call raised StopIteration") if stopped else error)

    def expire(self, seconds: float) -> None:
        """The time is over."""
        self.fail(Late(f"the request took longer than {seconds:g} seconds; ask for less at once, or come again later"))


class Call(Ticket):
    """A function of the model to be called."""

    def __init__(self, function: Callable[[], Any]):
        super().__init__()
        self.function = function


class Scoring(Ticket):
    """Ids to be scored, (T,). The thread fills ``scored`` in, which is the answer."""

    def __init__(self, ids: Ids_T, top: int):
        super().__init__()
        self.ids, self.top = ids, top
        none = np.full((len(ids), top), -1, dtype=np.int32)
        self.scored = Scored(np.zeros(len(ids)), none, np.full((len(ids), top), -np.inf))


class Generating(Ticket):
    """A wish. Its tokens pile up in ``tokens`` until somebody takes them; the answer, None, comes with the last.

    seed: of the samples' generators, which is random if the wish has none. writing: samples that are not at their end,
    which the thread counts.
    """

    def __init__(self, wish: Wish, prompt: Ids_T):
        super().__init__()
        self.wish, self.prompt, self.writing = wish, prompt, wish.samples
        self.rows = wish.samples
        self.seed = np.random.SeedSequence(wish.seed).entropy
        self.tokens: list[Token] = []
        self._news = asyncio.Event()
        self.answer.add_done_callback(lambda _: self._news.set())

    def put(self, tokens: list[Token]) -> None:
        """More tokens have come."""
        self.tokens += tokens
        self._news.set()

    async def take(self) -> list[Token]:
        """All tokens since the last time, at least one; none when there are no more. Raises what made it fail."""
        if not self.tokens and not self.answer.done():
            self._news.clear()
            await self._news.wait()
        taken, self.tokens = self.tokens, []
        if not taken:
            self.answer.result()
        return taken


def _seen(answer: "asyncio.Future[Any]") -> None:
    """Look at an error that nobody may come to fetch: asyncio would report it when the request is forgotten."""
    if not answer.cancelled():
        answer.exception()
