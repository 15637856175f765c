"""``nextword compare``: every model on one text."""

import json
import sys
from collections import Counter
from collections.abc import Iterable
from pathlib import Path
from shlex import quote
from typing import TYPE_CHECKING, Annotated

import typer

from nextword.interfaces.cli.options import AsJson, Field, Quiet, Threads
from nextword.interfaces.cli.progress import note, stages
from nextword.interfaces.cli.tables import line, number, rule, table

if TYPE_CHECKING:
    from nextword.tasks.compare import Row

# the widths have room for the figures of large texts: a row is printed as soon as its model is there
_COLUMNS = {
    "unit": 4, "model": 20, "order": 5, "n-grams": 11, "bytes": 14, "train s": 8, "perplexity": 12, "without oov": 12,
    "bits/byte": 9,
}  # fmt: skip
_WIDTHS = list(_COLUMNS.values())


def compare(
    text: Annotated[
        str | None,
        typer.Argument(
            metavar="[TEXT]", help="A text, one sentence a line; without it, English prose that Python carries."
        ),
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
    from nextword.tasks.compare import LINEAGE, ORDERS, UNITS, compare, split

    source, lines = _lines(text, field)
    texts = split(lines)
    train, valid, test = texts.lines
    with stages("comparing", quiet=quiet or (sys.stdout.isatty() and not as_json)) as stage:
        found = compare(texts, out, minutes=minutes, threads=threads, progress=stage)
        if not as_json:
            typer.echo(f"{source}: {train:,} lines to train on, {valid:,} to tune on, {test:,} to test on\n")
        rows = list(found) if as_json else _printed(found)
    if as_json:
        document = {"text": source, "lines": texts.lines, "models": [row.to_json() for row in rows]}
        typer.echo(json.dumps(document, indent=1))
    missing = len(UNITS) * len(LINEAGE) * len(ORDERS) - len(rows)
    if missing:
        note(f"the time was up before {missing} more models; give more than --minutes {minutes:g} for all", quiet=quiet)
    if rows and not as_json:
        _print_notes(rows)
        _print_best(rows, _opening(lines) if prompt is None else prompt, out)


def _lines(text: str | None, field: str) -> tuple[str, list[str]]:
    """The text's name and its lines."""
    if text is None:
        from nextword.text.embedded import embedded_sentences

        python = ".".join(map(str, sys.version_info[:3]))
        return f"the documentation inside Python {python} (pydoc_data.topics)", embedded_sentences()
    from nextword.text.corpus import Corpus

    blocks = (block.text.decode().replace("\r\n", "\n") for block in Corpus(text, field=field))
    return text, [line for block in blocks for line in block.removesuffix("\n").split("\n")]


def _opening(lines: list[str]) -> str:
    """The two words that most lines begin with."""
    (opening, _), *_ = Counter(" ".join(line.split()[:2]) for line in lines).most_common(1)
    return opening


def _printed(found: "Iterable[Row]") -> "list[Row]":
    """The rows, each printed as it comes."""
    rows: list[Row] = []
    for row in found:
        if not rows:
            typer.echo(f"{line(list(_COLUMNS), _WIDTHS, left=2)}\n{rule(_WIDTHS)}")
        typer.echo(line(_cells(row), _WIDTHS, left=2))
        rows.append(row)
    return rows


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


def _print_notes(rows: "list[Row]") -> None:
    remarks = dict.fromkeys(f"{row.unit} {row.model}, {remark}" for row in rows for remark in row.notes)
    if remarks:
        typer.echo("\n* discounts that the counts do not allow to be estimated:")
    for remark in remarks:
        typer.echo(f"  {remark}")


def _print_best(rows: "list[Row]", context: str, out: Path) -> None:
    from nextword.api import load

    words = [row for row in rows if row.unit == "word"]
    best = min(words or rows, key=lambda row: row.bits_per_byte)
    lm = load(best.directory)
    after = f"after “{context}”" if context else "at the beginning of a sentence"
    typer.echo(f"\nbest by {best.unit}s: {best.model}, order {best.order}. Most likely {after}:\n")
    found = lm.next(context)
    likely = zip(found.words, found.probabilities, strict=True)
    typer.echo(table(["token", "probability"], [[word, f"{p:.4f}"] for word, p in likely]))
    typer.echo("\nThree samples from it:\n")
    for sentence in lm.generate(seed=1, samples=3, max_tokens=40):
        typer.echo(f"  {sentence}")
    typer.echo(
        f"\nThe models are in {out}. Try next:\n"
        f"  nextword next {quote(best.directory)} {quote(context)} -k 5\n"
        f"  nextword generate {quote(best.directory)} --top-p 0.9 -n 3\n"
        f"  nextword info {quote(best.directory)}\n"
        f"  nextword compare YOUR_TEXT.txt"
    )
