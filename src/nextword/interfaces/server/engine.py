"""One model at work for many requests: a thread of its own, in which requests that wait together run as one batch."""

import asyncio
import time
from collections.abc import AsyncIterator, Callable, Sequence
from functools import partial
from typing import Any, TypeVar

from nextword.interfaces.server.tickets import Call, Generating, Scoring, Ticket
from nextword.interfaces.server.wishes import Busy, Late, Scored, Token, Wish, check_top, check_wish
from nextword.interfaces.server.worker import Worker
from nextword.lm import LM
from nextword.model import LanguageModel
from nextword.tasks.next import check_ids
from nextword.types import Ids_T

__all__ = ["Busy", "Engine", "Late", "Scored", "Token", "Wish"]

Result = TypeVar("Result")
_NUMBERS = 1 << 25  # of log-probabilities in memory at once
_LOOK = 0.01  # seconds between two looks whether the thread has ended


class Engine:
    """Requests of one event loop, or of several, to one model.

    slots: texts that are written at once, and as many that are read; by default 64, fewer for a vocabulary of over half
    a million, and 8 for a pretrained model, whose key/value cache takes tens of megabytes a text. queue: requests that
    may wait. time_limit: seconds for a request, from when it comes until its last token. ``generate``, ``score`` and
    ``run`` raise Busy when the queue is full or the engine is closed, Late past the time limit, a NextwordError for
    what the model cannot do, and whatever a call of it raises.
    """

    def __init__(self, lm: LM, *, slots: int | None = None, queue: int = 256, time_limit: float = 60.0):
        self.lm, self.queue, self.time_limit = lm, queue, time_limit
        self.slots = slots or _slots(lm)
        self._worker = Worker(lm.model, self.slots)
        self._open: set[Ticket] = set()
        self._closed = False

    @property
    def waiting(self) -> int:
        """Requests in the queue."""
        return self._worker.waiting

    @property
    def running(self) -> int:
        """Calls and scored texts under way, and texts that are written."""
        return self._worker.running

    def start(self) -> None:
        """Begin to work; a first request does it too."""
        if not self._worker.is_alive() and not self._closed:
            self._worker.start()

    async def close(self, grace: float = 10.0) -> None:
        """Take nothing more, finish what can be finished within ``grace`` seconds, refuse the rest with Busy."""
        self._closed = True
        self._worker.close()
        end = time.monotonic() + grace
        while self._open and time.monotonic() < end:
            await asyncio.sleep(_LOOK)
        for ticket in list(self._open):
            ticket.fail(Busy("the server is closing; send the request again later"))
            self._worker.withdraw(ticket)
        end = time.monotonic() + 1  # a call under way is waited for, but not for long
        while self._worker.is_alive() and time.monotonic() < end:
            await asyncio.sleep(_LOOK)

    async def run(self, function: Callable[..., Result], *arguments: Any) -> Result:
        """A call that only reads the model, in the engine's thread."""
        result: Result = await self._answer(Call(partial(function, *arguments)))
        return result

    async def score(self, ids: Sequence[int] | Ids_T, *, top: int = 0) -> Scored:
        """Score the ids after ``<s>``; see ``Scored``."""
        check_top(top)
        tokens = check_ids(self.lm.model.vocabulary, ids)
        if isinstance(self.lm.model, LanguageModel):
            scored: Scored = await self._answer(Scoring(tokens, top))
            return scored
        if top:
            self.lm.predictor()  # which raises
        log_probs, _ = await self.run(self.lm.model.token_log_probs, tokens[None])
        return Scoring(tokens, top).scored._replace(log_probs=log_probs[0])

    async def generate(self, wish: Wish) -> AsyncIterator[list[Token]]:
        """Tokens as they come, all since the last time together, of all samples; closing the iterator frees its slots.

        The request begins with the first step of the iteration, which may raise.
        """
        ticket = Generating(wish, check_wish(wish, self.lm.predictor().vocabulary))
        if not wish.max_tokens:
            return
        timer = self._admit(ticket)
        try:
            while tokens := await ticket.take():
                yield tokens
        finally:
            self._leave(ticket, timer)

    async def _answer(self, ticket: Ticket) -> Any:
        timer = self._admit(ticket)
        try:
            return await ticket.answer
        finally:
            self._leave(ticket, timer)

    def _admit(self, ticket: Ticket) -> asyncio.TimerHandle:
        """Put a request into the queue, and see to it that it ends in time."""
        if self._closed:
            raise Busy("the server is closing; send the request again later")
        if self.waiting >= self.queue:
            raise Busy(f"{self.waiting} requests are waiting, as many as may; send the request again in a second")
        self.start()
        self._open.add(ticket)
        self._worker.give(ticket)
        return ticket.loop.call_later(self.time_limit, ticket.expire, self.time_limit)

    def _leave(self, ticket: Ticket, timer: asyncio.TimerHandle) -> None:
        timer.cancel()
        self._open.discard(ticket)
        self._worker.withdraw(ticket)


def _slots(lm: LM) -> int:
    """As many as the memory of some hundred megabytes has room for."""
    most = 8 if getattr(lm.model, "kind", None) == "pretrained" else 64
    return max(1, min(most, _NUMBERS // len(lm.model.vocabulary)))
