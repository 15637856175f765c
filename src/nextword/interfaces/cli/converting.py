"""``nextword convert``: between ARPA files and model directories."""

from pathlib import Path
from typing import Annotated

import typer

from nextword.interfaces.cli.options import Quiet
from nextword.interfaces.cli.progress import note, stages

_ARPA = (".arpa", ".arpa.gz", ".arpa.zst")


def convert(
    source: Annotated[Path, typer.Argument(metavar="IN", help="An ARPA file or a model directory.", show_default=False)],
    target: Annotated[Path, typer.Argument(metavar="OUT", help="A model directory or an ARPA file.", show_default=False)],
    quiet: Quiet = False,
) -> None:
    """Turn an ARPA file (.arpa, .arpa.gz) into a model directory, or a model directory into an ARPA file.

    Example: nextword convert wiki5 wiki5.arpa.gz
    """
    from nextword.api import LM, load
    from nextword.errors import UsageError
    from nextword.ngram.arpa import read_arpa, write_arpa
    from nextword.ngram.backoff import BackoffModel

    with stages(f"converting {source}", quiet=quiet):
        if target.name.endswith(_ARPA):
            model = read_arpa(source) if source.name.endswith(_ARPA) else load(source).model
            if not isinstance(model, BackoffModel):
                raise UsageError(f"{source}: a {model.kind} model has no ARPA form; only n-gram language models have")
            write_arpa(model, target)
        elif source.name.endswith(_ARPA):
            LM(read_arpa(source)).save(target)
        else:
            raise UsageError("one of IN and OUT must be an ARPA file (.arpa, .arpa.gz), the other a model directory")
    note(f"wrote {target}", quiet=quiet)
