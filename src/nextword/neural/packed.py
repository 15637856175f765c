"""Products with a matrix that stays the same: oneDNN lays it out for itself once, and each product is twice as fast."""

import platform
from typing import Any

import torch
from torch import Tensor
from torch.nn import functional

_LEAST = 1 << 18  # numbers in a matrix that is worth it


class PackedLinear:
    """``functional.linear`` for inference, which remembers a layout of the matrix for as long as nobody writes to it.

    The layout takes as long as some products, so it is made when the same matrix comes a second time. In inference mode
    alone, for float32 on x86 processors; in all other cases it is ``functional.linear``. A write that PyTorch does not
    count (through ``.data`` or NumPy) is not noticed.
    """

    def __init__(self) -> None:
        self._seen: tuple[int, int] | None = None
        self._layout: Tensor | None = None

    def __call__(self, inputs: Tensor, weight: Tensor, bias: Tensor | None) -> Tensor:
        """(N, H) times (V, H) transposed, plus the bias: (N, V)."""
        if not _suits(inputs, weight):
            return functional.linear(inputs, weight, bias)
        seen = weight.data_ptr(), weight._version
        if seen != self._seen:
            self._seen, self._layout = seen, None
            return functional.linear(inputs, weight, bias)
        if self._layout is None:
            self._layout = torch.ops.mkldnn._reorder_linear_weight(weight.detach(), None)
        product: Tensor = torch.ops.mkldnn._linear_pointwise(inputs, self._layout, bias, "none", [], "")
        return product

    def __getstate__(self) -> dict[str, Any]:
        """For copies, which lay out their own matrix."""
        return {"_seen": None, "_layout": None}


def _suits(inputs: Tensor, weight: Tensor) -> bool:
    return (
        torch.is_inference_mode_enabled()
        and not weight.is_inference()  # which counts no writes
        and inputs.dtype == weight.dtype == torch.float32
        and weight.device.type == "cpu"
        and weight.numel() >= _LEAST
        and platform.machine() in ("x86_64", "AMD64")
        and torch.backends.mkldnn.is_available()
    )
