"""Requests to ``nextword serve`` at a given rate, whatever becomes of them, each with an answer of its own."""

import asyncio
import json
import time
from collections import Counter
from collections.abc import Awaitable, Callable, Sequence
from contextlib import suppress
from dataclasses import dataclass, field
from typing import Any

_SECONDS = 90  # after which an answer counts as lost: longer than the server's own limits


@dataclass(frozen=True)
class Question:
    """A request, and what is the answer's own: ``part`` finds it in the JSON that comes."""

    path: str
    body: Any
    part: Callable[[Any], Any]
    expected: Any = None

    @property
    def bytes(self) -> bytes:
        """What is sent."""
        content = json.dumps(self.body).encode()
        head = (
            f"POST {self.path} HTTP/1.1\r\nHost: localhost\r\nConnection: close\r\nContent-Type: application/json\r\n"
        )
        return f"{head}Content-Length: {len(content)}\r\n\r\n".encode() + content


@dataclass
class Tally:
    """What became of requests. statuses: 0 for a connection that ended without an answer. seconds: of the 200s."""

    statuses: Counter[int] = field(default_factory=Counter)
    seconds: list[float] = field(default_factory=list)
    wrong: list[tuple[Any, Any]] = field(default_factory=list)  # expected and found
    late: float = 0.0  # seconds by which a request was sent after its time, at most

    def quantile(self, share: float) -> float:
        """Seconds that this share of the answers took at most."""
        ordered = sorted(self.seconds)
        return ordered[min(len(ordered) - 1, int(len(ordered) * share))] if ordered else float("nan")


async def post(port: int, question: Question) -> tuple[int, Any]:
    """Status and JSON of one answer; status 0 without one."""
    received = b""
    with suppress(ConnectionError, TimeoutError):
        async with asyncio.timeout(_SECONDS):
            reader, writer = await asyncio.open_connection("127.0.0.1", port)
            try:
                writer.write(question.bytes)
                received = await reader.read(-1)
            finally:
                writer.close()
    head, _, content = received.partition(b"\r\n\r\n")
    with suppress(ValueError, IndexError):
        return int(head.split(b" ", 2)[1]), json.loads(content)
    return 0, None


async def ask(port: int, question: Question, tally: Tally) -> None:
    """Ask, and note what came."""
    begin = time.perf_counter()
    status, answer = await post(port, question)
    tally.statuses[status] += 1
    if status == 200:
        tally.seconds.append(time.perf_counter() - begin)
        if not alike(found := question.part(answer), question.expected):
            tally.wrong.append((question.expected, found))


def alike(one: Any, other: Any) -> bool:
    """Whether two answers are the same but for rounding: a batch of another shape sums in another order."""
    if isinstance(one, list) and isinstance(other, list):
        return len(one) == len(other) and all(map(alike, one, other))
    if isinstance(one, float) and isinstance(other, float):
        return abs(one - other) < 1e-3
    return bool(one == other)


async def closed_loop(port: int, questions: Sequence[Question], clients: int, seconds: float) -> Tally:
    """Clients that ask again as soon as they have an answer."""
    tally, end, chosen = Tally(), time.perf_counter() + seconds, iter(range(1 << 60))

    async def work() -> None:
        while time.perf_counter() < end:
            await ask(port, questions[next(chosen) % len(questions)], tally)

    await asyncio.gather(*(work() for _ in range(clients)))
    return tally


async def open_loop(port: int, questions: Sequence[Question], rate: float, seconds: float) -> Tally:
    """Requests at a steady rate, which wait for no answer; then all the answers."""
    tally, begin, tasks = Tally(), time.perf_counter(), []
    for i in range(int(rate * seconds)):
        await asyncio.sleep(max(0.0, begin + i / rate - time.perf_counter()))
        tally.late = max(tally.late, time.perf_counter() - begin - i / rate)
        tasks.append(asyncio.create_task(ask(port, questions[i % len(questions)], tally)))
    await asyncio.gather(*tasks)
    return tally


async def abandoned(port: int, question: Question, count: int, then: Callable[[], Awaitable[None]]) -> None:
    """Begin streams, leave them all once each has begun, and wait for ``then``."""
    pairs = [await asyncio.open_connection("127.0.0.1", port) for _ in range(count)]
    for _, writer in pairs:
        writer.write(question.bytes)
    for reader, _ in pairs:
        await reader.readuntil(b"data: ")
    for _, writer in pairs:
        writer.transport.abort()
    await then()


async def gauges(port: int) -> dict[str, float]:
    """The server's figures of now, by name and labels."""
    reader, writer = await asyncio.open_connection("127.0.0.1", port)
    writer.write(b"GET /metrics HTTP/1.1\r\nHost: localhost\r\nConnection: close\r\n\r\n")
    content = (await reader.read(-1)).decode().partition("\r\n\r\n")[2]
    writer.close()
    rows = (line.rpartition(" ") for line in content.splitlines() if line and not line.startswith("#"))
    return {name: float(value) for name, _, value in rows}
