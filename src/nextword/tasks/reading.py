"""A model's scores for a text, block by block: what evaluating, scoring and comparing all begin with."""

import re
from collections import deque
from collections.abc import Iterable, Iterator
from concurrent.futures import Future, ThreadPoolExecutor
from typing import Any, NamedTuple, Protocol, runtime_checkable

import numpy as np

from nextword.model import LanguageModel, Scorer
from nextword.text.corpus import Block
from nextword.text.pipeline import Pipeline
from nextword.types import Float_T, Ids_BT, Ids_T

_ROWS = 64
_DELIMITERS = re.compile(rb"[\0\t\r ]+")


@runtime_checkable
class StreamScorer(Protocol):
    """A family with a faster door: whole sentences end to end, scored in one call from any thread."""

    def stream_log_probs(self, ids: Ids_T) -> Float_T:
        """Log-probability of each token, (T,) nats; ``ids`` as ``Vocabulary.encode`` gives them."""
        ...


class ScoredBlock(NamedTuple):
    """Whole lines and their tokens' scores.

    ids: (T,), ``</s>`` at each line's end. log_probs: (T,) nats. size: bytes of the normalised text. oov, oov_bytes:
    tokens outside the vocabulary and the bytes of their spelling.
    """

    block: Block
    ids: Ids_T
    log_probs: Float_T
    size: int
    oov: int
    oov_bytes: int


def score_blocks(
    lm: LanguageModel[Any] | Scorer[Any], pipeline: Pipeline, blocks: Iterable[Block], *, threads: int = 1
) -> Iterator[ScoredBlock]:
    """Score a text in order, a few blocks at a time, on several threads where the model allows it."""
    if not isinstance(lm, StreamScorer):
        yield from _score_in_turn(lm, pipeline, blocks)
        return

    def score(block: Block) -> ScoredBlock:
        prepared = pipeline.canonical(block.text)
        encoded = lm.vocabulary.encode(prepared.text)
        return ScoredBlock(block, encoded.ids, lm.stream_log_probs(encoded.ids), prepared.size, *encoded[1:])

    with ThreadPoolExecutor(threads) as pool:
        waiting: deque[Future[ScoredBlock]] = deque()
        for block in blocks:
            waiting.append(pool.submit(score, block))
            if len(waiting) > 2 * threads:
                yield waiting.popleft().result()
        while waiting:
            yield waiting.popleft().result()


def _score_in_turn(
    lm: LanguageModel[Any] | Scorer[Any], pipeline: Pipeline, blocks: Iterable[Block]
) -> Iterator[ScoredBlock]:
    """By the protocol alone: batches of sentences, or one long row whose state is carried for a stream model."""
    state = None
    for block in blocks:
        prepared = pipeline.canonical(block.text)
        ids, oov, oov_bytes = lm.vocabulary.encode(prepared.text)
        if getattr(lm, "scope", "sentence") == "stream":
            scores, state = lm.token_log_probs(ids[None, :], state)
            log_probs = scores[0]
        else:
            sentences = split_sentences(ids, lm.vocabulary.eos)
            parts = [_score_rows(lm, sentences[i : i + _ROWS]) for i in range(0, len(sentences), _ROWS)]
            log_probs = np.concatenate(parts) if parts else np.zeros(0)
        yield ScoredBlock(block, ids, log_probs, prepared.size, oov, oov_bytes)


def _score_rows(lm: LanguageModel[Any] | Scorer[Any], sentences: list[Ids_T]) -> Float_T:
    tokens = pad(sentences)
    scores, _ = lm.token_log_probs(tokens)
    return np.asarray(scores[tokens >= 0])


def split_sentences(ids: Ids_T, eos: int | None) -> list[Ids_T]:
    """Cut ids after each ``</s>``."""
    return np.split(ids, np.flatnonzero(ids == eos) + 1)[:-1]


def pad(rows: list[Ids_T]) -> Ids_BT:
    """Rows of unequal length as (B, T), -1 at their ends."""
    tokens = np.full((len(rows), max(map(len, rows), default=0)), -1, dtype=np.int32)
    for row, ids in zip(tokens, rows, strict=True):
        row[: len(ids)] = ids
    return tokens


def line_tokens(canonical: bytes) -> list[list[str]]:
    """The tokens of each line of a canonical text, as they are spelt there."""
    return [
        [token.decode() for token in _DELIMITERS.split(line) if token]
        for line in canonical.removesuffix(b"\n").split(b"\n")
    ]
