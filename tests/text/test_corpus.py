"""Corpora: every format gives the same lines, and every input that is no text is refused by file and line."""

import gzip
import hashlib
import io
import json
import os
import subprocess
import sys
import threading
import tracemalloc
from pathlib import Path
from types import SimpleNamespace

import pytest
import zstandard
from hypothesis import given
from hypothesis import strategies as st

from nextword.errors import TextError, UsageError
from nextword.text.blocks import cut
from nextword.text.corpus import Corpus

TEXT = "students opened their books\n\nas the proctor started\nthe clock, né\r\n".encode()
EXAMPLE = 'such as {"text": "students opened their books"}'


def write(folder: Path, name: str, data: bytes) -> Path:
    path = folder / name
    path.write_bytes(data)
    return path


def text_of(corpus: Corpus) -> bytes:
    return b"".join(block.text for block in corpus)


def refusal(path: Path, **options: object) -> str:
    """The message with which reading ``path`` fails, without its folder."""
    with pytest.raises(TextError) as caught:
        list(Corpus(path, **options))
    return str(caught.value).replace(f"{path.parent}{os.sep}", "")


def jsonl(text: bytes) -> bytes:
    return json.dumps({"id": 1, "text": text.decode()}).encode()


FORMATS = {
    "t.txt": bytes,
    "t": bytes,
    "t.txt.gz": gzip.compress,
    "T.GZ": gzip.compress,
    "t.txt.zst": zstandard.compress,
    "t.jsonl": jsonl,
    "t.jsonl.gz": lambda text: gzip.compress(jsonl(text)),
    "t.jsonl.zst": lambda text: zstandard.compress(jsonl(text)),
}


class TestWhatComesOut:
    @pytest.mark.parametrize("name", FORMATS)
    def test_every_format_gives_the_same_text_and_can_be_read_again(self, tmp_path, name):
        corpus = Corpus(write(tmp_path, name, FORMATS[name](TEXT)))
        assert [text_of(corpus), text_of(corpus)] == [TEXT, TEXT]

    @given(st.text(alphabet="ab \n\r\0é▁", max_size=60), st.integers(1, 70))
    def test_blocks_are_the_whole_lines_of_the_text_however_it_is_chunked(self, text, size):
        data = text.encode()
        chunks = [data[start : start + size] for start in range(0, len(data), size)]
        blocks = list(cut(chunks, "t", 1 << 30))
        whole = data if data.endswith(b"\n") or not data else data + b"\n"
        assert b"".join(block.text for block in blocks) == whole
        read = 0
        for block in blocks:
            assert block.text.endswith(b"\n")
            assert (block.path, block.line) == ("t", 1 + whole.count(b"\n", 0, read))
            read += len(block.text)

    def test_files_follow_one_another(self, tmp_path):
        first, second = write(tmp_path, "a.txt", b"one\ntwo"), write(tmp_path, "b.txt", b"three\n")
        corpus = Corpus([first, write(tmp_path, "empty.txt", b""), str(second)])
        assert [(block.text, block.path, block.line) for block in corpus] == [
            (b"one\n", str(first), 1),
            (b"two\n", str(first), 2),
            (b"three\n", str(second), 1),
        ]

    @pytest.mark.parametrize("name", FORMATS)
    def test_an_empty_file_gives_nothing(self, tmp_path, name):
        assert list(Corpus(write(tmp_path, name, b""))) == []
        assert list(Corpus(write(tmp_path, name, FORMATS[name](b"")))) == []

    @pytest.mark.parametrize("size", [1, 2, 3, 4, 100])
    def test_a_byte_order_mark_is_dropped_at_a_files_start_alone(self, tmp_path, size):
        mark = "\ufeff".encode()
        for data, expected in ((mark + b"a\n" + mark + b"b", b"a\n" + mark + b"b\n"), (mark, b""), (b"ab", b"ab\n")):
            assert text_of(Corpus(write(tmp_path, "a", data), block_size=size)) == expected

    def test_nul_bytes_and_carriage_returns_pass_through(self, tmp_path):
        assert text_of(Corpus(write(tmp_path, "a", b"a\0b\r\nc\rd\n"))) == b"a\0b\r\nc\rd\n"

    def test_a_line_of_100_megabytes(self, tmp_path):
        path = tmp_path / "long.txt"
        with path.open("wb") as file:
            file.write(b"short\n")
            file.truncate(100_000_000)  # NUL bytes that take no room on the disk
        short, long = Corpus(path)
        assert (short.text, long.line, len(long.text)) == (b"short\n", 2, 100_000_000 - 6 + 1)

    def test_compressed_members_are_read_on_and_padding_is_passed_over(self, tmp_path):
        members = gzip.compress(b"a\nb") + gzip.compress(b"c\n") + bytes(9)
        frames = zstandard.compress(b"a\nb") + b"\x50\x2a\x4d\x18\x03\0\0\0xyz" + zstandard.compress(b"c\n")
        assert text_of(Corpus(write(tmp_path, "a.gz", members))) == b"a\nbc\n"
        assert text_of(Corpus(write(tmp_path, "a.zst", frames))) == b"a\nbc\n"  # a skippable frame between

    @pytest.mark.parametrize("name", ["a.txt", "a.txt.gz"])
    def test_memory_stays_at_a_few_blocks(self, tmp_path, name):
        lines = b"students opened their books\n" * 37_000
        path = tmp_path / name
        with gzip.open(path, "wb", compresslevel=1) if name.endswith("gz") else path.open("wb") as file:
            file.writelines([lines] * 30)
        tracemalloc.start()
        read = sum(len(block.text) for block in Corpus(path, block_size=1 << 20))
        peak = tracemalloc.get_traced_memory()[1]
        tracemalloc.stop()
        assert read == 30 * len(lines)
        assert peak < 8 << 20

    def test_sources_are_the_raw_files(self, tmp_path):
        paths = [write(tmp_path, "a.txt.gz", gzip.compress(TEXT)), write(tmp_path, "b.txt", TEXT * 5000)]
        corpus = Corpus(paths, block_size=100_000)
        with pytest.raises(UsageError) as caught:
            _ = corpus.sources
        known = "the sources of a corpus are known when it has been read to its end; iterate over it"
        assert str(caught.value) == known
        list(corpus)
        packed, plain = [
            {"path": str(path), "bytes": len(data), "sha256": hashlib.sha256(data).hexdigest()}
            for path, data in [(path, path.read_bytes()) for path in paths]
        ]
        assert corpus.sources == [packed | {"text_sha256": hashlib.sha256(TEXT).hexdigest()}, plain]

    def test_import_loads_no_compiler_and_no_library(self):
        loaded = (
            "import nextword.text.corpus, sys; print({'numba', 'zstandard', 'tokenizers', 'json'} & set(sys.modules))"
        )
        assert subprocess.run([sys.executable, "-c", loaded], capture_output=True, check=True).stdout == b"set()\n"


class TestJsonLines:
    def test_each_line_of_a_record_is_a_sentence_and_keeps_the_records_number(self, tmp_path):
        records = b'{"id": 1, "text": "students\\nopened"}\n \n{"text": ""}\n{"text": "their\\n", "body": "books"}\n'
        path = write(tmp_path, "a.jsonl", records)
        (block,) = Corpus(path)
        assert (block.text, block.line, block.numbers) == (b"students\nopened\ntheir\n", 1, [1, 1, 4])
        assert [block.where(index) for index in range(3)] == [f"{path}:1", f"{path}:1", f"{path}:4"]

    def test_a_field_can_be_named(self, tmp_path):
        assert text_of(Corpus(write(tmp_path, "a.jsonl", b'{"text": 1, "body": "books"}'), field="body")) == b"books\n"

    @pytest.mark.parametrize(
        ("record", "message"),
        [
            ("{'text': 1}", "not valid JSON (Expecting property name enclosed in double quotes, column 2); "),
            ("students", "not valid JSON (Expecting value, column 1); "),
            ('{"text": "a"} {}', "not valid JSON (Extra data, column 15); "),
        ],
    )
    def test_what_is_no_json(self, tmp_path, record, message):
        path = write(tmp_path, "a.jsonl", f'{{"text": "a"}}\n\n{record}\n'.encode())
        assert refusal(path) == f"a.jsonl:3: {message}give one object a line, {EXAMPLE}"

    @pytest.mark.parametrize(
        ("record", "message"),
        [
            ("[1]", f"the record is an array; expected an object, {EXAMPLE}"),
            ('"a"', f"the record is a string; expected an object, {EXAMPLE}"),
            ('{"id": 1, "body": "a"}', "the record has no field 'text'; name one that it has: 'id', 'body'"),
            ("{}", "the record has no field 'text'; name one that it has: none"),
            ('{"text": 3.5}', f"the field 'text' is a number; expected a string, {EXAMPLE}"),
            ('{"text": true}', f"the field 'text' is true or false; expected a string, {EXAMPLE}"),
            ('{"text": null}', f"the field 'text' is null; expected a string, {EXAMPLE}"),
            ('{"text": {}}', f"the field 'text' is an object; expected a string, {EXAMPLE}"),
            (r'{"text": "\ud83d"}', "U+D83D is half of a surrogate pair and no character; replace it"),
        ],
    )
    def test_what_is_no_record(self, tmp_path, record, message):
        assert refusal(write(tmp_path, "a.jsonl", f'{{"text": "a"}}\n{record}'.encode())) == f"a.jsonl:2: {message}"

    @pytest.mark.parametrize("record", ["[" * 100_000, '{"text": ' + "1" * 5000 + "}"])
    def test_json_beyond_all_measure(self, tmp_path, record):
        assert refusal(write(tmp_path, "a.jsonl", record.encode())).startswith("a.jsonl:1: this JSON cannot be read (")


class TestWhatIsRefused:
    @pytest.mark.parametrize(
        ("data", "where"),
        [
            (b"caf\xe9 opened\n", "1: byte 4 of the line (0xe9)"),
            (b"a\nb\nab\xff", "3: byte 3 of the line (0xff)"),
            (b"a\n\xed\xa0\x80\n", "2: byte 1 of the line (0xed)"),  # a surrogate
            (b"a\nno\xf0\x9f\x98\nb\n", "2: byte 3 of the line (0xf0)"),  # cut short
            (b"\xff\xfea\0\n\0", "1: byte 1 of the line (0xff)"),  # UTF-16
        ],
    )
    @pytest.mark.parametrize("size", [2, 1000])
    def test_invalid_utf8(self, tmp_path, data, where, size):
        assert refusal(write(tmp_path, "a.txt", data), block_size=size) == (
            f"a.txt:{where} is not UTF-8; convert the text from its encoding, for example: "
            "iconv -f LATIN1 -t UTF-8 IN > OUT"
        )

    @pytest.mark.parametrize("size", [1, 3, 7, 100])
    def test_a_line_beyond_the_limit(self, tmp_path, size):
        path = write(tmp_path, "a.txt", b"students\nopened\n12345678\nbooks\n")
        assert len(text_of(Corpus(path, block_size=size, max_line=8))) == 31
        assert refusal(path, block_size=size, max_line=7) == (
            "a.txt:1: the line is longer than 7 bytes; give one sentence a line"
        )
        unended = write(tmp_path, "b.txt", b"students\nopened12345")
        assert refusal(unended, block_size=size, max_line=10).startswith("b.txt:2: the line is longer than 10 bytes")

    @pytest.mark.parametrize(("name", "compress"), [("gzip", gzip.compress), ("zstd", zstandard.compress)])
    def test_compressed_data_that_end_too_early(self, tmp_path, name, compress):
        lines = b"".join(b"%d students\n" % number for number in range(1000))
        whole, suffix = compress(b"first\nsecond\n") + compress(lines), {"gzip": "gz", "zstd": "zst"}[name]
        for end in (1, 10, len(whole) // 2, len(whole) - 1):
            message = refusal(write(tmp_path, f"a.{suffix}", whole[:end]))
            where, _, reason = message.partition(": ")
            assert reason == f"the {name} data end too early; copy the file again, and test it with {name} -t"
            assert where.startswith(f"a.{suffix}:")
        assert where == f"a.{suffix}:{1003 if name == 'gzip' else 3}"  # a frame of Zstandard is one block here

    @pytest.mark.parametrize(
        ("name", "data", "message"),
        [
            (
                "a.gz",
                b"plain text",
                "a.gz:1: the gzip data after here are damaged (Error -3 while decompressing data: ",
            ),
            ("a.gz", gzip.compress(b"abc\n") + b"xyz", "a.gz:2: the gzip data after here are damaged (Error -3 while "),
            (
                "a.zst",
                b"plain text",
                "a.zst:1: the zstd data after here are damaged (zstd decompressor error: Unknown ",
            ),
            ("a.gz", gzip.compress(b"a\n")[:-8] + bytes(8), "a.gz:1: the gzip data after here are damaged (Error -3 "),
        ],
    )
    def test_compressed_data_that_are_damaged(self, tmp_path, name, data, message):
        found = refusal(write(tmp_path, name, data))
        assert found.startswith(message)
        tool = {"a.gz": "gzip", "a.zst": "zstd"}[name]
        assert found.endswith(f"); copy the file again, and test it with {tool} -t")

    def test_a_missing_file_and_a_directory_are_refused_before_anything_is_read(self, tmp_path):
        assert refusal(tmp_path / "none.txt") == "none.txt: there is no such file; check the path"
        folder = tmp_path / "texts"
        folder.mkdir()
        assert (
            refusal(folder)
            == f"texts: this is a directory; name the files in it, for example {Path('texts') / '*.txt'}"
        )

    def test_a_file_that_goes_away(self, tmp_path):
        path = write(tmp_path, "a.txt", b"a\n")
        corpus = Corpus(path)
        path.unlink()
        with pytest.raises(TextError) as caught:
            list(corpus)
        reason = "cannot be read (No such file or directory); check the file and its rights"
        assert str(caught.value) == f"{path}:1: {reason}"

    @pytest.mark.parametrize(
        ("paths", "options", "message"),
        [
            ([], {}, "no text was given; name at least one file, or - for standard input"),
            (["-", "-"], {}, "standard input (-) was given more than once, and can be read only once; name it once"),
            ("-", {"block_size": 0}, "block_size and max_line must be at least 1, not 0 and 1073741824"),
            ("-", {"max_line": 0}, "block_size and max_line must be at least 1, not 524288 and 0"),
        ],
    )
    def test_arguments_that_make_no_corpus(self, paths, options, message):
        with pytest.raises(UsageError) as caught:
            Corpus(paths, **options)
        assert str(caught.value) == message


class TestWhatIsReadOnce:
    def test_standard_input(self, monkeypatch):
        monkeypatch.setattr(sys, "stdin", SimpleNamespace(buffer=io.BytesIO(b"a\nb\xff")))
        corpus = Corpus("-")
        with pytest.raises(TextError, match=r"^<stdin>:2: byte 2 of the line \(0xff\) is not UTF-8; "):
            list(corpus)
        with pytest.raises(UsageError) as caught:
            list(corpus)
        assert str(caught.value) == (
            "<stdin> can be read only once, and is needed a second time; save it to a file and name that"
        )

    @pytest.mark.skipif(not hasattr(os, "mkfifo"), reason="this system has no named pipes")
    def test_a_pipe(self, tmp_path):
        path = tmp_path / "pipe"
        os.mkfifo(path)
        writer = threading.Thread(target=path.write_bytes, args=[TEXT])
        writer.start()
        corpus = Corpus(path)
        assert text_of(corpus) == TEXT
        writer.join()
        with pytest.raises(
            UsageError, match="pipe can be read only once, and is needed a second time; save it to a file"
        ):
            list(corpus)

    def test_an_iterator_of_lines(self):
        corpus = Corpus.from_lines(iter(["a"]))
        assert text_of(corpus) == b"a\n"
        with pytest.raises(UsageError) as caught:
            list(corpus)
        assert str(caught.value) == (
            "<memory> can be read only once, and is needed a second time; give a list of lines"
        )


class TestMemory:
    def test_lines_are_ended_where_they_are_not(self):
        corpus = Corpus.from_lines(["a b", "", "c\n", "d\ne"])
        assert [text_of(corpus), text_of(corpus)] == [b"a b\n\nc\nd\ne\n"] * 2
        assert corpus.sources == [
            {"path": "<memory>", "bytes": 11, "sha256": hashlib.sha256(b"a b\n\nc\nd\ne\n").hexdigest()}
        ]
        assert list(Corpus.from_lines([])) == []

    def test_text_is_read_as_a_file(self):
        assert text_of(Corpus.from_text("a\n\nb")) == b"a\n\nb\n"
        assert list(Corpus.from_text("")) == []

    def test_half_of_a_surrogate_pair_is_refused(self):
        with pytest.raises(TextError) as caught:
            list(Corpus.from_lines(["a\nb", "c\udc80"]))
        assert str(caught.value) == "<memory>:3: U+DC80 is half of a surrogate pair and no character; replace it"
        with pytest.raises(
            TextError, match="^<memory>: U\\+D800 is half of a surrogate pair and no character; replace it$"
        ):
            Corpus.from_text("\ud800")
