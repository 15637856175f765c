"""What a model is made of and how its text is spread: counts, coverage, Zipf's law."""

from typing import Any

import numpy as np

from nextword.ngram.backoff import BackoffModel
from nextword.text.zipf import zipf_exponent
from nextword.types import Array, Json


def describe(model: Any) -> Json:
    """Order, n-grams per order, vocabulary, and the share of the V² possible bigrams that were seen."""
    vocabulary = model.vocabulary
    described: Json = {"kind": model.kind, "vocabulary": len(vocabulary), "context_length": model.context_length}
    described["oov_policy"] = (
        "an error" if vocabulary.unk is None else "an unknown word is <unk>, which has a probability of its own"
    )
    if hasattr(model, "counts"):
        counts = model.counts()
        # one probability each, and a back-off weight below the highest order
        described |= {"order": model.order, "ngrams": counts, "parameters": sum(counts) + sum(counts[:-1])}
        if model.order > 1:  # of a model from an ARPA file: those it holds
            described["bigram_coverage"] = counts[1] / (len(vocabulary) - 1) ** 2
    details: Json = getattr(model, "details", {})
    if isinstance(model, BackoffModel) and "zipf_exponent" not in details:  # it came from an ARPA file: no word counts
        exponent = zipf_exponent(unigram_probabilities(model))
        described |= {"zipf_exponent": exponent, "zipf_exponent_of": "unigram probabilities"}
    return described | details


def unigram_probabilities(model: BackoffModel) -> Array:
    """Unigram probability of each word but the specials, (V - 3,).

    These are smoothed, and Kneser-Ney's come from the number of different contexts of a word, not of its occurrences.
    """
    log10 = model.leaf if model.order == 1 else model.inner[: len(model.vocabulary), 0]
    p = 10.0 ** log10.astype(np.float64)
    return np.delete(p, [i for i in model.vocabulary.specials().values() if i is not None])
