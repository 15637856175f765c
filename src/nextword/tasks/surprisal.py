"""Surprisal token by token, with rank and entropy: what measures of reading are compared with (Hale 2001)."""

from collections.abc import Iterable, Iterator
from dataclasses import dataclass, field, replace
from typing import Any, NamedTuple, Protocol, runtime_checkable

import numpy as np

from nextword.errors import TextError, UsageError
from nextword.model import LanguageModel
from nextword.tasks.evaluate import LN2
from nextword.tasks.next import entropies, ranks
from nextword.tasks.reading import ScoredBlock, ordered_map, pad, score_blocks, split_sentences
from nextword.text.blocks import Block
from nextword.text.pipeline import Pipeline
from nextword.types import Array, Float_BV, Ids_BT, Ids_T

_NONE = np.zeros(0)
_DISTRIBUTION_BYTES = 1 << 22  # of log-probabilities at once; what fits a processor's cache is several times faster


@dataclass(frozen=True, eq=False)
class LineSurprisal:
    """One line's tokens, ``</s>`` last, (T,). surprisal: bits. rank: from 1. entropy: bits, of what could have come.

    oov: whether the vocabulary lacks the token, whose surprisal is then that of ``<unk>``. word_end: nats, the
    log-probability of a token before which a word has ended. rank, entropy and word_end are empty unless asked for.
    """

    tokens: list[str]
    ids: Ids_T
    surprisal: Array
    oov: Array
    rank: Array
    entropy: Array
    word_end: Array = field(default_factory=lambda: _NONE)


class WordEnds(NamedTuple):
    """Ids, as masks (V,), before which a word has ended: after a word, and where a line begins and none has yet."""

    inside: Array
    first: Array


@runtime_checkable
class Distributor(Protocol):
    """A family with a faster door to whole distributions: many tokens are read at once."""

    def distributions(self, tokens: Ids_BT, state: Any) -> Iterator[tuple[Array, Any]]:
        """Log-probabilities before each token, a few tokens at a time, (B, n, V) nats, and the state after those."""
        ...


class _Wanted(NamedTuple):
    """Which figures of a distribution are to be computed."""

    ranks: bool
    ends: WordEnds | None

    def measure(self, log_probs: Float_BV, ids: Ids_T, *, first: bool) -> tuple[Any, Any, Any]:
        """Entropy, rank and the log-probability of a word's end, of each row, (B,); 0 for what is not wanted."""
        entropy, rank = (entropies(log_probs), ranks(log_probs, ids)) if self.ranks else (0, 0)
        return entropy, rank, 0 if self.ends is None else _word_end(self.ends, log_probs, ids, first=first)


def surprisals(
    lm: LanguageModel[Any],
    blocks: Iterable[Block],
    *,
    pipeline: Pipeline | None = None,
    distributions: bool = True,
    word_ends: WordEnds | None = None,
    threads: int = 1,
) -> Iterator[LineSurprisal]:
    """The surprisal of every token of a text, line by line.

    distributions: also give rank and entropy, which take the whole next-word distribution of every token, as
    ``word_end`` does for the ids of ``word_ends``. Raises TextError for text that cannot be read, UsageError for a
    model whose scores are no probabilities.
    """
    if not isinstance(lm, LanguageModel):
        raise UsageError("surprisal is of a probability, and this model's scores are none; use a language model")
    scored = score_blocks(lm, pipeline or Pipeline(), blocks, threads=threads)
    if not distributions and word_ends is None:
        return (line for block in scored for line in _lines(lm, block))
    wanted = _Wanted(distributions, word_ends)
    if lm.scope == "stream":
        return _along_stream(lm, scored, wanted)
    groups = _groups(lm, scored)
    parts = ordered_map(lambda group: _with_distributions(lm, group, lm.start(len(group)), wanted)[0], groups, threads)
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


def _along_stream(lm: LanguageModel[Any], scored: Iterable[ScoredBlock], wanted: _Wanted) -> Iterator[LineSurprisal]:
    """Lines one after another: the state is carried on from each to the next."""
    state = lm.start(1)
    for block in scored:
        for line in _lines(lm, block):
            (found,), state = _with_distributions(lm, [line], state, wanted)
            yield found


def _with_distributions(
    lm: LanguageModel[Any], lines: list[LineSurprisal], state: Any, wanted: _Wanted
) -> tuple[list[LineSurprisal], Any]:
    """The lines with what is wanted of each distribution, and the state of those that were longest.

    The longest lines are the first rows, so that the rows still read are always the first ones.
    """
    order = sorted(range(len(lines)), key=lambda i: -len(lines[i].ids))
    tokens = pad([lines[i].ids for i in order])
    figures = np.zeros((3, *tokens.shape))
    for t, log_probs, after in walk_distributions(lm, tokens, state):
        rows, state = len(log_probs), after
        figures[0, :rows, t], figures[1, :rows, t], figures[2, :rows, t] = wanted.measure(
            log_probs, tokens[:rows, t], first=t == 0
        )
    result = list(lines)
    for row, i in enumerate(order):
        entropy, rank, word_end = figures[:, row, : len(lines[i].ids)]
        if wanted.ranks:
            result[i] = replace(result[i], rank=rank.astype(np.int64), entropy=entropy)
        if wanted.ends is not None:
            result[i] = replace(result[i], word_end=word_end)
    return result, state


def walk_distributions(lm: LanguageModel[Any], tokens: Ids_BT, state: Any) -> Iterator[tuple[int, Float_BV, Any]]:
    """Each step, the distributions of the rows that have a token there, and the state once that is read.

    tokens: (B, T), longest rows first. A state from a faster door may be that after a few more tokens.
    """
    reading = np.count_nonzero(tokens >= 0, axis=0).tolist()
    if isinstance(lm, Distributor):
        t = 0
        for log_probs, after in lm.distributions(tokens, state):
            for column in range(log_probs.shape[1]):
                yield t, log_probs[: reading[t], column], after
                t += 1
        return
    for t, rows in enumerate(reading):
        if t and rows < reading[t - 1]:
            state = lm.select(state, np.arange(rows))
        log_probs = lm.log_probs(state)
        state = lm.advance(state, tokens[:rows, t, None])
        yield t, log_probs, state


def _word_end(ends: WordEnds, log_probs: Float_BV, ids: Ids_T, *, first: bool) -> Array:
    """Log-probability that a word ends before the next token, (B,) nats; at a line's start: that one may begin."""
    with np.errstate(divide="ignore"):
        inside = np.log(np.exp(log_probs[:, ends.inside]).sum(axis=1, dtype=np.float64))
        if not first:
            return np.asarray(inside)
        begins = np.log(np.exp(log_probs[:, ends.first]).sum(axis=1, dtype=np.float64))
        return np.asarray(np.where(ends.first[ids], begins, inside))
