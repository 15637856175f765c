"""The thread of an engine: it turns between the kinds of work, so that none waits for the whole of another.

A round is a few calls, a piece of the texts that are scored, a piece of the prompts that are read and a step of the
texts that are written. What has come of it goes to the event loop in one call.
"""

import asyncio
import contextlib
import threading
import time
from collections import deque
from collections.abc import Callable, Iterable
from typing import Any, TypeVar

from nextword.interfaces.server.generation import Generation
from nextword.interfaces.server.reading import Distributions, Prompts, Read, Reading, Scores, Text
from nextword.interfaces.server.tickets import Call, Generating, Scoring, Ticket
from nextword.model import LanguageModel

AnyTicket = TypeVar("AnyTicket", bound=Ticket)
News = tuple[Callable[..., None], Any]  # a method of a ticket, and what the loop is to call it with

_CALLING = 0.01  # seconds of a round in which another call is begun
_FEW = 8  # rows whose tokens are told step by step
_TELLING = 0.05  # seconds until the tokens of more rows are told: for the loop a token alone is as much work as many


class Worker(threading.Thread):
    """``give`` and ``withdraw`` are called in the event loop, all else in the thread itself.

    waiting: requests that nothing has been done for yet. running: calls, texts and rows that are worked on.
    """

    def __init__(self, model: LanguageModel[Any], slots: int):
        super().__init__(name="nextword-engine", daemon=True)  # a call that never ends must not keep the process
        self.running = 0
        self._changed = threading.Condition()
        self._calls: deque[Call] = deque()
        self._scorings: deque[Scoring] = deque()
        self._wishes: deque[Generating] = deque()
        self._closing = False
        self._scores, self._distributions, self._prompts = (
            Scores(model, slots),
            Distributions(model, slots),
            Prompts(model, slots),
        )
        self._generation = Generation(model, slots)
        self._news: dict[asyncio.AbstractEventLoop, list[News]] = {}
        self._told = 0.0

    @property
    def waiting(self) -> int:
        """Requests in the queue."""
        return len(self._calls) + len(self._scorings) + len(self._wishes)

    def give(self, ticket: Ticket) -> None:
        """Put a request at the end of its queue."""
        with self._changed:
            self._queue(ticket).append(ticket)
            self._changed.notify()

    def withdraw(self, ticket: Ticket) -> None:
        """Nobody waits for the request any more: it leaves the queue now, or its slots at the next step."""
        ticket.abandoned = True
        with self._changed:
            if ticket in (queue := self._queue(ticket)):
                queue.remove(ticket)

    def close(self) -> None:
        """End as soon as there is nothing more to do."""
        with self._changed:
            self._closing = True
            self._changed.notify()

    def run(self) -> None:
        """Rounds until it is closed and idle."""
        while self._wait():
            self._call()
            self._take_in()
            self.running = self._under_way()
            self._score(self._scores)
            self._score(self._distributions)
            self._begin(self._read(self._prompts))
            self._write()
            self.running = self._under_way()

    def _queue(self, ticket: Ticket) -> deque[Any]:
        if isinstance(ticket, Call):
            return self._calls
        return self._scorings if isinstance(ticket, Scoring) else self._wishes

    def _wait(self) -> bool:
        """Wait until there is something to do; False if it is to end instead."""
        with self._changed:
            while not (self.waiting or self._under_way()):
                if self._closing:
                    return False
                self._changed.wait()
        return True

    def _under_way(self) -> int:
        return len(self._scores) + len(self._distributions) + len(self._prompts) + len(self._generation)

    def _call(self) -> None:
        """Calls in their order, at least one and as many as begin within their time."""
        begin = time.perf_counter()
        while self._calls and time.perf_counter() - begin < _CALLING:
            for call in self._taken(self._calls, 1):
                self.running = 1 + self._under_way()
                self._make(call)
                self.running = self._under_way()
                self._flush()

    def _make(self, call: Call) -> None:
        self._attempt(lambda: [call], lambda: self._tell(call, call.finish, call.function()))

    def _take_in(self) -> None:
        """Requests leave the queue as far as there is room to read their texts, and slots to write them."""
        scorings = self._taken(self._scorings, min(self._scores.room, self._distributions.room))
        self._add(self._scores, [Text(ticket, ticket.ids) for ticket in scorings if not ticket.top])
        self._add(self._distributions, [Text(ticket, ticket.ids) for ticket in scorings if ticket.top])
        if self._prompts.room:
            slots = self._generation.room - sum(text.ticket.rows for text in self._prompts.texts)
            self._add(self._prompts, [Text(ticket, ticket.prompt) for ticket in self._taken(self._wishes, slots)])

    def _taken(self, queue: deque[AnyTicket], room: int) -> list[AnyTicket]:
        """Requests from the front of a queue, for as long as there is room; the last may be larger than that."""
        taken = []
        with self._changed:
            while queue and room > 0:
                taken.append(queue.popleft())
                room -= taken[-1].rows
        return taken

    def _add(self, reading: Reading[AnyTicket], texts: list[Text[AnyTicket]]) -> None:
        self._attempt(lambda: [text.ticket for text in texts], lambda: reading.add(texts))

    def _read(self, reading: Reading[AnyTicket]) -> list[Read[AnyTicket]]:
        """A piece of texts; those that are at their end."""
        ended: list[Read[AnyTicket]] = []
        self._attempt(reading.clear, lambda: ended.extend(reading.read()))
        return ended

    def _score(self, texts: Reading[Scoring]) -> None:
        """A piece of the texts that are scored; those at their end are told."""
        ended = self._read(texts)
        for ticket, _ in ended:
            self._tell(ticket, ticket.finish, ticket.scored)
        if ended:
            self._flush()

    def _begin(self, prompts: Iterable[Read[Generating]]) -> None:
        self._attempt(self._generation.clear, lambda: self._generation.add(prompts))

    def _write(self) -> None:
        """A step. What was drawn is on its way to the loop while the model reads it."""

        def draw() -> None:
            tokens, ended = self._generation.draw()
            for ticket, some in tokens.items():
                self._tell(ticket, ticket.put, some)
            for ticket in ended:
                self._tell(ticket, ticket.finish, None)

        self._attempt(self._generation.clear, draw)
        if len(self._generation.rows) <= _FEW or time.perf_counter() - self._told > _TELLING:
            self._flush()
        self._attempt(self._generation.clear, self._generation.advance)

    def _attempt(self, tickets: Callable[[], Iterable[Ticket]], work: Callable[[], None]) -> None:
        """Do it. What goes wrong is told to those whose requests it was about, and the thread lives on."""
        try:
            work()
        except Exception as error:  # whatever the model raises
            for ticket in tickets():
                self._tell(ticket, ticket.fail, error)

    def _tell(self, ticket: Ticket, method: Callable[..., None], what: Any) -> None:
        self._news.setdefault(ticket.loop, []).append((method, what))

    def _flush(self) -> None:
        """Tell the loop all the news at once."""
        news, self._news, self._told = self._news, {}, time.perf_counter()
        for loop, some in news.items():
            with contextlib.suppress(RuntimeError):  # the loop is closed, and nobody waits any more
                loop.call_soon_threadsafe(_deliver, some)


def _deliver(news: list[News]) -> None:
    for method, what in news:
        method(what)
