"""Counting a text that is larger than memory.

    text ─ Spiller ─> parts: provisional ids, on disk      and the vocabulary with its final ids
    parts ─ sort, combine ─> runs: sorted rows of windows, on disk
    runs ─ merge range by range ─> sorted rows, each key once

Parts and runs are finished one by one and recorded in the workplace, so that a process that was killed is gone on with.
Resident are the vocabulary and what each thread sorts or merges; see ``budget``.
"""

from collections.abc import Callable, Iterable, Iterator
from concurrent.futures import ThreadPoolExecutor
from dataclasses import asdict, dataclass
from pathlib import Path
from queue import SimpleQueue
from typing import NamedTuple, TypeVar

import numpy as np

from nextword import durable, tensors
from nextword.errors import EstimationError, UsageError
from nextword.ngram.external.budget import BYTES_OF_WORD, LEAST, Budget, budget, part_tokens
from nextword.ngram.external.ranges import over_ranges
from nextword.ngram.external.runs import BLOCK_ROWS, Run, write_run
from nextword.ngram.external.sorting import combined, sort_keys
from nextword.ngram.external.spill import Spiller, part_file, part_size, read_part, unigram_counts
from nextword.ngram.external.windows import KeyLayout, window_keys
from nextword.ngram.external.workplace import Workplace
from nextword.ngram.sizes import shown
from nextword.ngram.train import Progress
from nextword.text.blocks import Block
from nextword.text.corpus import Corpus
from nextword.text.encode import BOS, EOS
from nextword.text.pipeline import Pipeline
from nextword.text.vocabulary import Vocabulary
from nextword.types import Array, Ids_T, Json

Result = TypeVar("Result")
_WORDS = "words.safetensors"


@dataclass(frozen=True)
class CountSettings:
    """What counts depend on beside the text: the highest order, and which words are words; see ``train_ngram``."""

    order: int = 5
    min_count: int = 1
    vocab_size: int | None = None
    like_lmplz: bool = False

    def identity(self, corpus: Corpus, pipeline: Pipeline) -> Json:
        """What tells this count from others; see ``workplace``."""
        beside = {name: durable.sha256([data]) for name, data in pipeline.payloads().items()}
        return {**corpus.identity, **asdict(self), "pipeline": pipeline.config(), "tokenizer": beside}


@dataclass(frozen=True)
class Limits:
    """What a count may take. sizes: the number of tokens in a part, and what else is derived from memory, for tests."""

    memory: int
    threads: int
    sizes: tuple[int, Budget] | None = None

    def __post_init__(self) -> None:
        if self.memory < LEAST:
            raise UsageError(f"{shown(self.memory)} of memory are too little; give --memory {shown(LEAST)} or more")


class Counted(NamedTuple):
    """A text that has been counted: its vocabulary, its words' counts, and runs with those of its windows.

    unigrams: (V,) int64, how often each word occurs, ``<s>`` as often as there are sentences. shares: of memory.
    unended: the last line had no newline.
    """

    vocabulary: Vocabulary
    unigrams: Array
    layout: KeyLayout
    runs: list[Run]
    sources: list[Json]
    unended: bool
    shares: Budget

    def over(self, use: Callable[[Array], Result], *, threads: int) -> Iterator[Result]:
        """``use`` of the sorted rows of all windows, range after range; the rows are only lent."""
        threads = min(threads, self.shares.threads)
        return over_ranges(self.runs, self.layout, use, capacity=self.shares.capacity, threads=threads)


def count_in_runs(
    place: Workplace,
    corpus: Corpus,
    blocks: Iterable[Block],
    pipeline: Pipeline,
    settings: CountSettings,
    limits: Limits,
    *,
    progress: Progress,
) -> Counted:
    """Count the windows of a text, going on from what is finished in ``place``.

    blocks: those of the corpus. Raises TextError for text that cannot be read, EstimationError if there is none,
    UsageError for too little memory, and StoreError for a file of ``place`` that is damaged.
    """
    _clean(place)
    if "sources" in place.state:
        _check_sources(place, corpus, blocks, progress)
    else:
        _read(place, corpus, blocks, pipeline, settings, limits, progress)
    words = tensors.map_file(place.directory / _WORDS, header_sha256=place.state["words"])
    vocabulary = Vocabulary.from_bytes(words["blob"].copy(), words["offsets"].copy())
    unigrams, new_ids = words["unigrams"].copy(), words["new_ids"].copy()
    unended = bool(place.state["unended"])
    tokens = int(unigrams.sum() - unigrams[BOS])
    if not tokens:
        raise EstimationError("the training text is empty; give a file with at least one line")
    layout = KeyLayout(settings.order, len(vocabulary))
    resident = sum(array.nbytes for array in (*vocabulary.arrays().values(), new_ids)) + BYTES_OF_WORD * len(vocabulary)
    sizes = [part_size(part_file(place.directory, i)) for i in _left(place)]
    if limits.sizes is None:
        shares = budget(limits.memory, layout, resident, tokens, limits.threads, largest=max(sizes, default=0))
    else:
        shares = limits.sizes[1]
    if settings.order > 1:
        cut = unended and settings.like_lmplz
        _sort(place, new_ids, layout, shares, progress, cut=cut)
    runs = [Run(_run_file(place, *span), layout) for span in place.state.get("runs", [])]
    sources = [{name: source[name] for name in ("path", "bytes", "sha256")} for source in place.state["sources"]]
    return Counted(vocabulary, unigrams, layout, runs, sources, unended, shares)


def _clean(place: Workplace) -> None:
    """Delete what was not finished, and parts that are in runs already."""
    runs = place.state.get("runs", [])
    names = {_run_file(place, *span).name for span in runs} | {part_file(place.directory, i).name for i in _left(place)}
    place.keep_only(names | ({_WORDS} if "words" in place.state else set()))


def _left(place: Workplace) -> list[int]:
    """Parts that are in no run yet."""
    done = {i for begin, end in place.state.get("runs", []) for i in range(begin, end)}
    return [i for i in range(int(place.state.get("parts", 0))) if i not in done]


def _run_file(place: Workplace, begin: int, end: int) -> Path:
    return place.directory / f"run-{begin:06}-{end:06}"


def _read(
    place: Workplace, corpus: Corpus, blocks: Iterable[Block], pipeline: Pipeline, settings: CountSettings,
    limits: Limits, progress: Progress,
) -> None:  # fmt: skip
    """Read the text into parts, then fix the vocabulary and record both."""
    size = part_tokens(limits.memory) if limits.sizes is None else limits.sizes[0]
    spiller = Spiller(place, pipeline, part_tokens=size, memory=limits.memory)
    progress("reading")
    for parts in spiller.read(blocks):
        progress(f"reading: {parts} parts; {place.report()}")
    counts, least, most = spiller.counts, settings.min_count, settings.vocab_size
    new_ids, vocabulary = spiller.indexer.freeze(
        counts, min_count=least, vocab_size=most, first_appearance=settings.like_lmplz
    )
    unigrams = unigram_counts(counts, new_ids, len(vocabulary))
    unigrams[EOS] -= spiller.unended and settings.like_lmplz  # lmplz gives no </s> to a last line without a newline
    stored = vocabulary.arrays()
    data = {"blob": stored["words"], "offsets": stored["offsets"], "unigrams": unigrams, "new_ids": new_ids}
    laid_out = tensors.lay_out(data)
    with durable.temporary(place.directory) as file:
        durable.write(file, laid_out)
        file.replace(place.directory / _WORDS)
    place.adopt(place.directory / _WORDS)
    sources = [{**source, "changed": _changed(source)} for source in corpus.sources]
    place.record(sources=sources, unended=spiller.unended, words=durable.sha256(laid_out[:1]))


def _changed(source: Json) -> int | None:
    """When a source was last changed, in nanoseconds; None if it is no file."""
    path = Path(source["path"])
    return path.stat().st_mtime_ns if path.is_file() else None


def _check_sources(place: Workplace, corpus: Corpus, blocks: Iterable[Block], progress: Progress) -> None:
    """Whether the text is still the one that was read: files by their size and date, all else by its SHA-256."""
    known = place.state["sources"]
    files = [source["changed"] is not None and Path(source["path"]).is_file() for source in known]
    if all(files) and all(
        _changed(source) == source["changed"] and Path(source["path"]).stat().st_size == source["bytes"]
        for source in known
    ):
        return
    progress("reading again, to see whether the text is the same")
    for _ in blocks:
        pass
    if [source["sha256"] for source in corpus.sources] != [source["sha256"] for source in known]:
        raise UsageError(
            f"the text is not the one that {place.directory} was begun with; give that text, or delete the directory "
            "and begin again"
        )


def _sort(
    place: Workplace, new_ids: Ids_T, layout: KeyLayout, shares: Budget, progress: Progress, *, cut: bool
) -> None:
    """Turn the parts that are left into runs; ``cut``: the text's last ``</s>`` is not there."""
    left, total = _left(place), int(place.state.get("parts", 0))
    spans = list(_spans(left, [part_size(part_file(place.directory, i)) for i in left], shares.chunk_tokens))
    if not spans:
        return
    room = 1 + max(tokens for _, tokens in spans)
    spare: SimpleQueue[tuple[Array, Array]] = SimpleQueue()
    for _ in range(min(shares.threads, len(spans))):
        spare.put((np.empty((room, layout.words), np.uint64), np.empty((room, layout.words), np.uint64)))

    def work(span: tuple[int, int]) -> tuple[int, int]:
        buffers = spare.get()
        try:
            tokens = _tokens(place.directory, span, new_ids)
            tokens = tokens[:-1] if cut and span[1] == total else tokens
            keys = sort_keys(window_keys(tokens, layout, buffers[0]), buffers[1])
            write_run(_run_file(place, *span), combined(keys, 16 * BLOCK_ROWS), layout)
        finally:
            spare.put(buffers)
        return span

    with ThreadPoolExecutor(shares.threads) as pool:
        futures = [pool.submit(work, span) for span, _ in spans]
        try:
            for future in futures:
                span = future.result()
                place.record(runs=[*place.state.get("runs", []), list(span)])
                place.adopt(_run_file(place, *span))
                for i in range(*span):
                    place.delete(part_file(place.directory, i))
                progress(f"sorting: {span[1]} of {total} parts; {place.report()}")
        except BaseException:
            pool.shutdown(wait=False, cancel_futures=True)
            raise


def _spans(numbers: list[int], sizes: list[int], most: int) -> Iterator[tuple[tuple[int, int], int]]:
    """Spans of consecutive parts, each (first, end), of up to ``most`` tokens, if one part is not more; and those."""
    begin = held = 0
    for i, size in enumerate(sizes):
        if i > begin and (held + size > most or numbers[i] != numbers[i - 1] + 1):
            yield (numbers[begin], numbers[i - 1] + 1), held
            begin, held = i, 0
        held += size
    if numbers:
        yield (numbers[begin], numbers[-1] + 1), held


def _tokens(directory: Path, span: tuple[int, int], new_ids: Ids_T) -> Ids_T:
    """The tokens of parts under their final ids, after a ``</s>``."""
    files = [part_file(directory, i) for i in range(*span)]
    tokens, at = np.empty(1 + sum(part_size(file) for file in files), dtype=np.int32), 1
    tokens[0] = EOS
    for file in files:
        ids = read_part(file).ids
        np.take(new_ids, ids, out=tokens[at : at + len(ids)], mode="clip")  # which needs no buffer
        at += len(ids)
    return tokens
