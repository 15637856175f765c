"""``nextword explain``: why a model gives a text the probabilities it does."""

import json
import math
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from nextword.interfaces.cli.files import open_lm
from nextword.interfaces.cli.options import AsJson, Quiet
from nextword.interfaces.cli.progress import note
from nextword.interfaces.cli.tables import number, table

if TYPE_CHECKING:
    from nextword.lm import LM
    from nextword.tasks.explain.backoff import BackoffPath, Rung
    from nextword.tasks.explain.distance import ByDistance
    from nextword.tasks.explain.explanation import Explanation
    from nextword.tasks.explain.gradients import Influence

_BAR = 24
_SAMPLE = 400  # tokens that a model writes to look at its gradients, unless a text is given
_EVERY = 5  # distances that are printed


def explain(
    arguments: Annotated[
        list[str] | None,
        typer.Argument(metavar="DIR TEXT", help="A model and a text; with --gradients models.", show_default=False),
    ] = None,
    position: Annotated[
        int | None, typer.Option(metavar="N", help="Explain token N, from 1, in full.", show_default=False)
    ] = None,
    train: Annotated[
        list[Path] | None,
        typer.Option(metavar="FILE", help="The text it was trained on, if the model does not find it: for counts."),
    ] = None,
    html: Annotated[
        Path | None, typer.Option("--html", metavar="FILE", help="Write a page that stands alone.", show_default=False)
    ] = None,
    gradients: Annotated[
        bool, typer.Option("--gradients", help="The norm of the gradient against distance: Elman, GRU, LSTM.")
    ] = False,
    text: Annotated[
        Path | None, typer.Option(metavar="FILE", help="With --gradients and models: the text to read.")
    ] = None,
    plot: Annotated[
        Path | None, typer.Option(metavar="FILE", help="With --gradients: draw it, as .png or .svg.")
    ] = None,
    as_json: AsJson = False,
    quiet: Quiet = False,
) -> None:
    """Why a model gives the tokens of a text their probabilities.

    Of an n-gram model: the orders it tried, the back-off weights and the counts; of a network: the earlier words that
    the probability hangs on, by the gradient; of a mixture: its members' shares. Without --position a line a token.

    Example: nextword explain wiki5 "students opened their books" --position 4

    Example: nextword explain --gradients --plot gradients.png
    """
    given = list(arguments or ())
    if gradients:
        _refuse("gradients", position=position, train=train, html=html)
        _show_gradients([Path(name) for name in given], text, plot, as_json=as_json, quiet=quiet)
        return
    _refuse("a text", plot=plot, text=text)
    _show_text(given, position, train, html, as_json=as_json, quiet=quiet)


def _refuse(what: str, **options: object) -> None:
    from nextword.errors import UsageError

    wrong = [f"--{name}" for name, value in options.items() if value]
    if wrong:
        remedy = "leave it out" if what == "gradients" else "give --gradients too"
        raise UsageError(f"{wrong[0]} has no effect on {what}; {remedy}")


def _show_text(
    given: list[str], position: int | None, train: list[Path] | None, html: Path | None, *, as_json: bool, quiet: bool
) -> None:
    from nextword.errors import UsageError
    from nextword.tasks.explain.document import write_page
    from nextword.tasks.explain.explanation import explain_text

    if len(given) != 2:
        raise UsageError(
            f'explain takes a model and one text, and {len(given)} arguments were given; put the text in quotes: "…"'
        )
    lm = open_lm(Path(given[0]))
    found = explain_text(lm, given[1], position=position, train=train or None)
    if html is not None:
        write_page(found, html, title=given[0])
        note(f"written: {html}", quiet=quiet)
    if as_json:
        typer.echo(json.dumps(found.to_json(), indent=1, ensure_ascii=False, allow_nan=False))
    elif html is None:
        typer.echo(_summary(found) if position is None else _details(found))
        if position is None and not quiet:
            note(f"for one token in full: --position N, 1 to {len(found.tokens)}", quiet=quiet)


def _summary(found: "Explanation") -> str:
    """A line a token."""
    rows = [
        [str(t + 1), _spelt(found, t), number(bits), f"{math.exp(log_prob):.4g}", *_why(found, t)]
        for t, (log_prob, bits) in enumerate(zip(found.log_probs, found.bits, strict=True))
    ]
    if found.members:
        header = [f"from {part.kind}" for part in found.members]
    else:
        header = ["n-gram", "= weights × stored"] if found.paths else ["mattered most"]
    lines = [["#", "token", "bits", "probability", *header], *rows]
    widths = [max(len(row[i]) for row in lines) for i in range(len(lines[0]))]
    left = (1, *range(4, len(widths))) if not found.members else (1,)
    shown = [
        "  ".join(c.ljust(w) if i in left else c.rjust(w) for i, (c, w) in enumerate(zip(row, widths, strict=True)))
        for row in [lines[0], ["-" * width for width in widths], *rows]
    ]
    return "\n".join(line.rstrip() for line in shown)


def _why(found: "Explanation", t: int) -> list[str]:
    from nextword.tasks.explain.document import strongest

    if found.members:
        return [f"{100 * part.shares[t]:.1f} %" for part in found.members]
    if found.influences:
        return ["  ".join(strongest(found.influences[t]))]
    path = found.paths[t]
    context = next(rung.context for rung in path.rungs if rung.order == path.order)
    return [f"{path.order}: {' '.join([*context, path.word])}", path.product]


def _details(found: "Explanation") -> str:
    """One token in full."""
    (t,) = found.positions
    title = f"{_spelt(found, t)}: probability {math.exp(found.log_probs[t]):.4g}, {number(found.bits[t])} bits"
    if found.members:
        rows = [
            [part.kind, f"{part.weight:.4f}", f"{math.exp(part.log_probs[t]):.4g}", f"{100 * part.shares[t]:.1f} %"]
            for part in found.members
        ]
        own = [f"{part.kind}\n{_details(part.explanation)}" for part in found.members]
        return "\n\n".join([title, table(["member", "weight", "probability", "share"], rows), *own])
    if found.influences:
        return f"{title}\n\n{_influence(found.influences[0])}"
    counts = f"Counts of {found.counts}." if found.counts else f"Counts are not shown: {found.no_counts}."
    return f"{title}\n\n{_ladder(found.paths[0])}\n\n{counts}"


def _ladder(path: "BackoffPath") -> str:
    counted = path.rungs[0].counted is not None
    header = ["order", "n-gram", "there", "back-off", "probability"]
    rows = [_rung(rung, path, counted) for rung in path.rungs]
    widths = header + (["count", "of"] if counted else [])
    lines = [table(widths, rows, left=3)]
    given = " ".join(path.rungs[0].context)
    product = f"{path.product}{f' = {path.probability:.4g}' if '×' in path.product else ', as it is stored'}"
    lines.append(f"\np({path.word} | {given}) = {product}")
    if counted:
        lines.append("\nFrom the counts:\n" + "\n".join(_equation(rung) for rung in path.rungs))
    return "\n".join(lines)


def _rung(rung: "Rung", path: "BackoffPath", counted: bool) -> list[str]:
    there = "yes" if rung.seen else "no" if rung.known else "no, nor its context"
    weight = "" if rung.weight is None else f"{rung.weight:.4g}"
    cells = [str(rung.order), " ".join([*rung.context, path.word]), there, weight, f"{rung.probability:.4g}"]
    if counted and rung.counted is not None:
        cells += [f"{rung.counted.count:,}", f"{rung.counted.total:,}"]
    return cells


def _equation(rung: "Rung") -> str:
    counted = rung.counted
    assert counted is not None  # the caller has seen to it; this tells mypy
    marks = {
        True: "as the model has it",
        False: f"the model has {rung.probability:.4g}",
        None: "the model's is rounded",
    }
    line = f"  {rung.order}  {counted.equation}   {marks[counted.agrees]}"
    if counted.continuation:
        line += "; counts of distinct words to the left"
    return line + (f"\n     weight {counted.weight_equation}" if counted.weight_equation else "")


def _influence(one: "Influence") -> str:
    largest = max(one.norms, default=0.0) or 1.0
    rows = [
        [word, f"{norm:.4g}", "█" * round(_BAR * norm / largest), f"{product:+.4f}"]
        for word, norm, product in zip(one.inputs, one.norms, one.products, strict=True)
    ]
    width = max(len(row[2]) for row in rows)
    rows = [[word, norm, bar.ljust(width), product] for word, norm, bar, product in rows]
    return table(["read", "gradient", "", "gradient · input"], rows)


def _spelt(found: "Explanation", t: int) -> str:
    return found.tokens[t] + (" (unknown)" if found.oov[t] else "")


def _show_gradients(models: list[Path], text: Path | None, plot: Path | None, *, as_json: bool, quiet: bool) -> None:
    from nextword.errors import UsageError
    from nextword.tasks.explain.distance import check_network, check_plot, norms_by_distance, plot_distances, untrained

    if plot is not None:
        check_plot(plot)
    if text is not None and not models:
        raise UsageError("--text is read by trained models; name their directories before it")
    lms = [open_lm(path) for path in models]
    for lm, path in zip(lms, models, strict=True):
        check_network(lm.model, str(path))
    found = untrained()
    found += [
        norms_by_distance(lm.model, _read(lm, text), name=path.name) for lm, path in zip(lms, models, strict=True)
    ]
    if plot is not None:
        plot_distances(found, plot)
        note(f"written: {plot}", quiet=quiet)
    if as_json:
        typer.echo(json.dumps([one.to_json() for one in found], indent=1, allow_nan=False))
    else:
        typer.echo(_by_distance(found))


def _read(lm: "LM", text: Path | None) -> Any:
    """The ids of a text, or of what the model itself writes."""
    from nextword.tasks.explain.counts import read_ids
    from nextword.text.corpus import Corpus

    if text is not None:
        return read_ids(text, lm.model.vocabulary, lm.pipeline)
    (sample,) = lm.generate(seed=0, max_tokens=_SAMPLE, stop=False)
    return read_ids(Corpus.from_text(sample), lm.model.vocabulary, lm.pipeline)


def _by_distance(found: "list[ByDistance]") -> str:
    longest = max(len(one.norms) for one in found)
    distances = [*range(0, longest, _EVERY)]
    rows = [[one.name, *(f"{one.norms[d]:.1e}" if d < len(one.norms) else "" for d in distances)] for one in found]
    heading = "Mean norm of the gradient, by distance in tokens (not trained but for those that were named):"
    return f"{heading}\n\n{table(['', *map(str, distances)], rows)}"
