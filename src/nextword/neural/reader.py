"""A recurrent network that reads a text and then says what it is: many-to-one (lectures, part 4).

Each direction is a stack of layers of its own, so that the one that reads forwards can begin as a language model
(Howard & Ruder 2018). Shapes: B rows, T tokens, D numbers for a word, H hidden units, C classes; time first inside.
"""

from dataclasses import dataclass

import torch
from torch import Tensor, nn
from torch.nn import functional

from nextword.errors import UsageError
from nextword.neural.architecture import check_choice, check_counts, check_shares
from nextword.neural.layers import VariationalDropout
from nextword.neural.recurrent import GruLayer, Layer, LstmLayer, RecurrentNetwork, RecurrentSettings
from nextword.neural.word_channels import CHANNELS, WordChannels, drop_words

CELLS: dict[str, type[Layer]] = {"gru": GruLayer, "lstm": LstmLayer}
POOLINGS = ("last", "mean", "max", "concat")


@dataclass(frozen=True)
class ReaderSettings:
    """What a network is made of. sizes: hidden units of each layer; both_ways: a second stack reads backwards.

    pooling: what the last layer reads: the state after the last word, the mean or the maximum over all, or the three
    of them one after another ("concat": Howard & Ruder 2018, section 3.3). dropout: of that, and between layers;
    dropout_input: of word vectors; word_dropout: of words; weight_drop: of an LSTM's recurrent weights. started: the
    size of word vectors that come from a language model, which are learnt further; the others, if there are any
    (``embedding_size``), stand beside them. Raises UsageError for what is out of range.
    """

    cell: str = "lstm"
    channels: str = "random"
    embedding_size: int = 300
    sizes: tuple[int, ...] = (100,)
    both_ways: bool = True
    pooling: str = "concat"
    dropout: float = 0.5
    dropout_input: float = 0.3
    word_dropout: float = 0.0
    weight_drop: float = 0.0
    started: int = 0

    def __post_init__(self) -> None:
        check_choice(self, "cell", CELLS)
        check_choice(self, "channels", CHANNELS)
        check_choice(self, "pooling", POOLINGS)
        check_counts(self, 0 if self.started else 1, "embedding_size")
        check_shares(self, "dropout", "dropout_input", "word_dropout", "weight_drop")
        object.__setattr__(self, "sizes", tuple(self.sizes))  # which JSON has not
        if not self.sizes or any(not isinstance(size, int) or size < 1 for size in self.sizes):
            raise UsageError(f"sizes={self.sizes}: expected the hidden units of each layer, such as (100,)")
        if self.weight_drop and self.cell != "lstm":
            raise UsageError(f"weight_drop={self.weight_drop}: only an lstm has it; a {self.cell} needs 0")


class ReaderClassifier(nn.Module):
    """Word vectors, recurrent layers in one direction or both, pooling over time, dropout, a linear layer."""

    def __init__(self, settings: ReaderSettings, vocab_size: int, classes: int, *, learned: int | None = None):
        """learned: ids of the training text, the first ones; all of them unless given."""
        super().__init__()
        self.settings = settings
        counts = {"vocab_size": vocab_size, "learned": vocab_size if learned is None else learned}
        parts = []
        if settings.started:
            parts.append(WordChannels("random", **counts, size=settings.started))
        if settings.embedding_size:
            parts.append(WordChannels(settings.channels, **counts, size=settings.embedding_size))
        self.embedding = nn.ModuleList(parts)
        width = sum(part.size for part in parts)
        self.forwards = _stack(width, settings)
        self.backwards = _stack(width, settings) if settings.both_ways else nn.ModuleList()
        self.dropouts = nn.ModuleList(
            [VariationalDropout(share, time=0) for share in (settings.dropout_input, *_between(settings))]
        )
        ways, pooled = 2 if settings.both_ways else 1, 3 if settings.pooling == "concat" else 1
        self.output = nn.Linear(settings.sizes[-1] * ways * pooled, classes)

    def forward(self, tokens: Tensor, lengths: Tensor) -> Tensor:
        """Ids (B, T), -1 after a row's end, and the rows' lengths (B,), 1 or more: a logit for each class, (B, C)."""
        read = drop_words(tokens.t(), self.settings.word_dropout if self.training else 0.0)  # (T, B)
        values = self.dropouts[0](torch.cat([part(read) for part in self.embedding], dim=-1))  # (T, B, D)
        hidden = [self._read(self.forwards, values)]
        if self.settings.both_ways:  # its places are counted from the end, which no pooling minds
            hidden.append(self._read(self.backwards, _turned(values, lengths)))
        pooled = torch.cat([self._pooled(part, lengths) for part in hidden], dim=-1)
        found: Tensor = self.output(functional.dropout(pooled, self.settings.dropout, self.training))
        return found

    def _read(self, layers: nn.ModuleList, values: Tensor) -> Tensor:
        """(T, B, D) to the last layer's (T, B, H). What is read after a row's end changes nothing before it."""
        parts = CELLS[self.settings.cell].parts
        for i, layer in enumerate(layers):
            state = tuple(values.new_zeros(values.shape[1], self.settings.sizes[i]) for _ in range(parts))
            values, _ = layer(values if i == 0 else self.dropouts[i](values), state, None)
        return values

    def _pooled(self, hidden: Tensor, lengths: Tensor) -> Tensor:
        """(T, B, H) over the places that rows have: (B, H), or (B, 3 H)."""
        real = (torch.arange(len(hidden), device=hidden.device)[:, None] < lengths).unsqueeze(-1)  # (T, B, 1)
        found = []
        if self.settings.pooling in ("last", "concat"):
            found.append(hidden[lengths - 1, torch.arange(hidden.shape[1], device=hidden.device)])
        if self.settings.pooling in ("max", "concat"):
            found.append(hidden.masked_fill(~real, -torch.inf).amax(dim=0))
        if self.settings.pooling in ("mean", "concat"):
            found.append((hidden * real).sum(dim=0) / lengths[:, None])
        return torch.cat(found, dim=-1)

    @torch.no_grad()
    def start_from(self, network: RecurrentNetwork, *, unknown: int = 0) -> None:
        """Take the vectors and the layers of a language model of these sizes for the direction that reads forwards.

        Words that it lacks, whose ids follow its own, begin with the vector of its ``unknown`` word. Vectors beside the
        language model's begin without a say in what its layers compute.
        """
        own, theirs = self.get_parameter("embedding.0.tuned.weight"), network.embedding.weight
        own.copy_(theirs[unknown])
        own[: len(theirs)] = theirs
        for layer, trained in zip(self.forwards, network.layers, strict=True):
            weights = dict(trained.named_parameters())
            for name, weight in layer.named_parameters():
                weight.zero_()
                weight[..., : weights[name].shape[-1]] = weights[name]


def _stack(width: int, settings: ReaderSettings) -> nn.ModuleList:
    layer, of_layer = CELLS[settings.cell], RecurrentSettings(cell=settings.cell, weight_drop=settings.weight_drop)
    sizes = [width, *settings.sizes]
    return nn.ModuleList([layer(before, size, of_layer) for before, size in zip(sizes, sizes[1:], strict=False)])


def _between(settings: ReaderSettings) -> list[float]:
    return [settings.dropout] * (len(settings.sizes) - 1)


def _turned(values: Tensor, lengths: Tensor) -> Tensor:
    """(T, B, D) with each row's real places in the opposite order."""
    places = torch.arange(len(values), device=values.device)[:, None]
    order = torch.where(places < lengths, lengths - 1 - places, places)  # (T, B)
    return values.gather(0, order.unsqueeze(-1).expand_as(values))
