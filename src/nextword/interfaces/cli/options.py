"""Options and arguments that several commands share."""

from pathlib import Path
from typing import Annotated, TypeAlias

import typer

ModelDir: TypeAlias = Annotated[Path, typer.Argument(metavar="DIR", help="A model directory.", show_default=False)]
TextFile: TypeAlias = Annotated[
    str, typer.Argument(metavar="FILE", help="A text, one sentence a line; - is standard input.", show_default=False)
]
OutDir: TypeAlias = Annotated[
    Path, typer.Option("--out", metavar="DIR", help="Where to write the model directory.", show_default=False)
]
Field: TypeAlias = Annotated[str, typer.Option(help="The field of a .jsonl file that holds the text.")]
Threads: TypeAlias = Annotated[
    int | None, typer.Option(min=1, help="Threads to use; all cores unless given.", show_default=False)
]
AsJson: TypeAlias = Annotated[bool, typer.Option("--json", help="Print JSON instead of a table.")]
Quiet: TypeAlias = Annotated[bool, typer.Option("--quiet", help="No progress and no notes on stderr.")]
