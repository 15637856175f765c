"""The lines of an ARPA file, plain or compressed, read a few megabytes at a time."""

import os
import stat
import sys
from collections.abc import Iterable, Iterator
from contextlib import contextmanager
from itertools import chain
from pathlib import Path

from nextword.errors import ArpaError
from nextword.text.blocks import without_bom
from nextword.text.decompress import DamagedError, decompress

MAX_LINE = 1 << 20  # bytes, the newline included; the same goes for what precedes \data\ and for blank lines on end
LONG_LINE = "the line is longer than 1 MiB; expected an n-gram or a heading: write the model again"
_CHUNK = 4 << 20  # bytes read at a time
_EXPANSION = 100  # bytes of text that a compressed byte may stand for; n-grams come to 3 or 4
_MAGIC = {b"\x1f\x8b": ".gz", b"\x28\xb5\x2f\xfd": ".zst"}
_KENLM = b"mmap lm http://kheafield.com/code"


class Lines:
    """The lines of a text that goes by in pieces; ``text`` holds the present one, ``text[begin:]`` is still to come.

    number: how many lines are behind us. length: bytes of the last one. capacity: the most bytes that there may be.
    """

    def __init__(self, path: Path, chunks: Iterable[bytes], capacity: int = sys.maxsize):
        self.path, self.capacity = path, capacity
        self.text, self.begin, self.number, self.length = b"", 0, 0, 0
        self._chunks = filter(None, without_bom(chunks))
        self._passed = 0

    def error(self, message: str, line: int | None = None) -> ArpaError:
        """What is wrong with the last line read, or another."""
        return ArpaError(f"{self.path}:{line or max(self.number, 1)}: {message}")

    def fill(self) -> bool:
        """Read on, and end the last line if it has no newline; False if there is nothing left."""
        rest = self.text[self.begin :]
        if len(rest) > MAX_LINE:
            raise self.error(LONG_LINE, self.number + 1)
        try:
            chunk = next(self._chunks, b"")
        except DamagedError as error:
            raise self.error(str(error)) from error
        self._passed += len(chunk)
        if self._passed > self.capacity:
            remedy = "if you trust it, decompress it"
            raise self.error(f"more than {self.capacity:,} bytes of text in a small file; {remedy}")
        self.text, self.begin = rest + (chunk or (b"\n" if rest else b"")), 0
        return bool(self.text)

    def next_line(self) -> bytes | None:
        """The next line without blanks around it; None at the end."""
        while (stop := self.text.find(b"\n", self.begin)) < 0:
            if not self.fill():
                return None
        line = self.text[self.begin : stop]
        self.begin, self.length = stop + 1, len(line) + 1
        self.number += 1
        if self.length > MAX_LINE:
            raise self.error(LONG_LINE)
        return line.strip(b"\0\t\r ")

    def next_heading(self) -> bytes | None:
        """The next line that is not blank; None at the end."""
        passed = 0
        while passed <= MAX_LINE:
            line = self.next_line()
            if line != b"":
                return line
            passed += self.length
        raise self.error("more than 1 MiB of blank lines; remove them")

    def peek(self) -> bytes | None:
        """The next line that is not blank, which is still to come; None at the end."""
        line = self.next_heading()
        if line is not None:
            self.begin, self.number = self.begin - self.length, self.number - 1
        return line

    def expect(self, heading: bytes) -> None:
        """Pass ``heading``."""
        found = self.next_heading()
        if found is None:
            raise self.error(f"the file ends before {heading.decode()}; it is cut short: copy it again")
        if found != heading:
            remedy = "the header's orders come in their order, then \\end\\"
            raise self.error(f"expected {heading.decode()}, found {excerpt(found)}; {remedy}")


def excerpt(found: bytes) -> str:
    """``found`` in quotes, shortened, and printable."""
    text = found[:200].decode(errors="backslashreplace")
    shown = "".join(character if character.isprintable() else repr(character)[1:-1] for character in text[:40])
    return f"'{shown}…'" if len(text) > 40 else f"'{shown}'"


@contextmanager
def opened(path: Path) -> Iterator[Lines]:
    """The decompressed lines of a file that may be an ARPA file. Raises ArpaError if it cannot be one."""
    if path.is_dir():
        model = (path / "config.json").exists()
        what = "a saved model, which nextword.load opens" if model else "a directory; name the ARPA file in it"
        raise ArpaError(f"{path}: this is {what}")
    if not path.exists():
        raise ArpaError(f"{path}: there is no such file; check the path")
    try:
        with path.open("rb") as file:
            head = file.read(_CHUNK)
            if not head:
                raise ArpaError(f"{path}:1: the file is empty; expected an ARPA file")
            if head.startswith(_KENLM):
                raise ArpaError(f"{path}:1: this is a KenLM binary; give the ARPA file that it was built from")
            chunks = chain([head], iter(lambda: file.read(_CHUNK), b""))
            status = os.fstat(file.fileno())
            size = status.st_size if stat.S_ISREG(status.st_mode) else sys.maxsize
            suffix = next((suffix for magic, suffix in _MAGIC.items() if head.startswith(magic)), "")
            if suffix:
                yield Lines(path, decompress(chunks, suffix, _CHUNK), size * _EXPANSION + MAX_LINE)
            else:
                yield Lines(path, chunks, size + 1)
    except OSError as error:
        raise ArpaError(f"{path}: cannot be read: {error.strerror or error}") from error
