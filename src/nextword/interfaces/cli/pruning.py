"""``nextword prune``: n-gram models without the n-grams that matter least."""

import json
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from nextword.interfaces.cli.files import check_target, is_arpa, open_lm, save_lm
from nextword.interfaces.cli.options import AsJson, Quiet
from nextword.interfaces.cli.progress import note, stages
from nextword.interfaces.cli.tables import table
from nextword.ngram.sizes import parse_size

if TYPE_CHECKING:
    from nextword.lm import LM

_HISTORIES = ("stationary", "product")


def prune(
    model: Annotated[
        Path, typer.Argument(metavar="MODEL", help="A model directory or an ARPA file.", show_default=False)
    ],
    out: Annotated[
        Path, typer.Option(metavar="OUT", help="The model directory or ARPA file to write.", show_default=False)
    ],
    entropy: Annotated[
        float | None,
        typer.Option(help="Remove n-grams whose loss raises the perplexity by a smaller share; try 1e-8."),
    ] = None,
    target_size: Annotated[
        str | None, typer.Option(metavar="SIZE", help="Bytes of the directory to be written, such as 800000 or 50M.")
    ] = None,
    history: Annotated[
        str,
        typer.Option(
            metavar="stationary|product|MODEL",
            help="How often contexts come: in the text that the model itself writes; by the product of its "
            "probabilities, as in SRILM; or by that of another model, a directory or an ARPA file.",
        ),
    ] = _HISTORIES[0],
    as_json: AsJson = False,
    quiet: Quiet = False,
) -> None:
    """Remove the n-grams whose loss changes a model least (relative-entropy pruning, Stolcke 1998).

    A finished model has no counts: to prune by counts, train with --prune. Unigrams stay.

    Example: nextword prune wiki5 --target-size 50M --out small
    """
    from nextword.api import prune as prune_lm
    from nextword.errors import UsageError

    if target_size is not None and is_arpa(out):
        raise UsageError(
            f"--target-size is of a model directory, and {out} is an ARPA file; prune to a directory, then convert it"
        )
    check_target(out)
    size = None if target_size is None else parse_size(target_size, "--target-size")
    with stages(f"pruning {model}", quiet=quiet) as stage:
        stage("reading")
        lm = open_lm(model)
        contexts: Any = history if history in _HISTORIES else _history(history)
        small = prune_lm(lm, entropy=entropy, target_size=size, history=contexts, progress=stage)
        stage("writing")
        save_lm(small, out, quiet=quiet)
    done, written = small.model.details["pruned"][-1], _bytes(out)
    before, after = done["ngrams_before"], small.model.counts()
    if as_json:
        found = {"model": str(out), "bytes": written, "threshold": done["threshold"], "history": history}
        typer.echo(json.dumps(found | {"ngrams_before": before, "ngrams": after}, indent=1))
        return
    rows = [[str(k), f"{n:,}", f"{m:,}", _share(m, n)] for k, (n, m) in enumerate(zip(before, after, strict=True), 1)]
    typer.echo(table(["order", "n-grams before", "after", "share"], rows))
    note(f"wrote {out}: {written:,} bytes; the threshold was {done['threshold']:.3g}", quiet=quiet)


def _history(given: str) -> "LM":
    """The model whose probabilities of contexts are to be taken."""
    from nextword.errors import UsageError
    from nextword.ngram.backoff import BackoffModel

    lm = open_lm(Path(given))
    if not isinstance(lm.model, BackoffModel):
        raise UsageError(f"history {given!r} is no n-gram model with probabilities; give one, or stationary or product")
    return lm


def _share(part: int, whole: int) -> str:
    return f"{part / whole:.1%}" if whole else "-"


def _bytes(out: Path) -> int:
    from nextword import store

    return out.stat().st_size if is_arpa(out) else store.size(out)
