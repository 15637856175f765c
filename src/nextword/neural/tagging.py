"""Training a tagger, and tagging with it: NumPy arrays outside, the network inside."""

import hashlib
from collections.abc import Iterator, Sequence
from dataclasses import asdict, dataclass, field
from typing import Any, NamedTuple, Protocol

import numpy as np
import torch
from torch import Tensor

from nextword.errors import UsageError
from nextword.neural.crf import Allowed
from nextword.neural.distributed import Group
from nextword.neural.network import State
from nextword.neural.objective import Measured, Objective
from nextword.neural.place import Report
from nextword.neural.tagger import Sizes, TaggerNetwork, TaggerSettings, Words
from nextword.neural.training import train
from nextword.neural.training_settings import TrainingSettings
from nextword.text.examples import ExampleBatch, Examples, padded
from nextword.types import Array, Json

_ROWS = 64  # sentences that are tagged at a time


class WordTable(NamedTuple):
    """Distinct words as ids. ids, shapes: (N,). characters: (N, L), -1 after the end of a word.

    vectors: (N, P), rows of the file's vectors, of which a word has the mean; -1 after the last.
    """

    ids: Array
    shapes: Array
    vectors: Array
    characters: Array


@dataclass(frozen=True)
class Sentences:
    """Sentences whose words are rows of a table. places, tags: one (T,) array a sentence; no sentence is empty.

    vectors: (W, D), those of a file, D = 0 without one. tags: none if they are to be found.
    """

    words: WordTable
    places: Sequence[Array]
    vectors: Array
    tags: Sequence[Array] = field(default=())

    @property
    def lengths(self) -> Array:
        """Tokens of each sentence."""
        return np.array([len(row) for row in self.places], dtype=np.int64)

    def digest(self) -> str:
        """SHA-256 of everything but the vectors, by which one knows the same sentences again."""
        found = hashlib.sha256()
        for array in (*self.words, *self.places, *self.tags):
            found.update(np.ascontiguousarray(array).tobytes())
            found.update(b"|")
        return found.hexdigest()

    def batch(self, numbers: Array, device: torch.device) -> tuple[Words, Tensor, Tensor]:
        """What the network takes for some sentences: distinct words, places (B, T) and lengths (B,)."""
        rows = [self.places[i] for i in numbers]
        distinct, flat = np.unique(np.concatenate(rows), return_inverse=True)
        splits = np.cumsum([len(row) for row in rows])[:-1]
        places = padded(np.split(flat, splits), fill=0)
        characters = self.words.characters[distinct]
        longest = max(1, int((characters >= 0).sum(axis=1).max(initial=1)))
        words = Words(
            _tensor(self.words.ids[distinct], device),
            _tensor(self.words.shapes[distinct], device),
            torch.from_numpy(self._means(self.words.vectors[distinct])).to(device),
            _tensor(characters[:, :longest], device),
        )
        return words, _tensor(places, device), _tensor(np.array([len(row) for row in rows]), device)

    def _means(self, rows: Array) -> Array:
        """Means of the file's vectors, (N, D), zeros where a row of (N, P) is of -1 alone."""
        if not self.vectors.size:
            return np.zeros((len(rows), 0), dtype=np.float32)
        there = (rows >= 0)[:, :, None]
        sums = np.where(there, self.vectors[np.maximum(rows, 0)], 0).sum(axis=1)
        return np.asarray(sums / np.maximum(there.sum(axis=1), 1), dtype=self.vectors.dtype)

    def target(self, numbers: Array, device: torch.device) -> Tensor:
        """Tags of some sentences, (B, T), -1 beyond their lengths."""
        return _tensor(padded([self.tags[i] for i in numbers]), device)


class Judge(Protocol):
    """What decides which weights are kept: sums of counts over sentences, and a figure of them."""

    def counts(self, numbers: Array, tags: Sequence[Array]) -> list[float]:
        """Counts of these sentences of the validation text, tagged so; always the same number of them."""
        ...

    def measured(self, counts: Sequence[float]) -> Measured:
        """The figure, lower the better, of the sums of those counts."""
        ...


class TaggingObjective(Objective):
    """The mean over tokens of −log p of the tags."""

    def __init__(
        self,
        network: TaggerNetwork,
        data: Sentences,
        settings: TrainingSettings,
        *,
        valid: Sentences | None,
        judge: Judge | None,
    ):
        self.module = self.network = network
        self.data, self.valid, self.judge = data, valid, judge
        lengths = data.lengths
        self.batches = Examples(lengths, batch_size=settings.batch_size, seed=settings.seed, weights=lengths)
        self.measures = valid is not None

    def loss(self, batch: ExampleBatch, rows: slice, state: State) -> tuple[Tensor, State]:
        """As ``Objective`` says."""
        numbers = batch.rows[rows]
        words, places, lengths = self.data.batch(numbers, self.device)
        with self.autocast():
            scores = self.network(words, places, lengths)
        return self.network.loss(scores.float(), self.data.target(numbers, self.device), lengths), ()

    def measure(self, group: Group) -> Measured:
        """As the judge has it."""
        if self.valid is None or self.judge is None:
            return super().measure(group)
        total: list[float] = []
        for numbers in _numbers(self.valid):
            mine = numbers[group.parts(len(numbers), 1)[0]]
            tags = list(_best(self.network, self.valid, mine)) if len(mine) else []
            counts = self.judge.counts(mine, tags)
            total = [a + b for a, b in zip(total or [0.0] * len(counts), counts, strict=True)]
        return self.judge.measured(group.sum(total))

    def identity(self) -> Json:
        """As ``Objective`` says."""
        valid = None if self.valid is None else self.valid.digest()
        return {"text": self.data.digest(), "validation text": valid, "network": asdict(self.network.settings)}


def train_tagger(
    network: TaggerNetwork,
    data: Sentences,
    settings: TrainingSettings,
    *,
    valid: Sentences | None = None,
    judge: Judge | None = None,
    **run: Any,
) -> Report:
    """Train a tagger in place. judge: what of the validation sentences decides; run: as ``train`` takes it."""
    return train(TaggingObjective(network, data, settings, valid=valid, judge=judge), settings, **run)


def new_tagger(settings: TaggerSettings, sizes: Sizes, *, allowed: Allowed | None = None, seed: int) -> TaggerNetwork:
    """A network to be trained, its weights drawn from ``seed``; random states are left as they were."""
    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(seed)
        return TaggerNetwork(settings, sizes, allowed=allowed)


def best_tags(network: TaggerNetwork, data: Sentences) -> list[Array]:
    """The tags of each sentence, (T,) ids."""
    network.eval()
    found: list[Array] = [np.zeros(0, dtype=np.int64)] * len(data.places)
    for numbers in _numbers(data):
        for i, tags in zip(numbers, _best(network, data, numbers), strict=True):
            found[i] = tags
    return found


def add_to_score(network: TaggerNetwork, tag: int, number: float) -> None:
    """Give a tag's score at every token so much more from now on."""
    with torch.no_grad():
        network.output.bias[tag] += number


@torch.no_grad()
def tag_probabilities(network: TaggerNetwork, data: Sentences) -> list[Array]:
    """The probability of each tag at each token of each sentence, (T, K)."""
    network.eval()
    found: list[Array] = [np.zeros((0, network.sizes.tags), dtype=np.float32)] * len(data.places)
    for numbers in _numbers(data):
        words, places, lengths = data.batch(numbers, network.output.weight.device)
        rows = network.probabilities(network(words, places, lengths), lengths).cpu().numpy()
        for i, row in zip(numbers, rows, strict=True):
            found[i] = row[: len(data.places[i])]
    return found


def weights(network: TaggerNetwork) -> dict[str, Array]:
    """Its weights by name, to be stored."""
    return {name: weight.detach().cpu().numpy() for name, weight in network.named_parameters()}


def restore(network: TaggerNetwork, arrays: dict[str, Array]) -> None:
    """Copy arrays into the weights of those names. Raises UsageError if names or shapes are others."""
    expected = {name: tuple(weight.shape) for name, weight in network.named_parameters()}
    given = {name: array.shape for name, array in arrays.items()}
    if given != expected:
        name = min(name for name in given.keys() | expected if given.get(name) != expected.get(name))
        raise UsageError(
            f"the array {name!r} of this tagger has shape {given.get(name)}, expected {expected.get(name)}; "
            "train or copy the model again"
        )
    for name, weight in network.named_parameters():
        weight.detach().numpy()[...] = arrays[name]


def _numbers(data: Sentences) -> Iterator[Array]:
    """The numbers of all sentences, those of like length together."""
    order = np.argsort(data.lengths, kind="stable")
    return (order[i : i + _ROWS] for i in range(0, len(order), _ROWS))


@torch.no_grad()
def _best(network: TaggerNetwork, data: Sentences, numbers: Array) -> Iterator[Array]:
    network.eval()
    words, places, lengths = data.batch(numbers, network.output.weight.device)
    rows = network.best(network(words, places, lengths), lengths).cpu().numpy()
    return (row[: len(data.places[i])] for i, row in zip(numbers, rows, strict=True))


def _tensor(values: Array, device: torch.device) -> Tensor:
    return torch.from_numpy(np.ascontiguousarray(values, dtype=np.int64)).to(device)
