"""Where a training run stands, apart from its arrays, and what follows from that alone; needs no PyTorch."""

import math
from collections.abc import Iterator
from dataclasses import dataclass, field
from typing import NamedTuple

from nextword.neural.schedules import PLATEAU_DIVISOR, rate
from nextword.neural.training_settings import TrainingSettings
from nextword.types import Json


class Report(NamedTuple):
    """How a training run went. tokens: predicted in all epochs; seconds: measurements and checkpoints included.

    valid_loss, best_step: of the weights that the network has now; the loss is what the objective measures, for a
    language model nats per token. stopped: what ended the run: "steps", "epochs", "minutes" or "patience".
    """

    steps: int
    epochs: float
    tokens: int
    seconds: float
    parameters: int
    valid_loss: float | None
    best_step: int
    stopped: str

    @property
    def valid_perplexity(self) -> float | None:
        """Of a language model's validation text."""
        return perplexity(self.valid_loss)


@dataclass
class Sums:
    """What was added up since the last line of metrics; seconds: of the run, when that was."""

    loss: float = 0.0
    norm: float = 0.0
    tokens: int = 0
    steps: int = 0
    seconds: float = 0.0


@dataclass
class Place:
    """All that a run decides by: it is kept in every checkpoint."""

    epoch: int = 0
    batch: int = 0  # of the epoch, the next to be trained on
    epochs: float = 0.0
    step: int = 0
    tokens: int = 0
    seconds: float = 0.0
    best_loss: float | None = None  # of the held-out data, as the objective measures it
    best_step: int = 0
    valid_loss: float | None = None  # when it was last measured
    measured_step: int = 0
    worse: int = 0  # measurements in a row that were not the best
    divisor: float = 1.0  # of the learning rate, on a plateau
    sums: Sums = field(default_factory=Sums)

    @classmethod
    def from_json(cls, values: Json) -> "Place":
        """The place that ``dataclasses.asdict`` described."""
        return cls(**{**values, "sums": Sums(**values["sums"])})

    def advance(self, tokens: int, length: int) -> None:
        """A batch of so many tokens was trained on, in an epoch of ``length`` batches."""
        self.step, self.batch, self.tokens = self.step + 1, self.batch + 1, self.tokens + tokens
        self.sums.steps, self.sums.tokens = self.sums.steps + 1, self.sums.tokens + tokens
        self.epochs = self.epoch + self.batch / length
        if self.batch == length:
            self.epoch, self.batch = self.epoch + 1, 0

    def limits(self, settings: TrainingSettings) -> Iterator[tuple[float, str]]:
        """The share of each of the run's limits that is used up, and its name."""
        if settings.steps is not None:
            yield self.step / settings.steps, "steps"
        if settings.epochs is not None:
            yield self.epochs / settings.epochs, "epochs"
        if settings.minutes is not None:
            yield self.seconds / (60 * settings.minutes), "minutes"

    def fraction(self, settings: TrainingSettings) -> float:
        """Of the run that is done, by whichever limit is nearest."""
        return min(1.0, max(done for done, _ in self.limits(settings)))

    def lr(self, settings: TrainingSettings) -> float:
        """The learning rate of the next step."""
        share = rate(settings.schedule, self.fraction(settings), settings.warmup)
        return settings.lr * share / self.divisor

    def due_to_measure(self, settings: TrainingSettings) -> bool:
        """Whether it is time to measure the validation text: every so many steps, or after each epoch."""
        return self.batch == 0 if settings.eval_every is None else self.step % settings.eval_every == 0

    def measured(self, loss: float, settings: TrainingSettings) -> bool:
        """Note a loss of the validation text; returns whether it is the best yet."""
        self.valid_loss, self.measured_step = loss, self.step
        if math.isfinite(loss) and (self.best_loss is None or loss < self.best_loss):
            self.best_loss, self.best_step, self.worse = loss, self.step, 0
            return True
        self.worse += 1
        if settings.schedule == "plateau":
            self.divisor *= PLATEAU_DIVISOR
        return False

    def reason_to_stop(self, settings: TrainingSettings) -> str | None:
        """What ends the run here, if anything."""
        if settings.patience is not None and self.worse >= settings.patience:
            return "patience"
        return next((name for done, name in self.limits(settings) if done >= 1), None)

    def report(self, stopped: str, parameters: int) -> Report:
        """The end of it."""
        measured = self.best_loss is not None
        return Report(
            self.step,
            self.epochs,
            self.tokens,
            self.seconds,
            parameters,
            self.best_loss,
            self.best_step if measured else self.step,
            stopped,
        )


def perplexity(loss: float | None) -> float | None:
    """Of a loss in nats per token; infinite where a float cannot hold it.

    >>> perplexity(0.0), perplexity(1000.0), perplexity(None)
    (1.0, inf, None)
    """
    return None if loss is None else math.exp(loss) if loss < 700 else math.inf
