"""Neural language models. Everything here but ``settings`` and ``schedules`` imports PyTorch, an extra."""

from importlib.util import find_spec

from nextword.errors import UsageError


def require_torch() -> None:
    """Raise UsageError, which says what to install, if there is no PyTorch; called before neural modules are imported."""
    if find_spec("torch") is None:
        raise UsageError("this needs PyTorch; install it with: pip install 'nextword[neural]'")
