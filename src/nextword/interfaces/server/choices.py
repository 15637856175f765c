"""One text of an answer as it comes to be: pieces, log-probabilities, and where it ends."""

from collections.abc import Iterable, Sequence
from typing import Any, NamedTuple

import numpy as np

from nextword.interfaces.server.codec import Codec, Prompt, Writer
from nextword.interfaces.server.engine import Scored, Token
from nextword.interfaces.server.stops import Stops
from nextword.types import Json

IMPOSSIBLE = -9999.0  # nats: JSON has no -inf, and clients add these numbers up


class Entry(NamedTuple):
    """One token of a text. piece: what it adds to it; label: how it is named among others; offset: in characters."""

    piece: str
    label: str
    log_prob: float | None
    top: dict[str, float] | None
    offset: int


class Growing:
    """A text that tokens are added to. ``take`` gives those that are certain; a text to stop at is not among them."""

    def __init__(self, codec: Codec, writer: Writer, stops: Sequence[str], *, top: int | None, offset: int = 0):
        """top: how many of the likeliest tokens go with each, None for no log-probabilities. offset: of the first."""
        self._codec, self._writer, self._stops, self._top = codec, writer, Stops(stops), top
        self._offset = offset
        self._text = ""  # without what was echoed
        self._waiting: list[Entry] = []
        self.count = 0
        self.finish: str | None = None

    def add(self, token: Token, *, ends: bool) -> None:
        """Another token. ends: whether ``</s>`` ends the text; it adds nothing to it then."""
        self.count += 1
        codec = self._codec
        word = codec.word(token.id)
        ended = ends and token.id == codec.end
        logged = self._top is not None
        label = self._writer.peek(word) if logged else ""
        top = (
            tops(codec, self._writer, token.id, label, token.log_prob, token.top_ids, token.top_log_probs)
            if self._top else None
        )  # fmt: skip
        piece = self._writer.rest() if ended else self._writer.add(word)
        self._push(Entry(piece, label, finite(token.log_prob), top, self._offset + len(self._text)))
        if ended and self.finish is None:
            self.finish = "stop"

    def close(self) -> None:
        """No more tokens come."""
        if self.finish is None:
            self.finish = "length"
            rest = self._writer.rest()
            if rest and self._waiting:
                last = self._waiting.pop()
                self._text = self._text[: len(self._text) - len(last.piece)]
                self._push(last._replace(piece=last.piece + rest))

    def take(self) -> list[Entry]:
        """The tokens that are certain by now, each once."""
        number = len(self._waiting)
        if self.finish is None and self._stops:
            sure = self._offset + len(self._text) - self._stops.held(self._text)
            number = sum(1 for one in self._waiting if one.offset + len(one.piece) <= sure)
        if self.finish is None and self._writer.pending:  # the last token has a part of a character, and may be the end
            number = min(number, len(self._waiting) - 1)
        taken, self._waiting = self._waiting[:number], self._waiting[number:]
        return taken

    def _push(self, entry: Entry) -> None:
        before = len(self._text)
        self._text += entry.piece
        self._waiting.append(entry)
        place = self._stops.find(self._text, before) if self._stops else None
        if place is not None:
            self._cut(place)

    def _cut(self, place: int) -> None:
        """End the text at ``place``; the token in which that is keeps its part before."""
        self.finish = "stop"
        self._text = self._text[:place]
        end = self._offset + place
        kept = [one for one in self._waiting if one.offset < end]
        self._waiting = [one._replace(piece=one.piece[: end - one.offset]) for one in kept]


def tops(
    codec: Codec, writer: Writer, chosen: int, label: str, log_prob: float, ids: Any, log_probs: Any
) -> dict[str, float]:
    """The likeliest tokens by their labels, and the one that came; of two with one label the likelier."""
    found: dict[str, float] = {}
    for i, value in zip(np.asarray(ids).tolist(), np.asarray(log_probs).tolist(), strict=True):
        if i == chosen:  # exactly the token's own number, however this one was computed: clients compare the two
            found.setdefault(label, finite(log_prob))
        else:
            found.setdefault(writer.peek(codec.word(i)), finite(value))
    found.setdefault(label, finite(log_prob))
    return found


def echoed(codec: Codec, prompt: Prompt, scored: Scored | None, top: int | None, alone: bool) -> list[Entry]:
    """A prompt's tokens as they are given back. The first has no probability.

    alone: whether nothing follows that could complete a character.
    """
    writer = codec.writer(marked=prompt.marked)
    entries: list[Entry] = []
    offset = 0
    if prompt.marked:
        entries.append(Entry(codec.mark_word or "", codec.mark_word or "", None, None, 0))
        offset = len(codec.mark_word or "")
    for t, (i, word) in enumerate(zip(prompt.ids, prompt.words, strict=True)):
        label, log_prob, best = "", None, None
        if scored is not None:
            label = writer.peek(word)
            if entries:
                log_prob = float(scored.log_probs[t])
                best = (
                    tops(codec, writer, i, label, log_prob, scored.top_ids[t], scored.top_log_probs[t]) if top else None
                )
        piece = writer.add(word)
        entries.append(Entry(piece, label, None if log_prob is None else finite(log_prob), best, offset))
        offset += len(piece)
    if alone and writer.pending:
        entries[-1] = entries[-1]._replace(piece=entries[-1].piece + writer.rest())
    return entries


def logprobs(entries: Iterable[Entry], *, top: int) -> Json:
    """The log-probabilities of a text's tokens in OpenAI's form."""
    rows = list(entries)
    return {
        "tokens": [one.label for one in rows],
        "token_logprobs": [one.log_prob for one in rows],
        "top_logprobs": [one.top for one in rows] if top else None,
        "text_offset": [one.offset for one in rows],
    }


def finite(value: float) -> float:
    """A log-probability as JSON can hold it."""
    return value if value > IMPOSSIBLE else IMPOSSIBLE
