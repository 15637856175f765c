"""``nextword next`` and ``generate``."""

import json
from typing import TYPE_CHECKING, Annotated, Any

import typer

from nextword.interfaces.cli.options import AsJson, ModelDir
from nextword.interfaces.cli.tables import table

if TYPE_CHECKING:
    from nextword.tasks.next import NextTokens


def next_(
    model: ModelDir,
    context: Annotated[str, typer.Argument(help="The words before, from the sentence's beginning.")] = "",
    k: Annotated[int, typer.Option("-k", min=1, help="How many tokens to show.")] = 10,
    prefix: Annotated[str | None, typer.Option(help="Only words that begin so, as a keyboard completes them.")] = None,
    steps: Annotated[bool, typer.Option("--steps", help="What was expected at each word of the context.")] = False,
    as_json: AsJson = False,
) -> None:
    """The most likely next tokens, and the entropy of all.

    Example: nextword next wiki5 "students opened their" --prefix b
    """
    from nextword.api import load

    lm = load(model)
    if steps:
        _print_steps(lm.steps(context, k=k), as_json)
        return
    found = lm.next(context, k=k, prefix=prefix)
    if as_json:
        typer.echo(json.dumps({"context": context, "prefix": prefix} | _as_json(found), indent=1))
        return
    header, columns = ["token", "probability", "surprisal"], [found.probabilities]
    if prefix is not None:
        header.append(f"given {prefix}-")
        columns.append(found.completion_probabilities)
    rows = [
        [word, f"{p:.6f}", f"{-log_p / 0.6931471805599453:.2f} bits", *(f"{c[i]:.6f}" for c in columns[1:])]
        for i, (word, p, log_p) in enumerate(zip(found.words, found.probabilities, found.log_probs, strict=True))
    ]
    typer.echo(table(header, rows))
    typer.echo(f"entropy {found.entropy:.2f} bits")
    if prefix is not None:
        typer.echo(f"probability of a word that begins with {prefix}: {found.prefix_probability:.6f}")


def _as_json(found: "NextTokens") -> dict[str, Any]:
    tokens = [
        {"token": word, "id": i, "probability": p}
        for word, i, p in zip(found.words, found.ids.tolist(), found.probabilities.tolist(), strict=True)
    ]
    return {"entropy": found.entropy, "prefix_probability": found.prefix_probability, "tokens": tokens}


def _print_steps(steps: Any, as_json: bool) -> None:
    if as_json:
        rows = [
            {"token": step.word, "probability": step.probability, "rank": step.rank, "expected": _as_json(step.expected)}
            for step in steps
        ]
        typer.echo(json.dumps(rows, indent=1))
        return
    header = ["token", "probability", "rank", "entropy", "expected"]
    rows = []
    for step in steps:
        pairs = zip(step.expected.words, step.expected.probabilities, strict=True)
        expected = "  ".join(f"{word} {p:.3f}" for word, p in pairs)
        rows.append([step.word, f"{step.probability:.6f}", f"{step.rank:,}", f"{step.expected.entropy:.2f}", expected])
    widths = [max(len(row[i]) for row in [header, *rows]) for i in range(4)]
    for row in [header, *rows]:
        cells = [row[0].ljust(widths[0]), *(cell.rjust(width) for cell, width in zip(row[1:4], widths[1:], strict=True))]
        typer.echo("  ".join([*cells, row[4]]))


def generate(
    model: ModelDir,
    prompt: Annotated[str, typer.Option(help="The words to go on from.")] = "",
    temperature: Annotated[float, typer.Option(help="Below 1 plays safe, above 1 takes risks; 0 takes the likeliest.")] = 1.0,
    top_k: Annotated[int | None, typer.Option(help="Draw from the k likeliest tokens.")] = None,
    top_p: Annotated[float | None, typer.Option(help="Draw from the likeliest that make up this probability.")] = None,
    min_p: Annotated[float | None, typer.Option(help="Draw from those at least this likely, relative to the best.")] = None,
    beam: Annotated[int | None, typer.Option(help="Search for the likeliest text with a beam of this size.")] = None,
    seed: Annotated[int | None, typer.Option(help="The same seed gives the same text.")] = None,
    n: Annotated[int, typer.Option("-n", help="How many texts.")] = 1,
    max_tokens: Annotated[int, typer.Option(help="Tokens to add at most.")] = 50,
    stop: Annotated[bool, typer.Option(help="Stop at a sentence's end.")] = True,
    as_json: AsJson = False,
) -> None:
    """Write on from a prompt.

    Example: nextword generate wiki5 --prompt "The film" --top-p 0.9 --seed 1 -n 3
    """
    from nextword.api import load

    texts = load(model).generate(
        prompt,
        max_tokens=max_tokens,
        temperature=temperature,
        top_k=top_k,
        top_p=top_p,
        min_p=min_p,
        beam=beam,
        seed=seed,
        samples=n,
        stop=stop,
    )
    typer.echo(json.dumps(texts, ensure_ascii=False, indent=1) if as_json else "\n".join(texts))
