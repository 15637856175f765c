"""Texts that are read together, a piece at a time, so that a long one does not hold up whatever else there is to do.

Rows come in when they come, and leave when they are read. Shapes: B rows, n tokens of a piece, V ids.
"""

import time
from typing import Any, Generic, NamedTuple, TypeVar

import numpy as np

from nextword.interfaces.server.tickets import Generating, Scoring, Ticket
from nextword.model import LanguageModel
from nextword.tasks.likeliest import likeliest
from nextword.tasks.surprisal import Distributor
from nextword.types import Array, Ids_BT, Ids_T

_SECONDS = 0.02  # that a piece should take
_FEWEST, _FIRST, _MOST = 128, 256, 4096  # tokens of a piece, in all rows: of fewer it is the call that takes the time
_SMALL = 128  # tokens whose whole distributions cost less than it takes to set up the scoring of many
_NUMBERS = 1 << 25  # of tokens times V in a piece: what a network's output layer may have in memory

AnyTicket = TypeVar("AnyTicket", bound=Ticket)


class Text(Generic[AnyTicket]):
    """A request and its ids, (T,), of which ``at`` are read."""

    __slots__ = ("at", "ids", "ticket")

    def __init__(self, ticket: AnyTicket, ids: Ids_T):
        self.ticket, self.ids, self.at = ticket, ids, 0

    @property
    def left(self) -> int:
        """Ids that are not read yet."""
        return len(self.ids) - self.at


class Read(NamedTuple, Generic[AnyTicket]):
    """A request whose text has been read, and the state after it, one row."""

    ticket: AnyTicket
    state: Any


class Reading(Generic[AnyTicket]):
    """Base: a subclass says in ``_piece`` what is wanted of a piece beside the state after it."""

    def __init__(self, model: LanguageModel[Any], rows: int):
        """rows: texts that are read at once, at most."""
        self.model, self._rows = model, rows
        self.texts: list[Text[AnyTicket]] = []
        self._state: Any = None
        self._most = max(_FEWEST, min(_MOST, _NUMBERS // len(model.vocabulary)))
        self._cells = min(_FIRST, self._most)

    def __len__(self) -> int:
        return len(self.texts)

    @property
    def room(self) -> int:
        """How many more texts may be added."""
        return self._rows - len(self.texts)

    def add(self, texts: list[Text[AnyTicket]]) -> None:
        """Begin to read more texts."""
        if texts:
            start = self.model.start(len(texts))
            self._state = self.model.join([self._state, start]) if self.texts else start
            self.texts = [*self.texts, *texts]

    def clear(self) -> list[AnyTicket]:
        """Forget all texts; returns whose they were."""
        tickets = [text.ticket for text in self.texts]
        self.texts, self._state = [], None
        return tickets

    def read(self) -> list[Read[AnyTicket]]:
        """Read a piece; returns the requests whose texts end with it. Those nobody waits for are forgotten."""
        self._keep([i for i, text in enumerate(self.texts) if not text.ticket.abandoned])
        if not self.texts:
            return []
        width = max(1, min(max(text.left for text in self.texts), self._cells // len(self.texts)))
        tokens = np.full((len(self.texts), width), -1, dtype=np.int32)
        for row, text in zip(tokens, self.texts, strict=True):
            row[: text.left] = text.ids[text.at : text.at + width]
        begin = time.perf_counter()
        self._state = self._piece(tokens, self._state) if (tokens >= 0).any() else self._state
        self._adapt(tokens.size, time.perf_counter() - begin)
        for text in self.texts:
            text.at = min(text.at + width, len(text.ids))
        ended = [
            Read(text.ticket, self.model.select(self._state, np.array([i])))
            for i, text in enumerate(self.texts)
            if not text.left
        ]
        self._keep([i for i, text in enumerate(self.texts) if text.left])
        return ended

    def _piece(self, tokens: Ids_BT, state: Any) -> Any:
        """The state after (B, n) more tokens of ``self.texts``, -1 at the ends of rows."""
        raise NotImplementedError

    def _keep(self, rows: list[int]) -> None:
        if not rows:
            self.clear()
        elif len(rows) < len(self.texts):
            self._state = self.model.select(self._state, np.array(rows))
            self.texts = [self.texts[i] for i in rows]

    def _adapt(self, cells: int, seconds: float) -> None:
        """Smaller pieces if one took too long, larger ones if a full one did not."""
        if seconds > 2 * _SECONDS:
            self._cells = max(_FEWEST, self._cells // 2)
        elif seconds < _SECONDS / 2 and 2 * cells > self._cells:
            self._cells = min(self._most, self._cells * 2)


class Prompts(Reading[Generating]):
    """Prompts: only the state after them is wanted."""

    def _piece(self, tokens: Ids_BT, state: Any) -> Any:
        return self.model.advance(state, tokens)


class Distributions(Reading[Scoring]):
    """Texts of which also the likeliest tokens are wanted at each place."""

    def _piece(self, tokens: Ids_BT, state: Any) -> Any:
        done = 0
        if isinstance(self.model, Distributor):
            for log_probs, after in self.model.distributions(tokens, state):
                for column in range(log_probs.shape[1]):
                    self._note(tokens[:, done], log_probs[:, column], done)
                    done += 1
                state = after
            return state
        for done in range(tokens.shape[1]):
            self._note(tokens[:, done], self.model.log_probs(state), done)
            state = self.model.advance(state, tokens[:, done, None])
        return state

    def _note(self, tokens: Ids_T, log_probs: Array, done: int) -> None:
        """What came and what was likeliest in each row that goes on, ``done`` tokens into the piece."""
        rows = np.flatnonzero(tokens >= 0).tolist()
        ids, values = likeliest(log_probs, max(text.ticket.top for text in self.texts))
        for row in rows:
            text = self.texts[row]
            at, found, top = text.at + done, text.ticket.scored, text.ticket.top
            found.log_probs[at] = log_probs[row, tokens[row]]
            found.top_ids[at], found.top_log_probs[at] = ids[row, :top], values[row, :top]


class Scores(Distributions):
    """Texts of which each token's log-probability is wanted, and no alternatives."""

    def _piece(self, tokens: Ids_BT, state: Any) -> Any:
        if tokens.size <= _SMALL and isinstance(self.model, Distributor):
            return super()._piece(tokens, state)
        scores, after = self.model.token_log_probs(tokens, state)
        for text, row in zip(self.texts, scores, strict=True):
            text.ticket.scored.log_probs[text.at : text.at + len(row)] = row[: text.left]
        return after
