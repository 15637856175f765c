"""Which of several phrasings is likelier, by how many bits, and at which word they part.

P(a smooth finish) > P(a flat finish) is what a recogniser asks of a language model. A phrase can be taken in two ways.
As a sentence it begins after ``<s>`` and ends with ``</s>``, which is scored too. As a fragment of running text it does
not end, and what came before is not known: it is read after unknown words (``<unk>``), as many as the model looks back,
so that its first word is judged by itself. Alternatives of different length are not equals: each further word costs.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any, NamedTuple

import numpy as np

from nextword.errors import UsageError
from nextword.model import LanguageModel
from nextword.tasks.evaluate import LN2
from nextword.tasks.reading import pad
from nextword.text.pipeline import Pipeline
from nextword.text.vocabulary import BOS, EOS
from nextword.types import Ids_T

_LONGEST = 8  # unknown words that are read before a fragment, at most: a recurrent model looks back without end


class Part(NamedTuple):
    """A token, its surprisal in bits, and whether the vocabulary lacks it."""

    token: str
    bits: float
    oov: bool


@dataclass(frozen=True)
class Choice:
    """An alternative. log_prob: nats. behind: bits by which the best is likelier, 0 for the best itself."""

    text: str
    log_prob: float
    behind: float
    parts: tuple[Part, ...]

    @property
    def bits(self) -> float:
        """Its surprisal."""
        return sum(part.bits for part in self.parts)


def choose(
    lm: LanguageModel[Any],
    alternatives: Sequence[str],
    *,
    pipeline: Pipeline | None = None,
    after: str = "",
    fragment: bool = False,
    end: bool | None = None,
) -> list[Choice]:
    """The alternatives, likeliest first; of equals, in the order given.

    after: words before all of them, which are read and not scored. fragment: within running text, see above; with
    ``after`` too, these words begin no sentence. end: score ``</s>`` after each; usual for all but fragments. Raises
    UsageError for fewer than two alternatives, an empty one without an end, and a model without probabilities.
    """
    if not isinstance(lm, LanguageModel):
        raise UsageError("alternatives are compared by probability, and this model's scores are none; use another")
    if len(alternatives) < 2:
        raise UsageError(f"{len(alternatives)} alternatives; there is a choice between two or more")
    reader, ends = pipeline or Pipeline(), not fragment if end is None else end
    tokens = [reader.tokens(text) for text in alternatives]
    for mark in (mark for words in (*tokens, reader.tokens(after)) for mark in words if mark in (BOS, EOS)):
        raise UsageError(f"a text holds {mark}, which stands for the beginning or end of a sentence; take it out")
    rows = [_ids(lm, words, ends) for words in tokens]
    empty = next((text for text, ids in zip(alternatives, rows, strict=True) if not len(ids)), None)
    if empty is not None:
        raise UsageError(f"the alternative {empty!r} has no words and, as a fragment, no end; leave it out")
    state = _state_before(lm, reader.tokens(after), fragment)
    scores, _ = lm.token_log_probs(pad(rows), lm.select(state, np.zeros(len(rows), dtype=np.int64)))
    sums = [float(row[: len(ids)].sum()) for row, ids in zip(scores, rows, strict=True)]
    best = max(sums)
    found = [
        Choice(text, total, (best - total) / LN2 if total < best else 0.0, _parts(lm, words, ids, row))
        for text, total, words, ids, row in zip(alternatives, sums, tokens, rows, scores, strict=True)
    ]
    return sorted(found, key=lambda one: -one.log_prob)


def _ids(lm: LanguageModel[Any], words: list[str], end: bool) -> Ids_T:
    eos = lm.vocabulary.eos
    return np.append(lm.vocabulary.ids(words), [eos] if end and eos is not None else []).astype(np.int32)


def _parts(lm: LanguageModel[Any], words: list[str], ids: Ids_T, scores: Any) -> tuple[Part, ...]:
    eos = "" if lm.vocabulary.eos is None else lm.vocabulary.word(lm.vocabulary.eos)
    spelt = [*words, eos][: len(ids)]
    bits = (0.0 - scores[: len(ids)].astype(np.float64)) / LN2
    unk = lm.vocabulary.unk
    return tuple(Part(word, float(b), int(i) == unk) for word, b, i in zip(spelt, bits, ids, strict=True))


def _state_before(lm: LanguageModel[Any], words: list[str], fragment: bool) -> Any:
    """The state of one row that has read what comes before the alternatives."""
    before = np.array([[*(unknown_context(lm) if fragment else []), *lm.vocabulary.ids(words)]], dtype=np.int32)
    return lm.advance(lm.start(1), before) if before.size else lm.start(1)


def unknown_context(lm: LanguageModel[Any]) -> list[int]:
    """``<unk>`` as often as the model looks back: after it words have their frequencies, as far as the model knows.

    A vocabulary of pieces has no ``<unk>``, as it lacks no word; then it is empty.
    """
    unk, looks_back = lm.vocabulary.unk, lm.context_length
    return [] if unk is None else [unk] * min(_LONGEST, _LONGEST if looks_back is None else looks_back)
