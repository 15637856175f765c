"""The convolutional network of Kim (2014) for classifying sentences: every few words in a row, the strongest of all.

Shapes: B rows, T tokens, D numbers for a word, C classes.
"""

from dataclasses import dataclass

import torch
from torch import Tensor, nn
from torch.nn import functional

from nextword.errors import UsageError
from nextword.neural.architecture import check_choice, check_counts, check_shares
from nextword.neural.word_channels import CHANNELS, WordChannels, drop_words


@dataclass(frozen=True)
class CnnSettings:
    """What a network is made of. widths: words in a row that a filter sees; maps: filters of each width.

    channels: where word vectors come from, see ``WordChannels``. dropout: of what the last layer reads;
    dropout_input: of the numbers in word vectors; word_dropout: of words. max_norm: the longest that a class's weights
    may be, or None. Raises UsageError for what is out of range.
    """

    channels: str = "random"
    embedding_size: int = 300
    widths: tuple[int, ...] = (3, 4, 5)
    maps: int = 100
    dropout: float = 0.5
    dropout_input: float = 0.0
    word_dropout: float = 0.0
    max_norm: float | None = 3.0

    def __post_init__(self) -> None:
        check_choice(self, "channels", CHANNELS)
        check_counts(self, 1, "embedding_size", "maps")
        check_shares(self, "dropout", "dropout_input", "word_dropout")
        object.__setattr__(self, "widths", tuple(self.widths))  # which JSON has not
        if not self.widths or any(not isinstance(width, int) or width < 1 for width in self.widths):
            raise UsageError(f"widths={self.widths}: expected whole numbers of 1 or more, such as (3, 4, 5)")
        if self.max_norm is not None and not self.max_norm > 0:
            raise UsageError(f"max_norm={self.max_norm}: expected a number above 0, or None for no limit")


class CnnClassifier(nn.Module):
    """Word vectors, filters of several widths, ReLU, the maximum over time, dropout, a linear layer."""

    def __init__(self, settings: CnnSettings, vocab_size: int, classes: int, *, learned: int | None = None):
        """learned: ids of the training text, the first ones; all of them unless given."""
        super().__init__()
        self.settings = settings
        self.embedding = WordChannels(
            settings.channels,
            vocab_size=vocab_size,
            learned=vocab_size if learned is None else learned,
            size=settings.embedding_size,
        )
        self.filters = nn.ModuleList(
            [nn.Conv1d(self.embedding.size, settings.maps, width, padding=width - 1) for width in settings.widths]
        )
        self.output = nn.Linear(settings.maps * len(settings.widths), classes)

    def forward(self, tokens: Tensor, lengths: Tensor) -> Tensor:
        """Ids (B, T), -1 after a row's end, and the rows' lengths (B,): a logit for each class, (B, C)."""
        read = drop_words(tokens, self.settings.word_dropout if self.training else 0.0)
        vectors = functional.dropout(self.embedding(read), self.settings.dropout_input, self.training)
        rows = vectors.transpose(1, 2)  # (B, D, T)
        found = torch.cat([_strongest(filters(rows), lengths) for filters in self.filters], dim=1)
        found = functional.dropout(found, self.settings.dropout, self.training)
        weight = self.output.weight
        if self.settings.max_norm is not None:  # Kim shortens the weights after each step: the same limit
            weight = torch.renorm(weight, 2, 0, self.settings.max_norm)
        return functional.linear(found, weight, self.output.bias)


def _strongest(values: Tensor, lengths: Tensor) -> Tensor:
    """The largest of (B, maps, T + width - 1) over the places where a filter saw a word, at least 0: (B, maps).

    A filter of w words begins w - 1 before the text, so the text's length is no matter, and a row of n words has
    n + w - 1 places. Those after them, which come of other rows' being longer, do not count.
    """
    width = values.shape[2] - int(lengths.max()) + 1
    places = torch.arange(values.shape[2], device=values.device)
    seen = (places < (lengths[:, None] + width - 1)) & (lengths[:, None] > 0)  # (B, T + width - 1)
    return functional.relu(values).masked_fill(~seen[:, None], 0.0).amax(dim=2)
