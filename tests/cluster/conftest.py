"""The cluster that all tests here share."""

import sys

import pytest


@pytest.fixture(scope="session")
def machines():
    if not sys.platform.startswith("linux"):
        pytest.skip("needs /proc")
    pytest.importorskip("ray")
    from cluster.machines import Machines

    started = Machines()
    yield started
    started.shut_down()
