"""cc_net's normalisation, by hand and against a reading of its rules that is as slow as they are plain."""

import re
import sys
import unicodedata

import pytest
from hypothesis import given
from hypothesis import strategies as st

from nextword.text.ccnet import normalize, normalize_ascii
from nextword.text.normalize import Normalizer

CCNET = Normalizer("ccnet")
EVERY = [chr(code) for code in range(sys.maxunicode + 1) if not 0xD800 <= code < 0xE000 and code != 0x0A]
# The replacements that the rules name, one by one: character, what becomes of it.
REPLACED = {
    "，": ",", "。": ".", "、": ",", "„": '"', "”": '"', "“": '"', "«": '"', "»": '"', "」": '"', "「": '"', "《": '"',
    "》": '"', "´": "'", "∶": ":", "：": ":", "？": "?", "！": "!", "（": "(", "）": ")", "；": ";", "–": "-",
    "—": " - ", "．": ". ", "～": "~", "’": "'", "…": "...", "━": "-", "〈": "<", "〉": ">", "【": "[", "】": "]",
    "％": "%", "►": "-",
}  # fmt: skip
texts = st.text(
    st.one_of(
        st.characters(exclude_categories=["Cs"]),
        st.sampled_from([*REPLACED, *"İΣσςAé\u0301\u0323\u0345\u00a0\u3000\x85\x1c\x7f\t\r\n 09１٣Å"]),
    )
)


def by_rule(line):
    """One line by the rules, in their order."""
    line = line.strip().lower()
    line = "".join(c for c in unicodedata.normalize("NFD", line) if unicodedata.category(c) != "Mn")
    line = re.sub(r"\d", "0", line)
    line = "".join(REPLACED.get(c, c) for c in line)
    return "".join(c for c in line if not (ord(c) < 32 or 127 <= ord(c) < 160))


@pytest.mark.parametrize(
    ("line", "expected"),
    [
        ("Hello, World 1984!", "hello, world 0000!"),
        ("  Ça coûte 25 ％  ", "ca coute 00 %"),
        ("“Quoted” — and… »so«", '"quoted" - and... "so"'.replace(" - ", "  -  ")),
        ("０２３４５６７８９ | 0123456789", "000000000 | 0000000000"),
        ("１", "0"),  # a digit before it could be a quotation mark, as which the rules' table has it
        ("a\tb\x07c\x7fd\x9fe", "abcde"),
        ("ÅNGSTRÖM İstanbul ΟΔΟΣ", "angstrom istanbul οδος"),
        ("한국어", "\u1112\u1161\u11ab\u1100\u116e\u11a8\u110b\u1165"),  # taken apart, not put together again
        ("你好，世界。（是）", "你好,世界.(是)"),
        ("ends—", "ends - "),
        ("", ""),
        (" \u3000\t", ""),
    ],
)
def test_by_hand(line, expected):
    assert CCNET.apply(line) == expected
    assert CCNET.apply(f"{line}\n{line}\n".encode()) == f"{expected}\n{expected}\n".encode()


def test_every_character_beside_letters():
    some = EVERY[:0x20000]  # the planes beyond hold nothing that the rules speak of
    assert normalize("\n".join(f"a{c}b" for c in some)) == "\n".join(by_rule(f"a{c}b") for c in some)


def test_every_character_alone():
    some = EVERY[:0x3400]
    assert normalize("\n".join(some)) == "\n".join(map(by_rule, some))


@given(texts)
def test_any_text_line_by_line(text):
    expected = "\n".join(map(by_rule, text.split("\n")))
    assert CCNET.apply(text) == expected
    assert CCNET.apply(text.encode()) == expected.encode()


@given(st.text(st.characters(max_codepoint=127)))
def test_the_door_for_ascii(text):
    assert normalize_ascii(text.encode()).decode() == normalize(text)


def test_it_is_stored():
    again = Normalizer.from_config(CCNET.config())
    assert (again.form, again.apply("É1\n")) == ("ccnet", "e0\n")
