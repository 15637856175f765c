import itertools
import math
from collections import Counter
from collections.abc import Callable
from typing import Any

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from nextword.errors import UsageError, VocabularyError
from nextword.text.synthetic import AgreementGrammar, MarkovSource, Source

SOURCES = [
    MarkovSource(3, order=0, end=0.3),
    MarkovSource(3, order=1, end=0.2, seed=1),
    MarkovSource(2, order=3, end=0.1, seed=2, concentration=0.5),
    MarkovSource(4, order=2, end=None, seed=3),
    MarkovSource(4, order=0, end=None, seed=3),
    AgreementGrammar(distance=2, words=2, plural=0.3),
]


def entropy(*probabilities: float) -> float:
    return -sum(p * math.log(p) for p in probabilities if p > 0)


def sentences(source: Source, longest: int) -> list[str]:
    """All sentences of up to ``longest`` words."""
    return [" ".join(words) for size in range(longest + 1) for words in itertools.product(source.words, repeat=size)]


def tokens(lines: list[str]) -> int:
    return sum(len(line.split()) + 1 for line in lines)


def test_a_source_by_hand() -> None:
    # before a: a with 0.5, b with 0.5; after a word: itself with 0.75, the end with 0.25
    source = Source(["a", "b"], [[0.5, 0.5, 0], [0.75, 0, 0.25], [0, 0.75, 0.25]], [[1, 2, 0]] * 3, start=0)
    # a sentence has 4 words on average and its end: the start is 1 of 5 places, each word's state 2 of 5
    assert source.stationary == pytest.approx([0.2, 0.4, 0.4])
    assert source.entropy_rate() == pytest.approx(0.2 * math.log(2) + 0.8 * entropy(0.75, 0.25))
    assert source.perplexity() == pytest.approx(math.exp(source.entropy_rate()))
    assert source.log_prob(["a a"]) == pytest.approx(math.log(0.5 * 0.75 * 0.25))
    assert source.log_prob(["a a", "b"]) == pytest.approx(math.log(0.5 * 0.75 * 0.25 * 0.5 * 0.25))
    for impossible in ("a b", "", "c", "a </s>"):
        assert source.log_prob([impossible]) == -math.inf


def test_uniform_and_certain_sources() -> None:
    uniform = Source("abcd", [[0.25] * 4 + [0]], [[0] * 5], start=None)
    assert uniform.perplexity() == pytest.approx(4)
    certain = Source("ab", [[0, 1, 0], [0, 0, 1]], [[1, 1, 0]] * 2, start=0)
    assert (certain.entropy_rate(), certain.perplexity()) == (0, 1)
    assert certain.sample(4, seed=0) == ["b", "b"]


@pytest.mark.parametrize("source", [MarkovSource(2, order=k, end=0.8, seed=k) for k in range(3)])
def test_entropy_of_a_markov_source_against_all_its_sentences(source: MarkovSource) -> None:
    logs = np.array([source.log_prob([line]) for line in sentences(source, 10)])
    lengths = np.array([tokens([line]) for line in sentences(source, 10)])
    p = np.exp(logs)
    assert p.sum() == pytest.approx(1, abs=1e-6)  # longer sentences: 0.2 ** 10
    # a token's entropy is a sentence's over its length (the renewal theorem)
    each = np.multiply(p, logs, out=np.zeros_like(p), where=p > 0)
    assert source.entropy_rate() == pytest.approx(-each.sum() / (p @ lengths), abs=1e-5)


def test_entropy_of_an_agreement_grammar_by_hand_and_against_all_its_sentences() -> None:
    source = AgreementGrammar(distance=1, words=2, plural=0.3)
    # the number, then one of two words in each of three places; four tokens with </s>
    assert source.entropy_rate() == pytest.approx((entropy(0.3, 0.7) + 3 * math.log(2)) / 4)
    logs = [source.log_prob([" ".join(words)]) for words in itertools.product(source.words, repeat=3)]
    p = np.exp(logs)
    assert p.sum() == pytest.approx(1)
    assert source.entropy_rate() == pytest.approx(entropy(*p) / 4)


@pytest.mark.parametrize("source", SOURCES)
def test_entropy_against_a_long_sample(source: Source) -> None:
    lines = source.sample(20_000, seed=11)
    n = tokens(lines) if source.start is not None else len(lines[0].split())
    assert -source.log_prob(lines) / n == pytest.approx(source.entropy_rate(), rel=0.02)


@pytest.mark.parametrize("source", SOURCES)
def test_visits_of_a_long_sample(source: Source) -> None:
    words = [word for line in source.sample(50_000, seed=12) for word in [*line.split(), "</s>"]]
    counts = Counter(words)
    (unigrams,) = source.histories(0)
    assert unigrams.words.shape == (1, 0)
    for word, p in zip([*source.words, "</s>"], unigrams.joint[0], strict=True):
        assert counts[word] / len(words) == pytest.approx(p, abs=0.015)


def test_samples_are_whole_sentences_and_repeatable() -> None:
    source = MarkovSource(["a", "b"], order=1, end=0.05, seed=0)
    lines = source.sample(1000, seed=1)
    assert lines == source.sample(1000, seed=1) != source.sample(1000, seed=2)
    assert 1000 <= tokens(lines) < 1000 + 300
    assert tokens(lines[:-1]) < 1000
    assert all(lines)  # a Markov source's sentences have a word
    assert {word for line in lines for word in line.split()} == {"a", "b"}
    assert source.sample(0, seed=0) == []
    stream = MarkovSource(3, order=1, end=None).sample(100, seed=0)
    assert [len(line.split()) for line in stream] == [100]


def test_a_sample_goes_on_until_its_last_sentence_ends() -> None:
    source = Source(["a"], [[0.999, 0.001]], [[0, 0]], start=0)
    (line,) = source.sample(1, seed=1)
    assert len(line.split()) > 100  # it draws a hundred at a time


def test_mean_length_of_sentences() -> None:
    lines = MarkovSource(3, order=2, end=0.25).sample(40_000, seed=3)
    assert tokens(lines) / len(lines) == pytest.approx(1 + 1 / 0.25, rel=0.02)


@pytest.mark.parametrize("order", [0, 1, 2, 3])
@pytest.mark.parametrize("end", [0.3, None])
def test_an_ngram_model_of_the_right_order_can_reach_the_entropy(order: int, end: float | None) -> None:
    source = MarkovSource(3, order=order, end=end, seed=5, concentration=0.5)
    attainable = [source.ngram_entropy(n) for n in range(1, order + 3)]
    assert attainable[order:] == pytest.approx([source.entropy_rate()] * 2)
    assert all(longer < shorter - 1e-6 for shorter, longer in itertools.pairwise(attainable[: order + 1]))
    assert source.ngram_perplexity(order + 1) == pytest.approx(source.perplexity())


@pytest.mark.parametrize("distance", [0, 1, 3])
@pytest.mark.parametrize("plural", [0.5, 0.2, 0.0])
def test_an_ngram_model_cannot_reach_over_the_distance(distance: int, plural: float) -> None:
    source = AgreementGrammar(distance=distance, words=2, plural=plural)
    # what it does not see it must guess anew: the number's entropy once in each sentence of distance + 3 tokens
    blind = source.entropy_rate() + entropy(plural, 1 - plural) / (distance + 3)
    for order in range(2, distance + 2):
        assert source.ngram_entropy(order) == pytest.approx(blind)
    assert source.ngram_entropy(distance + 2) == pytest.approx(source.entropy_rate())


def test_agreement_sentences_agree() -> None:
    for line in AgreementGrammar(distance=3, words=2).sample(300, seed=0):
        words = line.split()
        assert len(words) == 5
        assert words[0].startswith("subjects") == (not words[-1].startswith("runs"))


@pytest.mark.parametrize("source", SOURCES)
@pytest.mark.parametrize("across", [False, True])
@pytest.mark.parametrize("length", [0, 1, 3])
def test_histories_are_all_there_is(source: Source, across: bool, length: int) -> None:
    groups = list(source.histories(length, across=across))
    assert sum(group.joint.sum() for group in groups) == pytest.approx(1)
    assert groups[-1].words.shape[1] == length
    assert all((group.joint.sum(axis=1) > 0).all() for group in groups)
    assert all(len(np.unique(group.words, axis=0)) == len(group.words) for group in groups)
    # whatever is remembered, the next word's own probability is the same
    (unigrams,) = source.histories(0)
    assert sum(group.joint.sum(axis=0) for group in groups) == pytest.approx(unigrams.joint[0])


def test_histories_against_a_long_sample() -> None:
    source = MarkovSource(2, order=1, end=0.3, seed=4)
    counts: Counter[tuple[int, ...]] = Counter()
    lines = source.sample(60_000, seed=5)
    for line in lines:
        ids = [*(source.words.index(word) for word in line.split()), 2]
        counts.update((*ids[max(0, i - 2) : i], ids[i]) if i >= 2 else (-1, *ids[:i], ids[i]) for i in range(len(ids)))
    for words, joint in source.histories(2):
        for history, row in zip(words.tolist(), joint, strict=True):
            for following, p in enumerate(row):
                key = (*history, following) if len(history) == 2 else (-1, *history, following)
                assert counts[key] / tokens(lines) == pytest.approx(p, abs=0.006)


def test_histories_over_the_end_of_sentences_against_a_long_sample() -> None:
    source = MarkovSource(2, order=1, end=0.3, seed=4)
    text = [i for line in source.sample(60_000, seed=6) for i in [*map(source.words.index, line.split()), 2]]
    counts = Counter(zip(text, text[1:], text[2:], strict=False))
    ((words, joint),) = source.histories(2, across=True)
    for history, row in zip(words.tolist(), joint, strict=True):
        assert [counts[(*history, i)] / len(text) for i in range(3)] == pytest.approx(row.tolist(), abs=0.006)


def test_all_histories_of_bounded_sentences() -> None:
    groups = list(AgreementGrammar(distance=1, words=1).histories(None))
    assert [len(group.words) for group in groups] == [1, 2, 2, 2]
    assert [group.joint.sum() for group in groups] == pytest.approx([0.25] * 4)


@given(st.integers(1, 4), st.integers(0, 2), st.none() | st.floats(0.05, 1), st.integers(0, 99), st.floats(0.05, 5))
def test_stationary_visits_stay_as_they_are(
    words: int, order: int, end: float | None, seed: int, concentration: float
) -> None:
    source = MarkovSource(words, order=order, end=end, seed=seed, concentration=concentration)
    moved = np.zeros(len(source.stationary))
    np.add.at(moved, source.successors, source.stationary[:, None] * source.probabilities)
    assert moved == pytest.approx(source.stationary, abs=1e-12)
    assert source.stationary.sum() == pytest.approx(1)
    assert -1e-12 <= source.entropy_rate() <= math.log(words + 1)


def source(
    words: str = "a", probabilities: Any = ((0.5, 0.5),), successors: Any = ((0, 0),), start: int | None = 0
) -> Source:
    return Source(words.split("|"), probabilities, successors, start=start)


ROWS = "each row of a source's probabilities must sum to 1, with none below 0"
ERRORS: list[tuple[Callable[[], Any], str]] = [
    (lambda: source("a", [[0.5, 0.4]]), ROWS),
    (lambda: source("a", [[1.5, -0.5]]), ROWS),
    (lambda: source("a", [[math.nan, 1]]), ROWS),
    (lambda: source("a|b"), "a source of 2 words has tables (S, 3), </s> last; got (1, 2) and (1, 2)"),
    (lambda: source(successors=[[1, 0]]), "a source's start and successors must be states, 0 to 0"),
    (lambda: source(start=1), "a source's start and successors must be states, 0 to 0"),
    (
        lambda: source(start=None),
        "a stream has no sentence end: its last column must be 0, or give a start state",
    ),
    (
        lambda: source("a b"),
        "the word 'a b' is empty or has a space in it, so a text of words cannot show it",
    ),
    (
        lambda: source(""),
        "the word '' is empty or has a space in it, so a text of words cannot show it",
    ),
    (lambda: source().sample(-1, seed=0), "tokens=-1: expected 0 or more"),
    (
        lambda: source("a", [[1, 0]] * 2, [[0, 0], [1, 1]], None).entropy_rate(),
        "the source falls into parts that never meet, so it has no one entropy",
    ),
    (
        lambda: source("a", [[1, 0]]).sample(5, seed=0),
        "the source's sentences never end: some state must lead to </s>",
    ),
    (lambda: MarkovSource(0), "a Markov source of 0 words and order 1: expected 1 word and order 0 or more"),
    (lambda: MarkovSource(2, order=-1), "a Markov source of 2 words and order -1: expected 1 word and order 0 or more"),
    (lambda: MarkovSource(2, end=0), "end=0: expected a probability above 0 and at most 1, or None for a stream"),
    (lambda: MarkovSource(2, end=1.5), "end=1.5: expected a probability above 0 and at most 1, or None for a stream"),
    (lambda: MarkovSource(2, concentration=0), "concentration=0: expected a number above 0"),
    (lambda: MarkovSource(20, order=3), "a source of 8,421 states: at most 4,096; make it smaller"),
    (lambda: AgreementGrammar(distance=5000), "a source of 10,004 states: at most 4,096; make it smaller"),
    (
        lambda: AgreementGrammar(distance=-1),
        "distance=-1, words=3, plural=0.5: expected 0 or more, 1 or more, and a probability from 0 to 1",
    ),
    (lambda: MarkovSource(2).ngram_entropy(0), "order=0: expected 1 or more"),
    (
        lambda: MarkovSource(99).ngram_entropy(30),
        "too many histories of 3 tokens over 99 words to enumerate; "
        "take a model that sees fewer, or a source of fewer words",
    ),
    (
        lambda: list(MarkovSource(2, end=None).histories(None)),
        "all that came before is endless here; give the number of tokens that the model sees",
    ),
]


@pytest.mark.parametrize(("wrong", "message"), ERRORS, ids=[message[:30] for _, message in ERRORS])
def test_errors(wrong: Callable[[], Any], message: str) -> None:
    with pytest.raises(UsageError) as caught:
        wrong()
    assert str(caught.value) == message


def test_words_are_there_once() -> None:
    with pytest.raises(VocabularyError):
        MarkovSource(["a", "a"])
    with pytest.raises(VocabularyError):
        MarkovSource(["a", "</s>"])
