"""A real server on loopback, in a thread of the test's own process, and small questions to it."""

import json
import threading
import time
import urllib.error
import urllib.request
from contextlib import contextmanager

from nextword.interfaces.server.engine import Engine
from nextword.interfaces.server.models import Models, Served
from nextword.interfaces.server.serving import address, bind, server_of


@contextmanager
def running(models, **options):
    """The address of a server of ``models``: a dict of LMs by name, or ``Models``. options: those of ``server_of``."""
    if isinstance(models, dict):
        models = Models(Served(name, lm, Engine(lm)) for name, lm in models.items())
    server = server_of(models, **options)
    listening = bind("127.0.0.1", 0)
    thread = threading.Thread(target=server.run, kwargs={"sockets": [listening]}, daemon=True)
    thread.start()
    try:
        wait_until(lambda: server.started or not thread.is_alive())
        assert server.started, "the server did not start"
        yield address(listening)
    finally:
        server.should_exit = True
        thread.join(20)
        assert not thread.is_alive(), "the server did not end"


def wait_until(happened, seconds=20):
    """Wait until ``happened()`` is true; the last value of it."""
    end = time.monotonic() + seconds
    while not (found := happened()) and time.monotonic() < end:
        time.sleep(0.01)
    return found


def call(address, path, body=None, *, headers=None, method=None):
    """(status, headers, body) of one request; ``body``: bytes, or what is sent as JSON. JSON answers are read."""
    data = body if body is None or isinstance(body, bytes) else json.dumps(body).encode()
    sent = {"Content-Type": "application/json"} if data is not None else {}
    request = urllib.request.Request(address + path, data, {**sent, **(headers or {})}, method=method)
    try:
        with urllib.request.urlopen(request, timeout=30) as response:
            return response.status, response.headers, _content(response)
    except urllib.error.HTTPError as error:
        with error:
            return error.code, error.headers, _content(error)


def _content(response):
    content = response.read()
    return json.loads(content) if response.headers.get_content_type() == "application/json" else content


def complete(address, **body):
    """The choices of a completion, which must succeed."""
    status, _, answer = call(address, "/v1/completions", body)
    assert status == 200, answer
    return answer["choices"]


def events(address, **body):
    """The objects of a completion's stream, which must begin well and end with ``[DONE]``."""
    data = json.dumps({**body, "stream": True}).encode()
    request = urllib.request.Request(address + "/v1/completions", data, {"Content-Type": "application/json"})
    with urllib.request.urlopen(request, timeout=30) as response:
        assert response.headers["Content-Type"] == "text/event-stream; charset=utf-8"
        found = [part.removeprefix("data: ") for part in response.read().decode().split("\n\n") if part]
    assert found.pop() == "[DONE]"
    return [json.loads(one) for one in found]
