"""HTTP as it goes over the wire: bytes sent as they are, answers taken apart by hand."""

import asyncio
import json
from contextlib import suppress
from dataclasses import dataclass


@dataclass(frozen=True)
class Reply:
    """One answer. headers: names in lower case."""

    status: int
    headers: dict[str, str]
    body: bytes

    def json(self):
        return json.loads(self.body)


async def exchange(port, parts, *, ends=False, head=False, pause=0.02, seconds=60):
    """Send parts of bytes, with a pause between two, and read all answers until the server closes the connection.

    ends: say that nothing more will come. head: answers have no bodies. A connection that is reset has ended too.
    """
    reader, writer = await asyncio.open_connection("127.0.0.1", port)
    try:
        async with asyncio.timeout(seconds):
            with suppress(ConnectionError):  # the server may have heard enough before all is sent
                for i, part in enumerate(parts):
                    await asyncio.sleep(pause if i else 0)
                    writer.write(part)
                    await writer.drain()
                if ends:
                    writer.write_eof()
            received = b""
            with suppress(ConnectionError):
                while block := await reader.read(1 << 16):
                    received += block
    finally:
        writer.close()
        with suppress(ConnectionError):
            await writer.wait_closed()
    return list(replies(received, head=head))


def replies(received, *, head=False):
    """The answers that bytes hold; ValueError if they are none."""
    while received:
        start, found, received = received.partition(b"\r\n\r\n")
        if not found:
            raise ValueError(f"no answer: {start[:100]!r}")
        line, *lines = start.decode("latin-1").split("\r\n")
        version, status, *_ = line.split(" ")
        if not version.startswith("HTTP/1."):
            raise ValueError(f"no answer: {line!r}")
        headers = {name.lower(): value.strip() for name, _, value in (line.partition(":") for line in lines)}
        if status.startswith("1"):
            continue
        if (head and not received) or status in ("204", "304"):
            body = b""
        elif headers.get("transfer-encoding") == "chunked":
            body, received = _chunks(received)
        else:
            size = int(headers.get("content-length", len(received)))
            if len(received) < size:
                raise ValueError(f"{len(received)} bytes of {size}")
            body, received = received[:size], received[size:]
        yield Reply(int(status), headers, body)


def _chunks(received):
    body = b""
    while True:
        size, _, received = received.partition(b"\r\n")
        length = int(size, 16)
        body, received = body + received[:length], received[length + 2 :]
        if not length:
            return body, received
