"""Progress on stderr: a bar where the size of the work is known, one line of status otherwise; nothing if not a terminal."""

import sys
from collections.abc import Iterable, Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING, NamedTuple

from nextword.text.blocks import Block

if TYPE_CHECKING:
    from rich.console import Console

    from nextword.ngram.train import Progress

_PLAIN = {"", ".txt", ".jsonl"}


def note(message: str, *, quiet: bool = False) -> None:
    """A remark on stderr."""
    if not quiet:
        print(message, file=sys.stderr)


@contextmanager
def stages(title: str, *, quiet: bool) -> "Iterator[Progress]":
    """A function to call with each stage's name; the latest stands beside a spinner."""
    if quiet or not sys.stderr.isatty():
        yield lambda stage: None
        return
    with _console().status(title) as status:
        yield lambda stage: status.update(f"{title}: {stage}")


class Watched(NamedTuple):
    """Blocks whose bytes move a bar as they go by, and a function to call with the name of a stage that follows."""

    blocks: Iterable[Block]
    say: "Progress"


@contextmanager
def bar(blocks: Iterable[Block], paths: Sequence[str], title: str, *, quiet: bool) -> Iterator[Watched]:
    """The same blocks, with a bar of the bytes that have gone by."""
    if quiet or not sys.stderr.isatty():
        yield Watched(blocks, lambda stage: None)
        return
    from rich import progress as rich

    columns = (rich.TextColumn("{task.description}"), rich.BarColumn(), rich.DownloadColumn())
    timing = (rich.TransferSpeedColumn(), rich.TimeRemainingColumn())
    with rich.Progress(*columns, *timing, console=_console(), transient=True) as display:
        task = display.add_task(title, total=_size(paths))

        def watched() -> Iterator[Block]:
            for block in blocks:
                yield block
                display.advance(task, len(block.text))

        yield Watched(watched(), lambda stage: display.update(task, description=stage))


def _console() -> "Console":
    from rich.console import Console

    return Console(stderr=True)


def _size(paths: Sequence[str]) -> int | None:
    """Bytes of all files, or None where that is not the size of their text."""
    if any(path == "-" or Path(path).suffix.lower() not in _PLAIN for path in paths):
        return None
    return sum(Path(path).stat().st_size for path in paths)
