"""Pruning to a size, and what is said of a pruned model."""

import re
from types import SimpleNamespace

import numpy as np
import pytest

import nextword
from nextword import store
from nextword.errors import UsageError
from nextword.mixture import Mixture
from nextword.tasks.prune import lowest_threshold, prune
from nextword.text.corpus import Corpus

LINES = ["students opened their books", "students opened their laptops", "the students read", "", "they opened it"] * 6


def lm(order=3, lines=LINES, **options):
    return nextword.train(Corpus.from_lines(lines), order=order, smoothing="witten-bell", **options)


def drawn(lines=400, words=60):
    """Lines of words that come by Zipf's law, so that there is much to prune."""
    random = np.random.default_rng(0)
    return [" ".join(f"w{min(i, words)}" for i in random.zipf(1.4, 9)) for _ in range(lines)]


def test_the_directory_is_as_large_as_asked_for_and_one_more_threshold_would_make_it_larger(tmp_path):
    whole = lm(lines=drawn())
    whole.save(tmp_path / "whole")
    before = store.size(tmp_path / "whole")
    for target in (before // 2, before // 3, before - 1):
        small = nextword.prune(whole, target_size=target)
        small.save(tmp_path / "small")
        found = store.size(tmp_path / "small")
        assert found == sum(file.stat().st_size for file in (tmp_path / "small").iterdir()) <= target
        done = small.model.details["pruned"][-1]
        lower = nextword.prune(whole, entropy=float(np.nextafter(done["threshold"], 0)))
        lower.save(tmp_path / "lower")
        assert store.size(tmp_path / "lower") > target - 40  # what the threshold's digits may take
        assert len(lower.model) > len(small.model)


def test_what_fits_is_left_as_it_is(tmp_path):
    whole = lm()
    same = nextword.prune(whole, target_size=10**7)
    assert same.model.counts() == whole.model.counts()
    assert same.model.details["pruned"][0]["threshold"] == 0
    np.testing.assert_array_equal(same.model.leaf, whole.model.leaf)


def test_the_model_says_what_was_done(tmp_path):
    whole = lm()
    nextword.prune(whole, entropy=1e-4).save(tmp_path / "once")
    twice = nextword.prune(nextword.load(tmp_path / "once"), entropy=1e-2, history=whole)
    first, second = twice.model.details["pruned"]
    assert first == {"threshold": 1e-4, "history": "stationary", "ngrams_before": whole.model.counts()}
    assert (second["threshold"], second["history"]) == (1e-2, "another model")
    assert twice.model.details["smoothing"] == "witten-bell"
    assert twice.info["trained_on"] == whole.info["trained_on"]


def test_training_can_end_in_pruning():
    trained = lm(prune_entropy=1e-2)
    pruned = nextword.prune(lm(), entropy=1e-2)
    assert trained.model.counts() == pruned.model.counts() != lm().model.counts()
    assert trained.model.details == pruned.model.details
    message = r"^prune_entropy and target_size are of n-gram models, this is a lstm; leave them out$"
    with pytest.raises(UsageError, match=message):
        nextword.train(Corpus.from_lines(LINES), kind="lstm", target_size=5)


@pytest.mark.parametrize("threshold", [0.0, 5e-324, 1e-300, 0.1, 0.1 + 0.2, 7.0, 1e308])
def test_the_lowest_threshold_is_found_to_the_last_bit(threshold):
    assert lowest_threshold(lambda x: 10 if x >= threshold else 11, 10) == threshold


def test_what_is_refused():
    model = lm().model
    stupid = nextword.train(Corpus.from_lines(LINES), order=2, smoothing="stupid-backoff").model
    refused = {
        "a stupid-backoff model has no n-grams to be pruned by relative entropy; give an n-gram model that has "
        "probabilities": (stupid, {"entropy": 1e-8}),
        "a mixture model has no n-grams to be pruned by relative entropy; merge it first, by mix --static": (
            Mixture([model, model]),
            {"entropy": 1e-8},
        ),
        "a ngram-hash model has no n-grams to be pruned by relative entropy; prune the model that it was quantised "
        "from": (SimpleNamespace(kind="ngram-hash"), {"entropy": 1e-8}),
        "both of a threshold (--entropy) and a size (--target-size) was given; give one of them": (
            model,
            {"entropy": 1e-8, "target_size": 5},
        ),
        "neither of a threshold (--entropy) and a size (--target-size) was given; give one of them": (model, {}),
        "threshold 0: expected a number above 0, such as 1e-8": (model, {"entropy": 0.0}),
        "threshold nan: expected a number above 0, such as 1e-8": (model, {"entropy": float("nan")}),
    }
    for message, (given, options) in refused.items():
        with pytest.raises(UsageError, match=f"^{re.escape(message)}$"):
            prune(given, **options)
    message = r"^the model's words alone take ([\d,]+) bytes, more than the 1,000 asked for; give a larger size, or "
    with pytest.raises(UsageError, match=message + r"train with fewer words \(--vocab-size or --min-count\)$"):
        prune(model, target_size=1000)
