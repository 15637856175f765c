"""A model's scores for a text, block by block: what evaluating, scoring and comparing all begin with."""

import re
from collections import deque
from collections.abc import Callable, Iterable, Iterator
from concurrent.futures import Future, ThreadPoolExecutor
from typing import Any, NamedTuple, Protocol, TypeVar, runtime_checkable

import numpy as np

from nextword.model import LanguageModel, Scorer
from nextword.text.blocks import Block
from nextword.text.pipeline import Pipeline
from nextword.text.vocabulary import Vocabulary
from nextword.types import Array, Float_T, Ids_BT, Ids_T

_CELLS = 1 << 14  # tokens and padding that a batch of sentences holds, unless one sentence alone is longer
_DELIMITERS = re.compile(rb"[\0\t\r ]+")
_IS_DELIMITER = np.isin(np.arange(256), list(b"\0\t\n\r "))

Item = TypeVar("Item")
Result = TypeVar("Result")


@runtime_checkable
class StreamScorer(Protocol):
    """A family with a faster door: whole sentences end to end, scored in one call from any thread."""

    def stream_log_probs(self, ids: Ids_T) -> Float_T:
        """Log-probability of each token, (T,) nats; ``ids`` as ``Vocabulary.encode`` gives them."""
        ...


class ReadBlock(NamedTuple):
    """Whole lines as a model reads them.

    text: the tokens as they are spelt, with blanks between them. size: bytes of the normalised text, newlines included.
    ids: (T,), ``</s>`` at each line's end. oov, oov_bytes: tokens that are ``<unk>``, and the bytes that spell them.
    """

    block: Block
    text: bytes
    size: int
    ids: Ids_T
    oov: int
    oov_bytes: int

    def lines(self) -> list[list[str]]:
        """The tokens of each line as they are spelt, without ``</s>``."""
        lines = self.text.removesuffix(b"\n").split(b"\n") if self.text else []
        return [[token.decode() for token in _DELIMITERS.split(line) if token] for line in lines]

    def token_bytes(self, eos: int | None) -> Array:
        """Bytes of each token's spelling, 0 for ``</s>``, (T,)."""
        inside = ~_IS_DELIMITER[np.frombuffer(self.text, dtype=np.uint8)]
        edges = np.flatnonzero(np.diff(inside, prepend=False, append=False))
        lengths = np.zeros(len(self.ids), dtype=np.int64)
        lengths[self.ids != eos] = edges[1::2] - edges[::2]
        return lengths


class ScoredBlock(NamedTuple):
    """Whole lines and the log-probability of each of their tokens, (T,) nats."""

    read: ReadBlock
    log_probs: Float_T


def score_blocks(
    lm: LanguageModel[Any] | Scorer[Any], pipeline: Pipeline, blocks: Iterable[Block], *, threads: int = 1
) -> Iterator[ScoredBlock]:
    """Score a text in order, a few blocks at a time, on several threads where the model allows it.

    Raises TextError for text that cannot be read, a literal ``<s>`` or ``</s>`` among it.
    """
    if not isinstance(lm, StreamScorer):
        return _score_in_turn(lm, pipeline, blocks)

    def score(block: Block) -> ScoredBlock:
        read = read_block(lm.vocabulary, pipeline, block)
        return ScoredBlock(read, lm.stream_log_probs(read.ids))

    return ordered_map(score, blocks, threads)


def read_block(vocabulary: Vocabulary, pipeline: Pipeline, block: Block) -> ReadBlock:
    """A block's tokens and their ids. Raises TextError for a token ``<s>`` or ``</s>`` in the text."""
    prepared = pipeline.canonical(block.text)
    ids, oov, oov_bytes = vocabulary.encode(prepared.text, block.where)
    return ReadBlock(block, prepared.text, prepared.size, ids, oov, oov_bytes)


def count_words(text: bytes) -> int:
    """How many stretches of ``text`` stand between KenLM's delimiters."""
    blank = _IS_DELIMITER[np.frombuffer(text, dtype=np.uint8)]
    return int(np.count_nonzero(~blank[1:] & blank[:-1]) + (not blank[:1].all()))


def _score_in_turn(
    lm: LanguageModel[Any] | Scorer[Any], pipeline: Pipeline, blocks: Iterable[Block]
) -> Iterator[ScoredBlock]:
    """By the protocol alone: batches of sentences, or one long row whose state is carried for a stream model."""
    state = None
    for block in blocks:
        read = read_block(lm.vocabulary, pipeline, block)
        if getattr(lm, "scope", "sentence") == "stream":
            scores, state = lm.token_log_probs(read.ids[None, :], state)
            yield ScoredBlock(read, scores[0])
        else:
            yield ScoredBlock(read, score_sentences(lm, split_sentences(read.ids, lm.vocabulary.eos)))


def score_sentences(lm: LanguageModel[Any] | Scorer[Any], sentences: list[Ids_T]) -> Float_T:
    """Scores of sentences, one after another, (T,); those of like length are scored together."""
    parts: list[Float_T] = [np.zeros(0)] * len(sentences)
    for batch in _batches(sentences):
        scores, _ = lm.token_log_probs(pad([sentences[i] for i in batch]))
        for row, i in enumerate(batch):
            parts[i] = scores[row, : len(sentences[i])]
    return np.concatenate([np.zeros(0), *parts])


def _batches(sentences: list[Ids_T]) -> Iterator[list[int]]:
    batch: list[int] = []
    for i in sorted(range(len(sentences)), key=lambda i: len(sentences[i])):
        if batch and (len(batch) + 1) * len(sentences[i]) > _CELLS:
            yield batch
            batch = []
        batch.append(i)
    if batch:
        yield batch


def split_sentences(ids: Ids_T, eos: int | None) -> list[Ids_T]:
    """Cut ids after each ``</s>``."""
    return np.split(ids, np.flatnonzero(ids == eos) + 1)[:-1]


def pad(rows: list[Ids_T]) -> Ids_BT:
    """Rows of unequal length as (B, T), -1 at their ends."""
    tokens = np.full((len(rows), max(map(len, rows), default=0)), -1, dtype=np.int32)
    for row, ids in zip(tokens, rows, strict=True):
        row[: len(ids)] = ids
    return tokens


def ordered_map(function: Callable[[Item], Result], items: Iterable[Item], threads: int) -> Iterator[Result]:
    """``map`` on several threads, in order, only a few items ahead: a long text is never in memory as a whole."""
    if threads == 1:
        yield from map(function, items)
        return
    pool = ThreadPoolExecutor(threads)
    try:
        waiting: deque[Future[Result]] = deque()
        for item in items:
            waiting.append(pool.submit(function, item))
            if len(waiting) > 2 * threads:
                yield waiting.popleft().result()
        while waiting:
            yield waiting.popleft().result()
    finally:
        pool.shutdown(cancel_futures=True)
