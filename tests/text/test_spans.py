"""Where tokens are, and what they are known by: against Python's own splitting, and integers without a limit."""

import re

import numpy as np
import pytest
from hypothesis import example, given
from hypothesis import strategies as st

from nextword.text import spans

WORD_64 = 2**64
PIECES = st.sampled_from(
    [b"a", b"bc", b"\x0b", b"\xff", b"\x21", b"\x1f", b"x" * 8, b"y" * 9, b"z" * 70, *b"\0\t\n\r "]
)
TEXTS = st.one_of(
    st.lists(PIECES.map(lambda piece: bytes([piece]) if isinstance(piece, int) else piece), max_size=80).map(b"".join),
    st.binary(max_size=200),
    st.integers(0, 200).map(lambda size: b"\n" * size),
    st.integers(0, 200).map(lambda size: b"a " * size),
)


def slow_spans(text):
    """(begin, end) of each token, and (at, at) of each newline."""
    found = re.finditer(rb"[^\0\t\n\r ]+|\n", text)
    return [(one.start(), one.start() if one[0] == b"\n" else one.end()) for one in found]


def cut_all(text, room):
    data = np.frombuffer(text, dtype=np.uint8)
    starts, ends = np.zeros((2, room), dtype=np.int64)
    begin = i = 0
    found = []
    while i < len(data):
        n, begin, i = spans.cut(data, begin, i, starts, ends)
        assert n <= room
        found += zip(starts[:n].tolist(), ends[:n].tolist(), strict=True)
    return found


@given(TEXTS, st.sampled_from([spans.MOST, spans.MOST + 1, 2 * spans.MOST, 500]))
@example(b"\n" * 64 + b"a", spans.MOST)
@example(b"a" + b"\n" * 64, spans.MOST)
@example(b"a" * 63 + b"\n" * 66, spans.MOST)
def test_tokens_are_where_python_finds_them(text, room):
    assert cut_all(text, room) == slow_spans(text)


@pytest.mark.parametrize("room", [spans.MOST])
def test_nothing_is_written_beyond_the_room(room):
    """The worst case: one token that began before, and then nothing but newlines."""
    text = np.frombuffer(b"a" * 64 + b"\n" * 64, dtype=np.uint8)
    rows = np.full((2, 2 * room), -7, dtype=np.int64)
    n, begin, i = spans.cut(text, 0, 64, rows[0, :room], rows[1, :room])
    assert (n, begin, i) == (65, 128, 128)
    assert (rows[:, room:] == -7).all()


def slow_hash(word):
    """The polynomial of the docstring, over eight bytes at a time."""
    total = 0
    for i in range(0, len(word), 8):
        x = int.from_bytes(word[i : i + 8], "little") * 0x9E3779B97F4A7C15 % WORD_64
        x = (x ^ x >> 32) * 0xFF51AFD7ED558CCD % WORD_64
        total = (total * 0xD6E8FEB86659FD93 + (x ^ x >> 32)) % WORD_64
    return total or 1


@given(st.lists(st.binary(min_size=1, max_size=30).map(lambda word: word.translate(None, b"\0\t\n\r ")), max_size=12))
def test_a_words_hash_does_not_depend_on_where_it_stands(words):
    """Alone, and anywhere in a text, the last eight bytes included, which are not read together."""
    words = [word for word in words if word]
    text = b" ".join(words)
    data = np.frombuffer(text, dtype=np.uint8)
    found = slow_spans(text)
    starts, ends = np.array(found, dtype=np.int64).reshape(-1, 2).T.copy()
    hashes = np.zeros(len(found), dtype=np.uint64)
    spans.hash_spans(data, starts, ends, len(found), hashes)
    assert hashes.tolist() == [slow_hash(word) for word in words]
    alone = [int(spans.hash_word(np.frombuffer(word, dtype=np.uint8))) for word in words]
    assert alone == hashes.tolist()


def test_newlines_have_the_hash_of_an_empty_row():
    data, hashes = np.frombuffer(b"ab\ncd", dtype=np.uint8), np.ones(3, dtype=np.uint64)
    spans.hash_spans(data, np.array([0, 2, 3]), np.array([2, 2, 5]), 3, hashes)
    assert hashes.tolist() == [slow_hash(b"ab"), 0, slow_hash(b"cd")]


def test_words_of_three_bytes_or_of_nine_all_have_hashes_of_their_own():
    words = [
        bytes([a, b, c]) + tail
        for a in b"abcd01"
        for b in b"abcd01"
        for c in range(33, 256)
        for tail in (b"", b"long!!")
    ]
    assert len({slow_hash(word) for word in words}) == len(words)
