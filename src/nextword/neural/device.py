"""Where to compute and in which precision, measured rather than guessed."""

import subprocess
import sys
import time
from collections.abc import Callable
from functools import cache

import torch

from nextword.errors import UsageError

DEVICES = ("auto", "cpu", "cuda", "mps")
PRECISIONS = {"auto": None, "float32": torch.float32, "bfloat16": torch.bfloat16}
_ADVANTAGE = 1.2  # bfloat16 products must be that much faster to be worth their rounding
_TRIAL = (256, 256, 2048)  # tokens, hidden units, ids of the product that is timed
_PROBE_SECONDS = 120


def choose_device(name: str = "auto") -> torch.device:
    """The device of that name; auto: CUDA, else MPS, else the CPU. Raises UsageError if it is not there."""
    if name.partition(":")[0] not in DEVICES:
        raise UsageError(f"device {name!r}: expected one of {', '.join(DEVICES)}")
    there = {"cuda": torch.cuda.is_available(), "mps": torch.backends.mps.is_available(), "cpu": True}
    if name == "auto":
        name = next(device for device, available in there.items() if available)
    kind = name.partition(":")[0]
    if not there[kind]:
        found = ", ".join(device for device, available in there.items() if available)
        raise UsageError(f"device {name!r} is not available here; available: {found}")
    return torch.device(name)


def choose_precision(name: str = "auto", device: torch.device | None = None) -> torch.dtype:
    """The type for products in training; auto: bfloat16 where it works and is faster, else float32."""
    if name not in PRECISIONS:
        raise UsageError(f"precision {name!r}: expected one of {', '.join(PRECISIONS)}")
    chosen = PRECISIONS[name]
    return chosen or (torch.bfloat16 if _bfloat16_pays(device or torch.device("cpu")) else torch.float32)


def set_threads(threads: int | None) -> None:
    """Use so many cores for PyTorch's work on the CPU; None leaves its own choice."""
    if threads is not None:
        torch.set_num_threads(threads)


def bfloat16_works() -> bool:
    """Whether bfloat16 products and LSTMs run at all on this CPU, asked of another process: on some it crashes."""
    program = (
        "import torch; x = torch.ones(8, 64, 32, requires_grad=True)\n"
        "with torch.autocast('cpu', torch.bfloat16):\n"
        "    y = torch.nn.LSTM(32, 32, 2)(x)[0] @ torch.ones(32, 64)\n"
        "y.float().sum().backward(); assert torch.isfinite(x.grad).all()"
    )
    try:
        done = subprocess.run([sys.executable, "-c", program], capture_output=True, timeout=_PROBE_SECONDS, check=False)
    except (OSError, subprocess.TimeoutExpired):
        return False
    return done.returncode == 0


@cache
def _bfloat16_pays(device: torch.device) -> bool:
    if device.type == "cuda":
        return bool(torch.cuda.is_bf16_supported(including_emulation=False))
    if device.type != "cpu":
        return False
    fast = _has_bfloat16_instructions() and _seconds(torch.float32) > _ADVANTAGE * _seconds(torch.bfloat16)
    return fast and bfloat16_works()


def _has_bfloat16_instructions() -> bool:
    """Elsewhere bfloat16 is emulated: slow, and the first product alone may take seconds."""
    names = ("_is_avx512_bf16_supported", "_is_amx_tile_supported", "_is_arm_sve_supported")
    return any(getattr(torch.cpu, name, lambda: False)() for name in names)


def _seconds(dtype: torch.dtype) -> float:
    """Of one product of matrices, the fastest of a few."""
    tokens, width, ids = _TRIAL
    hidden, weight = torch.ones(tokens, width, dtype=dtype), torch.ones(ids, width, dtype=dtype)
    return min(_timed(lambda: torch.mm(weight, hidden.T)) for _ in range(20))


def _timed(work: Callable[[], object]) -> float:
    begin = time.perf_counter()
    work()
    return time.perf_counter() - begin
