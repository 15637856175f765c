"""The ``nextword`` command. Each command is a thin layer over the library; models are imported when one runs."""

import gc
import os
import re
import sys
from collections.abc import Sequence
from contextlib import suppress
from typing import Any

from nextword.errors import NextwordError, UsageError

_INTERRUPTED = 130  # 128 + SIGINT, as shells have it
_ADDRESS = re.compile(r"auto|local|ray://.*|[^:/\s]+:\d+")  # of a Ray cluster


def main(arguments: Sequence[str] | None = None) -> None:
    """Run the command line; leaves with status 0, 1 (a failure) or 2 (wrong usage), errors on stderr in one line."""
    if hasattr(sys.stdout, "reconfigure"):  # whatever the locale, every token can be written
        sys.stdout.reconfigure(encoding="utf-8", errors="surrogateescape")
    gc.set_threshold(200_000, 20, 20)  # imports make much and no garbage: looking for it is half of a short command
    status = run(sys.argv[1:] if arguments is None else arguments)
    for stream in (sys.stdout, sys.stderr):
        with suppress(OSError, ValueError):  # nobody reads on
            stream.flush()
    os._exit(status)  # all is written and closed; taking the compiler apart first would cost a tenth of a second


def run(arguments: Sequence[str]) -> int:
    """Run a command line and return its exit status."""
    import typer

    from nextword.interfaces.cli.app import app

    # typer carries a copy of click, or uses click itself, by its version: the class is found either way
    refused: Any = next(base for base in typer.BadParameter.__mro__ if base.__name__ == "ClickException")
    joined = _give_address(_join_numbers(arguments, "--prune"), "--ray") or ["--help"]
    try:
        result = app(joined, prog_name="nextword", standalone_mode=False)
        sys.stdout.flush()
        if result == _INTERRUPTED:
            raise KeyboardInterrupt
        return 0
    except refused as error:
        return _fail(_refusal(error), 2)
    except (typer.Abort, KeyboardInterrupt):
        return _fail("interrupted", _INTERRUPTED)
    except (BrokenPipeError, SystemExit):  # typer leaves with SystemExit when a pipe breaks
        return _stop_writing()
    except UsageError as error:
        return _fail(error, 2)
    except NextwordError as error:
        return _fail(error, 1)
    except OSError as error:
        return _fail(f"{error.filename}: {error.strerror}" if error.filename else error, 1)
    except MemoryError:
        return _fail("there is not enough memory for this; take less text, a lower order, or --prune", 1)


def _join_numbers(arguments: Sequence[str], option: str) -> list[str]:
    """``--prune 0 0 1`` as ``--prune "0 0 1"``: an option takes one argument."""
    joined: list[str] = []
    numbers = -1  # how many followed the option, -1 when it is not being read
    for argument in arguments:
        if argument.isdecimal() and numbers > 0:
            joined[-1] += f" {argument}"
        else:
            joined.append(argument)
            numbers = 0 if argument == option else numbers + 1 if argument.isdecimal() and numbers == 0 else -1
    return joined


def _give_address(arguments: Sequence[str], option: str) -> list[str]:
    """``--ray`` that no address follows as ``--ray local``: the value of an option cannot be left out."""
    given: list[str] = []
    for argument, following in zip(arguments, [*arguments[1:], ""], strict=False):
        given.append(argument)
        if argument == option and not _ADDRESS.fullmatch(following):
            given.append("local")
    return given


def _refusal(error: BaseException) -> str:
    """What is wrong with a command line, in one line, and where to read more."""
    message = " ".join(error.format_message().split())  # type: ignore[attr-defined]
    context = getattr(error, "ctx", None)
    command = context.command_path if context is not None else "nextword"
    return f"{message.removesuffix('.')}; see {command} --help"


def _stop_writing() -> int:
    """The reader of our output has gone, which is nothing wrong; nor may Python complain when it flushes at the end."""
    os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
    return 0


def _fail(message: object, status: int) -> int:
    print(f"nextword: {message}", file=sys.stderr)
    return status
