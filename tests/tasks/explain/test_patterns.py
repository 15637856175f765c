"""Patterns of a text: written out by hand, and never slow, whatever is typed."""

import re

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from nextword.errors import UsageError
from nextword.tasks.explain.patterns import NAMES, find_pattern, matches
from nextword.tasks.explain.spelt import Spelt


def letters(text):
    """What a model of characters reads of a text."""
    begins = [t == 0 or letter in " \n" or text[t - 1] == "\n" for t, letter in enumerate(text)]
    return Spelt(np.zeros(len(text), np.int32), list(text), list(text), begins, whole=False)


def words(text):
    """What a model of words reads of a text whose lines are spaced."""
    tokens = [token for line in text.split("\n") for token in (*line.split(), "\n")]
    return Spelt(np.zeros(len(tokens), np.int32), tokens, tokens, [True] * len(tokens), whole=True)


def drawn(pattern, text):
    """A pattern of digits below a text of letters."""
    return "".join(f"{number:.0f}" for number in find_pattern(pattern, letters(text)).signal)


@pytest.mark.parametrize(
    ("pattern", "text", "expected"),
    [
        ("quotes", 'a "bc" d', "00111000"),
        ("quotes", "a “bc” «d»", "0011100110"),
        ("quotes", 'a "b\nc "d', "001100011"),
        ("parentheses", "a(b[c])) (", "0112210001"),
        ("parentheses", "(a\nb)", "11000"),
        ("line position", "abc\nde\n", "0123012"),
        ("word position", "ab cd\ne", "0101200"),
        ("capital", "Ab cD É1", "10001010"),
        ("capitalised", "Ab cD É1", "11000011"),
        ("digit", "a1 ²x9", "010101"),
        ("punctuation", "a, b-“c”$", "010011010"),
        ("vowel", "Eat xyz", "1100000"),
        ("blank", "a b\n", "0101"),
        ("bc", "abcbc bc", "00101001"),
        ("aa", "aaaa", "0111"),
        (" b", "a bb b", "001101"),  # blanks around a pattern are no part of it, unless it has quotation marks
        ('" b"', "a bb b", "001001"),
        ("b*", "bc ab b\n", "11000010"),
        ("?b", "bc ab b\n", "00011000"),
        ("b, digit", "ab1c", "0110"),
        ("after(b)", "abcb", "0010"),
        ("last(b)", "aabaab", "010120"),
        ("last(after(b))", "abaaab", "010123"),
        ("nowhere", "abc", "000"),
    ],
)
def test_patterns_of_letters(pattern, text, expected):
    assert drawn(pattern, text) == expected


@pytest.mark.parametrize(
    ("pattern", "expected"),
    [
        ("quotes", [0, 1, 1, 1, 0, 0, 0, 0]),
        ("of the", [0, 0, 0, 1, 0, 0, 0, 0]),
        ("the", [0, 0, 0, 1, 0, 0, 1, 0]),
        ("th", [0] * 8),
        ("*h*, said", [0, 0, 0, 1, 0, 1, 1, 0]),
        ("word position", [0] * 8),
        ("line position", [0, 1, 2, 3, 4, 5, 6, 7]),
    ],
)
def test_patterns_of_words(pattern, expected):
    text = words("He `` of the '' said the")
    assert find_pattern(pattern, text).signal.tolist() == expected


def test_a_pattern_says_what_it_is():
    text = letters("ab")
    assert find_pattern("quotes", text).meaning == "1 inside quotation marks, 0 outside"
    literal = "1 at the end of “ab”, 0 elsewhere"
    assert find_pattern("ab", text).meaning == literal
    assert find_pattern("last( ab )", text).meaning == "tokens since the last “ab”"
    assert find_pattern("after(last(ab))", text).meaning == "what “last(ab)” was one token before"
    assert find_pattern("ab, b*", text).meaning == f"{literal}; or 1 in a word that is b*, 0 elsewhere"


@pytest.mark.parametrize(
    ("pattern", "message"),
    [
        ("x" * 201, "a pattern of 201 characters: expected 200 or fewer"),
        (" ", f"the pattern is empty; expected text to look for, or one of: {', '.join(NAMES)}"),
        ("last()", "last(): expected a pattern between the parentheses, such as last(capital)"),
        ("after(" * 5 + "a" + ")" * 5, "after(…) inside 4 others; expected no more than that"),
    ],
)
def test_what_is_no_pattern_is_refused(pattern, message):
    with pytest.raises(UsageError) as caught:
        find_pattern(pattern, letters("ab"))
    assert str(caught.value) == message


@given(st.text("ab*?", max_size=8), st.text("ab", max_size=8))
def test_wildcards_are_those_of_a_regular_expression(wanted, word):
    expression = "".join({"*": ".*", "?": "."}.get(letter, letter) for letter in wanted)
    assert matches(wanted, word) == (re.fullmatch(expression, word) is not None)


@given(st.text(max_size=200), st.text(max_size=60))
def test_whatever_is_typed_gives_a_number_for_each_token_or_words(pattern, text):
    try:
        found = find_pattern(pattern, letters(text + "\n"))
    except UsageError:
        return
    assert found.signal.shape == (len(text) + 1,)
    assert np.isfinite(found.signal).all()


def test_a_pattern_made_to_hang_does_not():
    """What takes a backtracking matcher 2^60 steps and more takes this one a few million."""
    text = letters("a" * 5000 + "\n")
    assert find_pattern("*a" * 99 + "b", text).signal.sum() == 0
    assert find_pattern("(a+)+$", text).signal.sum() == 0
