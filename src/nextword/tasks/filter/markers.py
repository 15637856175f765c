"""What has been done: a small file beside the output for each finished shard, so that a run can go on."""

import json
from pathlib import Path
from typing import NamedTuple

from nextword import durable
from nextword.tasks.filter.jsonl import Source
from nextword.tasks.filter.outputs import Written
from nextword.tasks.filter.report import Counts
from nextword.types import Json

FOLDER = ".nextword"
_VERSION = 1


class Marker(NamedTuple):
    """One finished shard. settings: hash of the settings and models. source_mtime: of its file, in nanoseconds."""

    settings: str
    source: Source
    source_mtime: int
    outputs: list[Written]
    counts: Counts

    def to_json(self) -> Json:
        """What ``read`` reads."""
        return {
            "version": _VERSION,
            "settings": self.settings,
            "source": self.source.to_json() | {"mtime_ns": self.source_mtime},
            "outputs": [written.to_json() for written in self.outputs],
            "counts": self.counts.to_json(),
        }


def marker_file(out: Path, name: str) -> Path:
    """Where the marker of a shard is."""
    return out / FOLDER / f"{name}.json"


def write(out: Path, name: str, marker: Marker) -> None:
    """Write and sync a marker, whole or not at all."""
    file = marker_file(out, name)
    file.parent.mkdir(parents=True, exist_ok=True)
    with durable.temporary(file.parent) as temporary:
        durable.write(temporary, [json.dumps(marker.to_json()).encode() + b"\n"])
        temporary.replace(file)
    durable.sync_directory(file.parent)


def read(out: Path, name: str) -> Marker | None:
    """The marker of a shard, or None if there is none that can be understood."""
    try:
        values = json.loads(marker_file(out, name).read_bytes())
        if values["version"] != _VERSION:
            return None
        source = values["source"]
        outputs = [Written(**written) for written in values["outputs"]]
        found = Source(source["bytes"], source["sha256"])
        return Marker(values["settings"], found, source["mtime_ns"], outputs, Counts.from_json(values["counts"]))
    except (FileNotFoundError, ValueError, KeyError, TypeError):
        return None


def mismatch(marker: Marker, settings: str, source: Path, out: Path) -> str:
    """Why a shard has to be done again in spite of its marker, or "".

    A file whose size and time of change are those recorded is taken to be the same; otherwise its hash decides.
    """
    if marker.settings != settings:
        return "it was made with other settings or another model"
    status = source.stat()
    if not _same(source, status.st_size, status.st_mtime_ns, (*marker.source, marker.source_mtime)):
        return f"{source} has changed since"
    for written in marker.outputs:
        file = out / written.file
        if not file.is_file():
            return f"{file} is missing"
        status = file.stat()
        if not _same(file, status.st_size, status.st_mtime_ns, written[1:]):
            return f"{file} has changed since"
    return ""


def _same(file: Path, size: int, mtime_ns: int, expected: tuple[int, str, int]) -> bool:
    if size != expected[0]:
        return False
    return mtime_ns == expected[2] or durable.file_sha256(file) == expected[1]
