"""Weights found on a text, and what comes of them."""

import re

import numpy as np
import pytest

import nextword
from nextword.errors import TextError, UsageError, VocabularyError
from nextword.mixture import Mixture, fit_weights
from nextword.model import LanguageModel
from nextword.tasks.evaluate import evaluate
from nextword.tasks.mix import mix
from nextword.text.corpus import Corpus
from toy import BigramTable, DecayingVotes, random_table

TRAIN = ["students opened their books", "students opened their laptops", "the students read", "", "they opened it"] * 6
TUNE = ["they opened their laptops", "the students opened it", "students read", ""]


def lm(**options):
    return nextword.train(Corpus.from_lines(TRAIN), smoothing="witten-bell", **options)


def perplexity(model, weights=None):
    return evaluate(model if weights is None else Mixture(model, weights), Corpus.from_lines(TUNE)).perplexity


def test_no_other_weights_are_better():
    models = [lm(order=n).model for n in (1, 2, 4)]
    mixed = mix(models, Corpus.from_lines(TUNE))
    assert mixed.perplexity == pytest.approx(perplexity(mixed.model))
    assert mixed.perplexities == pytest.approx([perplexity(model) for model in models])
    assert (mixed.tokens, mixed.impossible) == (14, 0)
    assert mixed.steps > 1
    for shift in np.random.default_rng(0).dirichlet([1, 1, 1], size=50):
        other = 0.98 * mixed.weights + 0.02 * shift
        assert perplexity(models, other) > mixed.perplexity - 1e-6


def test_of_a_stream_and_a_sentence_model():
    models = [BigramTable(), DecayingVotes(random_table(6, 3))]
    mixed = mix(models, Corpus.from_lines(["a b c", "b", "c a"]))
    assert mixed.model.scope == "stream"
    assert mixed.perplexity == pytest.approx(evaluate(mixed.model, Corpus.from_lines(["a b c", "b", "c a"])).perplexity)


def test_an_impossible_token_makes_the_perplexity_infinite():
    table = random_table(6)
    table[:, 4] = -np.inf
    mixed = mix([BigramTable(table), BigramTable(table)], Corpus.from_lines(["a b", "c"]))
    assert (mixed.perplexity, mixed.impossible, mixed.perplexities) == (np.inf, 1, [np.inf, np.inf])
    assert mixed.weights.tolist() == [0.5, 0.5]


def test_an_empty_text_has_no_weights():
    message = r"^the tuning text is empty: there is nothing to fit weights to; give a file with a line$"
    with pytest.raises(TextError, match=message):
        mix([BigramTable(), DecayingVotes()], Corpus.from_text(""))


def test_models_as_users_hold_them(tmp_path):
    (tmp_path / "tune.txt").write_text("\n".join(TUNE) + "\n")
    mixed = nextword.mix([lm(order=1), lm(order=3)], tmp_path / "tune.txt")
    mixed.save(tmp_path / "mixed")
    loaded = nextword.load(tmp_path / "mixed")
    assert isinstance(loaded.model, nextword.Mixture)
    settings = loaded.info["settings"]
    assert [member["kind"] for member in settings["members"]] == ["ngram", "ngram"]
    assert [member["weight"] for member in settings["members"]] == list(loaded.model.weights)
    assert settings["tuning_perplexity"] == pytest.approx(loaded.evaluate(tmp_path / "tune.txt").perplexity)
    assert settings["tuned_on"][0]["path"] == str(tmp_path / "tune.txt")
    assert loaded.info["trained_on"] == lm(order=1).info["trained_on"]  # one text, named once
    assert loaded.next("students opened", k=1).words == ("their",)
    assert loaded.generate("they", temperature=0, max_tokens=2)
    assert loaded.steps("they read")[0].word == "they"
    assert loaded.score("they read") == pytest.approx(mixed.score("they read"))


def test_static_is_one_ngram_model():
    mixed = nextword.mix([lm(order=1), lm(order=3)], Corpus.from_lines(TUNE), static=True)
    dynamic = nextword.mix([lm(order=1), lm(order=3)], Corpus.from_lines(TUNE))
    assert isinstance(mixed.model, nextword.BackoffModel)
    assert isinstance(mixed.model, LanguageModel)
    assert mixed.info["settings"]["members"] == dynamic.info["settings"]["members"]
    assert mixed.info["settings"]["tuning_perplexity"] == pytest.approx(perplexity(mixed.model))
    assert perplexity(mixed.model) == pytest.approx(perplexity(dynamic.model), rel=0.1)


def test_weights_of_models_of_other_words_are_fitted_to_the_same_events():
    """Each model is measured on the union of all words, of whose unknown ones it shares out its <unk>."""
    one = lm().model
    other = nextword.train(Corpus.from_lines(["zebras read it", "zebras"] * 3), order=2, smoothing="witten-bell").model
    tune = Corpus.from_lines([*TUNE, "zebras read laptops", "quaggas"])
    mixed = mix([one, other], tune, static=True)
    lacking = [set(other.vocabulary.words) - set(one.vocabulary.words), {*one.vocabulary} - {*other.vocabulary}]
    assert lacking[0] == {"zebras"}
    shares = [1 / (len(words) + 1) for words in lacking]
    log_probs = np.array([scores(model, tune, share) for model, share in zip([one, other], shares, strict=True)])
    assert mixed.perplexities == pytest.approx(np.exp(-log_probs.mean(axis=1)).tolist())
    np.testing.assert_allclose(mixed.weights, fit_weights(log_probs).weights)
    assert mixed.perplexity == pytest.approx(evaluate(mixed.model, tune).perplexity)


def scores(model, corpus, share):
    parts = []
    for block in corpus:
        ids = model.vocabulary.encode(block.text).ids
        parts.append(model.stream_log_probs(ids) + np.log(np.where(ids == 0, share, 1.0)))
    return np.concatenate(parts)


def test_what_cannot_be_mixed():
    text = Corpus.from_lines(TUNE)
    message = (
        "model 2 normalises or cuts text otherwise than model 1, and a mixture reads a text in one way; train both "
        "with the same tokenizer and normaliser"
    )
    with pytest.raises(UsageError, match=f"^{re.escape(message)}$"):
        nextword.mix([lm(), lm(tokenizer="char")], text)
    other = nextword.train(Corpus.from_lines(["students read"]), smoothing="witten-bell")
    with pytest.raises(VocabularyError, match=r"^model 2 of the mixture has another vocabulary than model 1: 7 words "):
        nextword.mix([lm(), other], text)
    message = r"^model 2 \(DecayingVotes\) is no n-gram model, and only n-gram models are merged; mix without --static$"
    with pytest.raises(UsageError, match=message):
        model = lm().model
        mix([model, DecayingVotes(random_table(len(model.vocabulary)), model.vocabulary)], text, static=True)
    for static in (False, True):
        with pytest.raises(UsageError, match=r"^a mixture of no models was asked for; give at least one$"):
            nextword.mix([], text, static=static)
