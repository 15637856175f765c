"""Surprisal token by token, with rank and entropy: what measures of reading are compared with (Hale 2001)."""

from collections.abc import Iterable, Iterator
from dataclasses import dataclass, replace
from typing import Any

import numpy as np

from nextword.errors import TextError, UsageError
from nextword.model import LanguageModel
from nextword.tasks.evaluate import LN2
from nextword.tasks.next import entropies, ranks
from nextword.tasks.reading import ScoredBlock, ordered_map, pad, score_blocks, split_sentences
from nextword.text.blocks import Block
from nextword.text.pipeline import Pipeline
from nextword.types import Array, Ids_T

_NONE = np.zeros(0)
_DISTRIBUTION_BYTES = 1 << 22  # of log-probabilities at once; what fits a processor's cache is several times faster


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
    TextError for text that cannot be read, UsageError for a model whose scores are no probabilities.
    """
    if not isinstance(lm, LanguageModel):
        raise UsageError("surprisal is of a probability, and this model's scores are none; use a language model")
    scored = score_blocks(lm, pipeline or Pipeline(), blocks, threads=threads)
    if not distributions:
        return (line for block in scored for line in _lines(lm, block))
    if lm.scope == "stream":
        return _along_stream(lm, scored)
    groups = _groups(lm, scored)
    parts = ordered_map(lambda group: _with_distributions(lm, group, lm.start(len(group)))[0], groups, threads)
    return (line for part in parts for line in part)


def mean_rank_and_entropy(
    lm: LanguageModel[Any], blocks: Iterable[Block], *, pipeline: Pipeline | None = None, threads: int = 1
) -> tuple[float, float]:
    """Mean of 1 / rank over a text's tokens, and mean entropy, bits, of what was expected. Errors: as ``surprisals``.

    A text without a line is a TextError too.
    """
    reciprocal = entropy = 0.0
    tokens = 0
    for line in surprisals(lm, blocks, pipeline=pipeline, threads=threads):
        reciprocal += float((1 / line.rank).sum())
        entropy += float(line.entropy.sum())
        tokens += len(line.tokens)
    if not tokens:
        raise TextError("the text is empty: it has no tokens to rank; give a file with at least one line")
    return reciprocal / tokens, entropy / tokens


def _lines(lm: LanguageModel[Any], scored: ScoredBlock) -> list[LineSurprisal]:
    """The lines of a block, without rank and entropy."""
    read, eos = scored.read, lm.vocabulary.eos
    bits = (0.0 - scored.log_probs) / LN2  # not -log_probs, which would be -0.0 of a certain token
    ids = split_sentences(read.ids, eos)
    surprisal = np.split(bits, np.cumsum([len(line) for line in ids]))[:-1]
    end = "" if eos is None else lm.vocabulary.word(eos)
    return [
        LineSurprisal([*tokens, end], line, line_bits, line == lm.vocabulary.unk, _NONE, _NONE)
        for tokens, line, line_bits in zip(read.lines(), ids, surprisal, strict=True)
    ]


def _groups(lm: LanguageModel[Any], scored: Iterable[ScoredBlock]) -> Iterator[list[LineSurprisal]]:
    """As many lines at a time as there is room for distributions of their next words."""
    rows = max(1, _DISTRIBUTION_BYTES // (8 * len(lm.vocabulary)))
    for block in scored:
        lines = _lines(lm, block)
        yield from (lines[i : i + rows] for i in range(0, len(lines), rows))


def _along_stream(lm: LanguageModel[Any], scored: Iterable[ScoredBlock]) -> Iterator[LineSurprisal]:
    """Lines one after another: the state is carried on from each to the next."""
    state = lm.start(1)
    for block in scored:
        for line in _lines(lm, block):
            (found,), state = _with_distributions(lm, [line], state)
            yield found


def _with_distributions(
    lm: LanguageModel[Any], lines: list[LineSurprisal], state: Any
) -> tuple[list[LineSurprisal], Any]:
    """The lines with rank and entropy, by one distribution per step, and the state of those that were longest.

    The longest lines are the first rows, so that the rows still read are always the first ones.
    """
    order = sorted(range(len(lines)), key=lambda i: -len(lines[i].ids))
    tokens = pad([lines[i].ids for i in order])
    rank, entropy = np.zeros(tokens.shape, dtype=np.int64), np.zeros(tokens.shape)
    reading = np.count_nonzero(tokens >= 0, axis=0).tolist()
    for t, rows in enumerate(reading):
        if t and rows < reading[t - 1]:
            state = lm.select(state, np.arange(rows))
        column, log_probs = tokens[:rows, t], lm.log_probs(state)
        entropy[:rows, t] = entropies(log_probs)
        rank[:rows, t] = ranks(log_probs, column)
        state = lm.advance(state, column[:, None])
    result = list(lines)
    for row, i in enumerate(order):
        n = len(lines[i].ids)
        result[i] = replace(lines[i], rank=rank[row, :n], entropy=entropy[row, :n])
    return result, state
