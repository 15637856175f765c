"""N-best lists in the Moses form, ``id ||| text ||| scores`` with or without ``||| total``; see ``formats``."""

from collections.abc import Iterable

from nextword.errors import TextError
from nextword.tasks.rescore.files import Line
from nextword.tasks.rescore.nbest import Hypothesis, NBest, Read, gather

SEPARATOR = "|||"
EXAMPLE = "id ||| text ||| scores"


def read_moses(lines: Iterable[Line]) -> tuple[list[NBest], tuple[str, ...]]:
    """The lists, and the names of their scores."""
    return gather(map(_moses, lines))


def moses_line(name: str, hypothesis: Hypothesis, score: float, total: float, called: str) -> str:
    """A hypothesis of the list ``name`` with a score more, ``called`` so if the others have names, and its total."""
    raw = " ".join(map(repr, hypothesis.scores)) if hypothesis.raw is None else hypothesis.raw
    mark = next((mark for mark in ("=", ":") if f"{mark} " in raw), "")
    label = f"{called}{mark} " if mark else ""
    features = f"{raw} {label}{score:.6f}".strip()
    return f"{name} {SEPARATOR} {hypothesis.text} {SEPARATOR} {features} {SEPARATOR} {total:.6f}"


def _moses(line: Line) -> Read:
    """A line's id, the names of its scores, and its hypothesis."""
    parts = [part.strip() for part in line.text.split(SEPARATOR)]
    if len(parts) not in (3, 4) or not parts[0]:
        what = "without an id" if len(parts) in (3, 4) else f"of {len(parts)} part{'s' * (len(parts) != 1)}"
        raise TextError(f"{line.where}: a line {what}; expected {EXAMPLE}, with a ||| total at the end")
    if len(parts) == 4:
        _number(parts[3], "the total", line.where)
    names, scores = _features(parts[2], line.where)
    return parts[0], names, Hypothesis(parts[1], scores, line.where, parts[2])


def _features(text: str, where: str) -> tuple[tuple[str, ...], tuple[float, ...]]:
    """Names and values of ``LM: -1.2 TM= -3 -4`` or of ``-1.2 -3``."""
    named: list[tuple[str, float]] = []
    name, count, unnamed = "", 0, 0
    for word in text.split():
        if word.endswith((":", "=")) and len(word) > 1:
            name, count = word[:-1], 0
            continue
        value = _number(word, f"the score {name}" if name else "a score", where)
        count, unnamed = count + 1, unnamed + (not name)
        called = f"score{unnamed}" if not name else name if count == 1 else f"{name}[{count}]"
        named.append((called, value))
    names = tuple(called for called, _ in named)
    double = next((called for called in names if names.count(called) > 1), None)
    if double is not None:
        raise TextError(f"{where}: the score {double} is given twice; give each score a name of its own")
    return names, tuple(value for _, value in named)


def _number(word: str, what: str, where: str) -> float:
    try:
        return float(word)
    except ValueError:
        raise TextError(f"{where}: {what} is {word!r}, which is no number; expected {EXAMPLE}") from None
