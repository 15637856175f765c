"""One update of the weights: clipping, the optimiser's step, the moving average."""

from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

import torch
from torch import Tensor, nn

from nextword.errors import UsageError
from nextword.neural.layers import Embedding
from nextword.neural.losses import Output
from nextword.neural.training_settings import TrainingSettings


class Optimizer:
    """SGD, Adam, AdamW or Muon over a network's parameters, with clipping and weight decay.

    Muon (Jordan et al. 2024) makes each update of a matrix inside the network orthogonal, at ``matrix_lr``; AdamW
    updates the rest. Biases, gains and embeddings do not decay. Where PyTorch has a fused update (CPU, CUDA, MPS),
    clipping rides on it, and an update whose gradients are not finite is left out without waiting for their norm.
    """

    def __init__(self, network: nn.Module, settings: TrainingSettings):
        self.parameters = [parameter for parameter in network.parameters() if parameter.requires_grad]
        self.clip = settings.clip
        kept = _outer(network)
        # these layers add to their gradients in place, so theirs keep their memory from step to step
        self._zeroed = [parameter for parameter in self.parameters if id(parameter) in kept]
        self._dropped = [parameter for parameter in self.parameters if id(parameter) not in kept]
        groups = _groups(network, settings.weight_decay)
        self._matrices = _take_matrices(groups, kept) if settings.optimizer == "muon" else []
        self._muon = _make_muon(self._matrices, settings) if self._matrices else None
        self._ratio = settings.matrix_lr / settings.lr
        try:
            self._inner, self._fused = _make(groups, settings, fused=True), True
        except RuntimeError:  # no fused update on this device
            self._inner, self._fused = _make(groups, settings, fused=False), False

    def zero_gradients(self) -> None:
        """Forget the gradients of the last step."""
        for parameter in self._dropped:
            parameter.grad = None
        for parameter in self._zeroed:
            if parameter.grad is not None:
                parameter.grad.zero_()

    @torch.no_grad()
    def step(self, rate: float) -> Tensor:
        """Update the weights at a learning rate; returns the gradients' norm before clipping, a scalar."""
        gradients = [parameter.grad for parameter in self.parameters if parameter.grad is not None]
        norms = [torch.linalg.vector_norm(gradient) for gradient in gradients]
        norm: Tensor = torch.linalg.vector_norm(torch.stack(norms))
        for group in self._inner.param_groups:
            group["lr"] = rate
        excess = torch.ones_like(norm) if self.clip is None else (norm / self.clip).clamp(min=1.0)
        if self._fused:
            inner: Any = self._inner  # the two attributes are how GradScaler tells a fused update the same
            inner.grad_scale, inner.found_inf = excess.float(), (~torch.isfinite(norm)).float()
        elif self.clip is not None:
            for gradient in gradients:
                gradient.div_(excess)
        self._inner.step()
        if self._muon is not None and bool(torch.isfinite(norm)):  # as a fused update is left out otherwise
            for group in self._muon.param_groups:
                group["lr"] = rate * self._ratio
            for matrix in self._matrices if self._fused else ():
                if matrix.grad is not None:
                    matrix.grad.div_(excess)
            self._muon.step()
        return norm

    def tensors(self) -> dict[str, Tensor]:
        """The optimiser's own arrays, by parameter and name."""
        return {
            f"{part}.{i}.{name}": value
            for part, inner in self._parts().items()
            for i, held in inner.state_dict()["state"].items()
            for name, value in held.items()
            if value is not None
        }

    def restore(self, tensors: dict[str, Tensor]) -> None:
        """Take up the arrays that ``tensors`` gave."""
        for part, inner in self._parts().items():
            state: dict[int, dict[str, Tensor]] = {}
            for key, value in tensors.items():
                owner, index, name = key.split(".", 2)
                if owner == part:
                    state.setdefault(int(index), {})[name] = value
            inner.load_state_dict({"state": state, "param_groups": inner.state_dict()["param_groups"]})

    def _parts(self) -> dict[str, torch.optim.Optimizer]:
        return {"main": self._inner} | ({} if self._muon is None else {"muon": self._muon})


class Average:
    """An exponential moving average of parameters; early on it follows them more closely."""

    def __init__(self, parameters: list[nn.Parameter], decay: float):
        self._parameters, self._decay = parameters, decay
        self.values = [parameter.detach().clone() for parameter in parameters] if decay else []

    @torch.no_grad()
    def update(self, step: int) -> None:
        """Take in the parameters after a step, counted from 1."""
        decay = min(self._decay, (1 + step) / (10 + step))
        for value, parameter in zip(self.values, self._parameters, strict=False):
            value.lerp_(parameter, 1 - decay)

    @contextmanager
    @torch.no_grad()
    def in_place(self) -> Iterator[None]:
        """Parameters are their averages for a while; if there is no averaging, they stay what they are."""
        pairs = list(zip(self._parameters, self.values, strict=False))
        before = [parameter.detach().clone() for parameter, _ in pairs]
        try:
            for parameter, value in pairs:
                parameter.copy_(value)
            yield
        finally:
            with torch.no_grad():
                for (parameter, _), value in zip(pairs, before, strict=True):
                    parameter.copy_(value)

    @torch.no_grad()
    def keep(self) -> None:
        """Put the averages in place of the parameters for good."""
        for parameter, value in zip(self._parameters, self.values, strict=False):
            parameter.copy_(value)


def _outer(network: nn.Module) -> set[int]:
    """The parameters of the embeddings and of the output layer, by identity."""
    layers = [layer for layer in network.modules() if isinstance(layer, Embedding | Output)]
    return {id(parameter) for layer in layers for parameter in layer.parameters()}


def _take_matrices(groups: list[dict[str, Any]], outer: set[int]) -> list[nn.Parameter]:
    """Take what Muon is for out of the groups: matrices that are neither embeddings nor output vectors."""
    found = []
    for group in groups:
        found += [p for p in group["params"] if p.ndim == 2 and id(p) not in outer]
        group["params"] = [p for p in group["params"] if p.ndim != 2 or id(p) in outer]
    return found


def _make_muon(matrices: list[nn.Parameter], settings: TrainingSettings) -> torch.optim.Optimizer:
    if not hasattr(torch.optim, "Muon"):
        raise UsageError(f"PyTorch {torch.__version__} has no Muon; install 2.9 or newer, or train with adamw")
    return torch.optim.Muon(matrices, lr=settings.matrix_lr, weight_decay=settings.weight_decay)


def _groups(network: nn.Module, decay: float) -> list[dict[str, Any]]:
    """Parameters that decay and those that do not; frozen ones are neither."""
    tables = [layer for layer in network.modules() if isinstance(layer, Embedding | nn.Embedding)]
    spared = {id(parameter) for table in tables for parameter in table.parameters()}
    trained = [p for p in network.parameters() if p.requires_grad]
    decaying = [p for p in trained if p.ndim > 1 and id(p) not in spared]
    chosen = {id(parameter) for parameter in decaying}
    others = [p for p in trained if id(p) not in chosen]
    return [group for group in ({"params": decaying, "weight_decay": decay}, {"params": others, "weight_decay": 0.0})
            if group["params"]]  # fmt: skip


def _make(groups: list[dict[str, Any]], settings: TrainingSettings, *, fused: bool) -> torch.optim.Optimizer:
    kinds: dict[str, bool | None] = {"fused": fused, "foreach": None if fused else True}
    if settings.optimizer == "sgd":
        return torch.optim.SGD(groups, lr=settings.lr, momentum=settings.momentum, **kinds)  # type: ignore[arg-type]
    chosen = torch.optim.Adam if settings.optimizer == "adam" else torch.optim.AdamW
    return chosen(groups, lr=settings.lr, betas=settings.betas, **kinds)  # type: ignore[arg-type]
