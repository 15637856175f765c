"""A linear-chain conditional random field over a network's scores (Lafferty et al. 2001; Lample et al. 2016).

    s(x, y) = start[y_1] + Σ_t scores[t, y_t] + Σ_t transitions[y_{t-1}, y_t] + end[y_T]
    log p(y | x) = s(x, y) − log Σ_y' exp s(x, y')

The sum over all K^T sequences is the forward algorithm's, the best sequence Viterbi's, both in O(T K²) steps.
B sentences, T tokens, K tags. What is beyond a sentence's length changes nothing. Lengths are 1 or more.
"""

from typing import TypeAlias

import numpy as np
import torch
from torch import Tensor, nn

from nextword.types import Array

_FORBIDDEN = -1e4  # finite, so that no gradient is 0 · ∞; e to this power is 0 in float32 and float64


# What may stand at the start, (K,), after what, (K, K) from row to column, and at the end, (K,): bool.
Allowed: TypeAlias = tuple[Array, Array, Array]


class Crf(nn.Module):
    """The transitions of K tags. transitions: (K, K), from row to column; starts, ends: (K,)."""

    barred_starts: Tensor
    barred_transitions: Tensor
    barred_ends: Tensor

    def __init__(self, tags: int, *, allowed: Allowed | None = None):
        """allowed: other sequences have probability 0."""
        super().__init__()
        self.transitions = nn.Parameter(torch.empty(tags, tags).uniform_(-0.1, 0.1))
        self.starts = nn.Parameter(torch.empty(tags).uniform_(-0.1, 0.1))
        self.ends = nn.Parameter(torch.empty(tags).uniform_(-0.1, 0.1))
        every = tuple(np.ones(shape, dtype=bool) for shape in ((tags,), (tags, tags), (tags,)))
        for name, table in zip(("starts", "transitions", "ends"), allowed or every, strict=True):
            barred = torch.from_numpy(np.where(table, 0.0, _FORBIDDEN).astype(np.float32))
            self.register_buffer(f"barred_{name}", barred, persistent=False)

    def _parts(self) -> tuple[Tensor, Tensor, Tensor]:
        """Starts, transitions and ends, what is not allowed made impossible."""
        return (
            self.starts + self.barred_starts,
            self.transitions + self.barred_transitions,
            self.ends + self.barred_ends,
        )

    def forward(self, scores: Tensor, lengths: Tensor) -> Tensor:
        """Log of the sum over all tag sequences, (B,), of scores (B, T, K) and lengths (B,): the forward algorithm."""
        starts, transitions, ends = self._parts()
        reached = starts + scores[:, 0]  # (B, K): log of the sum over the sequences so far that end with each tag
        for t in range(1, scores.shape[1]):
            after = (reached[:, :, None] + transitions).logsumexp(dim=1) + scores[:, t]
            reached = torch.where((t < lengths)[:, None], after, reached)
        return (reached + ends).logsumexp(dim=1)

    def score(self, scores: Tensor, tags: Tensor, lengths: Tensor) -> Tensor:
        """s(x, y) of one sequence of each sentence, (B,). tags: (B, T) int64, anything beyond the lengths."""
        starts, transitions, ends = self._parts()
        steps = torch.arange(scores.shape[1], device=scores.device)
        inside = steps < lengths[:, None]  # (B, T)
        tags = tags.where(inside, torch.zeros_like(tags))
        emitted = scores.gather(2, tags[:, :, None])[:, :, 0].where(inside, scores.new_zeros(()))
        moved = transitions[tags[:, :-1], tags[:, 1:]].where(inside[:, 1:], scores.new_zeros(()))
        last = tags.gather(1, lengths[:, None] - 1)[:, 0]
        return starts[tags[:, 0]] + emitted.sum(dim=1) + moved.sum(dim=1) + ends[last]

    def loss(self, scores: Tensor, tags: Tensor, lengths: Tensor) -> Tensor:
        """The sum of −log p of the given sequences, nats, a scalar."""
        difference: Tensor = self(scores, lengths) - self.score(scores, tags, lengths)
        return difference.sum()

    def marginals(self, scores: Tensor, lengths: Tensor) -> Tensor:
        """The probability of each tag at each token, (B, T, K); 0 beyond the lengths.

        It is the gradient of the log of the sum over all sequences, so no backward algorithm is written.
        """
        with torch.enable_grad():
            given = scores.detach().requires_grad_()
            return torch.autograd.grad(self(given, lengths).sum(), given)[0]

    @torch.no_grad()
    def best(self, scores: Tensor, lengths: Tensor) -> Tensor:
        """The likeliest sequence of each sentence, (B, T) int64, -1 beyond its length (Viterbi 1967)."""
        starts, transitions, ends = self._parts()
        reached, stay = starts + scores[:, 0], torch.arange(scores.shape[2], device=scores.device)
        pointers = []  # of (B, K): the tag before, on the best way to each tag
        for t in range(1, scores.shape[1]):
            after, before = (reached[:, :, None] + transitions).max(dim=1)
            within = (t < lengths)[:, None]
            reached = torch.where(within, after + scores[:, t], reached)
            pointers.append(torch.where(within, before, stay))  # beyond the end a tag stays what it is
        tag = (reached + ends).argmax(dim=1)
        found = [tag]
        for before in reversed(pointers):
            tag = before.gather(1, tag[:, None])[:, 0]
            found.append(tag)
        steps = torch.arange(scores.shape[1], device=scores.device)
        return torch.stack(found[::-1], dim=1).masked_fill(steps >= lengths[:, None], -1)
