"""Log-probabilities of many lines at once: what ranks and filters sentences from Python."""

from collections.abc import Iterable
from typing import Any

import numpy as np

from nextword.model import LanguageModel, Scorer
from nextword.tasks.reading import ScoredBlock, score_blocks
from nextword.text.blocks import Block
from nextword.text.pipeline import Pipeline
from nextword.types import Array


def line_log_probs(
    lm: LanguageModel[Any] | Scorer[Any], blocks: Iterable[Block], *, pipeline: Pipeline | None = None, threads: int = 1
) -> Array:
    """Log-probability of each line of a text and its ``</s>``, (lines,) nats.

    Raises TextError for text that cannot be read.
    """
    scored = score_blocks(lm, pipeline or Pipeline(), blocks, threads=threads)
    return np.concatenate([np.zeros(0), *(_sums(block, lm.vocabulary.eos) for block in scored)])


def _sums(scored: ScoredBlock, eos: int | None) -> Array:
    """Sums of log-probabilities up to and with each ``</s>``, (lines,)."""
    ends = np.flatnonzero(scored.read.ids == eos)
    return np.asarray(np.add.reduceat(scored.log_probs, np.append(0, ends[:-1] + 1))) if len(ends) else np.zeros(0)
