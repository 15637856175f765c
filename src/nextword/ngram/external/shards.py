"""Sorted rows of windows, and words with their counts, as Parquet files (through pyarrow, of the extra ``data``).

Keys are delta-coded where they rise and Zstandard packs the rest: 6.1 bytes a row for novels, order 5.
"""

from collections.abc import Iterable, Iterator
from contextlib import contextmanager
from importlib import import_module
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np

from nextword import durable
from nextword.errors import StoreError, UsageError
from nextword.ngram.external.windows import KeyLayout
from nextword.types import Array, Bytes, Json

_GROUP_ROWS = 1 << 18  # rows of a row group: what is read at once
_REMEDY = "copy the counts again, or count again"


class WordCounts(NamedTuple):
    """Words end to end, (bytes,) uint8, their (n + 1,) int64 offsets, and how often each came, (n,) int64.

    The first three are ``<unk>``, ``<s>`` (which never comes) and ``</s>`` (which comes once a line).
    """

    blob: Bytes
    offsets: Array
    counts: Array

    def to_table(self) -> Any:
        """A pyarrow table of the columns word (large_binary) and count (uint64)."""
        arrow, _ = modules()
        buffers = [None, arrow.py_buffer(np.ascontiguousarray(self.offsets)), arrow.py_buffer(self.blob)]
        words = arrow.LargeBinaryArray.from_buffers(arrow.large_binary(), len(self.counts), buffers)
        return arrow.table({"word": words, "count": arrow.array(self.counts.astype(np.uint64))})

    @classmethod
    def from_table(cls, table: Any) -> "WordCounts":
        """What ``to_table`` gave."""
        words = table.column("word").combine_chunks()
        counts = table.column("count").to_numpy().astype(np.int64)
        _, offsets, data = words.buffers()
        ends = np.frombuffer(offsets, dtype=np.int64)[words.offset : words.offset + len(words) + 1].copy()
        blob = np.frombuffer(data or b"", dtype=np.uint8)[ends[0] : ends[-1]].copy()
        return cls(blob, ends - ends[0], counts)


def modules() -> tuple[Any, Any]:
    """The modules ``pyarrow`` and ``pyarrow.parquet``. Raises UsageError where they are missing."""
    try:
        return import_module("pyarrow"), import_module("pyarrow.parquet")
    except ImportError:
        raise UsageError("this needs pyarrow; install it with: pip install 'nextword[data]'") from None


def to_table(rows: Array) -> Any:
    """Rows as a pyarrow table of the columns key0, key1, ..., count, all uint64."""
    arrow, _ = modules()
    columns = [np.ascontiguousarray(column) for column in rows.T]
    return arrow.table(dict(zip(_names(rows.shape[1] - 1), columns, strict=True)))


def from_table(table: Any, layout: KeyLayout) -> Array:
    """Rows of a pyarrow table or record batch. Raises UsageError if its columns are not those of the layout."""
    names = _names(layout.words)
    types = [str(field.type) for field in table.schema]
    if table.schema.names != names or set(types) != {"uint64"}:
        found = ", ".join(f"{name} {kind}" for name, kind in zip(table.schema.names, types, strict=True))
        raise UsageError(f"a table of windows has the uint64 columns {', '.join(names)}, and this one has {found}")
    rows = np.empty((table.num_rows, len(names)), dtype=np.uint64)
    for j, name in enumerate(names):
        rows[:, j] = table.column(name).to_numpy()
    return rows


def write_shard(file: Path, pieces: Iterable[Array], layout: KeyLayout) -> Json:
    """Write pieces of sorted rows, each above those before it, durably; returns {"file", "rows", "bytes", "sha256"}."""
    _, parquet = modules()
    options = {"column_encoding": {"key0": "DELTA_BINARY_PACKED"}, "use_dictionary": ["count"]}
    schema, rows = to_table(layout.none()).schema, 0
    with durable.temporary(file.parent) as unfinished:
        with parquet.ParquetWriter(unfinished, schema, compression="zstd", compression_level=1, **options) as writer:
            for piece in pieces:
                writer.write_table(to_table(piece), row_group_size=_GROUP_ROWS)
                rows += len(piece)
        return _entry(unfinished, file, rows)


def row_groups(file: Path, entry: Json) -> int:
    """How many row groups a shard has. Raises StoreError, which names it, if it is not what its entry says."""
    _, parquet = modules()
    check(file, entry)
    with parquet_errors_named(file):
        return int(parquet.ParquetFile(file).num_row_groups)


def read_row_group(file: Path, number: int, layout: KeyLayout) -> Array:
    """Sorted rows of one row group."""
    _, parquet = modules()
    with parquet_errors_named(file), parquet.ParquetFile(file) as found:
        return from_table(found.read_row_group(number), layout)


def read_shard(file: Path, entry: Json, layout: KeyLayout) -> Iterator[Array]:
    """A shard's sorted rows, in pieces. Raises StoreError, which names it, if it is not what its entry says."""
    for number in range(row_groups(file, entry)):
        yield read_row_group(file, number, layout)


def write_words(file: Path, words: WordCounts) -> Json:
    """Write a vocabulary with its counts, a row an id, durably; returns its entry."""
    _, parquet = modules()
    with durable.temporary(file.parent) as unfinished:
        parquet.write_table(words.to_table(), unfinished, compression="zstd", compression_level=1)
        return _entry(unfinished, file, len(words.counts))


def read_words(file: Path, entry: Json) -> WordCounts:
    """What ``write_words`` wrote. Raises StoreError, which names the file, if it is not what its entry says."""
    _, parquet = modules()
    check(file, entry)
    with parquet_errors_named(file):
        return WordCounts.from_table(parquet.read_table(file))


def check(file: Path, entry: Json) -> None:
    """Raise StoreError, which names the file, unless it has the size and the SHA-256 of its entry."""
    with durable.system_errors_named(file, "read"):
        size = durable.regular_size(file)
        if size != entry["bytes"]:
            raise StoreError(f"{file}: has {size} bytes, expected {entry['bytes']}; {_REMEDY}")
        digest = durable.file_sha256(file)
    if digest != entry["sha256"]:
        raise StoreError(f"{file}: has SHA-256 {digest[:16]}…, expected {entry['sha256'][:16]}…; {_REMEDY}")


@contextmanager
def parquet_errors_named(file: Path) -> Iterator[None]:
    """Turn what pyarrow raises into a StoreError that names the file."""
    arrow, _ = modules()
    try:
        yield
    except (arrow.ArrowException, OSError, KeyError, UsageError) as error:
        raise StoreError(f"{file}: cannot be read as counts: {error}; {_REMEDY}") from error


def _names(words: int) -> list[str]:
    return [*(f"key{j}" for j in range(words)), "count"]


def _entry(unfinished: Path, file: Path, rows: int) -> Json:
    """Sync a file, give it its name, and describe it."""
    durable.sync_file(unfinished)
    entry = {"file": file.name, "rows": rows, "bytes": unfinished.stat().st_size}
    entry["sha256"] = durable.file_sha256(unfinished)
    unfinished.replace(file)
    return entry
