"""The compiled loops against readable twins: what a token is, which id it has, and what is UTF-8."""

import re

import numpy as np
import pytest
from hypothesis import assume, example, given
from hypothesis import strategies as st

from nextword.text import encode
from nextword.text.vocabulary import SPECIALS, Vocabulary

WORDS = [*(word.encode() for word in SPECIALS), b"a", b"bc", b"\x0b", b"\xff", "né".encode(), b"x" * 40]
# Tokens, known or not, and what may stand between or after them, in any order; or any bytes at all.
pieces = st.sampled_from([*WORDS[3:], b"b", b"\xc2\xa0", b"\x80", b"abc", *(bytes([byte]) for byte in b"\0\t\n\r \n ")])
texts = st.one_of(st.lists(pieces, max_size=30).map(b"".join), st.binary(max_size=60))


def split(text: bytes) -> list[list[bytes]]:
    """The tokens of each line: KenLM's five delimiters, and a last line that may lack its newline."""
    lines = text.split(b"\n")
    if not lines[-1]:
        lines.pop()
    return [[token for token in re.split(rb"[\0\t\r ]+", line) if token] for line in lines]


def slow_encode(text: bytes, ids: dict[bytes, int], unk: int, eos: int) -> tuple[list[int], int, int]:
    """What ``encode`` must give: ids, tokens that are ``unk``, bytes of those."""
    lines = split(text)
    unknown = [token for line in lines for token in line if ids.get(token, unk) == unk]
    encoded = [i for line in lines for i in [*(ids.get(token, unk) for token in line), eos]]
    return encoded, len(unknown), sum(map(len, unknown))


def vocabulary_of(words: list[bytes]) -> Vocabulary:
    offsets = np.cumsum([0, *map(len, words)])
    return Vocabulary.from_bytes(np.frombuffer(b"".join(words), dtype=np.uint8).copy(), offsets)


VOCABULARY = vocabulary_of(WORDS)


@given(texts)
@example(b"")
@example(b"a")
@example(b"a\n\n \nbc\r\n")
@example(b"<unk> a <unk>b")
def test_encode_is_its_twin(text):
    assume(not {b"<s>", b"</s>"} & set(text.split()))  # hypothesis tries what it finds in the source
    encoded = VOCABULARY.encode(text)
    expected = slow_encode(text, {word: i for i, word in enumerate(WORDS)}, 0, 2)
    assert (encoded.ids.tolist(), encoded.oov, encoded.oov_bytes) == expected
    assert encoded.ids.dtype == np.int32


def grow(text: bytes, rows: int) -> tuple[int, list[int], list[bytes], int]:
    """Run ``encode_growing`` from a table of ``rows``, doubled when full: status, ids, words and bytes reached."""
    blob = np.zeros(len(text) + 32, dtype=np.uint8)
    offsets = np.zeros(len(text) + 8, dtype=np.int64)
    table = np.zeros((rows, 2), dtype=np.uint64)
    ids = np.zeros(len(text) + 32, dtype=np.int32)
    words = 0
    for data, specials in ((" ".join(SPECIALS).encode(), True), (text, False)):
        status, reached, n = encode.TABLE_FULL, 0, 0
        source = np.frombuffer(data, dtype=np.uint8)
        while status == encode.TABLE_FULL:
            status, reached, n, words = encode.encode_growing(
                source, reached, table, blob, offsets, words, ids, n, specials
            )
            if status == encode.TABLE_FULL:
                table = np.zeros((2 * len(table), 2), dtype=np.uint64)
                encode.fill_table(blob, offsets[: words + 1], table)
    known = [blob[a:b].tobytes() for a, b in zip(offsets[:words], offsets[1 : words + 1], strict=True)]
    return status, ids[:n].tolist(), known, reached


@given(texts, st.sampled_from([2, 3, 8, 64]))
def test_encode_growing_is_its_twin_however_often_the_table_fills(text, rows):
    order = list(
        dict.fromkeys([word.encode() for word in SPECIALS] + [token for line in split(text) for token in line])
    )
    expected = slow_encode(text, {word: i for i, word in enumerate(order)}, -1, 2)[0]
    assert grow(text, rows) == (encode.DONE, expected, order, len(text))


@pytest.mark.parametrize("special", [b"<s>", b"</s>"])
def test_encode_growing_stops_at_the_marks_of_a_sentence(special):
    status, ids, words, reached = grow(b"a <unk>\nb " + special + b" c\n", 64)
    assert (status, ids, words[3:], reached) == (encode.RESERVED, [3, 0, 2, 4], [b"a", b"b"], 10)


def test_a_hash_is_never_that_of_an_empty_row():
    assert encode.hash_word(np.frombuffer(b"a", dtype=np.uint8)) != 0
    assert encode.hash_word(np.zeros(8, dtype=np.uint8)) == 1


def test_fill_table_finds_a_double():
    blob, offsets = np.frombuffer(b"abcab", dtype=np.uint8), np.array([0, 2, 3, 5])
    assert encode.fill_table(blob, offsets, np.zeros((8, 2), dtype=np.uint64)) == 2
    assert encode.fill_table(blob, offsets[:3], np.zeros((8, 2), dtype=np.uint64)) == -1


def python_invalid(text: bytes) -> int:
    try:
        text.decode()
    except UnicodeDecodeError as error:
        return error.start
    return -1


broken = st.builds(  # almost UTF-8: cut short, or with a byte changed
    lambda text, end, at, byte: (data := text.encode()[:end])[:at] + bytes([byte]) * (at < len(data)) + data[at + 1 :],
    st.text(st.sampled_from("a\x7f\x80é\u07ff\u0800\ud7ff\ue000\uffff\U00010000\U0010ffff"), max_size=9),
    st.integers(0, 40),
    st.integers(0, 50),
    st.integers(0, 255),
)


@given(
    st.one_of(st.binary(max_size=8), broken, st.text(max_size=9).map(lambda text: text.encode(errors="surrogatepass")))
)
@example(b"")
@example(b"ab\xf0\x9f\x98")
@example(b"\xe0\x9f\xbf")
@example(b"\xed\xa0\x80")
@example(b"\xf4\x90\x80\x80")
def test_invalid_utf8_is_where_python_says(text):
    assert encode.invalid_utf8(np.frombuffer(text, dtype=np.uint8)) == python_invalid(text)


def test_invalid_utf8_for_every_pair_of_bytes_before_more():
    for first in range(0x7F, 0x100):
        for second in range(0x7F, 0x100):
            for text in (bytes([first, second]), bytes([first, second, 0x80]), bytes([first, second, 0xBF, 0x80])):
                assert encode.invalid_utf8(np.frombuffer(text, dtype=np.uint8)) == python_invalid(text)
