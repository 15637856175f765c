"""Keystrokes saved: how much typing a keyboard that shows the likeliest words would spare (Trnka and McCoy 2008)."""

from collections.abc import Iterable
from typing import Any, NamedTuple

import numpy as np
from numba import njit

from nextword.errors import UsageError
from nextword.model import LanguageModel
from nextword.tasks.reading import read_block
from nextword.text.blocks import Block
from nextword.text.pipeline import Pipeline
from nextword.text.vocabulary import Vocabulary
from nextword.types import Array, Bytes, Float_V

_SPELT = ("char", "byte", "bpe", "file")  # tokenizers whose tokens are no words


class Keystrokes(NamedTuple):
    """Keys pressed with the suggestions and without them; a key is a character, a choice, or the space after a word."""

    pressed: int
    without: int

    @property
    def saved(self) -> float:
        """Share of the keystrokes spared, 0 to 1."""
        return 1 - self.pressed / self.without


def keystrokes(
    lm: LanguageModel[Any], blocks: Iterable[Block], *, pipeline: Pipeline | None = None, suggestions: int = 3
) -> Keystrokes:
    """Type a text: after each letter the ``suggestions`` likeliest words with that beginning are shown.

    A word costs its letters until it is shown, and one key to choose it; or all of them and a space. A word that the
    model does not know, or holds impossible, is never shown. Raises UsageError for fewer than 1 suggestion, a model
    that does not predict words, or a text without words.
    """
    reader = pipeline or Pipeline()
    _check(lm, reader, suggestions)
    pressed = without = 0
    state = lm.start(1)
    shown = _Suggestions(lm.vocabulary, suggestions)
    for block in blocks:
        read = read_block(lm.vocabulary, reader, block)
        spellings = [token for line in read.lines() for token in [*line, ""]]  # "" stands for </s>
        for word, token in zip(read.ids.tolist(), spellings, strict=True):
            if word != lm.vocabulary.eos:
                pressed += 1 + (len(token) if word == lm.vocabulary.unk else shown.typed(lm.log_probs(state)[0], word))
                without += 1 + len(token)
            state = lm.advance(state, np.array([[word]], dtype=np.int32))
    if not without:
        raise UsageError("the text holds no words to type; give a file with at least one")
    return Keystrokes(pressed, without)


def _check(lm: LanguageModel[Any], pipeline: Pipeline, suggestions: int) -> None:
    if suggestions < 1:
        raise UsageError(f"{suggestions} suggestions: a keyboard shows 1 or more")
    if not isinstance(lm, LanguageModel):
        raise UsageError("this model gives scores, no probabilities of the next word; use a language model")
    if pipeline.tokenizer.name in _SPELT:
        raise UsageError(
            f"keystrokes are counted for models of words, and this one's tokens are those of the "
            f"{pipeline.tokenizer.name} tokenizer; train one with --tokenizer word or whitespace"
        )


class _Suggestions:
    """What a keyboard shows of a vocabulary: never the special tokens."""

    def __init__(self, vocabulary: Vocabulary, most: int):
        arrays = vocabulary.arrays()
        self._blob, self._offsets, self._most = arrays["words"], arrays["offsets"], most
        self._hidden = [i for i in vocabulary.specials().values() if i is not None]

    def typed(self, log_probs: Float_V, word: int) -> int:
        """Characters of ``word`` to type before it is shown, or all of them."""
        candidates = log_probs.astype(np.float64)
        candidates[self._hidden] = -np.inf
        return int(_typed(candidates, word, self._blob, self._offsets, self._most))


@njit(cache=True, nogil=True)
def _typed(log_probs: Float_V, word: int, blob: Bytes, offsets: Array, most: int) -> int:
    """Characters to type before ``word`` is among the ``most`` likeliest that begin with them, or all of them."""
    begin, size = offsets[word], offsets[word + 1] - offsets[word]
    rivals = np.zeros(size + 1, dtype=np.int64)  # likelier words by the bytes they share with this one
    for other in range(len(log_probs)):
        if log_probs[other] > log_probs[word] or (log_probs[other] == log_probs[word] and other < word):
            at, common = offsets[other], 0
            while common < size and at + common < offsets[other + 1] and blob[at + common] == blob[begin + common]:
                common += 1
            rivals[common] += 1
    for common in range(size - 1, -1, -1):
        rivals[common] += rivals[common + 1]
    typed = 0
    for common in range(size):
        if (blob[begin + common] & 0xC0) != 0x80:  # the beginning of a character
            if rivals[common] < most and log_probs[word] > -np.inf:
                break
            typed += 1
    return typed
