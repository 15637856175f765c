"""``nextword convert``: between ARPA files and model directories, and from neural models to ONNX."""

from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from nextword.interfaces.cli.files import check_target, is_arpa, open_lm, save_lm
from nextword.interfaces.cli.options import Quiet
from nextword.interfaces.cli.progress import note, stages

if TYPE_CHECKING:
    from nextword.text.pipeline import Pipeline

_ONNX = ".onnx"


def convert(
    source: Annotated[
        Path, typer.Argument(metavar="IN", help="An ARPA file or a model directory.", show_default=False)
    ],
    target: Annotated[
        Path, typer.Argument(metavar="OUT", help="A model directory, an ARPA or .onnx file.", show_default=False)
    ],
    tokenizer: Annotated[
        str | None, typer.Option(help="Of an ARPA file's words: a name as in train, tokenizer.json or a .model file.")
    ] = None,
    normalize: Annotated[
        str | None, typer.Option(metavar="FORM", help="Of the text they are from: nfc, nfd, nfkc, nfkd or ccnet.")
    ] = None,
    lowercase: Annotated[bool, typer.Option("--lowercase", help="Lowercase all text.")] = False,
    quiet: Quiet = False,
) -> None:
    """Turn an ARPA file (.arpa, .arpa.gz, .arpa.zst) into a model directory, or a model directory into an ARPA file.

    A neural model can be written as an .onnx file, for programs in other languages.

    Example: nextword convert wiki5 wiki5.arpa.gz

    A filter model of cc_net's kind: nextword convert en.arpa en --tokenizer en.sp.model --normalize ccnet
    """
    from nextword.errors import UsageError

    pipeline = {"tokenizer": tokenizer, "normalize": normalize, "lowercase": lowercase}
    if any(pipeline.values()) and (is_arpa(target) or target.suffix == _ONNX or not is_arpa(source)):
        given = ", ".join(f"--{name}" for name, value in pipeline.items() if value)
        raise UsageError(f"{given}: these are for a directory made of an ARPA file; a model directory has its own")

    with stages(f"converting {source}", quiet=quiet):
        if target.suffix == _ONNX:
            _to_onnx(source, target)
        elif is_arpa(target):
            save_lm(open_lm(source), target, quiet=quiet, source=source)
        elif is_arpa(source):
            from nextword.lm import LM
            from nextword.ngram.arpa import read_arpa

            check_target(target)
            reader = make_pipeline(tokenizer, normalize, lowercase)
            LM(read_arpa(source), reader).save(target)
        else:
            raise UsageError(
                "one of IN and OUT must be an ARPA file (.arpa, .arpa.gz), the other a model directory; "
                "or OUT a .onnx file"
            )
    note(f"wrote {target}", quiet=quiet)


def make_pipeline(tokenizer: str | None, normalize: str | None, lowercase: bool) -> "Pipeline":
    """How the text that an ARPA file was made of is read."""
    from nextword.text.normalize import Normalizer
    from nextword.text.pipeline import Pipeline
    from nextword.text.tokenize import make_tokenizer

    normalizer = Normalizer(normalize, lowercase=lowercase)  # type: ignore[arg-type]  # it refuses others too
    return Pipeline(normalizer, make_tokenizer(tokenizer or "whitespace"))


def _to_onnx(source: Path, target: Path) -> None:
    from nextword.api import load
    from nextword.errors import UsageError
    from nextword.neural import require_torch
    from nextword.neural.training_settings import LANGUAGE_MODELS

    lm = load(source)
    if lm.model.kind not in LANGUAGE_MODELS:
        raise UsageError(
            f"{source}: a {lm.model.kind} model has no ONNX form; only {', '.join(LANGUAGE_MODELS)} models have"
        )
    require_torch()
    from nextword.neural.onnx import write_onnx

    write_onnx(lm.model, target)
