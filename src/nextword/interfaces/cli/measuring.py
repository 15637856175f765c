"""``nextword evaluate``, ``info`` and ``discounts``: figures about models and texts."""

import json
import math
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from nextword.interfaces.cli.options import AsJson, Field, ModelDir, Quiet, Threads
from nextword.interfaces.cli.progress import bar, note
from nextword.interfaces.cli.tables import number, table

if TYPE_CHECKING:
    from nextword.api import LM
    from nextword.tasks.evaluate import Evaluation


def evaluate(
    models: Annotated[list[Path], typer.Argument(metavar="DIR...", help="Model directories.", show_default=False)],
    text: Annotated[str, typer.Option(metavar="FILE", help="The text to predict, one sentence a line; - is stdin.")],
    keystrokes: Annotated[
        int | None, typer.Option(min=1, metavar="K", help="Also the keystrokes saved by a keyboard that shows K words.")
    ] = None,
    ranks: Annotated[bool, typer.Option("--ranks", help="Also the mean entropy and the mean reciprocal rank.")] = False,
    field: Field = "text",
    as_json: AsJson = False,
    threads: Threads = None,
    quiet: Quiet = False,
) -> None:
    """Perplexity, with and without unknown words, and bits per byte. Two models: is their difference real?

    Example: nextword evaluate wiki5 wiki3 --text test.txt
    """
    from nextword.api import load
    from nextword.ngram.train import default_threads
    from nextword.tasks.evaluate import evaluate as evaluate_model
    from nextword.text.corpus import Corpus

    results: list[tuple[LM, Evaluation, dict[str, float]]] = []
    for directory in models:
        lm = load(directory)
        corpus = Corpus(text, field=field)
        with bar(corpus, [text], str(directory), quiet=quiet) as watched:
            found = evaluate_model(
                lm.model, watched.blocks, pipeline=lm.pipeline, threads=threads or default_threads(), keep_lines=len(models) > 1
            )
        results.append((lm, found, _extras(lm, corpus, keystrokes, ranks)))
    if as_json:
        rows = [
            {"model": str(d), "kind": lm.model.kind} | found.to_json() | extras
            for d, (lm, found, extras) in zip(models, results, strict=True)
        ]
        first = results[0][1]
        document = {"text": text, "bytes": first.bytes, "models": rows}
        typer.echo(json.dumps(document | _differences(models, results), indent=1))
        return
    for directory, (_, found, _) in zip(models, results, strict=True):
        if found.reason:
            note(f"{directory}: no perplexity: {found.reason}", quiet=quiet)
    columns = ["model", "tokens", "oov", "perplexity", "without oov", "bits/byte", "tokens/s", *results[0][2]]
    typer.echo(table(columns, [_row(str(d), f, e) for d, (_, f, e) in zip(models, results, strict=True)]))
    for difference in _differences(models, results).get("differences", []):
        typer.echo(_sentence(difference))


def _row(directory: str, found: "Evaluation", extras: dict[str, float]) -> list[str]:
    perplexities = [found.perplexity, found.perplexity_excluding_oov]
    return [
        directory,
        f"{found.tokens:,}",
        f"{found.oov:,}",
        *(number(value) for value in perplexities),
        number(found.bits_per_byte, 4),
        f"{found.tokens_per_second:,.0f}",
        *(number(value, 4) for value in extras.values()),
    ]


def _extras(lm: "LM", corpus: Any, suggestions: int | None, ranks: bool) -> dict[str, float]:
    extras: dict[str, float] = {}
    if ranks:
        from nextword.tasks.surprisal import mean_rank_and_entropy

        reciprocal, entropy = mean_rank_and_entropy(lm.model, corpus, pipeline=lm.pipeline)
        extras |= {"mean_reciprocal_rank": reciprocal, "mean_entropy": entropy}
    if suggestions is not None:
        from nextword.tasks.keystrokes import keystrokes

        extras["keystrokes_saved"] = keystrokes(lm.model, corpus, pipeline=lm.pipeline, suggestions=suggestions).saved
    return extras


def _differences(models: list[Path], results: list[Any]) -> dict[str, Any]:
    """The paired bootstrap of every later model against the first, where all figures are finite."""
    from nextword.tasks.bootstrap import paired_bootstrap

    first = results[0][1]
    differences = []
    for directory, (_, found, _) in zip(models[1:], results[1:], strict=True):
        if not math.isfinite(first.nats + found.nats) or first.reason or found.reason:
            continue
        difference = paired_bootstrap(first, found)
        names = {"model": str(directory), "against": str(models[0])}
        differences.append(names | difference._asdict() | {"real": difference.real})
    return {"differences": differences} if differences else {}


def _sentence(difference: dict[str, Any]) -> str:
    verdict = "the difference is real" if difference["real"] else "the difference may be chance"
    return (
        f"{difference['model']} needs {difference['bits']:+.3f} bits a line against {difference['against']} "
        f"(95 % interval {difference['low']:+.3f} to {difference['high']:+.3f}, p = {difference['p_value']:.3g}): {verdict}"
    )


def info(
    model: ModelDir,
    verify: Annotated[bool, typer.Option("--verify", help="Check the hashes of all its files.")] = False,
    as_json: AsJson = False,
) -> None:
    """What a model is: its kind, n-grams per order, vocabulary, text, size, and how it was made.

    Example: nextword info wiki5 --verify
    """
    from nextword import store
    from nextword.api import load
    from nextword.tasks.describe import describe

    lm = load(model)
    described = describe(lm.model)
    described["bytes"] = sum(file.stat().st_size for file in model.iterdir() if file.is_file())
    described["text"] = lm.pipeline.config()
    described |= {name: lm.info[name] for name in ("trained_on", "settings") if lm.info.get(name)}
    if verify:
        store.verify(model)
        described["verified"] = True
    if as_json:
        typer.echo(json.dumps(described, indent=1))
        return
    for name, value in described.items():
        typer.echo(f"{name.replace('_', ' '):16} {_shown(value)}")


def _shown(value: Any) -> str:
    if isinstance(value, list) and value and not any(isinstance(item, dict | list) for item in value):
        return ", ".join(f"{item:,}" if isinstance(item, int) else str(item) for item in value)
    if isinstance(value, int) and not isinstance(value, bool):
        return f"{value:,}"
    if isinstance(value, float):
        return f"{value:.6g}"
    return value if isinstance(value, str) else json.dumps(value, ensure_ascii=False)


def discounts(
    train: Annotated[str, typer.Option(metavar="FILE", help="The training text.")],
    heldout: Annotated[str, typer.Option(metavar="FILE", help="Text that it did not see.")],
    tokenizer: Annotated[str, typer.Option(help="whitespace, word, char, byte, or a tokenizer.json file.")] = "whitespace",
    as_json: AsJson = False,
) -> None:
    """How often bigrams seen 0 to 9 times in training come in held-out text, and what discounting makes of them.

    Example: nextword discounts --train train.txt --heldout valid.txt
    """
    from nextword.tasks.discounts import discount_table
    from nextword.text.corpus import Corpus
    from nextword.text.pipeline import Pipeline
    from nextword.text.tokenize import make_tokenizer

    pipeline = Pipeline(tokenizer=make_tokenizer(tokenizer))
    found = discount_table(Corpus(train), Corpus(heldout), pipeline=pipeline)
    columns = {"held-out": found.held_out, "absolute": found.absolute, "Good-Turing": found.good_turing}
    if as_json:
        rows = [
            {"count": r, "types": int(found.types[r])} | {name: _finite(values[r]) for name, values in columns.items()}
            for r in range(len(found.types))
        ]
        typer.echo(json.dumps({"discount": _finite(found.discount), "rows": rows}, indent=1))
        return
    typer.echo(
        table(
            ["count", "bigrams", *columns],
            [
                [str(r), f"{found.types[r]:,.0f}", *(f"{values[r]:#.3g}" for values in columns.values())]
                for r in range(len(found.types))
            ],
        )
    )
    typer.echo(f"absolute discount d = n1 / (n1 + 2 n2) = {found.discount:.4f}")


def _finite(value: float) -> float | None:
    return float(value) if math.isfinite(value) else None
