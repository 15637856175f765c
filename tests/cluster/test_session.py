"""Joining a cluster: what cannot be joined is refused at once, with what to do."""

import importlib.util
import io
import socket
import threading

import pytest

from nextword.cluster.session import _WithoutRay, session
from nextword.errors import ClusterError, UsageError


def refusal(address, error=UsageError):
    with pytest.raises(error) as caught, session(address):
        pass
    return str(caught.value)


def test_without_ray(monkeypatch):
    monkeypatch.setattr(importlib.util, "find_spec", lambda name: None)
    assert refusal("auto") == "--ray needs Ray; install it with: pip install 'nextword[cluster]'"


def test_addresses_of_another_form():
    pytest.importorskip("ray")
    assert refusal("somewhere") == "--ray somewhere: expected auto, or the head's host:port, such as 10.0.0.1:6379"
    assert refusal("ray://10.0.0.1:10001") == (
        "--ray ray://10.0.0.1:10001: Ray Data cannot be used through Ray Client (ray://); run the command on a node of "
        "the cluster with --ray auto, or send it there with: ray job submit -- nextword ... --ray auto"
    )


def test_an_address_where_nothing_is():
    """Ray itself would try for minutes."""
    pytest.importorskip("ray")
    with socket.create_server(("127.0.0.1", 0)) as server:
        port = server.getsockname()[1]
    assert refusal(f"127.0.0.1:{port}", ClusterError) == (
        f"--ray 127.0.0.1:{port}: nothing answers there (Connection refused); start a head with: ray start --head"
    )


def test_standard_output_without_what_rays_threads_print():
    written = io.StringIO()
    output = _WithoutRay(written)
    thread = threading.Thread(target=lambda: output.write("a node died"), name="ray_listen_error_messages")
    thread.start()
    thread.join()
    print("results", file=output, flush=True)
    assert written.getvalue() == "results\n"
