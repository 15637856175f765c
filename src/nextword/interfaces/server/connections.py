"""Connections that nobody can hold for ever: uvicorn's, with bounds on a request's head, and on answers left unread."""

import asyncio
import json
from typing import Any

from nextword.interfaces.server.failures import Refused, failure
from nextword.interfaces.server.limits import Limits
from nextword.interfaces.server.security import HEADERS

_PHRASES = {
    400: "Bad Request",
    408: "Request Timeout",
    429: "Too Many Requests",
    431: "Request Header Fields Too Large",
}
_LINGER = 2.0  # seconds for a client to finish sending, so that it reads the answer and not a broken connection


def protocol_class(limits: Limits, *, compiled: bool) -> type[asyncio.Protocol]:
    """The protocol of a connection. compiled: by httptools, else by h11."""
    base = _compiled() if compiled else _plain()

    class Bounded(Careful, base):  # type: ignore[misc, valid-type]
        bounds = limits

    return Bounded


class Careful:
    """What is added to uvicorn's protocols. A subclass says whether it is ``reading_head``."""

    bounds: Limits
    transport: Any
    loop: Any
    connections: Any
    cycle: Any
    reading_head: bool
    _head_size = 0
    _said = False  # the last word is said: what still comes is thrown away
    _head_timer: asyncio.TimerHandle | None = None
    _stuck_timer: asyncio.TimerHandle | None = None

    def connection_made(self, transport: Any) -> None:
        """A client has come: it has so long to say what it wants."""
        super().connection_made(transport)  # type: ignore[misc]
        transport.set_write_buffer_limits(high=0)  # what a client does not read, the application does not write
        if len(self.connections) > self.bounds.connections:
            self.say(429, f"the server has {self.bounds.connections} connections; come again in a second")
        else:
            self._head_timer = self.loop.call_later(self.bounds.head_seconds, self._head_is_late)

    def data_received(self, data: bytes) -> None:
        """Part of a request."""
        if self._said or self.transport.is_closing():
            return
        self._head_size += len(data)
        super().data_received(data)  # type: ignore[misc]
        if not self.reading_head or self._said or self.transport.is_closing():
            self._head_size = 0
            self._stop_head_timer()
        elif self._head_size > self.bounds.head:
            self.say(431, f"the request's headers are longer than {self.bounds.head:,} bytes")
        elif self._head_timer is None:
            self._head_timer = self.loop.call_later(self.bounds.head_seconds, self._head_is_late)

    def connection_lost(self, exc: Exception | None) -> None:
        """The client has gone."""
        self._stop_head_timer()
        self._stop_stuck_timer()
        super().connection_lost(exc)  # type: ignore[misc]

    def pause_writing(self) -> None:
        """The client does not read what is sent."""
        super().pause_writing()  # type: ignore[misc]
        self._stop_stuck_timer()
        self._stuck_timer = self.loop.call_later(self.bounds.stuck_seconds, self.transport.abort)

    def resume_writing(self) -> None:
        """The client reads again."""
        self._stop_stuck_timer()
        super().resume_writing()  # type: ignore[misc]

    def send_400_response(self, msg: str) -> None:
        """Answer what is no HTTP."""
        self.say(400, "this is no HTTP request that can be read")

    def say(self, status: int, message: str) -> None:
        """Answer without the application, and close as soon as the client does, or in a moment."""
        body = json.dumps(failure(Refused(status, message))).encode()
        headers = {**HEADERS, "content-type": "application/json", "content-length": str(len(body))}
        headers |= {"retry-after": "1"} if status == 429 else {}
        lines = [f"{name}: {value}" for name, value in {**headers, "connection": "close"}.items()]
        head = "\r\n".join([f"HTTP/1.1 {status} {_PHRASES[status]}", *lines, "", ""])
        self._said = True
        self._stop_head_timer()
        self.transport.write(head.encode() + body)
        if self._answering():
            self.transport.close()
        else:
            self.transport.write_eof()
            self.loop.call_later(_LINGER, self.transport.close)

    def _answering(self) -> bool:
        """Whether the answer to an earlier request is under way."""
        return self.cycle is not None and not self.cycle.response_complete

    def _stop_head_timer(self) -> None:
        if self._head_timer is not None:
            self._head_timer.cancel()
            self._head_timer = None

    def _stop_stuck_timer(self) -> None:
        if self._stuck_timer is not None:
            self._stuck_timer.cancel()
            self._stuck_timer = None

    def _head_is_late(self) -> None:
        self._head_timer = None
        if self._said or self.transport.is_closing():
            return
        if self._answering():
            self._head_timer = self.loop.call_later(self.bounds.head_seconds, self._head_is_late)
        elif self._head_size:
            self.say(408, f"the request took more than {self.bounds.head_seconds:g} s to arrive")
        else:
            self.transport.close()


def _compiled() -> type[Any]:
    from uvicorn.protocols.http.httptools_impl import HttpToolsProtocol

    class Compiled(HttpToolsProtocol):
        reading_head = True

        def on_headers_complete(self) -> None:
            self.reading_head = False
            super().on_headers_complete()

        def on_message_complete(self) -> None:
            super().on_message_complete()
            self.reading_head, self._head_size = True, 0

    return Compiled


def _plain() -> type[Any]:
    import h11
    from uvicorn.protocols.http.h11_impl import H11Protocol

    class Plain(H11Protocol):
        @property
        def reading_head(self) -> bool:
            return self.conn.their_state is h11.IDLE

    return Plain
