"""A Ray cluster on this machine, of which nodes can be killed as by a power failure, and commands that use it."""

import contextlib
import os
import shutil
import signal
import subprocess
import sys
import tempfile
import time
from pathlib import Path

import pytest

CLOSE_WATCH = {  # dead nodes are noticed within two seconds, where Ray would take twenty
    "health_check_initial_delay_ms": 500,
    "health_check_period_ms": 500,
    "health_check_timeout_ms": 5000,
    "health_check_failure_threshold": 3,
}
NODE = {"num_cpus": 1, "object_store_memory": 80 << 20, "memory": 2 << 30}
PATIENCE = 180  # seconds for anything; what takes longer has hung


class Machines:
    """A head with one core, and nodes that come and die."""

    def __init__(self):
        from ray.cluster_utils import Cluster

        # sockets lie below it, and the system allows their names 107 bytes
        self._folder = tempfile.mkdtemp(prefix="nw-ray-", dir="/tmp")
        head = {**NODE, "include_dashboard": False, "temp_dir": self._folder, "_system_config": CLOSE_WATCH}
        self._cluster = Cluster(initialize_head=True, head_node_args=head, shutdown_at_exit=True)
        self.address = self._cluster.address

    def add(self):
        return self._cluster.add_node(wait=True, **NODE)

    def kill(self, node):
        """The node and all its processes at once."""
        processes = [*node_processes(node), *raylets(node)]
        for process in processes:
            with contextlib.suppress(ProcessLookupError):
                os.kill(process, signal.SIGKILL)
        self._cluster.remove_node(node, allow_graceful=False)

    def shut_down(self):
        self._cluster.shutdown()
        shutil.rmtree(self._folder, ignore_errors=True)


def raylets(node):
    return [info.process.pid for info in node.all_processes["raylet"]]


def node_processes(node):
    """The processes that do a node's work: the children of its raylet."""
    found = []
    for raylet in raylets(node):
        for children in Path(f"/proc/{raylet}/task").glob("*/children"):
            with contextlib.suppress(OSError):
                found += map(int, children.read_text().split())
    return found


class Running:
    """A command that runs beside the test; it is killed if the test gives up."""

    def __init__(self, arguments):
        self._process = subprocess.Popen(
            [sys.executable, *map(str, arguments)], stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True
        )

    def result(self):
        """Exit status, standard output and error."""
        try:
            out, err = self._process.communicate(timeout=PATIENCE)
        except subprocess.TimeoutExpired:
            self._process.kill()
            out, err = self._process.communicate()
            pytest.fail(f"no end after {PATIENCE} s; it wrote {out!r} and {err!r}")
        return self._process.returncode, out, err

    def over(self):
        return self._process.poll() is not None


def kill_at_work(machines, node, running, scratch, done):
    """Kill a node in the middle of a job: one that a process of its has begun, and that is not ``done(job)``.

    The marks that jobs leave when they are begun say which process has it; that process is stopped, so that nothing
    changes between looking and killing.
    """
    end = time.monotonic() + PATIENCE
    while time.monotonic() < end and not running.over():
        own = node_processes(node)
        for mark in scratch.glob("attempts-*/*"):
            with contextlib.suppress(OSError, IndexError, ProcessLookupError):
                process = int(mark.read_text().split()[-1])
                if process not in own or done(mark.name):
                    continue
                os.kill(process, signal.SIGSTOP)
                if not done(mark.name):
                    machines.kill(node)
                    return mark.name
                os.kill(process, signal.SIGCONT)
        time.sleep(0.001)
    pytest.fail(f"the node never had a job in hand; the command wrote {running.result()}")
