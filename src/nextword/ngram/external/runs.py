"""Sorted rows of windows on disk: runs, each of many small blocks, so that any range of keys is read by itself.

    b"NWRUN001"
    blocks, each a Zstandard frame with a checksum
    index: keys (B, W) uint64, the first of each block; ends (B + 1,) uint64, where blocks begin and end in the file;
        rows (B + 1,) uint64, how many rows stand before each block
    footer: the order, the bits of a field, B, W, the index's CRC-32, the file's size, as uint64

Rows are front-coded: of an n-gram only what differs from the one before is kept, a byte or two a word, as ids fall by
frequency. On 23.6 M words of novels, order 5, that is 5.4 bytes a row, and 4.5 with Zstandard's level 1 on top, which
costs 5 ns a row; the bare rows are 24 bytes, and 6.8 with Zstandard alone.
"""

import mmap
import os
import zlib
from collections.abc import Iterable
from pathlib import Path
from typing import Any

import numpy as np
import zstandard
from numba import njit

from nextword import durable
from nextword.errors import StoreError
from nextword.ngram.external.sorting import lower_bound
from nextword.ngram.external.windows import KeyLayout, get_field, set_field
from nextword.text.encode import EOS
from nextword.types import Array, Bytes

BLOCK_ROWS = 2048
_MAGIC = b"NWRUN001"
_FOOTER = 6
_MANY = 15  # a head byte's largest value, for the count and for the words that are as in the row before
_LAST = EOS + 1  # the field after which a window has no more


def write_run(file: Path, pieces: Iterable[Array], layout: KeyLayout) -> int:
    """Write and sync ``pieces`` of sorted rows, each above those before it, as a new run; returns how many rows.

    Raises OSError; then there is no such file.
    """
    frames = zstandard.ZstdCompressor(level=1, write_checksum=True)
    buffer = np.empty(BLOCK_ROWS * (11 + 5 * layout.order), dtype=np.uint8)
    keys, sizes, rows = [np.empty((0, layout.words), dtype=np.uint64)], [len(_MAGIC)], [0]
    with durable.temporary(file.parent) as unfinished:
        with unfinished.open("xb") as stream:
            stream.write(_MAGIC)
            for piece in pieces:
                keys.append(piece[::BLOCK_ROWS, :-1].copy())
                for begin in range(0, len(piece), BLOCK_ROWS):
                    block = piece[begin : begin + BLOCK_ROWS]
                    size = _encode(block, layout.order, layout.bits, buffer)
                    sizes.append(stream.write(frames.compress(buffer[:size].data)))
                    rows.append(len(block))
            stream.write(bytes(-sum(sizes) % 8))  # aligned
            index = [np.concatenate(keys), np.cumsum(sizes, dtype=np.uint64), np.cumsum(rows, dtype=np.uint64)]
            crc = 0
            for array in index:
                stream.write(array.tobytes())
                crc = zlib.crc32(array.tobytes(), crc)
            total = stream.tell() + 8 * _FOOTER
            footer = [layout.order, layout.bits, len(rows) - 1, layout.words, crc, total]
            stream.write(np.array(footer, dtype=np.uint64).tobytes())
            stream.flush()
            os.fsync(stream.fileno())
        unfinished.replace(file)
    return sum(rows)


class Run:
    """A run that ``write_run`` has written, mapped."""

    def __init__(self, file: Path, layout: KeyLayout):
        """Raises StoreError, which names the file, if it is missing, cut short, or not of this layout."""
        self.file, self._layout = file, layout
        with durable.system_errors_named(file, "read"), file.open("rb") as stream:
            if durable.regular_size(file) < len(_MAGIC) + 8 * _FOOTER:
                raise self._damaged("it is cut short")
            self._data = np.frombuffer(mmap.mmap(stream.fileno(), 0, access=mmap.ACCESS_READ), dtype=np.uint8)
        footer = self._data[-8 * _FOOTER :].copy().view(np.uint64)
        order, bits, blocks, words, crc, total = (int(number) for number in footer)
        size = 8 * (blocks * words + 2 * (blocks + 1))
        begin = len(self._data) - 8 * _FOOTER - size
        if total != len(self._data) or words != layout.words or begin < len(_MAGIC):
            raise self._damaged("it is cut short")
        if (order, bits) != (layout.order, layout.bits):
            raise self._damaged("it is of another order or vocabulary")
        index = self._data[begin : begin + size]
        if zlib.crc32(index.data) != crc or self._data[: len(_MAGIC)].tobytes() != _MAGIC:
            raise self._damaged("its index does not have its checksum")
        self.keys = index.view(np.uint64)[: blocks * words].reshape(-1, words)
        self._ends, self._rows = index.view(np.uint64)[blocks * words :].reshape(2, blocks + 1)

    def __len__(self) -> int:
        return int(self._rows[-1])

    def room(self, low: Array | None, high: Array | None) -> int:
        """How many rows ``read`` needs room for at most."""
        begin, end = self._blocks(low, high)
        return int(self._rows[end] - self._rows[begin])

    def read(self, low: Array | None, high: Array | None, rows: Array) -> Array:
        """Sorted rows with keys from ``low`` on and below ``high`` (None: no bound), as a part of ``rows``."""
        begin, end = self._blocks(low, high)
        frames = zstandard.ZstdDecompressor()
        n = 0
        for block in range(begin, end):
            size = int(self._rows[block + 1] - self._rows[block])
            data = self._data[int(self._ends[block]) : int(self._ends[block + 1])]
            try:
                content = np.frombuffer(frames.decompress(data.data), dtype=np.uint8)
            except zstandard.ZstdError:
                raise self._damaged(f"block {block + 1} of {len(self.keys)} does not have its checksum") from None
            if not _decode(content, self._layout.order, self._layout.bits, rows[n : n + size]):
                raise self._damaged(f"block {block + 1} of {len(self.keys)} holds no rows")
            n += size
        first = 0 if low is None else lower_bound(rows[:n], low)
        return rows[first : n if high is None else lower_bound(rows[:n], high)]

    def _blocks(self, low: Array | None, high: Array | None) -> tuple[int, int]:
        """The blocks that can hold keys from ``low`` on and below ``high``; a key below ``low`` may begin the first."""
        end = len(self.keys) if high is None else lower_bound(self.keys, high)
        begin = 0 if low is None else max(0, lower_bound(self.keys, low) - 1)
        return min(begin, end), end

    def _damaged(self, what: str) -> StoreError:
        return StoreError(
            f"{self.file}: this run of sorted n-grams is damaged: {what}; delete {self.file.parent} and count again"
        )


@njit(cache=True, nogil=True, inline="always")
def put_varint(buffer, n, value):  # type: ignore[no-untyped-def]
    """Write a natural number, seven bits a byte, the lowest first; returns where the next goes."""
    while value >= 128:
        buffer[n] = (value & 127) | 128
        n += 1
        value >>= 7
    buffer[n] = value
    return n + 1


@njit(cache=True, nogil=True, inline="always")
def get_varint(data, at):  # type: ignore[no-untyped-def]
    """A natural number and where the next begins; beyond the data's end it is 0."""
    value = shift = 0
    while at < len(data):
        byte: Any = np.int64(data[at])
        at += 1
        value |= (byte & 127) << shift
        shift += 7
        if byte < 128 or shift > 56:
            break
    return value, at


@njit(cache=True, nogil=True)
def _encode(rows: Array, order: int, bits: int, buffer: Bytes) -> int:
    """Write a block: per row a head (words as in the row before, count), a difference, and the words after it."""
    before, fields = np.zeros(order, dtype=np.int64), np.zeros(order, dtype=np.int64)
    n, count_column = 0, rows.shape[1] - 1
    for i in range(len(rows)):
        same: Any = 0
        alike: Any = i > 0
        for j in range(order):
            fields[j] = np.int64(get_field(rows, i, j * bits, bits))
            alike = alike and fields[j] == before[j]
            same += int(alike)
        same = min(same, _MANY, order - 1)
        count: Any = np.int64(rows[i, count_column])
        buffer[n] = (same << 4) | (count if count < _MANY else _MANY)
        n += 1
        if count >= _MANY:
            n = put_varint(buffer, n, count)
        n = put_varint(buffer, n, fields[same] - before[same])
        j = same
        while j + 1 < order and fields[j] != _LAST and fields[j] != 0:
            j += 1
            n = put_varint(buffer, n, fields[j])
        before[:] = fields
    return n


@njit(cache=True, nogil=True)
def _decode(data: Bytes, order: int, bits: int, rows: Array) -> bool:
    """Fill ``rows`` with a block's; False if its data are not of so many rows."""
    fields = np.zeros(order, dtype=np.int64)
    at, count_column = 0, rows.shape[1] - 1
    limit = (1 << bits) - 1
    for i in range(len(rows)):
        if at >= len(data):
            return False
        head = np.int64(data[at])
        same, count = head >> 4, head & _MANY
        at += 1
        if count == _MANY:
            count, at = get_varint(data, at)
        if same >= order:
            return False
        more, at = get_varint(data, at)
        fields[same] += more
        j = same
        while j + 1 < order and fields[j] != _LAST and fields[j] != 0:
            j += 1
            fields[j], at = get_varint(data, at)
        for k in range(j + 1, order):
            fields[k] = 0
        for w in range(count_column):
            rows[i, w] = 0
        for k in range(j + 1):
            set_field(rows, i, k * bits, bits, np.uint64(fields[k] & limit))
        rows[i, count_column] = np.uint64(count)
    return at == len(data)
