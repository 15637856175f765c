"""Every count-based model on one text, side by side: trained, saved, measured on text that none of them saw."""

import time
from collections.abc import Callable, Iterator, Sequence
from dataclasses import asdict, dataclass
from pathlib import Path

from nextword import store
from nextword.errors import EstimationError, UsageError
from nextword.ngram.smoothing import Name, Smoothing
from nextword.ngram.train import NgramSettings, default_threads, train_on_tokens
from nextword.tasks.evaluate import evaluate
from nextword.text.corpus import Corpus
from nextword.text.indexing import Indexer
from nextword.text.normalize import Normalizer
from nextword.text.pipeline import Pipeline
from nextword.text.tokenize import make_tokenizer
from nextword.types import Json

LINEAGE: tuple[Name, ...] = (
    "laplace", "absolute", "katz", "jelinek-mercer", "witten-bell", "kneser-ney", "modified-kneser-ney",
)  # fmt: skip
LABELS = {"laplace": "add-one"}
UNITS = ("word", "char")
LEAST_LINES = 10


@dataclass(frozen=True)
class Row:
    """One model's line in the table. A perplexity that is infinite is null in JSON."""

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
        """The row for programs."""
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
    parts = [lines[a:b] for a, b in zip(cuts, cuts[1:], strict=False)]
    return Split(*map(Corpus.from_lines, parts), lines=(len(parts[0]), len(parts[1]), len(parts[2])))


def compare(
    texts: Split,
    out: Path,
    *,
    orders: Sequence[int] = (1, 2, 3, 4, 5),
    units: Sequence[str] = UNITS,
    minutes: float | None = None,
    threads: int | None = None,
    progress: Callable[[str], None] = lambda stage: None,
) -> Iterator[Row]:
    """Train the lineage at each order and unit, save each model under ``out``, and yield its row.

    minutes: begin no further model after that time. Discounts that cannot be estimated fall back, and the row says so.
    A model that cannot be trained on this text at all is left out, and ``progress`` says why.
    """
    deadline = time.monotonic() + 60 * (minutes or float("inf"))
    for unit in units:
        pipeline = Pipeline(Normalizer(), make_tokenizer(unit))
        indexer = Indexer()
        for block in texts.train:
            indexer.read(pipeline.canonical(block.text).text, block.where)
        tokens, vocabulary = indexer.finish()
        held_out = [vocabulary.encode(pipeline.canonical(block.text).text, block.where).ids for block in texts.valid]
        for name in LINEAGE:
            for order in orders:
                if time.monotonic() > deadline:
                    return
                progress(f"{unit} {LABELS.get(name, name)} {order}")
                smoothing = Smoothing(name, discount_fallback=True)
                settings = NgramSettings(order, smoothing, threads=threads or default_threads())
                begin = time.perf_counter()
                try:
                    model = train_on_tokens(tokens, vocabulary, settings, held_out=held_out)
                except EstimationError as error:
                    progress(f"left out {unit} {name} {order}: {error}")
                    continue
                seconds = time.perf_counter() - begin
                directory = out / f"{unit}-{LABELS.get(name, name)}-{order}"
                store.save(directory, model, text=pipeline, settings={"split": texts.lines})
                found = evaluate(model, texts.test, pipeline=pipeline)
                yield Row(
                    unit,
                    LABELS.get(name, name),
                    order,
                    len(model),
                    sum(file.stat().st_size for file in directory.iterdir()),
                    seconds,
                    found.perplexity,
                    found.perplexity_excluding_oov,
                    found.bits_per_byte,
                    str(directory),
                    tuple(model.details["notes"]),
                )
