"""Records of JSON Lines: the text in one, and the same line with columns added."""

import json
from collections.abc import Collection, Iterator, Sequence
from json.decoder import scanstring  # type: ignore[attr-defined]  # the stubs leave it out
from typing import NamedTuple

import numpy as np

from nextword.errors import TextError
from nextword.tasks.filter.documents import Documents, encoded
from nextword.tasks.filter.settings import FilterSettings
from nextword.text.blocks import Block
from nextword.text.jsonl import read_record
from nextword.text.scan import scan
from nextword.types import Array

_DECODER = json.JSONDecoder()
_BLANKS = " \t\n\r"


class Skipped(NamedTuple):
    """A record that could not be used: its number in the file, from 1, and why."""

    record: int
    reason: str


class Records(NamedTuple):
    """Usable records and their texts.

    text: their lines, and maybe others. begins, braces: (D,) where each record's line begins in it, and where its last
    brace is.
    """

    text: bytes
    begins: Array
    braces: Array
    documents: Documents
    skipped: list[Skipped]

    def with_columns(self, added: Sequence[bytes], chosen: Sequence[int]) -> bytes:
        """The lines of the ``chosen`` records, each with what is to be added before its last brace."""
        text, begins, braces = self.text, self.begins.tolist(), self.braces.tolist()
        parts = list[bytes]()
        for i in chosen:
            brace = braces[i]
            parts += (text[begins[i] : brace], added[i], text[brace : text.index(b"\n", brace) + 1])
        return b"".join(parts)


def read_records(block: Block, settings: FilterSettings, joint: bytes | None = None) -> Records:
    """The records of a block, and their texts with ``joint`` for newlines; lines of white space alone are left out.

    Raises TextError, naming file and line, at a record that cannot be used, unless settings say to skip it.
    """
    return scan_records(block, settings, joint) or parse_records(block, settings, joint)


def scan_records(block: Block, settings: FilterSettings, joint: bytes | None) -> Records | None:
    """The fast reader, which passes on a block with any record that is unusual: see ``nextword.text.scan``."""
    names = [name.encode() for name in settings.columns()]
    taken, ends = np.frombuffer(b"".join(names), dtype=np.uint8), np.cumsum([len(name) for name in names])
    data, field = (np.frombuffer(some, dtype=np.uint8) for some in (block.text, settings.field.encode()))
    text, places = np.empty(len(data), dtype=np.uint8), np.empty((4, block.text.count(b"\n")), dtype=np.int64)
    number, size = scan(data, field, taken, ends, ord(joint or b"\n"), text, *places)
    if number < 0:
        return None
    begins, braces, sizes, lines = places[:, :number]
    return Records(block.text, begins, braces, Documents(text[:size].tobytes(), lines, sizes), [])


def parse_records(block: Block, settings: FilterSettings, joint: bytes | None) -> Records:
    """The slow reader, which knows every kind of record and what is wrong with it."""
    lines, texts, skipped = list[bytes](), list[bytes](), list[Skipped]()
    columns = set(settings.columns())
    for index, line in enumerate(block.text.split(b"\n")[:-1]):
        if not line.strip(b" \t\r"):
            continue
        try:
            line, text = _usable(line, settings, columns, block, index)
        except TextError as error:
            if settings.on_error == "stop":
                raise
            skipped.append(Skipped(block.line + index, str(error).removeprefix(f"{block.where(index)}: ")))
            continue
        lines.append(line + b"\n")
        texts.append(text)
    begins = np.cumsum([0, *map(len, lines)], dtype=np.int64)[:-1]
    braces = begins + np.array([line.rindex(b"}") for line in lines], dtype=np.int64)
    return Records(b"".join(lines), begins, braces, Documents.from_texts(texts, joint), skipped)


def _usable(line: bytes, settings: FilterSettings, columns: set[str], block: Block, index: int) -> tuple[bytes, bytes]:
    """A record's line, without old columns that are to be replaced, and its text."""
    where = block.where(index)
    try:
        decoded = line.decode()
    except UnicodeDecodeError as error:
        at = f"byte {error.start + 1} of the line (0x{line[error.start]:02x})"
        raise TextError(f"{where}: {at} is not UTF-8; convert the file from its encoding") from error
    record, text = read_record(decoded, settings.field, where)
    there = sorted(columns.intersection(record))
    if there and not settings.overwrite:
        raise TextError(
            f"{where}: the record has a field {there[0]!r} already; give a prefix for the new columns (--prefix), "
            "or replace the old ones (--overwrite)"
        )
    return without_members(decoded, there).encode() if there else line, encoded(text)


def columns_text(names: Sequence[str], values: Sequence[Sequence[object]]) -> Iterator[bytes]:
    """What is added at a record's end, ``,"name":value`` for each column, record after record.

    values: one sequence for each name, of JSON texts or numbers of which the text is Python's.
    """
    form = "".join(f",{json.dumps(name).replace('%', '%%')}:%s" for name in names)
    return ((form % row).encode() for row in zip(*values, strict=True))


def without_members(line: str, names: Collection[str]) -> str:
    """The line of an object without the members of these names; every other member as it was written.

    >>> without_members('{"a" : 1, "b": [1,  2],"c":3}', ["b"])
    '{"a" : 1,"c":3}'
    """
    begin = line.index("{") + 1
    kept, at, end = list[str](), begin, begin
    while line[end] != "}":
        name, end = scanstring(line, line.index('"', at) + 1)
        _, end = _DECODER.raw_decode(line, _after_blanks(line, line.index(":", end) + 1))
        end = _after_blanks(line, end)
        if name not in names:
            kept.append(line[at:end])
        at = end + 1
    return line[:begin] + ",".join(kept) + line[end:]


def _after_blanks(line: str, at: int) -> int:
    while line[at] in _BLANKS:
        at += 1
    return at
