"""Every count-based model on one text, side by side: trained, saved, measured on text that none of them saw."""

import itertools
import time
from collections.abc import Callable, Iterator, Sequence
from dataclasses import asdict, dataclass
from pathlib import Path

from nextword import store
from nextword.errors import UsageError
from nextword.ngram.backoff import BackoffModel
from nextword.ngram.smoothing import Name, Smoothing
from nextword.ngram.stupid import StupidBackoff
from nextword.ngram.train import NgramSettings, default_threads, train_on_tokens
from nextword.tasks.evaluate import evaluate
from nextword.tasks.reading import read_block
from nextword.text.corpus import Corpus
from nextword.text.indexing import Indexer
from nextword.text.pipeline import Pipeline
from nextword.text.tokenize import make_tokenizer
from nextword.types import Json

LINEAGE: tuple[Name, ...] = (
    "laplace", "absolute", "katz", "jelinek-mercer", "witten-bell", "kneser-ney", "modified-kneser-ney",
)  # fmt: skip
LABELS = {"laplace": "add-one"}
UNITS = ("word", "char")
ORDERS = (1, 2, 3, 4, 5)
LEAST_LINES = 10


@dataclass(frozen=True)
class Row:
    """One model's line in the table.

    bytes: on disk. seconds: counting and estimating, from tokens to a model in memory. notes: discounts that the counts
    did not allow to be estimated, and what stands for them.
    """

    unit: str
    model: str
    order: int
    ngrams: int
    bytes: int
    seconds: float
    perplexity: float
    perplexity_excluding_oov: float
    bits_per_byte: float
    directory: str
    notes: tuple[str, ...] = ()

    def to_json(self) -> Json:
        """The row for programs; a figure that is infinite is null."""
        return {name: None if value == float("inf") else value for name, value in asdict(self).items()}


@dataclass(frozen=True)
class Split:
    """Three texts of one source, cut from one list of lines: the first 80 %, the next 10, the last 10."""

    train: Corpus
    valid: Corpus
    test: Corpus
    lines: tuple[int, int, int]


def split(lines: Sequence[str]) -> Split:
    """Cut lines into training, validation and test text. Raises UsageError for fewer than 10."""
    if len(lines) < LEAST_LINES:
        raise UsageError(f"the text has {len(lines)} lines; to train, validate and test takes {LEAST_LINES} or more")
    cuts = [0, len(lines) * 8 // 10, len(lines) * 9 // 10, len(lines)]
    train, valid, test = (lines[a:b] for a, b in itertools.pairwise(cuts))
    sizes = len(train), len(valid), len(test)
    return Split(Corpus.from_lines(train), Corpus.from_lines(valid), Corpus.from_lines(test), sizes)


def compare(
    texts: Split,
    out: Path,
    *,
    orders: Sequence[int] = ORDERS,
    units: Sequence[str] = UNITS,
    minutes: float | None = None,
    threads: int | None = None,
    progress: Callable[[str], None] = lambda stage: None,
) -> Iterator[Row]:
    """Train the lineage at each order and unit, save each model under ``out``, and yield its row.

    units: names of tokenizers. minutes: begin no further model after that time; one is always trained. progress:
    called with the name of each model as it is begun. Discounts that cannot be estimated fall back, and the row says
    so. Raises UsageError for a time that is not above 0, and while it trains TextError and StoreError.
    """
    if minutes is not None and not minutes > 0:
        raise UsageError(f"{minutes:g} minutes leave no time to train a model; give a number above 0")
    deadline = time.monotonic() + 60 * (float("inf") if minutes is None else minutes)

    def rows() -> Iterator[Row]:
        _load_compiled_code()
        for unit in units:
            data = _Data(texts, unit)
            for name, order in itertools.product(LINEAGE, orders):
                progress(f"{unit} {LABELS.get(name, name)} {order}")
                yield _row(data, name, order, out, threads or default_threads())
                if time.monotonic() > deadline:
                    return

    return rows()


def _row(data: "_Data", name: Name, order: int, out: Path, threads: int) -> Row:
    begin = time.perf_counter()
    model = data.train(name, order, threads)
    seconds = time.perf_counter() - begin
    label = LABELS.get(name, name)
    directory = out / f"{data.unit}-{label}-{order}"
    store.save(directory, model, text=data.pipeline, settings={"split": data.texts.lines})
    found = evaluate(model, data.texts.test, pipeline=data.pipeline)
    return Row(
        data.unit,
        label,
        order,
        len(model),
        store.size(directory),
        seconds,
        found.perplexity,
        found.perplexity_excluding_oov,
        found.bits_per_byte,
        str(directory),
        tuple(model.details["notes"]),
    )


class _Data:
    """Training and held-out tokens, read once for all models."""

    def __init__(self, texts: Split, unit: str):
        self.texts, self.unit = texts, unit
        self.pipeline = pipeline = Pipeline(tokenizer=make_tokenizer(unit))
        indexer = Indexer()
        for block in texts.train:
            indexer.read(pipeline.canonical(block.text).text, block.where)
        self._tokens, self._vocabulary = indexer.finish()
        self._held_out = [read_block(self._vocabulary, pipeline, block).ids for block in texts.valid]

    def train(self, name: Name, order: int, threads: int) -> BackoffModel | StupidBackoff:
        settings = NgramSettings(order, Smoothing(name, discount_fallback=True), threads=threads)
        return train_on_tokens(self._tokens, self._vocabulary, settings, held_out=self._held_out)


def _load_compiled_code() -> None:
    """Train each kind once on next to nothing, so that no row of the table pays for what all of them use."""
    data = _Data(split(["students opened their books"] * LEAST_LINES), UNITS[0])
    for name in LINEAGE:
        data.train(name, 2, threads=1)
