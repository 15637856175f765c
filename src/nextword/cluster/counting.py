"""``nextword count`` on many machines.

    range of text ─words─▶ word counts ──▶ a vocabulary ─windows─▶ sorted run ─merge─▶ Parquet shard of a range of keys

1. words: each range of a file gives the counts of its words; they are merged in rounds, the last on this machine, which
   makes the vocabulary. Hashes of the whole files are taken beside this.
2. windows: each range gives one run: its windows as packed integers, equal ones counted together, sorted, front-coded.
3. merge: keys are cut into ranges by the runs' indexes; each job reads its range from all runs and writes a shard.

The shuffle between 2 and 3 goes through the storage that the nodes share, and not through Ray's object store: what is
moved is the same, written once and read once, at 4 to 5 bytes a row (a grouped Dataset would move Arrow columns of 24
bytes and hash them, where here sorted rows are merged); and it is still there after a node has died, or all of them. So
nothing but the job in hand is done again, and a count that was broken off goes on where it was, if it is given again.
Every file is written under a temporary name and renamed when it is whole, and depends on nothing but the text and the
options: twice done is done once.
"""

import math
import shutil
from collections.abc import Callable, Sequence
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

from nextword import durable
from nextword.cluster import scratch as files
from nextword.cluster.jobs import Stage, run
from nextword.cluster.session import LOCAL, Session, session
from nextword.cluster.storage import absolute, check_nodes
from nextword.cluster.tasks import BUFFERS, CountWords, MergeWords, WriteRuns, WriteShard
from nextword.errors import UsageError
from nextword.ngram.external import counts
from nextword.ngram.external.budget import LEAST
from nextword.ngram.external.count_text import CountedText
from nextword.ngram.external.counting import CountSettings
from nextword.ngram.external.ranges import key_ranges, least_capacity
from nextword.ngram.external.runs import Run
from nextword.ngram.external.windows import KeyLayout
from nextword.ngram.sizes import parse_size, shown
from nextword.text.pipeline import Pipeline
from nextword.text.ranges import TextRange, ranges
from nextword.types import Json

DEFAULT_MEMORY = "1G"
_FORMAT = "nextword count on a cluster 1"
_RANGE = 24  # bytes of memory for a byte of text: 5 of these give a row of 24, of which three arrays have to fit
_ROW_BYTES = 32  # of a row at most, unless words are very many
_AT_ONCE = 32  # word counts that are merged at once
_LEAST_SHARDS = 32  # so that many cores have something to merge


@dataclass
class _Work:
    """What every stage needs to know."""

    cluster: Session
    scratch: Path
    out: Path
    pipeline: Pipeline
    field: str
    counting: CountSettings
    memory: int
    shard_rows: int | None
    say: Callable[[str], None]

    def do(self, name: str, task: Any, jobs: Sequence[Json], **settings: Any) -> list[Json]:
        """Results of jobs, in their order."""
        stage = Stage(name, task, {"scratch": str(self.scratch), **settings}, memory=self.memory)
        return run(self.cluster, stage, jobs, self.scratch, self.say)

    @property
    def reading(self) -> Json:
        """Settings of tasks that read text."""
        return {"text": self.pipeline.config(), "field": self.field}


def count_on_cluster(
    paths: Sequence[str],
    out: str | Path,
    *,
    settings: CountSettings | None = None,
    pipeline: Pipeline | None = None,
    field: str = "text",
    memory: str | int = DEFAULT_MEMORY,
    range_bytes: int | None = None,
    shard_rows: int | None = None,
    address: str = LOCAL,
    say: Callable[[str], None] = lambda stage: None,
) -> CountedText:
    """Count the n-grams of files into the directory ``out``, as ``nextword.ngram.external.count_text.count_text`` does.

    memory: what a core may use beside the vocabulary, which all share. range_bytes, shard_rows: how much a job reads
    and how much it merges, if that shall be less than memory allows. The files and ``out`` must be at the same paths
    on every node. Given again after it was broken off, it does what is missing. Raises TextError, which names file and
    line, UsageError, StoreError and ClusterError.
    """
    counting, reader, out = settings or CountSettings(), pipeline or Pipeline(), Path(absolute(out))
    if counting.like_lmplz:
        raise UsageError(
            "--like-lmplz numbers words by their first appearance, and machines that read at the same time do not know "
            "it; count without --ray"
        )
    room = parse_size(memory)
    if room < LEAST:
        raise UsageError(f"{shown(room)} of memory a core are too little; give --memory {shown(LEAST)} or more")
    sources = [absolute(path) if path != "-" else path for path in paths]
    sizes = {"memory": room, "range_bytes": range_bytes, "shard_rows": shard_rows}
    parts = ranges(sources, min(room // _RANGE, range_bytes or room))
    plan = _plan(sources, reader, **asdict(counting), **sizes, field=field)
    _check_memory(room, len(parts))
    with session(address) as cluster, durable.system_errors_named(out, "written"):
        out.mkdir(parents=True, exist_ok=True)
        with durable.locked(out):
            check_nodes(cluster.nodes, sources, out)
            scratch = files.open_scratch(out, plan, reader)
            work = _Work(cluster, scratch, out, reader, field, counting, room, shard_rows, say)
            return _count(work, parts, list(zip(sources, paths, strict=True)))


def _count(work: _Work, parts: Sequence[TextRange], sources: Sequence[tuple[str, str]]) -> CountedText:
    hashes, unended = _make_vocabulary(work, parts, sources)
    shards = [shard for shard in _write_shards(work, _write_runs(work, parts)) if shard]
    known, counting = files.read_vocabulary(work.scratch), work.counting
    counts.write_counts(
        work.out,
        vocabulary=known.vocabulary,
        word_counts=known.counts,
        layout=KeyLayout(counting.order, len(known.vocabulary)),
        shards=shards,
        sources=hashes,
        pipeline=work.pipeline,
        settings={
            "min_count": counting.min_count,
            "vocab_size": counting.vocab_size,
            "like_lmplz": False,
            "unended": unended,
        },
    )
    used = sum(file.stat().st_size for file in work.scratch.iterdir())
    shutil.rmtree(work.scratch)
    for file in work.out.iterdir():
        if durable.is_temporary(file.name):  # of a process that was killed
            file.unlink()
    return CountedText(shards, used)


def _check_memory(memory: int, runs: int) -> None:
    """Refuse a text whose runs, one a range, would be too many to be merged."""
    if least_capacity(runs) * _ROW_BYTES * BUFFERS > memory:
        least = math.isqrt(runs * memory * least_capacity(1) * _ROW_BYTES * BUFFERS)  # the more, the fewer runs
        raise UsageError(
            f"{shown(memory)} of memory a core cut this text into {runs:,} parts, too many to be merged in it; give "
            f"--memory {shown(least)} or more"
        )


def _plan(sources: Sequence[str], pipeline: Pipeline, **options: Any) -> Json:
    """All that the files in the scratch directory depend on."""
    status = [(path, Path(path).stat()) for path in sources]
    texts = [[path, found.st_size, found.st_mtime_ns] for path, found in status]
    payloads = {name: durable.sha256([data]) for name, data in pipeline.payloads().items()}
    return {
        "format": _FORMAT,
        "texts": texts,
        "text": pipeline.config(),
        "payloads": payloads,
    } | options


def _make_vocabulary(
    work: _Work, parts: Sequence[TextRange], sources: Sequence[tuple[str, str]]
) -> tuple[list[Json], bool]:
    """Count the words of all ranges and store the vocabulary; returns hashes, and whether the last line is unended."""
    source_files = {path: f"source-{i:05}.json" for i, (path, _) in enumerate(sources)}
    in_parts = {part.path for part in parts if part.end is not None}
    hashing = [{"path": path, "file": file} for path, file in source_files.items() if path in in_parts]
    names = [f"words-0-{i:05}" for i in range(len(parts))]
    jobs = [
        {"range": list(part), "source": source_files[part.path], "file": name}
        for part, name in zip(parts, names, strict=True)
    ]
    found = work.do("counting words", CountWords, [*hashing, *jobs], **work.reading)[len(hashing) :]
    unended = next((one["unended"] for one in reversed(found) if one["lines"]), False)
    known_sources = {path: files.read_json(work.scratch / file) or {} for path, file in source_files.items()}
    hashes = [{**known_sources[path], "path": name} for path, name in sources]
    level = 0
    while len(names) > _AT_ONCE:
        level += 1
        groups = [names[i : i + _AT_ONCE] for i in range(0, len(names), _AT_ONCE)]
        names = [f"words-{level}-{i:05}" for i in range(len(groups))]
        merges = [{"files": group, "file": name} for group, name in zip(groups, names, strict=True)]
        work.do("merging words", MergeWords, merges)
    counting = work.counting
    total = counts.merge_word_counts(files.read_words(work.scratch / name) for name in names)
    known = files.Known(*counts.vocabulary_of(total, min_count=counting.min_count, vocab_size=counting.vocab_size))
    files.write_vocabulary(work.scratch, known)
    return hashes, unended


def _write_runs(work: _Work, parts: Sequence[TextRange]) -> list[str]:
    """Sort the windows of all ranges; returns the runs' names."""
    jobs = [{"range": list(part), "name": f"run-{i:05}"} for i, part in enumerate(parts)]
    settings = {"order": work.counting.order, "memory": work.memory, **work.reading}
    return [name for found in work.do("sorting n-grams", WriteRuns, jobs, **settings) for name in found["runs"]]


def _write_shards(work: _Work, names: list[str]) -> list[Json]:
    """Merge the runs, a range of keys at a time; returns the shards' entries."""
    size = len(files.read_vocabulary(work.scratch).vocabulary)
    layout = KeyLayout(work.counting.order, size)
    runs = [Run(work.scratch / name, layout) for name in names]
    fitting = work.memory // (BUFFERS * layout.row_bytes)
    bounds = key_ranges(runs, _capacity(runs, fitting, work.shard_rows)) if any(runs) else []
    jobs = [
        {
            "keys": [None if key is None else [int(word) for word in key] for key in pair],
            "file": f"ngrams-{i:05}.parquet",
        }
        for i, pair in enumerate(bounds)
    ]
    made = {"out": str(work.out), "order": work.counting.order, "vocabulary_size": size, "runs": names}
    return work.do("merging n-grams", WriteShard, jobs, **made)


def _capacity(runs: Sequence[Run], fitting: int, wanted: int | None) -> int:
    """Rows to merge at once: what fits, unless that makes so few shards that cores would stand idle."""
    least = least_capacity(len(runs))
    for_many = max(-(-sum(map(len, runs)) // _LEAST_SHARDS), 4 * least)
    return max(min(fitting, wanted or for_many), least)
