"""``nextword filter``: score documents, and keep, drop or sort them by the score."""

import json
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from enum import StrEnum
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, TypedDict

import typer

from nextword.interfaces.cli.options import AsJson, ModelDir, Quiet, Ray, Threads, refuse_beside_ray
from nextword.interfaces.cli.progress import files_bar, note, stages
from nextword.interfaces.cli.tables import number, table

if TYPE_CHECKING:
    from nextword.tasks.filter.run import RunReport
    from nextword.tasks.filter.settings import Filterer, FilterSettings

_QUANTILES = (10, 30, 50, 60, 90)


class Buckets(StrEnum):
    """Where a document's bucket shows."""

    FOLDERS = "folders"
    COLUMN = "column"


class Column(StrEnum):
    """What percentiles are of."""

    PERPLEXITY = "perplexity"
    BITS_PER_BYTE = "bits_per_byte"
    CONTRAST = "contrast"


class OnError(StrEnum):
    """What to do about a record that cannot be used."""

    STOP = "stop"
    SKIP = "skip"


class Drawing(TypedDict):
    """How the sample is drawn that percentiles are found from."""

    sample: int
    seed: int
    cuts: Path | None


def filter_(
    model: ModelDir,
    inputs: Annotated[
        list[Path],
        typer.Argument(
            metavar="IN...", help="JSON Lines (.jsonl, .gz, .zst), Parquet, or folders of them.", show_default=False
        ),
    ],
    out: Annotated[Path, typer.Option(metavar="OUT", help="Where to write the shards.", show_default=False)],
    field: Annotated[str, typer.Option(help="The field or column that holds the text.")] = "text",
    prefix: Annotated[str, typer.Option(help="Put before the names of the new columns.")] = "",
    max_perplexity: Annotated[float | None, typer.Option(metavar="X", help="Keep up to this.")] = None,
    min_perplexity: Annotated[float | None, typer.Option(metavar="X", help="Keep from this on.")] = None,
    max_bits_per_byte: Annotated[float | None, typer.Option(metavar="X", help="Keep up to this.")] = None,
    min_bits_per_byte: Annotated[float | None, typer.Option(metavar="X", help="Keep from this on.")] = None,
    contrast: Annotated[
        Path | None,
        typer.Option(metavar="DIR2", help="Also bits a token under DIR less those under DIR2 (Moore and Lewis 2010)."),
    ] = None,
    max_contrast: Annotated[float | None, typer.Option(metavar="X", help="Keep up to this.")] = None,
    min_contrast: Annotated[float | None, typer.Option(metavar="X", help="Keep from this on.")] = None,
    keep_percentile: Annotated[
        float | None, typer.Option(metavar="P", help="Keep what is below this percentile of the corpus.")
    ] = None,
    buckets: Annotated[
        Buckets | None, typer.Option(help="Tell head, middle and tail apart: in folders, or by a column.")
    ] = None,
    percentiles: Annotated[str, typer.Option(help="Where the buckets meet.")] = "30,60",
    by: Annotated[
        Column | None, typer.Option(help="What percentiles are of: the contrast, if there is one, or the perplexity.")
    ] = None,
    sample: Annotated[
        int, typer.Option(min=1, metavar="N", help="Documents that percentiles are found from.")
    ] = 10_000,
    seed: Annotated[int, typer.Option(help="Which documents those are.")] = 0,
    cuts: Annotated[
        Path | None, typer.Option(metavar="FILE", help="Take the cut points in another run's OUT/filter.json.")
    ] = None,
    join_lines: Annotated[
        bool, typer.Option("--join-lines", help="Read a document as one sentence, as cc_net, datatrove and NeMo do.")
    ] = False,
    on_error: Annotated[
        OnError, typer.Option(help="At a record that cannot be used: stop, or skip it and list it in OUT/skipped.tsv.")
    ] = OnError.STOP,
    overwrite: Annotated[bool, typer.Option("--overwrite", help="Replace columns that are there already.")] = False,
    tokenizer: Annotated[
        str | None, typer.Option(help="Where DIR is a KenLM binary file: its words' tokenizer, such as a .model file.")
    ] = None,
    normalize: Annotated[
        str | None, typer.Option(metavar="FORM", help="And its text's normalisation: ccnet, nfc, nfd, nfkc or nfkd.")
    ] = None,
    ray: Ray = None,
    as_json: AsJson = False,
    threads: Threads = None,
    quiet: Quiet = False,
) -> None:
    """Add perplexity, bits per byte, tokens and unknown words to every document, and keep those within limits.

    Shards keep their names, order and bytes but for the new columns. The same command again goes on after a crash.

    Example: nextword filter wiki5 crawl/ --out clean --max-perplexity 800

    Buckets as in cc_net: nextword filter wiki5 crawl/ --out clean --buckets folders

    With a published model: nextword filter en.arpa.bin crawl/ --out clean --tokenizer en.sp.model --normalize ccnet
    """
    from nextword.ngram.settings import default_threads
    from nextword.tasks.filter.run import filter_files

    limits = {
        "perplexity": (min_perplexity, max_perplexity),
        "bits_per_byte": (min_bits_per_byte, max_bits_per_byte),
        "contrast": (min_contrast, max_contrast),
    }
    column = by or (Column.CONTRAST if contrast is not None else Column.PERPLEXITY)
    settings = make_settings(
        field=field,
        prefix=prefix,
        join_lines=join_lines,
        limits=limits,
        contrast=contrast is not None,
        cut=(column.value, keep_percentile, buckets.value if buckets else None, percentiles),
        on_error=on_error.value,
        overwrite=overwrite,
    )
    drawing: Drawing = {"sample": sample, "seed": seed, "cuts": cuts}
    if ray is not None:
        refuse_beside_ray(threads=threads, tokenizer=tokenizer, normalize=normalize)
        from nextword.cluster.filtering import filter_on_cluster

        with stages("Ray", quiet=quiet) as say:
            report = filter_on_cluster(model, inputs, out, settings, address=ray, contrast=contrast, say=say, **drawing)
        return show(report, out, as_json=as_json, quiet=quiet)
    lm, other = (None if one is None else open_filter(one, tokenizer, normalize) for one in (model, contrast))
    assert lm is not None  # a model is always given; this tells mypy
    with watching(inputs, out, quiet) as (advance, say):
        report = filter_files(
            lm,
            inputs,
            out,
            settings,
            contrast=other,
            threads=threads or default_threads(),
            advance=advance,
            say=say,
            **drawing,
        )
    show(report, out, as_json=as_json, quiet=quiet)


def open_filter(path: Path, tokenizer: str | None, normalize: str | None) -> "Filterer":
    """The model in a directory, or a KenLM binary file with the tokenizer and normaliser that options name."""
    from nextword.api import load
    from nextword.errors import UsageError
    from nextword.ngram.kenlm.binary import is_kenlm_binary

    if path.is_file() and is_kenlm_binary(path):
        from nextword.interfaces.cli.converting import make_pipeline
        from nextword.interfaces.foreign import ForeignFilter

        return ForeignFilter(path, make_pipeline(tokenizer, normalize, False))
    if tokenizer or normalize:
        raise UsageError(f"--tokenizer and --normalize are for KenLM binary files; {path} is none, and has its own")
    return load(path)


def make_settings(
    *,
    field: str,
    prefix: str,
    join_lines: bool,
    limits: dict[str, tuple[float | None, float | None]],
    contrast: bool,
    cut: tuple[str, float | None, str | None, str],
    on_error: str,
    overwrite: bool,
) -> "FilterSettings":
    """The settings that options spell. cut: column, --keep-percentile, --buckets and --percentiles."""
    from nextword.errors import UsageError
    from nextword.tasks.filter.settings import Cut, FilterSettings, Limit

    column, keep, buckets, percentiles = cut
    if keep is not None and buckets is not None:
        raise UsageError("--keep-percentile keeps one bucket and --buckets all of them; give one of the two")
    made = None if keep is None else Cut(column, (keep,), "keep")
    if buckets is not None:
        made = Cut(column, _numbers(percentiles), "folders" if buckets == "folders" else "column")
    given: list[Limit] = [Limit(name, *pair) for name, pair in limits.items() if pair != (None, None)]
    return FilterSettings(
        field=field,
        prefix=prefix,
        join_lines=join_lines,
        limits=tuple(given),
        cut=made,
        on_error="skip" if on_error == "skip" else "stop",
        overwrite=overwrite,
        contrast=contrast,
    )


@contextmanager
def watching(
    inputs: Sequence[Path], out: Path, quiet: bool
) -> Iterator[tuple[Callable[[int], None], Callable[[str], None]]]:
    """A bar over the bytes of all shards: functions to call with bytes read, and with the name of a shard."""
    from nextword.tasks.filter.shards import plan

    size = sum(Path(shard.source).stat().st_size for shard in plan(inputs, out))
    with files_bar("filtering", size, quiet=quiet) as watched:
        yield watched


def show(report: "RunReport", out: Path, *, as_json: bool, quiet: bool) -> None:
    """Print what became of a corpus: a table or JSON on stdout, remarks on stderr."""
    counts = report.counts
    for shard in report.shards:
        if shard.redone:
            note(f"{shard.shard.name}: done again, because {shard.redone}", quiet=quiet)
    if report.reused:
        note(f"{report.reused} of {len(report.shards)} shards had been done before", quiet=quiet)
    if counts.skipped_count:
        note(f"skipped {counts.skipped_count:,} records, listed in {out / 'skipped.tsv'}", quiet=quiet)
    if as_json:
        print(json.dumps(report.to_json()))
        return
    print(table(["documents", "number", "share"], _rows(report)))
    cut = report.settings.cut
    if cut is not None and cut.points:
        points = ", ".join(f"{number(p)} at {q:g} %" for p, q in zip(cut.points, cut.percentiles, strict=True))
        print(f"\ncut points of {cut.column}: {points}" + (f" of {report.sample:,} documents" if report.sample else ""))
    if counts.histogram:
        quantiles = ", ".join(f"{number(counts.quantile(p / 100), 0)} at {p} %" for p in _QUANTILES)
        print(f"perplexity: {quantiles}")
    if report.reused < len(report.shards):
        print(f"{report.seconds:,.1f} s, {report.bytes_per_second / 1e6:,.1f} MB/s")


def _rows(report: "RunReport") -> list[list[str]]:
    counts = report.counts
    rows = {"read": counts.documents, "kept": counts.kept, **counts.buckets}
    if counts.empty:
        rows["empty"] = counts.empty
    whole = max(1, counts.documents)
    return [[name, f"{found:,}", f"{found / whole:.1%}"] for name, found in rows.items()]


def _numbers(text: str) -> tuple[float, ...]:
    from nextword.errors import UsageError

    try:
        return tuple(float(part) for part in text.split(","))
    except ValueError:
        raise UsageError(f"--percentiles {text!r}: expected numbers with commas between them, such as 30,60") from None
