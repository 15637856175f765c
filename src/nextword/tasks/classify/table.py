"""Labelled texts from files, each of which remembers where it stood."""

from array import array
from collections import Counter
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass, field
from pathlib import Path

from nextword import durable
from nextword.errors import TextError
from nextword.tasks.classify.rows import Columns, Row, read_rows
from nextword.types import Array, Json

_FEW = 10  # labels that a message lists
_TELLING = 20  # rows from which on a label that comes once is odd


@dataclass
class Table:
    """Texts, their labels (none where they were not asked for), and where they stand.

    sources: what was read: path, bytes and SHA-256 of each file.
    """

    texts: list[str] = field(default_factory=list)
    labels: list[str] = field(default_factory=list)
    sources: list[Json] = field(default_factory=list)
    _lines: "array[int]" = field(default_factory=lambda: array("q"))
    _begins: list[tuple[int, str]] = field(default_factory=list)  # each file's first row, and its name

    def where(self, row: int) -> str:
        """``file:line`` of a row, from 0."""
        path = next(path for begin, path in reversed(self._begins) if begin <= row)
        return f"{path}:{self._lines[row]}"

    def check_labels(self, classes: Sequence[str] | Array) -> None:
        """Raise TextError at the first row whose label is not among ``classes``, those of training."""
        known = {str(label) for label in classes}
        for row, label in enumerate(self.labels):
            if label not in known:
                some = ", ".join(map(repr, sorted(known)[:_FEW])) + (", …" if len(known) > _FEW else "")
                raise TextError(f"{self.where(row)}: the label {label!r} is unseen in training; expected one of {some}")

    def check_first_row(self) -> None:
        """Raise TextError if the first row looks like a header: its label comes once, all others twice or more."""
        counts = Counter(self.labels)
        if len(self.labels) < _TELLING or counts[self.labels[0]] > 1 or sorted(counts.values())[:2][-1] < 2:
            return
        raise TextError(
            f"{self.where(0)}: the label {self.labels[0]!r} of the first row comes nowhere else; if the row is a "
            "header, name its columns of text and label; if it is an example, give their numbers, 1 and 2"
        )

    def add(self, path: str, rows: Iterable[Row], label: str | None = None) -> None:
        """Take in the rows of a file; label: of all of them."""
        self._begins.append((len(self.texts), path))
        for row in rows:
            self.texts.append(row.text)
            self._lines.append(row.line)
            found = row.label if label is None else label
            if found is not None:
                self.labels.append(found)


def read_table(
    files: str | Path | Sequence[str | Path],
    *,
    text_column: str | None = None,
    label_column: str | None = None,
    encoding: str = "utf-8",
    labelled: bool = True,
) -> Table:
    """Read files: tables (.tsv, .csv, .jsonl, .parquet; see ``rows``), or ``LABEL=FILE`` for texts of one class.

    Such a FILE is a text, one example a line, or a table, of which the text is read. Options: see ``rows.Columns``.
    Raises TextError, naming file and line, at the first row that does not fit, and where there is none at all.
    """
    columns = Columns(text_column, label_column, labelled, encoding)
    table = Table()
    names = [str(file) for file in ([files] if isinstance(files, str | Path) else files)]
    for name in names:
        label, path = _split_label(name) if labelled else (None, name)
        wanted = columns if label is None else columns._replace(labelled=False)
        table.add(path, read_rows(path, wanted), label)
        size = Path(path).stat().st_size
        table.sources.append({"path": path, "bytes": size, "sha256": durable.file_sha256(Path(path))})
    if not table.texts:
        raise TextError(f"{', '.join(names)}: has no rows; give a file with at least one")
    return table


def read_texts(file: str | Path, *, text_column: str | None = None, encoding: str = "utf-8") -> Iterator[Row]:
    """The texts of a table or of a text, one a line, as they are read; labels are left alone."""
    return read_rows(file, Columns(text_column, None, False, encoding))


def _split_label(name: str) -> tuple[str | None, str]:
    label, equals, path = name.partition("=")
    return (label, path) if equals and label and not Path(name).exists() else (None, name)
