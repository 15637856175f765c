"""N-best lists as JSON Lines, a list or a hypothesis a line; see ``formats``."""

import json
from collections.abc import Iterable, Iterator, Sequence
from typing import Any

from nextword.errors import TextError
from nextword.tasks.rescore.files import Line
from nextword.tasks.rescore.nbest import Form, Hypothesis, NBest, NBestLists, Read, gather
from nextword.types import Json

_EXAMPLE = 'for example {"id": "1", "hypotheses": [{"text": "a b", "score": -1.5}]}'


def read_json(lines: Iterable[Line]) -> tuple[list[NBest], tuple[str, ...], Form]:
    """The lists, the names of their scores, and which of the two forms it is: that of the first line."""
    records = [(line.where, _record(line)) for line in lines]
    whole = bool(records) and "hypotheses" in records[0][1]
    if not whole:
        lists, names = gather(_hypothesis(record, where, _id(record, where)) for where, record in records)
        return lists, names, "json-lines"
    read: list[Read] = []
    for where, record in records:
        read += _list(record, where)
    lists, names = gather(read)
    others = [{k: v for k, v in record.items() if k != "hypotheses"} for _, record in records]
    if len(lists) != len(others):
        where = next(w for (w, r), (_, before) in zip(records[1:], records, strict=False) if r["id"] == before["id"])
        raise TextError(f"{where}: this list has the id of the one before; give each list an id of its own")
    return [one._replace(record=other) for one, other in zip(lists, others, strict=True)], names, "json-lists"


def json_lines(
    lists: NBestLists, one: NBest, places: Sequence[tuple[Hypothesis, float, float]], name: str
) -> Iterator[str]:
    """A list as it came, with a score more and the total of each hypothesis, in this order."""
    records = [_rescored(hypothesis, score, total, name) for hypothesis, score, total in places]
    if lists.form == "json-lines":
        yield from map(_line, records)
    else:
        yield _line({**(one.record or {"id": one.id}), "hypotheses": records})


def _rescored(hypothesis: Hypothesis, score: float, total: float, name: str) -> Json:
    record: Json = dict(hypothesis.raw or {"text": hypothesis.text})
    scores = record.get("scores", {})
    more = [*scores, score] if isinstance(scores, list) else {**scores, name: score}
    return record | {"scores": more, "total": total}


def _line(record: Json) -> str:
    return json.dumps(record, ensure_ascii=False)


def _record(line: Line) -> Json:
    try:
        record = json.loads(line.text)
    except (ValueError, RecursionError) as error:
        raise TextError(f"{line.where}: not valid JSON ({error}); give one object a line, {_EXAMPLE}") from error
    if not isinstance(record, dict):
        raise TextError(f"{line.where}: the record is no object; give one object a line, {_EXAMPLE}")
    return record


def _id(record: Json, where: str) -> str:
    name = record.get("id")
    if not isinstance(name, str | int) or isinstance(name, bool):
        raise TextError(f"{where}: the record has no id, a string or a whole number; give one, {_EXAMPLE}")
    return str(name)


def _list(record: Json, where: str) -> list[Read]:
    name, hypotheses = _id(record, where), record.get("hypotheses")
    if not isinstance(hypotheses, list) or not hypotheses:
        raise TextError(f"{where}: the list {name!r} has no hypotheses; give at least one, {_EXAMPLE}")
    return [_hypothesis(one, where, name) for one in hypotheses]


def _hypothesis(record: Any, where: str, name: str) -> Read:
    if not isinstance(record, dict) or not isinstance(record.get("text"), str):
        raise TextError(f"{where}: a hypothesis of {name!r} has no text; expected an object, {_EXAMPLE}")
    text = record["text"]
    if "\n" in text or "\r" in text:
        raise TextError(f"{where}: a hypothesis of {name!r} has several lines: {text!r:.60}; give one line of text")
    names, values = _scores(record)
    if not all(isinstance(value, int | float) and not isinstance(value, bool) for value in values):
        raise TextError(f"{where}: a score of {name!r} is no number; expected a number, {_EXAMPLE}")
    return name, names, Hypothesis(text, tuple(map(float, values)), where, record)


def _scores(record: Json) -> tuple[tuple[str, ...], list[Any]]:
    """Names and values of ``score`` and of ``scores``, an array or an object; there may be neither."""
    single = [record["score"]] if "score" in record else []
    scores = record.get("scores", [])
    if isinstance(scores, dict):
        return (*["score"][: len(single)], *scores), [*single, *scores.values()]
    values = [*single, *(scores if isinstance(scores, list) else [scores])]
    return ("score",)[: len(values)] if len(values) == 1 else tuple(
        f"score{i}" for i in range(1, len(values) + 1)
    ), values
