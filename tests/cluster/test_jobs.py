"""Jobs on a cluster: a result each, in their order; errors in one line; nothing is tried for ever."""

import json

import pytest

pytest.importorskip("ray")
pytest.importorskip("pyarrow")

from cluster.machines import Running

PROGRAM = """
import json, os, sys
from pathlib import Path
import ray.cloudpickle
from nextword.cluster.jobs import Stage, run
from nextword.cluster.session import session
from nextword.errors import NextwordError, TextError

ray.cloudpickle.register_pickle_by_value(sys.modules["__main__"])  # the nodes cannot import this program

class Square:
    def __init__(self, plus):
        self.plus, self.done = plus, 0

    def __call__(self, job):
        if job == "bad text":
            raise TextError("file.txt:3: is not text")
        if job == "bad code":
            raise ZeroDivisionError("nothing to divide by")
        if job == "no file":
            Path("/nowhere/at/all").read_bytes()
        if job == "death":
            os._exit(1)
        self.done += 1
        return {"square": job**2 + self.plus, "done": self.done}

def outcome(name, jobs, **options):
    said = []
    try:
        found = run(cluster, Stage(name, Square, {"plus": 1}, **options), jobs, scratch, said.append)
        return {"found": found, "said": said}
    except NextwordError as error:
        return {"error": f"{type(error).__name__}: {error}", "said": said}

address, scratch = sys.argv[1], Path(sys.argv[2])
with session(address) as cluster:
    outcomes = {
        "tasks": outcome("squares", [3, 1, 2]),
        "actors": outcome("squares", [3, 1, 2], actors=True),
        "none": outcome("squares", []),
        "bad text": outcome("squares", [1, "bad text"]),
        "bad code": outcome("squares", [1, "bad code"]),
        "no file": outcome("squares", ["no file"]),
        "death": outcome("squares", ["death", 1]),
        "memory": outcome("squares", [1], memory=1 << 50),
    }
    print("what a program prints is not Ray's")
outcomes["left"] = sorted(file.name for file in scratch.iterdir())
print(json.dumps(outcomes))
"""


@pytest.fixture(scope="module")
def outcomes(machines, tmp_path_factory):
    scratch = tmp_path_factory.mktemp("jobs")
    status, out, error = Running(["-c", PROGRAM, machines.address, scratch]).result()
    assert (status, error) == (0, "")
    first, second = out.splitlines()
    assert first == "what a program prints is not Ray's"
    return json.loads(second)


@pytest.mark.parametrize("kind", ["tasks", "actors"])
def test_results_come_in_the_order_of_jobs(outcomes, kind):
    assert [found["square"] for found in outcomes[kind]["found"]] == [10, 2, 5]
    assert outcomes[kind]["said"] == [f"squares: {done} of 3" for done in range(4)]


def test_an_actor_keeps_what_its_task_has(outcomes):
    """The cluster has one core, so one actor does all: one of the jobs was its third."""
    assert sorted(found["done"] for found in outcomes["actors"]["found"]) == [1, 2, 3]


def test_no_jobs_are_no_work(outcomes):
    assert outcomes["none"] == {"found": [], "said": ["squares: 0 of 0"]}


@pytest.mark.parametrize(
    ("name", "message"),
    [
        ("bad text", "TextError: file.txt:3: is not text"),
        ("bad code", "ClusterError: ZeroDivisionError: nothing to divide by"),
        ("no file", "ClusterError: /nowhere/at/all: No such file or directory"),
        (
            "memory",
            "ClusterError: squares: a job may take 1,125,899,906,842,624 bytes of memory, and no node of the cluster "
            "has more than 2,147,483,648; give a smaller --memory",
        ),
    ],
)
def test_errors_of_jobs_come_in_one_line(outcomes, name, message):
    assert outcomes[name]["error"] == message


def test_a_job_that_ends_its_process_each_time_is_given_up(outcomes):
    message = outcomes["death"]["error"]
    begin, _, end = message.partition(", at last on ")
    assert begin == "ClusterError: squares: job 0 was begun 4 times and never ended"
    assert end.endswith("; out of memory is likely: see ray status, or give Ray fewer cores a node")


def test_marks_of_attempts_do_not_stay(outcomes):
    assert outcomes["left"] == []
