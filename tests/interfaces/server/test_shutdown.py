"""``nextword serve`` as a process: what it prints, and how it ends while requests run."""

import json
import os
import re
import signal
import socket
import subprocess
import sys
import threading
import time
import urllib.error
import urllib.request
from urllib.parse import urlsplit

import pytest

pytest.importorskip("fastapi")
pytest.importorskip("uvicorn")

from interfaces.server.running import call, wait_until  # noqa: E402
from nextword.interfaces.cli import run  # noqa: E402
from nextword.interfaces.server import serving  # noqa: E402

pytestmark = pytest.mark.skipif(sys.platform == "win32", reason="Windows has no SIGTERM to catch")
PROGRAM = "from nextword.interfaces.cli import main\nfrom nextword.interfaces.server import serving\n"


@pytest.fixture(scope="module")
def directories(ngram, lstm, tmp_path_factory):
    folder = tmp_path_factory.mktemp("served")
    ngram.save(folder / "ngram")
    lstm.save(folder / "lstm")
    return [folder / "ngram", folder / "lstm"]


class Process:
    """A running ``nextword serve``: its address, and what it has said."""

    def __init__(self, *arguments, key=None, grace=serving.GRACE):
        environment = {name: value for name, value in os.environ.items() if name != "NEXTWORD_API_KEY"}
        environment |= {} if key is None else {"NEXTWORD_API_KEY": key}
        program = PROGRAM + f"serving.GRACE = {grace}\nmain()\n"
        command = [sys.executable, "-c", program, "serve", *map(str, arguments)]
        self.process = subprocess.Popen(
            command, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True, env=environment
        )
        self.said = []
        threading.Thread(target=lambda: self.said.extend(iter(self.process.stderr.readline, "")), daemon=True).start()
        assert wait_until(lambda: any("serving" in line for line in self.said) or self.process.poll() is not None, 60)
        found = [re.search(r"http://\S+", line) for line in self.said if "serving" in line]
        assert found, self.said
        self.address = found[0][0]

    def __enter__(self):
        return self

    def __exit__(self, *_):
        self.process.kill()
        self.process.wait()
        self.process.stdout.close()
        self.process.stderr.close()

    def end(self, signal_number):
        """Send a signal; (status, seconds until the end)."""
        begun = time.monotonic()
        self.process.send_signal(signal_number)
        return self.process.wait(30), time.monotonic() - begun


def test_it_says_where_it_is_and_ends_on_a_signal(directories):
    with Process(*directories, "--port", 0) as server:
        port = urlsplit(server.address).port
        assert server.said == [
            f"nextword: serving ngram, lstm at http://127.0.0.1:{port} (page) and /v1 (API); Ctrl-C ends\n"
        ]
        assert [one["id"] for one in call(server.address, "/v1/models")[2]["data"]] == ["ngram", "lstm"]
        assert call(server.address, "/v1/completions", b"\xff")[0] == 400
        status, seconds = server.end(signal.SIGINT)
        assert (status, seconds < 10, server.process.stdout.read(), len(server.said)) == (0, True, "", 1)


def test_sigterm_while_streams_run_finishes_or_refuses_each(directories):
    asked = {"model": "lstm", "prompt": "the", "max_tokens": 4096, "ignore_eos": True, "stream": True, "n": 8}
    ends = []

    def read(address):
        data = json.dumps(asked).encode()
        request = urllib.request.Request(address + "/v1/completions", data, {"Content-Type": "application/json"})
        try:
            with urllib.request.urlopen(request, timeout=30) as response:
                last = [line for line in response if line.strip()][-1]
        except urllib.error.HTTPError as error:
            with error:
                last = error.read()
        ends.append(last.decode().strip())

    assert serving.GRACE <= 8  # of the ten seconds that a server may take, with what it does besides
    with Process(*directories, "--port", 0, grace=2) as server:
        threads = [threading.Thread(target=read, args=(server.address,)) for _ in range(12)]
        for thread in threads:
            thread.start()
        assert wait_until(lambda: 'kind="written"' in call(server.address, "/metrics")[2].decode())
        status, seconds = server.end(signal.SIGTERM)
        for thread in threads:
            thread.join(20)
        assert (status, seconds < 10) == (0, True)
        assert len(ends) == 12  # none was cut off: each says that it is whole, or why it is not
        assert all(end == "data: [DONE]" or '"error"' in end for end in ends), ends
        with (
            pytest.raises(ConnectionRefusedError),
            socket.create_connection(("127.0.0.1", urlsplit(server.address).port)),
        ):
            pass


def test_a_key_from_the_environment_and_a_host_for_others(directories):
    with Process(directories[0], "--host", "0.0.0.0", "--port", 0, "--verbose", key="s3cret") as server:
        here = server.address.replace("0.0.0.0", "127.0.0.1")
        assert not any("warning" in line for line in server.said)
        assert call(here, "/v1/models")[0] == 401
        assert call(here, "/v1/models", headers={"Authorization": "Bearer s3cret", "Host": "any.example"})[0] == 200
        assert wait_until(lambda: any('"GET /v1/models HTTP/1.1" 401' in line for line in server.said))
        assert not any("s3cret" in line for line in server.said)


def test_a_host_for_others_without_a_key_is_warned_of(directories, capsys, monkeypatch):
    monkeypatch.setattr(serving.Server, "run", lambda self, sockets: None)
    for more, warned in ((["--host", "0.0.0.0"], True), (["--host", "0.0.0.0", "--api-key", "k"], False), ([], False)):
        assert run(["serve", str(directories[0]), "--port", "0", "--quiet", *more]) == 0
        said = capsys.readouterr().err
        assert bool(said) == warned
        if warned:
            assert said.startswith("nextword: warning: whoever reaches http://0.0.0.0:")
            assert said.endswith(" can use these models; give --api-key to ask for a key\n")


def test_what_cannot_be_served_is_said(directories, tmp_path, capsys):
    with socket.create_server(("127.0.0.1", 0)) as taken:
        port = taken.getsockname()[1]
        assert run(["serve", str(directories[0]), "--port", str(port)]) == 2
    assert capsys.readouterr().err == (
        f"nextword: cannot listen at 127.0.0.1, port {port}: Address already in use; choose another --port (0 takes "
        "any that is free) or --host\n"
    )
    assert run(["serve", str(tmp_path / "nowhere"), "--port", "0"]) == 1
    assert "nowhere" in capsys.readouterr().err
    assert run(["serve", str(directories[0]), "--api-key", "two words"]) == 2
    assert capsys.readouterr().err.startswith("nextword: the API key is empty or has characters that no header can")


def test_without_the_libraries_of_a_server(monkeypatch, capsys):
    monkeypatch.setattr("nextword.interfaces.server.extras.find_spec", lambda name: None)
    assert run(["serve", "model"]) == 2
    assert capsys.readouterr().err == (
        "nextword: this needs fastapi, uvicorn; install it with: pip install 'nextword[serve]'\n"
    )
