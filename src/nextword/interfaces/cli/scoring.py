"""``nextword score``: surprisal token by token."""

import json
from enum import StrEnum
from pathlib import Path
from typing import IO, TYPE_CHECKING, Annotated, Any

import typer

from nextword.interfaces.cli.options import Field, ModelDir, Quiet, TextFile, Threads
from nextword.interfaces.cli.progress import bar

if TYPE_CHECKING:
    from nextword.tasks.surprisal import LineSurprisal

_ESCAPES = str.maketrans({"\\": "\\\\", "\t": "\\t", "\n": "\\n", "\r": "\\r"})


class Format(StrEnum):
    """How the table is written."""

    TSV = "tsv"
    JSONL = "jsonl"
    PARQUET = "parquet"


def score(
    model: ModelDir,
    file: TextFile,
    format: Annotated[Format, typer.Option(help="Parquet needs the data extra and --out.")] = Format.TSV,
    out: Annotated[Path | None, typer.Option(metavar="FILE", help="Write there instead of to standard output.")] = None,
    surprisal_only: Annotated[
        bool, typer.Option("--surprisal-only", help="Leave rank and entropy out: much faster.")
    ] = False,
    field: Field = "text",
    threads: Threads = None,
    quiet: Quiet = False,
) -> None:
    """Surprisal (bits), rank and entropy (bits) of every token, the </s> at each line's end included.

    Example: nextword score wiki5 text.txt > surprisal.tsv
    """
    from nextword.api import load
    from nextword.ngram.train import default_threads
    from nextword.tasks.surprisal import surprisals
    from nextword.text.corpus import Corpus

    lm = load(model)
    settings = {"distributions": not surprisal_only, "threads": threads or default_threads()}
    with bar(Corpus(file, field=field), [file], "scoring", quiet=quiet) as watched:
        lines = surprisals(lm.model, watched.blocks, pipeline=lm.pipeline, **settings)
        if format is Format.PARQUET:
            _write_parquet(lines, out)
        elif out is None:
            import sys

            _write(lines, format, sys.stdout)
        else:
            with out.open("w", encoding="utf-8", newline="\n") as stream:
                _write(lines, format, stream)


def _columns(number: int, line: "LineSurprisal") -> dict[str, list[Any]]:
    """One line's rows, column by column; the first four columns and their order are the published format."""
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


def _write(lines: Any, format: Format, stream: IO[str]) -> None:
    for number, line in enumerate(lines, start=1):
        columns = _columns(number, line)
        rows = zip(*columns.values(), strict=True)
        if format is Format.JSONL:
            stream.writelines(json.dumps(_finite(dict(zip(columns, row, strict=True)))) + "\n" for row in rows)
            continue
        if number == 1:
            stream.write("\t".join(columns) + "\n")
        stream.writelines("\t".join(_cell(value) for value in row) + "\n" for row in rows)


def _cell(value: Any) -> str:
    if isinstance(value, str):
        return value.translate(_ESCAPES)
    return f"{value:.7g}" if isinstance(value, float) else str(value)


def _finite(row: dict[str, Any]) -> dict[str, Any]:
    return {name: None if value == float("inf") else value for name, value in row.items()}


def _write_parquet(lines: Any, out: Path | None) -> None:
    from nextword.errors import UsageError

    if out is None:
        raise UsageError("--format parquet writes a file; name it with --out")
    try:
        import pyarrow as pa
        import pyarrow.parquet as pq
    except ImportError:
        raise UsageError("--format parquet needs pyarrow; install it with: pip install 'nextword[data]'") from None
    writer = None
    for number, line in enumerate(lines, start=1):
        batch = pa.table(_columns(number, line))
        writer = writer or pq.ParquetWriter(out, batch.schema)
        writer.write_table(batch)
    if writer is not None:
        writer.close()
