"""Mixing models: weights that suit a text none of them was trained on, and the model with those weights."""

from collections.abc import Callable, Iterable, Sequence
from typing import Any, NamedTuple

import numpy as np

from nextword.errors import TextError
from nextword.mixture import Mixture, fit_weights
from nextword.model import LanguageModel
from nextword.ngram.backoff import BackoffModel
from nextword.ngram.merging import check_mergeable, merge
from nextword.tasks.reading import score_blocks
from nextword.text.blocks import Block
from nextword.text.pipeline import Pipeline
from nextword.types import Array, Float_T


class Mixed(NamedTuple):
    """A mixture and how its weights were found.

    perplexities: of each member on the tuning text; perplexity: the model's own there, which flatters it a little, as
    the weights have seen it. tokens: in that text, ``</s>`` counted. impossible: of them, those to which every member
    gives probability 0. steps: of EM.
    """

    model: Mixture | BackoffModel
    weights: Array
    perplexities: list[float]
    perplexity: float
    tokens: int
    impossible: int
    steps: int


def mix(
    models: Sequence[LanguageModel[Any]],
    blocks: Iterable[Block],
    *,
    pipeline: Pipeline | None = None,
    static: bool = False,
    threads: int = 1,
    progress: Callable[[str], None] | None = None,
) -> Mixed:
    """The mixture of ``models`` under which a tuning text is likeliest (Jelinek and Mercer 1980).

    blocks: the tuning text, which is read once for each model. static: make one n-gram model of n-gram models, as
    ``merge`` does. progress: called with each stage's name. Raises VocabularyError for models of other words,
    UsageError for what is no language model or cannot be merged, TextError for text that cannot be read or is empty.
    """
    reader, say = pipeline or Pipeline(), progress or (lambda stage: None)
    Mixture(models)  # refuses what makes none before anything is read
    if static:
        check_mergeable(models)
    rows: list[Float_T] = []
    for i, lm in enumerate(models, start=1):
        say(f"model {i} of {len(models)}")
        rows.append(_log_probs(lm, reader, blocks, threads))
    log_probs = np.array(rows)
    if not log_probs.size:
        raise TextError("the tuning text is empty: there is nothing to fit weights to; give a file with a line")
    fit = fit_weights(log_probs)
    model: Mixture | BackoffModel = Mixture(models, fit.weights)
    perplexity = float(np.exp(-fit.log_likelihoods[-1])) if not fit.impossible else float("inf")
    if static:
        say("merging")
        members: Sequence[Any] = models
        merged: Any = merge(members, fit.weights.tolist())
        model, perplexity = merged, _perplexity(_log_probs(merged, reader, blocks, threads))
    found = [_perplexity(row) for row in rows]
    return Mixed(model, fit.weights, found, perplexity, len(rows[0]), fit.impossible, len(fit.log_likelihoods) - 1)


def _log_probs(lm: LanguageModel[Any], pipeline: Pipeline, blocks: Iterable[Block], threads: int) -> Float_T:
    parts = [scored.log_probs for scored in score_blocks(lm, pipeline, blocks, threads=threads)]
    return np.concatenate(parts) if parts else np.zeros(0)


def _perplexity(log_probs: Float_T) -> float:
    with np.errstate(over="ignore"):
        return float(np.exp(-log_probs.mean()))
