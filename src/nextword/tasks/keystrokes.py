"""Keystrokes saved: how much typing a keyboard that shows the likeliest words would spare (Trnka and McCoy 2008)."""

from collections.abc import Iterable
from typing import Any, NamedTuple

import numpy as np
from numba import njit

from nextword.errors import UsageError
from nextword.model import LanguageModel
from nextword.tasks.reading import line_tokens
from nextword.text.corpus import Block
from nextword.text.pipeline import Pipeline
from nextword.types import Array, Bytes, Float_V, Ids_T


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

    A word costs its letters until it is shown, and one key to choose it; or all of them and a space. Raises
    UsageError for fewer than 1 suggestion or a text without words.
    """
    if suggestions < 1:
        raise UsageError(f"{suggestions} suggestions: a keyboard shows 1 or more")
    reader, vocabulary = pipeline or Pipeline(), lm.vocabulary
    arrays = vocabulary.arrays()
    characters = np.array([len(word) for word in vocabulary.words])
    hidden = [i for i in (vocabulary.unk, vocabulary.bos, vocabulary.eos) if i is not None]
    pressed = without = 0
    for block in blocks:
        prepared = reader.canonical(block.text)
        encoded = vocabulary.encode(prepared.text, block.where)
        state = lm.start(1)
        for word in encoded.ids.tolist():
            if word not in hidden:
                log_probs = lm.log_probs(state)[0].astype(np.float64)
                log_probs[hidden] = -np.inf
                pressed += _keys(log_probs, word, arrays["words"], arrays["offsets"], suggestions) + 1
                without += int(characters[word]) + 1
            state = lm.advance(state, np.array([[word]], dtype=np.int32))
        unknown = _unknown_keys(prepared.text, encoded.ids, vocabulary.unk)
        pressed, without = pressed + unknown, without + unknown
    if not without:
        raise UsageError("the text holds no words to type; give a file with at least one")
    return Keystrokes(pressed, without)


def _unknown_keys(text: bytes, ids: Ids_T, unk: int | None) -> int:
    """Keys for the words outside the vocabulary, which no suggestion helps with."""
    tokens = [token for line in line_tokens(text) for token in [*line, ""]]  # "" stands for </s>
    return sum(len(token) + 1 for token, word in zip(tokens, ids.tolist(), strict=True) if word == unk)


@njit(cache=True, nogil=True)
def _keys(log_probs: Float_V, word: int, blob: Bytes, offsets: Array, suggestions: int) -> int:
    """Characters to type before ``word`` is among the likeliest that begin with them; all of them if it never is."""
    begin, end = offsets[word], offsets[word + 1]
    size = end - begin
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
            if rivals[common] < suggestions:
                return typed
            typed += 1
    return typed
