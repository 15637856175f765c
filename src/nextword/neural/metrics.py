"""What is known of a run while it goes on: figures for a progress bar, a JSONL file, TensorBoard and a picture.

A line of ``metrics.jsonl`` is an object with ``step``, ``epoch`` (a fraction), ``tokens`` read and ``seconds`` passed,
and either the figures of training since the line before (``loss`` in nats per token, ``lr``, ``gradient_norm`` before
clipping, ``tokens_per_second``, and of a language model ``perplexity``) or those of the held-out data (``valid_loss``,
``best`` and what else the objective measures: ``valid_perplexity`` of a language model, ``valid_accuracy`` of others).
What a task predicts, examples or transitions, counts as tokens.
"""

import json
import math
from collections.abc import Callable
from importlib.util import find_spec
from pathlib import Path
from typing import Any, NamedTuple

from nextword import durable
from nextword.errors import UsageError
from nextword.neural.place import Place, perplexity
from nextword.neural.training_settings import TrainingSettings
from nextword.types import Json

FILE, PICTURE, BOARD = "metrics.jsonl", "loss.png", "tensorboard"


class Status(NamedTuple):
    """Where a run stands, for whoever watches it.

    fraction: of the run; loss: of the latest training batches, nats per token; figures: what was last measured.
    """

    step: int
    epoch: float
    fraction: float
    tokens: int
    seconds: float
    tokens_per_second: float
    loss: float
    lr: float
    valid_loss: float | None
    figures: Json

    @classmethod
    def of(
        cls, place: Place, settings: TrainingSettings, *, speed: float, loss: float, lr: float, figures: Json
    ) -> "Status":
        """The status of a run whose loss has lately been so many nats per token."""
        return cls(
            place.step,
            place.epochs,
            place.fraction(settings),
            place.tokens,
            place.seconds,
            speed,
            loss,
            lr,
            place.valid_loss,
            figures,
        )

    @property
    def perplexity(self) -> float | None:
        """Of a language model, on the latest training batches."""
        return perplexity(self.loss)

    @property
    def valid_perplexity(self) -> float | None:
        """Of a language model, on the validation text when it was last measured."""
        return perplexity(self.valid_loss)

    @property
    def seconds_left(self) -> float | None:
        """At the pace so far."""
        return self.seconds * (1 / self.fraction - 1) if self.fraction > 0 else None


Watch = Callable[[Status], None]
Record = Callable[[Json], None]  # is given what would be the lines of ``metrics.jsonl``


class Metrics:
    """The metrics file of a run in ``directory``, and its TensorBoard if it is wanted; None keeps nothing."""

    def __init__(
        self,
        directory: Path | None,
        *,
        tensorboard: bool = False,
        resume_at: int | None = None,
        record: Record | None = None,
    ):
        """resume_at: keep the lines up to that step. record: is called with each line, whether or not it is kept.

        Raises UsageError where TensorBoard is not installed.
        """
        self._file, self._record = None, record
        self._board: Any = None
        if directory is None:
            return
        if tensorboard:
            self._board = _summary_writer(directory / BOARD, None if resume_at is None else resume_at + 1)
        with durable.system_errors_named(directory, "written"):
            directory.mkdir(parents=True, exist_ok=True)
            file = directory / FILE
            kept = [] if resume_at is None else [line for line in read(directory) if line["step"] <= resume_at]
            if file.exists():
                with durable.temporary(directory) as new:
                    durable.write(new, [_line(line).encode() for line in kept])
                    new.replace(file)
            self._file = file.open("a", encoding="utf-8")

    def write(self, line: Json) -> None:
        """Add a line, and its figures to TensorBoard."""
        if self._record is not None:
            self._record(_finite(line))
        if self._file is not None:
            with durable.system_errors_named(Path(self._file.name), "written"):
                self._file.write(_line(line))
                self._file.flush()
        if self._board is not None:
            for name in set(line) - {"step", "epoch", "tokens", "seconds", "best"}:
                self._board.add_scalar(name, line[name], line["step"])

    def close(self) -> None:
        """Nothing more will be written."""
        if self._file is not None:
            self._file.close()
        if self._board is not None:
            self._board.close()


def read(directory: str | Path) -> list[Json]:
    """The lines of a run's metrics file, without a last one that was cut short; none if there is no file."""
    file = Path(directory) / FILE
    if not file.exists():
        return []
    lines = file.read_text(encoding="utf-8").splitlines(keepends=True)
    return [json.loads(line) for line in lines if line.endswith("\n")]


def require_matplotlib() -> None:
    """Raise UsageError, which says what to install, where ``plot`` could not draw."""
    if find_spec("matplotlib") is None:
        raise UsageError("a plot needs matplotlib; install it with: pip install 'nextword[plot]'")


def plot(directory: str | Path, *, title: str = "Training", apart: bool = False) -> Path:
    """Draw the loss over the steps of a run from its metrics file; returns the PNG's path, in the same directory.

    apart: what is measured on held-out data is no loss in nats, such as an error rate, and has an axis of its own.

    Raises UsageError where matplotlib is not installed or there is nothing to draw.
    """
    require_matplotlib()
    from matplotlib.backends.backend_agg import FigureCanvasAgg
    from matplotlib.figure import Figure

    lines = read(directory)
    if not lines:
        raise UsageError(f"{directory}: has no {FILE} with anything to draw; train there first")
    figure = Figure(figsize=(8, 5), dpi=120, layout="constrained")
    axes = figure.add_subplot()
    other = axes.twinx() if apart else axes
    for name, label, style, where in (("loss", "training", "C0-", axes), ("valid_loss", "validation", "C1o-", other)):
        points = [(line["step"], line[name]) for line in lines if line.get(name) is not None]
        if points:
            where.plot(*zip(*points, strict=True), style, label=label, markersize=3, linewidth=1.2)
    axes.set(xlabel="step", ylabel="training: loss (nats)" if apart else "loss (nats per token)", title=title)
    if apart:
        other.set_ylabel("validation: what weights are kept by (lower is better)")
    axes.grid(alpha=0.3)
    figure.legend(loc="upper right", bbox_to_anchor=(1, 1), bbox_transform=axes.transAxes)
    picture = Path(directory) / PICTURE
    with durable.system_errors_named(picture, "written"), durable.temporary(Path(directory)) as file:
        with file.open("xb") as stream:
            FigureCanvasAgg(figure).print_png(stream)  # type: ignore[no-untyped-call]
        file.replace(picture)
    return picture


def _line(values: Json) -> str:
    return json.dumps(_finite(values), allow_nan=False) + "\n"


def _finite(values: Json) -> Json:
    """The same, null where a figure is infinite or undefined."""
    return {name: None if isinstance(v, float) and not math.isfinite(v) else v for name, v in values.items()}


def _summary_writer(directory: Path, purge_step: int | None) -> Any:
    try:
        from torch.utils.tensorboard import SummaryWriter
    except ImportError:
        raise UsageError("TensorBoard is not installed; install it with: pip install 'nextword[tensorboard]'") from None
    return SummaryWriter(str(directory), purge_step=purge_step)
