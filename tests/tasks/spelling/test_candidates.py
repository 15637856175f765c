"""Candidates: all words within the edits, and no others."""

import math

import pytest
from hypothesis import given
from hypothesis import strategies as st

pytest.importorskip("rapidfuzz")

from rapidfuzz.distance import OSA  # noqa: E402

from nextword.errors import UsageError  # noqa: E402
from nextword.tasks.spelling.candidates import Candidates  # noqa: E402
from nextword.tasks.spelling.channel import Channel  # noqa: E402
from nextword.tasks.spelling.confusions import Confusions  # noqa: E402

WORDS = {
    word: -float(i) for i, word in enumerate(["the", "them", "then", "there", "their", "principal", "principle", "a"])
}


@given(st.text(alphabet="thernmi", min_size=1, max_size=6))
def test_candidates_are_the_words_within_the_edits(typed):
    found = [one.word for one in Candidates(WORDS.items(), Channel(), max_edits=2, known_edits=1)(typed)]
    limit = 1 if typed in WORDS or len(typed) <= 3 else 2
    assert found[0] == typed
    assert set(found[1:]) == {word for word in WORDS if word != typed and OSA.distance(word, typed) <= limit}


def test_they_are_sorted_by_channel_and_frequency_and_cut():
    channel = Channel()
    found = Candidates(WORDS.items(), channel)("thr")
    assert [one.word for one in found] == ["thr", "the"]
    assert found[1] == ("the", channel.log_prob("thr", "the"), 0.0)
    assert found[0] == ("thr", channel.log_prob("thr", "thr"), -math.inf)
    many = Candidates(WORDS.items(), channel, max_edits=2, keep=2)("thir")
    scores = [one.channel + one.prior for one in many[1:]]
    assert len(many) == 3
    assert scores == sorted(scores, reverse=True)


def test_confusions_are_candidates_however_far():
    channel = Channel(confusions=Confusions([["principal", "a", "unheard"]]))
    found = [one.word for one in Candidates(WORDS.items(), channel, max_edits=0, known_edits=0)("principal")]
    assert found == ["principal", "a"]  # not what the vocabulary lacks


def test_the_number_of_edits_has_bounds():
    with pytest.raises(UsageError, match="max_edits is 4; give 0 to 3"):
        Candidates([], Channel(), max_edits=4)
