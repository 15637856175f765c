"""The directory of a training or a count that is larger than memory: its temporary files and how far it has come.

manifest.json       what is being counted, and what is finished; replaced whole
part-000000.ids     tokens of a stretch of the text, and the words that it brought
words.safetensors   the vocabulary and the counts of its words, once all text is read
run-000000-000004   sorted rows of the windows of parts 0 to 3, which are deleted then
level-2-word ...    n-grams as they are put together; a crash may leave some, which are made again
"""

import errno
import json
import re
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import Any

from nextword import durable
from nextword.errors import StoreError, UsageError
from nextword.ngram.external.mapped import DiskUse
from nextword.types import Json

MANIFEST = "manifest.json"
_FORMAT = "nextword counting 1"
_OURS = re.compile(r"manifest\.json|words\.safetensors|part-\d{6,}\.ids|run-\d{6,}-\d{6,}|level-\d+-[a-z]+")


class Workplace:
    """An open directory of temporary files, which nobody else works in.

    state: what has been recorded as finished, by name. use: bytes on disk. resumed: there was something to go on from.
    """

    def __init__(self, directory: Path, identity: Json, state: Json | None):
        self.directory, self.use = directory, DiskUse()
        self._identity, self.resumed = identity, state is not None
        self.state: Json = state or {}

    def record(self, **state: Any) -> None:
        """Note durably what has been finished: its files must have been synced."""
        self.state |= state
        content = {"format": _FORMAT, "identity": self._identity, "state": self.state}
        with durable.temporary(self.directory) as file:
            durable.write(file, [json.dumps(content, indent=1).encode()])
            file.replace(self.directory / MANIFEST)
        durable.sync_directory(self.directory)

    def adopt(self, file: Path) -> None:
        """Count a file that has been written."""
        self.use.add(file.stat().st_size)

    def delete(self, file: Path) -> None:
        """Delete a file, if it is there."""
        with suppress(FileNotFoundError):
            size = file.stat().st_size
            file.unlink()
            self.use.add(-size)

    def report(self) -> str:
        """What a line of progress says of the disk."""
        return f"temporary files {self.use.now / 1e6:,.0f} MB"

    def keep_only(self, names: set[str]) -> None:
        """Delete what a killed process has left unfinished."""
        for file in list(self.directory.iterdir()):
            if file.name in names | {MANIFEST}:
                self.adopt(file)
            else:
                file.unlink()


@contextmanager
def workplace(directory: Path, identity: Json, *, resume: bool) -> Iterator[Workplace]:
    """Open ``directory`` for a count whose outcome depends on ``identity`` alone; it is made if it is missing.

    resume: go on with what is there. Nothing there is a beginning like any other. Raises UsageError if the directory
    holds another count, or one that ``resume`` should go on with, or files that are not ours; StoreError for what the
    system does not allow. On an error what is finished stays, so that a later call can go on with it.
    """
    with _disk_errors_explained(directory):
        directory.mkdir(parents=True, exist_ok=True)
        with durable.locked(directory, wait=False):
            place = Workplace(directory, identity, _claim(directory, identity, resume=resume))
            if not place.resumed:
                place.keep_only(set())
                place.record()
            yield place


@contextmanager
def _disk_errors_explained(directory: Path) -> Iterator[None]:
    try:
        with durable.system_errors_named(directory, "written"):
            yield
    except StoreError as error:
        if isinstance(error.__cause__, OSError) and error.__cause__.errno in (errno.ENOSPC, errno.EDQUOT):
            raise StoreError(
                f"{error}; what is finished stays in {directory}: make room and go on with --resume, or delete it"
            ) from error.__cause__
        raise


@contextmanager
def working(temp: str | Path | None, identity: Json, *, resume: bool, keep: bool = False) -> Iterator[Workplace]:
    """A workplace in ``temp``, or in a new directory that goes in any case; unless ``keep``, temp goes at the end."""
    if temp is None:
        with (
            tempfile.TemporaryDirectory(prefix="nextword-") as made,
            workplace(Path(made), identity, resume=False) as place,
        ):
            yield place
        return
    with workplace(Path(temp), identity, resume=resume) as place:
        yield place
    if not keep:
        discard(Path(temp))


def discard(directory: Path) -> None:
    """Delete a directory's temporary files, and the directory if that leaves it empty; other files stay."""
    with durable.system_errors_named(directory, "deleted"):
        if not directory.is_dir():
            return
        (directory / MANIFEST).unlink(missing_ok=True)  # first, so that no half of it is ever gone on with
        for file in list(directory.iterdir()):
            with suppress(PermissionError):  # Windows: an array of a model that is still in use is mapped to it
                if _is_ours(file):
                    file.unlink()
        with suppress(OSError):
            directory.rmdir()


def _claim(directory: Path, identity: Json, *, resume: bool) -> Json | None:
    """The state to go on from, or None to begin."""
    foreign = sorted(file.name for file in directory.iterdir() if not _is_ours(file))
    if foreign:
        raise UsageError(
            f"{directory}: holds other files, such as {foreign[0]}; give temporary files a directory of their own, "
            f"for example {directory / 'counting'}"
        )
    file = directory / MANIFEST
    if not file.exists():
        return None
    if not resume:
        raise UsageError(
            f"{directory}: holds what an earlier count has finished; go on with it by --resume, or delete the directory"
        )
    try:
        found = json.loads(file.read_bytes())
        state, known = found["state"], found["identity"]
        sound = found["format"] == _FORMAT and isinstance(state, dict) and isinstance(known, dict)
    except (ValueError, LookupError, TypeError):
        sound = False
    if not sound:
        raise StoreError(f"{file}: is not a manifest of this version; delete {directory} and count again")
    for name, value in identity.items():
        if known.get(name) != value:
            raise UsageError(
                f"{directory}: is of another count, whose {name} is {known.get(name)!r}, and here it is {value!r}; "
                "give the same text and options, or delete the directory and begin again"
            )
    return dict(state)


def _is_ours(file: Path) -> bool:
    return file.is_file() and (_OURS.fullmatch(file.name) is not None or durable.is_temporary(file.name))
