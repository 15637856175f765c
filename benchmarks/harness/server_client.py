"""A client of ``nextword serve`` that costs little: a ``timing.Worker`` with bare sockets and hardly any parsing."""

import asyncio
import json
import socket
import statistics
import time
from typing import Any

from timing import Json, serve

_DONE = b"data: [DONE]\n\n"


def ask(port: int, path: str, bodies: list[Json]) -> Json:
    """Post one body after the other over one connection; milliseconds of each, and the last answer."""
    times, answer = [], b""
    with socket.create_connection(("127.0.0.1", port)) as connection:
        connection.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        for body in bodies:
            request = _request(path, body)
            begin = time.perf_counter()
            connection.sendall(request)
            answer = _answer(connection)
            times.append((time.perf_counter() - begin) * 1e3)
    ordered = sorted(times)
    return {
        "seconds": sum(times) / 1e3,
        "median": statistics.median(times),
        "p95": ordered[int(len(ordered) * 0.95)],
        "answer": json.loads(answer),
    }


def streams(port: int, bodies: list[Json]) -> Json:
    """All completions at once, each a stream of its own; seconds from the first request to the last event."""
    return asyncio.run(_streams(port, bodies))


async def _streams(port: int, bodies: list[Json]) -> Json:
    loop = asyncio.get_running_loop()
    pairs = [await loop.create_connection(lambda: _Stream(loop.create_future()), "127.0.0.1", port) for _ in bodies]
    begin = time.perf_counter()
    for (transport, _), body in zip(pairs, bodies, strict=True):
        transport.write(_request("/v1/completions", body))
    totals = await asyncio.gather(*(stream.ended for _, stream in pairs))
    seconds = time.perf_counter() - begin
    for transport, _ in pairs:
        transport.close()
    first = [stream.first - begin for _, stream in pairs]
    return {"seconds": seconds, "first": max(first), "bytes": sum(totals), "events": sum(s.events for _, s in pairs)}


class _Stream(asyncio.Protocol):
    """Counts what comes until the stream's last event."""

    def __init__(self, ended: "asyncio.Future[int]"):
        self.ended, self.first, self.events = ended, 0.0, 0
        self._size, self._tail = 0, b""

    def data_received(self, data: bytes) -> None:
        self.first = self.first or time.perf_counter()
        self._size += len(data)
        self.events += data.count(b'"text":')
        self._tail = (self._tail + data)[-64:]
        if _DONE in self._tail and not self.ended.done():
            self.ended.set_result(self._size)

    def connection_lost(self, error: Exception | None) -> None:
        if not self.ended.done():
            self.ended.set_exception(ConnectionError(f"a stream ended early: {self._tail!r}"))


def _request(path: str, body: Any) -> bytes:
    content = json.dumps(body).encode()
    head = f"POST {path} HTTP/1.1\r\nHost: localhost\r\nContent-Type: application/json\r\n"
    return f"{head}Content-Length: {len(content)}\r\n\r\n".encode() + content


def _answer(connection: socket.socket) -> bytes:
    """The body of one answer. Raises SystemExit, with its words, if that is an error."""
    data = b""
    while b"\r\n\r\n" not in data:
        data += _some(connection)
    head, _, body = data.partition(b"\r\n\r\n")
    length = next(int(line[15:]) for line in head.lower().split(b"\r\n") if line.startswith(b"content-length:"))
    while len(body) < length:
        body += _some(connection)
    if b" 200 " not in head[:20]:
        raise SystemExit(f"{head.decode()}\n{body.decode()}")
    return body


def _some(connection: socket.socket) -> bytes:
    data = connection.recv(1 << 20)
    if not data:
        raise SystemExit("the server closed the connection")
    return data


if __name__ == "__main__":
    serve({"ask": ask, "streams": streams})
