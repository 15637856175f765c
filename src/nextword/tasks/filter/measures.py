"""How well a model predicts documents, each for itself: perplexity, bits per byte, and the contrast of two models."""

import re
from typing import Any, NamedTuple, Protocol, runtime_checkable

import numpy as np

from nextword.errors import UsageError
from nextword.model import LanguageModel
from nextword.tasks.evaluate import LN2, SPELLING_BITS
from nextword.tasks.filter import sums
from nextword.tasks.filter.documents import Documents
from nextword.tasks.filter.settings import Filterer
from nextword.tasks.reading import StreamScorer, score_sentences, split_sentences
from nextword.text.vocabulary import Vocabulary
from nextword.types import Array, Float_T, Ids_T

DIGITS = 4  # after the point, of a figure as it is written and compared
_MARK = re.compile(rb"(?<![^\0\t\n\r ])(</?)s>(?![^\0\t\n\r ])")
_UNSPELLABLE = rb"\1" + b"\x01>"


@runtime_checkable
class LineScorer(Protocol):
    """A model of another make, which tells the probabilities of whole lines."""

    @property
    def vocabulary(self) -> Vocabulary:
        """Its words."""
        ...

    def line_log_probs(self, text: bytes) -> Float_T:
        """Log-probability, nats, of each line of tokens and its ``</s>``, (lines,); from any thread."""
        ...


class Measures(NamedTuple):
    """Figures of documents, (D,) each, rounded to DIGITS. Those of a text without a character are NaN.

    perplexity: 10 ** (-sum of log10 p(line) / sum of (words + 1)) over a document's lines, as cc_net has it (Wenzek et
    al. 2020): an empty line counts too, with p(</s> after <s>) and one word. tokens: that sum of words + 1, words being
    the tokens that are scored. oov: those the vocabulary lacks. bytes: of the normalised text, each line's newline
    included. bits_per_byte: as ``nextword evaluate`` has it, unknown words spelt. contrast: cross-entropy under the
    model minus that under the second model, in bits a token (Moore & Lewis 2010, H_I - H_N): low where the document is
    rather of the first model's kind; None without a second model.
    """

    perplexity: Array
    bits_per_byte: Array
    tokens: Array
    oov: Array
    bytes: Array
    contrast: Array | None = None

    def column(self, name: str) -> Array:
        """The figures of a name in ``settings.COLUMNS``, or the contrast."""
        found: Array = getattr(self, name)
        return found


class _Sums(NamedTuple):
    """Figures of documents under one model, (D,) each; spelling: bytes of unknown tokens."""

    nats: Array
    tokens: Array
    oov: Array
    spelling: Array

    def bits(self) -> Array:
        """All bits, unknown words spelt."""
        found: Array = self.nats / LN2 + (self.oov + self.spelling) * SPELLING_BITS
        return found


def measure(lm: Filterer, documents: Documents, contrast: Filterer | None = None) -> Measures:
    """The figures of each document; no context reaches from one into the next.

    A literal ``<s>`` or ``</s>`` in a text, which a filter of web pages meets, is an unknown word. contrast: a second
    model that ``check_models`` has passed.
    """
    normal = lm.pipeline.normalizer.apply(documents.text)
    spaced = lm.pipeline.tokenizer.canonical(normal)
    size = documents.sizes if normal is documents.text else _sizes(normal, documents.lines)
    places = size if spaced is normal else _sizes(spaced, documents.lines)
    if b"s>" in spaced:
        spaced = _MARK.sub(_UNSPELLABLE, spaced)
    found = _sums(lm, spaced, documents.lines, places)
    with np.errstate(invalid="ignore", divide="ignore", over="ignore"):
        perplexity = np.round(np.exp(found.nats / found.tokens), DIGITS)
        bits = np.round(found.bits() / size, DIGITS)
        difference = None
        if contrast is not None:
            other = _sums(contrast, spaced, documents.lines, places)
            difference = np.round((found.bits() - other.bits()) / found.tokens, DIGITS)
    return Measures(perplexity, bits, found.tokens, found.oov, size, difference)


def check_models(lm: Filterer, contrast: Filterer | None = None) -> None:
    """Raises UsageError for a model without probabilities, or two that read text in different ways."""
    for one in (lm, contrast):
        if one is not None and not isinstance(one.model, LanguageModel | LineScorer):
            kind = getattr(one.model, "kind", type(one.model).__name__)
            raise UsageError(
                f"a {kind} model gives scores that do not sum to 1, so there is no perplexity to filter by"
            )
    if contrast is None:
        return
    ours, theirs = lm.pipeline, contrast.pipeline
    if (ours.config(), ours.payloads()) != (theirs.config(), theirs.payloads()):
        raise UsageError(
            "the two models normalise or cut text differently, so their tokens cannot be contrasted; "
            "train both with the same tokenizer and normaliser"
        )


def warm(lm: Filterer, contrast: Filterer | None = None) -> None:
    """Load the compiled loops, so that threads need not wait for one another."""
    measure(lm, Documents.from_texts([b"a b\nc"]), contrast)


def _sums(lm: Filterer, spaced: bytes, lines: Array, sizes: Array) -> _Sums:
    vocabulary = lm.model.vocabulary
    ids, unknown, _ = vocabulary.encode(spaced)
    eos, unk = (-1 if i is None else i for i in (vocabulary.eos, vocabulary.unk))
    nats, (tokens, oov, known, spelling) = np.zeros(len(lines)), np.zeros((4, len(lines)), dtype=np.int64)
    scores = _log_probs(lm.model, spaced, ids, lines)
    sums.add_up(ids, scores, eos, unk, vocabulary.byte_lengths, lines, nats, tokens, oov, known)
    if unknown:
        sums.count_spelling(np.frombuffer(spaced, dtype=np.uint8), sizes, spelling)
        spelling -= known
    return _Sums(nats, tokens, oov, spelling)


def _sizes(text: bytes, lines: Array) -> Array:
    """Bytes of each document, (D,), of a text that was rewritten line by line."""
    sizes = np.zeros(len(lines), dtype=np.int64)
    sums.measure_lines(np.frombuffer(text, dtype=np.uint8), lines, sizes)
    return sizes


def _log_probs(model: Any, spaced: bytes, ids: Ids_T, lines: Array) -> Float_T:
    """Log-probability of each token, (T,) nats, in one call where the model has that door.

    That of a line as a whole stands at its ``</s>``: it is the documents' sums that count.
    """
    if isinstance(model, LineScorer):
        scores = np.zeros(len(ids))
        scores[ids == model.vocabulary.eos] = model.line_log_probs(spaced)
        return scores
    if isinstance(model, StreamScorer):
        return model.stream_log_probs(ids)
    sentences = split_sentences(ids, model.vocabulary.eos)
    if model.scope == "sentence":
        return score_sentences(model, sentences)
    ends = np.cumsum(lines)  # a stream model reads on over </s>, but not into the next document
    rows = [np.concatenate(sentences[end - n : end]) for n, end in zip(lines, ends, strict=True) if n]
    return score_sentences(model, rows)
