"""Progress on a terminal's stderr: a bar where the size of the work is known, a line of status otherwise."""

import sys
import time
from collections.abc import Callable, Iterable, Iterator, Sequence
from contextlib import contextmanager
from datetime import timedelta
from pathlib import Path
from typing import TYPE_CHECKING, NamedTuple

from nextword.text.blocks import Block

if TYPE_CHECKING:
    from rich.progress import Progress as Display
    from rich.progress import ProgressColumn

    from nextword.neural.metrics import Status, Watch
    from nextword.ngram.train import Progress

_REFRESH = 0.2  # seconds
_PLAIN = {"", ".txt"}


def note(message: str, *, quiet: bool = False) -> None:
    """A remark on stderr."""
    if not quiet:
        print(message, file=sys.stderr)


@contextmanager
def stages(title: str, *, quiet: bool) -> "Iterator[Progress]":
    """A function to call with each stage's name; the latest stands beside a spinner."""
    if _hidden(quiet):
        yield lambda stage: None
        return
    from rich.progress import SpinnerColumn, TextColumn

    with _display(SpinnerColumn(), TextColumn("{task.description}")) as display:
        task = display.add_task(title, total=None)
        yield lambda stage: display.update(task, description=f"{title}: {stage}")


class Watched(NamedTuple):
    """Blocks whose bytes move a bar as they go by, and a function to call with the name of a stage that follows."""

    blocks: Iterable[Block]
    say: "Progress"


@contextmanager
def bar(blocks: Iterable[Block], paths: Sequence[str], title: str, *, quiet: bool) -> Iterator[Watched]:
    """The same blocks, with a bar of the bytes that have gone by."""
    if _hidden(quiet):
        yield Watched(blocks, lambda stage: None)
        return
    from rich import progress as rich

    columns = (rich.TextColumn("{task.description}"), rich.BarColumn(), rich.DownloadColumn())
    with _display(*columns, rich.TransferSpeedColumn(), rich.TimeRemainingColumn()) as display:
        task = display.add_task(title, total=_size(paths))

        def watched() -> Iterator[Block]:
            for block in blocks:
                yield block
                display.advance(task, len(block.text))

        yield Watched(watched(), lambda stage: display.update(task, description=stage))


@contextmanager
def files_bar(title: str, size: int, *, quiet: bool) -> "Iterator[tuple[Callable[[int], None], Progress]]":
    """A bar of bytes: functions to call with how many more have been read, and with what to say beside the bar."""
    if _hidden(quiet):
        yield lambda more: None, lambda stage: None
        return
    from rich import progress as rich

    columns = (rich.TextColumn("{task.description}"), rich.BarColumn(), rich.DownloadColumn())
    with _display(*columns, rich.TransferSpeedColumn(), rich.TimeRemainingColumn()) as display:
        task = display.add_task(title, total=size)
        yield (
            lambda more: display.advance(task, more),
            lambda stage: display.update(task, description=f"{title} {stage}"),
        )


class TrainingBar(NamedTuple):
    """Blocks whose bytes move a bar as they are read, and a function that moves it as a network is trained."""

    blocks: Iterable[Block]
    watch: "Watch | None"


@contextmanager
def training_bar(
    blocks: Iterable[Block], paths: Sequence[str], title: str, *, quiet: bool, perplexity: bool = True
) -> Iterator[TrainingBar]:
    """One bar for reading and then for training, with perplexity, tokens per second and the time left.

    perplexity: what is trained is a language model; otherwise the loss is shown, and what was measured.
    """
    if _hidden(quiet):
        yield TrainingBar(blocks, None)
        return
    from rich import progress as rich

    columns = (rich.TextColumn("{task.description}"), rich.BarColumn(), rich.TaskProgressColumn())
    with _display(*columns, rich.TextColumn("{task.fields[figures]}")) as display:
        task = display.add_task("reading", total=_size(paths), figures="")
        shown = 0.0

        def watched() -> Iterator[Block]:
            for block in blocks:
                yield block
                display.advance(task, len(block.text))

        def watch(status: "Status") -> None:
            nonlocal shown
            if time.monotonic() - shown > _REFRESH or status.fraction >= 1:
                shown = time.monotonic()
                figures = _figures(status, perplexity)
                display.update(task, description=title, total=1.0, completed=status.fraction, figures=figures)

        yield TrainingBar(watched(), watch)


def _figures(status: "Status", perplexity: bool) -> str:
    """What is known of a training run, in one line."""
    if perplexity:
        parts = [f"perplexity {status.perplexity:,.1f}"]
        if status.valid_perplexity is not None:
            parts.append(f"valid {status.valid_perplexity:,.1f}")
        parts.append(f"{status.tokens_per_second:,.0f} tokens/s")
    else:
        parts = [f"loss {status.loss:.3f}"]
        parts += [f"{name.replace('_', ' ')} {value:.4g}" for name, value in status.figures.items()]
        parts.append(f"{status.tokens_per_second:,.0f}/s")
    if status.seconds_left is not None:
        parts.append(f"{timedelta(seconds=round(status.seconds_left))} left")
    return ", ".join(parts)


def _hidden(quiet: bool) -> bool:
    return quiet or not sys.stderr.isatty()


def _display(*columns: "ProgressColumn") -> "Display":
    """A display on stderr that leaves stdout alone: by default rich would send what is written there to stderr too."""
    from rich.console import Console
    from rich.progress import Progress as Display

    console = Console(stderr=True)
    return Display(*columns, console=console, transient=True, redirect_stdout=False, redirect_stderr=False)


def _size(paths: Sequence[str]) -> int | None:
    """Bytes of all files, or None where that is not the size of their text."""
    if any(path == "-" or Path(path).suffix.lower() not in _PLAIN for path in paths):
        return None
    return sum(Path(path).stat().st_size for path in paths)
