"""What a model is made of and how its text is spread: counts, coverage, Zipf's law."""

from typing import Any

import numpy as np

from nextword.ngram.backoff import BackoffModel
from nextword.types import Array, Json


def describe(model: Any) -> Json:
    """Order, n-grams per order, vocabulary, and the share of possible bigrams that were seen."""
    vocabulary = model.vocabulary
    described: Json = {"kind": model.kind, "vocabulary": len(vocabulary), "context_length": model.context_length}
    described["oov_policy"] = (
        "an error" if vocabulary.unk is None else "an unknown word is <unk>, which has a probability of its own"
    )
    if hasattr(model, "counts"):
        counts = model.counts()
        described |= {"order": model.order, "ngrams": counts, "parameters": sum(counts)}
        if model.order > 1:
            # <s> is never predicted and </s> never a context; V counts <unk> and </s>
            described["bigram_coverage"] = counts[1] / (len(vocabulary) - 1) ** 2
    if isinstance(model, BackoffModel) and model.order > 1:
        described["zipf_exponent"] = zipf_exponent(unigram_frequencies(model))
    return described | {name: value for name, value in getattr(model, "details", {}).items()}


def unigram_frequencies(model: BackoffModel) -> Array:
    """Relative weight of each word but the specials, (V - 3,): its unigram probability in the model."""
    p = 10.0 ** model.inner[: len(model.vocabulary), 0].astype(np.float64)
    return np.delete(p, [i for i in model.vocabulary.specials().values() if i is not None])


def zipf_exponent(frequencies: Array) -> float | None:
    """S of frequency ∝ 1 / rank^s (Zipf 1949), by least squares on log-log axes, ranks spaced evenly in the log.

    None for fewer than 10 words. 1 is what natural language has, about.
    """
    ordered = np.sort(frequencies[frequencies > 0])[::-1]
    if len(ordered) < 10:
        return None
    ranks = np.unique(np.geomspace(1, len(ordered), 200).astype(np.int64))
    slope, _ = np.polyfit(np.log(ranks), np.log(ordered[ranks - 1]), 1)
    return float(-slope)
