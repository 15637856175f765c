"""Texts that the harness asks for, a batch at a time: each up to a string that ends it, or to its line's end."""

from collections.abc import Sequence
from typing import Any

import numpy as np

from nextword.lm import LM
from nextword.tasks.drawing import draw_tokens
from nextword.tasks.generate import forbidden_ids
from nextword.tasks.sampling import Sampling
from nextword.types import Json

_MAX_TOKENS = 256  # what the harness's own models write unless a task says otherwise


class Line:
    """A line that grows, of which the words of the context are the beginning and are not given back."""

    def __init__(self, lm: LM, context: str, until: Sequence[str], seed: Sequence[int]):
        self._detokenize = lm.pipeline.detokenize
        self._words = lm.pipeline.tokens(context.rpartition("\n")[2])
        self._begun = len(self._detokenize(self._words))
        self._until, self.random = until, np.random.default_rng(seed)
        self.text = ""

    def add(self, word: str) -> bool:
        """Whether the text may go on after that word; what ends it is cut off."""
        self._words.append(word)
        self.text = self._detokenize(self._words)[self._begun :]
        found = [at for at in map(self.text.find, self._until) if at >= 0]
        self.text = self.text[: min(found)] if found else self.text
        return not found


def write(lm: LM, state: Any, lines: list[Line], options: Json) -> None:
    """Write on with each of ``lines``, whose contexts the rows of ``state`` have read."""
    model, sampling = lm.model, _sampling(options)
    forbidden, rows = forbidden_ids(model.vocabulary, None), np.arange(len(lines))
    for _ in range(int(options.get("max_gen_toks", _MAX_TOKENS))):
        uniforms = np.array([lines[row].random.random() for row in rows])
        tokens = draw_tokens(model.log_probs(state), uniforms, sampling, forbidden)
        going = [
            token not in (-1, model.vocabulary.eos) and lines[row].add(model.vocabulary.word(token))
            for row, token in zip(rows, tokens.tolist(), strict=True)
        ]
        if not any(going):
            return
        kept = np.flatnonzero(going)
        rows, state = rows[kept], model.advance(model.select(state, kept), tokens[kept, None])


def stops(options: Json) -> list[str]:
    """The strings that end a text."""
    until = options.get("until") or []
    return [stop for stop in ([until] if isinstance(until, str) else until) if stop]


def _sampling(options: Json) -> Sampling:
    """The samplers that a task asks for; without do_sample or a temperature the likeliest token is taken."""
    temperature = options.get("temperature", 1.0 if options.get("do_sample") else 0.0)
    return Sampling(float(temperature), *(options.get(name) for name in ("top_k", "top_p", "min_p")))
