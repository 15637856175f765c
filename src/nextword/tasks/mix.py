"""Mixing models: weights that suit a text none of them was trained on, and the model with those weights."""

from collections.abc import Callable, Iterable, Sequence
from typing import Any, NamedTuple

import numpy as np

from nextword.errors import TextError
from nextword.mixture import Mixture, fit_weights
from nextword.model import LanguageModel
from nextword.ngram.backoff import BackoffModel
from nextword.ngram.merging import check_mergeable, merge, unite
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
    ``merge`` does; they may have different words, and are compared on the union of all, as ``merge`` defines it.
    progress: called with each stage's name. Raises VocabularyError for models of other words unless ``static``,
    UsageError for what is no language model or cannot be merged, TextError for text that cannot be read or is empty.
    """
    reader, say = pipeline or Pipeline(), progress or (lambda stage: None)
    shares = _check(models, static)  # refuses what makes no mixture before anything is read
    rows: list[Float_T] = []
    for i, lm in enumerate(models, start=1):
        say(f"model {i} of {len(models)}")
        rows.append(_log_probs(lm, reader, blocks, threads, shares[i - 1]))
    log_probs = np.array(rows)
    if not log_probs.size:
        raise TextError("the tuning text is empty: there is nothing to fit weights to; give a file with a line")
    fit = fit_weights(log_probs)
    model: Any = None if static else Mixture(models, fit.weights)
    perplexity = float(np.exp(-fit.log_likelihoods[-1])) if not fit.impossible else float("inf")
    if static:
        say("merging")
        members: Sequence[Any] = models
        model = merge(members, fit.weights.tolist(), threads=threads)
        perplexity = _perplexity(_log_probs(model, reader, blocks, threads))
    found = [_perplexity(row) for row in rows]
    return Mixed(model, fit.weights, found, perplexity, len(rows[0]), fit.impossible, len(fit.log_likelihoods) - 1)


def _check(models: Sequence[Any], static: bool) -> list[float]:
    """Raise what cannot be mixed; the share of each model's ``<unk>`` that a word which it lacks gets."""
    if static and models:
        check_mergeable(models)
        return unite(models).unknown_share
    return [1.0 for _ in Mixture(models).models]


def _log_probs(
    lm: LanguageModel[Any], pipeline: Pipeline, blocks: Iterable[Block], threads: int, share: float = 1.0
) -> Float_T:
    """Log-probability of each token, (T,) nats; to unknown ones goes ``share`` of what the model gives ``<unk>``."""
    parts: list[Float_T] = [np.zeros(0)]
    for read, log_probs in score_blocks(lm, pipeline, blocks, threads=threads):
        if share < 1:
            log_probs = np.where(read.ids == lm.vocabulary.unk, log_probs + np.log(share), log_probs)
        parts.append(log_probs)
    return np.concatenate(parts)


def _perplexity(log_probs: Float_T) -> float:
    with np.errstate(over="ignore"):
        return float(np.exp(-log_probs.mean()))
