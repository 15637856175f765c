"""Files that appear whole: written under another name, compressed, hashed as they are written, synced, then renamed."""

import hashlib
import os
import zlib
from collections.abc import Iterator
from concurrent.futures import Future, ThreadPoolExecutor
from contextlib import ExitStack, contextmanager
from pathlib import Path
from typing import IO, NamedTuple, Protocol

from nextword import durable
from nextword.types import Json

_GZIP_LEVEL, _ZSTD_LEVEL = 6, 3
_SYNC_BYTES = 32 << 20
# RFC 1952: magic, deflate, no name, no time (the same text gives the same bytes), no flags of speed, system unknown
_GZIP_HEADER = b"\x1f\x8b\x08\x00\x00\x00\x00\x00\x00\xff"
_GZIP_LAST = b"\x03\x00"  # an empty deflate block, the last


class Packer(Protocol):
    """One output's compression. ``pack`` may run in any thread and in any order; ``add`` and ``end`` in file order."""

    def pack(self, data: bytes) -> bytes: ...  # noqa: D102
    def add(self, data: bytes, packed: bytes) -> bytes: ...  # noqa: D102
    def end(self) -> bytes: ...  # noqa: D102


class Plain:
    """As it is."""

    def pack(self, data: bytes) -> bytes:
        """Nothing to do beforehand."""
        return b""

    def add(self, data: bytes, packed: bytes) -> bytes:
        """The data themselves."""
        return data

    def end(self) -> bytes:
        """Nothing."""
        return b""


class Gzip:
    """One gzip member whose blocks several threads compress, each ended at a byte's edge as pigz does."""

    def __init__(self) -> None:
        self._crc, self._size, self._begun = 0, 0, False

    def pack(self, data: bytes) -> bytes:
        """Raw deflate blocks, none of them the last."""
        if not data:
            return b""
        deflate = zlib.compressobj(_GZIP_LEVEL, zlib.DEFLATED, -zlib.MAX_WBITS)
        return deflate.compress(data) + deflate.flush(zlib.Z_SYNC_FLUSH)

    def add(self, data: bytes, packed: bytes) -> bytes:
        """The packed blocks, after the header if they are the first."""
        header = b"" if self._begun else _GZIP_HEADER
        self._begun = True
        self._crc, self._size = zlib.crc32(data, self._crc), self._size + len(data)
        return header + packed

    def end(self) -> bytes:
        """The last block and the trailer."""
        trailer = self._crc.to_bytes(4, "little") + (self._size & 0xFFFFFFFF).to_bytes(4, "little")
        return self.add(b"", b"") + _GZIP_LAST + trailer


class Zstandard:
    """One Zstandard frame: many readers stop after the first."""

    def __init__(self) -> None:
        import zstandard

        self._compress = zstandard.ZstdCompressor(level=_ZSTD_LEVEL, write_checksum=True).compressobj()

    def pack(self, data: bytes) -> bytes:
        """Nothing to do beforehand."""
        return b""

    def add(self, data: bytes, packed: bytes) -> bytes:
        """What the compressor gives out so far."""
        return self._compress.compress(data)

    def end(self) -> bytes:
        """The rest of the frame."""
        return self._compress.flush()


def packer(name: str) -> Packer:
    """The compression that a file's name asks for."""
    return Gzip() if name.endswith(".gz") else Zstandard() if name.endswith(".zst") else Plain()


class Written(NamedTuple):
    """A finished file: its path below the output directory, its size, hash and time of last change."""

    file: str
    bytes: int
    sha256: str
    mtime_ns: int

    def to_json(self) -> Json:
        """As a marker stores it."""
        return self._asdict()


class Output:
    """A file that is being written; it hashes what it is given, and has it synced in ``worker`` as it goes.

    Otherwise the last sync, which nothing runs beside, would have to wait for the whole file.
    """

    def __init__(self, stream: IO[bytes], worker: ThreadPoolExecutor):
        self._stream, self._worker = stream, worker
        self._sha256, self.size, self._synced = hashlib.sha256(), 0, 0
        self._syncing: Future[None] | None = None

    def write(self, data: bytes) -> int:
        """Append bytes."""
        self._stream.write(data)
        self._sha256.update(data)
        self.size += len(data)
        if self.size - self._synced >= _SYNC_BYTES and (self._syncing is None or self._syncing.done()):
            self._sync()
        return len(data)

    def finish(self) -> str:
        """Sync and close; returns the SHA-256 of all that was written."""
        self._sync().result()
        self._stream.close()
        return self._sha256.hexdigest()

    def _sync(self) -> "Future[None]":
        if self._syncing is not None:
            self._syncing.result()
        self._stream.flush()
        self._synced, self._syncing = self.size, self._worker.submit(os.fsync, self._stream.fileno())
        return self._syncing


class Outputs:
    """The files of one shard, in the folders of its buckets; they have no names until ``finish`` gives them."""

    def __init__(self, out: Path, name: str, folders: tuple[str, ...], stack: ExitStack):
        self._out = out
        self._targets = [out / folder / name for folder in folders]
        self._files: list[Path] = []
        self.outputs: list[Output] = []
        for target in self._targets:
            target.parent.mkdir(parents=True, exist_ok=True)
            file = stack.enter_context(durable.temporary(target.parent))
            stream = stack.enter_context(file.open("xb"))
            self._files.append(file)
            self.outputs.append(Output(stream, stack.enter_context(ThreadPoolExecutor(1))))

    def abandon(self) -> None:
        """Write no file at all."""
        self._files = []

    def finish(self) -> list[Written]:
        """Sync the files and give them their names."""
        found: list[Written] = []
        if not self._files:
            return found
        for file, target, output in zip(self._files, self._targets, self.outputs, strict=True):
            digest = output.finish()
            file.replace(target)
            durable.sync_directory(target.parent)
            relative = target.relative_to(self._out).as_posix()
            found.append(Written(relative, output.size, digest, target.stat().st_mtime_ns))
        return found


@contextmanager
def outputs(out: Path, name: str, folders: tuple[str, ...]) -> Iterator[Outputs]:
    """Files to write a shard to; those that are not finished when the block is left are deleted."""
    with ExitStack() as stack:
        yield Outputs(out, name, folders, stack)
