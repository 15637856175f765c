"""One Parquet shard, a row group at a time: read, measured, sorted, and written with columns added."""

from collections.abc import Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from contextlib import ExitStack
from importlib import import_module
from pathlib import Path
from typing import Any

import numpy as np

from nextword import durable
from nextword.errors import TextError, UsageError
from nextword.tasks.filter.documents import Documents, joint
from nextword.tasks.filter.jsonl import Advance, Source
from nextword.tasks.filter.measures import Measures, measure
from nextword.tasks.filter.outputs import Outputs
from nextword.tasks.filter.records import Skipped
from nextword.tasks.filter.report import Counts
from nextword.tasks.filter.settings import BUCKET, CONTRAST, Filterer, FilterSettings
from nextword.tasks.filter.sorting import Sorted, sort
from nextword.tasks.reading import ordered_map
from nextword.types import Array

SUFFIX = ".parquet"
_SLICE = 1 << 20  # bytes of text that are measured in one call, in one thread
_WHOLE_NUMBERS = ("tokens", "oov")


def arrow() -> tuple[Any, Any]:
    """The modules ``pyarrow`` and ``pyarrow.parquet``. Raises UsageError where they are missing."""
    try:
        return import_module("pyarrow"), import_module("pyarrow.parquet")
    except ImportError:
        raise UsageError("this needs pyarrow; install it with: pip install 'nextword[data]'") from None


def filter_parquet(
    lm: Filterer,
    path: Path,
    written: Outputs,
    settings: FilterSettings,
    *,
    contrast: Filterer | None,
    threads: int,
    advance: Advance,
) -> tuple[Source, Counts]:
    """Filter a file into the open outputs, as ``filter_jsonl`` does; a row group is in memory at a time.

    Each output has the row groups, the types, the compression and the metadata of the input. Raises TextError, naming
    file and row, at the first row without text, and for what is no Parquet file, unless settings say to skip it.
    """
    total = Counts(source_bytes=path.stat().st_size)
    with ThreadPoolExecutor(1) as worker, ExitStack() as stack:
        digest = worker.submit(durable.file_sha256, path)
        try:
            file = open_file(path, settings)
            writers = [_Writer(output, file, settings, stack) for output in written.outputs]
        except TextError as error:
            _stop_or_skip(error, settings, total, 1)
            file, writers = None, []
            written.abandon()
        advance(0 if file is not None else total.source_bytes)
        for group in range(file.metadata.num_row_groups if file is not None else 0):
            first = 1 + sum(file.metadata.row_group(before).num_rows for before in range(group))
            try:
                table, texts, bad = read_group(file, path, group, first, settings)
            except TextError as error:
                _stop_or_skip(error, settings, total, first)
            else:
                _filter_group(lm, contrast, table, texts, settings, threads, writers, total)
                total.skip(bad)
            advance(total.source_bytes // file.metadata.num_row_groups)
        for writer in writers:
            writer.close()
        return Source(total.source_bytes, digest.result()), total


def open_file(path: Path, settings: FilterSettings) -> Any:
    """The file, its column of text and the names of the new ones checked. Raises TextError."""
    pa, pq = arrow()
    try:
        file = pq.ParquetFile(path)
        schema = file.schema_arrow
    except (pa.ArrowException, OSError) as error:
        reason = " ".join(str(error).split()).removesuffix(".")
        raise TextError(f"{path}: this is no whole Parquet file ({reason}); copy it again") from error
    if settings.field not in schema.names:
        there = ", ".join(map(repr, schema.names)) or "none"
        raise TextError(f"{path}: there is no column {settings.field!r}; name one that it has: {there}")
    kind = schema.field(settings.field).type
    values = kind.value_type if pa.types.is_dictionary(kind) else kind
    if not (pa.types.is_string(values) or pa.types.is_large_string(values) or pa.types.is_string_view(values)):
        raise TextError(f"{path}: the column {settings.field!r} is of type {kind}; expected strings")
    old = sorted(set(settings.columns()).intersection(schema.names))
    if old and not settings.overwrite:
        raise TextError(
            f"{path}: there is a column {old[0]!r} already; give a prefix for the new columns (--prefix), "
            "or replace the old ones (--overwrite)"
        )
    return file


def read_group(
    file: Any, path: Path, group: int, first: int, settings: FilterSettings
) -> tuple[Any, list[bytes], list[Skipped]]:
    """A row group without the columns that are to be replaced, its texts, and what rows it lacks for want of a text.

    first: number of its first row, from 1. Raises TextError for a row without a text unless settings say to skip it.
    """
    pa, _ = arrow()
    names = [name for name in file.schema_arrow.names if name not in settings.columns()]
    try:
        table = file.read_row_group(group, columns=names)
        column = table.column(settings.field).cast(pa.large_binary())
    except (pa.ArrowException, OSError) as error:
        reason = " ".join(str(error).split()).removesuffix(".")
        raise TextError(f"{path}: row {first} and those of its row group cannot be read ({reason})") from error
    texts = column.to_pylist()
    missing = [row for row, text in enumerate(texts) if text is None]
    reason = f"the column {settings.field!r} is null; expected a string"
    if missing and settings.on_error == "stop":
        raise TextError(f"{path}: row {first + missing[0]}: {reason}")
    if missing:
        table = _rows(table, column.is_valid().to_numpy())
        texts = [text for text in texts if text is not None]
    return table, texts, [Skipped(first + row, reason) for row in missing]


class _Writer:
    """A Parquet file that is being written to an output."""

    def __init__(self, output: Any, file: Any, settings: FilterSettings, stack: ExitStack):
        pa, pq = arrow()
        old = file.schema_arrow
        names = [name for name in old.names if name not in settings.columns()]
        self.schema = pa.schema([*map(old.field, names), *_fields(pa, settings)], old.metadata)
        self._rows = _Counted(output)
        self._writer = stack.enter_context(pq.ParquetWriter(pa.PythonFile(self._rows, "w"), self.schema, **_how(file)))

    def write(self, table: Any) -> None:
        """Append a row group."""
        if table.num_rows:
            self._writer.write_table(table, row_group_size=table.num_rows)

    def close(self) -> None:
        """Write the footer."""
        self._writer.close()


class _Counted:
    """An output as a file that pyarrow writes to."""

    closed = False

    def __init__(self, output: Any):
        self._output = output

    def write(self, data: Any) -> int:
        """Append bytes."""
        return int(self._output.write(bytes(data)))

    def tell(self) -> int:
        """Bytes written."""
        return int(self._output.size)

    def flush(self) -> None:
        """Nothing: the output is synced when it is finished."""

    def close(self) -> None:
        """Nothing: whoever opened the output closes it."""


def _fields(pa: Any, settings: FilterSettings) -> list[Any]:
    """The fields of the new columns: 64-bit numbers, and strings for the bucket."""
    kinds = {name: pa.int64() for name in _WHOLE_NUMBERS} | {BUCKET: pa.string()}
    return [pa.field(name, kinds.get(name.removeprefix(settings.prefix), pa.float64())) for name in settings.columns()]


def _how(file: Any) -> dict[str, Any]:
    """How the input's columns are compressed."""
    if not file.metadata.num_row_groups:
        return {}
    group = file.metadata.row_group(0)
    columns = [group.column(i) for i in range(group.num_columns)]
    named = {c.path_in_schema: "none" if c.compression == "UNCOMPRESSED" else c.compression.lower() for c in columns}
    return {"compression": named}


def _filter_group(
    lm: Filterer,
    contrast: Filterer | None,
    table: Any,
    texts: list[bytes],
    settings: FilterSettings,
    threads: int,
    writers: Sequence[_Writer],
    total: Counts,
) -> None:
    """Measure the texts of a row group, a slice in each thread, and append its rows to the outputs."""
    newline = joint(lm.pipeline, join_lines=settings.join_lines)
    slices = ordered_map(
        lambda some: measure(lm, Documents.from_texts(some, newline), contrast), _slices(texts), threads
    )
    measures = _joined(list(slices))
    if measures is None:
        return
    found = sort(settings, measures)
    names = settings.cut.names if settings.cut is not None and settings.cut.use != "keep" else ()
    pa, _ = arrow()
    for field in writers[0].schema:
        if field.name in settings.columns():
            table = table.append_column(field, _column(pa, field, measures, found, settings, names))
    for at, writer in enumerate(writers):
        here = found.kept & (found.bucket == at) if len(writers) > 1 else found.kept
        writer.write(_rows(table, here))
    total.count(measures, found.kept, found.bucket, names)


def _rows(table: Any, chosen: Array) -> Any:
    """The rows that are chosen, (rows,) bool."""
    pa, _ = arrow()
    if chosen.all():
        return table
    try:
        return table.filter(pa.array(chosen))
    except pa.ArrowNotImplementedError:  # of views of strings Arrow can only cut stretches
        edges = np.flatnonzero(np.diff(chosen, prepend=False, append=False)).reshape(-1, 2)
        return pa.concat_tables([table.slice(0, 0), *(table.slice(begin, end - begin) for begin, end in edges)])


def _column(
    pa: Any, field: Any, measures: Measures, found: Sorted, settings: FilterSettings, names: Sequence[str]
) -> Any:
    """The values of one new column; null for what is not finite."""
    name = field.name.removeprefix(settings.prefix)
    if name == BUCKET:
        return pa.array([names[at] for at in found.bucket.tolist()], field.type)
    values = measures.column(name)
    return pa.array(values, field.type, mask=None if name in _WHOLE_NUMBERS else ~np.isfinite(values))


def _slices(texts: list[bytes]) -> Iterator[list[bytes]]:
    some, size = list[bytes](), 0
    for text in texts:
        some.append(text)
        size += len(text)
        if size >= _SLICE:
            yield some
            some, size = [], 0
    if some:
        yield some


def _joined(parts: Sequence[Measures]) -> Measures | None:
    """The figures of consecutive documents as one, or None of none."""
    if not parts:
        return None

    def column(name: str) -> Array:
        return np.concatenate([part.column(name) for part in parts])

    given = [name for name in Measures._fields if name != CONTRAST or parts[0].contrast is not None]
    return Measures(**{name: column(name) for name in given})


def _stop_or_skip(error: TextError, settings: FilterSettings, total: Counts, record: int) -> None:
    if settings.on_error == "stop":
        raise error
    total.skip([Skipped(record, str(error))])
