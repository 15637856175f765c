"""``nextword quantize``: neural models in fewer bytes."""

from enum import StrEnum
from typing import Annotated

import typer

from nextword.interfaces.cli.options import ModelDir, OutDir, Quiet
from nextword.interfaces.cli.progress import note, stages


class Weights(StrEnum):
    """How numbers are stored."""

    INT8 = "int8"
    BFLOAT16 = "bfloat16"


def quantize(
    model: ModelDir,
    out: OutDir,
    to: Annotated[
        Weights, typer.Option(help="8 bits a weight and a scale per row, or 16 bits a weight.")
    ] = Weights.INT8,
    quiet: Quiet = False,
) -> None:
    """Store a neural or pretrained model in a quarter or half of the bytes, at a small cost in perplexity.

    Example: nextword quantize lstm --out lstm8
    """
    from nextword import store
    from nextword.api import LM, load
    from nextword.errors import UsageError

    store.check_target(out)
    with stages(f"quantising {model}", quiet=quiet):
        lm = load(model)
        if not hasattr(lm.model, "stored_as"):
            raise UsageError(f"{model}: a {lm.model.kind} model has no network to quantise; give a neural model")
        from nextword.neural.quantize import quantize as quantize_model

        small = quantize_model(lm.model, to.value)
        LM(small, lm.pipeline, info=lm.info).save(out)
    note(f"wrote {out}: {store.size(out):,} bytes", quiet=quiet)
