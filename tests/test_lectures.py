"""The numbers of the lectures on count-based models, reproduced from the data they list."""

import math
from collections import defaultdict
from itertools import pairwise

import numpy as np
import pytest

from conftest import shared
from nextword.ngram.smoothing import Smoothing
from nextword.ngram.train import train_ngram
from nextword.tasks.describe import describe
from nextword.tasks.discounts import discount_table
from nextword.tasks.evaluate import evaluate
from nextword.text.corpus import Corpus
from strategies import corpus

BERKELEY = {  # bigram counts and unigram count: Berkeley Restaurant Project, Jurafsky and Martin
    "i": ([5, 827, 0, 9, 0, 0, 0, 2], 2533),
    "want": ([2, 0, 608, 1, 6, 6, 5, 1], 927),
    "to": ([2, 0, 4, 686, 2, 0, 6, 211], 2417),
    "eat": ([0, 0, 2, 0, 16, 2, 42, 0], 746),
    "chinese": ([1, 0, 0, 0, 0, 82, 1, 0], 158),
    "food": ([15, 0, 15, 0, 1, 4, 0, 0], 1093),
    "lunch": ([2, 0, 0, 0, 0, 1, 0, 0], 341),
    "spend": ([1, 0, 1, 0, 0, 0, 0, 0], 278),
}
V = 1446
SHOWN = {  # the smoothed table, to the digits that the lecture shows
    "i": "0.0015 0.21 0.00025 0.0025 0.00025 0.00025 0.00025 0.00075",
    "want": "0.0013 0.00042 0.26 0.00084 0.0029 0.0029 0.0025 0.00084",
    "to": "0.00078 0.00026 0.0013 0.18 0.00078 0.00026 0.0018 0.055",
    "eat": "0.00046 0.00046 0.0014 0.00046 0.0078 0.0014 0.02 0.00046",
    "chinese": "0.0012 0.00062 0.00062 0.00062 0.00062 0.052 0.0012 0.00062",
    "food": "0.0063 0.00039 0.0063 0.00039 0.00079 0.002 0.00039 0.00039",
    "lunch": "0.0017 0.00056 0.00056 0.00056 0.00056 0.0011 0.00056 0.00056",
    "spend": "0.0012 0.00058 0.0012 0.00058 0.00058 0.00058 0.00058 0.00058",
}


def probability(model, word, *context):
    state = np.full((1, model.context_length), -1, dtype=np.int32)
    if context:
        state[0, -len(context) :] = model.vocabulary.ids(context)
    return float(np.exp(model.log_probs(state)[0, model.vocabulary[word]]))


def test_students_opened_their():
    """count(students opened their) = 1000, … books 400, … exams 100: 0.4 and 0.1."""
    counts = {"books": 400, "exams": 100, "laptops": 300, "minds": 200}
    lines = [["students", "opened", "their", word] for word, n in counts.items() for _ in range(n)]
    model = train_ngram(corpus(lines), order=4, smoothing="mle")
    assert probability(model, "books", "students", "opened", "their") == pytest.approx(0.4)
    assert probability(model, "exams", "students", "opened", "their") == pytest.approx(0.1)


def eulerian_lines(edges):
    """Lines whose bigrams are exactly ``edges``: an Eulerian circuit (Hierholzer), cut where it visits None."""
    following = defaultdict(list)
    for first, second in edges:
        following[first].append(second)
    circuit, stack = [], [None]
    while stack:
        if following[stack[-1]]:
            stack.append(following[stack[-1]].pop())
        else:
            circuit.append(stack.pop())
    circuit.reverse()
    assert len(circuit) == len(edges) + 1
    ends = [i for i, word in enumerate(circuit) if word is None]
    return [circuit[a + 1 : b] for a, b in pairwise(ends)]


@pytest.fixture(scope="module")
def berkeley():
    """A text with exactly the lecture's bigram and unigram counts and vocabulary."""
    words = list(BERKELEY)
    edges = []
    for column, (first, (counts, total)) in enumerate(BERKELEY.items()):
        edges += [(first, second) for second, n in zip(words, counts, strict=True) for _ in range(n)]
        edges += [(first, None)] * (total - sum(counts))
        edges += [(None, first)] * (total - sum(row[column] for row, _ in BERKELEY.values()))
    others = [[f"other{i}"] for i in range(V - 2 - len(words))]  # V counts <unk> and </s>
    return eulerian_lines(edges) + others


def test_the_berkeley_table(berkeley):
    model = train_ngram(corpus(berkeley), order=2, smoothing="laplace")
    assert len(model.vocabulary) - 1 == V
    for first, row in SHOWN.items():
        for second, shown in zip(BERKELEY, row.split(), strict=True):
            assert f"{probability(model, second, first):.2g}" == f"{float(shown):.2g}", (first, second)
    relative = train_ngram(corpus(berkeley), order=2, smoothing="mle")
    for first, (counts, total) in BERKELEY.items():
        for second, count in zip(BERKELEY, counts, strict=True):
            assert probability(relative, second, first) == pytest.approx(count / total)


def test_mass_stolen_after_denied_the():
    """allegations 3, reports 2, claims 1, request 1 of 7, each less 0.5: 2.5, 1.5, 0.5, 0.5, and 2 for all others."""
    seen = [("allegations", 3), ("reports", 2), ("claims", 1), ("request", 1)]
    lines = [["denied", "the", word] for word, n in seen for _ in range(n)] + [["the", "other"]]
    model = train_ngram(corpus(lines), order=3, smoothing=Smoothing("absolute", discount=0.5))
    taken = [7 * probability(model, word, "denied", "the") for word, _ in seen]
    assert taken == pytest.approx([2.5, 1.5, 0.5, 0.5], rel=1e-6)
    rest = [w for w in model.vocabulary.words if w not in dict(seen) and w != "<s>"]
    assert 7 * sum(probability(model, word, "denied", "the") for word in rest) == pytest.approx(2.0, rel=1e-6)


def test_a_uniform_model_has_perplexity_v():
    lines = [["a", "b", "c"]]
    model = train_ngram(corpus(lines), order=1, smoothing=Smoothing("add", alpha=1e9))  # counts drown: uniform
    found = evaluate(model, corpus([["a", "a", "b"], ["c"]]))
    assert found.perplexity == pytest.approx(5, rel=1e-6)  # a, b, c, <unk>, </s>


def test_perplexity_is_the_same_in_any_base():
    model = train_ngram(corpus([["a", "b"], ["a", "c"]]), order=2, smoothing="witten-bell")
    text = Corpus.from_lines(["a b", "c a"])
    found = evaluate(model, text)
    ids = model.vocabulary.ids(["a", "b", "</s>", "c", "a", "</s>"])
    log_probs = model.stream_log_probs(ids)
    assert 2 ** (-np.log2(np.exp(log_probs)).mean()) == pytest.approx(found.perplexity)
    assert math.exp(-log_probs.mean()) == pytest.approx(found.perplexity)


def test_mle_is_infinite_on_unseen_text_and_names_the_token():
    model = train_ngram(corpus([["voice", "doth", "us", "good"]]), order=3, smoothing="mle")
    found = evaluate(model, Corpus.from_lines(["voice doth us good", "voice doth us affray"]))
    assert found.perplexity == math.inf
    assert found.reason == "probability 0 at <memory>:2: affray"


def test_counts_shrink_as_contexts_grow_and_most_bigrams_are_never_seen():
    """The lectures' Shakespeare has 300,000 of 844 million bigrams (99.96 % unseen); here the shared smaller one."""
    path = shared("data/tinyshakespeare/input.txt")
    model = train_ngram(Corpus(path), order=4, smoothing=Smoothing(discount_fallback=True))
    described = describe(model)
    assert 1 - described["bigram_coverage"] > 0.999
    assert described["zipf_exponent"] == pytest.approx(1, abs=0.25)


def test_church_and_gales_table_on_real_text():
    """A bigram seen r times in one half of a text comes about r - 1 times in the other: a constant discount does."""
    lines = shared("data/wikitext-2/train.txt").read_text(encoding="utf-8").splitlines()
    found = discount_table(Corpus.from_lines(lines[::2]), Corpus.from_lines(lines[1::2]))
    gap = np.arange(1, 10) - found.held_out[1:]
    assert found.held_out[0] < 0.001
    assert ((gap > 0.45) & (gap < 1.45)).all()
    assert 0.6 < found.discount < 0.8
