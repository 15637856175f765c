"""Errors by hand and by jiwer, and the interval of their difference."""

import math

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

pytest.importorskip("jiwer")

from nextword.errors import UsageError  # noqa: E402
from nextword.tasks.rescore.errors import compare_errors, count_errors, line_errors  # noqa: E402


def test_errors_by_hand():
    """The second line lacks a word and has one too many; the third is right; an empty reference has insertions only."""
    references = ["the cat sat on the mat", "a b c d", "", "x  y"]
    hypotheses = ["the cad sat on a mat", "b c d e", "u v", " x y "]
    found = count_errors(references, hypotheses)
    assert found == (2, 1, 3, 12, 3, 4)
    assert (found.errors, found.rate) == (6, 0.5)
    errors, lengths = line_errors(references, hypotheses)
    assert (errors.tolist(), lengths.tolist()) == ([2, 2, 2, 0], [6, 4, 0, 2])


def test_characters_count_the_blank_between_words():
    found = count_errors(["ab c"], ["abc"], unit="characters")
    assert (found.deletions, found.length, found.rate) == (1, 4, 0.25)


def test_no_references_have_no_rate():
    assert math.isnan(count_errors([""], [""]).rate)
    assert math.isnan(count_errors([], []).rate)


LINES = st.lists(st.tuples(*[st.lists(st.sampled_from("abc"), max_size=6).map(" ".join)] * 2), min_size=1, max_size=6)


@given(LINES, st.sampled_from(["words", "characters"]))
def test_lines_sum_to_what_jiwer_counts(pairs, unit):
    references, hypotheses = map(list, zip(*pairs, strict=True))
    errors, lengths = line_errors(references, hypotheses, unit=unit)
    whole = count_errors(references, hypotheses, unit=unit)
    assert (errors.sum(), lengths.sum(), np.count_nonzero(errors)) == (whole.errors, whole.length, whole.wrong_lines)


def test_a_constant_difference_leaves_no_doubt():
    lengths = np.full(40, 10)
    found = compare_errors(np.full(40, 3), np.full(40, 1), lengths)
    assert found[:3] == pytest.approx((-0.2, -0.2, -0.2))
    assert found.p_value == pytest.approx(2 / 2001)
    assert compare_errors(lengths, lengths, lengths)[:4] == (0, 0, 0, 1)


def test_intervals_hold_the_truth_as_often_as_they_say():
    """Lines get better by one error with probability 0.3, worse with 0.2: over ten words a line, -0.01."""
    random = np.random.default_rng(5)
    held = 0
    for _ in range(30):
        change = random.choice([-1, 0, 1], p=[0.3, 0.5, 0.2], size=400)
        found = compare_errors(np.full(400, 2), 2 + change, np.full(400, 10))
        held += found.low <= -0.01 <= found.high
    assert held >= 25  # 28.5 expected, standard deviation 1.2


def test_unequal_numbers_are_refused():
    with pytest.raises(UsageError, match="2 references for 1 hypotheses; give one for each"):
        count_errors(["a", "b"], ["a"])
