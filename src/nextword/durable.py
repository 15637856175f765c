"""Files that a crash cannot halve: written under another name, synced, then renamed into place."""

import hashlib
import io
import os
import re
import secrets
import stat
import sys
import threading
from collections.abc import Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import IO, TypeAlias

from nextword.errors import NextwordError, StoreError

if sys.platform != "win32":
    import fcntl

REMEDY = "copy the model again, or train it again"
Blocks: TypeAlias = Sequence[bytes | memoryview]
_AT_ONCE = 1 << 24  # bytes written at a time
_SYNC_EVERY = 0.1  # seconds
_TEMPORARY = re.compile(r"\.nextword-[0-9a-f]{16}\.tmp")


def write(file: Path, blocks: Blocks) -> str:
    """Write and sync a new file, hashing it in a second thread meanwhile; returns its SHA-256."""
    with file.open("xb", buffering=0) as stream, ThreadPoolExecutor(1) as pool:
        digest = pool.submit(sha256, blocks)
        with syncing(stream.fileno()):
            for block in blocks:
                _write_all(stream, memoryview(block))
        return digest.result()


def _write_all(stream: io.RawIOBase, block: memoryview) -> None:
    """Write all of a block, some at a time: a system call takes 2 GiB at most, and can be interrupted."""
    for begin in range(0, len(block), _AT_ONCE):
        some = block[begin : begin + _AT_ONCE]
        while some:
            some = some[stream.write(some) :]


@contextmanager
def syncing(descriptor: int) -> Iterator[None]:
    """At the end, what was written to a file is on its disk; it begins to go there while more is being written."""
    ended = threading.Event()

    def sync() -> None:
        while not ended.wait(_SYNC_EVERY):
            with suppress(OSError):  # the last one, below, will say so
                os.fsync(descriptor)

    thread = threading.Thread(target=sync)
    thread.start()
    try:
        yield
    finally:
        ended.set()
        thread.join()
    os.fsync(descriptor)


def temporary_name(directory: Path) -> Path:
    """A new name in ``directory`` that ``is_temporary`` knows again."""
    return directory / f".nextword-{secrets.token_hex(8)}.tmp"


@contextmanager
def temporary(directory: Path) -> Iterator[Path]:
    """A new name in ``directory``, for a file that is renamed before the end; if it is still there then, it goes."""
    file = temporary_name(directory)
    try:
        yield file
    finally:
        file.unlink(missing_ok=True)


@contextmanager
def replacement(path: Path) -> Iterator[IO[bytes]]:
    """A new file that takes the place of ``path``, synced, at the end; if something is raised, it goes.

    Its name tells what it was to replace, and it is locked, so what a killed process has left beside ``path`` goes when
    ``path`` is next written, and what another is writing stays. Windows lacks the lock, and deletes no open file.
    """
    begin = f".nextword-{sha256([path.name.encode()])[:8]}"
    for stale in path.parent.glob(f"{begin}????????.tmp"):
        with suppress(OSError), stale.open("rb") as left:
            _lock(left.fileno())
            stale.unlink()
    file = path.parent / f"{begin}{secrets.token_hex(4)}.tmp"
    try:
        with file.open("xb") as stream, syncing(stream.fileno()):
            _lock(stream.fileno())
            yield stream
            stream.flush()
        file.replace(path)
    finally:
        file.unlink(missing_ok=True)
    sync_directory(path.parent)


def _lock(descriptor: int) -> None:
    """Lock a file until it is closed. Raises OSError if someone else has it locked."""
    if sys.platform != "win32":
        fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)


def is_temporary(name: str) -> bool:
    """Whether a file's name is one that ``temporary`` gives."""
    return _TEMPORARY.fullmatch(name) is not None


def sync_file(file: Path) -> None:
    """Make what another library has written to ``file`` survive a power failure."""
    with file.open("r+b") as stream:
        os.fsync(stream.fileno())


def sync_directory(directory: Path) -> None:
    """Make the renames in ``directory`` survive a power failure; Windows offers no way to."""
    if sys.platform != "win32":
        descriptor = os.open(directory, os.O_RDONLY)
        try:
            os.fsync(descriptor)
        finally:
            os.close(descriptor)


@contextmanager
def locked(directory: Path, *, wait: bool = True) -> Iterator[bool]:
    """Wait until no one else has ``directory`` locked; True if they wait for us too.

    The lock is on the directory itself, so it leaves no file and a killed process holds none. Windows and some network
    file systems lack it. Without ``wait`` a directory that is locked is a StoreError.
    """
    if sys.platform == "win32":
        yield False
        return
    descriptor = os.open(directory, os.O_RDONLY)
    try:
        try:
            fcntl.flock(descriptor, fcntl.LOCK_EX | (0 if wait else fcntl.LOCK_NB))
            alone = True
        except BlockingIOError:
            raise StoreError(f"{directory}: another process is at work there; wait for it or stop it") from None
        except OSError:
            alone = False
        yield alone
    finally:
        with suppress(OSError):
            fcntl.flock(descriptor, fcntl.LOCK_UN)  # closing is not enough: a process forked meanwhile shares the lock
        os.close(descriptor)


def regular_size(file: Path) -> int:
    """Bytes of a regular file; a pipe or a device, which might block its reader, is a StoreError."""
    status = file.stat()
    if not stat.S_ISREG(status.st_mode):
        raise StoreError(f"{file}: is not a regular file; {REMEDY}")
    return status.st_size


def sha256(blocks: Blocks) -> str:
    """SHA-256, in hexadecimal, of blocks end to end."""
    digest = hashlib.sha256()
    for block in blocks:
        digest.update(block)
    return digest.hexdigest()


def file_sha256(file: Path) -> str:
    """SHA-256, in hexadecimal, of a file's bytes."""
    with file.open("rb") as stream:
        return hashlib.file_digest(stream, "sha256").hexdigest()


@contextmanager
def system_errors_named(path: Path, done: str) -> Iterator[None]:
    """Turn what the operating system raises into a StoreError: ``path`` (or a file in it) cannot be ``done``."""
    try:
        yield
    except NextwordError:
        raise
    except OSError as error:
        raise StoreError(f"{error.filename or path}: cannot be {done}: {error.strerror or error}") from error
