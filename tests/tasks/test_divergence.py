import math
from typing import Any

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from nextword.errors import UsageError
from nextword.tasks.divergence import divergence
from nextword.text import synthetic
from nextword.text.synthetic import AgreementGrammar, MarkovSource, Source
from nextword.text.vocabulary import SPECIALS, Vocabulary
from nextword.types import Array
from toy import BOS, EOS, UNK, BigramTable, DecayingVotes


class Exact:
    """The source itself as a sentence model that remembers all: state (B,) holds the source's state."""

    scope = "sentence"

    def __init__(self, source: Source, context_length: int | None, mixed: float = 0.0):
        self.source, self.vocabulary, self.context_length = source, source.vocabulary, context_length
        size = len(source.probabilities)
        with np.errstate(divide="ignore"):
            rows = np.concatenate(
                [np.zeros((size, 2)), source.probabilities[:, -1:], source.probabilities[:, :-1]], axis=1
            )
            uniform = np.where(np.arange(len(self.vocabulary)) == BOS, 0.0, 1 / (len(self.vocabulary) - 1))
            self.table = np.log((1 - mixed) * rows + mixed * uniform)
        self.asked: list[int] = []

    def start(self, batch: int) -> Array:
        return np.full(batch, self.source.start or 0)

    def log_probs(self, state: Array) -> Array:
        self.asked.append(len(state))
        return self.table[state]

    def advance(self, state: Array, tokens: Array) -> Array:
        for column in tokens.T:
            state = self.source.successors[state, np.where(column == EOS, -1, column - 3)]
        return state


def uniform_bigram(vocabulary: Vocabulary) -> BigramTable:
    row = np.full(len(vocabulary), -math.log(len(vocabulary) - 1))
    row[BOS] = -np.inf
    return BigramTable(np.tile(row, (len(vocabulary), 1)), vocabulary)


SOURCES = [
    MarkovSource(3, order=0, end=0.3),
    MarkovSource(3, order=1, end=0.2, seed=1, concentration=0.3),
    MarkovSource(2, order=3, end=0.1, seed=2),
    AgreementGrammar(distance=2, words=2, plural=0.3),
]


@pytest.mark.parametrize("source", SOURCES)
@pytest.mark.parametrize("longer", [0, 1, 2])
def test_the_source_itself_has_none(source: Source, longer: int) -> None:
    needed = source.order if isinstance(source, MarkovSource) else 4  # a whole sentence of the grammar
    assert divergence(source, Exact(source, needed + longer)) == pytest.approx(0, abs=1e-12)


def test_the_source_itself_as_a_stream_has_none() -> None:
    source = MarkovSource(3, order=2, end=None, seed=4)
    exact = Exact(source, 2)
    assert divergence(source, exact) == pytest.approx(0, abs=1e-12)
    exact.context_length = 4
    assert divergence(source, exact) == pytest.approx(0, abs=1e-12)


def test_sentences_that_are_bounded_need_no_bound_on_the_context() -> None:
    source = AgreementGrammar(distance=3, words=2)
    lm = Exact(source, None)
    assert divergence(source, lm) == pytest.approx(0, abs=1e-12)
    # each prefix once: 1, 4 subjects, then twice as many for each filler, and each of two verbs
    assert lm.asked == [1, 4, 8, 16, 32, 64]


@pytest.mark.parametrize("source", [*SOURCES, MarkovSource(3, order=2, end=None)])
def test_the_uniform_model_is_off_by_log_v_less_the_entropy(source: Source) -> None:
    expected = math.log(len(source.words) + 2) - source.entropy_rate()  # <unk>, </s> and the words
    assert divergence(source, uniform_bigram(source.vocabulary)) == pytest.approx(expected)


def test_a_model_of_a_lower_order_by_hand() -> None:
    # words alternate: a b a b …; the unigram model of the same frequencies pays log 2 for each
    source = Source("ab", [[0, 1, 0], [1, 0, 0]], [[0, 1, 0], [0, 1, 0]], start=None)
    half = np.log([1e-300, 1e-300, 1e-300, 0.5, 0.5])
    assert divergence(source, BigramTable(np.tile(half, (5, 1)), source.vocabulary)) == pytest.approx(math.log(2))


def test_the_best_ngram_model_is_off_by_what_it_cannot_see() -> None:
    source = MarkovSource(3, order=2, end=0.2, seed=6)
    table = np.full((6, 6), -np.inf)
    for words, joint in source.histories(1):
        for history, row in zip(words.tolist(), joint, strict=True):
            table[history[0] + 3 if history else BOS, [3, 4, 5, EOS]] = np.log(
                row / row.sum(), where=row > 0, out=row * 0 - np.inf
            )
    expected = source.ngram_entropy(2) - source.entropy_rate()
    assert expected > 0.01
    assert divergence(source, BigramTable(table, source.vocabulary)) == pytest.approx(expected)


def test_against_the_mean_over_a_long_sample() -> None:
    source = MarkovSource(3, order=1, end=0.2, seed=7)
    lm = BigramTable(vocabulary=source.vocabulary, size=6, seed=8)
    lines = source.sample(50_000, seed=9)
    ids = source.vocabulary.encode("".join(f"{line}\n" for line in lines).encode()).ids
    scores, _ = lm.token_log_probs(ids[None])
    assert (source.log_prob(lines) - scores.sum()) / len(ids) == pytest.approx(divergence(source, lm), rel=0.02)


class LastTwo(DecayingVotes):
    """A stream model that sees two tokens, over the ends of sentences."""

    context_length = 2

    def advance(self, state: Array, tokens: Array) -> Array:
        for column in tokens.T:
            newest = np.where(state >= 1, 0.5, 0.0)  # what had weight 0.5 is forgotten
            state = newest + self._one_hot(column)
        return state


def test_a_stream_model_sees_over_the_end_of_a_sentence() -> None:
    source = MarkovSource(3, order=1, end=0.2, seed=7)
    lm = LastTwo(vocabulary=source.vocabulary, size=6, seed=8)
    lines = source.sample(50_000, seed=9)
    ids = source.vocabulary.encode("".join(f"{line}\n" for line in lines).encode()).ids
    table = np.exp(lm.table)
    first, second = ids[:-2], ids[1:-1]
    weights = np.where(first == second, 0.0, 0.5)  # a word twice is not remembered twice
    p = (weights * table[first, ids[2:]] + table[second, ids[2:]]) / (1 + weights)
    assert -np.log(p).mean() - source.entropy_rate() == pytest.approx(divergence(source, lm), rel=0.03)


def test_what_cannot_be_said_is_infinitely_far() -> None:
    source = MarkovSource(2, order=1)
    table = uniform_bigram(source.vocabulary).table.copy()
    table[3] = np.log([0.25, 1, 0.25, 0.5, 1]) + np.array([0, -np.inf, 0, 0, -np.inf])
    assert divergence(source, BigramTable(table, source.vocabulary)) == math.inf


@given(st.integers(0, 999), st.integers(0, 2), st.none() | st.floats(0.05, 1), st.floats(0.1, 3), st.floats(0.001, 1))
def test_it_is_never_negative(seed: int, order: int, end: float | None, concentration: float, mixed: float) -> None:
    source = MarkovSource(3, order=order, end=end, seed=seed, concentration=concentration)
    assert divergence(source, BigramTable(vocabulary=source.vocabulary, size=6, seed=seed)) > -1e-12
    near, far = (divergence(source, Exact(source, max(order, 1), share)) for share in (mixed / 2, mixed))
    assert -1e-12 < near < far


def test_a_model_may_number_its_words_otherwise() -> None:
    source = MarkovSource(["a", "b"], order=1, seed=1)
    lm = BigramTable(vocabulary=source.vocabulary, size=5, seed=2)
    order = [3, BOS, EOS, UNK, 4]
    words = [source.vocabulary.word(i) for i in order]
    other = BigramTable(lm.table[np.ix_(order, order)], Vocabulary.from_words(words, unk=3))
    assert divergence(source, other) == pytest.approx(divergence(source, lm), rel=1e-12)


def test_no_column_is_needed_for_an_end_that_never_comes() -> None:
    source = MarkovSource(["a", "b"], order=1, end=None, seed=1)
    lm = BigramTable(vocabulary=Vocabulary.from_words(["?", "^", "a", "b"], unk=None, eos=None), size=4)
    assert divergence(source, lm) > 0


def no_end(words: list[str]) -> Vocabulary:
    return Vocabulary.from_words(["<unk>", "<s>", "x", *words], eos=None)


A_B = MarkovSource(["a", "b"])
ERRORS: list[tuple[Source, Any, str]] = [
    (
        A_B,
        BigramTable(vocabulary=Vocabulary.from_words([*SPECIALS, "a", "c"]), size=5),
        "the model's vocabulary lacks 1 of the source's 2 words, such as 'b'; "
        "train it with source.vocabulary or on more text",
    ),
    (
        A_B,
        BigramTable(vocabulary=no_end(["a", "b"]), size=5),
        "the source ends its sentences and the model has no </s>; make the source a stream (end=None)",
    ),
    (
        A_B,
        DecayingVotes(vocabulary=A_B.vocabulary, size=5),
        "all that came before is endless here; give the number of tokens that the model sees",
    ),
]


@pytest.mark.parametrize(("source", "lm", "message"), ERRORS)
def test_errors(source: Source, lm: Any, message: str) -> None:
    with pytest.raises(UsageError) as caught:
        divergence(source, lm)
    assert str(caught.value) == message


def test_sentences_without_bound_need_a_bound_on_the_context(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(synthetic, "_MOST_CELLS", 1000)
    with pytest.raises(UsageError) as caught:
        divergence(A_B, Exact(A_B, None))
    assert str(caught.value) == (
        "too many histories of 9 tokens over 2 words to enumerate; "
        "take a model that sees fewer, or a source of fewer words"
    )
