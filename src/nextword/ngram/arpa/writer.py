"""Writing ARPA files."""

import gzip
import os
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import IO, Any

import numpy as np
from numba import njit

from nextword.durable import sync_directory, temporary
from nextword.errors import ArpaError, StoreError
from nextword.ngram.arpa.decimals import LOG_ZERO, NUMBER_ROOM, put_number
from nextword.ngram.backoff import BackoffModel
from nextword.text.encode import invalid_utf8, is_delimiter
from nextword.types import Array, Bytes

_CHUNK = 4 << 20  # bytes written at a time
_DONE, _FULL, _BAD_WORD, _BAD_NUMBER = 0, 1, 2, 3
_TAB, _NEWLINE, _SPACE = 9, 10, 32


def write_arpa(model: BackoffModel, path: str | Path) -> None:
    """Write an ARPA file, by its suffix compressed by gzip (``.gz``) or Zstandard (``.zst``), whole or not at all.

    Numbers are the shortest decimals that read back as the same float32; n-grams that ``read_arpa`` added are left out.

    Raises ArpaError if the model has a word or a number that the format cannot hold, and StoreError, which is an
    OSError, if the file cannot be written.
    """
    path = Path(path)
    if path.exists() and not path.is_file():
        raise StoreError(f"{path}: cannot be written: it is there and not a regular file; give another name")
    try:
        with temporary(path.parent) as file:
            with file.open("xb") as raw:
                with _compressing(raw, path.suffix) as stream:
                    for block in _blocks(model, path):
                        stream.write(block)
                raw.flush()
                os.fsync(raw.fileno())
            file.replace(path)
        sync_directory(path.parent)
    except OSError as error:
        raise StoreError(f"{path}: cannot be written: {error.strerror or error}") from error


@contextmanager
def _compressing(raw: IO[bytes], suffix: str) -> Iterator[Any]:
    """A stream that writes to ``raw``. The fastest levels: the n-grams' own order has most of what there is to gain."""
    if suffix == ".gz":
        with gzip.GzipFile(filename="", mode="wb", compresslevel=1, fileobj=raw, mtime=0) as stream:
            yield stream
    elif suffix == ".zst":
        import zstandard

        with zstandard.ZstdCompressor(level=1).stream_writer(raw, closefd=False) as stream:
            yield stream
    else:
        yield raw


def _blocks(model: BackoffModel, path: Path) -> Iterator[bytes | memoryview]:
    """The file's text in pieces, each of which is overwritten by the next."""
    words = model.vocabulary.arrays()
    blob, offsets = words["words"], words["offsets"]
    if (wrong := int(_unwritable_word(blob, offsets))) >= 0:
        raise ArpaError(
            f"{path}: not written: an ARPA file cannot hold the word {model.vocabulary.word(wrong)!r}, "
            "only words of valid UTF-8 without spaces; train with a tokenizer that makes no others"
        )
    counts = enumerate(model.counts(), start=1)
    yield b"\\data\\\n" + b"".join(b"ngram %d=%d\n" % count for count in counts) + b"\n"
    longest = 2 * NUMBER_ROOM + model.order * (1 + int(model.vocabulary.byte_lengths.max()))
    out = np.empty(max(_CHUNK, longest), dtype=np.uint8)
    trie = (blob, offsets, model.word, model.first, model.inner, model.leaf, model.inserted)
    for order in range(1, model.order + 1):
        yield b"\\%d-grams:\n" % order
        begin, end = model.starts[order : order + 2]
        cursor = np.array([*model.starts[1 : order + 1], begin, np.searchsorted(model.inserted, begin)], dtype=np.int64)
        status = _FULL
        while status == _FULL:
            status, n = _put_ngrams(order, end, cursor, *trie, out)
            yield out[:n].data
        if status != _DONE:
            what = "a word" if status == _BAD_WORD else "a number"
            raise ArpaError(f"{path}: not written: {what} of {order}-gram {cursor[order] - begin} is out of range")
        yield b"\n"
    yield b"\\end\\\n"


@njit(cache=True, nogil=True)
def _unwritable_word(blob: Bytes, offsets: Array) -> int:
    """The first word that an ARPA file cannot hold (empty, with a delimiter in it, not UTF-8), or -1."""
    for word in range(len(offsets) - 1):
        start, end = offsets[word], offsets[word + 1]
        if start == end or invalid_utf8(blob[start:end]) >= 0:
            return word
        for i in range(start, end):
            if is_delimiter(blob[i]):
                return word
    return -1


@njit(cache=True, nogil=True)
def _climb(cursor, order, g, first):  # type: ignore[no-untyped-def]
    """Move ``cursor``, the n-grams that are the prefixes of n-gram ``g`` - 1, on to those of ``g``."""
    cursor[order - 1] = g
    for k in range(order - 2, -1, -1):
        parent, child = cursor[k], cursor[k + 1]
        while parent + 2 < len(first) and first[parent + 1] <= child:
            parent += 1
        cursor[k] = parent


@njit(cache=True, nogil=True)
def _put_ngrams(
    order: int,
    end: int,
    cursor: Array,
    blob: Bytes,
    offsets: Array,
    word: Array,
    first: Array,
    inner: Array,
    leaf: Array,
    inserted: Array,
    out: Bytes,
) -> tuple[int, int]:
    """Write lines of n-grams of one order, up to global index ``end``, until ``out`` is full.

    cursor: (order + 2,) int64, moved on: the n-grams that are the prefixes of the last one written, the next n-gram
    and the next entry of ``inserted``, whose n-grams are left out. Returns (status, bytes written).
    """
    at, g, skip = 0, cursor[order], cursor[order + 1]
    status = _DONE
    while g < end:
        if skip < len(inserted) and inserted[skip] == g:
            skip += 1
            g += 1
            continue
        _climb(cursor, order, g, first)
        room = 2 * NUMBER_ROOM + order
        for k in range(order):
            w = np.int64(word[cursor[k]])
            if w >= len(offsets) - 1:
                return _BAD_WORD, at
            room += offsets[w + 1] - offsets[w]
        if at + room > len(out):
            status = _FULL
            break
        is_inner = g < len(inner)
        log_prob = inner[g, 0] if is_inner else leaf[g - len(inner)]
        backoff = inner[g, 1] if is_inner else np.float32(0)
        if not (log_prob < -LOG_ZERO and backoff < -LOG_ZERO):
            return _BAD_NUMBER, at
        at = put_number(log_prob, out, at)
        for k in range(order):
            out[at] = _TAB if k == 0 else _SPACE
            at += 1
            w = np.int64(word[cursor[k]])
            for i in range(offsets[w], offsets[w + 1]):
                out[at] = blob[i]
                at += 1
        if is_inner:
            out[at] = _TAB
            at = put_number(backoff, out, at + 1)
        out[at] = _NEWLINE
        at += 1
        g += 1
    cursor[order], cursor[order + 1] = g, skip
    return status, at
