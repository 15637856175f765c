"""One thread for all neural tests: networks this small lose by more, and other tests run beside them."""

import re
from importlib.util import find_spec
from pathlib import Path

import pytest

HAS_TORCH = find_spec("torch") is not None
_IMPORTS_TORCH = re.compile(r"^(import|from) torch\b", re.MULTILINE)

# Files that import PyTorch at their top cannot be read without it; those that do so in a test skip by themselves.
collect_ignore = [
    file.name
    for file in Path(__file__).parent.glob("test_*.py")
    if not HAS_TORCH and _IMPORTS_TORCH.search(file.read_text(encoding="utf-8"))
]


@pytest.fixture(autouse=True, scope="session")
def one_thread():
    if HAS_TORCH:
        import torch

        torch.set_num_threads(1)
