"""Running commands and worker processes by turns, and what their times say."""

import json
import os
import statistics
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import Any, NamedTuple

Json = dict[str, Any]
PEAK_UNIT = 1 if sys.platform == "darwin" else 1024  # bytes in one unit of ru_maxrss


class Run(NamedTuple):
    """One timed run. peak: bytes of resident memory at most, 0 if not asked for; answer: what the program said."""

    seconds: float
    peak: int = 0
    answer: Json = {}


Contenders = Mapping[str, Callable[[], Run]]
Runs = Mapping[str, Sequence[Run]]


def command(
    arguments: Sequence[str | Path],
    *,
    stdin: Path | None = None,
    env: Mapping[str, str] | None = None,
    parse: Callable[[str], Json] | None = None,
) -> Run:
    """Time a whole command from outside: from before its start until it has ended.

    parse: makes the answer of its standard output. Raises SystemExit, with the command's own words, if it fails.
    """
    words = [str(argument) for argument in arguments]
    with (
        tempfile.TemporaryFile() as out,
        tempfile.TemporaryFile() as err,
        Path(stdin or os.devnull).open("rb") as source,
    ):
        begin = time.perf_counter()
        process = subprocess.Popen(words, stdin=source, stdout=out, stderr=err, env={**os.environ, **(env or {})})
        _, status, usage = os.wait4(process.pid, 0)  # unlike Popen.wait: with the peak memory of this child alone
        seconds = time.perf_counter() - begin
        process.returncode = os.waitstatus_to_exitcode(status)
        if process.returncode:
            err.seek(0)
            raise SystemExit(f"{' '.join(words)} failed:\n{err.read().decode(errors='replace')}")
        out.seek(0)
        return Run(seconds, usage.ru_maxrss * PEAK_UNIT, parse(out.read().decode()) if parse else {})


class Worker:
    """A process that stays: one JSON object a line in, one out. Its first answers pay for imports and caches."""

    def __init__(self, arguments: Sequence[str | Path]):
        self._errors = tempfile.TemporaryFile()  # noqa: SIM115  # closed by __exit__
        pipe = subprocess.PIPE
        words = [str(argument) for argument in arguments]
        self._process = subprocess.Popen(words, stdin=pipe, stdout=pipe, stderr=self._errors, text=True)

    def __enter__(self) -> "Worker":
        return self

    def __exit__(self, *_: object) -> None:
        self._process.communicate()
        self._errors.close()

    def run(self, do: str, **request: Any) -> Run:
        """Let the worker run its function ``do``; the answer holds ``seconds``, measured inside."""
        assert self._process.stdin is not None and self._process.stdout is not None
        self._process.stdin.write(json.dumps({"do": do, **request}, default=str) + "\n")
        self._process.stdin.flush()
        line = self._process.stdout.readline()
        if not line:
            self._errors.seek(0)
            raise SystemExit(f"a worker asked to {do} failed:\n{self._errors.read().decode(errors='replace')}")
        answer: Json = json.loads(line)
        return Run(answer["seconds"], answer.get("peak", 0), answer)


def serve(functions: Mapping[str, Callable[..., Json]]) -> None:
    """The worker's side: answer requests from standard input until it is closed."""
    for line in sys.stdin:
        request = json.loads(line)
        answer = functions[request.pop("do")](**request)
        print(json.dumps(answer), flush=True)


def alternate(rounds: int, contenders: Contenders) -> dict[str, list[Run]]:
    """Every contender once a round, in turn, so that a slow minute of the machine slows all alike."""
    runs: dict[str, list[Run]] = {name: [] for name in contenders}
    for _ in range(rounds):
        for name, contender in contenders.items():
            runs[name].append(contender())
    return runs


def median(runs: Sequence[Run]) -> float:
    """Median of the runs' seconds."""
    return statistics.median(run.seconds for run in runs)
