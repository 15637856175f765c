"""The table that a comparison leaves beside its models, ``compare.json``: written whole or not at all."""

import json
from pathlib import Path

from nextword.durable import regular_size, replacement, system_errors_named
from nextword.errors import StoreError
from nextword.types import Json

FILE = "compare.json"
FORMAT_VERSION = 1
_LARGEST = 1 << 26  # bytes: what is larger is no table


def write_table(directory: Path, table: Json) -> None:
    """Write the table into ``directory``, in place of one that is there. Raises StoreError."""
    file = directory / FILE
    with system_errors_named(file, "written"), replacement(file) as stream:
        stream.write(json.dumps(table, indent=1, allow_nan=False).encode() + b"\n")


def read_table(directory: Path) -> Json:
    """The table in ``directory``. Raises StoreError, which names the file, for one that is missing, broken or newer."""
    file = directory / FILE
    with system_errors_named(file, "read"):
        size = regular_size(file)
        if size > _LARGEST:
            raise StoreError(f"{file}: {size:,} bytes are too many for a table; run nextword compare again")
        text = file.read_bytes()
    try:
        table = json.loads(text, parse_constant=_refuse)
    except (ValueError, RecursionError):
        raise StoreError(f"{file}: is not JSON; run nextword compare again") from None
    version = table.get("format_version") if isinstance(table, dict) else None
    if isinstance(version, int) and version > FORMAT_VERSION:
        raise StoreError(f"{file}: has format version {version}, this nextword reads up to {FORMAT_VERSION}; update it")
    if version != FORMAT_VERSION or not _is_table(table):
        raise StoreError(f"{file}: is not a table of nextword compare; run it again")
    found: Json = table
    return found


def _refuse(constant: str) -> None:
    """What Python's JSON has beyond JSON: NaN and the infinities."""
    raise ValueError(constant)


def _is_table(table: Json) -> bool:
    """Whether the rows are rows, each with a name of its own and a curve."""
    rows, lines = table.get("models"), table.get("lines")
    return (
        isinstance(table.get("text"), str)
        and isinstance(lines, list)
        and isinstance(rows, list)
        and all(isinstance(row, dict) and isinstance(row.get("model"), str) for row in rows)
        and all(isinstance(row.get("directory"), str) and isinstance(row.get("curve"), list) for row in rows)
    )
