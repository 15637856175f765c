"""``nextword mix``: several models as one."""

import json
from pathlib import Path
from typing import Annotated, Any

import typer

from nextword.interfaces.cli.files import check_target, is_arpa, open_lm, save_lm
from nextword.interfaces.cli.options import AsJson, Field, Quiet, Threads
from nextword.interfaces.cli.progress import note, stages
from nextword.interfaces.cli.tables import number, table


def mix(
    models: Annotated[
        list[Path],
        typer.Argument(metavar="MODEL...", help="Model directories or ARPA files, two or more.", show_default=False),
    ],
    tune: Annotated[
        str, typer.Option(metavar="FILE", help="The text to fit the weights to; no model was trained on it.")
    ],
    out: Annotated[
        Path,
        typer.Option(
            metavar="OUT",
            help="Where to write the model directory; with --static an ARPA file too.",
            show_default=False,
        ),
    ],
    static: Annotated[
        bool,
        typer.Option(
            "--static",
            help="Merge n-gram models into a single one, which is as fast as one; their words may differ.",
        ),
    ] = False,
    field: Field = "text",
    as_json: AsJson = False,
    threads: Threads = None,
    quiet: Quiet = False,
) -> None:
    """Mix models: a weighted sum of their probabilities, by the weights that suit a text best.

    With --static, a model gives a word that it lacks an equal part of its <unk>; otherwise all have the same words.

    Example: nextword mix wiki5 wiki-lstm --tune valid.txt --out mixed
    """
    from nextword.api import mix as mix_lms
    from nextword.errors import UsageError
    from nextword.text.corpus import Corpus

    if len(models) < 2:
        raise UsageError(f"a mixture needs two models or more, and {len(models)} was given; name another directory")
    if is_arpa(out) and not static:
        raise UsageError(f"{out}: a mixture has no ARPA form; merge n-gram models into one with --static")
    check_target(out)
    lms = [open_lm(path) for path in models]
    with stages("mixing", quiet=quiet) as stage:
        mixed = mix_lms(lms, Corpus(tune, field=field), static=static, threads=threads, progress=stage)
        stage("saving")
        save_lm(mixed, out, quiet=quiet)
    found = mixed.info["settings"]
    members: list[dict[str, Any]] = [
        {"model": str(path)} | member for path, member in zip(models, found["members"], strict=True)
    ]
    if as_json:
        whole = {"model": str(out), "kind": mixed.model.kind, "tuning_perplexity": found["tuning_perplexity"]}
        typer.echo(json.dumps({"text": tune, "tokens": found["tuning_tokens"], "members": members} | whole, indent=1))
        return
    rows = [[one["model"], number(one["weight"], 4), _shown(one["tuning_perplexity"])] for one in members]
    typer.echo(
        table(["model", "weight", "tuning perplexity"], [*rows, [str(out), "", _shown(found["tuning_perplexity"])]])
    )
    note(f"the weights were fitted to {tune}; measure the mixture on another text", quiet=quiet)


def _shown(perplexity: float | None) -> str:
    return "infinite" if perplexity is None else number(perplexity)
