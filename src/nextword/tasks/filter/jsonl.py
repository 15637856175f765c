"""One shard of JSON Lines, a few blocks at a time: read, measured, sorted, and written with columns added."""

from collections.abc import Callable, Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import NamedTuple

import numpy as np

from nextword import durable
from nextword.errors import TextError
from nextword.tasks.filter.documents import joint
from nextword.tasks.filter.measures import Measures, measure
from nextword.tasks.filter.outputs import Outputs, Packer, packer
from nextword.tasks.filter.records import Records, Skipped, columns_text, read_records
from nextword.tasks.filter.report import Counts
from nextword.tasks.filter.settings import BUCKET, COLUMNS, CONTRAST, Filterer, FilterSettings
from nextword.tasks.filter.sorting import Sorted, sort
from nextword.tasks.reading import ordered_map
from nextword.text.blocks import Block, cut
from nextword.text.corpus import Digest
from nextword.text.decompress import decompress, is_compressed
from nextword.types import Array, Json

BLOCK_SIZE = 1 << 20
LONGEST_LINE = 1 << 30
Advance = Callable[[int], None]


class Source(NamedTuple):
    """What was read: size and SHA-256 of the file's bytes, as they are stored."""

    bytes: int
    sha256: str

    def to_json(self) -> Json:
        """As a marker stores it."""
        return self._asdict()


class _Done(NamedTuple):
    """A block's output: for each folder the bytes, and what its packer made of them."""

    pieces: list[tuple[bytes, bytes]]
    counts: Counts
    skipped: list[Skipped]


class _Reading:
    """The blocks of a file. An error ends them and is kept, so that what was read before is not lost."""

    def __init__(self, path: Path, advance: Advance):
        self._path, self._advance = path, advance
        self.source: Source | None = None
        self.error: TextError | None = None
        self._last: Block | None = None

    def blocks(self) -> Iterator[Block]:
        """Whole lines, in order."""
        with ThreadPoolExecutor(1) as worker:
            digest = Digest(worker)
            try:
                for block in read_blocks(self._path, digest.watch(read_chunks(self._path, self._advance))):
                    self._last = block
                    yield block
            except TextError as error:
                self.error = error
            else:
                self.source = Source(**digest.result())

    def rest_lost(self) -> Skipped:
        """The error as a record that is skipped; of a file that cannot be read on the rest is lost."""
        line = 1 if self._last is None else self._last.line + self._last.text.count(b"\n")
        return Skipped(line, f"{self.error}; the rest of the file is lost")


def read_chunks(path: Path, advance: Advance) -> Iterator[bytes]:
    """A file's bytes as they are stored."""
    with path.open("rb") as file:
        while data := file.read(BLOCK_SIZE):
            advance(len(data))
            yield data


def read_blocks(path: Path, chunks: Iterator[bytes]) -> Iterator[Block]:
    """Whole lines of a file's text. Raises TextError, naming file and line, where it cannot be read on."""
    suffix = path.suffix.lower()
    text = decompress(chunks, suffix, BLOCK_SIZE) if is_compressed(suffix) else chunks
    return cut(text, str(path), LONGEST_LINE)


def filter_jsonl(
    lm: Filterer,
    path: Path,
    written: Outputs,
    settings: FilterSettings,
    *,
    contrast: Filterer | None,
    threads: int,
    advance: Advance,
) -> tuple[Source, Counts]:
    """Filter a file into the open outputs, one for each of ``settings.folders()``; the caller finishes them.

    The output's bytes do not depend on ``threads``. Raises TextError, naming file and line, at the first record that
    cannot be used, unless settings say to skip it.
    """
    reading, total = _Reading(path, advance), Counts()
    newline = joint(lm.pipeline, join_lines=settings.join_lines)
    packers = [packer(path.name) for _ in written.outputs]

    def work(block: Block) -> _Done:
        records = read_records(block, settings, newline)
        measures = measure(lm, records.documents, contrast)
        return _write(records, measures, sort(settings, measures), settings, packers)

    for done in ordered_map(work, reading.blocks(), threads):
        for output, form, (data, packed) in zip(written.outputs, packers, done.pieces, strict=True):
            output.write(form.add(data, packed))
        total.add(done.counts)
        total.skip(done.skipped)
    if reading.error is not None:
        if settings.on_error == "stop":
            raise reading.error
        total.skip([reading.rest_lost()])
    for output, form in zip(written.outputs, packers, strict=True):
        output.write(form.end())
    source = reading.source or Source(path.stat().st_size, durable.file_sha256(path))
    total.source_bytes = source.bytes
    return source, total


def _write(
    records: Records, measures: Measures, found: Sorted, settings: FilterSettings, packers: Sequence[Packer]
) -> _Done:
    """The output of a block, compressed."""
    names = settings.cut.names if settings.cut is not None and settings.cut.use != "keep" else ()
    added = list(columns_text(settings.columns(), _values(measures, found, settings, names)))
    pieces = list[tuple[bytes, bytes]]()
    for at, form in enumerate(packers):
        chosen = np.flatnonzero(found.kept & (found.bucket == at) if len(packers) > 1 else found.kept)
        data = records.with_columns(added, chosen.tolist())
        pieces.append((data, form.pack(data)))
    counts = Counts()
    counts.count(measures, found.kept, found.bucket, names)
    return _Done(pieces, counts, records.skipped)


def _values(
    measures: Measures, found: Sorted, settings: FilterSettings, names: Sequence[str]
) -> list[Sequence[object]]:
    """The values of ``settings.columns()``, as JSON has them."""
    values = [_numbers(measures.column(name)) for name in (*COLUMNS, *([CONTRAST] if settings.contrast else []))]
    if settings.prefix + BUCKET in settings.columns():
        values.append([f'"{names[at]}"' for at in found.bucket.tolist()])
    return values


def _numbers(values: Array) -> Sequence[object]:
    """Numbers whose text Python and JSON share; null for one that JSON cannot say."""
    if values.dtype.kind == "i" or np.isfinite(values).all():
        return values.tolist()  # type: ignore[no-any-return]
    return [value if np.isfinite(value) else "null" for value in values.tolist()]
