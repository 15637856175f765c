"""JSON Lines: the text in one field of the objects that stand one a line."""

import json
from collections.abc import Iterable, Iterator

from nextword.errors import TextError
from nextword.text.blocks import Block, utf8
from nextword.types import Json

_KINDS = {dict: "an object", list: "an array", bool: "true or false", type(None): "null"}


def texts(blocks: Iterable[Block], field: str) -> Iterator[Block]:
    """Blocks of the text in ``field`` of every record, from blocks of JSON Lines.

    A record's text is like a small file: each of its lines is a sentence, its missing last newline is added, and an
    empty text gives none. Lines of whitespace alone are skipped. Raises TextError, naming file and line.
    """
    for block in blocks:
        parts: list[bytes] = []
        numbers: list[int] = []
        for number, line in enumerate(block.text.decode().split("\n"), start=block.line):
            if not line.strip():
                continue
            part = _text(line, field, f"{block.path}:{number}")
            parts.append(part)
            numbers += [number] * part.count(b"\n")
        if numbers:
            yield Block(b"".join(parts), block.path, numbers[0], numbers)


def _text(line: str, field: str, where: str) -> bytes:
    """The text of one record, ending in a newline if there is any."""
    _, text = read_record(line, field, where)
    encoded = utf8(text, where)
    return encoded if encoded.endswith(b"\n") or not encoded else encoded + b"\n"


def read_record(line: str, field: str, where: str) -> tuple[Json, str]:
    """A record and the text in its ``field``. Raises TextError, beginning with ``where``, where there is none."""
    try:
        record = json.loads(line)
    except json.JSONDecodeError as error:
        reason = f"{error.msg}, column {error.colno}"
        raise TextError(f"{where}: not valid JSON ({reason}); give one object a line, {_example(field)}") from error
    except (RecursionError, ValueError) as error:
        raise TextError(f"{where}: this JSON cannot be read ({error})") from error
    if not isinstance(record, dict):
        raise TextError(f"{where}: the record is {_kind(record)}; expected an object, {_example(field)}")
    if field not in record:
        there = ", ".join(map(repr, record)) or "none"
        raise TextError(f"{where}: the record has no field {field!r}; name one that it has: {there}")
    text = record[field]
    if not isinstance(text, str):
        raise TextError(f"{where}: the field {field!r} is {_kind(text)}; expected a string, {_example(field)}")
    return record, text


def _kind(value: object) -> str:
    return _KINDS.get(type(value), "a string" if isinstance(value, str) else "a number")


def _example(field: str) -> str:
    return f"such as {json.dumps({field: 'students opened their books'})}"
