"""The files that a corpus is stored in, and what becomes of one of them."""

import time
from collections.abc import Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import NamedTuple

from nextword import durable
from nextword.errors import TextError, UsageError
from nextword.tasks.filter import markers
from nextword.tasks.filter.jsonl import Advance, filter_jsonl
from nextword.tasks.filter.outputs import Written, outputs
from nextword.tasks.filter.parquet import SUFFIX, filter_parquet
from nextword.tasks.filter.report import Counts
from nextword.tasks.filter.settings import Filterer, FilterSettings, identity
from nextword.types import Json

SUFFIXES = (".jsonl", ".jsonl.gz", ".jsonl.zst", ".json.gz", SUFFIX)


class Shard(NamedTuple):
    """A file of a corpus and where what is kept of it goes: ``out/name``, or ``out/BUCKET/name``."""

    source: str
    out: str
    name: str


@dataclass(frozen=True)
class ShardReport:
    """What became of a shard. outputs: files below the output directory. reused: it had been done before.

    redone: why it was done although there was a marker, or "".
    """

    shard: Shard
    outputs: list[Written]
    counts: Counts
    reused: bool = False
    redone: str = ""
    notes: list[str] = field(default_factory=list)

    def to_json(self) -> Json:
        """What ``from_json`` reads."""
        written = [one.to_json() for one in self.outputs]
        return self._plain() | {"shard": self.shard._asdict(), "outputs": written, "counts": self.counts.to_json()}

    @classmethod
    def from_json(cls, values: Json) -> "ShardReport":
        """The report that ``to_json`` gave."""
        written, counts = [Written(**one) for one in values["outputs"]], Counts.from_json(values["counts"])
        return cls(**{**values, "shard": Shard(**values["shard"]), "outputs": written, "counts": counts})

    def _plain(self) -> Json:
        return {"reused": self.reused, "redone": self.redone, "notes": self.notes}


def plan(inputs: Sequence[str | Path], out: str | Path) -> list[Shard]:
    """The shards of files, and of folders with all they hold, in order; their names are unique.

    A file keeps its name, one in a folder its path from there. Raises TextError for what is missing or of no known
    kind, UsageError for two of one name and for an output that would overwrite its input.
    """
    found: list[Shard] = []
    for given in map(Path, inputs):
        files = _within(given) if given.is_dir() else [(given, given.name)]
        for file, name in files:
            _check_source(file)
            found.append(Shard(str(file), str(out), name))
    if not found:
        raise UsageError("no text was given; name at least one .jsonl or .parquet file, or a folder of them")
    _check_names(found)
    return found


def filter_shard(
    lm: Filterer,
    shard: Shard,
    settings: FilterSettings,
    *,
    contrast: Filterer | None = None,
    threads: int = 1,
    advance: Advance | None = None,
) -> ShardReport:
    """Filter one shard, or find that it has been done: with the same arguments it writes the same bytes.

    settings: with the points of the cut, if there is one. advance: called with the number of source bytes as they are
    read. What is written appears whole, then the marker. Raises TextError, naming file and record, for what cannot be
    read, unless settings say to skip it.
    """
    if settings.cut is not None and settings.cut.points is None:
        raise UsageError("the cut's points are not known yet; prepare the settings first")
    advance = advance or (lambda size: None)
    begin, expected = time.perf_counter(), identity(settings, lm, contrast)
    source, out = Path(shard.source), Path(shard.out)
    _check_source(source)
    marker = markers.read(out, shard.name)
    redone = "" if marker is None else markers.mismatch(marker, expected, source, out)
    if marker is not None and not redone:
        advance(marker.source.bytes)
        return ShardReport(shard, marker.outputs, marker.counts, reused=True)
    markers.marker_file(out, shard.name).unlink(missing_ok=True)
    mtime = source.stat().st_mtime_ns
    read = filter_parquet if shard.name.lower().endswith(SUFFIX) else filter_jsonl
    with durable.system_errors_named(out, "written"), outputs(out, shard.name, settings.folders()) as written:
        digest, counts = read(lm, source, written, settings, contrast=contrast, threads=threads, advance=advance)
        files = written.finish()
    counts.seconds = time.perf_counter() - begin
    markers.write(out, shard.name, markers.Marker(expected, digest, mtime, files, counts))
    return ShardReport(shard, files, counts, redone=redone)


def _within(folder: Path) -> list[tuple[Path, str]]:
    """The shards below a folder, by name, each with its path from there; what a run keeps for itself is left out."""
    files = [file for file in folder.rglob("*") if file.name.lower().endswith(SUFFIXES) and file.is_file()]
    named = [(file, file.relative_to(folder).as_posix()) for file in files]
    return sorted((pair for pair in named if markers.FOLDER not in pair[0].parts), key=lambda pair: pair[1])


def _check_source(file: Path) -> None:
    if not file.exists():
        raise TextError(f"{file}: there is no such file; check the path")
    if not file.name.lower().endswith(SUFFIXES):
        raise TextError(f"{file}: expected a name that ends in {', '.join(SUFFIXES[:-1])} or {SUFFIXES[-1]}")


def _check_names(shards: Sequence[Shard]) -> None:
    sources: dict[str, str] = {}
    for shard in shards:
        if shard.name in sources:
            raise UsageError(
                f"{sources[shard.name]} and {shard.source} would both be written to {shard.name}; "
                "give the folder that holds both, or filter them into different outputs"
            )
        sources[shard.name] = shard.source
        if (Path(shard.out) / shard.name).resolve() == Path(shard.source).resolve():
            raise UsageError(f"{shard.source} would be overwritten by what is kept of it; give another --out")
