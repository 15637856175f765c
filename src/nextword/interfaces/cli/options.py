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
Ray: TypeAlias = Annotated[
    str | None,
    typer.Option(
        metavar="[ADDRESS]",
        help="Use the cores of a Ray cluster, auto or host:port; without an address, those of this machine.",
        show_default=False,
    ),
]
Memory: TypeAlias = Annotated[
    str | None,
    typer.Option(
        metavar="SIZE",
        help="Count in so much memory, such as 2G, with temporary files; without it all is held in memory.",
        show_default=False,
    ),
]
Temp: TypeAlias = Annotated[
    Path | None,
    typer.Option(metavar="DIR", help="Where temporary files go; OUT.counting unless given.", show_default=False),
]
Resume: TypeAlias = Annotated[
    bool, typer.Option("--resume", help="Go on from the temporary files that a stopped command has left.")
]


def refuse_beside_ray(**options: object) -> None:
    """An option of one machine's own that --ray would ignore is a mistake."""
    from nextword.errors import UsageError

    for name, value in options.items():
        if value:
            raise UsageError(f"--{name} has no effect with --ray, which goes on by itself and uses the cluster's cores")
