"""A web server around the application: uvicorn, in this process, with an orderly end."""

import asyncio
import contextlib
import ipaddress
import logging
import signal
import socket
import threading
from collections.abc import Callable, Generator, Iterable
from importlib.util import find_spec
from pathlib import Path

import uvicorn
from fastapi import FastAPI

from nextword.api import load
from nextword.errors import NextwordError, UsageError
from nextword.interfaces.server.app import close, create_app
from nextword.interfaces.server.connections import protocol_class
from nextword.interfaces.server.engine import Busy, Engine, Late, Wish
from nextword.interfaces.server.limits import LIMITS, Limits
from nextword.interfaces.server.models import Models, Served, models_in, names_of
from nextword.interfaces.server.security import LOOPBACK, Access
from nextword.model import LanguageModel

GRACE = 6.0  # seconds that requests have to end when the server closes
_KEEP_ALIVE = 15  # seconds that a connection may be idle between two requests


class Server(uvicorn.Server):
    """Serves an application until a signal; then every request is finished or refused, and ``run`` returns."""

    def __init__(self, app: FastAPI, models: Models, *, limits: Limits = LIMITS, verbose: bool = False):
        self.app, self.models = app, models
        self.ready: Callable[[], None] | None = None  # called once the models are warm, if they are to be
        protocol = protocol_class(limits, compiled=find_spec("httptools") is not None)
        super().__init__(
            uvicorn.Config(
                app, http=protocol, ws="none", lifespan="on", log_config=None, access_log=verbose, proxy_headers=False,
                log_level="info" if verbose else "error", server_header=False, timeout_keep_alive=_KEEP_ALIVE,
                timeout_graceful_shutdown=round(GRACE) + 1, h11_max_incomplete_event_size=limits.head,
            )
        )  # fmt: skip

    async def startup(self, sockets: list[socket.socket] | None = None) -> None:
        """Take connections, and use the models once, so that what is compiled at first use is compiled."""
        await super().startup(sockets)
        if self.ready is not None:
            await warm(self.models)
            self.ready()

    async def shutdown(self, sockets: list[socket.socket] | None = None) -> None:
        """Take nothing new, and let what runs come to its end; a second Ctrl-C waits for nothing."""
        closing = asyncio.ensure_future(close(self.app, self.models, GRACE))
        await super().shutdown(sockets)
        if self.force_exit:
            closing.cancel()
            await self.lifespan.shutdown()
        with contextlib.suppress(asyncio.CancelledError):
            await closing

    @contextlib.contextmanager
    def capture_signals(self) -> Generator[None, None, None]:
        """Signals end the server and nothing else: the process goes on, and ends with status 0."""
        if threading.current_thread() is not threading.main_thread():
            yield
            return
        before = {one: signal.signal(one, self.handle_exit) for one in (signal.SIGINT, signal.SIGTERM)}
        try:
            yield
        finally:
            for one, handler in before.items():
                signal.signal(one, handler)


def open_models(directories: Iterable[Path], *, time_limit: float = 60.0) -> Models:
    """The models in these directories, by their names; of a folder of models all that it holds.

    time_limit: seconds that their engines give to a request. Raises StoreError for one that holds no language model.
    """
    paths = [path for directory in directories for path in models_in(directory)]
    opened = [load(path) for path in paths]
    named = zip(names_of(paths), opened, paths, strict=True)
    return Models(Served(name, lm, Engine(lm, time_limit=time_limit), path) for name, lm, path in named)


def access_of(host: str, key: str | None, hosts: Iterable[str]) -> Access:
    """Who may ask a server at ``host``. hosts: names that it has beside. Raises UsageError for a key that is none."""
    if key is not None and not (key.isascii() and key.isprintable() and key and " " not in key):
        raise UsageError("the API key is empty or has characters that no header can hold; take letters and digits")
    named = frozenset(name.lower() for name in hosts)
    if not is_loopback(host) and not named:
        return Access(None, key)
    return Access(LOOPBACK | named | {f"[{host}]" if ":" in host else host.lower()}, key)


def is_loopback(host: str) -> bool:
    """Whether only this machine can reach the address."""
    try:
        return ipaddress.ip_address(host).is_loopback
    except ValueError:
        return host.lower() == "localhost"


def bind(host: str, port: int) -> socket.socket:
    """A socket at an address, which does not listen yet; port 0 takes any that is free. Raises UsageError."""
    family = socket.AF_INET6 if ":" in host else socket.AF_INET
    bound = socket.socket(family, socket.SOCK_STREAM, socket.IPPROTO_TCP)  # named, so that asyncio sets TCP_NODELAY
    try:
        bound.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        bound.bind((host, port))
    except OSError as error:
        bound.close()
        words = f"cannot listen at {host}, port {port}: {error.strerror}"
        raise UsageError(f"{words}; choose another --port (0 takes any that is free) or --host") from error
    return bound


def address(bound: socket.socket) -> str:
    """Where a socket is reached, such as http://127.0.0.1:8000."""
    host, port = bound.getsockname()[:2]
    return f"http://[{host}]:{port}" if ":" in host else f"http://{host}:{port}"


def server_of(
    models: Models, *, access: Access | None = None, limits: Limits = LIMITS, verbose: bool = False
) -> Server:
    """A server of these models, to ``run`` with sockets that are bound."""
    if verbose:
        logging.basicConfig(format="%(message)s", level=logging.INFO)
    return Server(create_app(models, access=access, limits=limits), models, limits=limits, verbose=verbose)


async def warm(models: Models) -> None:
    """Use every model once, so that no request waits for a compiler."""
    for one in models:
        with contextlib.suppress(NextwordError, Busy, Late):
            await one.engine.score([0], top=1 if isinstance(one.lm.model, LanguageModel) else 0)
            if isinstance(one.lm.model, LanguageModel):
                async for _ in one.engine.generate(Wish([], max_tokens=2, samples=2, top=1)):
                    pass
