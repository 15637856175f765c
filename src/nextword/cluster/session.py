"""A connection to a Ray cluster, or a cluster of this machine's cores, for the time of a ``with`` block.

Ray reports dead nodes on standard output, where results go, and a good deal else on standard error; here it keeps
silent, and what a user has to know comes as an error or through ``Session.lost``.
"""

import importlib.util
import io
import logging
import os
import re
import socket
import sys
import threading
from collections.abc import Iterator
from contextlib import contextmanager, redirect_stdout, suppress
from typing import Any, TextIO, cast

from nextword.errors import ClusterError, UsageError

LOCAL = "local"
_ADDRESS = re.compile(r"(?P<host>[^:/\s]+):(?P<port>\d{1,5})")
_PATIENCE = 10  # seconds that the head may take to answer
_OBJECT_STORE = 128 << 20  # bytes; what passes through it here are names and figures
_SETTINGS = {"RAY_USAGE_STATS_ENABLED": "0", "RAY_DEDUP_LOGS": "0", "RAY_BACKEND_LOG_LEVEL": "fatal"}


class Session:
    """What a cluster has at first. nodes: as Ray describes them. cores: of all. memory: most bytes that a node has."""

    def __init__(self) -> None:
        import ray

        self.nodes = [node for node in ray.nodes() if node["Alive"]]
        having = [node["Resources"] for node in self.nodes]
        self.cores = int(sum(one.get("CPU", 0) for one in having))
        self.memory = int(max(one.get("memory", 0) for one in having))
        if self.cores < 1:
            raise ClusterError("the cluster has no cores; add nodes with: ray start --address HOST:PORT")

    def lost(self) -> int:
        """How many of the first nodes have died."""
        import ray

        alive = {node["NodeID"] for node in ray.nodes() if node["Alive"]}
        return sum(node["NodeID"] not in alive for node in self.nodes)


@contextmanager
def session(address: str = LOCAL) -> Iterator[Session]:
    """Join the cluster at ``address`` (``auto``, or host:port), or start one on this machine alone (``local``).

    Within a program that has called ``ray.init`` itself, that connection is used and kept. Raises UsageError without
    Ray and for an address of another form, ClusterError if there is no cluster, or if Ray gives up on the work.
    """
    _require_ray()
    _check_address(address)
    for name, value in _SETTINGS.items():
        os.environ.setdefault(name, value)
    import ray

    joined = ray.is_initialized()
    with redirect_stdout(cast(TextIO, _WithoutRay(sys.stdout))):
        try:
            if not joined:
                _connect(address)
            import ray.data  # which sets its loggers up

            logging.getLogger("ray.data").setLevel(logging.CRITICAL)
            yield Session()
        except ray.exceptions.RayError as error:
            raise ClusterError(f"Ray could not go on: {_first_line(error)}; run the same command again") from error
        finally:
            if not joined:
                with redirect_stdout(io.StringIO()):  # what it has held back, it prints now
                    ray.shutdown()


def _require_ray() -> None:
    if importlib.util.find_spec("ray") is None or importlib.util.find_spec("pyarrow") is None:
        raise UsageError("--ray needs Ray; install it with: pip install 'nextword[cluster]'")


def _check_address(address: str) -> None:
    """Refuse what Ray would wait minutes for."""
    if address in (LOCAL, "auto"):
        return
    if address.startswith("ray://"):
        raise UsageError(
            f"--ray {address}: Ray Data cannot be used through Ray Client (ray://); run the command on a node of the "
            "cluster with --ray auto, or send it there with: ray job submit -- nextword ... --ray auto"
        )
    parts = _ADDRESS.fullmatch(address)
    if parts is None:
        raise UsageError(f"--ray {address}: expected auto, or the head's host:port, such as 10.0.0.1:6379")
    try:
        socket.create_connection((parts["host"], int(parts["port"])), timeout=_PATIENCE).close()
    except (OSError, OverflowError) as error:
        reason = getattr(error, "strerror", None) or error
        raise ClusterError(
            f"--ray {address}: nothing answers there ({reason}); start a head with: ray start --head"
        ) from error


def _connect(address: str) -> None:
    import ray

    options: dict[str, Any] = {"logging_level": logging.CRITICAL, "log_to_driver": False}
    if address == LOCAL:
        options |= {"object_store_memory": _OBJECT_STORE, "include_dashboard": False}
    try:
        with _silent_standard_error():
            ray.init(address, **options)
    except (ConnectionError, RuntimeError, ValueError) as error:
        remedy = "start a head with: ray start --head" if address == "auto" else "see Ray's logs in /tmp/ray"
        raise ClusterError(f"--ray {address}: {_first_line(error)}; {remedy}") from error


@contextmanager
def _silent_standard_error() -> Iterator[None]:
    """Keep Ray's compiled part, which says there how it was told to be silent, from saying so."""
    kept, nowhere = os.dup(2), os.open(os.devnull, os.O_WRONLY)
    os.dup2(nowhere, 2)
    try:
        yield
    finally:
        os.dup2(kept, 2)
        os.close(kept)
        os.close(nowhere)


class _WithoutRay(io.TextIOBase):
    """Standard output without what Ray's own threads print there."""

    def __init__(self, output: TextIO):
        self._output = output

    def write(self, text: str) -> int:
        if not threading.current_thread().name.startswith("ray_"):
            self._output.write(text)
        return len(text)

    def flush(self) -> None:
        with suppress(ValueError):  # closed
            self._output.flush()

    def __getattr__(self, name: str) -> Any:
        return getattr(self._output, name)


def _first_line(error: BaseException) -> str:
    """The gist of an error of Ray's, whose messages are pages with colours."""
    lines = re.sub(r"\x1b\[[0-9;]*m", "", str(error)).strip().splitlines()
    return (lines[0].strip().rstrip(".") if lines else "") or type(error).__name__
