"""How far a model is from a source whose probabilities are known: exactly, not from a sample."""

from typing import Any

import numpy as np

from nextword.errors import UsageError
from nextword.model import LanguageModel
from nextword.text.synthetic import Source
from nextword.types import Array

_CELLS = 2**22  # log-probabilities asked for at a time


def divergence(source: Source, lm: LanguageModel[Any]) -> float:
    """Kullback-Leibler divergence of ``lm`` from ``source``, nats per token: its cross-entropy less the least possible.

    Every history that the model can tell apart (the last ``lm.context_length`` tokens; a sentence model's begin at
    the sentence's start) is asked once and weighted by its stationary probability. Never negative but for rounding;
    infinite if the model calls something impossible that is not. Raises UsageError if the vocabulary lacks a word of
    the source or the histories are too many to enumerate, as they are for a model of unbounded context
    unless it forgets at the end of a sentence and the source's sentences are of bounded length.
    """
    ids = _ids(source, lm)
    cross = 0.0
    for words, joint in source.histories(lm.context_length, across=_across(source, lm)):
        step = max(1, _CELLS // len(lm.vocabulary))
        for i in range(0, len(words), step):
            cross += _cross_entropy(lm, ids, words[i : i + step], joint[i : i + step])
    return cross - source.entropy_rate()


def _across(source: Source, lm: LanguageModel[Any]) -> bool:
    """Whether the model's histories run over the end of a sentence."""
    return lm.scope == "stream" and source.start is not None


def _cross_entropy(lm: LanguageModel[Any], ids: Array, words: Array, joint: Array) -> float:
    """The part of the cross-entropy that is due to ``words``, (B, T), and what follows them, (B, A + 1)."""
    state = lm.start(len(words))
    if words.shape[1]:
        state = lm.advance(state, ids[words])
    log_probs = lm.log_probs(state)[:, ids]
    return -float(np.multiply(joint, log_probs, out=np.zeros_like(joint), where=joint > 0).sum())


def _ids(source: Source, lm: LanguageModel[Any]) -> Array:
    """The model's ids of the source's words and of ``</s>``, (A + 1,)."""
    missing = [word for word in source.words if word not in lm.vocabulary]
    if missing:
        raise UsageError(
            f"the model's vocabulary lacks {len(missing)} of the source's {len(source.words)} words, such as "
            f"{missing[0]!r}; train it with source.vocabulary or on more text"
        )
    eos = lm.vocabulary.eos
    if eos is None and source.start is not None:
        raise UsageError("the source ends its sentences and the model has no </s>; make the source a stream (end=None)")
    # a stream never comes to its last column
    return np.append(lm.vocabulary.ids(source.words), np.int32(0 if eos is None else eos))
