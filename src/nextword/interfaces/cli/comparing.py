"""``nextword compare``: every model on one text."""

import json
import sys
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from nextword.interfaces.cli.options import AsJson, Field, Quiet, Threads
from nextword.interfaces.cli.progress import stages
from nextword.interfaces.cli.tables import number, table

if TYPE_CHECKING:
    from nextword.tasks.compare import Row

_HEADER = ["unit", "model", "order", "n-grams", "bytes", "train s", "perplexity", "without oov", "bits/byte"]


def compare(
    text: Annotated[
        str | None,
        typer.Argument(metavar="[TEXT]", help="A text, one sentence a line; the English prose that Python carries if none."),
    ] = None,
    out: Annotated[Path, typer.Option(metavar="DIR", help="Where to keep the models.")] = Path("nextword-compare"),
    minutes: Annotated[float | None, typer.Option(help="Begin no further model after this time.")] = None,
    prompt: Annotated[str | None, typer.Option(help="Words whose continuation the best model shows.")] = None,
    field: Field = "text",
    as_json: AsJson = False,
    threads: Threads = None,
    quiet: Quiet = False,
) -> None:
    """Train the count-based models on a text, by words and by characters, and measure them on a held-out part.

    Example: nextword compare mytext.txt --out models
    """
    from nextword.tasks.compare import compare as compare_models
    from nextword.tasks.compare import split

    source, lines = _lines(text, field)
    texts = split(lines)
    rows: list[Row] = []
    with stages("comparing", quiet=quiet) as stage:
        for row in compare_models(texts, out, minutes=minutes, threads=threads, progress=stage):
            rows.append(row)
    if as_json:
        document = {"text": source, "lines": texts.lines, "models": [row.to_json() for row in rows]}
        typer.echo(json.dumps(document, indent=1))
        return
    train, valid, test = texts.lines
    typer.echo(f"{source}: {train:,} lines to train on, {valid:,} to tune on, {test:,} to test on\n")
    typer.echo(table(_HEADER, [_cells(row) for row in rows], left=2))
    _print_notes(rows)
    if rows:
        _print_best(rows, lines[0].split()[:2] if prompt is None else prompt.split(), out)


def _lines(text: str | None, field: str) -> tuple[str, list[str]]:
    """The text's name and its lines."""
    if text is None:
        from nextword.text.embedded import embedded_sentences

        python = ".".join(map(str, sys.version_info[:3]))
        return f"the documentation inside Python {python} (pydoc_data.topics)", embedded_sentences()
    from nextword.text.corpus import Corpus

    return text, [line for block in Corpus(text, field=field) for line in block.text.decode().splitlines()]


def _cells(row: "Row") -> list[str]:
    mark = "*" if row.notes else ""
    return [
        row.unit,
        row.model + mark,
        str(row.order),
        f"{row.ngrams:,}",
        f"{row.bytes:,}",
        f"{row.seconds:.2f}",
        number(row.perplexity),
        number(row.perplexity_excluding_oov),
        number(row.bits_per_byte, 3),
    ]


def _print_notes(rows: list["Row"]) -> None:
    noted = [row for row in rows if row.notes]
    if noted:
        typer.echo("\n* discounts that the counts do not allow to be estimated:")
    for unit, model in dict.fromkeys((row.unit, row.model) for row in noted):
        longest = [row for row in noted if (row.unit, row.model) == (unit, model)][-1]
        for remark in longest.notes:
            typer.echo(f"  {unit} {model}, {remark}")


def _print_best(rows: list["Row"], prompt: list[str], out: Path) -> None:
    from nextword.api import load

    words = [row for row in rows if row.unit == "word"]
    best = min(words or rows, key=lambda row: row.bits_per_byte)
    lm, context = load(best.directory), " ".join(prompt)
    typer.echo(f"\nbest by words: {best.model}, order {best.order}. Most likely after “{context}”:\n")
    found = lm.next(context)
    typer.echo(table(["token", "probability"], [[w, f"{p:.4f}"] for w, p in zip(found.words, found.probabilities, strict=True)]))
    typer.echo("\nA sample from it:\n")
    for sentence in lm.generate(seed=1, samples=3, max_tokens=40):
        typer.echo(f"  {sentence}")
    typer.echo(
        f"\nThe models are in {out}. Try next:\n"
        f'  nextword next {best.directory} "{context}" -k 5\n'
        f"  nextword generate {best.directory} --top-p 0.9 -n 3\n"
        f"  nextword info {best.directory}\n"
        f"  nextword compare YOUR_TEXT.txt"
    )


