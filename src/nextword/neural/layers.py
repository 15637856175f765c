"""Layers that the families share: embeddings, and the dropouts that hold one mask through time.

Shapes: B rows, T tokens, V ids, D embedding, H hidden. A mask drops with probability p and scales what stays by
1 / (1 - p), so that nothing changes when a model is not training.
"""

from collections.abc import Callable
from typing import Any

import torch
from torch import Tensor, nn
from torch.nn import functional

ACTIVATIONS: dict[str, Callable[[Tensor], Tensor]] = {
    "tanh": torch.tanh,
    "sigmoid": torch.sigmoid,
    "relu": torch.relu,
    "gelu": functional.gelu,
}


class _LookUp(torch.autograd.Function):
    """Rows of a matrix, whose gradient is added to the rows that were read: a step does not touch the others."""

    @staticmethod
    def forward(ctx: Any, weight: Tensor, tokens: Tensor) -> Tensor:
        ctx.weight, ctx.tokens = weight, tokens
        return functional.embedding(tokens, weight)

    @staticmethod
    def backward(ctx: Any, *outer: Tensor) -> tuple[Tensor | None, ...]:
        weight, rows = ctx.weight, outer[0].flatten(0, -2)
        if weight.grad is None:
            weight.grad = torch.zeros_like(weight)
        weight.grad.index_add_(0, ctx.tokens.flatten(), rows.to(weight.dtype))
        return None, None


def look_up(weight: Tensor, tokens: Tensor, *, in_place: bool = False) -> Tensor:
    """Rows of ``weight`` (V, D) for tokens of any shape, (…, D). in_place: their gradient goes straight to ``grad``."""
    if in_place and weight.requires_grad and torch.is_grad_enabled():
        found: Tensor = _LookUp.apply(weight, tokens)  # type: ignore[no-untyped-call]
        return found
    return functional.embedding(tokens, weight)


def mask(like: Tensor, shape: tuple[int, ...], share: float) -> Tensor:
    """Zeros with probability ``share``, otherwise 1 / (1 - share), of ``like``'s type and device."""
    return like.new_empty(shape).bernoulli_(1 - share).div_(1 - share)


class VariationalDropout(nn.Module):
    """Drop the same units at every step of a sequence, other ones in each row (Gal & Ghahramani 2016, section 4)."""

    def __init__(self, share: float, *, time: int):
        """share: of units dropped, 0 to below 1. time: the dimension of time in what is given to ``forward``."""
        super().__init__()
        self.share, self.time = share, time

    def forward(self, values: Tensor) -> Tensor:
        """(T, B, D) or (B, T, D), as ``time`` says; the same shape comes back."""
        if not self.training or self.share == 0:
            return values
        shape = list(values.shape)
        shape[self.time] = 1
        return values * mask(values, tuple(shape), self.share)

    def extra_repr(self) -> str:
        """What ``print`` shows."""
        return f"{self.share}, time={self.time}"


class Embedding(nn.Module):
    """A vector for each id, (V, D). dropout: the share of words, not places, that lose theirs in a forward pass.

    A dropped word is absent wherever it occurs in the batch (Gal & Ghahramani 2016, section 4.2; Merity et al. 2017,
    section 4.3), which costs one number per id and not a copy of the matrix. in_place: as in ``look_up``.
    """

    in_place = False

    def __init__(self, vocab_size: int, size: int, *, dropout: float = 0.0):
        super().__init__()
        self.weight = nn.Parameter(torch.empty(vocab_size, size))
        self.dropout = dropout
        nn.init.uniform_(self.weight, -0.1, 0.1)

    def forward(self, tokens: Tensor) -> Tensor:
        """Vectors of tokens of any shape, (…, D)."""
        found = look_up(self.weight, tokens, in_place=self.in_place)
        if not self.training or self.dropout == 0:
            return found
        kept = mask(self.weight, (len(self.weight),), self.dropout)
        return found * kept[tokens].unsqueeze(-1)

    def extra_repr(self) -> str:
        """What ``print`` shows."""
        return f"{len(self.weight)}, {self.weight.shape[1]}, dropout={self.dropout}"


def drop_weights(weight: Tensor, share: float, *, training: bool) -> Tensor:
    """A matrix with some of its entries dropped for a whole sequence (DropConnect: Wan et al. 2013)."""
    return functional.dropout(weight, share, training) if training and share else weight
