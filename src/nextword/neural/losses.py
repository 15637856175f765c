"""Output layers: hidden states to probabilities, and to the cross-entropy without an array of N x V log-probabilities.

With V = 33,000 nearly all time of a step goes here, and most of it into passes over N x V numbers, so there is one:
logits come from one product, shifted already, and are replaced by their exponentials in place while they are in the
cache; the sums give the normalisers Z. Both gradients of the cross-entropy are then products of the exponentials with
matrices of N x H numbers, which carry the division by Z; what belongs to the targets alone is added row by row.
N tokens, H hidden units, V ids.
"""

from typing import Any

import torch
from torch import Tensor, nn

from nextword.errors import UsageError
from nextword.neural.packed import PackedLinear

_BYTES = 1 << 29  # of exponentials held at once: more tokens than that allows are taken in turns
_CHUNK = 1 << 21  # exponentials computed together, which should stay in the cache
_FREQUENT = 1024  # the first ids, the most frequent: their largest logit is a safe shift for all


class Output(nn.Module):
    """The last layer of a network. precision: the type of the operands of the products in ``loss``.

    With ``in_place``, ``loss.backward()`` adds to the parameters' ``grad`` itself instead of handing autograd arrays as
    large as the parameters; ``torch.autograd.grad`` does not see them then.
    """

    precision: torch.dtype | None = None  # None: that of the parameters
    in_place = False

    def loss(self, hidden: Tensor, targets: Tensor) -> Tensor:
        """Sum of -log p(target), nats, a scalar; hidden: (N, H), targets: (N,) int64, where -1 counts nothing."""
        raise NotImplementedError

    def token_log_probs(self, hidden: Tensor, targets: Tensor) -> Tensor:
        """Log-probability of each target, (N,) nats, 0 where it is -1. For measuring: it has no gradient."""
        raise NotImplementedError

    def log_probs(self, hidden: Tensor) -> Tensor:
        """Log-probability of every id, (N, V) nats; -inf for the excluded one."""
        raise NotImplementedError

    def prepare(self, precision: torch.dtype | None, *, in_place: bool) -> None:
        """Set how ``loss`` computes, for training."""
        self.precision, self.in_place = precision, in_place


class Softmax(Output):
    """p = softmax(W h + b), the ``excluded`` id left out. tied: W is that parameter, (V, H), shared with embeddings."""

    def __init__(
        self,
        hidden_size: int,
        vocab_size: int,
        *,
        bias: bool = True,
        excluded: int | None = None,
        tied: nn.Parameter | None = None,
    ):
        super().__init__()
        if tied is not None and tied.shape != (vocab_size, hidden_size):
            raise UsageError(
                f"tied embeddings have shape {tuple(tied.shape)}, but the output layer needs ({vocab_size}, "
                f"{hidden_size}): make the last layer as wide as the embeddings"
            )
        self.weight = nn.Parameter(torch.empty(vocab_size, hidden_size)) if tied is None else tied
        if tied is None:
            nn.init.uniform_(self.weight, -(hidden_size**-0.5), hidden_size**-0.5)
        self.bias = nn.Parameter(torch.zeros(vocab_size)) if bias else None
        self.excluded = excluded
        self.latest: Exponentials | None = None
        self._held: dict[str, Tensor] = {}
        self._product = PackedLinear()

    def loss(self, hidden: Tensor, targets: Tensor) -> Tensor:
        """The sum of -log p of the targets; see ``Output``."""
        real = targets >= 0
        if not bool(real.all()):
            hidden, targets = hidden[real], targets[real]
        loss: Tensor = _CrossEntropy.apply(hidden, self.weight, self.bias, targets, self)  # type: ignore[no-untyped-call]
        return loss

    @torch.no_grad()
    def token_log_probs(self, hidden: Tensor, targets: Tensor) -> Tensor:
        """Log-probability of each target; see ``Output``."""
        found = torch.zeros(len(targets), dtype=self.weight.dtype, device=hidden.device)
        real = targets >= 0
        blocks = self.blocks(hidden[real], targets[real], hidden.dtype)
        found[real] = -torch.cat([Exponentials(self, h, h.dtype).losses(t) for h, t in blocks] or [found[:0]])
        return found

    def blocks(self, hidden: Tensor, targets: Tensor, dtype: torch.dtype) -> list[tuple[Tensor, Tensor]]:
        """As many tokens at a time as memory is set aside for."""
        parts = -(-len(targets) * len(self.weight) * dtype.itemsize // _BYTES)
        return [(h, t) for h, t in zip(hidden.chunk(parts), targets.chunk(parts), strict=True)] if parts else []

    def log_probs(self, hidden: Tensor) -> Tensor:
        """Log-probability of every id; see ``Output``."""
        logits = self._product(hidden.to(self.weight.dtype), self.weight, self.bias)
        if self.excluded is not None:
            logits[:, self.excluded] = -torch.inf
        if logits.requires_grad:
            return torch.log_softmax(logits, dim=1)
        return torch.log_softmax(logits, dim=1, out=logits)  # in place: the system takes long to find as much again

    def workspace(self, name: str, shape: tuple[int, ...], dtype: torch.dtype) -> Tensor:
        """Memory that is kept from step to step: the system takes long to find so much anew."""
        device, size = self.weight.device, int(torch.Size(shape).numel())
        held = self._held.get(name)
        if held is None or held.dtype != dtype or held.device != device or held.numel() < size:
            held = self._held[name] = torch.empty(size, dtype=dtype, device=device)
        return held[:size].view(shape)

    def __getstate__(self) -> dict[str, Any]:
        """For copies, which have memory of their own."""
        return {**self.__dict__, "_held": {}, "latest": None}


class Exponentials:
    """exp(W h + b - shift) of all ids and N tokens, (V, N), in one pass, and the sums Z over the ids, (N,).

    Bias and shift ride on the product as three more columns (the bias in two, so that bfloat16 keeps its digits):
    numbers are rounded when they have been shifted, so that likely tokens, whose logits are then near 0, are precise.
    The arrays are the layer's workspaces, good until another block of tokens is computed.
    """

    def __init__(self, layer: Softmax, hidden: Tensor, dtype: torch.dtype):
        self.layer, self.dtype = layer, dtype
        self.chunk = max(_CHUNK // len(hidden), 1)
        self.weight = self._weight()  # (V, H + 3)
        self.hidden = torch.cat([hidden.detach().to(dtype), hidden.new_ones((len(hidden), 3), dtype=dtype)], dim=1)
        self._compute(self._logits(0, _FREQUENT).amax(dim=0))
        if not torch.isfinite(self.sums).all():  # a rare id's logit is that much larger than any frequent one's
            chunks = range(0, len(self.weight), self.chunk)
            self._compute(
                torch.stack([self._logits(begin, begin + self.chunk).amax(dim=0) for begin in chunks]).amax(dim=0)
            )
        layer.latest = self

    def losses(self, targets: Tensor) -> Tensor:
        """-log p of each target, (N,)."""
        exact = self.sums.dtype
        shifted = (self.hidden.to(exact) * self.weight[targets].to(exact)).sum(dim=1)
        found = torch.log(self.sums) - shifted
        return found if self.layer.excluded is None else found.masked_fill(targets == self.layer.excluded, torch.inf)

    def _weight(self) -> Tensor:
        weight, bias = self.layer.weight.detach(), self.layer.bias
        size, width = weight.shape
        full = self.layer.workspace("weight", (size, width + 3), self.dtype)
        full[:, :width] = weight
        full[:, width:-1] = 0.0
        full[:, -1] = 1.0
        if bias is not None:
            full[:, width] = bias.detach()
            full[:, width + 1] = bias.detach() - full[:, width].to(bias.dtype)
        return full

    def _compute(self, shift: Tensor) -> None:
        self.hidden[:, -1] = -shift
        size, tokens = len(self.weight), len(self.hidden)
        self.values = self.layer.workspace("exponentials", (size, tokens), self.dtype)
        self.sums = torch.zeros(tokens, dtype=torch.promote_types(self.dtype, torch.float32), device=shift.device)
        for begin in range(0, size, self.chunk):
            end = begin + self.chunk
            chunk = self._product(begin, end, self.values[begin:end]).exp_()
            self.sums += chunk.sum(dim=0, dtype=self.sums.dtype)

    def _logits(self, begin: int, end: int) -> Tensor:
        """Without a shift, (ids, N)."""
        self.hidden[:, -1] = 0.0
        return self._product(begin, end)

    def _product(self, begin: int, end: int, out: Tensor | None = None) -> Tensor:
        found = torch.mm(self.weight[begin:end], self.hidden.T, out=out)
        excluded = self.layer.excluded
        if excluded is not None and begin <= excluded < end:
            found[excluded - begin] = -torch.inf
        return found


class _CrossEntropy(torch.autograd.Function):
    """The sum of the cross-entropies of N tokens; its gradients are (p - 1[target]) W and (p - 1[target])' h."""

    @staticmethod
    def forward(
        ctx: Any, hidden: Tensor, weight: Tensor, bias: Tensor | None, targets: Tensor, layer: Softmax
    ) -> Tensor:
        dtype = layer.precision or weight.dtype
        ctx.layer, ctx.dtype, ctx.hidden_dtype = layer, dtype, hidden.dtype
        ctx.blocks = [(Exponentials(layer, h, dtype), h.detach(), t) for h, t in layer.blocks(hidden, targets, dtype)]
        losses = [found.losses(t).sum() for found, _, t in ctx.blocks]
        return torch.stack(losses).sum() if losses else hidden.new_zeros((), dtype=weight.dtype)

    @staticmethod
    def backward(ctx: Any, *outer: Tensor) -> tuple[Tensor | None, ...]:
        layer = ctx.layer
        weight_grad = _place(layer.weight, layer.in_place)
        bias_grad = None if layer.bias is None else _place(layer.bias, layer.in_place)
        hidden_grads = []
        for found, hidden, targets in reversed(ctx.blocks):
            if found is not layer.latest:  # another block has taken its memory since
                found = Exponentials(layer, hidden, ctx.dtype)
            hidden_grads.append(_add_gradients(found, targets, outer[0], weight_grad, bias_grad))
        hidden_grad = torch.cat(hidden_grads[::-1]).to(ctx.hidden_dtype) if hidden_grads else None
        return hidden_grad, *((None, None) if layer.in_place else (weight_grad, bias_grad)), None, None


def _place(parameter: Tensor, in_place: bool) -> Tensor:
    """Where a parameter's gradient is added up."""
    if not in_place:
        return torch.zeros_like(parameter)
    if parameter.grad is None:
        parameter.grad = torch.zeros_like(parameter)
    return parameter.grad


def _add_gradients(
    found: Exponentials, targets: Tensor, outer: Tensor, weight_grad: Tensor, bias_grad: Tensor | None
) -> Tensor:
    """Add a block's gradients to those of the parameters; returns that of its hidden states, (N, H)."""
    width, exact = weight_grad.shape[1], found.sums.dtype
    share = (outer / found.sums)[:, None]  # (N, 1)
    hidden_grad = torch.mm(found.values.T, found.weight)[:, :width].to(exact) * share
    hidden_grad -= outer * found.weight[targets, :width].to(exact)
    scaled = (found.hidden[:, : width + 1].to(exact) * share).to(found.dtype)  # (N, H + 1): the last is the bias's
    for begin in range(0, len(found.weight), found.chunk):
        ids = slice(begin, begin + found.chunk)
        product = torch.mm(found.values[ids], scaled)
        weight_grad[ids] += product[:, :width]
        if bias_grad is not None:
            bias_grad[ids] += product[:, width]
    weight_grad.index_add_(0, targets, found.hidden[:, :width].to(weight_grad.dtype), alpha=-outer.item())
    if bias_grad is not None:
        bias_grad.index_add_(0, targets, (-outer).to(bias_grad.dtype).expand(len(targets)))
    return hidden_grad
