"""Text that a command writes to standard output or to a file."""

import errno
import os
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import IO, Annotated, TypeAlias

import typer

Out: TypeAlias = Annotated[Path, typer.Option(metavar="FILE", help="Write there; - is standard output.")]


@contextmanager
def written(out: Path) -> Iterator[IO[str]]:
    """Standard output, or a file that gets its name when all of it is written."""
    from nextword.durable import temporary

    if str(out) == "-":
        yield sys.stdout
        return
    if not out.parent.is_dir():
        raise FileNotFoundError(errno.ENOENT, os.strerror(errno.ENOENT), str(out))
    with temporary(out.parent) as file:
        with file.open("w", encoding="utf-8", newline="\n") as stream:
            yield stream
        file.replace(out)
