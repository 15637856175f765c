"""Surprisal word by word, whatever a model's tokens are: what is measured of readers is measured of words.

A word is what stands between blanks. Its pieces' probabilities multiply; the blank before a word belongs to it, as in
the pieces of most tokenizers (``Ġopened``). That product is the probability that the text goes on with these pieces,
not that the word ends with them: *open* includes *opened*. Summed over all words it is more than 1, and the price of a
word's end is paid by the word after it. The beginning-of-word correction moves it to where it belongs (Pimentel and
Meister 2024, theorem 2; Oh and Schuler 2024):

    p(w | context) = Π p(piece) · P(context w) / P(context),    P(h) = Σ p(s | h) over s before which a word has ended

These s are the pieces that begin with a blank, and the end of the line. Where a line begins, no blank comes before the
first word, and P sums over the pieces that can begin a line instead (their theorem 3). The end of a line has a row too,
p(</s> | context) / P(context), with which the words' probabilities sum to 1 after every context.
"""

from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from functools import lru_cache
from typing import Any

import numpy as np

from nextword.model import LanguageModel
from nextword.tasks.evaluate import LN2
from nextword.tasks.surprisal import LineSurprisal, WordEnds, surprisals
from nextword.text.blocks import Block
from nextword.text.pipeline import Pipeline
from nextword.text.tokenize import DELIMITERS, Tokenizer
from nextword.text.vocabulary import Vocabulary
from nextword.types import Array


@dataclass(frozen=True, eq=False)
class LineOfWords:
    """One line's words, the end of the line last, (W,). surprisal: bits; tokens: how many pieces each has.

    oov: whether a piece of the word is not in the vocabulary.
    """

    words: list[str]
    surprisal: Array
    tokens: Array
    oov: Array


def word_surprisals(
    lm: LanguageModel[Any],
    blocks: Iterable[Block],
    *,
    pipeline: Pipeline | None = None,
    correction: bool = False,
    threads: int = 1,
) -> Iterator[LineOfWords]:
    """The surprisal of every word of a text, line by line; without ``correction`` they sum to that of the tokens.

    correction: count a word's end with the word. Raises UsageError if the tokens do not tell where words begin, and
    what ``surprisals`` raises.
    """
    reader = pipeline or Pipeline()
    ends = word_ends(lm.vocabulary, reader.tokenizer)
    lines = surprisals(
        lm, blocks, pipeline=reader, distributions=False, word_ends=ends if correction else None, threads=threads
    )
    cut = _Cutter(reader.tokenizer)
    return (cut(line) for line in lines)


def word_ends(vocabulary: Vocabulary, tokenizer: Tokenizer) -> WordEnds:
    """The ids before which a word has ended, and those that can begin a line; UsageError if tokens do not tell."""
    inside = np.array([tokenizer.begins_word(word) for word in vocabulary.words], dtype=bool)
    if vocabulary.eos is not None:
        inside[vocabulary.eos] = True
    if tokenizer.begins_word(tokenizer.tokens("a")[0]):  # the first word has the mark of all others
        return WordEnds(inside, inside)
    first = ~inside
    if vocabulary.eos is not None:
        first[vocabulary.eos] = True
    return WordEnds(inside, first)


class _Cutter:
    """Joins a line's tokens to words."""

    def __init__(self, tokenizer: Tokenizer):
        self._detokenize = tokenizer.detokenize
        self._begins = lru_cache(1 << 16)(tokenizer.begins_word)
        self._is_blank = lru_cache(1 << 16)(lambda token: not tokenizer.detokenize([token]).strip(DELIMITERS))

    def __call__(self, line: LineSurprisal) -> LineOfWords:
        tokens = line.tokens
        starts = self._starts(tokens)
        bits = np.add.reduceat(line.surprisal, starts)
        if len(line.word_end):
            before = line.word_end[starts]
            bits = bits + (before - np.append(before[1:], 0.0)) / LN2  # a line's end is sure to end
        groups = [tokens[start:end] for start, end in zip(starts, [*starts[1:], len(tokens) - 1], strict=True)]
        words = [self._detokenize(group).strip(DELIMITERS) for group in groups[:-1]]
        counts = np.diff(np.append(starts, len(tokens)))
        return LineOfWords([*words, tokens[-1]], bits, counts, np.logical_or.reduceat(line.oov, starts))

    def _starts(self, tokens: list[str]) -> list[int]:
        """Where words begin: at a token that begins one, unless there were only blanks since the last."""
        starts, blank = [0], True
        for i, token in enumerate(tokens[:-1]):
            if not blank and self._begins(token):
                starts.append(i)
                blank = True
            blank = blank and self._begins(token) and self._is_blank(token)
        if not blank:
            starts.append(len(tokens) - 1)
        return starts
