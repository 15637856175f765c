"""Networks that classify texts: what they are trained for, how, and their answers. NumPy arrays outside.

N texts of ids, each (T,), and their classes, (N,) from 0 to C - 1.
"""

import hashlib
from collections.abc import Iterator, Sequence
from dataclasses import asdict
from typing import Any, NamedTuple

import numpy as np
import torch
from torch import Tensor, nn
from torch.nn import functional

from nextword.neural.cnn import CnnClassifier, CnnSettings
from nextword.neural.distributed import Group
from nextword.neural.layers import Embedding
from nextword.neural.network import State
from nextword.neural.objective import Measured, Objective
from nextword.neural.place import Report
from nextword.neural.reader import ReaderClassifier, ReaderSettings
from nextword.neural.training import train
from nextword.neural.training_settings import TrainingSettings
from nextword.text.examples import ExampleBatch, Examples, padded
from nextword.types import Array, Json

_BATCH, _TOKENS = 128, 1 << 15  # texts at once where nothing is learnt, and tokens unless one text has more
FAMILIES: dict[str, Any] = {"cnn": (CnnSettings, CnnClassifier), "rnn": (ReaderSettings, ReaderClassifier)}


class Texts(NamedTuple):
    """N texts as ids and their classes, (N,) int64."""

    ids: Sequence[Array]
    classes: Array


class ClassifyingObjective(Objective):
    """The cross-entropy of the classes of texts, and the error rate of held-out ones."""

    module: Any

    def __init__(self, network: nn.Module, texts: Texts, valid: Texts | None, settings: TrainingSettings):
        self.module, self.texts, self.valid, self.measures = network, texts, valid, valid is not None
        lengths = [len(ids) for ids in texts.ids]
        self.batches = Examples(lengths, batch_size=settings.batch_size, seed=settings.seed)

    def place(self, device: torch.device, precision: torch.dtype) -> None:
        """As ``Objective`` says; gradients of word vectors are added in place."""
        super().place(device, precision)
        _set_in_place(self.module, True)

    def loss(self, batch: ExampleBatch, rows: slice, state: State) -> tuple[Tensor, State]:
        """As ``Objective`` says."""
        chosen = batch.rows[rows]
        return self._loss(self.texts, chosen, self._logits(self.texts, chosen)), ()

    def measure(self, group: Group) -> Measured:
        """The share of held-out texts whose class is not the likeliest, and beside it their mean loss, nats."""
        assert self.valid is not None  # measures says so
        wrong = total = 0.0
        for rows in _batches(self.valid.ids):
            chosen = rows[group.parts(len(rows), 1)[0]]
            if len(chosen):
                logits = self._logits(self.valid, chosen)
                total += float(self._loss(self.valid, chosen, logits))
                wrong += int(np.count_nonzero(logits.argmax(dim=1).cpu().numpy() != self.valid.classes[chosen]))
        wrong, total = group.sum([wrong, total])
        count = len(self.valid.classes)
        return Measured(wrong / count, {"valid_accuracy": 1 - wrong / count, "valid_cross_entropy": total / count})

    def identity(self) -> Json:
        """As ``Objective`` says."""
        valid = "none" if self.valid is None else _digest(self.valid)
        given = hashlib.sha256(b"".join(value.cpu().numpy().tobytes() for value in self.module.buffers()))
        network = {**asdict(self.module.settings), "vectors that stay": given.hexdigest()[:16]}
        return {"text": _digest(self.texts), "validation text": valid, "network": network}

    def close(self) -> None:
        """As ``Objective`` says."""
        super().close()
        _set_in_place(self.module, False)

    def _logits(self, texts: Texts, chosen: Array) -> Tensor:
        with self.autocast():
            logits: Tensor = self.module(*_batch([texts.ids[i] for i in chosen.tolist()], self.device))
        return logits.float()

    def _loss(self, texts: Texts, chosen: Array, logits: Tensor) -> Tensor:
        classes = torch.from_numpy(texts.classes[chosen]).to(self.device)
        return functional.cross_entropy(logits, classes, reduction="sum")


def new_network(
    family: str, settings: Json, *, vocab_size: int, classes: int, learned: int | None = None, seed: int = 0
) -> nn.Module:
    """A "cnn" or an "rnn" with random weights drawn from ``seed``; settings by name. Raises UsageError.

    learned: ids of the training text, the first ones; all of them unless given.
    """
    of_settings, network = FAMILIES[family]
    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(seed)
        made: nn.Module = network(of_settings(**settings), vocab_size, classes, learned=learned)
    return made


def begin_with_vectors(network: Any, vectors: Array) -> None:
    """Give a network (V, D) word vectors from a file."""
    parts: Any = network.embedding
    words: Any = parts[-1] if isinstance(parts, nn.ModuleList) else parts
    words.begin_with(torch.from_numpy(vectors))


def train_classifier(
    network: nn.Module, texts: Texts, settings: TrainingSettings, *, valid: Texts | None = None, **run: Any
) -> Report:
    """Train a network in place; it keeps the weights that did best on ``valid``, if that is given.

    run: directory, resume, identity, tensorboard, watch of ``training.train``, which has the errors too.
    """
    return train(ClassifyingObjective(network, texts, valid, settings), settings, **run)


def class_log_probs(network: nn.Module, texts: Sequence[Array]) -> Array:
    """Log-probability of each class of each text, (N, C) float64 nats; there is at least one text."""
    device, batches = next(network.parameters()).device, list(_batches(texts))
    with torch.inference_mode():
        logits = [network(*_batch([texts[i] for i in rows.tolist()], device)) for rows in batches]
        log_probs = torch.log_softmax(torch.cat(logits).double(), dim=1).cpu().numpy()  # in the batches' order
    found = np.empty_like(log_probs)
    found[np.concatenate(batches)] = log_probs
    return found


def weights(network: nn.Module) -> dict[str, Array]:
    """Copies of all of a network's arrays by name, to be stored."""
    return {name: value.detach().cpu().numpy().copy() for name, value in network.state_dict().items()}


def load_weights(network: nn.Module, arrays: dict[str, Array]) -> None:
    """Copy stored arrays into a network, and set it to evaluation. Raises ValueError if names or shapes are others."""
    expected = {name: tuple(value.shape) for name, value in network.state_dict().items()}
    given = {name: array.shape for name, array in arrays.items()}
    if given != expected:
        name = min(name for name in given.keys() | expected if given.get(name) != expected.get(name))
        raise ValueError(f"the array {name!r} has shape {given.get(name)}, expected {expected.get(name)}")
    network.load_state_dict({name: torch.from_numpy(np.array(array)) for name, array in arrays.items()})
    network.eval()


def _batches(texts: Sequence[Array]) -> Iterator[Array]:
    """The numbers of texts of like length, the shortest first, so that no batch is too large for the memory."""
    lengths = np.array([len(ids) for ids in texts], dtype=np.int64)
    order, begin = np.argsort(lengths, kind="stable"), 0
    while begin < len(order):
        longest = int(lengths[order[begin : begin + _BATCH][-1]])
        size = min(_BATCH, max(1, _TOKENS // max(1, longest)))
        yield order[begin : begin + size]
        begin += size


def _batch(texts: Sequence[Array], device: torch.device) -> tuple[Tensor, Tensor]:
    """(B, T) ids, -1 after a row's end, at least one column, and the rows' lengths (B,)."""
    ids = padded(texts)
    ids = ids if ids.shape[1] else np.full((len(ids), 1), -1, dtype=np.int64)
    lengths = np.array([len(text) for text in texts], dtype=np.int64)
    return torch.from_numpy(ids).to(device), torch.from_numpy(lengths).to(device)


def _set_in_place(network: nn.Module, wanted: bool) -> None:
    for layer in network.modules():
        if isinstance(layer, Embedding):
            layer.in_place = wanted


def _digest(texts: Texts) -> str:
    digest = hashlib.sha256(np.asarray(texts.classes, dtype=np.int64).data)
    for ids in texts.ids:
        digest.update(len(ids).to_bytes(8, "little") + np.asarray(ids, dtype=np.int32).tobytes())
    return f"{len(texts.ids):,} texts, {digest.hexdigest()[:16]}"
