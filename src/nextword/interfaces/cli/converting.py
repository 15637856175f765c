"""``nextword convert``: between ARPA files and model directories, and from neural models to ONNX."""

from pathlib import Path
from typing import Annotated

import typer

from nextword.interfaces.cli.options import Quiet
from nextword.interfaces.cli.progress import note, stages

_ARPA, _ONNX = (".arpa", ".arpa.gz", ".arpa.zst"), ".onnx"


def convert(
    source: Annotated[
        Path, typer.Argument(metavar="IN", help="An ARPA file or a model directory.", show_default=False)
    ],
    target: Annotated[
        Path, typer.Argument(metavar="OUT", help="A model directory, an ARPA or .onnx file.", show_default=False)
    ],
    quiet: Quiet = False,
) -> None:
    """Turn an ARPA file (.arpa, .arpa.gz, .arpa.zst) into a model directory, or a model directory into an ARPA file.

    A neural model can be written as an .onnx file, for programs in other languages.

    Example: nextword convert wiki5 wiki5.arpa.gz
    """
    from nextword.errors import UsageError

    with stages(f"converting {source}", quiet=quiet):
        if target.suffix == _ONNX:
            _to_onnx(source, target)
        elif target.name.endswith(_ARPA):
            _to_arpa(source, target, quiet)
        elif source.name.endswith(_ARPA):
            from nextword.api import LM
            from nextword.ngram.arpa import read_arpa
            from nextword.store import check_target

            check_target(target)
            LM(read_arpa(source)).save(target)
        else:
            raise UsageError(
                "one of IN and OUT must be an ARPA file (.arpa, .arpa.gz), the other a model directory; "
                "or OUT a .onnx file"
            )
    note(f"wrote {target}", quiet=quiet)


def _to_arpa(source: Path, target: Path, quiet: bool) -> None:
    from nextword.api import LM, load
    from nextword.errors import UsageError
    from nextword.ngram.arpa import read_arpa, write_arpa
    from nextword.ngram.backoff import BackoffModel

    lm = LM(read_arpa(source)) if source.name.endswith(_ARPA) else load(source)
    if not isinstance(lm.model, BackoffModel):
        raise UsageError(f"{source}: a {lm.model.kind} model has no ARPA form; only n-gram language models have")
    write_arpa(lm.model, target)
    if lm.pipeline.tokenizer.name != "whitespace":
        name = lm.pipeline.tokenizer.name
        note(f"{target}: its words are tokens of the {name} tokenizer, which an ARPA file cannot hold", quiet=quiet)


def _to_onnx(source: Path, target: Path) -> None:
    from nextword.api import load
    from nextword.errors import UsageError
    from nextword.neural import require_torch
    from nextword.neural.training_settings import USUAL

    lm = load(source)
    if lm.model.kind not in USUAL:
        raise UsageError(f"{source}: a {lm.model.kind} model has no ONNX form; only {', '.join(USUAL)} models have")
    require_torch()
    from nextword.neural.onnx import write_onnx

    write_onnx(lm.model, target)
