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
    "unit": 4, "model": 20, "order": 5, "parameters": 11, "bytes": 13, "train s": 7, "perplexity": 10,
    "without oov": 11, "per word": 10, "bits/byte": 9,
}  # fmt: skip
_CANDIDATES = 8  # next words shown of each model
_ABREAST = 5  # models in one block of columns
_WIDEST = 14  # letters of a next word
_SAMPLE = {"word": 20, "char": 90}  # tokens
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
    prompt: Annotated[str | None, typer.Option(help="Words whose continuation each model shows.")] = None,
    field: Field = "text",
    as_json: AsJson = False,
    threads: Threads = None,
    quiet: Quiet = False,
) -> None:
    """Train every kind of model on a text, by words and by characters, and measure them on a held-out part.

    The table and the networks' loss curves stay in DIR/compare.json.

    Example: nextword compare mytext.txt --out models
    """
    from nextword.tasks.compare import compare, document, split
    from nextword.tasks.recipes import recipes

    source, lines = _lines(text, field)
    texts = split(lines, name=source)
    neural = _has_torch()
    chosen = recipes(neural=neural)
    train, valid, test = texts.lines
    with stages("comparing", quiet=quiet or (sys.stdout.isatty() and not as_json)) as stage:
        found = compare(texts, out, chosen=chosen, minutes=minutes, threads=threads, progress=stage)
        if not neural:
            message = "the neural models and their mixtures are left out, as they need PyTorch; install it with: "
            note(f"{message}pip install 'nextword[neural]'", quiet=quiet)
        if not as_json:
            typer.echo(f"{source}: {train:,} lines to train on, {valid:,} to tune on, {test:,} to test on\n")
        rows = list(found) if as_json else _printed(found)
    if as_json:
        typer.echo(json.dumps(document(texts, rows), indent=1, allow_nan=False))
    missing = len(chosen) - len(rows)
    if missing:
        note(f"the time was up before {missing} more models; give more than --minutes {minutes:g} for all", quiet=quiet)
    if rows and not as_json:
        _print_notes(rows)
        _print_words(rows, _opening(lines) if prompt is None else prompt)
        _print_samples(rows)
        _print_what_next(rows, _opening(lines) if prompt is None else prompt, out)


def _has_torch() -> bool:
    """Whether the neural models can be trained."""
    from nextword.errors import UsageError
    from nextword.neural import require_torch

    try:
        require_torch()
    except UsageError:
        return False
    return True


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
        str(row.order or "-"),
        f"{row.parameters:,}",
        f"{row.bytes:,}",
        f"{row.seconds:.2f}",
        number(row.perplexity),
        number(row.perplexity_excluding_oov),
        number(row.word_perplexity, 0),
        number(row.bits_per_byte, 3),
    ]


def _print_notes(rows: "list[Row]") -> None:
    remarks = dict.fromkeys(f"{_name(row)}: {remark}" for row in rows for remark in row.notes)
    if remarks:
        typer.echo("\n* what to know of a model: what its counts did not allow to be estimated, what it is mixed of")
    for remark in remarks:
        typer.echo(f"  {remark}")


def _name(row: "Row") -> str:
    return f"{row.unit} {row.model}"


def _shown(rows: "list[Row]", unit: str) -> "list[Row]":
    """The models of a unit worth a look inside: the first and the best of the count-based ones, and all others."""
    of_unit = [row for row in rows if row.unit == unit]
    counted = [row for row in of_unit if not row.neural]
    looked_at = {id(row) for row in [*counted[:1], *_best(counted), *(row for row in of_unit if row.neural)]}
    return [row for row in of_unit if id(row) in looked_at]


def _best(rows: "list[Row]") -> "list[Row]":
    """The best of them, if there are any."""
    return sorted(rows, key=lambda row: row.bits_per_byte)[:1]


def _print_words(rows: "list[Row]", context: str) -> None:
    """Each model's next words side by side."""
    from nextword.api import load

    shown = _shown(rows, rows[0].unit)
    after = f"after “{context}”" if context else "at the beginning of a sentence"
    typer.echo(f"\nMost likely {after}, by {rows[0].unit}s, with their probabilities:\n")
    columns = []
    for row in shown:
        found = load(row.directory).next(context, k=_CANDIDATES)
        width = max((len(word[:_WIDEST]) for word in found.words), default=0)
        pairs = zip(found.words, found.probabilities, strict=True)
        cells = [f"{word[:_WIDEST]:{width}} {p:.3f}" for word, p in pairs]
        columns.append([*cells, *[""] * (_CANDIDATES - len(cells))])
    header = [row.model + (f" {row.order}" if row.order and not row.neural else "") for row in shown]
    lines = list(zip(*columns, strict=True))
    for begin in range(0, len(shown), _ABREAST):
        part = slice(begin, begin + _ABREAST)
        typer.echo(table(header[part], [line[part] for line in lines], left=len(header[part])) + "\n")


def _print_samples(rows: "list[Row]") -> None:
    """A text from each model."""
    from nextword.api import load

    typer.echo("A sample from each:\n")
    shown = [row for unit in dict.fromkeys(row.unit for row in rows) for row in _shown(rows, unit)]
    width = max(len(_name(row)) for row in shown)
    for row in shown:
        (text,) = load(row.directory).generate(seed=1, max_tokens=_SAMPLE[row.unit])
        typer.echo(f"  {_name(row):{width}}  {text}")


def _print_what_next(rows: "list[Row]", context: str, out: Path) -> None:
    (best,) = _best([row for row in rows if row.unit == rows[0].unit])
    typer.echo(
        f"\nBest by {best.unit}s: {best.model}{f', order {best.order}' if best.order else ''}. "
        f"The models are in {out}. Try next:\n"
        f"  nextword next {quote(best.directory)} {quote(context)} -k 5\n"
        f"  nextword generate {quote(best.directory)} --top-p 0.9 -n 3\n"
        f"  nextword info {quote(best.directory)}\n"
        f"  nextword serve {quote(str(out))}   (a page: look inside them all)\n"
        f"  nextword compare YOUR_TEXT.txt"
    )
