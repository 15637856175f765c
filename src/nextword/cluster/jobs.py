"""Jobs on Ray Data: one at a time on each core, one result a job, whatever dies meanwhile.

When a node or a process dies, Ray Data has its jobs done again. So a job may be begun twice, and be done twice; each
writes its files under names of their own, renamed at the end (see the tasks), so that twice leaves what once does.
Results are counted once: Ray Data gives every row once, and ``run`` holds it to that.

Jobs go to Ray tasks, which any free core takes up again; or, where what a job needs is dear to load, to actors, which
keep it. (A dead actor's job waits until Ray has restarted the actor where a core is free, at the latest when the others
have nothing left to do.) A process that does tasks keeps what the last stage loaded, too, but Ray may end it any time.
"""

import json
import os
import platform
import secrets
import shutil
from collections.abc import Callable, Sequence
from functools import partial
from pathlib import Path
from typing import Any, Protocol

from nextword import errors
from nextword.cluster.session import Session
from nextword.errors import ClusterError, NextwordError
from nextword.types import Json

_RESULT = 1 << 20  # bytes
MOST_ATTEMPTS = 4  # a job whose process dies so often will not do better the next time


class Task(Protocol):
    """What is done to each job: made once in a process, from ``Stage.settings``."""

    def __call__(self, job: Json, /) -> Json:
        """The result, of JSON values alone."""


class Stage:
    """A kind of jobs: the task that does them, what it is made from, and a name for messages."""

    def __init__(
        self, name: str, task: Callable[..., Task], settings: Json, *, actors: bool = False, memory: int | None = None
    ):
        """settings: keyword arguments of ``task``. memory: bytes that a job may take, for Ray to reckon with."""
        self.name, self.task, self.settings, self.actors, self.memory = name, task, settings, actors, memory


def run(session: Session, stage: Stage, jobs: Sequence[Json], scratch: Path, say: Callable[[str], None]) -> list[Json]:
    """Do all jobs; their results, in the order of the jobs.

    scratch: a directory that all nodes see; for the time of the work it holds a mark per attempt at a job. say: called
    with how far it is. An error within a job is raised here, of its own class, and what is being done is given up.
    Raises ClusterError for a job that brings its process down again and again, and unless results are one a job.
    """
    _check_room(session, stage)
    attempts = scratch / f"attempts-{secrets.token_hex(4)}"
    attempts.mkdir(parents=True)
    results: dict[int, Json] = {}
    again = 0
    try:
        say(_progress(session, stage, 0, len(jobs), again))
        for row in _dataset(session, stage, jobs, attempts).iter_rows() if jobs else ():
            if row["error"]:
                raise _error(row["error"], row["result"])
            if row["index"] in results:
                raise ClusterError(f"{stage.name}: job {row['index']} has two results, which Ray promises not to give")
            results[row["index"]] = json.loads(row["result"])
            again += row["attempt"] > 1
            say(_progress(session, stage, len(results), len(jobs), again))
    finally:
        shutil.rmtree(attempts, ignore_errors=True)
    if len(results) < len(jobs):
        raise ClusterError(f"{stage.name}: {len(jobs) - len(results)} of {len(jobs)} jobs have no result; run it again")
    return [results[index] for index in range(len(jobs))]


def _check_room(session: Session, stage: Stage) -> None:
    """Ray would wait for ever for a node that has what no node has."""
    if stage.memory is not None and stage.memory > session.memory:
        raise ClusterError(
            f"{stage.name}: a job may take {stage.memory:,} bytes of memory, and no node of the cluster has more than "
            f"{session.memory:,}; give a smaller --memory"
        )


def _progress(session: Session, stage: Stage, done: int, jobs: int, again: int) -> str:
    lost = session.lost()
    parts = [f"{stage.name}: {done:,} of {jobs:,}"]
    parts += [f"{lost} of {len(session.nodes)} nodes lost"] if lost else []
    parts += [f"{again} begun again"] if again else []
    return ", ".join(parts)


def _dataset(session: Session, stage: Stage, jobs: Sequence[Json], attempts: Path) -> Any:
    """Rows of results, not begun yet."""
    import ray.data

    rows = [{"index": index, "job": json.dumps(job)} for index, job in enumerate(jobs)]
    context = ray.data.DataContext.get_current()
    context.enable_progress_bars = False
    context.target_max_block_size = _RESULT  # what it reckons a job's result with; 128 MB would leave cores idle
    todo = ray.data.from_items(rows, override_num_blocks=len(rows))
    size = min(session.cores, len(jobs))
    made: Json = {"name": stage.name, "task": stage.task, "settings": stage.settings, "attempts": str(attempts)}
    if stage.actors:
        pool = ray.data.ActorPoolStrategy(size=size, max_tasks_in_flight_per_actor=1)
        return todo.map(Doer, fn_constructor_kwargs=made, compute=pool, num_cpus=1, memory=stage.memory)
    cores = ray.data.TaskPoolStrategy(size=size)
    return todo.map(do, fn_kwargs=made, compute=cores, num_cpus=1, memory=stage.memory)


class Doer:
    """Does jobs in one process; errors are results too, so that they come without a traceback and without retries."""

    def __init__(self, *, name: str, task: Callable[..., Task], settings: Json, attempts: str):
        self._name, self._make, self._attempts = name, partial(task, **settings), Path(attempts)
        self._task: Task | None = None

    def __call__(self, row: Json) -> Json:
        """The row of a job's result."""
        index, attempt = row["index"], 0
        try:
            attempt = self._begin(index)
            self._task = self._task or self._make()
            result = json.dumps(self._task(json.loads(row["job"])))
            return {"index": index, "attempt": attempt, "error": "", "result": result}
        except Exception as error:
            return {"index": index, "attempt": attempt, "error": type(error).__name__, "result": _message(error)}

    def _begin(self, index: int) -> int:
        """Leave a mark that the job is begun, here; returns which attempt it is."""
        file = self._attempts / f"{self._name.replace(' ', '-')}-{index}"
        with file.open("a") as marks:
            marks.write(f"{platform.node()} {os.getpid()}\n")
        *before, _ = file.read_text().splitlines()
        if len(before) >= MOST_ATTEMPTS:
            host, _, process = before[-1].partition(" ")
            raise ClusterError(
                f"{self._name}: job {index} was begun {len(before)} times and never ended, at last on {host} by "
                f"process {process}; out of memory is likely: see ray status, or give Ray fewer cores a node"
            )
        return len(before) + 1


_kept: dict[str, Doer] = {}


def do(row: Json, **made: Any) -> Json:
    """Do one job as the ``Doer`` that this process keeps would."""
    key = repr(made)
    if key not in _kept:
        _kept.clear()
        _kept[key] = Doer(**made)
    return _kept[key](row)


def _message(error: Exception) -> str:
    if isinstance(error, NextwordError):
        return str(error)
    if isinstance(error, OSError) and error.filename:
        return f"{error.filename}: {error.strerror}"
    return f"{type(error).__name__}: {error}"


def _error(name: str, message: str) -> NextwordError:
    """The error that a worker had, by the name of its class."""
    made = getattr(errors, name, None)
    return made(message) if isinstance(made, type) and issubclass(made, NextwordError) else ClusterError(message)
