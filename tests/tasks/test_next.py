import gc
import math
import weakref
from typing import Any

import numpy as np
import pytest
from hypothesis import example, given
from hypothesis import strategies as st

from nextword.errors import UsageError, VocabularyError
from nextword.tasks import next as next_task
from nextword.tasks.next import entropies, most_likely, next_steps, next_tokens, ranks, top_indices
from nextword.text.vocabulary import SPECIALS, Vocabulary
from toy import BOS, EOS, BigramTable, DecayingVotes, log_table

VOCABULARY = Vocabulary.from_words([*SPECIALS, "books", "boots", "laptops", "bo", "über", "un"])
BOOKS, BOOTS, LAPTOPS, BO, UEBER, UN = range(3, 9)
AFTER_OPENED = {BOOKS: 0.4, LAPTOPS: 0.2, BOOTS: 0.1, EOS: 0.2, 0: 0.1}


def opened() -> BigramTable:
    return BigramTable(log_table({BOS: AFTER_OPENED, BOOKS: {LAPTOPS: 1.0}}, len(VOCABULARY)), VOCABULARY)


def test_most_likely_first_equal_ones_by_id_impossible_ones_left_out() -> None:
    found = next_tokens(opened())
    assert found.ids.tolist() == [BOOKS, EOS, LAPTOPS, 0, BOOTS]
    assert found.ids.dtype == np.int32
    assert found.words == ("books", "</s>", "laptops", "<unk>", "boots")
    assert found.log_probs == pytest.approx(np.log([0.4, 0.2, 0.2, 0.1, 0.1]))
    assert found.probabilities == pytest.approx([0.4, 0.2, 0.2, 0.1, 0.1])
    assert found.entropy == pytest.approx(-sum(p * math.log2(p) for p in AFTER_OPENED.values()))
    assert (found.prefix, found.prefix_probability) == (None, 1.0)
    assert next_tokens(opened(), k=2).words == ("books", "</s>")
    assert next_tokens(opened(), k=2).entropy == found.entropy


def test_the_context_is_read_after_the_start_or_after_a_state() -> None:
    lm = opened()
    assert next_tokens(lm, [BOOKS]).words == ("laptops",)
    assert next_tokens(lm, np.array([BOOKS, LAPTOPS], dtype=np.int64)).words == ("</s>",)
    assert next_tokens(lm, state=lm.advance(lm.start(1), np.array([[BOOKS]], dtype=np.int32))).words == ("laptops",)
    votes = DecayingVotes()
    state = votes.advance(votes.start(1), np.array([[3, 4]], dtype=np.int32))
    assert next_tokens(votes, [5], state=state).log_probs.tolist() == next_tokens(votes, [3, 4, 5]).log_probs.tolist()


def test_a_certain_token_has_no_entropy() -> None:
    assert str(next_tokens(opened(), [BOOKS]).entropy) == "0.0"


def test_completions_are_words_that_begin_with_the_prefix() -> None:
    found = next_tokens(opened(), prefix="bo")
    assert found.words == ("books", "boots")  # "bo" itself is impossible here
    assert found.probabilities == pytest.approx([0.4, 0.1])
    assert found.prefix_probability == pytest.approx(0.5)
    assert found.completion_probabilities == pytest.approx([0.8, 0.2])
    assert found.entropy == next_tokens(opened()).entropy
    assert next_tokens(opened(), prefix="bo", k=1).completion_probabilities == pytest.approx([0.8])


def test_specials_are_never_completions() -> None:
    for prefix in ("<", "</s>", "<unk>"):
        assert next_tokens(opened(), prefix=prefix).words == ()
    found = next_tokens(opened(), prefix="")
    assert found.words == ("books", "laptops", "boots")
    assert found.prefix_probability == pytest.approx(0.7)


def test_no_word_begins_so() -> None:
    found = next_tokens(opened(), prefix="xyz")
    assert (found.words, found.prefix_probability, len(found.completion_probabilities)) == ((), 0.0, 0)
    assert (next_tokens(opened(), prefix="un").words, next_tokens(opened(), prefix="un").prefix_probability) == ((), 0)


@pytest.mark.parametrize(
    ("options", "error", "message"),
    [
        ({"k": 0}, UsageError, "k=0: expected the number of tokens to show, 1 or more"),
        ({"context": [3, 9]}, VocabularyError, "id 9 is not in the vocabulary, whose ids are 0 to 8"),
        ({"context": [-1]}, VocabularyError, "id -1 is not in the vocabulary, whose ids are 0 to 8"),
        ({"context": [2**40]}, VocabularyError, f"id {2**40} is not in the vocabulary, whose ids are 0 to 8"),
        ({"context": [[3]]}, UsageError, "ids of shape (1, 1) and type int64: expected one row of integers, (T,)"),
        ({"context": [3.5]}, UsageError, "ids of shape (1,) and type float64: expected one row of integers, (T,)"),
    ],
)
def test_errors(options: dict[str, Any], error: type[Exception], message: str) -> None:
    with pytest.raises(error) as caught:
        next_tokens(opened(), **options)
    assert str(caught.value) == message


WORDS = st.lists(st.text("abß\u0301", min_size=1, max_size=3), unique=True, max_size=12)


@given(WORDS, st.text("abß\u0301", max_size=3), st.integers(0, 99), st.integers(1, 4))
def test_completions_are_those_a_loop_over_all_words_finds(words: list[str], prefix: str, seed: int, k: int) -> None:
    vocabulary = Vocabulary.from_words([*SPECIALS, *words])
    lm = BigramTable(vocabulary=vocabulary, size=len(vocabulary), seed=seed)
    row = lm.log_probs(lm.start(1))[0]
    expected = [i for i, word in enumerate(vocabulary.words) if i > 2 and word.startswith(prefix)]
    found = next_tokens(lm, prefix=prefix, k=k)
    assert found.ids.tolist() == sorted(expected, key=lambda i: -row[i])[:k]
    assert found.prefix_probability == pytest.approx(np.exp(row[expected]).sum())


@given(st.lists(st.sampled_from([-math.inf, -2.5, -1.0, 0.0, 3.0]), max_size=20), st.integers(1, 25))
@example([-math.inf] * 3, 2)
def test_top_indices_are_those_of_a_stable_sort(values: list[float], k: int) -> None:
    expected = sorted((i for i, value in enumerate(values) if value > -math.inf), key=lambda i: -values[i])
    assert top_indices(np.array(values, dtype=np.float64), k).tolist() == expected[:k]


@given(st.integers(1, 5), st.integers(0, 99))
def test_ranks_are_places_in_the_list_of_most_likely(batch: int, seed: int) -> None:
    random = np.random.default_rng(seed)
    rows = np.log(random.integers(1, 4, size=(batch, 7)) / 21)
    ids = random.integers(0, 7, size=batch).astype(np.int32)
    expected = [top_indices(row, 7).tolist().index(token) + 1 for row, token in zip(rows, ids, strict=True)]
    assert ranks(rows, ids).tolist() == expected


@given(st.integers(2, 40), st.integers(0, 99))
def test_entropy_is_at_most_that_of_the_uniform(size: int, seed: int) -> None:
    lm = BigramTable(size=size + 3, seed=seed)
    entropy = entropies(lm.log_probs(np.arange(4)))
    assert (entropy > 0).all()
    assert (entropy <= np.log2(size + 2) + 1e-12).all()
    uniform = np.full((2, size), -np.log(size))
    assert entropies(uniform) == pytest.approx([np.log2(size)] * 2)
    assert entropies(uniform.astype(np.float32)) == pytest.approx([np.log2(size)] * 2, abs=1e-5)


def test_steps_of_the_lectures_sentence() -> None:
    words = ["I", "went", "to", "the", "park", "."]
    vocabulary = Vocabulary.from_words([*SPECIALS, *words, "store"])
    i, went, to, the, park, stop, store = range(3, 10)
    path = {BOS: {i: 1.0}, i: {went: 1.0}, went: {to: 1.0}, to: {the: 1.0}, park: {stop: 1.0}, stop: {EOS: 1.0}}
    lm = BigramTable(log_table({**path, the: {store: 0.75, park: 0.25}}, 10), vocabulary)
    steps = next_steps(lm, [*vocabulary.ids(words), EOS], k=2)
    assert [step.word for step in steps] == [*words, "</s>"]
    assert [step.rank for step in steps] == [1, 1, 1, 1, 2, 1, 1]
    assert [step.probability for step in steps] == pytest.approx([1, 1, 1, 1, 0.25, 1, 1])
    assert steps[4].expected.words == ("store", "park")
    assert steps[4].expected.probabilities == pytest.approx([0.75, 0.25])
    assert steps[4].id == park
    tokens = np.array([[*vocabulary.ids(words), EOS]], dtype=np.int32)
    assert [step.log_prob for step in steps] == lm.token_log_probs(tokens)[0][0].tolist()


def test_steps_of_an_impossible_token_and_of_none() -> None:
    steps = next_steps(opened(), [BO])
    assert (steps[0].log_prob, steps[0].probability, steps[0].rank) == (-math.inf, 0.0, 7)
    assert next_steps(opened(), []) == []
    assert next_steps(opened(), [LAPTOPS], state=np.array([BOOKS]))[0].rank == 1


def test_single_precision_rows_are_answered_in_double() -> None:
    lm = BigramTable(opened().table.astype(np.float32), VOCABULARY)
    found = next_tokens(lm, prefix="bo")
    assert found.log_probs.dtype == np.float64
    assert found.completion_probabilities == pytest.approx([0.8, 0.2])


def test_a_vocabulary_is_sorted_once_and_forgotten_with_it() -> None:
    vocabulary = Vocabulary.from_words([*SPECIALS, "a", "b"])
    row = np.log([0.2, 0, 0.2, 0.3, 0.3], where=[True, False, True, True, True], out=np.full(5, -np.inf))
    most_likely(row, vocabulary, prefix="a")
    index = next_task._sorted[vocabulary]
    most_likely(row, vocabulary, prefix="b")
    assert next_task._sorted[vocabulary] is index
    alive = weakref.ref(vocabulary)
    del vocabulary
    gc.collect()
    assert alive() is None
