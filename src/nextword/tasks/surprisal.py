"""Surprisal token by token, with rank and entropy: what measures of reading are compared with (Hale 2001)."""

from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from typing import Any

import numpy as np

from nextword.model import LanguageModel
from nextword.tasks.evaluate import LN2
from nextword.tasks.next import entropies, ranks
from nextword.tasks.reading import line_tokens, pad, score_blocks
from nextword.text.corpus import Block
from nextword.text.pipeline import Pipeline
from nextword.types import Array, Ids_BT, Ids_T

_DISTRIBUTION_BYTES = 1 << 26  # of log-probabilities held at once


@dataclass(frozen=True, eq=False)
class LineSurprisal:
    """One line's tokens, ``</s>`` last, (T,). surprisal: bits. rank: from 1. entropy: bits, of what could have come.

    oov: whether the vocabulary lacks the token, whose surprisal is then that of ``<unk>``. rank and entropy are empty
    unless asked for.
    """

    tokens: list[str]
    ids: Ids_T
    surprisal: Array
    oov: Array
    rank: Array
    entropy: Array


def surprisals(
    lm: LanguageModel[Any],
    blocks: Iterable[Block],
    *,
    pipeline: Pipeline | None = None,
    distributions: bool = True,
    threads: int = 1,
) -> Iterator[LineSurprisal]:
    """The surprisal of every token of a text, line by line.

    distributions: also give rank and entropy, which take the whole next-word distribution of every token. Raises
    TextError for text that cannot be read.
    """
    reader = pipeline or Pipeline()
    none = np.zeros(0)
    for scored in score_blocks(lm, reader, blocks, threads=threads):
        ends = np.flatnonzero(scored.ids == lm.vocabulary.eos) + 1
        lines = line_tokens(reader.canonical(scored.block.text).text)
        bits = np.abs(scored.log_probs) / LN2  # abs: no -0.0
        ids, surprisal = np.split(scored.ids, ends)[:-1], np.split(bits, ends)[:-1]
        extra = _distributions(lm, ids) if distributions else [(none, none)] * len(ids)
        for tokens, line_ids, line_bits, (rank, entropy) in zip(lines, ids, surprisal, extra, strict=True):
            oov = line_ids == lm.vocabulary.unk
            yield LineSurprisal([*tokens, "</s>"], line_ids, line_bits, oov, rank, entropy)


def mean_rank_and_entropy(
    lm: LanguageModel[Any], blocks: Iterable[Block], *, pipeline: Pipeline | None = None
) -> tuple[float, float]:
    """Mean of 1 / rank over a text's tokens, and mean entropy, bits, of what was expected."""
    reciprocal = entropy = 0.0
    tokens = 0
    for line in surprisals(lm, blocks, pipeline=pipeline):
        reciprocal += float((1 / line.rank).sum())
        entropy += float(line.entropy.sum())
        tokens += len(line.tokens)
    return reciprocal / tokens, entropy / tokens


def _distributions(lm: LanguageModel[Any], sentences: list[Ids_T]) -> list[tuple[Array, Array]]:
    """Rank and entropy at every token. Sentences of like length go together; a stream model reads one after another."""
    if lm.scope == "stream":
        rank, entropy = _step_through(lm, np.concatenate(sentences)[None])
        ends = np.cumsum([len(ids) for ids in sentences])[:-1]
        return list(zip(np.split(rank[0], ends), np.split(entropy[0], ends), strict=True))
    rows = max(1, _DISTRIBUTION_BYTES // (8 * len(lm.vocabulary)))
    order = np.argsort([len(ids) for ids in sentences], kind="stable")
    result: list[tuple[Array, Array]] = [(np.zeros(0), np.zeros(0))] * len(sentences)
    for begin in range(0, len(order), rows):
        batch = order[begin : begin + rows]
        rank, entropy = _step_through(lm, pad([sentences[i] for i in batch]))
        for row, i in enumerate(batch):
            length = len(sentences[i])
            result[i] = (rank[row, :length], entropy[row, :length])
    return result


def _step_through(lm: LanguageModel[Any], tokens: Ids_BT) -> tuple[Array, Array]:
    """Rank and entropy at each token, (B, T), by one distribution per step."""
    rank, entropy = np.zeros(tokens.shape, dtype=np.int64), np.zeros(tokens.shape)
    state = lm.start(len(tokens))
    for t in range(tokens.shape[1]):
        column = tokens[:, t]
        log_probs = lm.log_probs(state)
        entropy[:, t] = entropies(log_probs)
        rank[:, t] = ranks(log_probs, np.maximum(column, 0))
        state = lm.advance(state, column[:, None])
    return rank, entropy
