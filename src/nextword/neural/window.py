"""The fixed-window model (Bengio et al. 2003, eq. 1): the last n - 1 words, side by side, through one hidden layer.

    x = [e(w_{t-n+1}); …; e(w_{t-1})]        concatenated embeddings, (n - 1) D
    h = f(W x + b1)
    p = softmax(U h + D x + b2)              D x only with direct connections

Direct connections ride in one product: U h + D x = [U D] [h; x], so the hidden state is [h; x].
"""

from dataclasses import dataclass
from typing import ClassVar

import torch
from torch import Tensor, nn

from nextword.errors import UsageError
from nextword.neural.architecture import check_choice, check_counts, check_cutoffs, check_shares, output_layer
from nextword.neural.layers import ACTIVATIONS, Embedding
from nextword.neural.network import Network, State


@dataclass(frozen=True)
class WindowSettings:
    """order: n, the predicted word counted. direct: connections from the embeddings straight to the output.

    dropout: of the concatenated embeddings and of the hidden layer. adaptive: cutoffs of an adaptive softmax.
    Raises UsageError for what is out of range.
    """

    order: int = 5
    embedding_size: int = 64
    hidden_size: int = 128
    activation: str = "tanh"
    direct: bool = False
    dropout: float = 0.0
    adaptive: tuple[int, ...] = ()

    def __post_init__(self) -> None:
        check_counts(self, 2, "order")
        check_counts(self, 1, "embedding_size", "hidden_size")
        check_choice(self, "activation", ACTIVATIONS)
        check_shares(self, "dropout")
        check_cutoffs(self)


class WindowNetwork(Network):
    """State: the last n - 1 ids, (B, n - 1) int64, ``<s>`` before there are so many."""

    kind: ClassVar[str] = "window"
    settings_class: ClassVar[type] = WindowSettings
    settings: WindowSettings

    def __init__(self, settings: WindowSettings, vocab_size: int, *, excluded: int | None = None):
        """excluded: the id of ``<s>``; UsageError if there is none, as it fills the windows of the first words."""
        super().__init__(settings, vocab_size, excluded=excluded)
        if excluded is None:
            raise UsageError("a window model fills its first windows with <s>, which this vocabulary lacks; add it")
        self.context_length = settings.order - 1
        width = self.context_length * settings.embedding_size
        self.embedding = Embedding(vocab_size, settings.embedding_size)
        self.hidden = nn.Linear(width, settings.hidden_size)
        self.dropout = nn.Dropout(settings.dropout)
        self.activation = ACTIVATIONS[settings.activation]
        hidden_size = settings.hidden_size + (width if settings.direct else 0)
        self.output = output_layer(hidden_size, vocab_size, excluded=excluded, adaptive=settings.adaptive)

    def initial_state(self, batch: int) -> State:
        """As ``Network`` says."""
        padding = self.excluded
        assert padding is not None  # __init__ has seen to it; this tells mypy
        width = self.settings.order - 1
        return (torch.full((batch, width), padding, dtype=torch.int64, device=self.embedding.weight.device),)

    def forward(self, tokens: Tensor, state: State, lengths: Tensor | None = None) -> tuple[Tensor, State]:
        """As ``Network`` says."""
        history = torch.cat([state[0], tokens], dim=1)  # (B, n - 1 + T)
        inputs = self.dropout(self._windows(history[:, 1:]))
        hidden = self.dropout(self.activation(self.hidden(inputs)))
        if self.settings.direct:
            hidden = torch.cat([hidden, inputs], dim=2)
        return hidden, (self._last(history, tokens.shape[1], lengths),)

    def _windows(self, history: Tensor) -> Tensor:
        """Each id is looked up once, though it is in n - 1 windows: (B, n - 2 + T) ids to (B, T, (n - 1) D)."""
        embedded: Tensor = self.embedding(history)
        return embedded.unfold(1, self.settings.order - 1, 1).transpose(2, 3).flatten(2)

    def _last(self, history: Tensor, time: int, lengths: Tensor | None) -> Tensor:
        if lengths is None:
            return history[:, time:]
        offsets = torch.arange(self.settings.order - 1, device=history.device)
        return history.gather(1, lengths.to(history.device)[:, None] + offsets)
