"""What a training run minimises: a module, the batches that it learns from, their loss, and a figure to judge it by.

``LanguageObjective`` (``language``) is that of language models; each task (tagging, translation, …) has its own. The
loop in ``training`` does the rest for all of them: updates, precision, several processes, checkpoints, metrics.
"""

from abc import ABC, abstractmethod
from typing import Any, NamedTuple, Protocol

import torch
from torch import Tensor, nn

from nextword.neural.distributed import Group
from nextword.neural.network import State
from nextword.text.batches import Epoch
from nextword.types import Json


class Measured(NamedTuple):
    """A figure of the held-out data: the lower the better; and others beside it, for the metrics file."""

    loss: float
    figures: Json = {}  # noqa: RUF012  # never changed


class TrainingBatch(Protocol):
    """What the loop asks of a batch; ``fresh`` and ``scale`` are explained in ``text.batches.Batch``."""

    @property
    def predicted(self) -> int:
        """Tokens, or examples, whose losses are added up: what the sum is divided by."""
        ...

    @property
    def fresh(self) -> bool:
        """Whether its rows begin anew, with no state of the batch before."""
        ...

    @property
    def scale(self) -> float:
        """What the learning rate is multiplied by."""
        ...

    def __len__(self) -> int:
        """Rows, which processes share and ``accumulate`` divides."""
        ...


class TrainingBatches(Protocol):
    """What training reads: epoch after epoch of batches, each the same whenever it is asked for."""

    def epoch(self, number: int) -> Epoch[Any]:
        """The batches of an epoch, counted from 0."""
        ...


class Objective(ABC):
    """Base of what is minimised.

    module: what is trained, in place; its parameters are kept in checkpoints, buffers are not. batches: what it learns
    from. measures: whether ``measure`` has held-out data. device, precision: where and how ``loss`` computes; set by
    ``place`` before the first batch.
    """

    module: nn.Module
    batches: TrainingBatches
    measures: bool = False
    device: torch.device
    precision: torch.dtype

    def place(self, device: torch.device, precision: torch.dtype) -> None:
        """Move to a device, for products of that precision, ready to be trained."""
        self.device, self.precision = device, precision
        self.module.to(device).train()

    def initial_state(self, rows: int) -> State:
        """What fresh rows carry; nothing, unless rows go on from batch to batch."""
        return ()

    @abstractmethod
    def loss(self, batch: Any, rows: slice, state: State) -> tuple[Tensor, State]:
        """The sum of the losses of some of a batch's rows, nats, a scalar on the device, and what they carry on."""

    def measure(self, group: Group) -> Measured:
        """The figure of the held-out data, which decides which weights are kept; processes share its rows.

        The module is in evaluation mode, and no gradients are kept.
        """
        raise NotImplementedError

    def figures(self, loss: float) -> Json:
        """What is written down of a mean loss in training."""
        return {"loss": loss}

    def autocast(self) -> torch.autocast:
        """Products in bfloat16 if that is the precision."""
        return torch.autocast(self.device.type, torch.bfloat16, enabled=self.precision == torch.bfloat16)

    @abstractmethod
    def identity(self) -> Json:
        """What must be the same when a run is resumed: objects, or digests, by what they describe.

        ``text``, ``validation text`` and ``network`` have advice of their own for those who differ.
        """

    def close(self) -> None:
        """Leave the module as one that is not trained."""
        self.module.eval()
