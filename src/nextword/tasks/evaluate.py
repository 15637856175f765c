"""How well a model predicts a text: perplexity, with and without unknown words, and bits per byte."""

import time
from collections.abc import Iterable
from dataclasses import dataclass, field
from typing import Any

import numpy as np

from nextword.errors import TextError
from nextword.model import LanguageModel, Scorer
from nextword.tasks.reading import ScoredBlock, score_blocks
from nextword.text.corpus import Block
from nextword.text.pipeline import Pipeline
from nextword.types import Array, Json

LN2 = float(np.log(2))
SPELLING_BITS = float(np.log2(257))  # an unknown word's bytes, and one symbol more for its end


@dataclass
class Evaluation:
    """What ``evaluate`` found. nats: total negative log-probability; oov_nats: that of the unknown words' ``<unk>``.

    infinite: the first token of probability 0, as ``file:line: token``, or "". normalised: False for a Scorer, whose
    scores are no probabilities. line_bits: bits per line, each unknown word's spelling included, if asked for.
    """

    tokens: int = 0
    oov: int = 0
    nats: float = 0.0
    oov_nats: float = 0.0
    bytes: int = 0
    oov_bytes: int = 0
    lines: int = 0
    seconds: float = 0.0
    infinite: str = ""
    normalised: bool = True
    line_bits: list[Array] = field(default_factory=list)
    line_bytes: list[Array] = field(default_factory=list)

    @property
    def reason(self) -> str:
        """Why there is no perplexity, or ""."""
        if not self.normalised:
            return "its scores do not sum to 1, so they are no probabilities and have no perplexity"
        return f"probability 0 at {self.infinite}" if self.infinite else ""

    @property
    def perplexity(self) -> float:
        """Exp of the mean negative log-probability per token, ``</s>`` counted; infinite after a probability of 0."""
        return float(np.exp(self.nats / self.tokens)) if self.normalised else float("nan")

    @property
    def perplexity_excluding_oov(self) -> float:
        """The same over the tokens that the vocabulary holds."""
        if not self.normalised:
            return float("nan")
        return float(np.exp((self.nats - self.oov_nats) / (self.tokens - self.oov)))

    @property
    def bits_per_byte(self) -> float:
        """All bits, those that spell unknown words included, over the bytes of the normalised text."""
        spelling = (self.oov_bytes + self.oov) * SPELLING_BITS
        return (self.nats / LN2 + spelling) / self.bytes if self.normalised else float("nan")

    @property
    def tokens_per_second(self) -> float:
        """From opening the text to the last log-probability."""
        return self.tokens / self.seconds

    def to_json(self) -> Json:
        """The figures under their published names; one that is infinite or undefined is null, with a reason."""
        figures = {
            name: getattr(self, name)
            for name in ("tokens", "oov", "nats", "perplexity", "perplexity_excluding_oov", "bits_per_byte")
        }
        figures = {name: value if np.isfinite(value) else None for name, value in figures.items()}
        figures["tokens_per_second"] = round(self.tokens_per_second)
        return figures | ({"reason": self.reason} if self.reason else {})


def evaluate(
    lm: LanguageModel[Any] | Scorer[Any],
    blocks: Iterable[Block],
    *,
    pipeline: Pipeline | None = None,
    threads: int = 1,
    keep_lines: bool = False,
) -> Evaluation:
    """Score a text, one sentence a line.

    pipeline: the normaliser and tokenizer that the model was trained with. keep_lines: also keep each line's bits, for
    ``compare_evaluations``. Raises TextError for text that cannot be read or is empty.
    """
    result = Evaluation(normalised=isinstance(lm, LanguageModel))
    begin = time.perf_counter()
    for scored in score_blocks(lm, pipeline or Pipeline(), blocks, threads=threads):
        _add(result, scored, lm, keep_lines=keep_lines)
    result.seconds = time.perf_counter() - begin
    if result.tokens == 0:
        raise TextError("the text is empty: there is nothing to evaluate; give a file with at least one line")
    return result


def _add(result: Evaluation, scored: ScoredBlock, lm: LanguageModel[Any] | Scorer[Any], *, keep_lines: bool) -> None:
    ids, log_probs = scored.ids, scored.log_probs
    result.tokens += len(ids)
    result.oov += scored.oov
    result.nats -= float(log_probs.sum())
    if scored.oov:
        result.oov_nats -= float(log_probs[ids == lm.vocabulary.unk].sum())
    result.bytes += scored.size
    result.oov_bytes += scored.oov_bytes
    if np.isinf(result.nats) and not result.infinite:
        at = int(np.flatnonzero(np.isinf(log_probs))[0])
        line = int((ids[:at] == lm.vocabulary.eos).sum())
        result.infinite = f"{scored.block.where(line)}: {lm.vocabulary.word(int(ids[at]))}"
    if keep_lines:
        ends = np.flatnonzero(ids == lm.vocabulary.eos)
        begins = np.append(0, ends[:-1] + 1)
        result.line_bits.append(-np.add.reduceat(log_probs, begins) / LN2)
        lengths = np.diff(np.flatnonzero(np.frombuffer(scored.block.text, np.uint8) == ord("\n")), prepend=-1)
        result.line_bytes.append(lengths)
        result.lines += len(ends)
