"""``nextword train`` for the neural kinds: one command each, made from one table of options."""

import inspect
from collections.abc import Callable
from pathlib import Path
from typing import Any

import typer

from nextword.interfaces.cli.progress import note, training_bar
from nextword.interfaces.cli.tables import table
from nextword.interfaces.cli.training_options import LIMITS, NETWORKS, TEXT, kind_options, others, places

_ROWS = 20  # of a table of learning rates

_TITLES = {
    "window": "Train a fixed-window neural model (Bengio et al. 2003).",
    "rnn": "Train a simple recurrent network (Elman 1990).",
    "gru": "Train a network of gated recurrent units.",
    "lstm": "Train a network of long short-term memory.",
    "transformer": "Train a small decoder-only transformer.",
}


def commands() -> dict[str, Callable[..., None]]:
    """A function for each kind, with the signature that typer reads its options from."""
    return {kind: _command(kind) for kind in NETWORKS}


def _command(kind: str) -> Callable[..., None]:
    def command(**options: Any) -> None:
        _train(kind, options)

    parameters = [*places(), *(option.parameter(name) for name, option in kind_options(kind).items()), *others()]
    command.__signature__ = inspect.Signature(parameters)  # type: ignore[attr-defined]  # what inspect looks at first
    command.__annotations__ = {parameter.name: parameter.annotation for parameter in parameters}
    command.__doc__ = (
        f"{_TITLES[kind]}\n\nCheckpoints and metrics are kept in DIR.training beside DIR. On several devices: torchrun "
        f"--nproc-per-node 2 --no-python nextword train {kind} ...\n\nExample: nextword train {kind} wiki.txt --valid "
        f"valid.txt --minutes 10 --out wiki-{kind}"
    )
    return command


def _train(kind: str, given: dict[str, Any]) -> None:
    from nextword.neural import require_torch
    from nextword.store import check_target

    require_torch()
    from nextword.neural.resuming import finished_message, finished_run, mark_saved
    from nextword.neural.train import is_first_process

    out = Path(given["out"])
    folder = training_folder(out)
    quiet = given["quiet"] or not is_first_process()
    if given["plot"]:
        from nextword.neural.metrics import require_matplotlib

        require_matplotlib()
    check_target(out)
    if given["find_lr"]:
        return _find_lr(kind, given)
    finished = finished_run(folder) if given["resume"] else None
    if finished:
        return note(finished_message(finished), quiet=quiet)
    lm = _trained(kind, given, folder, quiet)
    if is_first_process():
        lm.save(out)
        mark_saved(folder, out)
        if given["plot"]:
            from nextword.neural.metrics import plot

            plot(folder, title=f"{kind}: {out.name}")
        note(_summary(out, kind, lm.info["settings"], given["valid"]), quiet=quiet)


def training_folder(out: Path) -> Path:
    """Where a run keeps its checkpoint and metrics, beside its model."""
    return out.with_name(f"{out.name}.training") if out.name else out.resolve().with_suffix(".training")


def _trained(kind: str, given: dict[str, Any], folder: Path, quiet: bool) -> Any:
    """The model, as ``nextword.load`` would give it."""
    from nextword.api import train
    from nextword.text.corpus import Corpus

    corpus = Corpus(given["text"], field=given["field"])
    valid = None if given["valid"] is None else Corpus(given["valid"], field=given["field"])
    options = {**_settings(kind, given), **_reading(given), "resume": given["resume"], "directory": folder}
    try:
        with training_bar(corpus, given["text"], kind, quiet=quiet) as shown:
            return train(
                corpus,
                kind=kind,  # type: ignore[arg-type]  # one of those in NETWORKS
                blocks=shown.blocks,
                valid=valid,
                tensorboard=given["tensorboard"],
                watch=shown.watch,
                **options,
            )
    except KeyboardInterrupt:
        if (folder / "checkpoint.json").exists():
            note(f"stopped; the checkpoint is in {folder}: give the same command and --resume to go on")
        raise


def _settings(kind: str, given: dict[str, Any]) -> dict[str, Any]:
    """Settings of the network and of the training, as ``nextword.train`` takes them."""
    names = [name for name in kind_options(kind) if name not in TEXT]
    found = {name: given[name] for name in names if given[name] is not None or name in LIMITS}
    if all(found[name] is None for name in LIMITS):
        found = {name: value for name, value in found.items() if name not in LIMITS}
    found["clip"] = found["clip"] or None
    found["adaptive"] = _numbers(found["adaptive"])
    return found | ({} if given["threads"] is None else {"threads": given["threads"]})


def _reading(given: dict[str, Any]) -> dict[str, Any]:
    """How text is read, as ``nextword.train`` takes it."""
    from nextword.text.normalize import Normalizer

    names = ("tokenizer", "bpe_size", "min_count", "vocab_size", "embeddings")
    normalizer = Normalizer(given["normalize"], lowercase=given["lowercase"])
    return {**{name: given[name] for name in names}, "normalizer": normalizer}


def _find_lr(kind: str, given: dict[str, Any]) -> None:
    """Print learning rates, the loss after each and the one to try."""
    from nextword.neural.finder import find_lr
    from nextword.neural.train import new_network, read, split_settings
    from nextword.text.corpus import Corpus
    from nextword.text.pipeline import Pipeline
    from nextword.text.tokenize import make_tokenizer

    corpus, how = Corpus(given["text"], field=given["field"]), _reading(given)
    normalizer, size = how["normalizer"], how["bpe_size"]
    tokenizer = make_tokenizer(how["tokenizer"], corpus=corpus, normalizer=normalizer, vocab_size=size)
    pipeline = Pipeline(normalizer, tokenizer)
    tokens, vocabulary = read(corpus, pipeline, min_count=how["min_count"], vocab_size=how["vocab_size"])
    network, settings, _ = split_settings(kind, _settings(kind, given))
    found = find_lr(new_network(kind, network, vocabulary, settings), tokens, settings)
    pairs = list(zip(found.rates, found.losses, strict=False))
    rows = [[f"{rate:.1e}", f"{loss:.3f}"] for rate, loss in pairs[:: max(1, len(pairs) // _ROWS)]]
    typer.echo(table(["learning rate", "loss"], rows))
    typer.echo(f"\nThe loss fell fastest at a rate of {found.best:.1e}: try --lr {found.best:.1g}")


def _numbers(text: str) -> tuple[int, ...]:
    from nextword.errors import UsageError

    try:
        return tuple(int(number) for number in text.replace(",", " ").split())
    except ValueError:
        raise UsageError(f"--adaptive {text!r}: give whole numbers, such as --adaptive '2000 10000'") from None


def _summary(out: Path, kind: str, settings: dict[str, Any], valid: str | None) -> str:
    measured = settings["valid_perplexity"]
    known = "" if measured is None else f"; perplexity of {valid}: {measured:,.2f}, at step {settings['best_step']:,}"
    return (
        f"{out}: {kind}, {settings['parameters']:,} parameters, {settings['steps']:,} steps in "
        f"{settings['seconds']:.1f} s{known}"
    )
