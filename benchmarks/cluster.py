"""What filtering and counting cost on a core, in bytes and seconds, and what Ray adds: the figures of docs/scale.md.

    python benchmarks/cluster.py                        the novels, from $NEXTWORD_SHARED or ../shared
    python benchmarks/cluster.py --text FILE            a text of one's own, one sentence a line
    python benchmarks/cluster.py --model DIR            filter with a model that is there already
    python benchmarks/cluster.py --only growth stages   some of the tables: growth, stages, filter, commands

growth: distinct n-grams in growing beginnings of the text, and what pre-combining saves; no times, so it may run on a
busy machine. stages: each kind of job of ``nextword count --ray``, in this process, without Ray, in seconds of
processor time. filter: the same of ``nextword filter``. commands: whole commands from outside, on one machine, with and
without Ray, which take turns.
"""

import argparse
import gzip
import json
import math
import os
import shutil
import tempfile
import time
from collections.abc import Callable, Iterator, Sequence
from functools import partial
from pathlib import Path

import numpy as np
from harness.files import count_tokens
from harness.setting import nextword
from harness.tables import megabytes, show, spread
from harness.timing import Run, alternate, command, median
from scale import anonymous

from nextword.api import load, train
from nextword.cluster import scratch as files
from nextword.cluster.tasks import CountWords, MergeWords, WriteRuns, WriteShard
from nextword.ngram.external.counts import merge_word_counts, vocabulary_of, word_counts
from nextword.ngram.external.ranges import key_ranges
from nextword.ngram.external.runs import Run as SortedRun
from nextword.ngram.external.runs import write_run
from nextword.ngram.external.sorting import merge
from nextword.ngram.external.windows import KeyLayout, sorted_rows
from nextword.tasks.filter.run import filter_files
from nextword.tasks.filter.settings import FilterSettings
from nextword.text.corpus import Corpus
from nextword.text.indexing import Indexer
from nextword.text.pipeline import Pipeline
from nextword.text.ranges import ranges
from nextword.types import Array

SHARED = Path(os.environ.get("NEXTWORD_SHARED", Path(__file__).resolve().parents[2] / "shared"))
NOVELS = SHARED / "data" / "novels" / "novels.txt.gz"
ORDER = 5
PARTS = 32  # of the text, for growth
MEMORY = 1 << 30  # of a core
RANGE = MEMORY // 24  # bytes that a job reads
DOCUMENT = 20  # lines


def growth(text: Path, work: Path) -> None:
    """Distinct n-grams in the first 1/32, ..., 1/1 of the text, and rows if parts are combined each by itself."""
    indexer = Indexer()
    for block in Corpus(text):
        indexer.read(block.text)
    tokens, vocabulary = indexer.finish()
    layout = KeyLayout(ORDER, len(vocabulary))
    ends = np.flatnonzero(tokens == 2)
    cuts = [int(ends[np.searchsorted(ends, (len(tokens) - 1) * i // PARTS)]) for i in range(PARTS + 1)]
    parts = [sorted_rows(tokens[a : b + 1], layout) for a, b in zip(cuts, cuts[1:], strict=False)]
    found = []
    for count in (PARTS >> i for i in range(5, -1, -1)):
        rows = merge(parts[:count])
        words = len(np.unique(tokens[: cuts[count] + 1]))
        found.append([cuts[count], words, *distinct(rows, layout)[1:], len(rows), run_bytes(work, rows, layout)])
    header = ["tokens", "words", *(f"{n}-grams" for n in range(2, ORDER + 1)), "rows", "bytes of a run"]
    show(f"Growth: distinct n-grams in beginnings of the text, order {ORDER}", header, table(found))
    exponents = [
        [f"{low[0]:,} to {high[0]:,}", *(f"{math.log(b / a) / math.log(high[0] / low[0]):.3f}" for a, b in pairs)]
        for low, high in zip(found, found[1:], strict=False)
        for pairs in [list(zip(low[1:], high[1:], strict=True))]
    ]
    show("Growth: exponents between them (n-grams grow as tokens to that power)", ["tokens", *header[1:]], exponents)
    once = [f"{share:.1%}" for share in once_only(merge(parts), layout)]
    show("N-grams of the whole text that occur once", [f"{n + 1}-grams" for n in range(ORDER)], [once])
    combined = []
    for count in (PARTS >> i for i in range(5, -1, -1)):
        pieces = [merge(parts[i : i + count]) for i in range(0, PARTS, count)]
        rows_in_all = sum(map(len, pieces))
        size = sum(run_bytes(work, piece, layout) for piece in pieces)
        combined.append([len(tokens) // len(pieces), rows_in_all, rows_in_all / len(tokens), size / len(tokens)])
    header = ["tokens a run", "rows in all", "rows a token", "bytes a token"]
    show("Pre-combining: runs of so many tokens each, over the whole text", header, table(combined))


def first_rows(rows: Array, layout: KeyLayout) -> tuple[Array, Array]:
    """Where, among sorted rows, each n-gram's windows begin, (rows, order); and whether it is an n-gram there."""
    ids = layout.unpack(rows)
    differs = np.ones_like(ids, dtype=bool)
    differs[1:] = np.logical_or.accumulate(ids[1:] != ids[:-1], axis=1)
    return differs, ids >= 0


def distinct(rows: Array, layout: KeyLayout) -> list[int]:
    """How many n-grams there are of each order."""
    first, there = first_rows(rows, layout)
    return [int(found) for found in (first & there).sum(axis=0)]


def once_only(rows: Array, layout: KeyLayout) -> list[float]:
    """Of the n-grams of each order, the share that occurs once."""
    first, there = first_rows(rows, layout)
    shares = []
    for n in range(layout.order):
        begins = np.flatnonzero(first[:, n])
        counts = np.add.reduceat(rows[:, -1], begins)[there[begins, n]]
        shares.append(float((counts == 1).mean()))
    return shares


def run_bytes(work: Path, rows: Array, layout: KeyLayout) -> int:
    """Bytes that sorted rows take as a run."""
    file = work / "growth.run"
    write_run(file, [rows], layout)
    return file.stat().st_size


def stages(text: Path, work: Path) -> None:
    """Processor seconds and bytes of every stage of a count, in this process."""
    size, tokens = text.stat().st_size, count_tokens(text)
    for attempt in ("warm", "timed"):
        out = work / f"stages-{attempt}"
        out.mkdir()
        scratch = files.open_scratch(out, {"for": attempt}, Pipeline())
        measured = list(_stages(text if attempt == "timed" else beginning(text, work), scratch, out))
    rows = [
        [name, f"{seconds:.2f}", f"{size / seconds / 1e6:,.1f}", megabytes(read), megabytes(written)]
        + [f"{read / tokens:.2f}", f"{written / tokens:.2f}"]
        for name, seconds, read, written in measured
    ]
    header = ["", "processor s", "MB of text/s", "reads MB", "writes MB", "reads B/token", "writes B/token"]
    show(f"Counting on one core: {size / 1e6:,.0f} MB, {tokens:,} tokens, order {ORDER}", header, rows)
    words_in_memory(text)


def words_in_memory(text: Path) -> None:
    """Anonymous memory of merging word counts, which one machine does; Linux only."""
    counted = word_counts(Corpus(text), Pipeline())
    before = anonymous(os.getpid())
    merged = merge_word_counts([counted])
    held = anonymous(os.getpid()) - before + sum(array.nbytes for array in counted)
    row = [f"{len(merged.counts):,}", megabytes(held), f"{held / len(merged.counts):.0f}"]
    show("Memory of merging the words' counts", ["words", "MB", "bytes a word"], [row])


def _stages(text: Path, scratch: Path, out: Path) -> Iterator[tuple[str, float, int, int]]:
    parts = ranges([str(text)], RANGE)
    size, where = text.stat().st_size, {"scratch": str(scratch)}
    reading = {"text": Pipeline().config(), "field": "text"}
    jobs = [{"path": str(text), "file": "source-00000.json"}]
    yield "hashing", used(CountWords(**where, **reading), jobs), size, 0
    names = [f"words-{i}" for i in range(len(parts))]
    jobs = [{"range": list(part), "source": "", "file": name} for part, name in zip(parts, names, strict=True)]
    seconds = used(CountWords(**where, **reading), jobs)
    yield "words", seconds, size, on_disk(scratch, "words-*")
    begin = time.process_time()
    MergeWords(**where)({"files": names, "file": "merged"})
    vocabulary, counts = vocabulary_of(merge_word_counts([files.read_words(scratch / "merged")]))
    files.write_vocabulary(scratch, files.Known(vocabulary, counts))
    yield "vocabulary", time.process_time() - begin, on_disk(scratch, "words-*"), on_disk(scratch, "vocabulary")
    jobs = [{"range": list(part), "name": f"run-{i}"} for i, part in enumerate(parts)]
    task = WriteRuns(**where, **reading, order=ORDER, memory=MEMORY)
    yield "windows", used(task, jobs), size, on_disk(scratch, "run-*")
    runs = sorted(file.name for file in scratch.glob("run-*-*"))
    layout = KeyLayout(ORDER, len(vocabulary))
    opened = [SortedRun(scratch / name, layout) for name in runs]
    bounds = key_ranges(opened, max(1 << 20, sum(map(len, opened)) // 16))
    keys = [[None if key is None else [int(word) for word in key] for key in pair] for pair in bounds]
    jobs = [{"keys": pair, "file": f"ngrams-{i:05}.parquet"} for i, pair in enumerate(keys)]
    merging = WriteShard(**where, out=str(out), order=ORDER, vocabulary_size=len(vocabulary), runs=runs)
    yield "merging", used(merging, jobs), on_disk(scratch, "run-*"), on_disk(out, "*.parquet")


def used(task: Callable[[dict[str, object]], object], jobs: Sequence[dict[str, object]]) -> float:
    """Processor seconds of jobs, those of the system included."""
    begin = time.process_time()
    for job in jobs:
        task(job)
    return time.process_time() - begin


def filtering(text: Path, work: Path, model: Path) -> None:
    """Processor seconds of filtering in this process, with one thread."""
    source = shards_of(text, work)
    lm, size = load(model), sum(file.stat().st_size for file in source.iterdir())
    rows = []
    for name in ("warm", "timed"):
        begin = time.process_time(), time.perf_counter()
        report = filter_files(lm, [source], work / f"filter-{name}", FilterSettings(), threads=1)
        rows = [[
            megabytes(size), f"{report.counts.tokens:,}",
            *(f"{value:.2f}" for value in (time.process_time() - begin[0], time.perf_counter() - begin[1])),
            f"{size / (time.process_time() - begin[0]) / 1e6:.1f}", megabytes(folder_bytes(work / "filter-timed")),
        ]]  # fmt: skip
    header = ["MB of JSON", "tokens", "processor s", "elapsed s", "MB/s", "written MB"]
    show(f"Filtering on one core, a model of {megabytes(folder_bytes(model))} MB", header, rows)


def commands(text: Path, work: Path, model: Path, rounds: int) -> None:
    """Whole commands with and without Ray on this machine."""
    source, size = shards_of(text, work), text.stat().st_size
    none = work / "line.txt"
    none.write_text("one line\n")
    count, filtered = partial(_command, "count", work), partial(_command, "filter", work)
    runs = alternate(rounds, {
        "filter --threads 1": partial(filtered, model, source, "--threads", "1"),
        "filter --ray, all cores": partial(filtered, model, source, "--ray"),
        "count --threads 1": partial(count, text, "--threads", "1"),
        "count, all cores": partial(count, text),
        "count --ray, all cores": partial(count, text, "--ray"),
        "count --ray of one line": partial(count, none, "--ray"),
    })  # fmt: skip
    speed = {name: f"{size / median(measured) / 1e6:,.1f}" for name, measured in runs.items()}
    speed["count --ray of one line"] = "-"
    rows = [[name, *spread(measured, 1, 1), speed[name]] for name, measured in runs.items()]
    title = f"Commands from outside: {size / 1e6:,.0f} MB of text, {os.cpu_count()} cores, {rounds} rounds"
    show(title, ["", "seconds", "range", "MB of text/s"], rows)


def _command(name: str, work: Path, *arguments: str | Path) -> Run:
    out = work / "command"
    shutil.rmtree(out, ignore_errors=True)
    return command([*nextword(), name, *arguments, "--out", out, "--quiet"])


def table(rows: Sequence[Sequence[float]]) -> list[list[str]]:
    """Numbers as text."""
    return [[f"{value:,}" if isinstance(value, int) else f"{value:.3f}" for value in row] for row in rows]


def on_disk(folder: Path, pattern: str) -> int:
    """Bytes of the files of a folder that match."""
    return sum(file.stat().st_size for file in folder.glob(pattern) if file.is_file())


def folder_bytes(folder: Path) -> int:
    """Bytes of all files below a folder."""
    return sum(file.stat().st_size for file in folder.rglob("*") if file.is_file())


def beginning(text: Path, work: Path) -> Path:
    """The first megabytes of the text, to compile with."""
    file = work / "beginning.txt"
    with text.open("rb") as source:
        file.write_bytes(source.read(4 << 20).rpartition(b"\n")[0] + b"\n")
    return file


def shards_of(text: Path, work: Path) -> Path:
    """The text as 16 shards of JSON Lines, made once."""
    folder = work / "shards"
    if not folder.exists():
        folder.mkdir()
        lines = text.read_text(encoding="utf-8").splitlines()
        each = -(-len(lines) // 16)
        for shard in range(16):
            part = lines[shard * each : (shard + 1) * each]
            documents = ("\n".join(part[i : i + DOCUMENT]) for i in range(0, len(part), DOCUMENT))
            with (folder / f"{shard:02}.jsonl").open("w", encoding="utf-8") as file:
                file.writelines(json.dumps({"id": i, "text": one}) + "\n" for i, one in enumerate(documents))
    return folder


def main() -> None:
    """Print the tables that were asked for."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--text", type=Path, default=NOVELS)
    parser.add_argument("--model", type=Path, help="to filter with; one of the same text is trained unless given")
    parser.add_argument("--rounds", type=int, default=3)
    tables = ["growth", "stages", "filter", "commands"]
    parser.add_argument("--only", nargs="+", choices=tables, default=tables)
    options = parser.parse_args()
    if not options.text.exists():
        raise SystemExit(f"{options.text}: there is no such file; give --text FILE, or set NEXTWORD_SHARED")
    with tempfile.TemporaryDirectory() as folder:
        work, text = Path(folder), options.text
        if text.suffix == ".gz":
            text = work / "text.txt"
            with gzip.open(options.text, "rb") as source, text.open("wb") as target:
                shutil.copyfileobj(source, target)
        model = options.model or work / "model"
        if not model.exists() and {"filter", "commands"} & set(options.only):
            train(text, order=ORDER).save(model)
        run = {"growth": growth, "stages": stages, "filter": partial(filtering, model=model)}
        run["commands"] = partial(commands, model=model, rounds=options.rounds)
        for name in options.only:
            run[name](text, work)


if __name__ == "__main__":
    main()
