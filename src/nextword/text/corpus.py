"""Text from files, standard input or memory, in blocks of whole lines, however large it is.

Bytes flow through a few stages, a few blocks at a time: raw chunks, which are hashed as they pass → decompressed →
cut at newlines → checked to be UTF-8 → the text of JSON records. Only the last works line by line in Python.
"""

import hashlib
import sys
from collections.abc import Callable, Iterable, Iterator, Sequence
from concurrent.futures import Future, ThreadPoolExecutor
from contextlib import suppress
from itertools import islice
from pathlib import Path
from typing import NamedTuple

from nextword.errors import TextError, UsageError
from nextword.text.blocks import Block, checked, cut, utf8
from nextword.text.decompress import decompress, is_compressed
from nextword.types import Json

__all__ = ["Block", "Corpus"]

_LINES_AT_ONCE = 64  # strings that are joined before they are encoded
_MEMORY, _STANDARD_INPUT = "<memory>", "<stdin>"
_BLOCK_SIZE = 1 << 19  # small enough to stay in a cache, and to share a file of a few megabytes between threads
_HASH_IN_PLACE = 1 << 16  # bytes that are hashed sooner than a thread is asked to


class _Input(NamedTuple):
    """Raw bytes by name; ``once``: they can be read a single time, as those of a pipe."""

    name: str
    chunks: Callable[[], Iterator[bytes]]
    once: bool


class Corpus:
    r"""Lines of text, in blocks; to iterate again is to read again.

    >>> list(Corpus.from_text("students opened\ntheir books\n"))
    [Block(text=b'students opened\ntheir books\n', path='<memory>', line=1, numbers=(), unended=False)]
    """

    def __init__(
        self,
        paths: str | Path | Sequence[str | Path],
        *,
        field: str = "text",
        block_size: int = _BLOCK_SIZE,
        max_line: int = 1 << 30,
    ):
        """paths: files of one sentence a line, read one after another; ``-`` is standard input.

        ``.gz`` and ``.zst`` files are decompressed. A ``.jsonl`` file (``.jsonl.gz``, ``.jsonl.zst``) holds one JSON
        object a line, whose ``field`` is text. block_size: bytes read at a time. max_line: bytes in the longest line.

        Raises TextError if a file is missing or a directory, and UsageError for arguments that make no corpus.
        """
        names = [str(path) for path in ([paths] if isinstance(paths, str | Path) else paths)]
        if not names:
            raise UsageError("no text was given; name at least one file, or - for standard input")
        if names.count("-") > 1:
            raise UsageError("standard input (-) was given more than once, and can be read only once; name it once")
        if block_size < 1 or max_line < 1:
            raise UsageError(f"block_size and max_line must be at least 1, not {block_size} and {max_line}")
        self._field, self._max_line, self._chunk_size = field, max_line, min(block_size, max_line)
        self._inputs = [_file(name, self._chunk_size) for name in names]
        self._sources: list[Json] | None = None
        self._started = False

    @classmethod
    def from_lines(cls, lines: Iterable[str]) -> "Corpus":
        """A corpus of lines in memory; a newline is added to each that does not end in one.

        A list can be read again and again, an iterator once.
        """
        return cls._from_input(_Input(_MEMORY, lambda: _lines(lines, _BLOCK_SIZE), once=iter(lines) is lines))

    @classmethod
    def from_text(cls, text: str) -> "Corpus":
        """A corpus of the lines of ``text``, as if it were a file."""
        return cls.from_bytes(utf8(text, _MEMORY))

    @classmethod
    def from_bytes(cls, text: bytes) -> "Corpus":
        """A corpus of the lines of ``text``, as if it were a file."""
        return cls._from_input(_Input(_MEMORY, lambda: _slices(text, _BLOCK_SIZE), once=False))

    @classmethod
    def _from_input(cls, source: _Input) -> "Corpus":
        corpus = cls("-")
        corpus._inputs = [source]
        return corpus

    @property
    def identity(self) -> Json:
        """What it reads, for those who go on with what was begun: the inputs' names and the field of JSON records."""
        return {"text": [source.name for source in self._inputs], "field": self._field}

    @property
    def sources(self) -> list[Json]:
        """What was read: ``{"path", "bytes", "sha256"}`` of each input's raw bytes.

        Of a compressed file ``text_sha256`` too, which is the ``sha256`` of the same text without compression.

        Raises UsageError until the corpus has been read to its end.
        """
        if self._sources is None:
            raise UsageError("the sources of a corpus are known when it has been read to its end; iterate over it")
        return self._sources

    def __iter__(self) -> Iterator[Block]:
        """The blocks, input after input. Raises TextError, naming file and line, for what is not UTF-8 text.

        A second pass over what can be read only once is a UsageError.
        """
        if self._started:
            self._check_rereadable()
        self._started = True
        sources: list[Json] = []
        with ThreadPoolExecutor(max_workers=1) as worker:
            for source in self._inputs:
                digest, text = Digest(worker), Digest(worker)
                yield from self._blocks(source.name, digest.watch(source.chunks()), text)
                packed = is_compressed(Path(source.name.lower()).suffix)
                beside = {"text_sha256": text.result()["sha256"]} if packed else {}
                sources.append({"path": source.name, **digest.result(), **beside})
        self._sources = sources

    def _blocks(self, name: str, chunks: Iterator[bytes], text: "Digest") -> Iterator[Block]:
        """The blocks of one input; ``text`` sees its bytes once they are decompressed."""
        path = Path(name.lower())
        if is_compressed(path.suffix):
            chunks = text.watch(decompress(chunks, path.suffix, self._chunk_size))
            path = path.with_suffix("")
        blocks = checked(cut(chunks, name, self._max_line))
        if path.suffix != ".jsonl":
            return blocks
        from nextword.text.jsonl import texts

        return texts(blocks, self._field)

    def _check_rereadable(self) -> None:
        for source in self._inputs:
            if source.once:
                remedy = "give a list of lines" if source.name == _MEMORY else "save it to a file and name that"
                raise UsageError(f"{source.name} can be read only once, and is needed a second time; {remedy}")


class Digest:
    """Size and SHA-256 of bytes that pass by, computed in ``worker``, at most one chunk behind."""

    def __init__(self, worker: ThreadPoolExecutor):
        self._worker, self._sha256, self._size = worker, hashlib.sha256(), 0
        self._last: Future[None] | None = None

    def watch(self, chunks: Iterable[bytes]) -> Iterator[bytes]:
        for chunk in chunks:
            self._wait()
            self._size += len(chunk)
            if len(chunk) <= _HASH_IN_PLACE:
                self._sha256.update(chunk)
            else:
                self._last = self._worker.submit(self._sha256.update, chunk)
            yield chunk

    def result(self) -> Json:
        self._wait()
        return {"bytes": self._size, "sha256": self._sha256.hexdigest()}

    def _wait(self) -> None:
        if self._last is not None:
            self._last.result()


def _file(name: str, chunk_size: int) -> _Input:
    if name == "-":
        return _Input(_STANDARD_INPUT, lambda: iter(lambda: sys.stdin.buffer.read(chunk_size), b""), once=True)
    path = Path(name)
    if path.is_dir():
        raise TextError(f"{name}: this is a directory; name the files in it, for example {path / '*.txt'}")
    if not path.exists():
        raise TextError(f"{name}: there is no such file; check the path")
    return _Input(name, lambda: _read(path, chunk_size), once=not path.is_file())


def _read(path: Path, chunk_size: int) -> Iterator[bytes]:
    with path.open("rb") as file:
        yield from iter(lambda: file.read(chunk_size), b"")


def _lines(lines: Iterable[str], chunk_size: int) -> Iterator[bytes]:
    some, size, number = list[bytes](), 0, 1
    source = iter(lines)
    while batch := list(islice(source, _LINES_AT_ONCE)):
        some.append(_encoded(batch, number))
        size += len(some[-1])
        number += some[-1].count(b"\n")
        if size >= chunk_size:
            yield b"".join(some)
            some, size = [], 0
    yield b"".join(some)


def _encoded(lines: Sequence[str], number: int) -> bytes:
    """UTF-8 of ``lines``, the first of which has that number, each ending in a newline."""
    text = "\n".join(lines) + "\n"
    if text.count("\n") == len(lines):
        with suppress(UnicodeEncodeError):  # a half of a surrogate pair, whose line is named below
            return text.encode()
    encoded = list[bytes]()
    for line in lines:
        data = utf8(line, f"{_MEMORY}:{number}")
        encoded.append(data if data.endswith(b"\n") else data + b"\n")
        number += encoded[-1].count(b"\n")
    return b"".join(encoded)


def _slices(data: bytes, chunk_size: int) -> Iterator[bytes]:
    return (data[start : start + chunk_size] for start in range(0, len(data), chunk_size))
