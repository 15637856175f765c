"""Training beside lmplz, in memory and with bounded memory: seconds, anonymous memory, temporary disk, the same model.

    python benchmarks/scale.py                          the novels, from $NEXTWORD_SHARED or ../shared
    python benchmarks/scale.py --text FILE              a text of one's own, one sentence a line
    python benchmarks/scale.py --bounds 400M 2G --lmplz FILE

Training in memory, to a model directory and to an ARPA file, training with each bound, and KenLM's lmplz with the same
bounds (-S, to its intermediate files) and with the last one to an ARPA file take turns. A watcher reads, 20 times a
second, RssAnon of the process (/proc/PID/status: the pages of mapped files, which the system may drop, are not in it;
lmplz's buffers are) and the temporary files that it has in its directory, open or mapped, deleted ones too. Linux only.
The last column is the SHA-256 of the model's weights.
"""

import argparse
import gzip
import os
import shutil
import subprocess
import tempfile
import threading
import time
from collections.abc import Callable, Sequence
from functools import partial
from pathlib import Path

from harness import peers
from harness.files import copy_text, count_tokens
from harness.setting import nextword
from harness.tables import megabytes, ratio, show, spread
from harness.timing import Run, alternate

from nextword.durable import file_sha256

SHARED = Path(os.environ.get("NEXTWORD_SHARED", Path(__file__).resolve().parents[2] / "shared"))
EVERY = 0.05  # seconds
TO_ARPA = "lmplz to ARPA"


def watched(arguments: Sequence[str | Path], temp: Path, out: Path | None = None) -> Run:
    """Run a command; answer: disk, the bytes of its files in ``temp`` at most, and weights, the hash of the model."""
    with tempfile.TemporaryFile() as said:
        begin = time.perf_counter()
        process = subprocess.Popen(list(map(str, arguments)), stdout=subprocess.DEVNULL, stderr=said)
        peaks = [0, 0]

        def watch() -> None:
            while process.poll() is None:
                peaks[0] = max(peaks[0], anonymous(process.pid))
                peaks[1] = max(peaks[1], on_disk(process.pid, temp))
                time.sleep(EVERY)

        watcher = threading.Thread(target=watch)
        watcher.start()
        status = process.wait()
        seconds = time.perf_counter() - begin
        watcher.join()
        if status:
            said.seek(0)
            raise SystemExit(f"{' '.join(map(str, arguments))} failed:\n{said.read().decode(errors='replace')}")
    weights = "" if out is None else file_sha256(next(out.glob("weights-*")))
    return Run(seconds, peaks[0], {"disk": peaks[1], "weights": weights})


def anonymous(pid: int) -> int:
    """RssAnon of a process in bytes; 0 when it has ended."""
    try:
        lines = Path(f"/proc/{pid}/status").read_text().splitlines()
    except OSError:
        return 0
    return 1024 * sum(int(line.split()[1]) for line in lines if line.startswith("RssAnon:"))


def on_disk(pid: int, temp: Path) -> int:
    """Bytes of a process's files under ``temp``: those with names, those open and those mapped."""
    sizes: dict[int, int] = {}
    try:
        files = [*temp.rglob("*"), *Path(f"/proc/{pid}/fd").iterdir()]
        maps = Path(f"/proc/{pid}/maps").read_text().splitlines()
    except OSError:
        return 0
    for line in maps:
        span, _, _, _, inode, *path = line.split(maxsplit=5)
        if path and path[0].startswith(str(temp)):
            low, high = (int(end, 16) for end in span.split("-"))
            sizes[int(inode)] = sizes.get(int(inode), 0) + high - low
    for file in files:
        try:
            if file.is_file() and (file.is_relative_to(temp) or str(file.readlink()).startswith(str(temp))):
                status = file.stat()
                sizes[status.st_ino] = max(sizes.get(status.st_ino, 0), 512 * status.st_blocks)
        except OSError:
            continue
    return sum(sizes.values())


def plain(source: Path, work: Path) -> Path:
    """The text without compression, and as lmplz takes it."""
    if source.suffix != ".gz":
        return copy_text(source, work / "text.txt")
    with gzip.open(source) as packed, (work / "unpacked.txt").open("wb") as unpacked:
        shutil.copyfileobj(packed, unpacked)
    return copy_text(work / "unpacked.txt", work / "text.txt")


def contenders(
    text: Path, work: Path, order: int, bounds: Sequence[str], lmplz: Path | None
) -> dict[str, Callable[[], Run]]:
    """What takes turns."""
    temp = work / "temporary"
    temp.mkdir()
    train = [*nextword(), "train", "ngram", text, "--order", str(order), "--like-lmplz", "--quiet"]
    found: dict[str, Callable[[], Run]] = {}
    for bound in (None, *bounds):
        out = work / f"model-{bound}"
        limit = [] if bound is None else ["--memory", bound, "--temp", temp / "ours"]
        name = "nextword, in memory" if bound is None else f"nextword --memory {bound}"
        found[name] = partial(watched, [*train, "--out", out, *limit], temp, out)
    found["nextword, in memory, to ARPA"] = partial(watched, [*train, "--out", work / "ours.arpa"], temp)
    if lmplz is not None:
        start = [lmplz, "-o", str(order), "-T", temp / "lmplz-", "--text", text]
        found[TO_ARPA] = partial(watched, [*start, "-S", bounds[-1], "--arpa", work / "lmplz.arpa"], temp)
        for bound in bounds:
            written = ["--intermediate", work / "intermediate"]
            found[f"lmplz -S {bound} --intermediate"] = partial(watched, [*start, "-S", bound, *written], temp)
    return found


def main() -> None:
    """Read the options, run, print."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--text", type=Path, default=SHARED / "data" / "novels" / "novels.txt.gz")
    parser.add_argument("--order", type=int, default=5)
    parser.add_argument("--bounds", nargs="+", default=["400M", "2G"], metavar="SIZE")
    parser.add_argument("--rounds", type=int, default=3)
    parser.add_argument("--work", type=Path, help="a folder for models and temporary files; the system's unless given")
    peers.add_arguments(parser)
    options = parser.parse_args()
    lmplz = peers.find(options).lmplz
    with tempfile.TemporaryDirectory(dir=options.work) as made:
        work = Path(made)
        text = plain(options.text, work)
        turns = contenders(text, work, options.order, options.bounds, lmplz)
        watched([*nextword(), "train", "ngram", text, "--out", work / "warm", "--memory", "2G", "--quiet"], work)
        runs = alternate(options.rounds, turns)
        references = {"in memory": next(iter(runs.values()))}
        lmplz_runs = (TO_ARPA, f"lmplz -S {options.bounds[-1]} --intermediate")
        references |= {name: runs[name] for name in lmplz_runs if name in runs}
        rows = []
        for name, measured in runs.items():
            disk = max(run.answer["disk"] for run in measured)
            hashes = {run.answer["weights"][:16] for run in measured}
            peak = megabytes(max(run.peak for run in measured))
            speeds = [ratio(reference, measured) for reference in references.values()]
            rows.append([name, *spread(measured, 1, 1), *speeds, peak, megabytes(disk), " ".join(hashes)])
        title = f"Training, order {options.order}, {count_tokens(text):,} tokens, {text.stat().st_size / 1e6:,.0f} MB"
        show(
            title,
            ["", "seconds", "range", *(f"speed / {name}" for name in references), "RssAnon MB", "disk MB", "weights"],
            rows,
        )


if __name__ == "__main__":
    main()
