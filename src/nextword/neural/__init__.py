"""Neural language models. Everything here but ``training_settings`` and ``schedules`` imports PyTorch, an extra."""

from importlib.util import find_spec

from nextword.errors import UsageError


def require_torch() -> None:
    """Raise UsageError, which says what to install, without PyTorch; called before neural modules are imported."""
    if find_spec("torch") is None:
        raise UsageError("this needs PyTorch; install it with: pip install 'nextword[neural]'")


def require_transformers() -> None:
    """Raise UsageError, which says what to install, unless pretrained models can be opened."""
    if any(find_spec(name) is None for name in ("torch", "transformers", "gguf", "accelerate")):
        raise UsageError("this needs transformers; install it with: pip install 'nextword[pretrained]'")
