import itertools
import math
from collections import Counter
from typing import Any

import numpy as np
import pytest
from hypothesis import example, given
from hypothesis import strategies as st

from nextword.errors import UsageError, VocabularyError
from nextword.tasks.beam import beam_search
from nextword.tasks.generate import Generation, generate, stream
from nextword.tasks.sampling import Sampling, apply_temperature, draw, keep_min_p, keep_top_k, keep_top_p
from nextword.text.vocabulary import Vocabulary
from nextword.types import Array
from toy import BOS, EOS, UNK, BigramTable, DecayingVotes, log_table

TOYS = [BigramTable, DecayingVotes]


def rows(*probabilities: list[float]) -> Array:
    with np.errstate(divide="ignore"):
        return np.log(np.array(probabilities))


def kept(log_probs: Array) -> list[list[int]]:
    return [np.flatnonzero(np.isfinite(row)).tolist() for row in log_probs]


def log_prob(lm: Any, ids: tuple[int, ...], prompt: tuple[int, ...] = ()) -> float:
    scores, _ = lm.token_log_probs(np.array([[*prompt, *ids]], dtype=np.int32))
    return float(scores[0, len(prompt) :].sum())


# Samplers

DRAWN = st.lists(st.sampled_from([0, 1, 2, 3, 5, 8, 100]), min_size=1, max_size=9).filter(any)
ROW = DRAWN.map(lambda weights: rows([w / sum(weights) for w in weights]))


def test_temperature_raises_probabilities_to_a_power() -> None:
    cooled = apply_temperature(rows([0.5, 0.25, 0.25, 0.0]), 0.5)
    assert np.exp(cooled) == pytest.approx(np.array([[4 / 6, 1 / 6, 1 / 6, 0.0]]))
    assert np.exp(apply_temperature(rows([0.5, 0.5]), 1e-320)) == pytest.approx(np.array([[0.5, 0.5]]))
    assert kept(apply_temperature(rows([0.2, 0.3, 0.5]), 1e-320)) == [[2]]
    assert np.exp(apply_temperature(rows([0.9, 0.1, 0.0]), 1e9)) == pytest.approx(np.array([[0.5, 0.5, 0]]))


def test_temperature_0_leaves_the_most_likely_token_the_first_of_equals() -> None:
    assert apply_temperature(rows([0.2, 0.4, 0.4], [1, 0, 0]), 0).tolist() == [
        [-math.inf, 0, -math.inf],
        [0, -math.inf, -math.inf],
    ]


def test_top_k_keeps_exactly_k_equal_ones_by_id() -> None:
    assert kept(keep_top_k(rows([0.2, 0.4, 0.2, 0.2], [0.1, 0.2, 0.3, 0.4]), 2)) == [[0, 1], [2, 3]]
    assert kept(keep_top_k(rows([1.0, 0.0, 0.0]), 2)) == [[0]]
    assert np.exp(keep_top_k(rows([0.1, 0.2, 0.3, 0.4]), 2)) == pytest.approx(np.array([[0, 0, 3 / 7, 4 / 7]]))
    assert keep_top_k(rows([0.25, 0.75]), 9) == pytest.approx(rows([0.25, 0.75]))


def test_top_p_keeps_the_token_that_reaches_it() -> None:
    row = rows([0.1, 0.5, 0.25, 0.15])
    assert [kept(keep_top_p(row, p))[0] for p in (1e-9, 0.5, 0.51, 0.75, 0.76, 1.0)] == [
        [1],
        [1],
        [1, 2],
        [1, 2],
        [1, 2, 3],
        [0, 1, 2, 3],
    ]


def test_min_p_is_a_share_of_the_most_likely() -> None:
    row = rows([0.5, 0.25, 0.2, 0.05])
    assert [kept(keep_min_p(row, p))[0] for p in (1.0, 0.5, 0.3, 0.01)] == [[0], [0, 1], [0, 1, 2], [0, 1, 2, 3]]


@given(ROW, st.floats(0.001, 1.0))
@example(rows([0.1] * 10), 0.3)
def test_top_p_keeps_the_smallest_set_that_reaches_it(row: Array, p: float) -> None:
    probabilities = np.exp(row[0])
    inside = kept(keep_top_p(row, p))[0]
    possible = np.flatnonzero(probabilities).tolist()
    assert probabilities[inside].sum() >= p - 1e-9
    smaller = itertools.combinations(possible, len(inside) - 1)
    assert all(probabilities[list(some)].sum() < p + 1e-9 for some in smaller)
    outside = [i for i in possible if i not in inside]
    assert not outside or probabilities[outside].max() <= probabilities[inside].min()


@given(ROW, st.integers(1, 10), st.floats(0.001, 1.0), st.floats(0.001, 1.0), st.floats(0.05, 20))
def test_samplers_give_normalised_rows_and_keep_the_most_likely(
    row: Array, k: int, p: float, m: float, t: float
) -> None:
    options = (Sampling(), Sampling(t), Sampling(0), Sampling(1, k), Sampling(1, None, p), Sampling(t, k, p, m))
    for sampling in options:
        found = sampling(row)
        assert np.exp(found).sum(axis=1) == pytest.approx([1.0])
        assert np.isfinite(found[0, row[0].argmax()])
        inside = np.isfinite(found[0])
        assert (row[0][inside] > -np.inf).all()
        if sampling.temperature == 1:  # what is kept keeps its proportions
            gained = found[0][inside] - row[0][inside]
            assert gained == pytest.approx(np.full(len(gained), gained[0]))
    assert len(kept(Sampling(1, k)(row))[0]) == min(k, int(np.isfinite(row).sum()))


@given(ROW, st.lists(st.floats(0, 1, exclude_max=True), min_size=1, max_size=5))
@example(rows([0.5, 0.5, 0.0]), [0.0, 0.5, 1 - 2**-53])
@example(rows([0.0, 0.1, 0.2, 0.7, 0.0]), [0.0, 1 - 2**-53])
def test_draw_inverts_the_distribution_function(row: Array, uniforms: list[float]) -> None:
    tokens = draw(np.repeat(row, len(uniforms), axis=0), np.array(uniforms))
    cumulative = np.exp(row[0]).cumsum()
    for token, uniform in zip(tokens, uniforms, strict=True):
        assert row[0, token] > -np.inf
        assert cumulative[token] >= uniform - 1e-9
        assert cumulative[token] - np.exp(row[0, token]) <= uniform + 1e-9


# Sampling


@pytest.mark.parametrize("kind", TOYS)
def test_frequencies_follow_the_distribution(kind: Any) -> None:
    lm, n = kind(seed=3), 4000
    options = Sampling(temperature=0.8, top_k=4)
    expected = np.exp(options(np.where(np.arange(6) == UNK, -np.inf, lm.log_probs(lm.start(1)))))[0]
    counts = Counter(text.ids[0] for text in generate(lm, max_tokens=1, temperature=0.8, top_k=4, samples=n, seed=1))
    observed = np.array([counts[i] for i in range(6)])
    possible = expected > 0
    assert (observed[~possible] == 0).all()
    chi_square = ((observed - n * expected)[possible] ** 2 / (n * expected[possible])).sum()
    assert chi_square < 16.3  # 3 degrees of freedom: 0.1 % lie above


def test_frequencies_of_second_tokens_follow_the_first() -> None:
    lm, n = BigramTable(seed=4), 4000
    texts = generate(lm, [3], max_tokens=2, samples=n, seed=5, stop=False, forbid=())
    counts = Counter(text.ids for text in texts)
    for first, second in itertools.product([0, 2, 3, 4, 5], repeat=2):
        before = BOS if first == EOS else first
        p = math.exp(lm.table[3, first] + lm.table[before, second])
        assert abs(counts[first, second] - n * p) <= 4 * math.sqrt(n * p * (1 - p)) + 1


@pytest.mark.parametrize("kind", TOYS)
@pytest.mark.parametrize("stop", [True, False])
def test_log_prob_is_the_unmodified_models(kind: Any, stop: bool) -> None:
    lm = kind()
    for text in generate(lm, [4, 3], max_tokens=12, temperature=0.5, top_p=0.9, samples=8, seed=0, stop=stop):
        assert text.log_prob == pytest.approx(log_prob(lm, text.ids, (4, 3)))
        assert UNK not in text.ids
        assert BOS not in text.ids


@pytest.mark.parametrize("kind", TOYS)
def test_greedy_is_the_path_of_the_most_likely(kind: Any) -> None:
    for seed in range(5):
        lm = kind(seed=seed)
        state, path = lm.advance(lm.start(1), np.array([[5]], dtype=np.int32)), []
        while len(path) < 9 and path[-1:] != [EOS]:
            path.append(int(lm.log_probs(state)[0, 1:].argmax()) + 1)  # <unk> is 0
            state = lm.advance(state, np.array([[path[-1]]], dtype=np.int32))
        (text,) = generate(lm, [5], temperature=0, max_tokens=9)
        assert text.ids == tuple(path)
        assert text.finished == (path[-1] == EOS)
        assert generate(lm, [5], top_k=1, max_tokens=9, samples=2, seed=seed) == [text, text]


@pytest.mark.parametrize("kind", TOYS)
def test_a_seed_gives_the_same_text_however_many_and_however_long(kind: Any) -> None:
    lm = kind()
    texts = generate(lm, [3], samples=6, seed=7, max_tokens=20)
    assert texts == generate(lm, [3], samples=6, seed=7, max_tokens=20)
    assert texts[:2] == generate(lm, [3], samples=2, seed=7, max_tokens=20)
    assert [text.ids[:4] for text in texts] == [text.ids for text in generate(lm, [3], samples=6, seed=7, max_tokens=4)]
    assert texts != generate(lm, [3], samples=6, seed=8, max_tokens=20)
    assert len(set(texts)) > 1
    assert generate(lm, samples=3, max_tokens=30) != generate(lm, samples=3, max_tokens=30)


def test_stopping_at_the_end_of_a_sentence_or_not() -> None:
    lm = BigramTable(log_table({BOS: {3: 1.0}, 3: {EOS: 1.0}}, 4))
    assert generate(lm, max_tokens=5) == [Generation((3, EOS), 0.0, True)]
    assert generate(lm, max_tokens=5, stop=False) == [Generation((3, EOS, 3, EOS, 3), 0.0, False)]
    assert generate(lm, max_tokens=4, stop=False)[0].finished is False
    assert generate(lm, max_tokens=1) == [Generation((3,), 0.0, False)]
    assert generate(lm, max_tokens=0, samples=2) == [Generation((), 0.0, False)] * 2


def test_what_is_forbidden_is_not_emitted() -> None:
    lm = BigramTable(log_table({BOS: {UNK: 0.9, 3: 0.1}, 3: {4: 0.5, EOS: 0.5}, 4: {UNK: 1.0}}, 5))
    assert {text.ids[0] for text in generate(lm, samples=20, seed=0)} == {3}
    assert {text.ids[0] for text in generate(lm, samples=20, seed=0, forbid=())} == {UNK, 3}
    (text,) = generate(lm, forbid=(UNK, 4))
    assert (text.ids, text.log_prob) == ((3, EOS), pytest.approx(math.log(0.05)))
    # after 4 comes nothing but <unk>: such a sample ends there and the others go on
    texts = generate(lm, samples=20, seed=0)
    assert {(text.ids, text.finished) for text in texts} == {((3, EOS), True), ((3, 4), False)}
    assert generate(lm, forbid=(UNK, 3)) == [Generation((), 0.0, False)]


class Watched(BigramTable):
    """Remembers how many rows it was asked for at each step."""

    def __init__(self, table: Array):
        super().__init__(table)
        self.batches: list[int] = []

    def log_probs(self, state: Array) -> Array:
        self.batches.append(len(state))
        return super().log_probs(state)


def test_finished_rows_are_dropped_and_left_as_they_are() -> None:
    lm = Watched(BigramTable().table)
    steps = list(stream(lm, samples=9, seed=2, max_tokens=6))
    assert lm.batches == [len(step.rows) for step in steps]
    assert lm.batches[0] == 9
    assert lm.batches[-1] < 9
    over: set[int] = set()
    for step in steps:
        assert not over & set(step.rows.tolist())
        over |= set(step.rows[step.tokens == EOS].tolist())
    texts = generate(lm, samples=9, seed=2, max_tokens=6)
    assert {i for i, text in enumerate(texts) if text.finished} == over
    assert all(text.ids.count(EOS) == text.finished for text in texts)


def test_a_stream_is_the_text_step_by_step() -> None:
    lm = DecayingVotes()
    steps = list(stream(lm, [3, 4], sampling=Sampling(0.7), seed=1, max_tokens=8))
    (text,) = generate(lm, [3, 4], temperature=0.7, seed=1, max_tokens=8)
    assert tuple(int(step.tokens[0]) for step in steps) == text.ids
    assert sum(float(step.log_probs[0]) for step in steps) == pytest.approx(text.log_prob)
    assert steps[0].tokens.dtype == np.int32


def test_a_vocabulary_without_specials() -> None:
    vocabulary = Vocabulary.from_words(["?", "^", "a", "b"], unk=None, bos=1, eos=None)
    lm = BigramTable(vocabulary=vocabulary, size=4)
    texts = generate(lm, samples=20, seed=0, max_tokens=4)
    assert all(len(text.ids) == 4 and not text.finished for text in texts)
    assert {token for text in texts for token in text.ids} == {0, 2, 3}
    assert all(not text.finished and len(text.ids) == 4 for text in beam_search(lm, max_tokens=4, samples=3))


# Beam search


def every_text(lm: Any, prompt: tuple[int, ...], length: int, ids: list[int]) -> list[Generation]:
    """All texts up to ``</s>`` or up to ``length`` tokens."""
    found = []
    for size in range(1, length + 1):
        for text in itertools.product(ids, repeat=size):
            finished = text[-1] == EOS
            if EOS not in text[:-1] and (finished or size == length):
                found.append(Generation(text, log_prob(lm, text, prompt), finished))
    return found


@pytest.mark.parametrize("kind", TOYS)
@pytest.mark.parametrize("penalty", [0.0, 0.6, 1.0, 3.0])
def test_a_beam_that_holds_everything_finds_the_best_of_all_texts(kind: Any, penalty: float) -> None:
    for seed in range(3):
        lm = kind(size=5, seed=seed)
        found = beam_search(lm, [4], beam=5**4, max_tokens=4, length_penalty=penalty, samples=12)
        every = {text.ids: text for text in every_text(lm, (4,), 4, [2, 3, 4])}
        scores = {text.ids: text.log_prob / ((5 + len(text.ids)) / 6) ** penalty for text in every.values()}
        # texts of the same bigrams in another order score the same, so scores are compared, not their order
        assert [scores[text.ids] for text in found] == pytest.approx(sorted(scores.values(), reverse=True)[:12])
        assert len({text.ids for text in found}) == 12
        assert [text.finished for text in found] == [every[text.ids].finished for text in found]
        assert [text.log_prob for text in found] == pytest.approx([every[text.ids].log_prob for text in found])


@pytest.mark.parametrize("kind", TOYS)
def test_beam_1_without_a_length_penalty_is_greedy(kind: Any) -> None:
    for seed in range(12):
        lm = kind(seed=seed)
        (greedy,) = generate(lm, [3], temperature=0, max_tokens=8)
        (found,) = beam_search(lm, [3], beam=1, length_penalty=0, max_tokens=8)
        assert (found.ids, found.finished) == (greedy.ids, greedy.finished)
        assert found.log_prob == pytest.approx(greedy.log_prob)


def test_beam_search_finds_what_greedy_misses() -> None:
    rows_ = {BOS: {3: 0.6, 4: 0.4}, 3: {5: 0.5, EOS: 0.5}, 4: {EOS: 1.0}, 5: {EOS: 1.0}}
    lm = BigramTable(log_table(rows_, 6))
    assert generate(lm, temperature=0)[0].ids == (3, EOS)
    (best,) = beam_search(lm, beam=2, length_penalty=0)
    assert (best.ids, best.log_prob, best.finished) == ((4, EOS), pytest.approx(math.log(0.4)), True)


def test_length_penalty_by_hand() -> None:
    # log 0.55 / 1 against log 0.45 / (9 / 6) ** alpha: the longer text wins for alpha above 0.714
    rows_ = {BOS: {EOS: 0.55, 3: 0.45}, 3: {4: 1.0}, 4: {5: 1.0}, 5: {EOS: 1.0}}
    lm = BigramTable(log_table(rows_, 6))
    assert [beam_search(lm, length_penalty=alpha)[0].ids for alpha in (0, 0.71, 0.72)] == [
        (EOS,),
        (EOS,),
        (3, 4, 5, EOS),
    ]
    assert [text.ids for text in beam_search(lm, samples=3)] == [(EOS,), (3, 4, 5, EOS)]


def test_beam_search_ends_when_nothing_open_can_win() -> None:
    lm = Watched(log_table({BOS: {EOS: 0.9, 3: 0.1}, 3: {3: 1.0}}, 4))
    assert beam_search(lm, length_penalty=0, max_tokens=40)[0].ids == (EOS,)
    assert len(lm.batches) == 1


def test_beam_search_where_all_is_forbidden() -> None:
    lm = BigramTable(log_table({BOS: {3: 1.0}, 3: {UNK: 1.0}}, 4))
    assert beam_search(lm) == [Generation((3,), 0.0, False)]
    assert beam_search(lm, forbid=()) == [Generation((3, UNK, EOS), 0.0, True)]
    assert beam_search(lm, max_tokens=0) == [Generation((), 0.0, False)]


# Errors

NONE_LEFT_OUT = [
    (generate, {"temperature": -0.5}, "temperature=-0.5: expected 0 (always the most likely token) or more"),
    (generate, {"temperature": math.nan}, "temperature=nan: expected 0 (always the most likely token) or more"),
    (generate, {"temperature": math.inf}, "temperature=inf: expected 0 (always the most likely token) or more"),
    (generate, {"top_k": 0}, "top_k=0: expected the number of tokens to choose from, 1 or more"),
    (generate, {"top_p": 0}, "top_p=0: expected a number above 0 and at most 1"),
    (generate, {"top_p": 1.01}, "top_p=1.01: expected a number above 0 and at most 1"),
    (generate, {"min_p": 0.0}, "min_p=0.0: expected a number above 0 and at most 1"),
    (generate, {"min_p": math.nan}, "min_p=nan: expected a number above 0 and at most 1"),
    (generate, {"samples": 0}, "samples=0: expected 1 or more"),
    (generate, {"samples": -1}, "samples=-1: expected 1 or more"),
    (generate, {"max_tokens": -1}, "max_tokens=-1: expected 0 or more"),
    (generate, {"seed": -1}, "seed=-1: expected 0 or more, or None for another text each time"),
    (beam_search, {"beam": 0}, "beam=0: expected the number of texts to keep, 1 or more"),
    (beam_search, {"beam": 2, "samples": 3}, "samples=3 from a beam of 2: expected 1 to 2; widen the beam to get more"),
    (beam_search, {"samples": 0}, "samples=0 from a beam of 5: expected 1 to 5; widen the beam to get more"),
    (beam_search, {"length_penalty": -1}, "length_penalty=-1: expected 0 (none) or more"),
    (beam_search, {"max_tokens": -1}, "max_tokens=-1: expected 0 or more"),
]


@pytest.mark.parametrize(("task", "options", "message"), NONE_LEFT_OUT)
def test_options_out_of_range(task: Any, options: dict[str, Any], message: str) -> None:
    with pytest.raises(UsageError) as caught:
        task(BigramTable(), **options)
    assert str(caught.value) == message


@pytest.mark.parametrize("task", [generate, stream, beam_search])
@pytest.mark.parametrize("options", [{"forbid": [6]}, {"prompt_ids": [3, 6]}])
def test_ids_outside_the_vocabulary(task: Any, options: dict[str, Any]) -> None:
    with pytest.raises(VocabularyError) as caught:
        task(BigramTable(), **options)
    assert str(caught.value) == "id 6 is not in the vocabulary, whose ids are 0 to 5"
