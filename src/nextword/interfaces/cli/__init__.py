"""The ``nextword`` command. Each command is a thin layer over the library; models are imported when one runs."""

import sys
from collections.abc import Sequence

from nextword.errors import NextwordError, UsageError


def main(arguments: Sequence[str] | None = None) -> None:
    """Run the command line; leaves with status 0, 1 (a failure) or 2 (wrong usage), errors on stderr in one line."""
    sys.exit(run(sys.argv[1:] if arguments is None else arguments))


def run(arguments: Sequence[str]) -> int:
    """Run a command line and return its exit status."""
    import click

    from nextword.interfaces.cli.app import app

    try:
        result = app(_join_numbers(arguments, "--prune"), prog_name="nextword", standalone_mode=False)
        sys.stdout.flush()
        return result if isinstance(result, int) else 0
    except click.ClickException as error:
        error.show()
        return error.exit_code
    except click.exceptions.Abort:
        return _fail("interrupted", 130)
    except KeyboardInterrupt:
        return _fail("interrupted", 130)
    except UsageError as error:
        return _fail(error, 2)
    except NextwordError as error:
        return _fail(error, 1)
    except BrokenPipeError:  # the reader of our output has gone; nothing is wrong
        sys.stdout = None  # type: ignore[assignment]
        return 0
    except OSError as error:
        return _fail(error, 1)


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


def _fail(message: object, status: int) -> int:
    print(f"nextword: {message}", file=sys.stderr)
    return status
