"""Normalisation: Unicode's forms, once and for all, that leave lines as they are."""

import sys

import pytest
from hypothesis import given
from hypothesis import strategies as st

from nextword.errors import TextError, UsageError
from nextword.text.normalize import Normalizer

FORMS = [None, "nfc", "nfd", "nfkc", "nfkd"]
ALL = [Normalizer(form, lowercase=lowercase) for form in FORMS for lowercase in (False, True)]
# What the forms and lower case treat specially, beside everything else.
texts = st.text(
    st.one_of(st.characters(exclude_categories=["Cs"]), st.sampled_from("İΣσςAe\u0301\u0323\u0345ﬁ½Å가\n "))
)


@pytest.mark.parametrize(
    ("normalizer", "expected"),
    [
        (Normalizer(), "E\u0301 ﬁN\n"),
        (Normalizer("nfc"), "É ﬁN\n"),
        (Normalizer("nfkc"), "É fiN\n"),
        (Normalizer("nfkd"), "E\u0301 fiN\n"),
        (Normalizer("nfkc", lowercase=True), "é fin\n"),
        (Normalizer(lowercase=True), "e\u0301 ﬁn\n"),
    ],
)
def test_forms(normalizer, expected):
    assert normalizer.apply("E\u0301 ﬁN\n") == expected


@pytest.mark.parametrize("normalizer", ALL)
@given(first=texts, second=texts)
def test_lines_are_independent_and_twice_is_once(normalizer, first, second):
    text = f"{first}\n{second}"
    result = normalizer.apply(text)
    assert result == f"{normalizer.apply(first)}\n{normalizer.apply(second)}"
    assert result.count("\n") == text.count("\n")
    assert normalizer.apply(result) == result
    assert normalizer.apply(text.encode()) == result.encode()


@pytest.mark.parametrize("normalizer", ALL)
def test_no_character_becomes_a_newline_or_vanishes(normalizer):
    every = "".join(chr(code) for code in range(sys.maxunicode + 1) if not 0xD800 <= code < 0xE000)
    apart = "\n".join(every.replace("\n", ""))
    lines = normalizer.apply(apart).split("\n")
    assert len(lines) == len(every) - 1
    assert all(lines)


def test_where_there_is_nothing_to_do_nothing_is_copied():
    for text in (b"a b\n", "é\n".encode(), b"\xff"):
        assert Normalizer().apply(text) is text
    for text in (b"a B\n", "é\n".encode()):
        assert Normalizer("nfc").apply(text) is text
    assert Normalizer("nfc").apply(text := "é") is text


def test_bytes_that_are_not_utf8():
    with pytest.raises(TextError) as caught:
        Normalizer("nfc").apply(b"caf\xe9 ")
    assert str(caught.value) == "byte 4 of the text (0xe9) is not UTF-8; convert it first"


@pytest.mark.parametrize("normalizer", ALL)
def test_config_round_trip(normalizer):
    again = Normalizer.from_config(normalizer.config())
    assert (again.form, again.lowercase) == (normalizer.form, normalizer.lowercase)


def test_an_unknown_form():
    with pytest.raises(UsageError) as caught:
        Normalizer("NFC")
    assert str(caught.value) == "unknown normalisation form 'NFC'; expected nfc, nfd, nfkc, nfkd, ccnet or none"


@pytest.mark.parametrize(
    "config",
    [
        {},
        {"form": "nfc"},
        {"form": None, "lowercase": 1},
        {"form": None, "lowercase": True, "strip": True},
        None,
        ["nfc"],
    ],
)
def test_a_config_that_is_none(config):
    with pytest.raises(UsageError) as caught:
        Normalizer.from_config(config)
    assert str(caught.value) == f"a normaliser is stored as a form and lowercase (true or false), not as {config}"


def test_a_config_of_another_form():
    with pytest.raises(UsageError, match="unknown normalisation form"):
        Normalizer.from_config({"form": ["nfc"], "lowercase": False})
