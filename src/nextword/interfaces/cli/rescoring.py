"""``nextword rescore``, and beside it ``choose`` and ``spell``."""

import json
from enum import StrEnum
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from nextword.interfaces.cli.choosing import choose
from nextword.interfaces.cli.files import open_lm
from nextword.interfaces.cli.options import AsJson, ModelDir, Quiet, Threads
from nextword.interfaces.cli.progress import note
from nextword.interfaces.cli.spelling import spell
from nextword.interfaces.cli.tables import table
from nextword.interfaces.cli.written import Out, written

if TYPE_CHECKING:
    from nextword.tasks.rescore import Errors, Measured, Rescored, ScoredLists, Weights

__all__ = ["choose", "rescore", "spell"]


class Unit(StrEnum):
    """What errors are counted of."""

    WORDS = "words"
    CHARACTERS = "characters"


def rescore(
    model: ModelDir,
    nbest: Annotated[
        str, typer.Argument(metavar="NBEST", help="Lists: id ||| text ||| scores, or .jsonl.", show_default=False)
    ],
    dev: Annotated[str | None, typer.Option(metavar="NBEST", help="Lists to tune the weights on.")] = None,
    dev_references: Annotated[str | None, typer.Option(metavar="FILE", help="What was said in --dev.")] = None,
    lm_weight: Annotated[float | None, typer.Option(help="Weight of the model's log-probability (nats).")] = None,
    word_bonus: Annotated[float | None, typer.Option(help="What each word adds.")] = None,
    unknown_bonus: Annotated[float | None, typer.Option(help="What each word outside the vocabulary adds.")] = None,
    weights: Annotated[
        str | None, typer.Option(metavar="1,0.5", help="Weights of the lists' own scores; 1 each unless given.")
    ] = None,
    references: Annotated[
        str | None, typer.Option(metavar="FILE", help="What was said: count the errors before and after.")
    ] = None,
    unit: Annotated[Unit, typer.Option(help="Errors of words or of characters.")] = Unit.WORDS,
    out: Out = Path("-"),
    lists: Annotated[bool, typer.Option("--lists", help="Write whole lists, reordered, with the new scores.")] = False,
    as_json: AsJson = False,
    threads: Threads = None,
    quiet: Quiet = False,
) -> None:
    """Choose among the hypotheses of n-best lists, and write the best of each list.

    References are lines in the order of the lists, or id ||| text. Weights are tuned on --dev, or given. The figures go
    to standard output if the texts go to a file, else to standard error.

    Example: nextword rescore wiki5 test.nbest --dev dev.nbest --dev-references dev.txt --references test.txt
    """
    from nextword.tasks.rescore import measure, read_nbest, read_references
    from nextword.tasks.rescore import rescore as rescore_lists

    _check_weights(dev, dev_references, lm_weight, {"word-bonus": word_bonus, "weights": weights,
                                                    "unknown-bonus": unknown_bonus})  # fmt: skip
    found = read_nbest(nbest)
    truth = None if references is None else read_references(references, found)
    scored = _scored(model, found, threads)
    if dev is None:
        chosen = _given(scored, lm_weight or 0.0, word_bonus or 0.0, unknown_bonus or 0.0, weights)
    else:
        chosen = _tuned(model, dev, str(dev_references), scored, unit, threads)
    done = rescore_lists(scored, chosen)
    measured = None if truth is None else measure(done, truth, unit=unit.value)
    to_screen = str(out) == "-"
    if as_json:
        document = _document(done, measured, unit)
        if to_screen:
            document["best"] = {one.id: text for one, text in zip(found, done.best, strict=True)}
        typer.echo(json.dumps(document, indent=1, ensure_ascii=False))
    else:
        report = _weights_table(chosen) + ("" if measured is None else "\n\n" + _errors_table(measured, unit))
        note(report, quiet=quiet) if to_screen else typer.echo(report)
    if not (as_json and to_screen):
        with written(out) as stream:
            stream.writelines(line + "\n" for line in (done.lines() if lists else done.best))


def _check_weights(dev: str | None, references: str | None, lm_weight: float | None, others: dict[str, Any]) -> None:
    """Weights are tuned or given, and not both."""
    from nextword.errors import UsageError

    if (dev is None) != (references is None):
        raise UsageError("weights are tuned on lists and what was said in them; give both --dev and --dev-references")
    given = [f"--{name}" for name, value in {"lm-weight": lm_weight, **others}.items() if value is not None]
    if dev is not None and given:
        raise UsageError(f"{given[0]} and --dev, which tunes it: give one of them")
    if dev is None and lm_weight is None:
        raise UsageError("there are no weights; tune them with --dev and --dev-references, or give --lm-weight")


def _scored(model: Path, lists: Any, threads: int | None) -> "ScoredLists":
    from nextword.ngram.settings import default_threads
    from nextword.tasks.rescore import score_lists

    lm = open_lm(model)
    return score_lists(lm.model, lists, pipeline=lm.pipeline, threads=threads or default_threads())


def _tuned(model: Path, dev: str, references: str, scored: "ScoredLists", unit: Unit, threads: int | None) -> "Weights":
    from nextword.errors import UsageError
    from nextword.tasks.rescore import read_nbest, read_references, tune_weights

    lists = read_nbest(dev)
    if lists.names != scored.lists.names:
        theirs, ours = (", ".join(one.names) or "none" for one in (lists, scored.lists))
        raise UsageError(f"{dev} has the scores {theirs}, and the lists to rescore have {ours}; tune on lists alike")
    truth = read_references(references, lists)
    return tune_weights(_scored(model, lists, threads), truth, unit=unit.value)


def _given(scored: "ScoredLists", lm_weight: float, word: float, unknown: float, weights: str | None) -> "Weights":
    from nextword.errors import UsageError
    from nextword.tasks.rescore import Weights

    own = len(scored.lists.names)
    try:
        values = [1.0] * own if weights is None else [float(value) for value in weights.replace(",", " ").split()]
    except ValueError:
        raise UsageError(f"--weights {weights!r}: give numbers with commas between them, such as 1,0.5") from None
    if len(values) != own:
        raise UsageError(f"--weights has {len(values)} numbers for {own} scores ({', '.join(scored.lists.names)})")
    return Weights(dict(zip(scored.names, [*values, lm_weight, word, unknown], strict=True)))


def _document(done: "Rescored", measured: "Measured | None", unit: Unit) -> dict[str, Any]:
    document: dict[str, Any] = {"lists": len(done.scored.lists), "weights": done.weights.to_json(), "unit": unit.value}
    if measured is not None:
        for name in ("before", "after", "oracle"):
            errors: Errors = getattr(measured, name)
            document[name] = {
                **errors._asdict(),
                "errors": errors.errors,
                "rate": errors.rate if errors.length else None,
            }
        document["difference"] = None if measured.difference is None else measured.difference._asdict()
    return document


def _weights_table(weights: "Weights") -> str:
    return table(["score", "weight"], [[name, f"{value:.4f}"] for name, value in weights.values.items()])


def _errors_table(measured: "Measured", unit: Unit) -> str:
    names = {
        "before (first of each list)": measured.before,
        "after": measured.after,
        "oracle (best of each list)": measured.oracle,
    }
    rate = "WER" if unit is Unit.WORDS else "CER"
    rows = [
        [name, f"{one.rate:.2%}", *(f"{n:,}" for n in (one.errors, *one[:3])), f"{one.wrong_lines:,} of {one.lines:,}"]
        for name, one in names.items()
    ]
    shown = table(["", rate, "errors", "substituted", "deleted", "inserted", "lines with errors"], rows)
    change = measured.difference
    if change is None:
        return shown + "\ntoo few lists to tell a difference from chance"
    low, high = 100 * change.low, 100 * change.high
    return (
        f"{shown}\nafter less before: {100 * change.difference:+.2f} points (95 % interval {low:+.2f} to {high:+.2f})"
    )
