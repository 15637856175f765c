"""How well a model predicts a text: perplexity, with and without unknown words, and bits per byte."""

import time
from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field
from typing import Any

import numpy as np

from nextword.errors import TextError
from nextword.model import LanguageModel, Scorer
from nextword.tasks.reading import ScoredBlock, count_words, score_blocks
from nextword.text.blocks import Block
from nextword.text.pipeline import Pipeline
from nextword.text.vocabulary import Vocabulary
from nextword.types import Array, Json

LN2 = float(np.log(2))
SPELLING_BITS = float(np.log2(257))  # an unknown word's bytes, and one symbol more for its end
_FIGURES = ("nats", "perplexity", "perplexity_excluding_oov", "bits_per_byte", "word_perplexity")


@dataclass
class Evaluation:
    """What ``evaluate`` found. nats: total negative log-probability; known_nats: that of all tokens but ``<unk>``.

    bytes: of the normalised text, newlines included. words: what stands between blanks, and a ``</s>`` for each line.
    oov, oov_bytes: unknown words, and the bytes that spell them.
    infinite: the first token of probability 0, as ``file:line: token``, or "". normalised: False for a Scorer, whose
    scores are no probabilities. line_bits: bits per line, each unknown word's spelling included, if asked for.
    trained_on_this, tuned_on_this: whether the model was made with a file of this text, None where that is not known.
    """

    tokens: int = 0
    oov: int = 0
    nats: float = 0.0
    known_nats: float = 0.0
    bytes: int = 0
    words: int = 0
    oov_bytes: int = 0
    seconds: float = 0.0
    infinite: str = ""
    normalised: bool = True
    line_bits: list[Array] = field(default_factory=list)
    trained_on_this: bool | None = None
    tuned_on_this: bool | None = None

    @property
    def reason(self) -> str:
        """Why there is no perplexity, or ""."""
        if not self.normalised:
            return "its scores do not sum to 1, so they are no probabilities and have no perplexity"
        if self.infinite:
            return f"probability 0 at {self.infinite}"
        finite = np.isfinite([self.perplexity, self.perplexity_excluding_oov]).all()
        return "" if finite else "probabilities so close to 0 that the perplexity is too large for a number"

    @property
    def perplexity(self) -> float:
        """Exp of the mean negative log-probability per token, ``</s>`` counted; infinite after a probability of 0."""
        return self._exp(self.nats / self.tokens)

    @property
    def perplexity_excluding_oov(self) -> float:
        """The same over the tokens that the vocabulary holds."""
        return self._exp(self.known_nats / (self.tokens - self.oov))

    @property
    def bits_per_byte(self) -> float:
        """All bits, those that spell unknown words included, over the bytes of the normalised text."""
        return self._spelt_nats / LN2 / self.bytes if self.normalised else float("nan")

    @property
    def word_perplexity(self) -> float:
        """Exp of all nats, those that spell unknown words included, per word, ``</s>`` counted, whatever a token is.

        So pieces, characters and words compare; it ranks models as ``bits_per_byte`` does.
        """
        return self._exp(self._spelt_nats / self.words)

    @property
    def tokens_per_second(self) -> float:
        """From opening the text to the last log-probability."""
        return self.tokens / self.seconds

    def to_json(self) -> Json:
        """The figures under their published names; one that is infinite or undefined is null, with a reason."""
        found = {name: getattr(self, name) if self.normalised else float("nan") for name in _FIGURES}
        figures = {name: value if np.isfinite(value) else None for name, value in found.items()}
        counted: Json = {"tokens": self.tokens, "oov": self.oov}
        reason = {"reason": self.reason} if self.reason else {}
        seen = {"trained_on_this": self.trained_on_this, "tuned_on_this": self.tuned_on_this}
        known = {name: value for name, value in seen.items() if value is not None}
        return counted | figures | {"tokens_per_second": round(self.tokens_per_second)} | known | reason

    def compare_sources(self, sources: Sequence[Json], info: Json) -> None:
        """Note whether a file of the text is, whole, among those that the model was trained or tuned on.

        sources: those of the text's corpus. info: what is stored with the model. Files are compared by the hashes of
        their bytes and of their text, so a compressed copy is known; a part of a file, or a changed one, is not: see
        ``overlap``.
        """
        here = _hashes(sources)
        if info.get("trained_on"):
            self.trained_on_this = bool(here & _hashes(info["trained_on"]))
        if (info.get("settings") or {}).get("tuned_on"):
            self.tuned_on_this = bool(here & _hashes(info["settings"]["tuned_on"]))

    @property
    def _spelt_nats(self) -> float:
        return self.nats + (self.oov_bytes + self.oov) * SPELLING_BITS * LN2

    def _exp(self, nats: float) -> float:
        with np.errstate(over="ignore"):
            return float(np.exp(nats)) if self.normalised else float("nan")


def _hashes(sources: Sequence[Json]) -> set[str]:
    """Of the files' bytes, and of their text where they are compressed."""
    return {source[name] for source in sources for name in ("sha256", "text_sha256") if source.get(name)}


def evaluate(
    lm: LanguageModel[Any] | Scorer[Any],
    blocks: Iterable[Block],
    *,
    pipeline: Pipeline | None = None,
    threads: int = 1,
    keep_lines: bool = False,
) -> Evaluation:
    """Score a text, one sentence a line (perplexity: Jelinek et al. 1977).

    pipeline: the normaliser and tokenizer that the model was trained with. keep_lines: also keep each line's bits, for
    ``paired_bootstrap``. Raises TextError for text that cannot be read or is empty.
    """
    reader = pipeline or Pipeline()
    for _ in score_blocks(lm, reader, [Block(b"\n", "", 1)]):
        pass  # compiled code is loaded here, and its time is not the text's
    result = Evaluation(normalised=isinstance(lm, LanguageModel))
    begin = time.perf_counter()
    for scored in score_blocks(lm, reader, blocks, threads=threads):
        _add(result, scored, lm.vocabulary, keep_lines=keep_lines)
        result.words += _words(scored, reader)
    result.seconds = time.perf_counter() - begin
    if result.tokens == 0:
        raise TextError("the text is empty: there is nothing to evaluate; give a file with at least one line")
    return result


def _add(result: Evaluation, scored: ScoredBlock, vocabulary: Vocabulary, *, keep_lines: bool) -> None:
    read, log_probs = scored
    nats = known_nats = -float(log_probs.sum())
    if read.oov:
        known_nats = -float(log_probs[read.ids != vocabulary.unk].sum())
    if np.isinf(nats) and not result.infinite:
        result.infinite = _first_impossible(scored, vocabulary)
    result.tokens += len(read.ids)
    result.oov += read.oov
    result.nats += nats
    result.known_nats += known_nats
    result.bytes += read.size
    result.oov_bytes += read.oov_bytes
    if keep_lines:
        result.line_bits.append(_line_bits(scored, vocabulary))


def _words(scored: ScoredBlock, pipeline: Pipeline) -> int:
    """How many words a block has, ``</s>`` counted, in the sense of ``WhitespaceTokenizer``."""
    if pipeline.tokenizer.name == "whitespace":
        return len(scored.read.ids)
    text = pipeline.normalizer.apply(scored.read.block.text)
    return count_words(text) + text.count(b"\n") + (not text.endswith(b"\n"))


def _first_impossible(scored: ScoredBlock, vocabulary: Vocabulary) -> str:
    """The first token of probability 0, as ``file:line: token``."""
    read = scored.read
    at = int(np.isinf(scored.log_probs).argmax())
    ends = np.flatnonzero(read.ids[:at] == vocabulary.eos)
    line, begin = len(ends), int(ends[-1]) + 1 if len(ends) else 0
    token = [*read.lines()[line], vocabulary.word(int(read.ids[-1]))][at - begin]
    return f"{read.block.where(line)}: {token}"


def _line_bits(scored: ScoredBlock, vocabulary: Vocabulary) -> Array:
    """Bits of each line, the spelling of its unknown words included, (lines,)."""
    read = scored.read
    bits = -scored.log_probs / LN2
    unknown = read.ids == vocabulary.unk
    bits[unknown] += (read.token_bytes(vocabulary.eos)[unknown] + 1) * SPELLING_BITS
    begins = np.append(0, np.flatnonzero(read.ids == vocabulary.eos)[:-1] + 1)
    return np.asarray(np.add.reduceat(bits, begins))
