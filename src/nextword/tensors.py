"""Arrays in safetensors files: written straight from memory, read by mapping.

The format (huggingface/safetensors, README): 8 bytes, the header's length as a little-endian unsigned integer; the
header, a JSON object {name: {"dtype", "shape", "data_offsets": [begin, end]}}, offsets counted from the header's end;
the arrays' bytes, in C order, without holes. Files written here are also aligned: the header is padded with spaces and
arrays are set apart by filler tensors, named ``_fill1`` and so on, so that each array begins at a multiple of 64 bytes.
The safetensors library reads them; it is not used here because its NumPy reader copies every array.
"""

import json
import math
from collections.abc import Mapping
from pathlib import Path

import numpy as np

from nextword.durable import REMEDY, regular_size, sha256
from nextword.errors import StoreError
from nextword.types import Array, Bytes, Json

ALIGNMENT = 64
_FILL = "_fill"
_HEADER_LIMIT = 4 << 20
_LARGEST_RANK = 32
_DTYPES = {
    "BOOL": np.dtype(np.bool_),
    "U8": np.dtype("u1"),
    "I8": np.dtype("i1"),
    "U16": np.dtype("<u2"),
    "I16": np.dtype("<i2"),
    "F16": np.dtype("<f2"),
    "U32": np.dtype("<u4"),
    "I32": np.dtype("<i4"),
    "F32": np.dtype("<f4"),
    "U64": np.dtype("<u8"),
    "I64": np.dtype("<i8"),
    "F64": np.dtype("<f8"),
}
_NAMES = {dtype: name for name, dtype in _DTYPES.items()}


def lay_out(arrays: Mapping[str, Array]) -> list[memoryview]:
    """The bytes of a safetensors file of ``arrays``, as blocks to be written one after another, the header first.

    C-contiguous arrays are not copied: their blocks are views of them. Raises ValueError for a dtype that the format
    lacks, and for a name that it reserves.
    """
    header, parts = _plan(arrays)
    return [memoryview(header), *(np.ascontiguousarray(part).reshape(-1).view(np.uint8).data for part in parts)]


def file_size(arrays: Mapping[str, Array]) -> int:
    """Bytes of the file that ``lay_out`` makes of arrays of these types and shapes; their contents are not read."""
    header, parts = _plan(arrays)
    return len(header) + sum(part.nbytes for part in parts)


def map_file(path: Path, *, header_sha256: str | None = None) -> dict[str, Array]:
    """The arrays of a safetensors file, read-only views of one memory map; fillers are left out.

    header_sha256: what the hash of ``lay_out``'s first block must be, if it is known. Time and memory do not depend on
    the arrays' sizes. Raises StoreError if the file is not safetensors, and FileNotFoundError if there is none.
    """
    size = regular_size(path)
    with path.open("rb") as file:
        start = file.read(8)
        length = int.from_bytes(start, "little")
        if size < 8 or not 2 <= length <= min(size - 8, _HEADER_LIMIT):
            raise StoreError(f"{path}: is not a safetensors file, or is truncated; {REMEDY}")
        text = file.read(length)
    if header_sha256 not in (None, sha256([start, text])):
        raise StoreError(f"{path}: its header was changed after it was saved; {REMEDY}")
    header = _parse(path, text)
    begin = 8 + length
    _check_layout(path, header, size - begin)
    raw = np.memmap(path, dtype=np.uint8, mode="r").view(np.ndarray)[begin:]
    return {name: _view(path, name, entry, raw) for name, entry in header.items() if not name.startswith(_FILL)}


def _plan(arrays: Mapping[str, Array]) -> tuple[bytes, list[Array]]:
    """The header's bytes, and the arrays with what fills the gaps between them. Raises as ``lay_out`` does."""
    header: Json = {}
    parts: list[Array] = []
    end = 0
    for name, array in arrays.items():
        if name == "__metadata__" or name.startswith(_FILL):
            raise ValueError(f"an array cannot be named {name!r}, which the format reserves; rename it")
        if array.dtype not in _NAMES:
            raise ValueError(f"array {name!r} has dtype {array.dtype}, expected one of {', '.join(map(str, _NAMES))}")
        if end % ALIGNMENT:
            filler = np.zeros(-end % ALIGNMENT, dtype=np.uint8)
            header[f"{_FILL}{len(header)}"] = _entry(filler, end)
            parts.append(filler)
            end += filler.nbytes
        header[name] = _entry(array, end)
        parts.append(array)
        end += array.nbytes
    text = json.dumps(header, separators=(",", ":")).encode()
    text += b" " * (-(8 + len(text)) % ALIGNMENT)
    return len(text).to_bytes(8, "little") + text, parts


def _entry(array: Array, begin: int) -> Json:
    return {
        "dtype": _NAMES[array.dtype],
        "shape": list(array.shape),
        "data_offsets": [begin, begin + array.nbytes],
    }


def _parse(path: Path, text: bytes) -> dict[str, Json]:
    """The header's entries by name, each known to have the right keys with values of the right types."""
    try:
        header = json.loads(text.decode())
    except (ValueError, RecursionError):
        header = None
    if not isinstance(header, dict):
        raise StoreError(f"{path}: the safetensors header is not a JSON object; {REMEDY}")
    header.pop("__metadata__", None)
    for name, entry in header.items():
        if not _well_formed(entry):
            raise StoreError(f"{path}: the safetensors header's entry {name[:80]!r} is broken; {REMEDY}")
    return header


def _well_formed(entry: object) -> bool:
    if not isinstance(entry, dict) or set(entry) != {"dtype", "shape", "data_offsets"}:
        return False
    dtype, shape, offsets = entry["dtype"], entry["shape"], entry["data_offsets"]
    return (
        isinstance(dtype, str)
        and dtype in _DTYPES
        and _are_naturals(shape)
        and len(shape) <= _LARGEST_RANK
        and _are_naturals(offsets)
        and len(offsets) == 2
        and offsets[1] - offsets[0] == math.prod(shape) * _DTYPES[dtype].itemsize
    )


def _are_naturals(values: object) -> bool:
    """A list of integers from 0 to 2^63 - 1 (True and 1.0 are not integers)."""
    return isinstance(values, list) and all(type(value) is int and 0 <= value < 1 << 63 for value in values)


def _check_layout(path: Path, header: dict[str, Json], size: int) -> None:
    """The arrays must cover the file's data from end to end: no hole, no overlap, nothing beyond."""
    end = 0
    for begin, after in sorted(entry["data_offsets"] for entry in header.values()):
        if begin != end:
            raise StoreError(f"{path}: arrays overlap or leave a hole at byte {end}; {REMEDY}")
        end = after
    if end != size:
        raise StoreError(f"{path}: holds {size} bytes of arrays, its header says {end}; {REMEDY}")


def _view(path: Path, name: str, entry: Json, raw: Bytes) -> Array:
    begin, end = entry["data_offsets"]
    try:
        array = raw[begin:end].view(_DTYPES[entry["dtype"]]).reshape(entry["shape"])
    except ValueError:  # a product of 0 with dimensions that NumPy cannot hold
        raise StoreError(f"{path}: array {name[:80]!r} has an impossible shape; {REMEDY}") from None
    if not array.flags.aligned:  # another writer's file: compiled kernels need alignment more than they need sharing
        array = array.copy()
        array.flags.writeable = False
    return array
