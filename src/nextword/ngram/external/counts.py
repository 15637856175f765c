"""Counts of a text on disk, for any machine to make and any to estimate from: a directory of Parquet files.

    counts.json             what was counted, and the other files with their sizes and SHA-256
    words.parquet           word, count: the vocabulary, a row an id
    tokenizer.json          what the text pipeline keeps beside its configuration, if anything
    ngrams-00000.parquet    key0, key1, ..., count: sorted rows of windows (see ``windows``), each file's keys above
                            those of the file before it; an n-gram may have windows in two

All else is written before counts.json, so a directory that has one is whole.
"""

import json
import re
from collections.abc import Callable, Iterable, Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TypeVar

import numpy as np

from nextword import durable
from nextword.errors import NextwordError, StoreError, UsageError
from nextword.ngram.external.ranges import in_order
from nextword.ngram.external.shards import (
    WordCounts,
    check,
    from_table,
    read_row_group,
    read_shard,
    read_words,
    row_groups,
    to_table,
    write_shard,
    write_words,
)
from nextword.ngram.external.sorting import lower_bound, merge
from nextword.ngram.external.spill import unigram_counts
from nextword.ngram.external.windows import KeyLayout, sorted_rows
from nextword.text import encode
from nextword.text.blocks import Block
from nextword.text.encode import EOS
from nextword.text.indexing import Indexer, spaced
from nextword.text.pipeline import Pipeline
from nextword.text.vocabulary import SPECIALS, Vocabulary
from nextword.types import Array, Ids_T, Json

__all__ = [
    "Counts", "KeyLayout", "WordCounts", "boundaries", "claim", "from_table", "merge", "merge_word_counts",
    "open_counts", "read_shard", "sample_keys", "shard_windows", "split", "to_table", "vocabulary_of", "word_counts",
    "write_counts", "write_shard",
]  # fmt: skip

MANIFEST = "counts.json"
_WORDS = "words.parquet"
_FORMAT_VERSION = 1
_OURS = re.compile(r"counts\.json|words\.parquet|ngrams-\d{5,}\.parquet|tokenizer\.(json|model)")
_KEYS = {"format_version", "order", "vocabulary_size", "text", "settings", "trained_on", "words", "beside", "shards"}
_SETTINGS = {"min_count", "vocab_size", "like_lmplz", "unended"}
Result = TypeVar("Result")


def word_counts(blocks: Iterable[Block], pipeline: Pipeline) -> WordCounts:
    """How often each word of a text comes. Raises TextError."""
    indexer, counts = Indexer(), np.zeros(len(SPECIALS), dtype=np.int64)
    for block in blocks:
        ids = indexer.provisional(pipeline.canonical(block.text).text, block.where)
        counts = _grown(counts, len(indexer))
        encode.count(ids, counts)
    return WordCounts(*indexer.arrays(), counts)


def merge_word_counts(parts: Iterable[WordCounts]) -> WordCounts:
    """The sum of word counts."""
    indexer, counts = Indexer(), np.zeros(len(SPECIALS), dtype=np.int64)
    for part in parts:
        ids = _make_known(indexer, part)
        counts = _grown(counts, len(indexer))
        np.add.at(counts, ids, part.counts)
    return WordCounts(*indexer.arrays(), counts)


def vocabulary_of(counts: WordCounts, *, min_count: int = 1, vocab_size: int | None = None) -> tuple[Vocabulary, Array]:
    """The vocabulary of a text with such counts, and how often each of its words comes; see ``Indexer.freeze``.

    The latter, (V,) int64, is as ``Counts.word_counts``. Raises UsageError.
    """
    indexer = Indexer()
    _make_known(indexer, counts)
    new_ids, vocabulary = indexer.freeze(counts.counts, min_count=min_count, vocab_size=vocab_size)
    return vocabulary, unigram_counts(counts.counts, new_ids, len(vocabulary))


def _make_known(indexer: Indexer, part: WordCounts) -> Ids_T:
    """The provisional ids of a part's words."""
    ids = np.arange(len(part.counts), dtype=np.int32)
    if len(part.counts) > len(SPECIALS):
        text = spaced(part.blob, part.offsets[len(SPECIALS) :])[:-1] + b"\n"
        ids[len(SPECIALS) :] = indexer.provisional(text)[:-1]
    return ids


def _grown(counts: Array, size: int) -> Array:
    return np.concatenate([counts, np.zeros(size - len(counts), dtype=np.int64)]) if size > len(counts) else counts


def shard_windows(
    blocks: Iterable[Block], pipeline: Pipeline, vocabulary: Vocabulary, layout: KeyLayout, *, chunk: int = 1 << 22
) -> Iterator[Array]:
    """Sorted rows of the windows of every ``chunk`` tokens or a little more, in whole lines. Raises TextError."""
    held = [np.array([EOS], dtype=np.int32)]
    for block in blocks:
        held.append(vocabulary.encode(pipeline.canonical(block.text).text, block.where).ids)
        if sum(map(len, held)) > chunk:
            yield sorted_rows(np.concatenate(held), layout)
            held = held[:1]
    if len(held) > 1:
        yield sorted_rows(np.concatenate(held), layout)


def sample_keys(rows: Array, most: int = 1024) -> Array:
    """Evenly spaced keys of sorted rows, (m, W), up to ``most``; samples of many rows are put end to end."""
    return rows[np.linspace(0, len(rows) - 1, min(most, len(rows))).astype(np.int64), :-1].copy()


def boundaries(sample: Array, buckets: int, layout: KeyLayout) -> Array:
    """Keys, (b, W), that cut what was sampled into up to ``buckets`` = b + 1 buckets of about one size.

    They rise, and all after their second word is 0: windows that begin with the same two words are in one bucket.
    """
    keys = sample[np.lexsort(sample.T[::-1])]
    cuts = keys[np.linspace(0, len(keys), buckets + 1)[1:-1].astype(np.int64)] if len(keys) else keys
    ids = layout.unpack(cuts)[:, :2]
    return np.unique(layout.pack(ids), axis=0)


def split(rows: Array, bounds: Array) -> list[Array]:
    """Views of sorted rows, one a bucket: bucket i has the keys from bounds[i - 1] on and below bounds[i]."""
    cuts = [0, *(lower_bound(rows, bound) for bound in bounds), len(rows)]
    return [rows[begin:end] for begin, end in zip(cuts[:-1], cuts[1:], strict=True)]


def claim(directory: Path) -> None:
    """Make ``directory`` ready for new counts: what counts are there go; StoreError if there are other files."""
    with durable.system_errors_named(directory, "written"):
        directory.mkdir(parents=True, exist_ok=True)
        files = sorted(directory.iterdir())
        foreign = [
            file.name for file in files if not _OURS.fullmatch(file.name) and not durable.is_temporary(file.name)
        ]
        if foreign:
            raise StoreError(f"{directory}: holds other files, such as {foreign[0]}; choose another directory")
        for file in sorted(files, key=lambda file: file.name != MANIFEST):
            file.unlink()


def write_counts(
    directory: Path,
    *,
    vocabulary: Vocabulary,
    word_counts: Array,
    layout: KeyLayout,
    shards: Sequence[Json],
    sources: Sequence[Json],
    pipeline: Pipeline,
    settings: Json,
) -> None:
    """Complete a directory that has its shards: their entries, in the order of their keys, and all else.

    word_counts: see ``Counts``. sources: path, bytes, sha256 of each text. settings: min_count, vocab_size, like_lmplz
    and unended (the last line had no newline).
    """
    stored = vocabulary.arrays()
    with durable.system_errors_named(directory, "written"):
        words = write_words(directory / _WORDS, WordCounts(stored["words"], stored["offsets"], word_counts))
        beside = {name: _write(directory / name, data) for name, data in pipeline.payloads().items()}
        manifest = {
            "format_version": _FORMAT_VERSION,
            "order": layout.order,
            "vocabulary_size": layout.vocabulary_size,
            "text": pipeline.config(),
            "settings": {name: settings[name] for name in sorted(_SETTINGS)},
            "trained_on": list(sources),
            "words": words,
            "beside": beside,
            "shards": list(shards),
        }
        durable.sync_directory(directory)
        _write(directory / MANIFEST, json.dumps(manifest, indent=1, ensure_ascii=False).encode())
        durable.sync_directory(directory)


def _write(file: Path, data: bytes) -> Json:
    with durable.temporary(file.parent) as unfinished:
        digest = durable.write(unfinished, [data])
        unfinished.replace(file)
    return {"file": file.name, "bytes": len(data), "sha256": digest}


@dataclass(frozen=True)
class Counts:
    """A directory of counts. word_counts: (V,) int64, ``<s>`` as often as there are sentences."""

    directory: Path
    layout: KeyLayout
    vocabulary: Vocabulary
    word_counts: Array
    sources: list[Json]
    pipeline: Pipeline
    settings: Json
    shards: list[Json]

    def pieces(self) -> Iterator[Array]:
        """All sorted rows, in rising order. Raises StoreError, which names the file, for one that is damaged."""
        return self.over(lambda rows: rows, threads=1)

    def over(self, use: Callable[[Array], Result], *, threads: int) -> Iterator[Result]:
        """``use`` of all sorted rows, piece after piece, in rising order."""
        return in_order(lambda job: use(read_row_group(*job, self.layout)), self._row_groups(), threads=threads)

    def _row_groups(self) -> Iterator[tuple[Path, int]]:
        """Every row group of every shard, once the shard's bytes have been checked."""
        for entry in self.shards:
            file = self.directory / entry["file"]
            yield from ((file, number) for number in range(row_groups(file, entry)))


def open_counts(directory: str | Path) -> Counts:
    """The counts in a directory. Raises StoreError, which names the file that is wrong; shards are checked later."""
    path = Path(directory)
    found = _parse(path / MANIFEST)
    layout = KeyLayout(found["order"], found["vocabulary_size"])
    for entry in found["beside"].values():
        check(path / entry["file"], entry)
    beside = {name: (path / entry["file"]).read_bytes() for name, entry in found["beside"].items()}
    words = read_words(path / _WORDS, found["words"])
    try:
        pipeline = Pipeline.from_config(found["text"], beside)
        vocabulary = Vocabulary.from_bytes(words.blob, words.offsets)
    except NextwordError as error:
        raise StoreError(f"{path}: its text pipeline or its words cannot be used: {error}") from error
    if len(vocabulary) != layout.vocabulary_size:
        raise StoreError(f"{path / _WORDS}: has {len(vocabulary):,} words, expected {layout.vocabulary_size:,}")
    settings, shards = found["settings"], found["shards"]
    return Counts(path, layout, vocabulary, words.counts, found["trained_on"], pipeline, settings, shards)


def _parse(file: Path) -> Json:
    with durable.system_errors_named(file.parent, "read"):
        if not file.exists():
            raise StoreError(f"{file.parent}: has no {MANIFEST}, so it holds no counts, or no whole ones; count again")
        data = file.read_bytes()
    try:
        found = json.loads(data)
        version = found["format_version"]
        whole = version == _FORMAT_VERSION and set(found) == _KEYS and set(found["settings"]) == _SETTINGS
        if whole and all(_OURS.fullmatch(one["file"]) for one in [*found["shards"], *found["beside"].values()]):
            return dict(found)
    except (ValueError, LookupError, TypeError, AttributeError):
        version = None
    if isinstance(version, int) and version > _FORMAT_VERSION:
        raise StoreError(f"{file}: has format version {version}, and this nextword reads {_FORMAT_VERSION}; upgrade it")
    raise StoreError(f"{file}: is not the manifest of counts; count again")


def require_settings(counts: Counts, *, order: int, like_lmplz: bool) -> None:
    """Raise UsageError unless a model of that order, with that option, can be estimated from the counts."""
    if order > counts.layout.order:
        most = counts.layout.order
        raise UsageError(f"{counts.directory}: holds n-grams up to order {most}, not {order}; give --order {most}")
    if like_lmplz != counts.settings["like_lmplz"]:
        given, made = ("with", "without") if like_lmplz else ("without", "with")
        raise UsageError(
            f"{counts.directory}: was counted {made} --like-lmplz, so a model cannot be estimated {given} it; give it "
            "to both commands or to neither"
        )
