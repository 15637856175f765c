"""``nextword classify``: train a text classifier, predict classes, say how good it is."""

import json
import sys
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from itertools import islice
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any, TextIO

import typer

from nextword.interfaces.cli.classifying_training import train
from nextword.interfaces.cli.labelled import Encoding, Files, LabelColumn, Source, TextColumn, escaped
from nextword.interfaces.cli.options import AsJson, ModelDir, Quiet
from nextword.interfaces.cli.progress import note, stages
from nextword.interfaces.cli.tables import number, table

if TYPE_CHECKING:
    from nextword.tasks.classify.report import Report
    from nextword.tasks.classify.table import Table

classify = typer.Typer(no_args_is_help=True, help="Train a text classifier, predict classes, evaluate it.")
classify.add_typer(train, name="train")

_MOST_CLASSES = 15  # of a matrix that is printed; of more classes the pairs that are confused most are
_PAIRS = 15
_AT_ONCE = 5000  # texts that are predicted together


@classify.command()
def predict(
    model: ModelDir,
    file: Annotated[
        str,
        typer.Argument(
            metavar="FILE", help="A table, or a text with an example a line; - is standard input.", show_default=False
        ),
    ],
    *,
    out: Annotated[Path | None, typer.Option(metavar="FILE", help="Write there, not to standard output.")] = None,
    probabilities: Annotated[bool, typer.Option("--probabilities", help="Each class's probability beside it.")] = False,
    text_column: TextColumn = None,
    encoding: Encoding = "utf-8",
    as_json: Annotated[bool, typer.Option("--json", help="A JSON object a line.")] = False,
    quiet: Quiet = False,
) -> None:
    """Predict the class of each text, one a line, in order.

    An empty text gets the class that is likeliest without a text.

    With --probabilities: tab-separated columns under a header, the label and then each class's probability.

    Example: nextword classify predict sentiment reviews.txt --probabilities --out predicted.tsv
    """
    from nextword.tasks.extras import require_tasks

    require_tasks()
    from nextword.tasks.classify.base import TextClassifier, is_empty
    from nextword.tasks.classify.table import read_texts

    classifier: TextClassifier = TextClassifier.load(model)
    rows = (row.text for row in read_texts(file, text_column=text_column, encoding=encoding))
    names = [str(label) for label in classifier.classes_]
    count = empty = 0
    with _writing(out) as stream:
        if probabilities and not as_json:
            stream.write("\t".join(["label", *map(escaped, names)]) + "\n")
        while texts := list(islice(rows, _AT_ONCE)):
            count, empty = count + len(texts), empty + sum(map(is_empty, texts))
            for shares in classifier.predict_proba(texts).tolist():
                stream.write(_line(names, shares, probabilities, as_json) + "\n")
    if empty:
        note(
            f"{empty:,} of {count:,} texts are empty: they got the class that is likeliest without a text", quiet=quiet
        )
    if out is not None:
        note(f"wrote {out}: {count:,} predictions", quiet=quiet)


@classify.command()
def evaluate(
    model: ModelDir,
    files: Files,
    *,
    against: Annotated[
        Path | None, typer.Option(metavar="DIR", help="Another classifier: is the difference real?")
    ] = None,
    plot: Annotated[Path | None, typer.Option(metavar="PNG", help="Draw the confusion matrix.")] = None,
    mistakes: Annotated[int, typer.Option(min=0, metavar="N", help="The most confident mistakes to show.")] = 5,
    text_column: TextColumn = None,
    label_column: LabelColumn = None,
    encoding: Encoding = "utf-8",
    as_json: AsJson = False,
    quiet: Quiet = False,
) -> None:
    """Accuracy, macro-F1, each class's figures, the confusion matrix, and the most confident mistakes.

    Example: nextword classify evaluate sentiment test.tsv --plot confusion.png --mistakes 10
    """
    from nextword.tasks.extras import require_tasks

    require_tasks()
    from nextword.tasks.classify.base import TextClassifier
    from nextword.tasks.classify.picture import draw_confusion, require_matplotlib
    from nextword.tasks.classify.report import paired_difference, report

    if plot is not None:
        require_matplotlib()
    examples = Source(text_column, label_column, encoding).read(files)
    found = []
    for directory in [model] if against is None else [model, against]:
        classifier: TextClassifier = TextClassifier.load(directory)
        examples.check_labels(classifier.classes_)
        with stages(f"evaluating {directory}", quiet=quiet):
            found.append(report(classifier, examples.texts, classifier.classes_of(examples.labels), mistakes=mistakes))
    difference = None if against is None else paired_difference(*found)
    if plot is not None:
        draw_confusion(found[0], plot)
        note(f"wrote {plot}", quiet=quiet)
    if as_json:
        beside = {} if difference is None else {"against": found[1].to_json(), "difference": difference._asdict()}
        typer.echo(json.dumps({"model": str(model), **_located(found[0], examples), **beside}, indent=1))
        return
    _show(found[0], examples)
    if difference is not None:
        verdict = "the difference is real" if difference.real else "which may be chance"
        interval = f"{difference.low:+.2%} to {difference.high:+.2%}"
        gain = f"{difference.accuracy:+.2%} ({interval}, p = {difference.p_value:.3f})"
        typer.echo(f"\n{against}: accuracy {found[1].accuracy:.2%}, {gain}: {verdict}")


def _line(names: Sequence[str], shares: Sequence[float], probabilities: bool, as_json: bool) -> str:
    best = names[shares.index(max(shares))]
    if as_json:
        beside = {"probabilities": dict(zip(names, shares, strict=True))} if probabilities else {}
        return json.dumps({"label": best, **beside}, ensure_ascii=False)
    return "\t".join([escaped(best), *(f"{share:.6g}" for share in shares if probabilities)])


def _located(found: "Report", examples: "Table") -> dict[str, Any]:
    document = found.to_json()
    for mistake in document["mistakes"]:
        mistake["where"] = examples.where(mistake.pop("example"))
    return document


def _show(found: "Report", examples: "Table") -> None:
    low, high = found.accuracy_interval()
    typer.echo(
        f"accuracy  {found.accuracy:.2%}  (95 % interval {low:.2%} to {high:.2%}, {len(found.correct):,} examples)"
    )
    low, high = found.macro_f1_interval()
    typer.echo(f"macro-F1  {found.macro_f1:.2%}  (95 % interval {low:.2%} to {high:.2%})")
    if found.empty:
        typer.echo(f"empty     {found.empty:,} texts, predicted as what is likeliest without a text")
    rows = [
        [escaped(str(one.label)), *(number(100 * x) for x in (one.precision, one.recall, one.f1)), f"{one.support:,}"]
        for one in found.scores
    ]
    typer.echo("\n" + table(["class", "precision %", "recall %", "F1 %", "examples"], rows))
    names = [escaped(str(label)) for label in found.classes]
    if len(names) <= _MOST_CLASSES:
        cells = [[name, *(f"{n:,}" for n in row)] for name, row in zip(names, found.confusion.tolist(), strict=True)]
        typer.echo("\n" + table(["label \\ predicted", *names], cells))
    else:
        typer.echo("\n" + table(["label", "predicted", "examples"], _confused(found, names), left=2))
    for one in found.mistakes:
        where = examples.where(one.example)
        said = f"{one.label}, predicted {one.predicted} with probability {one.probability:.4f}"
        typer.echo(f"\n{where}: {said}\n    {escaped(one.text[:300])}")


def _confused(found: "Report", names: Sequence[str]) -> list[list[str]]:
    """The pairs of classes that are confused most."""
    pairs = [(n, i, j) for i, row in enumerate(found.confusion.tolist()) for j, n in enumerate(row) if n and i != j]
    return [[names[i], names[j], f"{n:,}"] for n, i, j in sorted(pairs, reverse=True)[:_PAIRS]]


@contextmanager
def _writing(out: Path | None) -> Iterator[TextIO]:
    if out is None:
        yield sys.stdout
        return
    with out.open("w", encoding="utf-8", newline="\n") as file:
        yield file
