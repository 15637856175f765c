"""A text as it comes to be: what is given away of it, when, and where it ends."""

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

pytest.importorskip("fastapi")

from nextword.interfaces.server.choices import IMPOSSIBLE, Growing, finite, logprobs, tops  # noqa: E402
from nextword.interfaces.server.codec import Codec  # noqa: E402
from nextword.interfaces.server.engine import Token  # noqa: E402
from nextword.interfaces.server.stops import Stops  # noqa: E402
from nextword.lm import LM  # noqa: E402
from nextword.text.vocabulary import SPECIALS, Vocabulary  # noqa: E402
from toy import BigramTable  # noqa: E402

WORDS = ["a", "b", "ab", "ba", "aab"]
CODEC = Codec(LM(BigramTable(vocabulary=Vocabulary.from_words([*SPECIALS, *WORDS]), size=8)))


def token(i, log_prob=-1.0, top=()):
    return Token(0, i, log_prob, np.array([i for i, _ in top], np.int32), np.array([p for _, p in top]))


def growing(stops=(), top=None, offset=0):
    return Growing(CODEC, CODEC.writer(), stops, top=top, offset=offset)


def cut(pieces, stops):
    """The slow way: the text after each token, searched from its beginning."""
    text = ""
    for piece in pieces:
        text += piece
        places = [text.index(one) for one in stops if one in text]
        if places:
            return text[: min(places)], True
    return text, False


@given(
    ids=st.lists(st.integers(3, 7), max_size=20),
    stops=st.lists(st.text("ab ", min_size=1, max_size=4), max_size=4),
    often=st.booleans(),
)
def test_a_text_ends_before_what_it_stops_at_and_never_shows_a_part_of_it(ids, stops, often):
    writer, choice, shown = CODEC.writer(), growing(stops), ""
    expected, stopped = cut([writer.add(CODEC.word(i)) for i in ids], stops)
    for i in ids:
        if choice.finish is None:
            choice.add(token(i), ends=True)
        if often:
            shown += "".join(one.piece for one in choice.take())
            assert expected.startswith(shown)
    choice.close()
    assert shown + "".join(one.piece for one in choice.take()) == expected
    assert choice.finish == ("stop" if stopped else "length")


@given(text=st.text("ab", max_size=12), stops=st.lists(st.text("ab", min_size=1, max_size=4), min_size=1, max_size=4))
def test_what_is_held_back_is_the_longest_beginning_of_a_stop(text, stops):
    expected = max(
        (n for n in range(len(text) + 1) for one in stops if n < len(one) and text[len(text) - n :] == one[:n]),
        default=0,
    )
    assert Stops(stops).held(text) == expected


def test_nothing_is_held_back_without_a_reason():
    choice = growing(["nothing"])
    choice.add(token(3), ends=True)
    assert [one.piece for one in choice.take()] == ["a"]
    choice = growing(["b a"])
    for i, shown in ((4, []), (4, ["b"]), (6, [" b", " ba"])):
        choice.add(token(i), ends=True)
        assert [one.piece for one in choice.take()] == shown


def test_the_end_of_a_line_ends_a_text_or_is_a_newline():
    choice = growing(top=0)
    choice.add(token(3), ends=True)
    choice.add(token(2), ends=True)
    found = choice.take()
    assert [(one.piece, one.label) for one in found] == [("a", "a"), ("", "\n")]
    assert (choice.finish, choice.count) == ("stop", 2)
    on = growing(top=0)
    for i in (3, 2, 4):
        on.add(token(i), ends=False)
    assert "".join(one.piece for one in on.take()) == "a\nb"
    assert on.finish is None


def test_log_probabilities_in_the_form_of_openai():
    choice = growing(top=2, offset=5)
    choice.add(token(3, -0.5, [(4, -0.25), (3, -0.5)]), ends=True)
    choice.add(token(4, -np.inf, [(2, -0.125), (3, -0.75)]), ends=True)
    assert logprobs(choice.take(), top=2) == {
        "tokens": ["a", " b"],
        "token_logprobs": [-0.5, -9999.0],
        "top_logprobs": [{"b": -0.25, "a": -0.5}, {"\n": -0.125, " a": -0.75, " b": -9999.0}],
        "text_offset": [5, 6],
    }
    assert (finite(float("nan")), finite(-3.0)) == (IMPOSSIBLE, -3.0)


def test_a_token_has_one_number_and_of_two_that_look_alike_the_likelier_is_shown():
    writer = CODEC.writer()
    assert tops(CODEC, writer, 3, "a", -0.5000001, [3, 4], [-0.5, -0.75]) == {"a": -0.5000001, "b": -0.75}
    assert tops(CODEC, writer, 0, "b", -3.0, [4, 0], [-0.25, -3.0]) == {"b": -0.25}
