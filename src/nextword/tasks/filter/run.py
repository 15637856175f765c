"""A whole corpus: cut points first, then every shard, then what became of it all."""

import json
import time
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path

from nextword import durable
from nextword.errors import StoreError, UsageError
from nextword.tasks.filter import markers
from nextword.tasks.filter.cuts import cut_points
from nextword.tasks.filter.jsonl import Advance
from nextword.tasks.filter.measures import check_models, warm
from nextword.tasks.filter.report import Counts
from nextword.tasks.filter.settings import Filterer, FilterSettings, identity, model_identity
from nextword.tasks.filter.shards import Shard, ShardReport, filter_shard, plan
from nextword.types import Json

SETTINGS, SKIPPED = "filter.json", "skipped.tsv"
_VERSION = 1
_ESCAPES = str.maketrans({"\\": "\\\\", "\t": "\\t", "\n": "\\n", "\r": "\\r"})


@dataclass
class RunReport:
    """What became of a corpus. counts: of all shards. reused: shards done by an earlier run. seconds: of this run."""

    settings: FilterSettings
    shards: list[ShardReport]
    counts: Counts = field(default_factory=Counts)
    seconds: float = 0.0
    sample: int = 0

    @property
    def reused(self) -> int:
        """How many shards had been done before."""
        return sum(shard.reused for shard in self.shards)

    @property
    def bytes_per_second(self) -> float:
        """Source bytes of the shards that this run did, per second of it."""
        done = sum(shard.counts.source_bytes for shard in self.shards if not shard.reused)
        return done / self.seconds if self.seconds else 0.0

    def to_json(self) -> Json:
        """Figures for programs; those of shards without their histograms."""
        counts = self.counts.to_json()
        for name in ("histogram", "skipped", "seconds"):
            del counts[name]
        return {
            **counts,
            "perplexity": {f"p{p}": _rounded(self.counts.quantile(p / 100)) for p in (10, 30, 50, 60, 90)},
            "settings": self.settings.to_json(),
            "sample": self.sample,
            "seconds": round(self.seconds, 3),
            "bytes_per_second": round(self.bytes_per_second),
            "shards": [_shard_json(report) for report in self.shards],
        }


def filter_files(
    lm: Filterer,
    inputs: Sequence[str | Path],
    out: str | Path,
    settings: FilterSettings,
    *,
    contrast: Filterer | None = None,
    threads: int = 1,
    sample: int = 10_000,
    seed: int = 0,
    cuts: str | Path | None = None,
    advance: Advance | None = None,
    say: Callable[[str], None] | None = None,
) -> RunReport:
    """Filter files and folders of JSON Lines and Parquet into ``out``; to call it again is to go on after a crash.

    What each setting does stands in ``FilterSettings``. cuts: a ``filter.json`` whose points are used; otherwise they
    are percentiles of a sample of about ``sample`` documents. advance: called with the sizes of what was read. say:
    called with the name of each stage. Raises TextError, naming file and record, for what cannot be read, UsageError
    for settings that do not fit, StoreError for an ``out`` that holds other things.
    """
    begin, shards, say = time.perf_counter(), plan(inputs, out), say or (lambda stage: None)
    with locked(out):
        known, drawn = prepare(
            lm, shards, settings, out=out, contrast=contrast, sample=sample, seed=seed, cuts=cuts, say=say
        )
        reports = []
        for shard in shards:
            say(shard.name)
            reports.append(filter_shard(lm, shard, known, contrast=contrast, threads=threads, advance=advance))
        return finish(out, known, reports, sample=drawn, seconds=time.perf_counter() - begin)


def prepare(
    lm: Filterer,
    shards: Sequence[Shard],
    settings: FilterSettings,
    *,
    out: str | Path,
    contrast: Filterer | None = None,
    sample: int = 10_000,
    seed: int = 0,
    cuts: str | Path | None = None,
    say: Callable[[str], None] | None = None,
) -> tuple[FilterSettings, int]:
    """Make the output directory ready, and the settings complete; and how many documents the cut was found from.

    The points of a cut are those of an earlier run into ``out``, or of ``cuts``, or percentiles of a sample. Raises
    UsageError where ``out`` was filtered with other settings.
    """
    path, asked = Path(out), Path(out) / SETTINGS
    check_models(lm, contrast)
    (path / markers.FOLDER).mkdir(parents=True, exist_ok=True)
    delete_leftovers(path)
    warm(lm, contrast)
    request: Json = {"settings": settings.to_json(), "sha256": identity(settings, lm, contrast)}
    if settings.cut is not None or cuts is not None:
        request |= {"sample": sample, "seed": seed, "cuts": None if cuts is None else read_points(cuts, settings)}
    earlier = _read(asked)
    if earlier is not None:
        _check_same(path, earlier.get("request", {}), request)
        return settings.with_points(earlier["points"]), int(earlier["documents"])
    if any((path / markers.FOLDER).iterdir()):
        raise UsageError(f"{path}: holds shards of an earlier run, but no {SETTINGS}; choose another --out or empty it")
    points, drawn = request.get("cuts") or [], 0
    if settings.cut is not None and not points:
        (say or (lambda stage: None))("sampling")
        points, drawn = cut_points(lm, shards, settings, contrast=contrast, sample=sample, seed=seed)
    cut = settings.cut
    described = {} if cut is None else {"column": cut.column, "percentiles": list(cut.percentiles), "points": points}
    _store(asked, {
        "version": _VERSION, **described, "points": points, "documents": drawn, "model": model_identity(lm),
        "request": request,
    })  # fmt: skip
    return settings.with_points(points), drawn


def finish(
    out: str | Path, settings: FilterSettings, reports: Sequence[ShardReport], *, sample: int = 0, seconds: float = 0.0
) -> RunReport:
    """Add up the shards' figures, and list what was skipped in ``skipped.tsv``: file, record and reason."""
    total, rows = Counts(), list[str]()
    for report in reports:
        total.add(report.counts)
        source = report.shard.source.translate(_ESCAPES)
        rows += [f"{source}\t{record}\t{reason.translate(_ESCAPES)}" for record, reason in report.counts.skipped]
        unlisted = report.counts.skipped_count - len(report.counts.skipped)
        rows += [f"{source}\t\tand {unlisted} more records"] if unlisted else []
    file = Path(out) / SKIPPED
    file.unlink(missing_ok=True)
    if rows:
        file.write_text("\n".join(["file\trecord\treason", *rows]) + "\n", encoding="utf-8", newline="\n")
    return RunReport(settings, list(reports), total, seconds, sample)


@contextmanager
def locked(out: str | Path) -> Iterator[None]:
    """Wait until no other run writes to ``out``."""
    folder = Path(out) / markers.FOLDER
    if Path(out).exists() and not Path(out).is_dir():
        raise StoreError(f"{out}: is a file, expected a directory; choose another name")
    with durable.system_errors_named(folder, "written"):
        folder.mkdir(parents=True, exist_ok=True)
        with durable.locked(folder):
            yield


def read_points(file: str | Path, settings: FilterSettings) -> list[float]:
    """The cut points of another run's ``filter.json``. Raises UsageError where they are none, or of another cut."""
    found = _read(Path(file))
    if found is None or not found.get("points"):
        raise UsageError(
            f"{file}: holds no cut points; give the {SETTINGS} of a run with --buckets or --keep-percentile"
        )
    cut = settings.cut
    if cut is None:
        raise UsageError(f"{file}: nothing is cut here; give --buckets or --keep-percentile too")
    theirs = (found["column"], tuple(found["percentiles"]))
    if theirs != (cut.column, cut.percentiles):
        raise UsageError(
            f"{file}: its points are of {_spelt(*theirs)}, and here the cut is at {_spelt(cut.column, cut.percentiles)}"
        )
    return [float(point) for point in found["points"]]


def _spelt(column: str, percentiles: Sequence[float]) -> str:
    return f"{column} at the percentiles {','.join(f'{p:g}' for p in percentiles)}"


def _check_same(out: Path, earlier: Json, request: Json) -> None:
    if earlier == request:
        return
    theirs, ours = (one.get("settings", {}) | one for one in (earlier, request))
    changed = [name for name in ours if name not in ("settings", "sha256") and theirs.get(name) != ours[name]]
    what = "; ".join(f"{name} was {theirs.get(name)}, is {ours[name]}" for name in changed) or "the model was another"
    raise UsageError(f"{out}: was filtered with other settings ({what}); choose another --out or empty it")


def delete_leftovers(out: Path) -> None:
    """Delete what killed runs have left. Only a run that has ``out`` locked may."""
    for file in out.rglob(".nextword-*.tmp"):
        if durable.is_temporary(file.name):
            file.unlink(missing_ok=True)


def _read(file: Path) -> Json | None:
    try:
        values = json.loads(file.read_bytes())
    except (FileNotFoundError, ValueError):
        return None
    return values if isinstance(values, dict) else None


def _store(file: Path, values: Json) -> None:
    with durable.temporary(file.parent) as temporary:
        durable.write(temporary, [json.dumps(values, indent=2).encode() + b"\n"])
        temporary.replace(file)
    durable.sync_directory(file.parent)


def _shard_json(report: ShardReport) -> Json:
    counts = report.counts
    return {
        "source": report.shard.source, "outputs": [one.file for one in report.outputs], "documents": counts.documents,
        "kept": counts.kept, "skipped": counts.skipped_count, "reused": report.reused, "redone": report.redone,
        "seconds": round(counts.seconds, 3),
    }  # fmt: skip


def _rounded(value: float) -> float | None:
    return None if value != value else round(value, 2)
