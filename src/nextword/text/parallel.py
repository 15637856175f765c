"""Parallel texts: sentences and their translations, line by line in two files, or side by side in one."""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from itertools import zip_longest
from pathlib import Path

from nextword.errors import TextError, UsageError
from nextword.text.corpus import Corpus
from nextword.types import Json

COLUMNS = (1, 2)


@dataclass(frozen=True)
class Parallel:
    """Sources and their translations. blank: pairs left out as one of the two, or both, had nothing but blanks.

    files: ``{"path", "bytes", "sha256"}`` of what was read.
    """

    sources: list[str]
    targets: list[str]
    blank: int
    files: list[Json]

    def __len__(self) -> int:
        return len(self.sources)


def read_parallel(source: str | Path, target: str | Path) -> Parallel:
    """Two files of which line i is the translation of line i; ``.gz`` and ``.zst`` as ``Corpus`` has them.

    Blanks at a line's ends are left out. Raises TextError for what is no UTF-8 text, and for files of unequal length.
    """
    first, second = Corpus(source), Corpus(target)
    pairs = list(zip_longest(_lines(first), _lines(second)))
    counts = [sum(pair[side] is not None for pair in pairs) for side in (0, 1)]
    if counts[0] != counts[1]:
        short, long = sorted(zip(counts, (str(source), str(target)), strict=True))
        raise TextError(
            f"{long[1]}:{short[0] + 1}: has no partner: {long[1]} has {_count(long[0])} and {short[1]} "
            f"{_count(short[0])}; in parallel texts line i of one is the translation of line i of the other"
        )
    return _kept([(one or "", other or "") for one, other in pairs], [*first.sources, *second.sources])


def read_pairs(file: str | Path, *, columns: Sequence[int | str] = COLUMNS) -> Parallel:
    """A tab-separated file of which two columns, numbered from 1, are sentences and their translations.

    columns: two numbers, or two names that stand in the first line. Raises TextError, naming file and line, for a line
    without them, UsageError for columns that are neither.
    """
    if len(columns) != 2:
        raise UsageError(f"columns {', '.join(map(str, columns))}: give two, that of the source and of the target")
    corpus = Corpus(file)
    lines = enumerate(_lines(corpus), start=1)
    places = _places(file, columns, lines)
    pairs = []
    for number, line in lines:
        cells = line.split("\t")
        if line.strip() and len(cells) <= max(places):
            found = "1 column" if len(cells) == 1 else f"{len(cells)} columns"
            raise TextError(
                f"{file}:{number}: has {found}, expected at least {max(places) + 1}, with tabs between; a sentence and "
                "its translation are columns of one line"
            )
        pairs.append((cells[places[0]].strip(), cells[places[1]].strip()) if line.strip() else ("", ""))
    return _kept(pairs, corpus.sources)


def _places(file: str | Path, columns: Sequence[int | str], lines: Iterator[tuple[int, str]]) -> list[int]:
    """Where the columns are, from 0; names are looked up in the first line, which is read then."""
    if all(isinstance(column, int) for column in columns):
        if any(int(column) < 1 for column in columns):
            raise UsageError(f"columns {columns[0]}, {columns[1]}: they are numbered from 1")
        return [int(column) - 1 for column in columns]
    header = next(lines, (1, ""))[1].split("\t")
    for column in columns:
        if column not in header:
            raise TextError(f"{file}:1: has no column {column!r}, but {', '.join(header)}; name two of these")
    return [header.index(str(column)) for column in columns]


def _lines(corpus: Corpus) -> Iterator[str]:
    for block in corpus:
        text = block.text.decode()
        yield from text.removesuffix("\n").split("\n") if text else ()


def _kept(pairs: Sequence[tuple[str, str]], files: list[Json]) -> Parallel:
    whole = [(source.strip(), target.strip()) for source, target in pairs]
    kept = [pair for pair in whole if all(pair)]
    return Parallel([s for s, _ in kept], [t for _, t in kept], len(whole) - len(kept), files)


def _count(lines: int) -> str:
    return f"{lines:,} line{'' if lines == 1 else 's'}"
