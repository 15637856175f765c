"""Text in, n-gram model out."""

from collections.abc import Callable, Collection, Iterable, Sequence

from nextword.errors import EstimationError
from nextword.ngram.arena import Arena
from nextword.ngram.backoff import BackoffModel
from nextword.ngram.building import Builder
from nextword.ngram.counting import Level, count_ngrams
from nextword.ngram.settings import NgramSettings, default_threads
from nextword.ngram.smoothing import Name, Smoothing
from nextword.ngram.stupid import StupidBackoff
from nextword.text.blocks import Block
from nextword.text.indexing import Indexer
from nextword.text.pipeline import Pipeline
from nextword.text.vocabulary import Vocabulary
from nextword.types import Ids_T

Progress = Callable[[str], None]


def train_ngram(
    corpus: Iterable[Block],
    *,
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
) -> BackoffModel | StupidBackoff:
    """Train an n-gram model on a text, one sentence a line.

    order: words per n-gram, 1 or more. smoothing: a name, or a Smoothing with settings. prune: per order, drop n-grams
    counted that often or less. min_count, vocab_size: rarer words become ``<unk>``. limit_vocab: drop n-grams with
    other words than these. valid: held-out text, for ``jelinek-mercer`` alone. pipeline: normaliser and tokenizer.

    Raises TextError for text that cannot be read, UsageError for settings that make no sense, and EstimationError,
    which names a remedy, if the text does not suit the smoothing. ``stupid-backoff`` gives a StupidBackoff.
    """
    estimator = smoothing if isinstance(smoothing, Smoothing) else Smoothing(smoothing)
    settings = NgramSettings(order, estimator, prune, limit_vocab, threads or default_threads())
    say = progress or (lambda stage: None)
    reader = pipeline or Pipeline()
    say("reading")
    indexer, unended = Indexer(), False
    for block in corpus:
        indexer.read(reader.canonical(block.text).text, block.where)
        unended = block.unended
    tokens, vocabulary = indexer.finish(
        min_count=min_count, vocab_size=vocab_size, first_appearance=estimator.like_lmplz
    )
    if estimator.like_lmplz and unended:
        tokens = tokens[:-1]  # lmplz gives no </s> to a last line without a newline
    held_out = None
    if valid is not None:
        held_out = [vocabulary.encode(reader.canonical(block.text).text, block.where).ids for block in valid]
    return train_on_tokens(tokens, vocabulary, settings, held_out=held_out, progress=say)


def train_on_tokens(
    tokens: Ids_T,
    vocabulary: Vocabulary,
    settings: NgramSettings,
    *,
    held_out: Sequence[Ids_T] | None = None,
    progress: Progress = lambda stage: None,
) -> BackoffModel | StupidBackoff:
    """As ``train_ngram``, on token ids: (1 + T,), ``</s>`` before the first sentence and at the end of each."""
    if len(tokens) < 2:
        raise EstimationError("the training text is empty; give a file with at least one line")
    levels = count_ngrams(tokens, len(vocabulary), settings.order, threads=settings.threads)
    return train_on_levels(levels, vocabulary, settings, held_out=held_out, progress=progress)


def train_on_levels(
    levels: Iterable[Level],
    vocabulary: Vocabulary,
    settings: NgramSettings,
    *,
    held_out: Sequence[Ids_T] | None = None,
    arena: Arena | None = None,
    progress: Progress = lambda stage: None,
) -> BackoffModel | StupidBackoff:
    """As ``train_ngram``, on counts, of orders 1 to ``settings.order``.

    arena: where the large arrays live. The model is the same wherever that is.
    """
    progress("counting")
    builder = Builder(settings, vocabulary, levels, held_out, arena=arena or Arena())
    progress("estimating")
    return builder.model()
