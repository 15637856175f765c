"""``nextword score``: surprisal token by token, or word by word."""

import errno
import json
import math
import os
import sys
from collections.abc import Iterable, Iterator
from contextlib import ExitStack, contextmanager
from enum import StrEnum
from importlib import import_module
from itertools import chain
from pathlib import Path
from typing import IO, TYPE_CHECKING, Annotated, Any

import typer

from nextword.interfaces.cli.options import Field, ModelDir, Quiet, TextFile, Threads
from nextword.interfaces.cli.progress import bar

if TYPE_CHECKING:
    from nextword.lm import LM
    from nextword.tasks.surprisal import LineSurprisal
    from nextword.tasks.words import LineOfWords

    Line = LineSurprisal | LineOfWords

_ESCAPES = str.maketrans({"\\": "\\\\", "\t": "\\t", "\n": "\\n", "\r": "\\r"})
_BLOCK_SIZE = 1 << 18  # so that the first rows do not wait for megabytes of text
_PARQUET_ROWS = 1 << 17


class Format(StrEnum):
    """How the table is written."""

    TSV = "tsv"
    JSONL = "jsonl"
    PARQUET = "parquet"


def score(
    model: ModelDir,
    file: TextFile,
    format: Annotated[Format, typer.Option(help="Parquet needs the data extra and --out.")] = Format.TSV,
    out: Annotated[Path, typer.Option(metavar="FILE", help="Write there; - is standard output.")] = Path("-"),
    surprisal_only: Annotated[
        bool, typer.Option("--surprisal-only", help="Leave rank and entropy out: much faster.")
    ] = False,
    words: Annotated[
        bool, typer.Option("--words", help="Of words, between blanks, whatever the model's tokens are.")
    ] = False,
    bow_correction: Annotated[
        bool, typer.Option("--bow-correction", help="With --words: count a word's end with it, not with the next.")
    ] = False,
    field: Field = "text",
    threads: Threads = None,
    quiet: Quiet = False,
) -> None:
    r"""Surprisal (bits), rank and entropy (bits) of every token, the </s> at each line's end included.

    Example: nextword score wiki5 text.txt > surprisal.tsv

    A token may be NA or a quotation mark, so pandas needs to be told:
    read_csv(FILE, sep="\t", quoting=3, escapechar="\\", keep_default_na=False). JSON lines and Parquet need nothing.
    """
    from nextword.api import load
    from nextword.errors import UsageError
    from nextword.ngram.settings import default_threads
    from nextword.text.corpus import Corpus

    if bow_correction and not words:
        raise UsageError("--bow-correction is of words made of tokens; give --words too")
    lm, corpus = load(model), Corpus(file, field=field, block_size=_BLOCK_SIZE)
    threads = threads or default_threads()
    on_screen = str(out) == "-" and sys.stdout.isatty()
    with bar(corpus, [file], "scoring", quiet=quiet or on_screen) as watched:
        if words:
            lines = _word_lines(lm, watched.blocks, bow_correction, threads)
        else:
            lines = _token_lines(lm, watched.blocks, not surprisal_only, threads)
        lines = _not_empty(lines, file)
        if format is Format.PARQUET:
            _write_parquet(lines, out)
            return
        with _opened(out) as stream:
            write = _write_tsv if format is Format.TSV else _write_jsonl
            write(lines, stream)


def _token_lines(lm: "LM", blocks: Any, distributions: bool, threads: int) -> "Iterator[Line]":
    from nextword.tasks.surprisal import surprisals

    return surprisals(lm.model, blocks, pipeline=lm.pipeline, distributions=distributions, threads=threads)


def _word_lines(lm: "LM", blocks: Any, correction: bool, threads: int) -> "Iterator[Line]":
    from nextword.tasks.words import word_surprisals

    return word_surprisals(lm.model, blocks, pipeline=lm.pipeline, correction=correction, threads=threads)


@contextmanager
def _opened(out: Path) -> Iterator[IO[str]]:
    if str(out) == "-":
        yield sys.stdout
    else:
        with _whole(out) as file, file.open("w", encoding="utf-8", newline="\n") as stream:
            yield stream


@contextmanager
def _whole(out: Path) -> Iterator[Path]:
    """A file that gets the name ``out`` when all of it is written, and no name if something fails before."""
    from nextword.durable import temporary

    if not out.parent.is_dir():
        raise FileNotFoundError(errno.ENOENT, os.strerror(errno.ENOENT), str(out))
    with temporary(out.parent) as file:
        yield file
        file.replace(out)


def _not_empty(lines: "Iterator[Line]", file: str) -> "Iterator[Line]":
    """The same lines. Raises TextError if there are none."""
    from nextword.errors import TextError

    first = next(lines, None)
    if first is None:
        raise TextError(f"{file}: the text is empty: there is nothing to score; give a file with at least one line")
    return chain([first], lines)


def _columns(number: int, line: "Line") -> dict[str, list[Any]]:
    """One line's rows, column by column; the first four columns and their order are the published format."""
    from nextword.tasks.words import LineOfWords

    if isinstance(line, LineOfWords):
        size = len(line.words)
        return {
            "sentence_id": [number] * size,
            "word_id": list(range(1, size + 1)),
            "word": line.words,
            "surprisal": line.surprisal.tolist(),
            "tokens": line.tokens.tolist(),
            "oov": line.oov.astype(int).tolist(),
        }
    size = len(line.tokens)
    columns: dict[str, list[Any]] = {
        "sentence_id": [number] * size,
        "token_id": list(range(1, size + 1)),
        "token": line.tokens,
        "surprisal": line.surprisal.tolist(),
    }
    if len(line.rank):
        columns |= {"rank": line.rank.tolist(), "entropy": line.entropy.tolist()}
    return columns | {"oov": line.oov.astype(int).tolist()}


def _write_tsv(lines: "Iterable[Line]", stream: IO[str]) -> None:
    for number, line in enumerate(lines, start=1):
        columns = _columns(number, line)
        if number == 1:
            stream.write("\t".join(columns) + "\n")
        cells = [_cells(values) for values in columns.values()]
        stream.writelines("\t".join(row) + "\n" for row in zip(*cells, strict=True))


def _cells(values: list[Any]) -> list[str]:
    if isinstance(values[0], float):
        return [f"{value:.7g}" for value in values]
    return (
        [str(value).translate(_ESCAPES) for value in values] if isinstance(values[0], str) else list(map(str, values))
    )


def _write_jsonl(lines: "Iterable[Line]", stream: IO[str]) -> None:
    for number, line in enumerate(lines, start=1):
        columns = _columns(number, line)
        columns["surprisal"] = [value if math.isfinite(value) else None for value in columns["surprisal"]]
        rows = zip(*columns.values(), strict=True)
        stream.writelines(json.dumps(dict(zip(columns, row, strict=True))) + "\n" for row in rows)


def _write_parquet(lines: "Iterable[Line]", out: Path) -> None:
    from nextword.errors import UsageError

    if str(out) == "-":
        raise UsageError("--format parquet writes a file; name it with --out")
    try:
        arrow, parquet = import_module("pyarrow"), import_module("pyarrow.parquet")
    except ImportError:
        raise UsageError("--format parquet needs pyarrow; install it with: pip install 'nextword[data]'") from None
    with _whole(out) as file, ExitStack() as stack:
        writer = None
        for columns in _row_groups(lines):
            group = arrow.table(columns)
            writer = writer or stack.enter_context(parquet.ParquetWriter(file, group.schema))
            writer.write_table(group)


def _row_groups(lines: "Iterable[Line]") -> Iterator[dict[str, list[Any]]]:
    """Columns of many lines at a time."""
    group: dict[str, list[Any]] = {}
    for number, line in enumerate(lines, start=1):
        for name, values in _columns(number, line).items():
            group.setdefault(name, []).extend(values)
        if len(group["sentence_id"]) >= _PARQUET_ROWS:
            yield group
            group = {}
    if group:
        yield group
