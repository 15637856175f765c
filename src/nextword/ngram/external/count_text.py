"""From a text to count shards on one machine."""

from collections.abc import Iterable, Iterator
from pathlib import Path
from typing import NamedTuple

from nextword.ngram.external.budget import DEFAULT_MEMORY, Budget
from nextword.ngram.external.counting import Counted, CountSettings, Limits, count_in_runs
from nextword.ngram.external.counts import claim, write_counts
from nextword.ngram.external.shards import modules, write_shard
from nextword.ngram.external.workplace import working
from nextword.ngram.settings import default_threads
from nextword.ngram.sizes import parse_size
from nextword.ngram.train import Progress
from nextword.text.blocks import Block
from nextword.text.corpus import Corpus
from nextword.text.pipeline import Pipeline
from nextword.types import Array, Json

_SHARD_ROWS = 1 << 24


class CountedText(NamedTuple):
    """Entries of the shards, see ``shards.write_shard``, and how many bytes of temporary files there were at most."""

    shards: list[Json]
    temporary_bytes: int


def count_text(
    corpus: Corpus,
    out: str | Path,
    *,
    blocks: Iterable[Block] | None = None,
    memory: str | int = DEFAULT_MEMORY,
    temp: str | Path | None = None,
    resume: bool = False,
    settings: CountSettings | None = None,
    pipeline: Pipeline | None = None,
    threads: int | None = None,
    progress: Progress | None = None,
    shard_rows: int = _SHARD_ROWS,
    sizes: tuple[int, Budget] | None = None,
) -> CountedText:
    """Count a text's n-grams into the directory ``out``; see ``counts``.

    shard_rows: rows of a shard, about. The others, and what is raised, are as for ``train_external``; and StoreError if
    ``out`` holds other files.
    """
    modules()
    counting, reader, target = settings or CountSettings(), pipeline or Pipeline(), Path(out)
    limits = Limits(parse_size(memory), threads or default_threads(), sizes)
    say = progress or (lambda stage: None)
    claim(target)
    with working(temp, counting.identity(corpus, reader), resume=resume) as place:
        text = corpus if blocks is None else blocks
        counted = count_in_runs(place, corpus, text, reader, counting, limits, progress=say)
        shards = list(_write(target, counted, shard_rows, limits.threads, say))
        recorded = {
            "min_count": counting.min_count,
            "vocab_size": counting.vocab_size,
            "like_lmplz": counting.like_lmplz,
            "unended": counted.unended,
        }
        write_counts(
            target,
            vocabulary=counted.vocabulary,
            word_counts=counted.unigrams,
            layout=counted.layout,
            shards=shards,
            sources=counted.sources,
            pipeline=reader,
            settings=recorded,
        )
        return CountedText(shards, place.use.peak)


def _write(out: Path, counted: Counted, shard_rows: int, threads: int, progress: Progress) -> Iterator[Json]:
    """Write the shards, one after another."""
    pieces = counted.over(lambda rows: rows.copy(), threads=threads)
    number, piece = 0, next(pieces, None)

    def some() -> Iterator[Array]:
        """Pieces of ``shard_rows`` rows, or a little more."""
        nonlocal piece
        held = 0
        while piece is not None and held < shard_rows:
            held += len(piece)
            yield piece
            piece = next(pieces, None)

    while piece is not None:
        yield write_shard(out / f"ngrams-{number:05}.parquet", some(), counted.layout)
        number += 1
        progress(f"writing: {number} files")
