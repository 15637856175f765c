"""Ranges of a corpus's files, so that several machines can read one large file at once.

A file is cut at multiples of a size; whoever reads a range moves both its ends on to the next beginning of a line. So
every line belongs to exactly one range, wherever the cuts fall, and nobody has to look at the file to make them.
"""

from collections.abc import Callable, Iterable, Iterator, Sequence
from pathlib import Path
from typing import BinaryIO, NamedTuple, TypeVar

from nextword.errors import TextError, UsageError
from nextword.text.blocks import Block, checked, cut
from nextword.text.corpus import Corpus
from nextword.text.decompress import is_compressed

T = TypeVar("T")
_CHUNK = 1 << 20
_MAX_LINE = 1 << 30


class TextRange(NamedTuple):
    """The lines of a file that begin at offsets ``begin`` to ``end``, in bytes; all of it where ``end`` is None."""

    path: str
    begin: int = 0
    end: int | None = None

    def __str__(self) -> str:
        return self.path if self.end is None else f"{self.path}, bytes {self.begin:,} to {self.end:,}"


def ranges(paths: Sequence[str], size: int) -> list[TextRange]:
    """Every file in ranges of ``size`` bytes. A compressed file, which can only be read from its beginning, is one.

    Raises TextError if a file is missing, and UsageError for standard input, which other machines cannot read.
    """
    found: list[TextRange] = []
    for path in paths:
        if path == "-":
            raise UsageError("standard input (-) cannot be cut into ranges; save it to a file and name that")
        Corpus(path)  # which refuses what is no file
        if is_compressed(Path(path).suffix.lower()):
            found.append(TextRange(path))
        else:
            whole = Path(path).stat().st_size
            begins = range(0, whole, size) or [0]
            found += [TextRange(path, begin, min(begin + size, whole)) for begin in begins]
    return found


def over_range(part: TextRange, work: Callable[[Iterable[Block]], T], *, field: str = "text") -> T:
    """What ``work`` makes of a range's blocks, which are those that ``Corpus`` gives.

    Its TextError names the line in the whole file: the lines before the range are counted once there is one to tell.
    """
    if part.end is None:
        return work(Corpus(part.path, field=field))
    if part.begin == 0:
        return work(_blocks(part, field, 1))
    try:
        return work(_blocks(part, field, 2))  # some line that is not the file's first
    except TextError:
        return work(_blocks(part, field, 1 + _newlines_before(part)))


def _blocks(part: TextRange, field: str, line: int) -> Iterator[Block]:
    blocks = checked(cut(_chunks(part), part.path, _MAX_LINE, line=line))
    if Path(part.path).suffix.lower() != ".jsonl":
        return blocks
    from nextword.text.jsonl import texts

    return texts(blocks, field)


def _chunks(part: TextRange) -> Iterator[bytes]:
    with Path(part.path).open("rb") as file:
        begin, end = (_line_start(file, offset) for offset in (part.begin, part.end or 0))
        file.seek(begin)
        while begin < end and (chunk := file.read(min(_CHUNK, end - begin))):
            begin += len(chunk)
            yield chunk


def _line_start(file: BinaryIO, offset: int) -> int:
    """Offset of the first line that begins at ``offset`` or after it; the file's size if none does."""
    if offset == 0:
        return 0
    file.seek(offset - 1)
    at = offset - 1
    while chunk := file.read(_CHUNK):
        newline = chunk.find(b"\n")
        if newline >= 0:
            return at + newline + 1
        at += len(chunk)
    return at


def _newlines_before(part: TextRange) -> int:
    return sum(chunk.count(b"\n") for chunk in _chunks(TextRange(part.path, 0, part.begin)))
