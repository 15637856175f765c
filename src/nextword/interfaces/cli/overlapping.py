"""``nextword overlap``: what of a test text stands in a training text too."""

import json
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from nextword.interfaces.cli.options import AsJson, Field, Quiet, Threads
from nextword.interfaces.cli.progress import bar, note
from nextword.interfaces.cli.tables import table

if TYPE_CHECKING:
    from nextword.tasks.overlap import Match, Overlap

_COLUMNS = ("test", "train", "n", "found", "ngrams", "tokens", "text")


def overlap(
    texts: Annotated[
        list[str],
        typer.Argument(
            metavar="TRAIN... TEST", help="The training text's files, and last the test text.", show_default=False
        ),
    ],
    n: Annotated[str, typer.Option("-n", metavar="8,13", help="Tokens of the n-grams to look for.")] = "8,13",
    tokenizer: Annotated[
        str, typer.Option(help="whitespace, word, char, byte, or a tokenizer.json file.")
    ] = "whitespace",
    normalize: Annotated[
        str | None, typer.Option(metavar="FORM", help="Unicode normalisation: nfc, nfd, nfkc or nfkd.")
    ] = None,
    lowercase: Annotated[bool, typer.Option("--lowercase", help="Lowercase both texts.")] = False,
    show: Annotated[int, typer.Option(min=0, metavar="N", help="Lines to show, those that share most first.")] = 20,
    out: Annotated[
        Path | None, typer.Option(metavar="FILE", help="Write all lines that share something, tab-separated.")
    ] = None,
    field: Field = "text",
    as_json: AsJson = False,
    threads: Threads = None,
    quiet: Quiet = False,
) -> None:
    """The share of a test text's n-grams and lines that occur in a training text, and which lines they are.

    A model is not to be trained on any part of its test set: it would be measured by what it remembers.

    Example: nextword overlap train.txt.gz test.txt -n 8,13 --out shared.tsv
    """
    from nextword.errors import UsageError
    from nextword.ngram.settings import default_threads
    from nextword.tasks.overlap import overlap as find_overlap
    from nextword.text.corpus import Corpus
    from nextword.text.normalize import Normalizer
    from nextword.text.pipeline import Pipeline
    from nextword.text.tokenize import make_tokenizer

    if len(texts) < 2:
        raise UsageError("one text was given, and a training text and a test text are compared; name both")
    sizes = _sizes(n)
    pipeline = Pipeline(Normalizer(normalize, lowercase=lowercase), make_tokenizer(tokenizer))  # type: ignore[arg-type]
    train, test = Corpus(texts[:-1], field=field), Corpus(texts[-1], field=field)
    with bar(train, texts[:-1], "searching", quiet=quiet) as watched:
        found = find_overlap(watched.blocks, test, sizes=sizes, pipeline=pipeline, threads=threads or default_threads())
    if out is not None:
        _write(found.matches, out)
        note(f"wrote {out}: {len(found.matches):,} lines", quiet=quiet)
    if as_json:
        shown = [match._asdict() for match in _most(found, show)]
        names: dict[str, Any] = {"train": texts[:-1], "test": texts[-1]}
        typer.echo(json.dumps(names | found.to_json() | {"matches": len(found.matches), "shown": shown}, indent=1))
    else:
        _show(found, show)


def _sizes(given: str) -> list[int]:
    from nextword.errors import UsageError

    try:
        return [int(size) for size in given.replace(",", " ").split()]
    except ValueError:
        raise UsageError(f"-n {given!r}: give whole numbers of tokens, such as 8,13") from None


def _show(found: "Overlap", show: int) -> None:
    rows = [["whole lines", f"{found.lines:,}", *_share(found.identical, found.lines), "", "", "", ""]]
    for one in found.shares:
        distinct = [f"{one.distinct:,}", *_share(one.distinct_found, one.distinct)[1:]]
        lines = _share(one.lines_found, one.lines)
        rows.append([f"{one.n}-grams", f"{one.ngrams:,}", *_share(one.found, one.ngrams), *distinct, *lines])
    columns = ["", "in the test", "in training", "share", "distinct", "share", "lines with one", "share"]
    typer.echo(table(columns, rows))
    for match in _most(found, show):
        what = "the whole line" if match.n == 0 else f"{match.found:,} of {match.ngrams:,} {match.n}-grams"
        typer.echo(f"\n{match.test} and {match.train}: {what}\n    {match.text}")
    if len(found.matches) > show:
        more = len(found.matches) - show
        typer.echo(f"\nand {more:,} more line{'s' if more > 1 else ''} (--show, --out FILE)")


def _most(found: "Overlap", show: int) -> "list[Match]":
    """The lines of which most is shared, by tokens; of equals the first."""
    return sorted(found.matches, key=lambda match: -match.tokens)[:show]


def _share(part: int, whole: int) -> list[str]:
    return [f"{part:,}", f"{part / whole:.2%}" if whole else "-"]


def _write(matches: "list[Match]", out: Path) -> None:
    """Tabs and backslashes in a line are written as in C."""
    with out.open("w", encoding="utf-8", newline="\n") as file:
        file.write("\t".join(_COLUMNS) + "\n")
        for match in matches:
            text = match.text.replace("\\", r"\\").replace("\t", r"\t").replace("\r", r"\r")
            file.write("\t".join(map(str, [*match[:-1], text])) + "\n")
