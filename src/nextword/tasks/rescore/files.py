"""Lines of a file that is read as a whole, with the places that error messages name."""

import sys
from collections.abc import Iterator
from pathlib import Path
from typing import NamedTuple

from nextword.errors import TextError
from nextword.text.blocks import checked, cut
from nextword.text.decompress import decompress, is_compressed

_CHUNK = 1 << 20
_ANY_LENGTH = 1 << 62


class Line(NamedTuple):
    """A line without its end, and ``file:line``."""

    where: str
    text: str


def read_lines(path: str | Path) -> list[Line]:
    """Every line of a UTF-8 file; ``-`` is standard input, ``.gz`` and ``.zst`` are decompressed.

    A carriage return at a line's end is left out. Raises TextError for a missing file, and for bytes that are no text.
    """
    name = "<stdin>" if str(path) == "-" else str(path)
    chunks = iter([_bytes(path)])
    suffix = Path(name).suffix.lower()
    if is_compressed(suffix):
        chunks = decompress(chunks, suffix, _CHUNK)
    return list(_lines(chunks, name))


def plain_suffix(path: str | Path) -> str:
    """The suffix that tells a file's form, such as ``.jsonl`` of ``list.jsonl.gz``."""
    found = Path(str(path).lower())
    return (found.with_suffix("") if is_compressed(found.suffix) else found).suffix


def _bytes(path: str | Path) -> bytes:
    if str(path) == "-":
        return sys.stdin.buffer.read()
    file = Path(path)
    if file.is_dir():
        raise TextError(f"{path}: is a directory; give a file")
    if not file.exists():
        raise TextError(f"{path}: there is no such file; check the path")
    return file.read_bytes()


def _lines(chunks: Iterator[bytes], name: str) -> Iterator[Line]:
    for block in checked(cut(chunks, name, _ANY_LENGTH)):
        for i, text in enumerate(block.text.decode().removesuffix("\n").split("\n")):
            yield Line(block.where(i), text.removesuffix("\r"))
