"""``nextword next`` and ``generate``."""

import json
import math
from typing import TYPE_CHECKING, Annotated, Any

import typer

from nextword.interfaces.cli.options import AsJson, ModelDir, Quiet
from nextword.interfaces.cli.progress import note
from nextword.interfaces.cli.tables import table

if TYPE_CHECKING:
    from nextword.lm import LM
    from nextword.tasks.next import NextTokens, Step


def next_(
    model: ModelDir,
    context: Annotated[str, typer.Argument(help="The words before, from the sentence's beginning.")] = "",
    k: Annotated[
        int | None,
        typer.Option("-k", min=1, help="How many tokens to show: 10, or 3 with --steps.", show_default=False),
    ] = None,
    prefix: Annotated[str | None, typer.Option(help="Only words that begin so, as a keyboard completes them.")] = None,
    steps: Annotated[bool, typer.Option("--steps", help="What was expected after each word of the context.")] = False,
    as_json: AsJson = False,
    quiet: Quiet = False,
) -> None:
    """The most likely next tokens, and the entropy of all.

    Example: nextword next wiki5 "students opened their" --prefix b
    """
    from nextword.api import load
    from nextword.errors import UsageError

    lm = load(model)
    if steps and prefix is not None:
        raise UsageError("--steps shows whole tokens; leave out --prefix")
    if steps:
        shown = _with_context(lm, lm.steps(context, k=k or 3))
        _note_unknown(lm, context, quiet)
        typer.echo(json.dumps([_step(*pair) for pair in shown], indent=1) if as_json else _steps_table(shown))
        return
    found = lm.next(context, k=k or 10, prefix=prefix)
    _note_unknown(lm, context, quiet)
    if as_json:
        typer.echo(json.dumps({"context": context, "prefix": prefix} | _tokens(found), indent=1))
        return
    typer.echo(_next_table(found) if found.words else f"no word of the vocabulary begins with {prefix}")
    typer.echo(f"entropy {found.entropy:.2f} bits")
    if prefix is not None:
        typer.echo(f"probability of a word that begins with {prefix}: {found.prefix_probability:.6f}")


def _note_unknown(lm: "LM", text: str, quiet: bool) -> None:
    unknown = [word for word in lm.pipeline.tokens(text) if word not in lm.model.vocabulary]
    if unknown:
        note(f"not in the vocabulary, and read as <unk>: {', '.join(unknown)}", quiet=quiet)


def _next_table(found: "NextTokens") -> str:
    header = ["token", "probability", "surprisal"]
    columns = [
        list(found.words),
        [f"{p:.6f}" for p in found.probabilities],
        [f"{-log_p / math.log(2):.2f} bits" for log_p in found.log_probs],
    ]
    if found.prefix is not None:
        header.append(f"given {found.prefix}-")
        columns.append([f"{p:.6f}" for p in found.completion_probabilities])
    return table(header, list(zip(*columns, strict=True)))


def _tokens(found: "NextTokens") -> dict[str, Any]:
    tokens = [
        {"token": word, "id": i, "probability": p}
        for word, i, p in zip(found.words, found.ids.tolist(), found.probabilities.tolist(), strict=True)
    ]
    return {"entropy": found.entropy, "prefix_probability": found.prefix_probability, "tokens": tokens}


def _with_context(lm: "LM", steps: "list[Step]") -> "list[tuple[str, Step]]":
    """Each step with the token read last before it: at first ``<s>``, or ``</s>`` in a model of running text."""
    vocabulary = lm.model.vocabulary
    first = vocabulary.bos if lm.model.scope == "sentence" else vocabulary.eos
    words = ["" if first is None else vocabulary.word(first), *(step.word for step in steps)]
    return list(zip(words, steps, strict=False))


def _step(after: str, step: "Step") -> dict[str, Any]:
    figures = {"after": after, "token": step.word, "probability": step.probability, "rank": step.rank}
    return figures | {"expected": _tokens(step.expected)}


def _steps_table(steps: "list[tuple[str, Step]]") -> str:
    rows = [
        [
            after,
            "  ".join(f"{w} {p:.3f}" for w, p in zip(step.expected.words, step.expected.probabilities, strict=True)),
            step.word,
            f"{step.probability:.6f}",
            f"{step.rank:,}",
            f"{step.expected.entropy:.2f} bits",
        ]
        for after, step in steps
    ]
    return table(["after", "expected", "token", "probability", "rank", "entropy"], rows, left=3)


def generate(
    model: ModelDir,
    prompt: Annotated[str, typer.Option(help="The words to go on from.")] = "",
    temperature: Annotated[
        float, typer.Option(help="Below 1 plays safe, above 1 takes risks; 0: the likeliest.")
    ] = 1.0,
    top_k: Annotated[int | None, typer.Option(help="Draw from the k likeliest tokens.")] = None,
    top_p: Annotated[float | None, typer.Option(help="Draw from the likeliest that make up this probability.")] = None,
    min_p: Annotated[float | None, typer.Option(help="Draw from those at least this likely, beside the best.")] = None,
    beam: Annotated[int | None, typer.Option(help="Search for the likeliest text with a beam of this size.")] = None,
    seed: Annotated[int | None, typer.Option(help="The same seed gives the same text.")] = None,
    n: Annotated[int, typer.Option("-n", help="How many texts.")] = 1,
    max_tokens: Annotated[int, typer.Option(help="Tokens to add at most.")] = 50,
    stop: Annotated[bool, typer.Option(help="Stop at a sentence's end.")] = True,
    as_json: AsJson = False,
    quiet: Quiet = False,
) -> None:
    """Write on from a prompt.

    Example: nextword generate wiki5 --prompt "The film" --top-p 0.9 --seed 1 -n 3
    """
    from nextword.api import load

    lm = load(model)
    texts = lm.generate(
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
    _note_unknown(lm, prompt, quiet)
    typer.echo(json.dumps(texts, ensure_ascii=False, indent=1) if as_json else "\n".join(texts))
