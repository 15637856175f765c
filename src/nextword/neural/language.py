"""Language models as what the training loop minimises: -log p of each next token of a text."""

import hashlib
from dataclasses import asdict
from pathlib import Path
from typing import Any

import torch
from torch import Tensor

from nextword.errors import TrainingError, UsageError
from nextword.neural.distributed import Group
from nextword.neural.metrics import Record, Watch
from nextword.neural.network import Network, State
from nextword.neural.objective import Measured, Objective
from nextword.neural.place import Report, perplexity
from nextword.neural.training import train
from nextword.neural.training_settings import TrainingSettings
from nextword.text.batches import Batch, held_out_batches, training_batches
from nextword.types import Ids_T, Json


def train_network(
    network: Network,
    tokens: Ids_T,
    settings: TrainingSettings,
    *,
    valid: Ids_T | None = None,
    directory: str | Path | None = None,
    resume: bool = False,
    identity: Json | None = None,
    tensorboard: bool = False,
    watch: Watch | None = None,
    record: Record | None = None,
) -> Report:
    """Train a network in place; it ends in evaluation mode with the weights that did best on the validation text.

    tokens, valid: (1 + T,) ids, ``</s>`` first, as ``Indexer.finish`` gives them. The others, and errors: as for
    ``training.train``; UsageError too for settings that do not suit the text, TrainingError for an empty text.
    """
    objective = LanguageObjective(network, tokens, settings, valid=valid)
    return train(
        objective,
        settings,
        directory=directory,
        resume=resume,
        identity=identity,
        tensorboard=tensorboard,
        watch=watch,
        record=record,
    )


class LanguageObjective(Objective):
    """The cross-entropy of a text, nats per token; rows of a stream carry the network's state on."""

    def __init__(self, network: Network, tokens: Ids_T, settings: TrainingSettings, *, valid: Ids_T | None = None):
        """tokens, valid: as for ``train_network``, which has the errors."""
        _check_texts(tokens, valid, network.vocab_size)
        self.module = self.network = network
        self.measures = valid is not None
        self.tokens, self.valid = tokens, valid
        size: Any = {"mode": settings.mode, "batch_size": settings.batch_size, "length": settings.bptt}
        self.batches = training_batches(
            tokens, **size, seed=settings.seed, shift=settings.shift, vary=settings.vary_bptt
        )
        self.held_out = None if valid is None else held_out_batches(valid, **size)

    def place(self, device: torch.device, precision: torch.dtype) -> None:
        """Move to a device, ready to be trained."""
        super().place(device, precision)
        self.network.prepare(precision, in_place=True)

    def close(self) -> None:
        """Leave the network as one that is not trained."""
        super().close()
        self.network.prepare(None, in_place=False)

    def initial_state(self, rows: int) -> State:
        """The network's, of rows that have read nothing."""
        return self.network.initial_state(rows)

    def loss(self, batch: Batch, rows: slice, state: State) -> tuple[Tensor, State]:
        """The sum of -log p of all but the first column, nats, and the state after."""
        tokens = torch.from_numpy(batch.tokens[rows]).to(self.device, non_blocking=True)
        with self.autocast():
            hidden, state = self.network(tokens[:, :-1].clamp(min=0), state)
        return self.network.output.loss(hidden.flatten(0, 1), tokens[:, 1:].flatten()), state

    def measure(self, group: Group) -> Measured:
        """The mean loss of the validation text, nats per token, the state carried on."""
        total, count, state = torch.zeros((), device=self.device), 0, State()
        for batch in self.held_out.epoch(0) if self.held_out is not None else ():
            rows = group.parts(len(batch), 1)[0]
            size = rows.stop - rows.start
            state = self.initial_state(size) if batch.fresh else state
            count += batch.predicted
            if size:
                loss, state = self.loss(batch, rows, state)
                total += loss
        mean = group.sum([float(total)])[0] / count
        return Measured(mean, {"valid_perplexity": perplexity(mean)})

    def figures(self, loss: float) -> Json:
        """What is written down of a mean loss in training."""
        return {"loss": loss, "perplexity": perplexity(loss)}

    def identity(self) -> Json:
        """What must be the same when a run is resumed."""
        network = self.network
        return {
            "text": _digest(self.tokens),
            "validation text": None if self.valid is None else _digest(self.valid),
            "network": {"kind": network.kind, "vocabulary size": network.vocab_size, **asdict(network.settings)},
        }


def _check_texts(tokens: Ids_T, valid: Ids_T | None, vocab_size: int) -> None:
    """Raise TrainingError for a text that is empty, UsageError for one of another vocabulary."""
    for name, ids in (("training", tokens), ("validation", valid)):
        if ids is None:
            continue
        if len(ids) < 2:
            raise TrainingError(f"the {name} text is empty; give a file with at least one line")
        lowest, highest = int(ids.min()), int(ids.max())
        if not 0 <= lowest <= highest < vocab_size:
            raise UsageError(
                f"the {name} text has ids from {lowest} to {highest}, but the network's vocabulary has {vocab_size}, "
                "from 0 on; encode the text with the vocabulary that the network was made for"
            )


def _digest(tokens: Ids_T) -> str:
    return hashlib.sha256(tokens.data).hexdigest()[:16]
