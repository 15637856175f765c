"""What a model is made of, and how its text is spread: parameters, counts, coverage, Zipf's law."""

from typing import Any

import numpy as np

from nextword.mixture import Mixture
from nextword.ngram.backoff import BackoffModel
from nextword.tasks.saved import TaskModel
from nextword.text.zipf import zipf_exponent
from nextword.types import Array, Json


def describe(model: Any) -> Json:
    """What a model of any kind is: vocabulary, context, parameters, and what only its kind has.

    Of n-grams: the order, how many there are, and the share of the V² possible bigrams that were seen. Of a network:
    its settings. Of a mixture: its members. Of a classifier, tagger, translator or parser: what it was made with.
    """
    if isinstance(model, TaskModel):
        return model.described()
    vocabulary = model.vocabulary
    described: Json = {"kind": model.kind, "vocabulary": len(vocabulary), "context_length": model.context_length}
    described["oov_policy"] = (
        "an error" if vocabulary.unk is None else "an unknown word is <unk>, which has a probability of its own"
    )
    parameters = count_parameters(model)
    if parameters:
        described["parameters"] = parameters
    if hasattr(model, "settings"):
        described |= {"scope": model.scope, "network": model.settings}
    if hasattr(model, "counts"):
        counts = model.counts()
        described |= {"order": model.order, "ngrams": counts}
        if model.order > 1:  # of a model from an ARPA file: those it holds
            described["bigram_coverage"] = counts[1] / (len(vocabulary) - 1) ** 2
    if hasattr(model, "quantised"):
        described |= {"quantised": model.quantised, "rows_sum_to_1_within": model.tolerance}
    details: Json = getattr(model, "details", {})
    if isinstance(model, BackoffModel) and "zipf_exponent" not in details:  # it came from an ARPA file: no word counts
        exponent = zipf_exponent(unigram_probabilities(model))
        described |= {"zipf_exponent": exponent, "zipf_exponent_of": "unigram probabilities"}
    return described | details


def count_parameters(model: Any) -> int:
    """How many numbers were estimated; 0 if it does not tell.

    Of n-grams: a probability each, and a back-off weight below the highest order. Of a network: its weights. Of a
    mixture: those of its members, and their weights.
    """
    if hasattr(model, "counts"):
        counts = model.counts()
        return int(sum(counts) + sum(counts[:-1]))
    if isinstance(model, Mixture):
        return sum(map(count_parameters, model.models)) + len(model.models)
    return sum(array.size for array in model.arrays().values()) if hasattr(model, "arrays") else 0


def unigram_probabilities(model: BackoffModel) -> Array:
    """Unigram probability of each word but the specials, (V - 3,).

    These are smoothed, and Kneser-Ney's come from the number of different contexts of a word, not of its occurrences.
    """
    log10 = model.leaf if model.order == 1 else model.inner[: len(model.vocabulary), 0]
    p = 10.0 ** log10.astype(np.float64)
    return np.delete(p, [i for i in model.vocabulary.specials().values() if i is not None])
