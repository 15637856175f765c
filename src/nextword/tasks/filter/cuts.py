"""Cut points: percentiles of a figure over a random sample of a corpus."""

import math
import random
from collections.abc import Iterable, Iterator, Sequence
from pathlib import Path

import numpy as np

from nextword.errors import TextError, UsageError
from nextword.tasks.filter.documents import Documents, joint
from nextword.tasks.filter.jsonl import read_blocks, read_chunks
from nextword.tasks.filter.measures import measure
from nextword.tasks.filter.parquet import SUFFIX, open_file, read_group
from nextword.tasks.filter.records import read_records
from nextword.tasks.filter.settings import Filterer, FilterSettings
from nextword.tasks.filter.shards import Shard
from nextword.text.blocks import Block
from nextword.types import Array

SHARDS_READ = 100  # of a corpus of more, that many are drawn
_AT_ONCE = 256


def cut_points(
    lm: Filterer,
    shards: Sequence[Shard],
    settings: FilterSettings,
    *,
    contrast: Filterer | None = None,
    sample: int = 10_000,
    seed: int = 0,
) -> tuple[list[float], int]:
    """Values of the cut's percentiles, interpolated linearly, and how many documents they were found from.

    About ``sample`` documents are drawn: from each shard, or from SHARDS_READ that are drawn first, in proportion to
    its size, every document in it equally likely. Those without a figure do not count. Raises UsageError if none is
    left.
    """
    if settings.cut is None:
        return [], 0
    rng = random.Random(seed)
    chosen = [shards[i] for i in sorted(rng.sample(range(len(shards)), min(len(shards), SHARDS_READ)))]
    sizes = [Path(shard.source).stat().st_size for shard in chosen]
    values: list[Array] = []
    for shard, size in zip(chosen, sizes, strict=True):
        drawn = _draw(Path(shard.source), math.ceil(sample * size / max(1, sum(sizes))), settings, rng)
        values += _figures(lm, drawn, settings, contrast)
    found = np.concatenate([np.zeros(0), *values])
    found = found[np.isfinite(found)]
    if not len(found):
        raise UsageError(
            f"no document of the sample has a {settings.cut.column}, so there are no percentiles; "
            "give other texts, or the points of another run (--cuts)"
        )
    return [float(point) for point in np.percentile(found, settings.cut.percentiles)], len(found)


def _figures(
    lm: Filterer, texts: Sequence[bytes], settings: FilterSettings, contrast: Filterer | None
) -> Iterator[Array]:
    newline = joint(lm.pipeline, join_lines=settings.join_lines)
    assert settings.cut is not None  # cut_points has seen to it; this tells mypy
    for start in range(0, len(texts), _AT_ONCE):
        documents = Documents.from_texts(texts[start : start + _AT_ONCE], newline)
        yield measure(lm, documents, contrast).column(settings.cut.column)


def _draw(path: Path, number: int, settings: FilterSettings, rng: random.Random) -> list[bytes]:
    """Texts of ``number`` documents of a shard, or of all if it has fewer, in any order."""
    if path.name.lower().endswith(SUFFIX):
        return _draw_rows(path, number, settings, rng)
    lines = reservoir(_lines(path, settings), number, rng)
    numbered = [number for number, _ in lines]
    block = Block(b"".join([line + b"\n" for _, line in lines]), str(path), 1, numbered)
    read = read_records(block, settings)
    ends = np.cumsum(read.documents.sizes).tolist()
    return [read.documents.text[begin : end - 1] for begin, end in zip([0, *ends], ends, strict=False) if end > begin]


def reservoir(items: Iterable[tuple[int, bytes]], number: int, rng: random.Random) -> list[tuple[int, bytes]]:
    """``number`` of the items, every one equally likely to be among them (Li 1994, algorithm L).

    Only as many random numbers are drawn as items are taken.
    """
    kept: list[tuple[int, bytes]] = []
    weight, following = 1.0, -1
    for index, item in enumerate(items):
        if len(kept) < number:
            kept.append(item)
            if len(kept) < number:
                continue
        elif index < following:
            continue
        else:
            kept[rng.randrange(number)] = item
        weight = min(weight * math.exp(math.log(1.0 - rng.random()) / number), 1.0 - 2**-53)
        following = index + 1 + math.floor(math.log(1.0 - rng.random()) / math.log1p(-weight))
    return kept


def _lines(path: Path, settings: FilterSettings) -> Iterator[tuple[int, bytes]]:
    """Lines that are not blank, with their numbers; those before damage, if damage is to be skipped."""
    try:
        for block in read_blocks(path, read_chunks(path, lambda size: None)):
            for number, line in enumerate(block.text.split(b"\n")[:-1], start=block.line):
                if line and not line.isspace():
                    yield number, line
    except TextError:
        if settings.on_error == "stop":
            raise


def _draw_rows(path: Path, number: int, settings: FilterSettings, rng: random.Random) -> list[bytes]:
    try:
        file = open_file(path, settings)
        rows = file.metadata.num_rows
        wanted = sorted(rng.sample(range(rows), min(number, rows)))
        found: list[bytes] = []
        first = 0
        for group in range(file.metadata.num_row_groups):
            after = first + file.metadata.row_group(group).num_rows
            here = [row - first for row in wanted if first <= row < after]
            if here:
                table, texts, _ = read_group(file, path, group, first + 1, settings)
                found += [texts[row] for row in here if row < len(texts)]
            first = after
    except TextError:
        if settings.on_error == "stop":
            raise
        return []
    return found
