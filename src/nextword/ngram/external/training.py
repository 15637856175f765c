"""Training with bounded memory: counts and all large arrays lie in temporary files."""

from collections.abc import Callable, Collection, Iterable, Iterator, Sequence
from contextlib import closing
from pathlib import Path
from typing import NamedTuple

from nextword.ngram.backoff import BackoffModel
from nextword.ngram.external.budget import DEFAULT_MEMORY, Budget
from nextword.ngram.external.counting import CountSettings, Limits, count_in_runs
from nextword.ngram.external.counts import Counts, open_counts, require_settings
from nextword.ngram.external.levels import LevelFiles, Piece, piece_of
from nextword.ngram.external.mapped import MappedArena
from nextword.ngram.external.windows import KeyLayout
from nextword.ngram.external.workplace import Workplace, working
from nextword.ngram.settings import NgramSettings, default_threads
from nextword.ngram.sizes import parse_size
from nextword.ngram.smoothing import Name, Smoothing
from nextword.ngram.stupid import StupidBackoff
from nextword.ngram.train import Progress, train_on_levels
from nextword.text.blocks import Block
from nextword.text.corpus import Corpus
from nextword.text.pipeline import Pipeline
from nextword.text.vocabulary import Vocabulary
from nextword.types import Array, Json


class Trained(NamedTuple):
    """A model, the files that it was trained on, and how many bytes of temporary files there were at most."""

    model: BackoffModel | StupidBackoff
    sources: list[Json]
    temporary_bytes: int


class Source(NamedTuple):
    """Where counts come from: sorted rows that ``over`` goes through, and what ``Counted`` says of words."""

    vocabulary: Vocabulary
    unigrams: Array
    layout: KeyLayout
    over: Callable[..., Iterator[Piece]]


def train_external(
    corpus: Corpus,
    *,
    blocks: Iterable[Block] | None = None,
    memory: str | int = DEFAULT_MEMORY,
    temp: str | Path | None = None,
    resume: bool = False,
    keep: bool = False,
    order: int = 5,
    smoothing: Name | Smoothing = "modified-kneser-ney",
    prune: Sequence[int] = (0,),
    min_count: int = 1,
    vocab_size: int | None = None,
    limit_vocab: Collection[str] | None = None,
    valid: Iterable[Block] | None = None,
    pipeline: Pipeline | None = None,
    threads: int | None = None,
    progress: Progress | None = None,
    sizes: tuple[int, Budget] | None = None,
) -> Trained:
    """The model that ``train_ngram`` makes, to the byte, in bounded memory.

    blocks: the corpus's own, for a caller who watches them go by. memory: bytes, or a size such as 400M or 2G, that may
    be resident beside the interpreter and the pages of mapped files. temp: a directory of its own for temporary files;
    without it they lie in the system's directory for such files. resume: go on from what is finished in ``temp``. keep:
    leave that there, for ``workplace.discard``, once the model is safe. sizes: see ``Limits``. The others, and
    what is raised, are as for ``train_ngram``; and StoreError for the disk and for damaged temporary files, UsageError
    for too little memory and for a ``temp`` that is another's.
    """
    estimator = smoothing if isinstance(smoothing, Smoothing) else Smoothing(smoothing)
    settings = NgramSettings(order, estimator, prune, limit_vocab, threads or default_threads())
    counting = CountSettings(order, min_count, vocab_size, estimator.like_lmplz)
    limits = Limits(parse_size(memory), settings.threads, sizes)
    say, reader = progress or (lambda stage: None), pipeline or Pipeline()
    with working(temp, counting.identity(corpus, reader), resume=resume, keep=keep) as place:
        text = corpus if blocks is None else blocks
        counted = count_in_runs(place, corpus, text, reader, counting, limits, progress=say)
        source = Source(counted.vocabulary, counted.unigrams, counted.layout, counted.over)
        model = _train(place, source, settings, reader, valid, say)
        return Trained(model, counted.sources, place.use.peak)


def train_from_counts(
    directory: str | Path,
    *,
    temp: str | Path | None = None,
    keep: bool = False,
    order: int | None = None,
    smoothing: Name | Smoothing = "modified-kneser-ney",
    prune: Sequence[int] = (0,),
    limit_vocab: Collection[str] | None = None,
    valid: Iterable[Block] | None = None,
    threads: int | None = None,
    progress: Progress | None = None,
) -> tuple[Trained, Counts]:
    """The model of the text that the counts in ``directory`` are of, to the byte, and these counts.

    order: that of the counts unless given. Only the vocabulary and what each thread works on are resident. The others
    are as for ``train_external``. Raises StoreError for counts that are damaged, and UsageError for settings that they
    do not allow.
    """
    counts = open_counts(directory)
    estimator = smoothing if isinstance(smoothing, Smoothing) else Smoothing(smoothing)
    highest = counts.layout.order if order is None else order
    require_settings(counts, order=highest, like_lmplz=estimator.like_lmplz)
    settings = NgramSettings(highest, estimator, prune, limit_vocab, threads or default_threads())
    identity = {"counts": str(Path(directory).resolve())}
    with working(temp, identity, resume=True, keep=keep) as place:
        place.keep_only(set())  # nothing is gone on with
        source = Source(counts.vocabulary, counts.word_counts, counts.layout, counts.over)
        model = _train(place, source, settings, counts.pipeline, valid, progress or (lambda stage: None))
        return Trained(model, counts.sources, place.use.peak), counts


def _train(
    place: Workplace,
    source: Source,
    settings: NgramSettings,
    pipeline: Pipeline,
    valid: Iterable[Block] | None,
    progress: Progress,
) -> BackoffModel | StupidBackoff:
    def say(stage: str) -> None:
        progress(f"{stage}; {place.report()}")

    def piece(rows: Array) -> Piece:
        return piece_of(rows, source.layout, settings.order)

    held_out = None
    if valid is not None:
        texts = ((pipeline.canonical(block.text).text, block.where) for block in valid)
        held_out = [source.vocabulary.encode(text, where).ids for text, where in texts]
    with closing(LevelFiles(place.directory, source.layout, settings.order, place.use)) as files:
        for one in source.over(piece, threads=settings.threads) if settings.order > 1 else ():
            files.append(one)
            say("merging")
        arena = MappedArena(place.directory, place.use)
        levels = files.levels(source.unigrams, arena=arena, threads=settings.threads)
        model = train_on_levels(levels, source.vocabulary, settings, held_out=held_out, arena=arena, progress=say)
        model.arrays()  # what is made when it is first asked for must be made while there is a place for it
        return model
