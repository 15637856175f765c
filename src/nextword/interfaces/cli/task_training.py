"""What the commands that train a task's network share: the options of the training, its bar, checkpoint and plot."""

import inspect
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from functools import wraps
from pathlib import Path
from typing import TYPE_CHECKING, Any, NamedTuple

from nextword.interfaces.cli.progress import note, training_bar
from nextword.interfaces.cli.training_options import LIMITS, keeping, learning

if TYPE_CHECKING:
    from nextword.neural.training_settings import TrainingSettings

_LEARNING = (
    *LIMITS, "patience", "batch_size", "optimizer", "lr", "weight_decay", "schedule", "ema", "seed", "precision",
    "device", "eval_every",
)  # fmt: skip


class TaskRun(NamedTuple):
    """A run that a bar shows. options: ``directory, resume, tensorboard, watch``, for the function that trains."""

    options: dict[str, Any]
    title: str
    plot: bool

    def saved(self, out: Path) -> None:
        """The model is safe in ``out``: the checkpoint need not keep its weights; draw the plot if it is wanted."""
        from nextword.neural.resuming import mark_saved

        mark_saved(self.options["directory"], out)
        if self.plot:
            from nextword.neural.metrics import plot

            note(f"wrote {plot(self.options['directory'], title=self.title, apart=True)}")


@dataclass(frozen=True)
class TaskTraining:
    """How a command was told to train."""

    settings: "TrainingSettings"
    resume: bool
    plot: bool
    tensorboard: bool
    quiet: bool

    @contextmanager
    def run(self, out: Path, title: str, files: Sequence[str] = ()) -> Iterator[TaskRun]:
        """A bar for the training of the model that will be in ``out``. Raises StoreError if it could not be there."""
        from nextword.interfaces.cli.training_neural import training_folder
        from nextword.neural import require_torch
        from nextword.store import check_target

        require_torch()
        if self.plot:
            from nextword.neural.metrics import require_matplotlib

            require_matplotlib()
        check_target(out)
        folder = training_folder(out)
        try:
            with training_bar((), files, title, quiet=self.quiet, perplexity=False) as shown:
                options = {"directory": folder, "resume": self.resume, "tensorboard": self.tensorboard}
                yield TaskRun({**options, "watch": shown.watch}, f"{title}: {out.name}", self.plot)
        except KeyboardInterrupt:
            if (folder / "checkpoint.json").exists():
                note(f"stopped; the checkpoint is in {folder}: give the same command and --resume to go on")
            raise


def trained(kind: str) -> Callable[[Callable[..., None]], Callable[..., None]]:
    """Give a command that has a parameter ``training: TaskTraining`` the options that make one, for a kind of network.

    The kind's usual settings are theirs; what it is told is what the library's function takes.
    """

    def decorate(command: Callable[..., None]) -> Callable[..., None]:
        options = {name: option for name, option in learning(kind).items() if name in _LEARNING} | keeping()

        @wraps(command)
        def wrapper(**given: Any) -> None:
            told = {name: given.pop(name) for name in options}
            command(**given, training=_training(kind, told))

        own = [parameter for parameter in _parameters(command) if parameter.name != "training"]
        parameters = [*own, *(option.parameter(name) for name, option in options.items())]
        wrapper.__signature__ = inspect.Signature(parameters)  # type: ignore[attr-defined]
        wrapper.__annotations__ = {parameter.name: parameter.annotation for parameter in parameters}
        return wrapper

    return decorate


def _parameters(command: Callable[..., None]) -> list[inspect.Parameter]:
    found = inspect.signature(command, eval_str=True).parameters.values()
    return [parameter.replace(kind=inspect.Parameter.KEYWORD_ONLY) for parameter in found]


def _training(kind: str, told: dict[str, Any]) -> TaskTraining:
    from nextword.neural.training_settings import usual_settings

    kept = {name: told.pop(name) for name in ("resume", "plot", "tensorboard", "quiet")}
    limits = {name: told.pop(name) for name in LIMITS}
    if any(value is not None for value in limits.values()):
        told |= limits
    told["clip"] = usual_settings(kind).clip
    return TaskTraining(usual_settings(kind, **told), **kept)
