"""Texts that grow together: each step reads one token of every row, whichever request a row belongs to.

Requests come in while others run: when their prompts are read, their rows are joined to those that are written.
"""

from collections import deque
from collections.abc import Iterable
from typing import Any, NamedTuple

import numpy as np

from nextword.interfaces.server.reading import Read
from nextword.interfaces.server.tickets import Generating
from nextword.interfaces.server.wishes import NO_IDS, NO_LOG_PROBS, Token, Wish
from nextword.model import LanguageModel
from nextword.ngram.settings import default_threads
from nextword.tasks.drawing import RowSettings, draw_rows
from nextword.tasks.generate import forbidden_ids
from nextword.tasks.likeliest import likeliest
from nextword.types import Array, Float_BV, Float_T

_DRAWN_AHEAD = 64  # uniform numbers of a row: a call of a generator for each takes its time
_BANNED = -100.0  # nats: clients of the API mean by it that an id must not come


class Row:
    """One sample of a request. left: tokens that it may still have."""

    __slots__ = ("_ahead", "_generator", "left", "sample", "ticket")

    def __init__(self, ticket: Generating, sample: int):
        self.ticket, self.sample, self.left = ticket, sample, ticket.wish.max_tokens
        seed = np.random.SeedSequence(ticket.seed, spawn_key=(sample,))  # child ``sample`` of ``generate``'s seed
        self._generator = np.random.default_rng(seed)
        self._ahead: list[float] = []

    def uniform(self) -> float:
        """The next number of this sample's own generator."""
        if not self._ahead:
            self._ahead = self._generator.random(_DRAWN_AHEAD)[::-1].tolist()
        return self._ahead.pop()


class Written(NamedTuple):
    """One step: the new tokens of each request, and the requests that are at their end with them."""

    tokens: dict[Generating, list[Token]]
    ended: list[Generating]


class Generation:
    """The rows of one model that are being written, ``slots`` at most, and the requests that come next."""

    def __init__(self, model: LanguageModel[Any], slots: int):
        self.model, self.slots = model, slots
        self.rows: list[Row] = []
        self._state: Any = None
        self._settings = RowSettings.of([])
        self._drawn: Array = NO_IDS
        self._next: deque[tuple[Read[Generating], list[int]]] = deque()  # read prompts, samples that have no row yet
        self._forbidden = forbidden_ids(model.vocabulary, None)
        self._threads = default_threads()

    def __len__(self) -> int:
        return len(self.rows) + len(self._next)

    @property
    def room(self) -> int:
        """Slots that nobody waits for."""
        return self.slots - len(self.rows) - sum(len(samples) for _, samples in self._next)

    def add(self, prompts: Iterable[Read[Generating]]) -> None:
        """Let requests begin whose prompts are read, as far as there are slots; the rest of their samples follow."""
        self._next += [(prompt, list(range(prompt.ticket.wish.samples))) for prompt in prompts]
        rows: list[Row] = []
        states = [self._state] if self.rows else []
        while self._next and (room := self.slots - len(self.rows) - len(rows)) > 0:
            prompt, samples = self._next.popleft()
            if prompt.ticket.abandoned:
                continue
            if samples[room:]:
                self._next.appendleft((prompt, samples[room:]))
            rows += [Row(prompt.ticket, sample) for sample in samples[:room]]
            count = len(samples[:room])
            states.append(prompt.state if count == 1 else self.model.select(prompt.state, np.zeros(count, np.intp)))
        if rows:
            self._state = self.model.join(states) if len(states) > 1 else states[0]
            self._set_rows(self.rows + rows)

    def clear(self) -> list[Generating]:
        """Forget all requests; returns them."""
        tickets = {row.ticket: None for row in self.rows} | {prompt.ticket: None for prompt, _ in self._next}
        self._keep([])
        self._next.clear()
        return list(tickets)

    def draw(self) -> Written:
        """The next token of every row. Rows that nobody waits for are forgotten, those at their end leave."""
        self._keep([i for i, row in enumerate(self.rows) if not row.ticket.abandoned])
        written = Written({}, [])
        if not self.rows:
            return written
        log_probs = self.model.log_probs(self._state)
        uniforms = np.array([row.uniform() for row in self.rows])
        drawn = draw_rows(log_probs, uniforms, self._settings, self._forbidden, threads=self._threads)
        own = log_probs[np.arange(len(self.rows)), drawn].tolist()
        going = []
        for i, (row, token, log_prob) in enumerate(zip(self.rows, drawn.tolist(), own, strict=True)):
            if self._write(row, token, log_prob, log_probs[i], written):
                going.append(i)
        self._drawn = drawn[going]
        self._keep(going)
        return written

    def _write(self, row: Row, token: int, log_prob: float, log_probs: Float_T, written: Written) -> bool:
        """Put one row's token down; whether the row goes on. One that can only go on with what is forbidden ends."""
        ticket, wish = row.ticket, row.ticket.wish
        row.left -= 1
        if token >= 0:
            top = _top(log_probs, wish.top) if wish.top else (NO_IDS, NO_LOG_PROBS)
            written.tokens.setdefault(ticket, []).append(Token(row.sample, token, log_prob, *top))
            if row.left and not (wish.stop_at_end and token == self.model.vocabulary.eos):
                return True
        ticket.writing -= 1
        if not ticket.writing:
            written.ended.append(ticket)
        return False

    def advance(self) -> None:
        """Read what was drawn in the rows that go on."""
        if self.rows:
            self._state = self.model.advance(self._state, self._drawn[:, None])

    def _keep(self, rows: list[int]) -> None:
        if len(rows) == len(self.rows):
            return
        self._state = self.model.select(self._state, np.array(rows)) if rows else None
        self._set_rows([self.rows[i] for i in rows])

    def _set_rows(self, rows: list[Row]) -> None:
        self.rows = rows
        wishes = [row.ticket.wish for row in rows]
        self._settings = RowSettings.of([wish.sampling for wish in wishes], [_bias(wish) for wish in wishes])


def _bias(wish: Wish) -> dict[int, float]:
    return {token: nats if nats > _BANNED else -np.inf for token, nats in (wish.bias or {}).items()}


def _top(log_probs: Float_T, k: int) -> tuple[Array, Float_BV]:
    """The k likeliest tokens of one row, as many as are possible."""
    ids, values = likeliest(log_probs[None], k)
    possible = ids[0] >= 0
    return ids[0, possible], values[0, possible]
