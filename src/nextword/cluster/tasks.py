"""What the processes of a cluster do to count n-grams: each job reads and writes files, and its result is small."""

from collections.abc import Iterable, Iterator
from pathlib import Path

import numpy as np

from nextword import durable
from nextword.cluster.scratch import (
    is_unended,
    read_json,
    read_payloads,
    read_vocabulary,
    read_words,
    write_json,
    write_words,
)
from nextword.ngram.external import counts
from nextword.ngram.external.runs import Run, write_run
from nextword.ngram.external.sorting import merge
from nextword.ngram.external.windows import KeyLayout
from nextword.text.blocks import Block
from nextword.text.corpus import Corpus
from nextword.text.encode import EOS
from nextword.text.pipeline import Pipeline
from nextword.text.ranges import TextRange, over_range
from nextword.types import Array, Json

BUFFERS = 3  # arrays of rows that merging takes
_CHUNK = 1 << 22  # tokens that are sorted at once


class CountWords:
    """Counts the words of ranges, and hashes files."""

    def __init__(self, scratch: str, text: Json, field: str):
        self._scratch, self._field = Path(scratch), field
        self._pipeline = Pipeline.from_config(text, read_payloads(self._scratch))

    def __call__(self, job: Json) -> Json:
        """job: range, file to write; and file for size and hash of what is read whole. Or path, and file for these."""
        file = self._scratch / job["file"]
        if "path" in job:
            if not file.exists():
                size, digest = Path(job["path"]).stat().st_size, durable.file_sha256(Path(job["path"]))
                write_json(file, {"path": job["path"], "bytes": size, "sha256": digest})
            return {}
        if not file.exists():
            self._count(TextRange(*job["range"]), self._scratch / job["source"], file)
        return {"lines": int(read_words(file).counts[EOS]), "unended": is_unended(file)}

    def _count(self, part: TextRange, source: Path, file: Path) -> None:
        watched = _Watched()

        def count(blocks: Iterable[Block]) -> counts.WordCounts:
            return counts.word_counts(watched(blocks), self._pipeline)

        if part.end is None:
            corpus = Corpus(part.path, field=self._field)
            found = count(corpus)
            write_json(source, corpus.sources[0])
        else:
            found = over_range(part, count, field=self._field)
        write_words(file, found, unended=watched.unended)


class MergeWords:
    """Adds word counts up."""

    def __init__(self, scratch: str):
        self._scratch = Path(scratch)

    def __call__(self, job: Json) -> Json:
        """job: files to read, file to write."""
        file = self._scratch / job["file"]
        if not file.exists():
            write_words(file, counts.merge_word_counts(read_words(self._scratch / one) for one in job["files"]))
        return {}


class WriteRuns:
    """Writes the windows of ranges as runs: sorted, equal ones counted together."""

    def __init__(self, scratch: str, text: Json, field: str, order: int, memory: int):
        self._scratch, self._field = Path(scratch), field
        self._pipeline = Pipeline.from_config(text, read_payloads(self._scratch))
        self._vocabulary = read_vocabulary(self._scratch).vocabulary
        self._layout = KeyLayout(order, len(self._vocabulary))
        self._most = memory // (BUFFERS * self._layout.row_bytes)

    def __call__(self, job: Json) -> Json:
        """job: range, name of its runs; the result is a list of these, one unless the range is large for memory."""
        done = self._scratch / f"{job['name']}.json"
        found = read_json(done)
        if found is None:
            part = TextRange(*job["range"])
            found = {"runs": over_range(part, lambda blocks: self._runs(blocks, job["name"]), field=self._field)}
            write_json(done, found)
        return found

    def _runs(self, blocks: Iterable[Block], name: str) -> list[str]:
        names, held = list[str](), list[Array]()
        chunk = min(_CHUNK, self._most // 4)
        for rows in counts.shard_windows(blocks, self._pipeline, self._vocabulary, self._layout, chunk=chunk):
            if held and sum(map(len, held)) + len(rows) > self._most:
                names.append(self._write(held, f"{name}-{len(names)}"))
                held = []
            held.append(rows)
        return [*names, self._write(held, f"{name}-{len(names)}")] if held else names

    def _write(self, pieces: list[Array], name: str) -> str:
        write_run(self._scratch / name, [merge(pieces)], self._layout)
        return name


class WriteShard:
    """Merges what all runs have in a range of keys to a shard of the output."""

    def __init__(self, scratch: str, out: str, order: int, vocabulary_size: int, runs: list[str]):
        self._scratch, self._out, self._layout = Path(scratch), Path(out), KeyLayout(order, vocabulary_size)
        self._runs = [Run(self._scratch / run, self._layout) for run in runs]

    def __call__(self, job: Json) -> Json:
        """job: keys from low on and below high (None: no bound), file to write; the result is its entry, if any."""
        done = self._scratch / f"{job['file']}.json"
        entry = read_json(done)
        if entry is None or (entry and not (self._out / job["file"]).exists()):
            rows = self._merged(*(None if key is None else np.array(key, dtype=np.uint64) for key in job["keys"]))
            entry = counts.write_shard(self._out / job["file"], [rows], self._layout) if len(rows) else {}
            write_json(done, entry)
        return entry

    def _merged(self, low: Array | None, high: Array | None) -> Array:
        room = sum(run.room(low, high) for run in self._runs)
        buffers = (
            np.empty((room, self._layout.words + 1), np.uint64),
            np.empty((room, self._layout.words + 1), np.uint64),
        )
        pieces, at = [], 0
        for run in self._runs:
            pieces.append(run.read(low, high, buffers[0][at:]))
            at += run.room(low, high)
        return merge(pieces, buffers)


class _Watched:
    """Passes blocks on, and remembers whether the last was unended."""

    unended = False

    def __call__(self, blocks: Iterable[Block]) -> Iterator[Block]:
        self.unended = False
        for block in blocks:
            self.unended = block.unended
            yield block
