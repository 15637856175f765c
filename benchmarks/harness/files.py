"""Texts to measure with, and what the page cache and the cache of compiled kernels hold."""

import os
from pathlib import Path


def copy_text(source: Path, target: Path, *, blank: bool = True, times: int = 1) -> Path:
    """Copy a text, ``<unk>`` (which lmplz refuses) as ``[UNK]``, perhaps without its lines of spaces alone."""
    with target.open("wb") as out:
        for _ in range(times):
            with source.open("rb") as lines:
                out.writelines(line.replace(b"<unk>", b"[UNK]") for line in lines if blank or line.strip(b" \n"))
    return target


def count_tokens(text: Path) -> int:
    """Words and line ends."""
    with text.open("rb") as lines:
        return sum(len(line.split()) + 1 for line in lines)


def drop_from_cache(folder: Path) -> bool:
    """Ask the system to forget the pages of a folder's files; False where only root could."""
    if not hasattr(os, "posix_fadvise"):
        return False
    for file in folder.iterdir():
        descriptor = os.open(file, os.O_RDONLY)
        os.fsync(descriptor)
        os.posix_fadvise(descriptor, 0, 0, os.POSIX_FADV_DONTNEED)
        os.close(descriptor)
    return True


def snapshot(folder: Path) -> set[tuple[Path, int]]:
    """The files under a folder and when they were written."""
    return {(file, file.stat().st_mtime_ns) for file in folder.rglob("*") if file.is_file()}
