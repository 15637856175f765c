"""Running commands and worker processes by turns, and tables of their medians and ratios."""

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
_PEAK_UNIT = 1 if sys.platform == "darwin" else 1024  # of ru_maxrss


class Run(NamedTuple):
    """One timed run. peak: bytes of resident memory at most, 0 if unknown; answer: what the program said."""

    seconds: float
    peak: int = 0
    answer: Json = {}  # noqa: RUF012


def command(
    arguments: Sequence[str | Path], *, stdin: Path | None = None, env: Mapping[str, str] | None = None, json_out: bool = False
) -> Run:
    """Time a whole command from outside: from before its start until it has ended.

    json_out: its standard output is JSON; otherwise that is thrown away. Raises SystemExit, with the command's own
    words, if it fails.
    """
    with tempfile.TemporaryFile() as out, tempfile.TemporaryFile() as err, Path(stdin or os.devnull).open("rb") as source:
        begin = time.perf_counter()
        process = subprocess.Popen(
            [str(argument) for argument in arguments],
            stdin=source,
            stdout=out if json_out else subprocess.DEVNULL,
            stderr=err,
            env={**os.environ, **(env or {})},
        )
        _, status, usage = os.wait4(process.pid, 0)  # unlike Popen.wait: the peak memory of this child alone
        seconds = time.perf_counter() - begin
        process.returncode = os.waitstatus_to_exitcode(status)
        out.seek(0)
        err.seek(0)
        if process.returncode:
            raise SystemExit(f"{' '.join(map(str, arguments))} failed:\n{err.read().decode(errors='replace')}")
        return Run(seconds, usage.ru_maxrss * _PEAK_UNIT, json.load(out) if json_out else {})


class Worker:
    """A process that stays: one JSON object a line in, one out. Its first answers pay for imports and caches."""

    def __init__(self, arguments: Sequence[str | Path]):
        self._process = subprocess.Popen(
            [str(argument) for argument in arguments],
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            stderr=subprocess.DEVNULL if os.environ.get("BENCH_QUIET", "1") == "1" else None,
            text=True,
        )

    def __enter__(self) -> "Worker":
        return self

    def __exit__(self, *_: object) -> None:
        assert self._process.stdin is not None
        self._process.stdin.close()
        self._process.wait()

    def ask(self, do: str, **request: Any) -> Json:
        """Let the worker run its function ``do``; the answer holds ``seconds``, measured inside."""
        assert self._process.stdin is not None and self._process.stdout is not None
        self._process.stdin.write(json.dumps({"do": do, **request}, default=str) + "\n")
        self._process.stdin.flush()
        line = self._process.stdout.readline()
        if not line:
            raise SystemExit(f"the worker for {do!r} has ended; set BENCH_QUIET=0 to see what it said")
        answer: Json = json.loads(line)
        return answer

    def run(self, do: str, **request: Any) -> Run:
        """``ask`` as a Run."""
        answer = self.ask(do, **request)
        return Run(answer["seconds"], answer.get("peak", 0), answer)


def serve(functions: Mapping[str, Callable[..., Json]]) -> None:
    """The worker's side: answer requests from standard input until it is closed."""
    for line in sys.stdin:
        request = json.loads(line)
        answer = functions[request.pop("do")](**request)
        print(json.dumps(answer), flush=True)


def alternate(rounds: int, contenders: Mapping[str, Callable[[], Run]]) -> dict[str, list[Run]]:
    """Every contender once a round, in turn, so that a slow minute of the machine slows all alike."""
    runs: dict[str, list[Run]] = {name: [] for name in contenders}
    for _ in range(rounds):
        for name, contender in contenders.items():
            runs[name].append(contender())
    return runs


def median(runs: Sequence[Run]) -> float:
    """Median of the runs' seconds."""
    return statistics.median(run.seconds for run in runs)


def ratio(reference: Sequence[Run], runs: Sequence[Run]) -> str:
    """How many times faster than the reference: median of the rounds' ratios, and their range."""
    ratios = [theirs.seconds / ours.seconds for theirs, ours in zip(reference, runs, strict=True)]
    return f"{statistics.median(ratios):.2f} ({min(ratios):.2f}-{max(ratios):.2f})"


def megabytes(size: float) -> str:
    """Bytes as MB, or - for none."""
    return f"{size / 1e6:,.0f}" if size else "-"


def show(title: str, header: Sequence[str], rows: Sequence[Sequence[str]]) -> None:
    """Print a table; the first column to the left, the others to the right."""
    widths = [max(len(row[i]) for row in [header, *rows]) for i in range(len(header))]
    print(f"\n{title}\n")
    for row in [header, ["-" * width for width in widths], *rows]:
        cells = [c.rjust(w) if i else c.ljust(w) for i, (c, w) in enumerate(zip(row, widths, strict=True))]
        print("  " + "  ".join(cells).rstrip())
    sys.stdout.flush()
