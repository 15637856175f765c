"""Every kind of model on one text, side by side: trained, saved, measured on text that none of them saw."""

import itertools
import time
from collections.abc import Callable, Iterator, Sequence
from dataclasses import asdict, dataclass
from pathlib import Path

from nextword import store
from nextword.durable import replacement, system_errors_named
from nextword.errors import UsageError
from nextword.ngram.settings import default_threads
from nextword.tasks.compared import FORMAT_VERSION, write_table
from nextword.tasks.describe import count_parameters
from nextword.tasks.evaluate import evaluate
from nextword.tasks.recipes import UNITS, Data, Recipe, Resources, recipes
from nextword.text.corpus import Corpus
from nextword.types import Json

LEAST_LINES = 10
TEXT = "compare.train.txt"  # no name that a text of the user is likely to have


@dataclass(frozen=True)
class Row:
    """One model's line in the table.

    parameters: see ``describe``. bytes: on disk. seconds: training, from tokens to a model in memory. notes: what to
    know of it, such as discounts that the counts did not allow to be estimated, and what stands for them. curve: how a
    network's loss fell: at each point the step, epoch, tokens read and seconds passed, and nats per token of the
    training text since the point before (``loss``, with dropout) or of the held-out text (``valid_loss``).
    """

    unit: str
    model: str
    order: int | None
    parameters: int
    bytes: int
    seconds: float
    perplexity: float
    perplexity_excluding_oov: float
    word_perplexity: float
    bits_per_byte: float
    directory: str
    neural: bool = False
    notes: tuple[str, ...] = ()
    curve: tuple[Json, ...] = ()

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
    name: str = "<memory>"


def split(lines: Sequence[str], *, name: str = "<memory>") -> Split:
    """Cut the lines of a text into training, validation and test text. Raises UsageError for fewer than 10."""
    if len(lines) < LEAST_LINES:
        raise UsageError(f"the text has {len(lines)} lines; to train, validate and test takes {LEAST_LINES} or more")
    cuts = [0, len(lines) * 8 // 10, len(lines) * 9 // 10, len(lines)]
    train, valid, test = (lines[a:b] for a, b in itertools.pairwise(cuts))
    sizes = len(train), len(valid), len(test)
    return Split(Corpus.from_lines(train), Corpus.from_lines(valid), Corpus.from_lines(test), sizes, name)


def compare(
    texts: Split,
    out: Path,
    *,
    chosen: Sequence[Recipe] | None = None,
    minutes: float | None = None,
    threads: int | None = None,
    progress: Callable[[str], None] = lambda stage: None,
) -> Iterator[Row]:
    """Make each model of ``chosen``, all recipes if None, save it under ``out``, and yield its row.

    Before a row is yielded, ``compare.json`` in ``out`` holds it and those before; see ``document``. Beside it
    ``compare.train.txt`` is the part that was trained on, so that what was counted can be counted again.

    minutes: begin no further model after that time; one is always trained. progress: called with the name of each
    model as it is begun. Discounts that cannot be estimated fall back, and the row says so. Raises UsageError for a
    time that is not above 0, and while it trains TextError and StoreError.
    """
    if minutes is not None and not minutes > 0:
        raise UsageError(f"{minutes:g} minutes leave no time to train a model; give a number above 0")
    deadline = time.monotonic() + 60 * (float("inf") if minutes is None else minutes)
    wanted = recipes() if chosen is None else chosen

    def rows() -> Iterator[Row]:
        made: list[Row] = []
        trained_on = _write_training_text(texts.train, out)
        _load_compiled_code(wanted)
        for unit, group in itertools.groupby(wanted, key=lambda recipe: recipe.unit):
            data = Data(texts.train, texts.valid, unit)
            for recipe in group:
                progress(recipe.name)
                left = (deadline - time.monotonic()) / 60
                resources = Resources(threads or default_threads(), left)
                made.append(_row(recipe, data, texts, out, resources, trained_on))
                write_table(out, document(texts, made))
                yield made[-1]
                if time.monotonic() > deadline:
                    return

    return rows()


def document(texts: Split, rows: Sequence[Row]) -> Json:
    """The table for programs: ``format_version``, ``text``, ``lines`` of its three parts, and ``models``, the rows."""
    models = [row.to_json() for row in rows]
    return {"format_version": FORMAT_VERSION, "text": texts.name, "lines": texts.lines, "models": models}


def _write_training_text(train: Corpus, out: Path) -> list[Json]:
    """The text as a file in ``out``: its path, size and hash, which every model records."""
    file = (out / TEXT).resolve()
    with system_errors_named(file, "written"):
        out.mkdir(parents=True, exist_ok=True)
        with replacement(file) as stream:
            stream.writelines(block.text for block in train)
    written = Corpus(file)
    for _ in written:
        pass
    return written.sources


def _row(recipe: Recipe, data: Data, texts: Split, out: Path, resources: Resources, trained_on: Sequence[Json]) -> Row:
    begin = time.perf_counter()
    model, notes, curve = recipe.make(data, resources)
    seconds = time.perf_counter() - begin
    data.models[recipe.name] = model
    directory = out / recipe.name.replace(" ", "-")
    store.save(directory, model, text=data.pipeline, trained_on=trained_on, settings={"split": texts.lines})
    found = evaluate(model, texts.test, pipeline=data.pipeline)
    return Row(
        unit=recipe.unit,
        model=recipe.model,
        order=recipe.order,
        parameters=count_parameters(model),
        bytes=store.size(directory),
        seconds=seconds,
        perplexity=found.perplexity,
        perplexity_excluding_oov=found.perplexity_excluding_oov,
        word_perplexity=found.word_perplexity,
        bits_per_byte=found.bits_per_byte,
        directory=str(directory),
        neural=recipe.neural,
        notes=notes,
        curve=curve,
    )


def _load_compiled_code(wanted: Sequence[Recipe]) -> None:
    """Make each model once of next to nothing, so that no row of the table pays for what all of them use."""
    texts = split(["students opened their books"] * LEAST_LINES)
    data = Data(texts.train, texts.valid, UNITS[0])
    kinds = {recipe.model: recipe for recipe in wanted if recipe.model != "mixture"}
    for recipe in kinds.values():
        recipe.make(data, Resources(threads=1, minutes=0.0))
