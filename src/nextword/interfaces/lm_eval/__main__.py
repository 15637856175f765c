"""The harness's command line with our model and tasks: ``python -m nextword.interfaces.lm_eval``."""

import sys

from lm_eval.__main__ import cli_evaluate

from nextword.errors import NextwordError
from nextword.interfaces.lm_eval import TASKS

_COMMANDS = ("run", "ls", "validate")


def main(arguments: list[str]) -> None:
    """Run lm_eval on ``arguments``; of an option that is there twice the last counts."""
    command, *rest = arguments if arguments[:1] and arguments[0] in _COMMANDS else ["run", *arguments]
    model = ["--model", "nextword"] if command == "run" else []
    sys.argv = ["lm_eval", command, *model, "--include_path", str(TASKS), *rest]
    try:
        cli_evaluate()
    except (NextwordError, OSError) as error:
        sys.exit(f"nextword: {error}")


if __name__ == "__main__":
    main(sys.argv[1:])
