"""The table of held-out counts against counting with a dictionary, and against its definitions."""

from collections import Counter
from itertools import pairwise

import numpy as np
import pytest
from hypothesis import given, settings

from nextword.errors import TextError, UsageError
from nextword.tasks.discounts import discount_table
from nextword.text.corpus import Corpus
from nextword.text.pipeline import Pipeline
from nextword.text.spelling import CharTokenizer
from strategies import corpus, sentences

WORDS = ("a", "b", "c", "<unk>")


def bigrams(lines, known=None):
    sentences = ([word if known is None or word in known else "<unk>" for word in line] for line in lines)
    return Counter(pair for line in sentences for pair in pairwise(["<s>", *line, "</s>"]))


def naive(train, held_out, most):
    """types, held-out means, absolute and Good-Turing columns, one row at a time."""
    known = {word for line in train for word in line} | {"<unk>"}
    seen, other = bigrams(train), bigrams(held_out, known)
    contexts, predicted = known | {"<s>"}, known | {"</s>"}
    n = [Counter(seen.values())[r] for r in range(most + 2)]
    n[0] = len(contexts) * len(predicted) - len(seen)
    scale = sum(seen.values()) / sum(other.values())
    came = [scale * sum(c for pair, c in other.items() if seen[pair] == r) for r in range(most + 1)]
    d = n[1] / (n[1] + 2 * n[2]) if n[1] and n[2] else float("nan")
    nan = float("nan")
    held = [c / n[r] if n[r] else nan for r, c in enumerate(came)]
    absolute = [d * len(seen) / n[0] if n[0] else nan, *(r - d for r in range(1, most + 1))]
    turing = [(r + 1) * n[r + 1] / n[r] if n[r] else nan for r in range(most + 1)]
    return n[: most + 1], held, absolute, turing, d


@settings(max_examples=60)
@given(train=sentences(most=20, words=WORDS), held_out=sentences(words=(*WORDS, "zz")))
def test_equals_counting_with_a_dictionary(train, held_out):
    found = discount_table(corpus(train), corpus(held_out), most=4)
    types, held, absolute, turing, d = naive(train, held_out, 4)
    assert found.types.tolist() == types
    columns = ((found.held_out, held), (found.absolute, absolute), (found.good_turing, turing))
    for actual, expected in columns:  # what divides by 0 is infinite or NaN there, and NaN here
        np.testing.assert_allclose(np.where(np.isfinite(actual), actual, np.nan), expected, rtol=1e-12)
    np.testing.assert_allclose(found.discount, d)


def test_by_hand():
    """Training: “a b” three times, “a c” twice, “b c” once; 18 bigrams of 7 kinds.

    <s> a: 5, <s> b: 1, a b: 3, a c: 2, b c: 1, b </s>: 3, c </s>: 3; so n1 = 2, n2 = 1, n3 = 3, n5 = 1. Contexts
    <unk> <s> a b c times words <unk> </s> a b c: 25 possible ones, 18 of them unseen.
    Held out “a b”, “b c”, “a z”: <s> a 2, a b, b </s>, <s> b, b c, c </s>, a <unk>, <unk> </s> once each; 9 bigrams.
    """
    train = Corpus.from_lines(["a b"] * 3 + ["a c"] * 2 + ["b c"])
    found = discount_table(train, Corpus.from_lines(["a b", "b c", "a z"]))
    assert found.types.tolist() == [18, 2, 1, 3, 0, 1, 0, 0, 0, 0]
    scale = 18 / 9
    np.testing.assert_allclose(found.held_out[:4], np.array([2 / 18, 2 / 2, 0 / 1, 3 / 3]) * scale)
    assert found.held_out[5] == 2 * scale
    assert found.discount == 2 / (2 + 2 * 1)
    np.testing.assert_allclose(found.absolute[:4], [0.5 * 7 / 18, 0.5, 1.5, 2.5])
    np.testing.assert_allclose(found.good_turing[:4], [2 / 18, 2 * 1 / 2, 3 * 3 / 1, 0])


def test_the_tokenizer_decides_what_a_bigram_is():
    pipeline = Pipeline(tokenizer=CharTokenizer())
    found = discount_table(Corpus.from_lines(["ab"]), Corpus.from_lines(["ab"]), pipeline=pipeline)
    assert found.types[1] == 3  # <s> a, a b, b </s>


@pytest.mark.parametrize(("train", "held_out"), [("", "a\n"), ("a\n", "")])
def test_an_empty_text_is_refused(train, held_out):
    with pytest.raises(UsageError) as caught:
        discount_table(Corpus.from_text(train), Corpus.from_text(held_out))
    assert str(caught.value) == (
        "the training text or the held-out text is empty; give two files with at least a line each"
    )


def test_the_marks_of_sentences_are_refused_in_held_out_text():
    with pytest.raises(TextError, match="^<memory>:2: the text holds </s>"):
        discount_table(Corpus.from_lines(["a"]), Corpus.from_lines(["a", "b </s>"]))
