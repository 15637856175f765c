"""Do all nodes see the same files, and run the same version? Asked before the work begins."""

import os
import secrets
from collections.abc import Sequence
from pathlib import Path
from typing import Any

from nextword import __version__
from nextword.errors import ClusterError, StoreError
from nextword.types import Json

_PATIENCE = 120  # seconds for every node to answer
_MOST = 200  # files of which sizes are compared


def check_nodes(nodes: Sequence[Json], inputs: Sequence[str], out: Path) -> None:
    """Raise ClusterError unless every node has this version, sees ``inputs`` and can write where ``out`` is."""
    import ray
    from ray.util.scheduling_strategies import NodeAffinitySchedulingStrategy

    token = secrets.token_hex(8)
    some = list(inputs[:: -(-len(inputs) // _MOST)]) if inputs else []
    files = {path: Path(path).stat().st_size for path in some}
    file = out / f".nextword-{token}.tmp"
    try:
        file.write_text(token)
        ask: Any = ray.remote(num_cpus=0, max_retries=0)(look)
        asked = {
            node["NodeManagerAddress"] + " " + node["NodeID"][:8]: ask.options(
                scheduling_strategy=NodeAffinitySchedulingStrategy(node["NodeID"], soft=False)
            ).remote(str(file), list(files))
            for node in nodes
        }
        for name, answer in asked.items():
            _check(name, _answer(name, answer), file, token, files)
    except OSError as error:
        raise StoreError(f"{error.filename or out}: cannot be written: {error.strerror or error}") from error
    finally:
        for written in out.glob(f".nextword-{token}*"):
            written.unlink(missing_ok=True)


def absolute(path: str | Path) -> str:
    """The same path for processes that work elsewhere; links in it stay, as names may follow from them."""
    return str(Path(path).absolute())


def look(file: str, inputs: Sequence[str]) -> Json:
    """What a node sees: the token in ``file``, the sizes of ``inputs``; it leaves its own sign beside the file."""
    seen: Json = {"version": __version__, "token": None, "sizes": {}, "pid": os.getpid(), "error": None}
    try:
        seen["token"] = Path(file).read_text()
        seen["sign"] = f"{file[:-4]}-{secrets.token_hex(4)}.tmp"
        Path(seen["sign"]).write_text(seen["token"])
    except OSError as error:
        seen["error"] = error.strerror
    for path in inputs:
        seen["sizes"][path] = Path(path).stat().st_size if Path(path).exists() else None
    return seen


def _answer(name: str, answer: Any) -> Json:
    import ray

    try:
        seen: Json = ray.get(answer, timeout=_PATIENCE)
        return seen
    except ray.exceptions.GetTimeoutError:
        raise ClusterError(f"node {name} has not answered for {_PATIENCE} s; look at it with: ray status") from None
    except ray.exceptions.RayError as error:
        if "ModuleNotFoundError" not in str(error) and "No module named" not in str(error):
            raise
        raise ClusterError(
            f"node {name} cannot import nextword; install nextword {__version__} on every node"
        ) from None


def _check(name: str, seen: Json, file: Path, token: str, files: dict[str, int]) -> None:
    if seen["version"] != __version__:
        raise ClusterError(f"node {name} has nextword {seen['version']}, this machine {__version__}; install the same")
    shared = "every node must see the same storage at the same path (NFS, Lustre, a mounted bucket)"
    if seen["token"] != token or seen["error"] or not Path(seen["sign"]).exists():
        raise ClusterError(
            f"{file.parent}: node {name} does not see, or cannot write, what this machine wrote there; {shared}"
        )
    for path, size in files.items():
        there = seen["sizes"][path]
        if there != size:
            held = "does not see this file" if there is None else f"sees {there:,} bytes in it, this machine {size:,}"
            raise ClusterError(f"{path}: node {name} {held}; {shared}")
