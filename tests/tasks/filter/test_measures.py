"""A document's figures: by hand, line by line, and from every family of models."""

import math

import numpy as np
import pytest

import nextword
from nextword.errors import UsageError
from nextword.tasks.filter.documents import Documents, encoded, joint
from nextword.tasks.filter.measures import check_models, measure
from nextword.text.normalize import Normalizer
from nextword.text.pipeline import Pipeline
from tasks.filter.small import OTHER, TEXTS, TRAIN, model


def of(lm, texts, contrast=None, joint=None):
    """The figures of texts given as strings."""
    return measure(lm, Documents.from_texts([encoded(text) for text in texts], joint), contrast)


def test_perplexity_by_hand():
    r"""Unigrams by maximum likelihood on "a a b": p(a) = 2/4, p(b) = p(</s>) = 1/4.

    "a b\nb" has the lines "a b" (1/2 1/4 1/4) and "b" (1/4 1/4): log10 p = -log10 32 - log10 16 = -log10 512 over
    2 + 1 words and 2 ends, so 512 ** (1 / 5) = 3.4822. As bits: 9, over the 3 + 1 + 1 + 1 bytes of "a b\n", "b\n": 1.5.
    An empty line is an end alone: "\n" has two, (1/4) ** 2, perplexity 4, 4 bits over 2 bytes.
    """
    lm = model(["a a b"], order=1, smoothing="mle")
    found = of(lm, ["a b\nb", "\n", "", "b"])
    assert found.perplexity.tolist()[:2] == [3.4822, 4.0]
    assert math.isnan(found.perplexity[2])
    assert found.perplexity[3] == 4.0
    assert found.bits_per_byte.tolist()[:2] == [1.5, 2.0]
    assert found.tokens.tolist() == [5, 2, 0, 2]
    assert found.bytes.tolist() == [6, 2, 0, 2]
    assert found.oov.tolist() == [0, 0, 0, 0]


def test_the_formula_of_cc_net_line_by_line():
    """10 ** (-sum of log10 p(line) / sum of (words + 1)), the lines those of str.split, whatever one call scores."""
    lm = model()
    texts = [text.replace("<s>", "zz").replace("</s>", "zz") for text in TEXTS]
    found = of(lm, texts)
    for text, perplexity in zip(texts, found.perplexity, strict=True):
        lines = text.split("\n") if text else []
        log10 = sum(lm.score(line + "\n") / math.log(10) for line in lines)
        length = sum(len(line.split()) + 1 for line in lines)
        expected = 10 ** (-log10 / length) if length else math.nan
        assert perplexity == pytest.approx(expected, abs=1e-4, nan_ok=True)


@pytest.mark.parametrize("normalizer", [None, Normalizer("nfc", lowercase=True), Normalizer("ccnet")])
@pytest.mark.parametrize("tokenizer", ["whitespace", "word", "char", "byte"])
def test_figures_are_those_of_evaluate(normalizer, tokenizer):
    """Each document alone, as a text file that ``evaluate`` reads: the same bits per byte, tokens, unknown words."""
    lm = model(tokenizer=tokenizer, normalizer=normalizer)
    texts = [text.replace("<s>", "zz").replace("</s>", "zz") for text in TEXTS]
    found = of(lm, texts)
    for i, text in enumerate(texts):
        if text:
            alone = lm.evaluate(nextword.Corpus.from_text(text + "\n"))
            assert found.bits_per_byte[i] == pytest.approx(alone.bits_per_byte, abs=1e-4)
            assert found.perplexity[i] == pytest.approx(alone.perplexity, abs=1e-4)
            assert (found.tokens[i], found.oov[i], found.bytes[i]) == (alone.tokens, alone.oov, alone.bytes)


def test_marks_of_sentences_in_a_text_are_unknown_words():
    lm = model()
    found = of(lm, ["they <s> opened", "they zzz opened", "they </s>\nit", "they zzzz\nit", "x</s> <s>x", "</s>"])
    for column in (found.perplexity, found.bits_per_byte, found.oov, found.tokens):
        assert column[0] == column[1]
        assert column[2] == column[3]
    assert found.oov.tolist() == [1, 1, 1, 1, 2, 1]


def test_documents_do_not_depend_on_their_neighbours():
    lm = model()
    together, alone = of(lm, TEXTS), [of(lm, [text]) for text in TEXTS]
    for name in ("perplexity", "bits_per_byte", "tokens", "oov", "bytes"):
        np.testing.assert_array_equal(together.column(name), [one.column(name)[0] for one in alone])


def test_no_documents():
    assert of(model(), []).perplexity.shape == (0,)
    assert of(model(), ["", ""]).tokens.tolist() == [0, 0]


def test_contrast_by_hand():
    """Moore and Lewis: unigrams of "a a b" and of "a b b" on "a a": (1/2 1/2 1/4) against (1/4 1/4 1/4).

    4 bits and 6 bits over 3 tokens: the cross-entropies are 4/3 and 2, their difference -2/3.
    """
    first, second = model(["a a b"], order=1, smoothing="mle"), model(["a b b"], order=1, smoothing="mle")
    found = of(first, ["a a", "b", "", "a b"], second)
    assert found.contrast.tolist()[:2] == [-0.6667, 0.5]
    assert math.isnan(found.contrast[2])
    assert found.contrast[3] == 0
    np.testing.assert_array_equal(of(second, ["a a", "b"], first).contrast, [0.6667, -0.5])


def test_contrast_spells_what_one_model_lacks():
    """An unknown word costs its spelling in the model that lacks it, so a small vocabulary does not win by it."""
    first, second = model(), model(["they read it"] * 9)
    texts = ["students opened their books", "they opened it"]
    found = of(first, texts, second)
    for i, text in enumerate(texts):
        ours, theirs = (one.evaluate(nextword.Corpus.from_text(text + "\n")) for one in (first, second))
        assert theirs.oov > ours.oov == 0
        bits = [one.bits_per_byte * one.bytes for one in (ours, theirs)]
        assert found.contrast[i] == pytest.approx((bits[0] - bits[1]) / ours.tokens, abs=1e-4)


def test_a_model_that_scores_whole_lines():
    """What a model of another make offers; a line's score is its document's, whatever its tokens."""
    lm = model()

    class Lines:
        kind, vocabulary = "lines", lm.model.vocabulary

        def line_log_probs(self, text):
            return np.array([lm.score(line.decode() + "\n") for line in text.split(b"\n")[:-1]])

    foreign = nextword.LM(Lines(), lm.pipeline)
    check_models(foreign)
    texts = [text.replace("<s>", "zz").replace("</s>", "zz") for text in TEXTS]
    for ours, theirs in zip(of(foreign, texts)[:5], of(lm, texts)[:5], strict=True):
        np.testing.assert_array_equal(ours, theirs)


def test_joined_lines():
    """A blank for each newline, so one sentence; cc_net's normalisation deletes it instead."""
    lm, ccnet = model(), model(normalizer=Normalizer("ccnet"))
    assert joint(lm.pipeline, join_lines=False) is None
    blank, deleted = joint(lm.pipeline, join_lines=True), joint(ccnet.pipeline, join_lines=True)
    assert of(lm, ["the students\nread it"], joint=blank).tokens.tolist() == [5]
    joined, expected = of(ccnet, ["The stud\nents \n read\nit"], joint=deleted), of(ccnet, ["The students  readit"])
    assert joined.perplexity == expected.perplexity
    assert joined.tokens.tolist() == [4]


def test_final_sigma_before_a_deleted_newline():
    """cc_net puts the whole document in lower case before it deletes newlines, so the word ends at the line's end."""
    ccnet = Pipeline(Normalizer("ccnet"))
    assert ccnet.normalizer.apply("ΟΔΟΣ\rΑ") == "οδοςα"


def test_half_surrogates_are_replaced():
    assert encoded("a\ud800b") == "a\ufffdb".encode()
    assert encoded("😀") == "😀".encode()


def test_models_without_perplexity_and_of_different_texts():
    with pytest.raises(UsageError) as caught:
        check_models(model(smoothing="stupid-backoff"))
    assert str(caught.value) == (
        "a stupid-backoff model gives scores that do not sum to 1, so there is no perplexity to filter by"
    )
    with pytest.raises(UsageError) as caught:
        check_models(model(), model(tokenizer="char"))
    assert str(caught.value) == (
        "the two models normalise or cut text differently, so their tokens cannot be contrasted; "
        "train both with the same tokenizer and normaliser"
    )
    check_models(model(), model(OTHER))


def test_probability_zero_is_no_figure():
    lm = model(["a b"], order=2, smoothing="mle")
    found = of(lm, ["b a", "a b"])
    assert found.perplexity.tolist() == [math.inf, 1.0]
    assert found.bits_per_byte.tolist() == [math.inf, 0.0]


@pytest.mark.parametrize("kind", ["lstm", "window"])
def test_neural_models_through_the_protocol(kind):
    """Of a stream model each document is read from the start, state and all; its lines follow one another."""
    pytest.importorskip("torch")
    sizes = {"embedding_size": 8, "hidden_size": 8, "steps": 2, "batch_size": 2, "threads": 1}
    lm = nextword.train(nextword.Corpus.from_lines(TRAIN), kind=kind, seed=0, **sizes)
    found = of(lm, TEXTS[:3])
    for i, text in enumerate(TEXTS[:2]):
        ids = lm.model.vocabulary.encode((text + "\n").encode()).ids
        scores, _ = lm.model.token_log_probs(ids[None, :])
        assert found.perplexity[i] == pytest.approx(math.exp(-scores.mean()), rel=1e-4)
