"""Arrays in temporary files that are mapped to memory: the system moves their pages to disk when it needs the room."""

import errno
import mmap
import os
import weakref
from contextlib import suppress
from math import prod
from pathlib import Path
from threading import Lock

import numpy as np
from numpy.typing import DTypeLike

from nextword import durable
from nextword.ngram.arena import Arena
from nextword.types import Array

_SMALL = 1 << 18  # bytes below which an array is not worth a file


class DiskUse:
    """Bytes of temporary files, now and at most so far."""

    def __init__(self) -> None:
        self.now = self.peak = 0
        self._lock = Lock()

    def add(self, size: int) -> None:
        """So many bytes more, or fewer."""
        with self._lock:
            self.now += size
            self.peak = max(self.now, self.peak)


class MappedArena(Arena):
    """Makes arrays in files of ``directory``.

    Disk space is taken when an array is made, where the system can do so: a full disk is then an OSError, and not the
    signal that a write to a mapped page would be answered with. A file has no name once it is mapped and goes with its
    array, however the process ends; only Windows keeps the names, which ``durable.is_temporary`` tells.
    """

    def __init__(self, directory: Path, use: DiskUse | None = None):
        self._directory, self._use = directory, use or DiskUse()

    def empty(self, shape: int | tuple[int, ...], dtype: DTypeLike) -> Array:
        """An array of that shape; its values are 0. Raises OSError if the disk is full."""
        size = prod(shape if isinstance(shape, tuple) else (shape,)) * np.dtype(dtype).itemsize
        if size < _SMALL:
            return np.zeros(shape, dtype=dtype)
        file = durable.temporary_name(self._directory)
        try:
            with file.open("x+b") as stream:
                _allocate(stream.fileno(), size, file)
        except OSError:
            file.unlink(missing_ok=True)
            raise
        return map_and_forget(file, dtype, self._use, known=False).reshape(shape)

    zeros = empty


def map_and_forget(file: Path, dtype: DTypeLike, use: DiskUse, *, known: bool = True) -> Array:
    """The writable array (N,) that a file holds; the file goes with the array.

    known: ``use`` has the file's bytes already.
    """
    size = file.stat().st_size
    if not size:
        file.unlink()
        return np.empty(0, dtype=dtype)
    with file.open("r+b") as stream:
        pages = mmap.mmap(stream.fileno(), size)
    if not known:
        use.add(size)
    weakref.finalize(pages, _forget, file, size, use)
    with suppress(PermissionError):  # Windows: it stays until it is no longer mapped
        file.unlink()
    return np.frombuffer(pages, dtype=dtype)


def _forget(file: Path, size: int, use: DiskUse) -> None:
    use.add(-size)
    with suppress(OSError):
        file.unlink(missing_ok=True)


def _allocate(descriptor: int, size: int, file: Path) -> None:
    """Make the file ``size`` bytes long, with its blocks taken where the file system can do that."""
    try:
        if hasattr(os, "posix_fallocate"):
            os.posix_fallocate(descriptor, 0, size)
        else:
            os.truncate(descriptor, size)
    except OSError as error:
        if error.errno not in (errno.EOPNOTSUPP, errno.EINVAL):
            raise OSError(error.errno, error.strerror, str(file)) from error
        os.truncate(descriptor, size)
