"""Writing ARPA files."""

import gzip
from collections import deque
from collections.abc import Iterator
from concurrent.futures import Future, ThreadPoolExecutor
from contextlib import contextmanager
from pathlib import Path
from typing import IO, Any

import numpy as np
from numba import njit

from nextword.durable import replacement
from nextword.errors import ArpaError, StoreError
from nextword.ngram.arpa.decimals import LOG_ZERO, NUMBER_ROOM, put_number
from nextword.ngram.backoff import BackoffModel
from nextword.ngram.settings import default_threads
from nextword.text.encode import invalid_utf8
from nextword.text.spans import is_delimiter
from nextword.types import Array, Bytes

_AT_ONCE = 1 << 16  # n-grams written at a time by one thread
_CHUNK = 4 << 20  # bytes that they may need at first
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
        with replacement(path) as raw, _compressing(raw, path.suffix) as stream:
            for block in _blocks(model, path):
                stream.write(block)
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
    """The file's text in pieces, each of which is overwritten by one of the next."""
    words = model.vocabulary.arrays()
    blob, offsets = words["words"], words["offsets"]
    if (wrong := int(_unwritable_word(blob, offsets))) >= 0:
        raise ArpaError(
            f"{path}: not written: an ARPA file cannot hold the word {model.vocabulary.word(wrong)!r}, "
            "only words of valid UTF-8 without spaces; train with a tokenizer that makes no others"
        )
    counts = enumerate(model.counts(), start=1)
    yield b"\\data\\\n" + b"".join(b"ngram %d=%d\n" % count for count in counts) + b"\n"
    threads = default_threads()
    with ThreadPoolExecutor(threads) as pool:
        desks = [_Desk(model, blob, offsets) for _ in range(2 * threads)]
        for order in range(1, model.order + 1):
            yield b"\\%d-grams:\n" % order
            begin, end = (int(edge) for edge in model.starts[order : order + 2])
            waiting: deque[Future[memoryview]] = deque()
            for i, at in enumerate(range(begin, end, _AT_ONCE)):
                if len(waiting) == len(desks):
                    yield _written(waiting.popleft(), order, begin, path)
                waiting.append(pool.submit(desks[i % len(desks)].write, order, at, min(at + _AT_ONCE, end)))
            while waiting:
                yield _written(waiting.popleft(), order, begin, path)
            yield b"\n"
    yield b"\\end\\\n"


def _written(text: Future[memoryview], order: int, begin: int, path: Path) -> memoryview:
    try:
        return text.result()
    except _OutOfRange as wrong:
        what, g = wrong.args
        raise ArpaError(f"{path}: not written: {what} of {order}-gram {g - begin} is out of range") from None


class _OutOfRange(Exception):
    """What cannot be written (a word, a number), and of which n-gram."""


class _Desk:
    """Where one thread writes."""

    def __init__(self, model: BackoffModel, blob: Bytes, offsets: Array):
        self._model, self._words = model, (blob, offsets)
        self._out = np.empty(_CHUNK, dtype=np.uint8)
        longest = model.order * (1 + int(model.vocabulary.byte_lengths.max()))
        self._context = np.empty(longest, dtype=np.uint8)
        self._room = 2 * NUMBER_ROOM + longest

    def write(self, order: int, begin: int, end: int) -> memoryview:
        """The lines of n-grams ``begin`` to ``end``, all of one order."""
        model, n = self._model, 0
        cursor = _prefixes(model, order, begin)
        trie = (*self._words, model.word, model.first, model.inner, model.leaf, model.inserted)
        while True:
            status, n = _put_ngrams(order, end, cursor, *trie, self._context, self._room, self._out, n)
            if status == _DONE:
                return self._out[:n].data
            if status != _FULL:
                raise _OutOfRange("a word" if status == _BAD_WORD else "a number", int(cursor[order]))
            self._out = np.concatenate([self._out[:n], np.empty(len(self._out) + self._room, dtype=np.uint8)])


def _prefixes(model: BackoffModel, order: int, g: int) -> Array:
    """(order + 2,) int64: numbers of the n-gram's prefixes, its own twice, and the first of ``inserted`` from it on."""
    path = [g, g]
    for k in range(order - 1, 0, -1):
        begin, end = model.starts[k : k + 2]
        child = np.uint32(path[0])  # of the array's type, which is else converted whole
        path.insert(0, int(begin + max(np.searchsorted(model.first[begin:end], child, side="right") - 1, 0)))
    return np.array([*path, np.searchsorted(model.inserted, g)], dtype=np.int64)


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
    """Move ``cursor`` from the prefixes of n-gram ``g`` - 1 to those of ``g``; returns how many words they share."""
    cursor[order - 1] = g
    for k in range(order - 2, -1, -1):
        parent, child = cursor[k], cursor[k + 1]
        while parent + 2 < len(first) and first[parent + 1] <= child:
            parent += 1
        if parent == cursor[k]:
            return k + 1
        cursor[k] = parent
    return 0


@njit(cache=True, nogil=True)
def _put_words(begin, end, cursor, word, blob, offsets, context, ends):  # type: ignore[no-untyped-def]
    """Write words ``begin`` to ``end`` of the n-gram that ``cursor`` is at, a space after each; False if one is none.

    context: where; word k ends at ends[k], and those before ``begin`` are there.
    """
    at = ends[begin - 1] if begin > 0 else 0
    for k in range(begin, end):
        w = np.int64(word[cursor[k]])
        if w >= len(offsets) - 1:
            return False
        for i in range(offsets[w], offsets[w + 1]):
            context[at] = blob[i]
            at += 1
        context[at] = _SPACE
        at += 1
        ends[k] = at
    return True


@njit(cache=True, nogil=True)
def _put_ngrams(
    order: int, end: int, cursor: Array, blob: Bytes, offsets: Array, word: Array, first: Array, inner: Array,
    leaf: Array, inserted: Array, context: Bytes, room: int, out: Bytes, at: int,
) -> tuple[int, int]:  # fmt: skip
    """Write lines of n-grams of one order, up to global index ``end``, until ``out`` is full.

    cursor: (order + 2,) int64, moved on: the n-grams that are the prefixes of the last one written, the next n-gram
    and the next entry of ``inserted``, whose n-grams are left out. context: room for the words before the last. room:
    what a line may need. Returns (status, end of what is written).
    """
    g, skip = cursor[order], cursor[order + 1]
    ends = np.zeros(order, dtype=np.int64)
    known = 0  # words of ``context`` that are there
    while g < end:
        if skip < len(inserted) and inserted[skip] == g:
            skip += 1
            g += 1
            continue
        if at + room > len(out):
            cursor[order], cursor[order + 1] = g, skip
            return _FULL, at
        known = min(known, _climb(cursor, order, g, first))
        w = np.int64(word[g])
        if w >= len(offsets) - 1 or not _put_words(known, order - 1, cursor, word, blob, offsets, context, ends):
            cursor[order] = g
            return _BAD_WORD, at
        known = order - 1
        is_inner = g < len(inner)
        log_prob = inner[g, 0] if is_inner else leaf[g - len(inner)]
        backoff = inner[g, 1] if is_inner else np.float32(0)
        if not (log_prob < -LOG_ZERO and backoff < -LOG_ZERO):
            cursor[order] = g
            return _BAD_NUMBER, at
        at = put_number(log_prob, out, at)
        out[at] = _TAB
        at += 1
        for i in range(ends[order - 2] if order > 1 else 0):
            out[at] = context[i]
            at += 1
        for i in range(offsets[w], offsets[w + 1]):
            out[at] = blob[i]
            at += 1
        if is_inner:
            out[at] = _TAB
            at = put_number(backoff, out, at + 1)
        out[at] = _NEWLINE
        at += 1
        g += 1
    return _DONE, at
