"""What a decoder looks at in a source: the annotations of its tokens, weighted anew for each target token.

B rows, S source tokens, T target tokens, C annotation size, Q query size.
"""

from typing import NamedTuple

import torch
from torch import Tensor, nn

ATTENTIONS = ("luong", "luong-dot", "bahdanau", "none")


class Memory(NamedTuple):
    """What the encoder leaves: annotations (B, S, C), and the vector that stands for the whole source, summary (B, C).

    keys: (B, S, A), what attention makes of annotations once for all steps. real: (B, S), false at padding.
    """

    annotations: Tensor
    keys: Tensor
    real: Tensor
    summary: Tensor

    def select(self, rows: Tensor) -> "Memory":
        """Row i of what comes back is row ``rows[i]``."""
        return Memory(*(part.index_select(0, rows) for part in self))


class Attention(nn.Module):
    """Base: ``context`` is the mean of the annotations by weights that softmax makes of ``scores``."""

    def keys(self, annotations: Tensor) -> Tensor:
        """What the annotations are compared by, (B, S, A)."""
        return annotations

    def scores(self, query: Tensor, memory: Memory) -> Tensor:
        """How well each source token fits each query: (B, T, Q) to (B, T, S)."""
        raise NotImplementedError

    def forward(self, query: Tensor, memory: Memory) -> tuple[Tensor, Tensor]:
        """Contexts (B, T, C) of queries (B, T, Q), and the weights (B, T, S), which are 0 at padding."""
        scores = self.scores(query, memory).float()
        weights = torch.softmax(scores.masked_fill(~memory.real[:, None], -torch.inf), dim=2)
        return torch.bmm(weights.to(memory.annotations.dtype), memory.annotations), weights


class Luong(Attention):
    """score = q' W a, Luong et al. (2015), eq. 8, "general"; without W it is "dot"."""

    def __init__(self, query_size: int, annotation_size: int, *, general: bool = True):
        super().__init__()
        needed = general or query_size != annotation_size  # a dot product needs vectors of one size
        self.project = nn.Linear(annotation_size, query_size, bias=False) if needed else None

    def keys(self, annotations: Tensor) -> Tensor:
        """W a, so that a step is one product."""
        return annotations if self.project is None else self.project(annotations)

    def scores(self, query: Tensor, memory: Memory) -> Tensor:
        """As ``Attention`` says."""
        return torch.bmm(query, memory.keys.to(query.dtype).transpose(1, 2))


class Bahdanau(Attention):
    """score = v' tanh(W q + U a), Bahdanau et al. (2015), appendix A.1.2."""

    def __init__(self, query_size: int, annotation_size: int, size: int):
        super().__init__()
        self.of_query = nn.Linear(query_size, size, bias=False)
        self.of_annotation = nn.Linear(annotation_size, size)
        self.score = nn.Linear(size, 1, bias=False)

    def keys(self, annotations: Tensor) -> Tensor:
        """U a and the bias."""
        keys: Tensor = self.of_annotation(annotations)
        return keys

    def scores(self, query: Tensor, memory: Memory) -> Tensor:
        """As ``Attention`` says; the (B, T, S, A) in between is small where T is 1."""
        mixed = torch.tanh(self.of_query(query)[:, :, None] + memory.keys[:, None])  # (B, T, S, A)
        found: Tensor = self.score(mixed)[..., 0]
        return found


class NoAttention(Attention):
    """The summary of the source, the same at every step: what a decoder without attention knows of it."""

    def forward(self, query: Tensor, memory: Memory) -> tuple[Tensor, Tensor]:
        """The summary as the context, and no weights, (B, T, 0)."""
        rows, steps = query.shape[:2]
        return memory.summary[:, None].expand(-1, steps, -1), query.new_zeros((rows, steps, 0))


def make_attention(name: str, query_size: int, annotation_size: int) -> Attention:
    """The attention of a name in ATTENTIONS."""
    if name == "none":
        return NoAttention()
    if name == "bahdanau":
        return Bahdanau(query_size, annotation_size, query_size)
    return Luong(query_size, annotation_size, general=name == "luong")
