"""Files that appear whole: their bytes, their compression, and what is left when something fails."""

import gzip
import hashlib
import io
import zlib

import pytest
import zstandard
from hypothesis import given
from hypothesis import strategies as st

from nextword.tasks.filter.outputs import outputs, packer


def packed(name, parts):
    """The bytes of a file whose parts were packed in any order."""
    form = packer(name)
    pieces = [form.pack(part) for part in reversed(parts)][::-1]
    return b"".join([*(form.add(part, piece) for part, piece in zip(parts, pieces, strict=True)), form.end()])


@given(st.lists(st.binary()))
def test_gzip_is_one_member_without_a_date(parts):
    data = packed("a.jsonl.gz", parts)
    assert gzip.decompress(data) == b"".join(parts)
    one = zlib.decompressobj(wbits=31)  # many readers stop after the first member
    assert one.decompress(data) == b"".join(parts)
    assert (one.eof, one.unused_data) == (True, b"")
    assert data == packed("a.jsonl.gz", parts)


@given(st.lists(st.binary()))
def test_zstd_is_one_frame(parts):
    data = packed("a.jsonl.zst", parts)
    with zstandard.ZstdDecompressor().stream_reader(io.BytesIO(data), read_across_frames=False) as reader:
        assert reader.read() == b"".join(parts)
    assert data == packed("a.jsonl.zst", parts)
    assert zstandard.get_frame_parameters(data).has_checksum or not parts


def test_a_plain_file():
    assert packed("a.jsonl", [b"a", b"", b"b"]) == b"ab"


def test_files_appear_when_they_are_finished(tmp_path):
    with outputs(tmp_path, "sub/a.jsonl", ("head", "tail")) as written:
        written.outputs[0].write(b"one")
        written.outputs[0].write(b" two")
        assert not list(tmp_path.rglob("a.jsonl"))
        first, second = written.finish()
    assert (tmp_path / "head/sub/a.jsonl").read_bytes() == b"one two"
    assert (tmp_path / "tail/sub/a.jsonl").read_bytes() == b""
    assert (first.file, first.bytes) == ("head/sub/a.jsonl", 7)
    assert first.sha256 == hashlib.sha256(b"one two").hexdigest()
    assert second.mtime_ns == (tmp_path / second.file).stat().st_mtime_ns


def test_a_failure_leaves_nothing(tmp_path):
    with pytest.raises(ZeroDivisionError), outputs(tmp_path, "a.jsonl", ("",)) as written:
        written.outputs[0].write(b"one")
        raise ZeroDivisionError
    assert list(tmp_path.iterdir()) == []


def test_large_files_are_synced_as_they_are_written(tmp_path, monkeypatch):
    synced = []
    monkeypatch.setattr("nextword.tasks.filter.outputs._SYNC_BYTES", 10)
    monkeypatch.setattr("nextword.tasks.filter.outputs.os.fsync", synced.append)
    with outputs(tmp_path, "a.jsonl", ("",)) as written:
        for _ in range(10):
            written.outputs[0].write(b"0123456789")
        during = len(synced)
        written.finish()
    assert len(synced) > max(during, 1)
    assert (tmp_path / "a.jsonl").stat().st_size == 100
