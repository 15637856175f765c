"""One thread for all neural tests: networks this small lose by more, and other tests run beside them."""

import pytest


@pytest.fixture(autouse=True, scope="session")
def one_thread():
    torch = pytest.importorskip("torch")
    torch.set_num_threads(1)
