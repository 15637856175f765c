"""Training a parser's network to choose what the static oracle chooses."""

import hashlib
from collections.abc import Callable, Sequence
from dataclasses import asdict
from typing import Any, NamedTuple

import numpy as np
import torch
from torch import Tensor
from torch.nn import functional

from nextword.errors import UsageError
from nextword.neural.distributed import Group
from nextword.neural.network import State
from nextword.neural.objective import Measured, Objective
from nextword.neural.parser import Column, ParserNetwork, ParserSettings, pad, places_in
from nextword.neural.place import Report
from nextword.neural.training import train
from nextword.neural.training_settings import TrainingSettings
from nextword.text.examples import ExampleBatch, Examples
from nextword.types import Array, Json


class Derivations(NamedTuple):
    """Sentences and the states on the way to their trees, each with the transition that is right there.

    columns: of each of S sentences, (T, C) ids, ROOT's first. begins: (S + 1,), where a sentence's states begin. words:
    their numbers at each place, (N, 18); labels: of arcs, (N, 12); transitions: (N,).
    """

    columns: Sequence[Array]
    begins: Array
    words: Array
    labels: Array
    transitions: Array

    def digest(self) -> str:
        """SHA-256 of everything, by which one knows the same sentences again."""
        found = hashlib.sha256()
        for array in (*self.columns, *self[1:]):
            found.update(np.ascontiguousarray(array).tobytes())
        return found.hexdigest()


class ParserObjective(Objective):
    """The mean over states of -log p of the right transition.

    judge: the figure of held-out sentences, the lower the better; every process computes it whole. valid: a digest of
    them.
    """

    def __init__(
        self,
        network: ParserNetwork,
        data: Derivations,
        settings: TrainingSettings,
        *,
        judge: Callable[[ParserNetwork], Measured] | None = None,
        valid: str | None = None,
    ):
        self.module = self.network = network
        self.data, self.judge, self.valid = data, judge, valid
        lengths = np.array([len(rows) for rows in data.columns], dtype=np.int64)
        self.batches = Examples(
            lengths, batch_size=settings.batch_size, seed=settings.seed, weights=np.diff(data.begins)
        )
        self.measures = judge is not None

    def loss(self, batch: ExampleBatch, rows: slice, state: State) -> tuple[Tensor, State]:
        """As ``Objective`` says."""
        numbers, data = batch.rows[rows], self.data
        columns, lengths = pad([data.columns[i] for i in numbers])
        states = np.concatenate([np.arange(data.begins[i], data.begins[i + 1]) for i in numbers])
        sentences = np.repeat(np.arange(len(numbers)), np.diff(data.begins)[numbers])
        at = places_in(sentences, data.words[states], columns.shape[1], columns.shape[0] * columns.shape[1])
        with self.autocast():
            words = self.network.words(self._tensor(columns), torch.from_numpy(lengths))
            scores = self.network(words, self._tensor(at), self._tensor(data.labels[states]))
        right = self._tensor(data.transitions[states])
        return functional.cross_entropy(scores.float(), right, reduction="sum"), ()

    def measure(self, group: Group) -> Measured:
        """As the judge has it."""
        return super().measure(group) if self.judge is None else self.judge(self.network)

    def identity(self) -> Json:
        """As ``Objective`` says."""
        return {
            "text": self.data.digest(),
            "validation text": self.valid,
            "network": {**asdict(self.network.settings), "columns": [column.name for column in self.network.columns]},
        }

    def _tensor(self, values: Array) -> Tensor:
        return torch.from_numpy(values.astype(np.int64)).to(self.device)


def train_parser(
    network: ParserNetwork,
    data: Derivations,
    settings: TrainingSettings,
    *,
    judge: Callable[[ParserNetwork], Measured] | None = None,
    valid: str | None = None,
    **run: Any,
) -> Report:
    """Train a parser's network in place. judge, valid: as for ``ParserObjective``; run: as ``train`` takes it."""
    return train(ParserObjective(network, data, settings, judge=judge, valid=valid), settings, **run)


def new_parser(settings: ParserSettings, columns: Sequence[Column], labels: int, *, seed: int) -> ParserNetwork:
    """A network to be trained, its weights drawn from ``seed``; random states are left as they were."""
    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(seed)
        return ParserNetwork(settings, columns, labels)


def weights(network: ParserNetwork) -> dict[str, Array]:
    """Its weights by name, to be stored."""
    return {name: weight.detach().cpu().numpy() for name, weight in network.named_parameters()}


def restore(network: ParserNetwork, arrays: dict[str, Array]) -> None:
    """Copy arrays into the weights of those names. Raises UsageError if names or shapes are others."""
    expected = {name: tuple(weight.shape) for name, weight in network.named_parameters()}
    given = {name: array.shape for name, array in arrays.items()}
    if given != expected:
        name = min(name for name in given.keys() | expected if given.get(name) != expected.get(name))
        raise UsageError(
            f"the array {name!r} of this parser has shape {given.get(name)}, expected {expected.get(name)}; "
            "train or copy the model again"
        )
    for name, weight in network.named_parameters():
        weight.detach().numpy()[...] = arrays[name]
