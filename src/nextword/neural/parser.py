"""The network of a transition-based parser: it scores every transition in a state of the parse.

Each word is what its columns say (its form, its ending, its tags), an embedding of each, side by side. A state is what
stands at some places of stack and buffer. With ``layers`` = 0 a hidden layer sees the embeddings of the words there and
of the labels of their arcs: Chen & Manning (2014), whose 18 places and cube activation can be had. Otherwise the words
first pass through bidirectional LSTMs, so that each knows its sentence, and fewer places are enough (Kiperwasser &
Goldberg 2016).

S sentences, T words and ROOT, C columns; N states, P places, L labels of arcs; K transitions; H hidden.
"""

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import NamedTuple

import numpy as np
import torch
from torch import Tensor, nn
from torch.nn import functional
from torch.nn.utils.rnn import pack_padded_sequence, pad_packed_sequence

from nextword.errors import UsageError
from nextword.neural.architecture import check_choice, check_counts, check_shares
from nextword.types import Array

PLACES, LABELS = 18, 12  # in a state
_FEW = (0, 1, 2, 3, 6, 8, 12, 14)  # s1 s2 s3 b1, and the outermost children of s1 and s2
ACTIVATIONS: dict[str, Callable[[Tensor], Tensor]] = {
    "cube": lambda values: values**3,
    "relu": torch.relu,
    "tanh": torch.tanh,
}
_UNKNOWN, _ROOT = 0, 1  # ids in every column


@dataclass(frozen=True)
class ParserSettings:
    """What the network of a parser is made of.

    layers: of bidirectional LSTMs over the words, 0 for none; lstm_size: of each direction. hidden_size, activation
    (relu, cube, tanh): of the layer that sees a state. embedding_size: of forms; tag_size: of every other column;
    label_size: of labels of arcs. dropout: of the embeddings and of what layers give; word_dropout: of forms and
    endings that are read as unknown ones; tag_dropout: of tags. Raises UsageError for what is out of range.
    """

    layers: int = 1
    lstm_size: int = 200
    hidden_size: int = 256
    activation: str = "relu"
    embedding_size: int = 100
    tag_size: int = 32
    label_size: int = 32
    dropout: float = 0.33
    word_dropout: float = 0.15
    tag_dropout: float = 0.0

    def __post_init__(self) -> None:
        check_counts(self, 0, "layers")
        check_counts(self, 1, "lstm_size", "hidden_size", "embedding_size", "tag_size", "label_size")
        check_choice(self, "activation", ACTIVATIONS)
        check_shares(self, "dropout", "word_dropout", "tag_dropout")

    @property
    def places(self) -> tuple[int, ...]:
        """Which places of a state are looked at."""
        return _FEW if self.layers else tuple(range(PLACES))


class Column(NamedTuple):
    """One column of the words: how many ids it has, 0 for what is unknown and 1 for ROOT, and whether it is a tag."""

    name: str
    ids: int
    tag: bool


class ParserNetwork(nn.Module):
    """Words to vectors, once for each sentence, and states to scores, once for each transition."""

    def __init__(self, settings: ParserSettings, columns: Sequence[Column], labels: int):
        """labels: of arcs, L; K = 1 + 2 L transitions."""
        super().__init__()
        self.settings, self.columns, self.labels = settings, tuple(columns), labels
        if not columns:
            raise UsageError("a parser needs to see something of a word; give it a column")
        sizes = [settings.embedding_size if column.name == "form" else settings.tag_size for column in columns]
        self.embedding = nn.ModuleList(nn.Embedding(c.ids, size) for c, size in zip(columns, sizes, strict=True))
        size, places = sum(sizes), len(settings.places)
        if settings.layers:
            between = settings.dropout if settings.layers > 1 else 0.0
            self.lstm = nn.LSTM(
                size, settings.lstm_size, settings.layers, batch_first=True, bidirectional=True, dropout=between
            )
            size = 2 * settings.lstm_size
        self.absent = nn.Parameter(torch.zeros(1, size))
        self.places = nn.Linear(size, places * settings.hidden_size, bias=False)
        self.label_embedding = nn.Embedding(labels + 1, settings.label_size)
        self.arcs = nn.Linear(LABELS * settings.label_size, settings.hidden_size)
        self.output = nn.Linear(settings.hidden_size, 1 + 2 * labels)
        for table in (*self.embedding, self.label_embedding):
            nn.init.normal_(table.weight, std=0.1)
        nn.init.normal_(self.places.weight, std=(2 / (size * places)) ** 0.5)

    def words(self, columns: Tensor, lengths: Tensor) -> Tensor:
        """What each word adds to the hidden layer at each place, (S·T + 1, P, H); the last is no word.

        columns: (S, T, C) ids, anything beyond lengths, (S,), which are on the CPU.
        """
        settings = self.settings
        parts = [self._embedded(i, columns[:, :, i]) for i in range(len(self.columns))]
        values = self._dropped(torch.cat(parts, dim=2))
        if settings.layers:
            packed = pack_padded_sequence(values, lengths, batch_first=True, enforce_sorted=False)
            values = self._dropped(pad_packed_sequence(self.lstm(packed)[0], batch_first=True)[0])
        rows = torch.cat([values.flatten(0, 1), self.absent.to(values)])
        found: Tensor = self.places(rows).float().unflatten(1, (len(settings.places), settings.hidden_size))
        return found

    def forward(self, words: Tensor, at: Tensor, labels: Tensor) -> Tensor:
        """Scores of the transitions in N states, (N, K).

        words: as ``words`` gives them; at: rows of those at each place, (N, 18); labels: of arcs, -1 for none, (N, 12).
        """
        places = self.settings.places
        numbers = at[:, list(places)] * len(places) + torch.arange(len(places), device=at.device)
        # The first layer is linear: what it would make of the places side by side is a sum over them.
        hidden = functional.embedding_bag(numbers, words.flatten(0, 1), mode="sum")
        hidden = hidden + self.arcs(self.label_embedding(labels + 1).flatten(1))
        scores: Tensor = self.output(self._dropped(ACTIVATIONS[self.settings.activation](hidden)))
        return scores

    def _embedded(self, i: int, ids: Tensor) -> Tensor:
        """The embeddings of a column, (S, T, D); in training some are those of what is unknown, ROOT's never."""
        share = self.settings.tag_dropout if self.columns[i].tag else self.settings.word_dropout
        if self.training and share:
            dropped = torch.rand(ids.shape, device=ids.device) < share
            ids = torch.where(dropped & (ids != _ROOT), _UNKNOWN, ids)
        found: Tensor = self.embedding[i](ids)
        return found

    def _dropped(self, values: Tensor) -> Tensor:
        return functional.dropout(values, self.settings.dropout, self.training)


class Scorer:
    """Scores for sentences that are parsed side by side: their words are read once."""

    @torch.no_grad()
    def __init__(self, network: ParserNetwork, columns: Sequence[Array]):
        """columns: of each sentence, (T, C) ids, ROOT's first. The network is used as it is not in training."""
        network.eval()
        self._network, self._device = network, network.output.weight.device
        padded, lengths = pad(columns)
        self._width, self._absent = padded.shape[1], padded.shape[0] * padded.shape[1]
        self._words = network.words(torch.from_numpy(padded).to(self._device), torch.from_numpy(lengths))

    @torch.no_grad()
    def __call__(self, rows: Array, words: Array, labels: Array) -> Array:
        """Scores, (R, K) float32, of states in sentences ``rows``, (R,).

        words: their numbers at each place, (R, 18), 0 for ROOT and -1 for none; labels: of arcs, (R, 12).
        """
        at = places_in(rows, words, self._width, self._absent)
        tensors = (torch.from_numpy(array.astype(np.int64)).to(self._device) for array in (at, labels))
        found: Array = self._network(self._words, *tensors).float().cpu().numpy()
        return found


def pad(columns: Sequence[Array]) -> tuple[Array, Array]:
    """Columns of sentences as one (S, T, C) int64 array, zeros after their ends, and their lengths, (S,)."""
    lengths = np.array([len(rows) for rows in columns], dtype=np.int64)
    table = np.zeros((len(columns), int(lengths.max()), columns[0].shape[1]), dtype=np.int64)
    table[np.arange(table.shape[1]) < lengths[:, None]] = np.concatenate(columns)
    return table, lengths


def places_in(rows: Array, words: Array, width: int, absent: int) -> Array:
    """Which row of ``ParserNetwork.words`` stands at each place, (N, 18); rows: the sentence of each state, (N,)."""
    return np.where(words < 0, absent, words + rows[:, None].astype(np.int64) * width)
