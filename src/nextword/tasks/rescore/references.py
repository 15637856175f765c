"""What was really said, one reference for each n-best list."""

import json
from pathlib import Path

from nextword.errors import TextError
from nextword.tasks.rescore.files import Line, plain_suffix, read_lines
from nextword.tasks.rescore.moses import SEPARATOR
from nextword.tasks.rescore.nbest import NBestLists


def read_references(path: str | Path, lists: NBestLists) -> list[str]:
    """The reference of each list, in the lists' order.

    A file of plain lines has one for each list, in that order. ``id ||| text`` on each line, or JSON Lines with the
    fields ``id`` and ``text``, may come in any order. Raises TextError for a list without a reference, a reference
    without a list, and an id given twice.
    """
    lines = read_lines(path)
    if plain_suffix(path) == ".jsonl":
        return _by_id([_json(line) for line in lines if line.text.strip()], lists, path)
    if lines and all(SEPARATOR in line.text for line in lines):
        return _by_id([_split(line) for line in lines], lists, path)
    if len(lines) != len(lists):
        raise TextError(
            f"{path}: {len(lines)} references for {len(lists)} lists; give one line for each list in their order, or "
            f"name them: id {SEPARATOR} text"
        )
    return [line.text.strip() for line in lines]


def _split(line: Line) -> tuple[str, str, str]:
    name, text = line.text.split(SEPARATOR, maxsplit=1)
    return name.strip(), text.strip(), line.where


def _json(line: Line) -> tuple[str, str, str]:
    try:
        record = json.loads(line.text)
        name, text = str(record["id"]), record["text"]
        if not isinstance(text, str):
            raise TypeError
    except (ValueError, KeyError, TypeError):
        raise TextError(f'{line.where}: expected an object such as {{"id": "1", "text": "a b"}}') from None
    return name, text, line.where


def _by_id(named: list[tuple[str, str, str]], lists: NBestLists, path: str | Path) -> list[str]:
    found: dict[str, str] = {}
    known = {one.id for one in lists}
    for name, text, where in named:
        if name in found:
            raise TextError(f"{where}: a second reference for {name!r}; give one for each list")
        if name not in known:
            raise TextError(f"{where}: a reference for {name!r}, which has no list; take it out or add the list")
        found[name] = text
    missing = [one for one in lists if one.id not in found]
    if missing:
        raise TextError(
            f"{missing[0].where}: the list {missing[0].id!r} has no reference in {path}"
            f"{f', nor have {len(missing) - 1} more' if len(missing) > 1 else ''}; give one for each list"
        )
    return [found[one.id] for one in lists]
