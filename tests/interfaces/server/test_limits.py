"""Nothing that a client sends or leaves undone can hold the server."""

import asyncio
import json
import socket
import threading
import time
from urllib.parse import urlsplit

import pytest

pytest.importorskip("fastapi")
pytest.importorskip("uvicorn")

from interfaces.server.running import call, complete, running, wait_until  # noqa: E402
from nextword.interfaces.server import serving  # noqa: E402
from nextword.interfaces.server.engine import Engine  # noqa: E402
from nextword.interfaces.server.limits import Limits  # noqa: E402
from nextword.interfaces.server.models import Models, Served  # noqa: E402

ENDLESS = {"prompt": "the", "max_tokens": 4096, "ignore_eos": True}


@pytest.fixture(scope="module")
def small(ngram):
    """A server of small limits."""
    limits = Limits(
        body=2000, body_seconds=0.3, head=3000, head_seconds=0.3, connections=6, requests=3, stuck_seconds=0.3
    )
    with running({"ngram": ngram}, limits=limits) as address:
        yield address


def connect(address):
    host, port = urlsplit(address).netloc.split(":")
    return socket.create_connection((host, int(port)), timeout=20)


def exchange(address, *parts):
    """All that the server says to these bytes until it closes, or until it has answered."""
    with connect(address) as connection:
        for part in parts:
            connection.sendall(part)
        return answer_on(connection)


def answer_on(connection):
    """(status, JSON or text) of one answer; (None, "") if the server closes without a word."""
    data = b""
    while True:
        head, found, body = data.partition(b"\r\n\r\n")
        lengths = [line for line in head.lower().split(b"\r\n") if line.startswith(b"content-length:")]
        if found and lengths and len(body) >= int(lengths[0].split(b":")[1]):
            break
        more = connection.recv(65536)
        if not more:
            break
        data += more
    if not data:
        return None, ""
    text = data.partition(b"\r\n\r\n")[2].decode()
    return int(data.split(b" ")[1]), json.loads(text)["error"]["message"] if '"error"' in text else text


def post(body, *headers):
    lines = [b"POST /v1/completions HTTP/1.1", b"Host: localhost", b"Content-Type: application/json", *headers]
    return b"\r\n".join([*lines, b"", b""]) + body


def engine_figures(address):
    """The gauges of the engine, by name."""
    text = call(address, "/metrics")[2].decode()
    lines = [line for line in text.splitlines() if line.startswith("nextword_engine_")]
    return {line.split("{")[0].removeprefix("nextword_engine_"): float(line.split()[-1]) for line in lines}


def idle(address):
    return engine_figures(address) == {"waiting": 0, "running": 0}


def test_a_body_that_is_too_long(small):
    words = "the body is longer than 2,000 bytes; send less at once"
    assert call(small, "/v1/completions", {"prompt": "a" * 2001})[::2] == (
        413,
        {"error": {"message": words, "type": "invalid_request_error", "param": None, "code": "body_too_large"}},
    )
    assert exchange(small, post(b"", b"Content-Length: 99999999999999999")) in ((413, words), (400, "this is no HTTP request that can be read"))  # fmt: skip # noqa: E501
    chunk = b"400\r\n" + b"a" * 1024 + b"\r\n"
    assert exchange(small, post(b"", b"Transfer-Encoding: chunked"), chunk, chunk) == (413, words)
    assert call(small, "/v1/completions", {"prompt": "the " * 400, "max_tokens": 1})[0] == 200


def test_a_body_that_comes_too_slowly(small):
    assert exchange(small, post(b'{"prompt":', b"Content-Length: 100")) == (
        408,
        "the body took more than 0.3 s to arrive",
    )


def test_a_head_that_is_too_long_or_comes_too_slowly(small):
    long = b"GET /health HTTP/1.1\r\nHost: localhost\r\nX: " + b"a" * 4000
    assert exchange(small, long) == (431, "the request's headers are longer than 3,000 bytes")
    assert exchange(small, b"GET /health HTTP/1.1\r\nHost:") == (408, "the request took more than 0.3 s to arrive")
    assert exchange(small) == (None, "")  # it says nothing, and is told nothing
    assert call(small, "/health")[0] == 200


def test_what_is_no_http(small):
    for data in (b"\x16\x03\x01\x00\xa5", b"GET\r\n\r\n", b"GET / HTTP/9.9\r\n\r\n", b"{}\r\n\r\n"):
        assert exchange(small, data) == (400, "this is no HTTP request that can be read")


def test_too_many_connections(small):
    held = [connect(small) for _ in range(8)]
    try:
        assert answer_on(held[-1]) == (429, "the server has 6 connections; come again in a second")
    finally:
        for one in held:
            one.close()
    assert wait_until(lambda: call(small, "/health")[0] == 200)


def test_too_many_requests_at_once(ngram):
    """Those that wait for a slow engine are as many as the limit; one more is told to come again."""
    go_on = threading.Event()

    class Slow(Engine):
        async def score(self, ids, *, top=0):
            await asyncio.to_thread(go_on.wait, 20)
            return await super().score(ids, top=top)

    found = []
    asked = {"prompt": "the", "echo": True, "logprobs": 0, "max_tokens": 0}
    models = Models([Served("ngram", ngram, Slow(ngram))])
    with running(models, limits=Limits(requests=3)) as address:
        threads = [
            threading.Thread(target=lambda: found.append(call(address, "/v1/completions", asked)[0])) for _ in range(3)
        ]
        for thread in threads:
            thread.start()
        assert wait_until(lambda: b"nextword_requests_running 4" in call(address, "/metrics")[2])
        status, headers, answer = call(address, "/v1/completions", asked)
        assert (status, headers["Retry-After"]) == (429, "1")
        assert answer["error"]["message"] == "the server has 3 requests at work; send this one again in a second"
        assert call(address, "/health")[0] == 200
        go_on.set()
        for thread in threads:
            thread.join()
    assert found == [200, 200, 200]


def test_a_full_queue(ngram):
    """An engine of one place and a short queue refuses what comes on top, in words."""
    models = Models([Served("ngram", ngram, Engine(ngram, slots=1, queue=1))])
    with running(models) as address:
        found = []
        threads = [
            threading.Thread(target=lambda: found.append(call(address, "/v1/completions", ENDLESS))) for _ in range(8)
        ]
        for thread in threads:
            thread.start()
        for thread in threads:
            thread.join()
        statuses = sorted(status for status, _, _ in found)
        assert set(statuses) == {200, 429}
        assert all(headers["Retry-After"] == "1" for status, headers, _ in found if status == 429)
        assert wait_until(lambda: idle(address))


def test_a_request_that_takes_too_long(ngram):
    class Stuck(Engine):
        async def score(self, ids, *, top=0):
            await asyncio.sleep(30)

    with running(Models([Served("ngram", ngram, Stuck(ngram))]), limits=Limits(seconds=0.2)) as address:
        asked = {"prompt": "the", "echo": True, "logprobs": 0}
        status, _, answer = call(address, "/v1/completions", asked)
        assert (status, answer["error"]["message"]) == (503, "the answer took more than 0.2 s; ask for less at once")


@pytest.mark.parametrize("more", [{"stream": True}, {"stream": True, "prompt": ["the", "a"], "n": 2}, {}])
def test_a_client_that_leaves_frees_its_places(server, more):
    body = json.dumps({**ENDLESS, **more}).encode()
    held = []
    for _ in range(5):
        held.append(connect(server))
        held[-1].sendall(post(body, b"Content-Length: %d" % len(body)))
    if more:
        assert all(connection.recv(1).startswith(b"H") for connection in held)
    for connection in held:
        connection.close()
    assert wait_until(lambda: idle(server))
    assert len(complete(server, prompt="the", max_tokens=2)) == 1


def test_a_client_that_does_not_read_is_left(ngram):
    """It holds its places for a moment only; memory for what it leaves unread is bounded by the sockets' own."""
    with running({"ngram": ngram}, limits=Limits(stuck_seconds=0.3)) as address:
        body = json.dumps({**ENDLESS, "stream": True, "n": 16, "logprobs": 5}).encode()
        with socket.socket() as connection:
            connection.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, 4096)
            connection.connect(("127.0.0.1", urlsplit(address).port))
            connection.sendall(post(body, b"Content-Length: %d" % len(body)))
            assert wait_until(lambda: not idle(address))
            assert wait_until(lambda: idle(address))


def test_requests_one_after_another_on_one_connection(server):
    body = json.dumps({"prompt": "the", "max_tokens": 1}).encode()
    one = post(body, b"Content-Length: %d" % len(body))
    with connect(server) as connection:
        for _ in range(3):
            connection.sendall(one)
            assert answer_on(connection)[0] == 200
        connection.sendall(one + one)  # the second before the first is answered
        assert answer_on(connection)[0] == 200


def test_h11_serves_where_httptools_is_absent(ngram, monkeypatch):
    monkeypatch.setattr(serving, "find_spec", lambda name: None)
    with running({"ngram": ngram}, limits=Limits(head=3000, head_seconds=0.3)) as address:
        assert complete(address, prompt="the", max_tokens=2, seed=1)[0]["text"]
        assert exchange(address, b"GET /health HTTP/1.1\r\nHost: localhost\r\nX: " + b"a" * 4000)[0] in (400, 431)
        assert exchange(address, b"GET /health HTTP/1.1\r\nHost:")[0] == 408
        assert exchange(address, b"nonsense\r\n\r\n") == (400, "this is no HTTP request that can be read")
        begun = time.monotonic()
        assert exchange(address) == (None, "")
        assert time.monotonic() - begun < 15
