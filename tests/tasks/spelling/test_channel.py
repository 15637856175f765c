"""P(typed | meant): by hand, its sum, and what pairs teach it."""

import itertools
import math

import pytest
from hypothesis import given
from hypothesis import strategies as st

pytest.importorskip("rapidfuzz")

from rapidfuzz.distance import OSA  # noqa: E402

from nextword.errors import TextError, UsageError  # noqa: E402
from nextword.tasks.spelling.channel import Channel  # noqa: E402
from nextword.tasks.spelling.confusions import Confusions, read_confusions, read_pairs  # noqa: E402
from nextword.tasks.spelling.edits import edits  # noqa: E402

WORDS = st.text(alphabet="abc", max_size=6)


@given(WORDS, WORDS)
def test_there_are_as_many_edits_as_the_distance_says(meant, typed):
    assert len(edits(meant, typed)) == OSA.distance(meant, typed)


@pytest.mark.parametrize(
    ("meant", "typed", "kinds"),
    [
        ("they", "tehy", ("swap",)),
        ("letter", "leter", ("undouble",)),
        ("leter", "letter", ("double",)),
        ("house", "hous", ("drop",)),
        ("hous", "house", ("add",)),
        ("cat", "cut", ("replace",)),
        ("separate", "seperate", ("replace",)),
        ("accommodate", "acomodate", ("undouble", "undouble")),
        ("a", "a", ()),
    ],
)
def test_kinds_of_edits(meant, typed, kinds):
    assert edits(meant, typed) == kinds


def test_a_probability_by_hand():
    """An error (0.1), a single one (1 - 0.2), of drops (0.22), at one of 4 places; an added letter is one of 26."""
    channel = Channel(error_rate=0.1, more=0.2)
    assert channel.log_prob("cat", "cat") == pytest.approx(math.log(0.9))
    assert channel.log_prob("ct", "cat") == pytest.approx(math.log(0.1 * 0.8 * 0.22 / 4))
    assert channel.log_prob("cart", "cat") == pytest.approx(math.log(0.1 * 0.8 * 0.16 / 4 / 26))
    assert channel.log_prob("cxy", "cat") == pytest.approx(math.log(0.1 * 0.8 * 0.2 * (0.2 / 4 / 26) ** 2))


def test_confusions_take_their_share():
    channel = Channel(error_rate=0.1, confused=0.5, confusions=Confusions([["to", "too", "two"]]))
    edited = 0.5 * 0.9 * 0.13 / 3  # an o is doubled, one of the ways in which "to" may be typed wrongly
    assert channel.log_prob("too", "to") == pytest.approx(math.log(0.1 * (0.25 + edited)))
    assert channel.log_prob("ta", "ti") == pytest.approx(math.log(0.1 * 0.9 * 0.2 / 3 / 26))


def test_probabilities_of_all_that_can_be_typed_are_not_more_than_one():
    """All strings of up to four letters; what is left over is of longer ones, and of edits that lead nowhere."""
    channel = Channel(error_rate=0.3, letters=2)
    typed = ["".join(word) for size in range(5) for word in itertools.product("abc", repeat=size)]
    for meant in ("ab", "aab"):
        assert 0.7 < sum(math.exp(channel.log_prob(word, meant)) for word in typed) <= 1


def test_what_pairs_teach():
    """Six pairs, three wrong: one confusion, and a drop and a swap of one edit each; one is added to every count."""
    pairs = [("a", "a"), ("of", "of"), ("the", "the"), ("there", "their"), ("hous", "house"), ("tehy", "they")]
    channel = Channel.estimate(pairs, Confusions([["there", "their"]]))
    assert channel.error_rate == (3 + 1) / (6 + 2)
    assert channel.confused == (1 + 1) / (1 + 2)
    assert channel.more == (0 + 1) / (2 + 2)
    assert channel.shares == {
        "drop": 2 / 8,
        "swap": 2 / 8,
        **dict.fromkeys(("undouble", "add", "double", "replace"), 1 / 8),
    }


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({"error_rate": 0.0}, "error_rate is 0.0; give a probability, above 0 and below 1"),
        ({"more": 1.0}, "more is 1.0; give a probability, above 0 and below 1"),
        (
            {"shares": {"drop": 1.0}},
            "shares are {'drop': 1.0}; give one for each of drop, undouble, add, double, replace, swap, 1 together",
        ),
    ],
)  # fmt: skip
def test_no_probabilities_are_refused(options, message):
    with pytest.raises(UsageError) as caught:
        Channel(**options)
    assert str(caught.value) == message


def test_files_of_confusions_and_pairs(tmp_path):
    sets = tmp_path / "sets.txt"
    sets.write_text("to too two\n\n# homophones\ntheir, there # and they're\n")
    found = read_confusions(sets)
    assert (found.others("to"), found.others("there"), found.others("x"), len(found)) == (
        ("too", "two"),
        ("their",),
        (),
        5,
    )
    sets.write_text("to too\ntheir\n")
    with pytest.raises(TextError) as caught:
        read_confusions(sets)
    assert str(caught.value) == f"{sets}:2: 'their' stands alone; give the words that are taken for each other"
    sets.write_text("# nothing\n")
    with pytest.raises(TextError, match="there are no words; give on each line those that are taken for each other"):
        read_confusions(sets)
    sets.write_text("teh\tthe\nhous\thouse\n")
    assert read_pairs(sets) == [("teh", "the"), ("hous", "house")]
    sets.write_text("teh the\n")
    with pytest.raises(TextError, match="sets.txt:1: expected a word as typed, a tab, and the word that was meant"):
        read_pairs(sets)
    with pytest.raises(UsageError, match="there are no pairs to estimate a channel from"):
        Channel.estimate([])
