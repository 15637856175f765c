"""Ranges of files: read one by one they give what the whole file gives, wherever the cuts fall."""

import gzip
import json

import pytest
from hypothesis import given
from hypothesis import strategies as st

from nextword.errors import TextError, UsageError
from nextword.text.corpus import Corpus
from nextword.text.ranges import TextRange, over_range, ranges

BOM = "\N{ZERO WIDTH NO-BREAK SPACE}"


def text(blocks):
    return b"".join(block.text for block in blocks)


@given(
    st.lists(st.text("ab é\r" + BOM, max_size=9), max_size=8).map("\n".join),
    st.integers(1, 12),
)
def test_the_ranges_of_a_file_are_the_file(tmp_path_factory, written, size):
    path = tmp_path_factory.mktemp("ranges") / "text.txt"
    path.write_bytes(written.encode())
    read = [over_range(part, text) for part in ranges([str(path)], size)]
    assert b"".join(read) == text(Corpus(path))
    assert all(part.endswith(b"\n") for part in read if part)


def test_a_line_longer_than_ranges_belongs_to_that_which_it_begins_in(tmp_path):
    path = tmp_path / "t.txt"
    path.write_bytes(b"a\n" + b"b" * 10 + b"\nc\n")
    assert [over_range(part, text) for part in ranges([str(path)], 4)] == [b"a\n" + b"b" * 10 + b"\n", b"", b"", b"c\n"]


def test_only_the_first_line_of_a_file_loses_a_byte_order_mark(tmp_path):
    path = tmp_path / "t.txt"
    path.write_text(f"{BOM}a\n{BOM}b\n", encoding="utf-8")
    assert b"".join(over_range(part, text) for part in ranges([str(path)], 5)) == f"a\n{BOM}b\n".encode()


def test_json_lines_are_cut_between_records_and_compressed_files_not_at_all(tmp_path):
    records = "".join(json.dumps({"body": f"word {i}\nnext"}) + "\n" for i in range(9))
    plain, packed = tmp_path / "t.jsonl", tmp_path / "t.jsonl.gz"
    plain.write_text(records)
    packed.write_bytes(gzip.compress(records.encode()))
    parts = ranges([str(plain), str(packed)], 50)
    assert len(parts) == -(-len(records) // 50) + 1
    assert parts[-1] == TextRange(str(packed))
    expected = text(Corpus(plain, field="body"))
    assert b"".join(over_range(part, text, field="body") for part in parts) == expected * 2


def test_an_empty_file_is_one_range_without_lines(tmp_path):
    path = tmp_path / "t.txt"
    path.touch()
    (part,) = ranges([str(path)], 5)
    assert over_range(part, text) == b""


def test_errors_name_the_line_in_the_whole_file(tmp_path):
    path = tmp_path / "t.txt"
    path.write_bytes(b"one\ntwo\nthree\nfour \xff five\nsix\n")
    last = ranges([str(path)], 12)[1]
    message = (
        f"{path}:4: byte 6 of the line (0xff) is not UTF-8; convert the text from its encoding, "
        "for example: iconv -f LATIN1 -t UTF-8 IN > OUT"
    )
    with pytest.raises(TextError) as caught:
        over_range(last, text)
    assert str(caught.value) == message

    def refuse(blocks):
        raise TextError(next(iter(blocks)).where(0))

    path.write_bytes(b"one\ntwo\nthree\nfour five\nsix\n")
    with pytest.raises(TextError, match=f"^{path}:4$"):
        over_range(last, refuse)


def test_what_cannot_be_cut_is_refused(tmp_path):
    with pytest.raises(UsageError) as caught:
        ranges(["-"], 5)
    assert str(caught.value) == "standard input (-) cannot be cut into ranges; save it to a file and name that"
    with pytest.raises(TextError, match="there is no such file"):
        ranges([str(tmp_path / "none.txt")], 5)
