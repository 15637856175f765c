"""What is left when a command is killed, and whether the same command then gives the same result.

    python benchmarks/crashes.py                            50 kills of each command, on text drawn here
    python benchmarks/crashes.py --kills 10 --only train    a few of some; --list names them
    python benchmarks/crashes.py --text FILE --lines 20000  the first lines of a text of one's own

Each command is run once undisturbed. Then it is killed (SIGKILL, with its children) at moments drawn from a seed, over
nothing or, every other time, over the whole output of an earlier command. After each kill a reader opens what is there:
it must find the earlier output, the new one, or nothing that it takes for an output; never a part. Then the command is
run again, with --resume where it has that, and perhaps killed again, until it ends; it must say that it went well, its
result must be the undisturbed one to the byte, and no other file may be left. Exit status 1 if anything is wrong.
"""

import argparse
import json
import os
import random
import shutil
import signal
import subprocess
import sys
import tempfile
import time
from collections import Counter
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from pathlib import Path

from harness.setting import Words, nextword
from harness.tables import show

from nextword import durable, store
from nextword.errors import NextwordError, StoreError
from nextword.ngram.arpa import read_arpa

Found = dict[str, str]  # what a reader takes for whole: name → SHA-256
_AGAIN = 0.4  # of the commands that go on after a kill, the share that is killed too
_STUCK = 300.0  # seconds after which a command hangs


@dataclass(frozen=True)
class Case:
    """A command that writes ``target`` in a folder of its own. Words may hold {out}, {folder} and {data}.

    look: what a reader finds at the target. resume: what is added when the command is run again. old: a command that
    writes another output to the same place, where one may replace another.
    """

    name: str
    target: str
    command: str
    look: Callable[[Path], Found]
    resume: str = ""
    old: str = ""

    def words(self, command: str, folder: Path, data: Path) -> Words:
        """The command line."""
        places = {"out": folder / self.target, "folder": folder, "data": data}
        return [*nextword(), *(word.format_map(places) for word in command.split()), "--quiet"]


@dataclass
class Tally:
    """What was seen of a case."""

    seconds: float = 0.0
    kills: int = 0
    late: int = 0
    states: Counter[str] = field(default_factory=Counter)
    wrong: list[str] = field(default_factory=list)


def model(path: Path) -> Found:
    """A model directory, every hash in it checked."""
    try:
        store.verify(path)
        stored = store.load(path)
    except StoreError:
        return {}
    len(stored.model.vocabulary)
    files = [path / entry["file"] for entry in stored.config["payloads"].values()]
    return {"model": durable.sha256([durable.file_sha256(file).encode() for file in sorted(files)])}


def arpa(path: Path) -> Found:
    """An ARPA file that can be read to its end."""
    if not path.exists():
        return {}
    read_arpa(path)
    return {"arpa": durable.file_sha256(path)}


def shards(path: Path) -> Found:
    """Each file under its own name in a folder of many, but for notes and temporary files."""
    files = [file for file in path.rglob("*") if file.is_file()] if path.is_dir() else []
    visible = [file for file in files if not any(part.startswith(".") for part in file.relative_to(path).parts)]
    return {str(file.relative_to(path)): durable.file_sha256(file) for file in visible}


def counts(path: Path) -> Found:
    """A directory of counts, which is one once its manifest is there."""
    return shards(path) if (path / "counts.json").is_file() else {}


TRAIN = "train ngram {data}/text.txt --out {out} --order 4 --threads 1 --discount-fallback"
CASES = [
    Case("train", "model", TRAIN, model, old="train ngram {data}/text.txt --out {out} --order 2 --discount-fallback"),
    Case(
        "train --memory", "model", TRAIN + " --memory 32M --temp {folder}/temp", model, resume="--resume",
        old="train ngram {data}/text.txt --out {out} --order 2 --discount-fallback",
    ),
    Case(
        "count --memory", "counts", "count {data}/text.txt --out {out} --order 4 --memory 32M --temp {folder}/temp",
        counts, resume="--resume",
    ),
    Case(
        "train --from-counts", "model",
        "train ngram --from-counts {data}/counts --out {out} --threads 1 --discount-fallback", model,
    ),
    Case(
        "convert to ARPA", "model.arpa", "convert {data}/model {out}", arpa, old="convert {data}/small {out}",
    ),
    Case(
        "convert to .arpa.gz", "model.arpa.gz", "convert {data}/model {out}", arpa, old="convert {data}/small {out}",
    ),
    Case("convert from ARPA", "model", "convert {data}/model.arpa {out}", model, old="convert {data}/small.arpa {out}"),
    Case(
        "prune", "model", "prune {data}/model --entropy 1e-7 --out {out}", model,
        old="prune {data}/model --entropy 1e-3 --out {out}",
    ),
    Case(
        "mix --static", "model",
        "mix {data}/model {data}/small --tune {data}/tune.txt --out {out} --static --threads 1",
        model, old="prune {data}/model --entropy 1e-3 --out {out}",
    ),
    Case(
        "quantize", "model", "quantize {data}/model --out {out}", model,
        old="quantize {data}/model --layout hash --out {out}",
    ),
    Case("quantize --layout hash", "model", "quantize {data}/model --layout hash --out {out}", model),
    Case("filter", "clean", "filter {data}/model {data}/crawl --out {out} --max-perplexity 400 --threads 1", shards),
]  # fmt: skip


def prepare(data: Path, text: Path | None, lines: int) -> None:
    """The inputs of all cases."""
    drawn = _lines(text) if text else _drawn()
    some = [next(drawn) for _ in range(lines)]
    (data / "text.txt").write_bytes(b"".join(some))
    (data / "tune.txt").write_bytes(b"".join(next(drawn) for _ in range(max(lines // 50, 20))))
    (data / "crawl").mkdir()
    for shard in range(12):  # so much that most of the time goes into it, and not into starting
        records = [json.dumps({"id": i, "text": line.decode()}) for i, line in enumerate(some)]
        random.Random(shard).shuffle(records)
        (data / "crawl" / f"{shard}.jsonl").write_text("\n".join(records) + "\n", encoding="utf-8")
    for command in (
        "train ngram {data}/text.txt --out {data}/model --order 4 --discount-fallback",
        "train ngram {data}/text.txt --out {data}/small --order 2 --discount-fallback",
        "convert {data}/model {data}/model.arpa",
        "convert {data}/small {data}/small.arpa",
        "count {data}/text.txt --out {data}/counts --order 4",
    ):
        words = [*nextword(), *command.format(data=data).split(), "--quiet"]
        if subprocess.run(words, check=False).returncode:
            print(f"without what this makes: {command}")


def _lines(text: Path) -> Iterator[bytes]:
    while True:
        with text.open("rb") as file:
            yield from file


def _drawn() -> Iterator[bytes]:
    """Lines of words that come by Zipf's law."""
    source = random.Random(0)
    words = [f"w{i}" for i in range(20_000)]
    cumulated, total = [], 0.0
    for i in range(len(words)):
        total += 1 / (i + 2)
        cumulated.append(total)
    while True:
        yield (" ".join(source.choices(words, cum_weights=cumulated, k=source.randint(1, 30))) + "\n").encode()


class Trials:
    """Runs and kills of one case."""

    def __init__(self, case: Case, data: Path, work: Path, seed: int):
        self.case, self.data, self.work = case, data, work
        self.random = random.Random(f"{seed} {case.name}")
        self.tally = Tally()
        self.startup = min(self._timed([*nextword(), "--version"]) for _ in range(3))

    def run(self, kills: int) -> Tally:
        """Until that many processes were killed."""
        whole = self._folder("whole")
        self._finish(whole)  # compiles what is to be compiled
        shutil.rmtree(whole)
        whole = self._folder("whole")
        self.tally.seconds = self._finish(whole)  # the least of what is to come: on a busy machine it differs
        self.new, self.files = self.case.look(whole / self.case.target), _names(whole)
        if not self.new or self.tally.wrong:
            self.tally.wrong.append("the undisturbed command made nothing")
            return self.tally
        trial = 0
        while self.tally.kills < kills and trial < 3 * kills:
            self._trial(trial, with_old=bool(self.case.old) and trial % 2 == 1)
            trial += 1
        return self.tally

    def _trial(self, number: int, *, with_old: bool) -> None:
        folder, old, again = self._folder(f"trial {number}"), Found(), False
        if with_old:
            self._finish(folder, self.case.words(self.case.old, folder, self.data))
            old = self.case.look(folder / self.case.target)
        while True:
            if not self._killed(folder, again):
                break
            self._examine(folder, old, number)
            again = True
            if self.random.random() > _AGAIN:
                break
        self._finish(folder, self._words(folder, again=True) if again else None)
        if self.case.look(folder / self.case.target) != self.new:
            self._wrong(number, "the result is not that of an undisturbed command")
        if left := _names(folder) ^ self.files:
            self._wrong(number, f"other files than after an undisturbed command: {', '.join(sorted(left))}")
        shutil.rmtree(folder)

    def _killed(self, folder: Path, again: bool) -> bool:
        """Start the command and kill it at a moment drawn; False if it had ended."""
        moment = self.startup + self.random.random() * max(self.tally.seconds - self.startup, 0.1)
        with tempfile.TemporaryFile() as err:
            words = [str(word) for word in self._words(folder, again=again)]
            process = subprocess.Popen(words, stdout=subprocess.DEVNULL, stderr=err, start_new_session=True)
            time.sleep(moment)
            running = process.poll() is None
            if running:
                os.killpg(process.pid, signal.SIGKILL)
            status = process.wait()
            if not running:
                self.tally.seconds = min(self.tally.seconds, 0.9 * moment)
            self.tally.kills += status == -signal.SIGKILL
            self.tally.late += status == 0
            if status not in (0, -signal.SIGKILL):
                err.seek(0)
                self._wrong(-1, f"status {status}: {err.read().decode(errors='replace').strip()}")
            return status == -signal.SIGKILL

    def _examine(self, folder: Path, old: Found, number: int) -> None:
        """What a reader finds after a kill is old or new, each piece of it, or nothing where nothing was."""
        try:
            found = self.case.look(folder / self.case.target)
        except NextwordError as error:
            self._wrong(number, f"a reader finds a part: {error}")
            return
        if found == self.new:
            state = "new"
        elif found == old:
            state = "old" if old else "nothing"
        elif found and all(value in (self.new.get(name), old.get(name)) for name, value in found.items()):
            state = "some whole files"
        else:
            self._wrong(number, f"a reader finds what is neither old nor new: {', '.join(found) or 'nothing'}")
            return
        self.tally.states[state] += 1

    def _finish(self, folder: Path, words: Words | None = None) -> float:
        """Run the command to its end; its seconds."""
        begin = time.perf_counter()
        given = [str(word) for word in words or self._words(folder)]
        try:
            done = subprocess.run(given, capture_output=True, text=True, check=False, timeout=_STUCK)
        except subprocess.TimeoutExpired:
            self._wrong(-1, f"hangs: {' '.join(given)}")
            return _STUCK
        if done.returncode:
            self._wrong(-1, f"status {done.returncode}: {done.stderr.strip()}")
        seconds = time.perf_counter() - begin
        if words is None and self.tally.seconds:
            self.tally.seconds = min(self.tally.seconds, seconds)
        return seconds

    def _words(self, folder: Path, *, again: bool = False) -> Words:
        return self.case.words(f"{self.case.command} {self.case.resume if again else ''}", folder, self.data)

    def _folder(self, name: str) -> Path:
        """A folder for one trial. Its name is always the same: outputs may name their inputs."""
        folder = self.work / "trial"
        if folder.exists():
            shutil.rmtree(folder)
        folder.mkdir()
        return folder

    def _wrong(self, number: int, what: str) -> None:
        self.tally.wrong.append(f"trial {number}: {what}" if number >= 0 else what)

    def _timed(self, words: Words) -> float:
        begin = time.perf_counter()
        subprocess.run([str(word) for word in words], capture_output=True, check=True)
        return time.perf_counter() - begin


def _names(folder: Path) -> set[str]:
    """Every file and folder there."""
    return {str(path.relative_to(folder)) for path in folder.rglob("*")}


def main() -> int:
    """Run the cases asked for and print a table."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--kills", type=int, default=50, help="of each command")
    parser.add_argument("--seed", type=int, default=0, help="of the moments")
    parser.add_argument("--only", nargs="+", metavar="NAME", help="of the commands")
    parser.add_argument("--list", action="store_true", help="name the commands")
    parser.add_argument("--text", type=Path, help="take lines of this file")
    parser.add_argument("--lines", type=int, default=20_000, help="of text to work on")
    parser.add_argument("--work", type=Path, help="a folder for what is made (default: a temporary one)")
    arguments = parser.parse_args()
    if arguments.list:
        print("\n".join(case.name for case in CASES))
        return 0
    cases = [case for case in CASES if not arguments.only or case.name in arguments.only]
    with tempfile.TemporaryDirectory(dir=arguments.work) as folder:
        data = Path(folder) / "data"
        data.mkdir()
        prepare(data, arguments.text, arguments.lines)
        tallies: dict[str, Tally] = {}
        for case in cases:
            tally = tallies[case.name] = Trials(case, data, Path(folder), arguments.seed).run(arguments.kills)
            print(f"{case.name}: {tally.kills} kills, {len(tally.wrong)} wrong", flush=True)
    states = ("nothing", "old", "some whole files", "new")
    rows = [
        [name, f"{tally.seconds:.2f}", str(tally.kills), str(tally.late)]
        + [str(tally.states[state]) for state in states]
        + [str(len(tally.wrong))]
        for name, tally in tallies.items()
    ]
    show("What a reader found after SIGKILL", ["", "seconds", "kills", "too late", *states, "wrong"], rows)
    for name, tally in tallies.items():
        for what in tally.wrong:
            print(f"{name}: {what}")
    return 1 if any(tally.wrong for tally in tallies.values()) else 0


if __name__ == "__main__":
    sys.exit(main())
