"""``nextword quantize``: models in fewer bytes."""

from enum import StrEnum
from typing import Annotated

import typer

from nextword.interfaces.cli.options import ModelDir, OutDir, Quiet
from nextword.interfaces.cli.progress import note, stages


class Weights(StrEnum):
    """How a network's numbers are stored."""

    INT8 = "int8"
    BFLOAT16 = "bfloat16"


class Layout(StrEnum):
    """How n-grams are found."""

    TRIE = "trie"
    HASH = "hash"


def quantize(
    model: ModelDir,
    out: OutDir,
    layout: Annotated[
        Layout | None,
        typer.Option(
            help="Of n-grams. trie: the smallest, a tenth of the bytes, several times slower; hash: half of the bytes, "
            "as fast as before, no list of the n-grams.  [default: trie]",
            show_default=False,
        ),
    ] = None,
    bits: Annotated[
        int | None,
        typer.Option(
            min=2, max=16, help="Of an n-gram's probability.  [default: 8 in a trie, 16 in a hash]", show_default=False
        ),
    ] = None,
    backoff_bits: Annotated[
        int | None,
        typer.Option(
            min=2,
            max=16,
            help="Of a back-off weight.  [default: as --bits in a hash; a trie computes most of them]",
            show_default=False,
        ),
    ] = None,
    to: Annotated[
        Weights | None,
        typer.Option(
            help="Of a neural model: 8 bits a weight and a scale per row, or 16 bits a weight.  [default: int8]",
            show_default=False,
        ),
    ] = None,
    quiet: Quiet = False,
) -> None:
    """Store a model in a fraction of the bytes, at a small cost in perplexity.

    Example: nextword quantize wiki5 --out wiki5-small --bits 8

    A neural or pretrained model: nextword quantize lstm --out lstm8 --to int8
    """
    from nextword import store
    from nextword.api import load
    from nextword.api import quantize as quantize_lm
    from nextword.errors import UsageError

    store.check_target(out)
    with stages(f"quantising {model}", quiet=quiet):
        lm = load(model)
        try:
            small = quantize_lm(
                lm,
                layout=None if layout is None else layout.value,
                bits=bits,
                backoff_bits=backoff_bits,
                to=None if to is None else to.value,
            )
        except UsageError as error:
            raise UsageError(f"{model}: {error}") from None
        small.save(out)
    note(f"wrote {out}: {store.size(out):,} bytes", quiet=quiet)
