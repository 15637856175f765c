"""``nextword evaluate``, ``info`` and ``discounts``: figures about models and texts."""

import json
import math
from collections.abc import Callable
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any, NamedTuple

import typer

from nextword.interfaces.cli.adapting import COLUMNS, Adapting
from nextword.interfaces.cli.options import AsJson, Field, ModelDir, Quiet, Threads
from nextword.interfaces.cli.progress import bar, note, stages
from nextword.interfaces.cli.tables import number, table

if TYPE_CHECKING:
    from nextword.lm import LM
    from nextword.tasks.evaluate import Evaluation


_EXACT = 1e-6  # what rows may be from 1 in float64 arithmetic, see ``nextword.check_language_model``


class _Measured(NamedTuple):
    """One model's figures; extras: those that an option asks for, by name; adapted: those of ``Adapting``."""

    model: str
    kind: str
    found: "Evaluation"
    extras: dict[str, float]
    adapted: dict[str, dict[str, Any]]

    def to_json(self) -> dict[str, Any]:
        found = self.found.to_json()
        extras = {name: value for name, value in self.extras.items() if name not in found}
        return {"model": self.model, "kind": self.kind} | found | extras | self.adapted

    def cells(self) -> list[str]:
        found = self.found
        return [
            self.model,
            f"{found.tokens:,}",
            f"{found.oov:,}",
            number(found.perplexity),
            number(found.perplexity_excluding_oov),
            number(found.bits_per_byte, 4),
            f"{found.tokens_per_second:,.0f}",
            *(number(value, 4) for value in self.extras.values()),
            *(
                number(math.nan if one[COLUMNS[name]] is None else one[COLUMNS[name]])
                for name, one in self.adapted.items()
            ),
        ]

    def reasons(self) -> list[str]:
        """Why there are figures missing."""
        given = {"": self.found.reason} | {name: one.get("reason", "") for name, one in self.adapted.items()}
        names = {name: f"no {COLUMNS[name]}, ".replace("_", " ") if name else "" for name in given}
        return [f"{self.model}: {names[name]}{reason}" for name, reason in given.items() if reason]


def evaluate(
    models: Annotated[list[Path], typer.Argument(metavar="DIR...", help="Model directories.", show_default=False)],
    text: Annotated[
        str, typer.Option(metavar="FILE", help="The text to predict, a sentence a line; - is stdin, once.")
    ],
    keystrokes: Annotated[
        int | None, typer.Option(min=1, metavar="K", help="Also the keystrokes saved by a keyboard that shows K words.")
    ] = None,
    ranks: Annotated[bool, typer.Option("--ranks", help="Also the mean entropy and the mean reciprocal rank.")] = False,
    cache: Annotated[
        bool,
        typer.Option("--cache", help="Also the perplexity with a cache of the words just read, in its own column."),
    ] = False,
    cache_size: Annotated[int, typer.Option(min=1, metavar="N", help="Words that the cache holds.")] = 2000,
    cache_theta: Annotated[
        float | None, typer.Option(help="How much a similar hidden state counts; 0.3 unless given or tuned.")
    ] = None,
    cache_lambda: Annotated[
        float | None, typer.Option(help="The cache's weight beside the model; 0.1 unless given or tuned.")
    ] = None,
    dynamic: Annotated[
        bool, typer.Option("--dynamic", help="Also that of a neural model that learns as it reads, in its own column.")
    ] = False,
    dynamic_lr: Annotated[float | None, typer.Option(help="Its learning rate; tuned where --tune is given.")] = None,
    tune: Annotated[
        str | None, typer.Option(metavar="FILE", help="A text, not the test, to tune --cache and --dynamic on.")
    ] = None,
    field: Field = "text",
    as_json: AsJson = False,
    threads: Threads = None,
    quiet: Quiet = False,
) -> None:
    """Perplexity, with and without unknown words, and bits per byte; of several models: whether they really differ.

    Example: nextword evaluate wiki5 wiki3 --text test.txt
    """
    from nextword.api import load
    from nextword.errors import UsageError
    from nextword.ngram.settings import default_threads
    from nextword.tasks.evaluate import evaluate as evaluate_model
    from nextword.text.corpus import Corpus

    adapting = Adapting(cache, cache_size, cache_theta, cache_lambda, dynamic, dynamic_lr, tune, field)
    adapting.check()
    if text == "-" and (len(models) > 1 or ranks or keystrokes is not None or cache or dynamic):
        raise UsageError("<stdin> can be read only once, and is needed a second time; save it to a file and name that")
    lms, corpus = [load(directory) for directory in models], Corpus(text, field=field)
    threads = threads or default_threads()
    results: list[_Measured] = []
    for directory, lm in zip(map(str, models), lms, strict=True):
        watch = partial(bar, corpus, [text], quiet=quiet)
        with watch(title=directory) as watched:
            found = evaluate_model(
                lm.model, watched.blocks, pipeline=lm.pipeline, threads=threads, keep_lines=len(models) > 1
            )
        found.compare_sources(corpus.sources, lm.info)
        _warn(directory, found, text, quiet)
        if (off := getattr(lm.model, "tolerance", 0.0)) > _EXACT:
            note(f"{directory}: quantised: after a context, probabilities sum to 1 only within {off:.1g}", quiet=quiet)
        extras = _extras(lm, watch, keystrokes, ranks, threads)
        results.append(_Measured(directory, lm.model.kind, found, extras, adapting.figures(lm, watch)))
    if any(result.found.words != result.found.tokens for result in results):
        results = [one._replace(extras={"word_perplexity": one.found.word_perplexity} | one.extras) for one in results]
    if len({result.found.bytes for result in results}) > 1:
        note("the models normalise text differently: their bits per byte are over different bytes", quiet=quiet)
    differences = [_difference(results[0], other) for other in results[1:]]
    if as_json:
        document = {"text": text, "bytes": results[0].found.bytes, "models": [result.to_json() for result in results]}
        typer.echo(json.dumps(document | ({"differences": differences} if differences else {}), indent=1))
        return
    extra = [name.replace("_", " ") for name in (*results[0].extras, *(COLUMNS[one] for one in results[0].adapted))]
    columns = ["model", "tokens", "oov", "perplexity", "without oov", "bits/byte", "tokens/s", *extra]
    typer.echo(table(columns, [result.cells() for result in results]))
    for result in results:
        for reason in result.reasons():
            typer.echo(reason)
    for difference in differences:
        typer.echo(_sentence(difference))


def _warn(model: str, found: "Evaluation", text: str, quiet: bool) -> None:
    """Say so if the figures are not those of a text that is new to the model."""
    if found.trained_on_this:
        remembers = "the figures say what it remembers, not what it predicts; give a text that it has not seen"
        note(f"{model}: {text} was part of its training text: {remembers}", quiet=quiet)
    elif found.tuned_on_this:
        note(f"{model}: its weights were fitted to {text}, which flatters it; give another text", quiet=quiet)


def _extras(
    lm: "LM", watch: Callable[..., Any], suggestions: int | None, ranks: bool, threads: int
) -> dict[str, float]:
    extras: dict[str, float] = {}
    if ranks:
        from nextword.tasks.surprisal import mean_rank_and_entropy

        with watch(title="ranks") as watched:
            reciprocal, entropy = mean_rank_and_entropy(lm.model, watched.blocks, pipeline=lm.pipeline, threads=threads)
        extras |= {"mean_reciprocal_rank": reciprocal, "mean_entropy": entropy}
    if suggestions is not None:
        from nextword.tasks.keystrokes import keystrokes

        with watch(title="keystrokes") as watched:
            found = keystrokes(lm.model, watched.blocks, pipeline=lm.pipeline, suggestions=suggestions)
        extras["keystrokes_saved"] = found.saved
    return extras


def _difference(first: _Measured, other: _Measured) -> dict[str, Any]:
    """The paired bootstrap of a model against the first, or the reason why there is none."""
    from nextword.errors import UsageError
    from nextword.tasks.bootstrap import paired_bootstrap

    names = {"model": other.model, "against": first.model}
    try:
        difference = paired_bootstrap(first.found, other.found)
    except UsageError as error:
        return names | {"reason": str(error)}
    return names | difference._asdict() | {"real": difference.real}


def _sentence(difference: dict[str, Any]) -> str:
    pair = "{model} against {against}".format_map(difference)
    if "reason" in difference:
        return f"{pair}: {difference['reason']}"
    interval = "95 % interval {low:+.3f} to {high:+.3f}, p = {p_value:.2g}".format_map(difference)
    verdict = "the difference is real" if difference["real"] else "the difference may be chance"
    return f"{pair}: {difference['bits']:+.3f} bits a line ({interval}): {verdict}"


def info(
    model: ModelDir,
    verify: Annotated[bool, typer.Option("--verify", help="Check the hashes of all its files.")] = False,
    as_json: AsJson = False,
) -> None:
    """What a model, or what a task has trained, is: its kind, sizes, text, and how it was made.

    Example: nextword info wiki5 --verify
    """
    from nextword import store
    from nextword.api import load
    from nextword.tasks.describe import describe
    from nextword.tasks.saved import TaskModel

    opened: Any = TaskModel.load(model) if _is_task(model) else load(model)
    described = describe(opened if isinstance(opened, TaskModel) else opened.model)
    described["bytes"] = _size(model)
    if opened.pipeline is not None:
        described["text"] = opened.pipeline.config()
    described |= {name: opened.info[name] for name in ("trained_on", "settings") if opened.info.get(name)}
    if verify:
        store.verify(model)
        described["verified"] = True
    if as_json:
        typer.echo(json.dumps(described, indent=1))
        return
    width = max(map(len, described))
    for name, value in described.items():
        typer.echo(f"{name.replace('_', ' '):{width}}  {_shown(value)}")


def _is_task(model: Path) -> bool:
    from nextword.kinds import is_task
    from nextword.manifest import is_pretrained, read_config

    return not is_pretrained(model) and is_task(read_config(model)["kind"])


def _size(model: Path) -> int:
    """Bytes on disk, of a model of our own or of another make."""
    from nextword import store
    from nextword.manifest import is_pretrained

    if not is_pretrained(model):
        return store.size(model)
    from nextword.neural.huggingface import find_files

    return find_files(model).size


def _shown(value: Any) -> str:
    if isinstance(value, list) and value and not any(isinstance(item, dict | list) for item in value):
        return ", ".join(f"{item:,}" if isinstance(item, int) else str(item) for item in value)
    if isinstance(value, bool):
        return "yes" if value else "no"
    if isinstance(value, int):
        return f"{value:,}"
    if isinstance(value, float):
        return f"{value:.6g}"
    return value if isinstance(value, str) else json.dumps(value, ensure_ascii=False) if value else "-"


def discounts(
    train: Annotated[str, typer.Option(metavar="FILE", help="The training text.")],
    heldout: Annotated[str, typer.Option(metavar="FILE", help="Text that it did not see.")],
    tokenizer: Annotated[
        str, typer.Option(help="whitespace, word, char, byte, or a tokenizer.json file.")
    ] = "whitespace",
    field: Field = "text",
    as_json: AsJson = False,
    quiet: Quiet = False,
) -> None:
    """How often bigrams seen 0 to 9 times in training come in held-out text, and what discounting makes of them.

    Example: nextword discounts --train train.txt --heldout valid.txt
    """
    from nextword.tasks.discounts import discount_table
    from nextword.text.corpus import Corpus
    from nextword.text.pipeline import Pipeline
    from nextword.text.tokenize import make_tokenizer

    pipeline = Pipeline(tokenizer=make_tokenizer(tokenizer))
    with stages("counting bigrams", quiet=quiet):
        found = discount_table(Corpus(train, field=field), Corpus(heldout, field=field), pipeline=pipeline)
    columns = {"held_out": found.held_out, "absolute": found.absolute, "good_turing": found.good_turing}
    if as_json:
        rows = [
            {"count": r, "types": int(found.types[r])} | {name: _finite(values[r]) for name, values in columns.items()}
            for r in range(len(found.types))
        ]
        typer.echo(json.dumps({"discount": _finite(found.discount), "rows": rows}, indent=1))
        return
    cells = [
        [str(r), f"{found.types[r]:,.0f}", *(_significant(values[r]) for values in columns.values())]
        for r in range(len(found.types))
    ]
    typer.echo(table(["count", "bigrams", "held-out", "absolute", "Good-Turing"], cells))
    typer.echo(f"absolute discount d = n1 / (n1 + 2 n2) = {number(found.discount, 4)}")


def _significant(value: float) -> str:
    return f"{value:#.3g}" if math.isfinite(value) else "-"


def _finite(value: float) -> float | None:
    return float(value) if math.isfinite(value) else None
