"""What the tasks take from other libraries, an extra: scikit-learn, sacrebleu, jiwer, RapidFuzz."""

from importlib.util import find_spec

from nextword.errors import UsageError


def require_tasks() -> None:
    """Raise UsageError, which says what to install, without the libraries that tasks need."""
    missing = [name for name in ("sklearn", "sacrebleu", "jiwer", "rapidfuzz") if find_spec(name) is None]
    if missing:
        raise UsageError(f"this needs {', '.join(missing)}; install it with: pip install 'nextword[tasks]'")
