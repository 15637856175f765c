"""Rows of a labelled file, one after another: TSV, CSV, JSON Lines, Parquet, or one text a line."""

import csv
import json
import sys
from collections.abc import Iterator, Sequence
from contextlib import nullcontext
from itertools import chain
from pathlib import Path
from typing import Any, NamedTuple

from nextword.errors import TextError, UsageError
from nextword.tasks.filter.parquet import arrow
from nextword.text.blocks import checked, cut
from nextword.text.decompress import decompress, is_compressed
from nextword.text.jsonl import read_record

_TEXT, _LABEL = "text", "label"  # the columns' names unless told otherwise
_CHUNK = 1 << 19
_LONGEST = 1 << 30  # bytes of a line, characters of a field
_BATCH = 4096  # rows of a Parquet file in memory


class Row(NamedTuple):
    """A text, its label (None where none is asked for), and where it stands in its file, from 1: a line, or a row."""

    text: str
    label: str | None
    line: int


class Columns(NamedTuple):
    """What to read. text, label: a column's name, or its number from 1 in a TSV or CSV file without a header.

    None: the columns named text and label or, in a TSV or CSV file whose first row does not have these names, the
    first and the second. labelled: whether labels are wanted. encoding: of all but Parquet; one that extends ASCII.
    """

    text: str | None = None
    label: str | None = None
    labelled: bool = True
    encoding: str = "utf-8"

    def check(self) -> None:
        """Raise UsageError for an encoding that is unknown, or in which lines cannot be found."""
        try:
            fits = "\n".encode(self.encoding) == b"\n"
        except LookupError:
            raise UsageError(f"unknown encoding {self.encoding!r}; name one such as utf-8, latin-1 or cp1252") from None
        if not fits:
            raise UsageError(f"the encoding {self.encoding} does not extend ASCII; convert the file to UTF-8 first")


def read_rows(path: str | Path, columns: Columns) -> Iterator[Row]:
    """The rows of a file, by its suffix: .tsv, .csv, .jsonl, and these with .gz or .zst; .parquet; else lines of text.

    ``-`` is standard input, a text.
    Lines of a table that are blank are left out; a file of text, which has no labels, gives an empty text for each.
    Raises TextError, naming file and line, for a row that does not fit, and UsageError for impossible columns.
    """
    columns.check()
    file = Path(path)
    if str(path) != "-" and not file.exists():
        raise TextError(f"{path}: there is no such file; check the path")
    if file.is_dir():
        raise TextError(f"{path}: this is a directory; name the files in it")
    match suffix_of(file):
        case ".tsv":
            return _from_fields(str(path), _split(_lines(file, columns.encoding)), columns)
        case ".csv":
            return _from_fields(str(path), _csv(file, columns.encoding), columns)
        case ".jsonl":
            return _from_jsonl(file, columns)
        case ".parquet":
            return _from_parquet(file, columns)
    if columns.labelled:
        raise UsageError(f"{path}: has no labels; give a .tsv, .csv, .jsonl or .parquet file, or label={path}")
    return (Row(line, None, number) for number, line in _lines(file, columns.encoding))


def suffix_of(file: Path) -> str:
    """The suffix that says what a file holds, in lower case, without that of compression."""
    name = Path(file.name.lower())
    return (name.with_suffix("") if is_compressed(name.suffix) else name).suffix


def _lines(file: Path, encoding: str) -> Iterator[tuple[int, str]]:
    """Numbered lines, without their ends."""
    name = "<stdin>" if str(file) == "-" else str(file)
    with nullcontext(sys.stdin.buffer) if str(file) == "-" else file.open("rb") as stream:
        chunks: Iterator[bytes] = iter(lambda: stream.read(_CHUNK), b"")
        suffix = file.suffix.lower()
        if is_compressed(suffix):
            chunks = decompress(chunks, suffix, _CHUNK)
        blocks = cut(chunks, name, _LONGEST)
        for block in checked(blocks) if encoding.lower() in ("utf-8", "utf8") else blocks:
            lines = block.text.split(b"\n")[:-1]
            for number, line in enumerate(lines, start=block.line):
                try:
                    yield number, line.removesuffix(b"\r").decode(encoding)
                except UnicodeDecodeError as error:
                    raise TextError(f"{name}:{number}: is not {encoding} ({error.reason}); name its encoding") from None


def _split(lines: Iterator[tuple[int, str]]) -> Iterator[tuple[int, list[str]]]:
    return ((number, line.split("\t")) for number, line in lines if line.strip())


def _csv(file: Path, encoding: str) -> Iterator[tuple[int, list[str]]]:
    """Records of RFC 4180, each with the number of its first line; a field in quotes may have several lines."""
    csv.field_size_limit(_LONGEST)
    reader = csv.reader((line + "\n" for _, line in _lines(file, encoding)), strict=True)
    while True:
        first = reader.line_num + 1
        try:
            fields = next(reader, None)
        except csv.Error as error:
            raise TextError(
                f"{file}:{first}: not valid CSV ({error}); close every quote, and double those within"
            ) from None
        if fields is None:
            return
        if any(field.strip() for field in fields):
            yield first, fields


def _from_fields(path: str, records: Iterator[tuple[int, list[str]]], columns: Columns) -> Iterator[Row]:
    first = next(records, None)
    if first is None:
        return
    number, fields = first
    header, text, label = _positions(fields, columns, f"{path}:{number}")
    last = max(text, -1 if label is None else label)
    if last >= len(fields):
        wanted = "a text and a label" if columns.labelled else "a text"
        raise TextError(f"{path}:{number}: has {_columns(len(fields))}, expected {last + 1} or more, for {wanted}")
    for line, row in records if header else chain([first], records):
        if len(row) != len(fields):
            raise TextError(f"{path}:{line}: has {_columns(len(row))}, expected {len(fields)} as in line {number}")
        yield Row(row[text], None if label is None else _label(row[label], f"{path}:{line}"), line)


def _positions(fields: Sequence[str], columns: Columns, where: str) -> tuple[bool, int, int | None]:
    """Whether the first row is a header, and the columns of text and label, from 0."""
    wanted = {_TEXT: columns.text} | ({_LABEL: columns.label} if columns.labelled else {})
    names = [field.strip() for field in fields]
    if not any(wanted.values()) and not set(wanted) <= set(names):
        return False, 0, 1 if columns.labelled else None
    found: dict[str, int] = {}
    header = False
    for role, given in wanted.items():
        name = given or role
        if name.isdecimal():
            found[role] = int(name) - 1
            if found[role] < 0:
                raise UsageError(f"column {name} was asked for; columns are numbered from 1")
            continue
        if name not in names:
            there = ", ".join(map(repr, names[:20]))
            raise TextError(f"{where}: no column is named {name!r}; name one of {there}, or give its number, from 1")
        found[role], header = names.index(name), True
    return header, found[_TEXT], found.get(_LABEL)


def _from_jsonl(file: Path, columns: Columns) -> Iterator[Row]:
    field = columns.label or _LABEL
    for number, line in _lines(file, columns.encoding):
        if not line.strip():
            continue
        where = f"{file}:{number}"
        record, text = read_record(line, columns.text or _TEXT, where)
        if columns.labelled and field not in record:
            there = ", ".join(map(repr, record))
            raise TextError(f"{where}: the record has no field {field!r}; name one that it has: {there}")
        yield Row(text, _label(record[field], where) if columns.labelled else None, number)


def _from_parquet(file: Path, columns: Columns) -> Iterator[Row]:
    pa, parquet = arrow()
    names = [columns.text or _TEXT, *([columns.label or _LABEL] if columns.labelled else [])]
    try:
        with parquet.ParquetFile(file) as table:
            there = table.schema_arrow.names
            missing = next((name for name in names if name not in there), None)
            if missing is not None:
                raise TextError(f"{file}: no column is named {missing!r}; name one of {', '.join(map(repr, there))}")
            number = 0
            for batch in table.iter_batches(_BATCH, columns=names):
                for values in zip(*(batch.column(name).to_pylist() for name in names), strict=True):
                    number += 1
                    yield _parquet_row(values, number, f"{file}:{number}")
    except (pa.ArrowException, OSError) as error:
        raise TextError(f"{file}: cannot be read as Parquet ({error}); write it again") from error


def _parquet_row(values: Sequence[Any], number: int, where: str) -> Row:
    if not isinstance(values[0], str):
        raise TextError(f"{where}: the text is {values[0]!r:.60}, expected a string")
    return Row(values[0], _label(values[1], where) if len(values) > 1 else None, number)


def _label(value: Any, where: str) -> str:
    """A label as a string: a number as JSON writes it."""
    if value is None or isinstance(value, list | dict) or value == "":
        raise TextError(f"{where}: the label is {'empty' if value == '' else repr(value)[:60]}; give each text one")
    return value if isinstance(value, str) else json.dumps(value, default=str)


def _columns(count: int) -> str:
    return f"{count} column{'' if count == 1 else 's'}"
