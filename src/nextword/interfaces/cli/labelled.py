"""Labelled texts as commands take them: the options that say how a table is laid out."""

from collections.abc import Sequence
from typing import TYPE_CHECKING, Annotated, TypeAlias

import typer

if TYPE_CHECKING:
    from nextword.tasks.classify.table import Table

Files: TypeAlias = Annotated[
    list[str],
    typer.Argument(
        metavar="FILE...",
        help="Labelled texts: .tsv, .csv, .jsonl, .parquet; or LABEL=FILE for texts of one class, one a line.",
        show_default=False,
    ),
]
TextColumn: TypeAlias = Annotated[
    str | None,
    typer.Option(metavar="NAME|N", help="The column, or field, of the texts; text, or the first.", show_default=False),
]
LabelColumn: TypeAlias = Annotated[
    str | None,
    typer.Option(metavar="NAME|N", help="That of the labels; label, or the second.", show_default=False),
]
Encoding: TypeAlias = Annotated[str, typer.Option(help="How the files are encoded: utf-8, latin-1, cp1252, …")]


class Source:
    """How the user's tables are laid out."""

    def __init__(self, text_column: str | None, label_column: str | None, encoding: str):
        self.options = {"text_column": text_column, "label_column": label_column, "encoding": encoding}

    def read(self, files: str | Sequence[str]) -> "Table":
        """The examples in files. Raises TextError, UsageError."""
        from nextword.tasks.classify.table import read_table

        return read_table(files, **self.options)  # type: ignore[arg-type]

    def both(self, files: Sequence[str], valid: str | None) -> "tuple[Table, Table | None]":
        """Training and held-out examples, the latter of the same classes."""
        known = self.read(files)
        if self.options["text_column"] is self.options["label_column"] is None:
            known.check_first_row()
        held_out = None if valid is None else self.read(valid)
        if held_out is not None:
            held_out.check_labels(sorted(set(known.labels)))
        return known, held_out


def escaped(text: str) -> str:
    """What would break a line or a column, as in C."""
    return text.replace("\\", r"\\").replace("\t", r"\t").replace("\n", r"\n").replace("\r", r"\r")
