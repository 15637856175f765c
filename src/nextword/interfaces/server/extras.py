"""What the server takes from other libraries, an extra: FastAPI and uvicorn."""

from importlib.util import find_spec

from nextword.errors import UsageError


def require_serve() -> None:
    """Raise UsageError, which says what to install, without the libraries that the server needs."""
    missing = [name for name in ("fastapi", "uvicorn") if find_spec(name) is None]
    if missing:
        raise UsageError(f"this needs {', '.join(missing)}; install it with: pip install 'nextword[serve]'")
