r"""Files of one token a line, its columns parted by tabs or spaces, a blank line after each sentence (CoNLL 2000–2003).

    Empire<TAB>B-location
    State<TAB>I-location

Columns are counted from 1, or from -1 backwards. Where tabs part them, a line that begins with ``# `` and has no tab is
a comment. What is read is written back, blank lines and comments too, but line ends are LF, without spaces before them,
and at the end of a file is one blank line.
"""

import re
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass, replace
from pathlib import Path

from nextword.errors import TextError, UsageError
from nextword.text.corpus import Corpus

_TAB, _SPACES = re.compile("(\t)"), re.compile("([ \t]+)")


@dataclass(frozen=True)
class Columns:
    """A sentence.

    rows: of each token, the fields and what parts them, in turns. before: comments and blank lines before the first
    token. where: ``file:line`` of the first token. separator: what parts columns that are added.
    """

    rows: tuple[tuple[str, ...], ...]
    before: tuple[str, ...] = ()
    where: str = "<memory>:1"
    separator: str = "\t"

    @property
    def width(self) -> int:
        """Columns of each token."""
        return (len(self.rows[0]) + 1) // 2

    def column(self, number: int) -> list[str]:
        """The fields of a column. Raises TextError, naming file and line, if there is no such column."""
        place = self._place(number)
        return [row[place] for row in self.rows]

    def replaced(self, number: int | None, values: Sequence[str]) -> "Columns":
        """A copy with another column; None: with one more. Raises UsageError unless there is a value for each token."""
        if len(values) != len(self.rows):
            raise UsageError(f"{self.where}: {len(values)} values for {len(self.rows)} tokens; give one a token")
        if number is None or number == self.width + 1:
            return replace(
                self, rows=tuple((*row, self.separator, value) for row, value in zip(self.rows, values, strict=True))
            )
        place = self._place(number)
        pairs = zip(self.rows, values, strict=True)
        return replace(self, rows=tuple((*row[:place], value, *row[place + 1 :]) for row, value in pairs))

    def _place(self, number: int) -> int:
        if not number or not -self.width <= number <= self.width:
            has = f"{self.width} column{'s' if self.width > 1 else ''}"
            raise TextError(f"{self.where}: has {has}, so none is number {number}; name the column (--column)")
        return 2 * (number - 1 if number > 0 else self.width + number)


def read_columns(source: str | Path | Corpus) -> list[Columns]:
    """The sentences of a file, ``-`` for standard input; ``.gz`` and ``.zst`` are decompressed.

    Columns are parted by tabs if any line but a blank one has a tab, otherwise by spaces. Raises TextError, naming file
    and line, for a line with other than the first one's number of columns or without a token, and for a file of none.
    """
    corpus = source if isinstance(source, Corpus) else Corpus(source)
    lines = list(_lines(corpus))
    pattern = _TAB if any("\t" in line and not _is_blank(line) for _, line in lines) else _SPACES
    reader, sentences = _Reader(pattern), list[Columns]()
    for where, line in lines:
        sentences.extend(reader.add(line, where))
    sentences.extend(reader.finished())
    if not sentences:
        name = corpus.sources[-1]["path"]
        raise TextError(f"{name}: has no token; give a file of one token a line, its columns parted by tabs")
    return sentences


def write_columns(sentences: Iterable[Columns]) -> Iterator[str]:
    """The lines of a file, without line ends."""
    first = True
    for sentence in sentences:
        if not first and not (sentence.before and _is_blank(sentence.before[0])):
            yield ""
        yield from sentence.before
        for row in sentence.rows:
            yield "".join(row)
        first = False
    if not first:
        yield ""


class _Reader:
    """Gathers lines into sentences."""

    def __init__(self, pattern: re.Pattern[str]) -> None:
        self._pattern = pattern
        self._width, self._first = 0, ""
        self._before, self._rows, self._where = list[str](), list[tuple[str, ...]](), ""

    def add(self, line: str, where: str) -> Iterator[Columns]:
        """Take in a line; gives the sentence that it ends, if it does."""
        if _is_blank(line):
            yield from self.finished()
            self._before.append(line)
        elif self._pattern is _TAB and line.startswith("# ") and "\t" not in line and not self._rows:
            self._before.append(line)
        else:
            self._rows.append(self._row(line, where))
            self._where = self._where or where

    def finished(self) -> Iterator[Columns]:
        """The sentence that has begun, if one has."""
        if self._rows:
            separator = " " if self._pattern is _SPACES and self._width > 1 else "\t"
            yield Columns(tuple(self._rows), tuple(self._before), self._where, separator)
            self._before, self._rows, self._where = [], [], ""

    def _row(self, line: str, where: str) -> tuple[str, ...]:
        row = tuple(self._pattern.split(line if self._pattern is _TAB else line.rstrip()))
        width = (len(row) + 1) // 2
        if not self._width:
            self._width, self._first = width, where
        if width != self._width:
            has = f"{width} column{'s' if width > 1 else ''}"
            raise TextError(f"{where}: has {has}, expected {self._width} as {self._first} has: {line:.60}")
        if not row[0].strip():
            raise TextError(
                f"{where}: its first column is empty; give a token a line, and a blank line between sentences"
            )
        return row


def _lines(corpus: Corpus) -> Iterator[tuple[str, str]]:
    for block in corpus:
        for i, line in enumerate(block.text[:-1].decode().split("\n")):
            yield block.where(i), line.removesuffix("\r")


def _is_blank(line: str) -> bool:
    return not line.strip(" \t")
