"""Networks that give every token of a sentence a score for every tag.

    window   the words around each, side by side, through one hidden layer (Collobert et al. 2011, section 3.3.1;
             the lectures' window classification)
    rnn      an Elman network from left to right
    bilstm   LSTMs from left to right and from right to left (Graves and Schmidhuber 2005; Huang et al. 2015)

A word enters as what is known of it, side by side: a learned embedding, a vector from a file, its characters through a
convolution (Ma and Hovy 2016) or a bidirectional LSTM (Lample et al. 2016), and how it is written (``shapes``). That is
computed once for each distinct word of a batch. N distinct words, L characters; B sentences, T tokens, K tags.
"""

from dataclasses import dataclass
from typing import NamedTuple

import torch
from torch import Tensor, nn
from torch.nn.utils.rnn import pack_padded_sequence

from nextword.errors import UsageError
from nextword.neural.architecture import check_choice, check_counts, check_shares
from nextword.neural.crf import Allowed, Crf
from nextword.neural.layers import Embedding, VariationalDropout

NETWORKS = ("window", "rnn", "bilstm")
OUTPUTS = ("softmax", "crf")
CHARACTERS = ("cnn", "lstm", "none")
VECTORS = ("static", "tuned")
_WIDTH = 3  # characters that a convolution sees


@dataclass(frozen=True)
class TaggerSettings:
    """What a tagger is made of.

    network, output: see the module; the output is one softmax per token, or a conditional random field. window: words
    on each side, of the window network. embedding_size: of the learned embeddings, 0 for none. vectors: those of a
    file stay as they are, beside the learned embeddings ("static"), or are where these start from ("tuned", for which
    embedding_size is not looked at). characters: how they are read; character_size: of their embeddings;
    character_features: what they add to a word. shape_size: of what the way of writing adds, 0 for nothing.
    hidden_size: of each direction. layers: of the rnn and the bilstm.
    dropout: of what enters and leaves the layers, the same units throughout a sentence; word_dropout: of words that
    are read as unknown ones. Raises UsageError for what is out of range.
    """

    network: str = "bilstm"
    output: str = "softmax"
    window: int = 2
    embedding_size: int = 100
    vectors: str = "static"
    characters: str = "cnn"
    character_size: int = 32
    character_features: int = 64
    shape_size: int = 8
    hidden_size: int = 128
    layers: int = 1
    dropout: float = 0.33
    word_dropout: float = 0.1

    def __post_init__(self) -> None:
        for name, choices in (
            ("network", NETWORKS), ("output", OUTPUTS), ("characters", CHARACTERS), ("vectors", VECTORS),
        ):  # fmt: skip
            check_choice(self, name, choices)
        check_counts(self, 1, "window", "character_size", "hidden_size", "layers")
        check_counts(self, 2, "character_features")
        check_counts(self, 0, "embedding_size", "shape_size")
        check_shares(self, "dropout", "word_dropout")
        if not self.embedding_size and not self.shape_size and self.characters == "none":
            raise UsageError("a tagger needs to see something of a word: give embedding_size, shape_size or characters")


class Sizes(NamedTuple):
    """How many ids there are: words (0 is any other), characters (0 likewise), shapes, tags; size of file vectors."""

    words: int
    characters: int
    shapes: int
    tags: int
    vector_size: int = 0


class Words(NamedTuple):
    """Distinct words as a network reads them.

    ids, shapes: (N,). vectors: (N, D), those of a file, zeros where it has none. characters: (N, L), -1 after the end.
    """

    ids: Tensor
    shapes: Tensor
    vectors: Tensor
    characters: Tensor


class CharacterCnn(nn.Module):
    """Each feature is the maximum, over a word, of a convolution of its characters' embeddings.

    A convolution of embeddings is a sum of table rows, one table for each place in its window of three, so the products
    are computed once per character of the alphabet and not once per character of the text.
    """

    def __init__(self, characters: int, settings: TaggerSettings):
        super().__init__()
        self.embedding = Embedding(characters, settings.character_size)
        self.convolution = nn.Linear(_WIDTH * settings.character_size, settings.character_features)

    def forward(self, characters: Tensor) -> Tensor:
        """(N, L) to (N, F)."""
        alphabet, inside = len(self.embedding.weight), characters >= 0
        wide = nn.functional.pad(characters, (1, 1), value=-1)
        wide = torch.where(wide >= 0, wide, alphabet)  # outside a word is the row of zeros after the alphabet's
        parts = []
        for i, weight in enumerate(self.convolution.weight.chunk(_WIDTH, dim=1)):
            table = nn.functional.pad(self.embedding.weight @ weight.t(), (0, 0, 0, 1))  # (alphabet + 1, F)
            parts.append(nn.functional.embedding(wide[:, i : i + characters.shape[1]][inside], table))  # (M, F)
        found = (parts[0] + parts[1] + parts[2] + self.convolution.bias).to(self.embedding.weight.dtype)
        return torch.relu(torch.segment_reduce(found, "max", lengths=inside.sum(dim=1), unsafe=True))


class CharacterLstm(nn.Module):
    """The last states of an LSTM from left to right and of one from right to left."""

    def __init__(self, characters: int, settings: TaggerSettings):
        super().__init__()
        self.embedding = Embedding(characters, settings.character_size)
        size = settings.character_features // 2
        self.lstm = nn.LSTM(settings.character_size, size, batch_first=True, bidirectional=True)
        self.dropout = nn.Dropout(settings.dropout / 2)

    def forward(self, characters: Tensor) -> Tensor:
        """(N, L) to (N, F)."""
        lengths = (characters >= 0).sum(dim=1).cpu()
        values = self.dropout(self.embedding(characters.clamp(min=0)))
        packed = pack_padded_sequence(values, lengths, batch_first=True, enforce_sorted=False)
        hidden = self.lstm(packed)[1][0]  # (2, N, F / 2)
        return torch.cat([hidden[0], hidden[1]], dim=1)


class WordFeatures(nn.Module):
    """What is known of each word, side by side. size: how many numbers that is."""

    def __init__(self, settings: TaggerSettings, sizes: Sizes):
        super().__init__()
        self.word_dropout, self.tuned = settings.word_dropout, bool(sizes.vector_size) and settings.vectors == "tuned"
        learned = sizes.vector_size if self.tuned else settings.embedding_size
        self.embedding = Embedding(sizes.words, learned) if learned else None
        if self.embedding is not None and self.tuned:
            nn.init.zeros_(self.embedding.weight)  # it is what a vector is changed by
        self.shapes = Embedding(sizes.shapes, settings.shape_size) if settings.shape_size else None
        kinds = {"cnn": CharacterCnn, "lstm": CharacterLstm}
        read = settings.characters
        self.characters = kinds[read](sizes.characters, settings) if read in kinds else None
        self.size = (
            (0 if self.tuned else learned)
            + sizes.vector_size
            + (settings.shape_size if self.shapes is not None else 0)
            + self._character_features(settings)
        )

    def _character_features(self, settings: TaggerSettings) -> int:
        if self.characters is None:
            return 0
        return settings.character_features // 2 * 2 if settings.characters == "lstm" else settings.character_features

    def forward(self, words: Words) -> Tensor:
        """(N, D)."""
        ids, vectors = words.ids, words.vectors
        if self.training and self.word_dropout:
            ids = ids * (torch.rand_like(ids, dtype=torch.float32) >= self.word_dropout)
        parts = []
        if self.embedding is not None:
            learned = self.embedding(ids)
            parts.append(vectors + learned if self.tuned else learned)
        if vectors.shape[1] and not self.tuned:
            parts.append(vectors)
        if self.shapes is not None:
            parts.append(self.shapes(words.shapes))
        if self.characters is not None:
            parts.append(self.characters(words.characters))
        return torch.cat(parts, dim=1)


class WindowLayer(nn.Module):
    """h = tanh(W [x_{t-c}; …; x_{t+c}] + b), with a learned vector for places outside the sentence."""

    def __init__(self, size: int, settings: TaggerSettings):
        super().__init__()
        self.reach = settings.window
        self.outside = nn.Parameter(torch.zeros(size))
        self.hidden = nn.Linear((2 * self.reach + 1) * size, settings.hidden_size)

    def forward(self, values: Tensor, lengths: Tensor) -> Tensor:
        """(B, T, D) to (B, T, H)."""
        rows, time, _ = values.shape
        inside = torch.arange(time, device=values.device) < lengths[:, None]
        values = torch.where(inside[:, :, None], values, self.outside)
        edge = self.outside.expand(rows, self.reach, -1)
        wide = torch.cat([edge, values, edge], dim=1)  # (B, T + 2c, D)
        windows = torch.cat([wide[:, i : i + time] for i in range(2 * self.reach + 1)], dim=2)
        return torch.tanh(self.hidden(windows))


class ElmanLayer(nn.Module):
    """PyTorch's simple recurrent network, from left to right: what is beyond a sentence's end comes after it."""

    def __init__(self, size: int, settings: TaggerSettings):
        super().__init__()
        self.cell = nn.RNN(size, settings.hidden_size, batch_first=True)

    def forward(self, values: Tensor, lengths: Tensor) -> Tensor:
        """(B, T, D) to (B, T, H)."""
        found: Tensor = self.cell(values)[0]
        return found


class BilstmLayer(nn.Module):
    """Two LSTMs; the second reads each sentence reversed within its own length, so padding comes last for both."""

    def __init__(self, size: int, settings: TaggerSettings):
        super().__init__()
        self.forwards = nn.LSTM(size, settings.hidden_size, batch_first=True)
        self.backwards = nn.LSTM(size, settings.hidden_size, batch_first=True)

    def forward(self, values: Tensor, lengths: Tensor) -> Tensor:
        """(B, T, D) to (B, T, 2H)."""
        steps = torch.arange(values.shape[1], device=values.device)
        order = torch.where(steps < lengths[:, None], lengths[:, None] - 1 - steps, steps)[
            :, :, None
        ]  # its own inverse
        there = self.forwards(values)[0]
        back = self.backwards(values.gather(1, order.expand_as(values)))[0]
        return torch.cat([there, back.gather(1, order.expand_as(back))], dim=2)


_LAYERS = {"window": WindowLayer, "rnn": ElmanLayer, "bilstm": BilstmLayer}


class TaggerNetwork(nn.Module):
    """From words to scores of tags, and a conditional random field over them if that is the output."""

    def __init__(self, settings: TaggerSettings, sizes: Sizes, *, allowed: Allowed | None = None):
        """allowed: tag sequences that a conditional random field may give; all unless given."""
        super().__init__()
        self.settings, self.sizes = settings, sizes
        self.features = WordFeatures(settings, sizes)
        self.embedding = self.features.embedding  # where the optimiser looks for what is not to decay
        make, count = _LAYERS[settings.network], 1 if settings.network == "window" else settings.layers
        size = settings.hidden_size * (2 if settings.network == "bilstm" else 1)
        self.layers = nn.ModuleList([make(self.features.size if i == 0 else size, settings) for i in range(count)])
        self.dropout = VariationalDropout(settings.dropout, time=1)
        self.output = nn.Linear(size, sizes.tags)
        self.crf = Crf(sizes.tags, allowed=allowed) if settings.output == "crf" else None

    def forward(self, words: Words, places: Tensor, lengths: Tensor) -> Tensor:
        """Scores of tags, (B, T, K). places: (B, T), which of the words stands where, anything beyond the lengths."""
        values = self.dropout(self.features(words)[places])  # (B, T, D)
        for layer in self.layers:
            values = self.dropout(layer(values, lengths))
        scores: Tensor = self.output(values)
        return scores

    def loss(self, scores: Tensor, tags: Tensor, lengths: Tensor) -> Tensor:
        """The sum of −log p of the sentences' tags, nats, a scalar. tags: (B, T), -1 beyond the lengths."""
        if self.crf is not None:
            return self.crf.loss(scores, tags, lengths)
        return nn.functional.cross_entropy(scores.flatten(0, 1), tags.flatten(), ignore_index=-1, reduction="sum")

    def best(self, scores: Tensor, lengths: Tensor) -> Tensor:
        """The likeliest tag of each token, or with a conditional random field sequence of each sentence, (B, T)."""
        return scores.argmax(dim=2) if self.crf is None else self.crf.best(scores, lengths)

    def probabilities(self, scores: Tensor, lengths: Tensor) -> Tensor:
        """The probability of each tag at each token, (B, T, K)."""
        return scores.softmax(dim=2) if self.crf is None else self.crf.marginals(scores, lengths)
