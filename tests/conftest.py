"""What all tests share: hypothesis without chance or deadlines, and the data that lies beside the project."""

import os
from pathlib import Path

import pytest
from hypothesis import settings

ROOT = Path(__file__).resolve().parent.parent

settings.register_profile("nextword", derandomize=True, deadline=None)  # the same examples everywhere, compiler or not
settings.load_profile("nextword")


def pytest_configure():
    """Drop compiled kernels older than the source: Numba notices a change in their own file, not in one they inline."""
    sources = [file.stat().st_mtime for file in (ROOT / "src").rglob("*.py")]
    compiled = list((ROOT / "src").rglob("*.nb[ci]"))
    if compiled and max(sources) > min(file.stat().st_mtime for file in compiled):
        for file in compiled:
            file.unlink(missing_ok=True)


def shared(path: str) -> Path:
    """A path in the shared data (NEXTWORD_SHARED, or ``shared`` beside the project); skips where it is absent."""
    found = Path(os.environ.get("NEXTWORD_SHARED", ROOT.parent / "shared")) / path
    if not found.exists():
        pytest.skip(f"{found} is absent; set NEXTWORD_SHARED to the folder that has {path}")
    return found


@pytest.fixture(name="shared")
def shared_fixture():
    """``shared`` for tests that would rather not import it."""
    return shared
