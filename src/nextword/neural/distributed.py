"""Several processes that train one network together, each on its rows of every batch (data parallelism).

``torchrun`` starts them and tells each its rank by the environment. Gradients are summed over all ranks and were
divided by the token count of the whole batch, so that the model is that of one process with the same batch.
"""

import os
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from typing import NamedTuple

import torch
import torch.distributed as dist
from torch import Tensor

from nextword.errors import UsageError


class Group(NamedTuple):
    """The processes that train together, and which of them this one is; alone, every method returns at once."""

    rank: int = 0
    size: int = 1

    @property
    def first(self) -> bool:
        """Whether this process is the one that writes files and shows progress."""
        return self.rank == 0

    def check_batch(self, rows: int, accumulate: int) -> None:
        """Raise UsageError for a batch whose rows cannot be shared out evenly, or not in so many parts."""
        if rows % self.size:
            raise UsageError(f"a batch of {rows} rows cannot be shared by {self.size} processes; give a multiple")
        if accumulate * self.size > rows:
            raise UsageError(
                f"a batch of {rows} rows cannot be computed in {accumulate} parts by {self.size} process(es); give "
                f"accumulate a number up to {rows // self.size}"
            )

    def parts(self, rows: int, accumulate: int) -> list[slice]:
        """A rank's rows of a batch, in ``accumulate`` parts; some may be empty at the end of an epoch."""
        count = self.size * accumulate
        bounds = [i * rows // count for i in range(count + 1)]
        mine = range(self.rank * accumulate, (self.rank + 1) * accumulate)
        return [slice(bounds[i], bounds[i + 1]) for i in mine]

    def copy_from_first(self, tensors: Sequence[Tensor]) -> None:
        """Give every rank the first one's values."""
        if self.size > 1:
            for tensor in tensors:
                dist.broadcast(tensor.data, src=0)

    def sum_gradients(self, parameters: Sequence[torch.nn.Parameter], loss: Tensor) -> Tensor:
        """Replace each gradient by its sum over the ranks, all in one exchange; returns the sum of the losses."""
        if self.size == 1:
            return loss
        has = loss.new_tensor([parameter.grad is not None for parameter in parameters])
        gradients = [p.new_zeros(p.numel()) if p.grad is None else p.grad.reshape(-1) for p in parameters]
        flat = torch.cat([*gradients, has, loss.reshape(1)])
        dist.all_reduce(flat)
        *totals, has, losses = flat.split([*map(len, gradients), len(parameters), 1])
        for parameter, total, ranks in zip(parameters, totals, has.tolist(), strict=True):
            parameter.grad = total.view_as(parameter) if ranks else None  # none of them used it: it is not updated
        total_loss: Tensor = losses[0]
        return total_loss

    def sum(self, values: Sequence[float]) -> list[float]:
        """The sum of each number over the ranks."""
        if self.size == 1:
            return list(values)
        numbers = torch.tensor(values, dtype=torch.float64)
        dist.all_reduce(numbers)
        return [float(number) for number in numbers.tolist()]

    def agree(self, values: Sequence[float]) -> list[float]:
        """The first rank's numbers, such as what its clock says."""
        if self.size == 1:
            return list(values)
        numbers = torch.tensor(values, dtype=torch.float64)
        dist.broadcast(numbers, src=0)
        return [float(number) for number in numbers.tolist()]

    def gather(self, tensor: Tensor) -> list[Tensor]:
        """The tensors of all ranks, which have one shape, on the first rank; nothing on others."""
        if self.size == 1:
            return [tensor]
        found = [torch.empty_like(tensor) for _ in range(self.size)] if self.first else None
        dist.gather(tensor.contiguous(), found)
        return found or []


@contextmanager
def joined() -> Iterator[Group]:
    """The group that ``torchrun``'s environment tells of, or one of this process alone. Left again at the end."""
    if dist.is_available() and dist.is_initialized():  # the caller's own, which is the caller's to end
        yield Group(dist.get_rank(), dist.get_world_size())
    elif int(os.environ.get("WORLD_SIZE", "1")) > 1:
        dist.init_process_group("cpu:gloo,cuda:nccl" if torch.cuda.is_available() else "gloo")
        try:
            yield Group(dist.get_rank(), dist.get_world_size())
        finally:
            dist.destroy_process_group()
    else:
        yield Group()


def own_device(device: torch.device) -> torch.device:
    """Where there are several GPUs, the one that belongs to this process."""
    local = os.environ.get("LOCAL_RANK")
    return torch.device("cuda", int(local)) if device.type == "cuda" and device.index is None and local else device
