"""What ``compare`` puts side by side: for words and for characters, how each model is made of the same text."""

from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from functools import cached_property, partial
from typing import Any, NamedTuple

import numpy as np

from nextword.ngram.settings import NgramSettings
from nextword.ngram.smoothing import Name, Smoothing
from nextword.ngram.train import train_on_tokens
from nextword.tasks.mix import mix
from nextword.tasks.reading import read_block
from nextword.text.corpus import Corpus
from nextword.text.encode import EOS
from nextword.text.indexing import Indexer
from nextword.text.pipeline import Pipeline
from nextword.text.tokenize import make_tokenizer
from nextword.types import Ids_T, Json

UNITS = ("word", "char")
LINEAGE: tuple[Name, ...] = (
    "laplace", "absolute", "katz", "jelinek-mercer", "witten-bell", "kneser-ney", "modified-kneser-ney",
)  # fmt: skip
LABELS = {"laplace": "add-one"}
BEST = LINEAGE[-1]  # the one shown at several orders, and mixed with a network
USUAL_ORDER = {"word": 3, "char": 5}
BEST_ORDERS = {"word": (1, 2, 3, 5), "char": (2, 3, 5, 7)}
MIXED = "lstm"
LOG_EVERY = 20  # steps between points of a loss curve
CURVE = ("step", "epoch", "tokens", "seconds", "loss", "valid_loss")  # what a point has of a line of neural.metrics
LONGEST = 0.3  # minutes that a network trains at most: on a larger text than these settings are for, the time ends it

_TIED = {"layers": 1, "tied": True}
_PLAIN = {"layers": 1, "embedding_size": 64}
# Networks for some 40,000 words, which overfit at once unless much of them is dropped, and their training: unit → kind.
NETWORKS: dict[str, dict[str, tuple[Json, Json]]] = {
    "word": {
        "window": (
            {"order": 4, "embedding_size": 96, "hidden_size": 128, "dropout": 0.4},
            {"epochs": 6, "batch_size": 16, "lr": 0.002},
        ),
        "rnn": (
            {**_TIED, "embedding_size": 200, "hidden_size": 200, "dropout": 0.5},
            {"epochs": 9, "batch_size": 16, "lr": 0.002},
        ),
        "gru": (
            {**_TIED, "embedding_size": 128, "hidden_size": 128, "dropout": 0.5},
            {"epochs": 12, "batch_size": 16, "lr": 0.005},
        ),
        "lstm": (
            {**_TIED, "embedding_size": 256, "hidden_size": 256, "dropout": 0.65},
            {"epochs": 10, "batch_size": 16, "lr": 0.007},
        ),
        "transformer": (
            {"layers": 2, "embedding_size": 128, "context": 64, "dropout": 0.3},
            {"epochs": 10, "batch_size": 16, "bptt": 64, "lr": 0.003},
        ),
    },
    "char": {
        "window": (
            {"order": 9, "embedding_size": 32, "hidden_size": 256, "activation": "relu"},
            {"epochs": 5, "batch_size": 8, "lr": 0.008},
        ),
        "rnn": (
            {**_PLAIN, "hidden_size": 192, "dropout": 0.05},
            {"epochs": 5, "batch_size": 8, "bptt": 40, "lr": 0.003},
        ),
        "gru": (
            {**_PLAIN, "hidden_size": 192, "dropout": 0.1},
            {"epochs": 5, "batch_size": 16, "bptt": 64, "lr": 0.01},
        ),
        "lstm": (
            {**_PLAIN, "hidden_size": 256, "dropout": 0.15},
            {"epochs": 6, "batch_size": 8, "bptt": 64, "lr": 0.015},
        ),
        "transformer": (
            {"layers": 2, "embedding_size": 128, "context": 64, "dropout": 0.05},
            {"epochs": 3, "batch_size": 8, "bptt": 64, "lr": 0.004},
        ),
    },
}


class Made(NamedTuple):
    """A model, and what to know of how it came about. curve: of a network, points of ``CURVE``, as training went."""

    model: Any
    notes: tuple[str, ...] = ()
    curve: tuple[Json, ...] = ()


class Resources(NamedTuple):
    """What a recipe may use: cores, and minutes until the time is up."""

    threads: int
    minutes: float


@dataclass(frozen=True)
class Recipe:
    """A line of the table to be. order: of n-grams and windows. neural: whether it takes PyTorch."""

    unit: str
    model: str
    make: Callable[["Data", Resources], Made]
    order: int | None = None
    neural: bool = False

    @property
    def name(self) -> str:
        """What tells it from the others, such as ``word modified-kneser-ney 5``."""
        return f"{self.unit} {self.model}" + (f" {self.order}" if self.order else "")


class Data:
    """Training and held-out tokens of one unit, read once for all models, and the models that others are made of."""

    def __init__(self, train: Corpus, valid: Corpus, unit: str):
        self.unit, self.valid = unit, valid
        self.pipeline = pipeline = Pipeline(tokenizer=make_tokenizer(unit))
        indexer = Indexer()
        for block in train:
            indexer.read(pipeline.canonical(block.text).text, block.where)
        self.tokens, self.vocabulary = indexer.finish()
        self.held_out = [read_block(self.vocabulary, pipeline, block).ids for block in valid]
        self.models: dict[str, Any] = {}

    @cached_property
    def tokens_with_unknown(self) -> Ids_T:
        """The training tokens, half of the words that occur once ``<unk>``: a network learns only from what it sees.

        As many of them as of the others are new in another text, says Good (1953): words that occur once tell how many
        occur not at all.
        """
        tokens = self.tokens.copy()
        once = np.flatnonzero(np.bincount(tokens, minlength=len(self.vocabulary))[tokens] == 1)
        tokens[once[::2]] = self.vocabulary["<unk>"]
        return tokens

    @cached_property
    def held_out_tokens(self) -> Ids_T:
        """The held-out tokens with the ``</s>`` before them, (1 + T,)."""
        return np.concatenate([np.array([EOS], dtype=np.int32), *self.held_out])


def recipes(units: Sequence[str] = UNITS, *, neural: bool = True) -> list[Recipe]:
    """All of them, a unit's after the other's; those that a mixture is made of come before it."""
    return [recipe for unit in units for recipe in _of_unit(unit) if neural or not recipe.neural]


def _of_unit(unit: str) -> list[Recipe]:
    usual, orders = USUAL_ORDER.get(unit, 3), BEST_ORDERS.get(unit, (3,))
    counted = [(name, usual) for name in LINEAGE[:-1]] + [(BEST, order) for order in orders]
    found = [Recipe(unit, LABELS.get(name, name), partial(_count, name, order), order) for name, order in counted]
    for kind, (network, training) in NETWORKS.get(unit, NETWORKS["word"]).items():
        make = partial(_train_network, kind, network, training)
        found.append(Recipe(unit, kind, make, network.get("order"), neural=True))
    mixed = f"{unit} {MIXED}", f"{unit} {BEST} {max(orders)}"
    return [*found, Recipe(unit, "mixture", partial(_mix, mixed), neural=True)]


def _count(name: Name, order: int, data: Data, resources: Resources) -> Made:
    settings = NgramSettings(order, Smoothing(name, discount_fallback=True), threads=resources.threads)
    model = train_on_tokens(data.tokens, data.vocabulary, settings, held_out=data.held_out)
    return Made(model, tuple(model.details["notes"]))


def _train_network(kind: str, network: Json, training: Json, data: Data, resources: Resources) -> Made:
    """The same seed gives the same network where the time suffices; float32, as not every processor has another."""
    from nextword.neural.train import settings_for
    from nextword.neural.train import train_on_tokens as train_network_on_tokens

    usual = settings_for(kind, network, None)
    sentences = int(np.count_nonzero(data.tokens == EOS)) - 1
    rows = min(training.get("batch_size", usual.batch_size), sentences)
    fixed = {"precision": "float32", "device": "cpu", "threads": resources.threads, "log_every": LOG_EVERY}
    limits = {"batch_size": rows, "minutes": min(LONGEST, max(resources.minutes, 1e-3))}
    chosen = replace(usual, **{**training, **fixed, **limits})
    curve: list[Json] = []
    model, report, settings = train_network_on_tokens(
        data.tokens_with_unknown,
        data.vocabulary,
        kind=kind,
        network=network,
        settings=chosen,
        valid=data.held_out_tokens,
        record=lambda line: curve.append({name: line[name] for name in CURVE if name in line}),
    )
    if report.stopped != "minutes":
        return Made(model, curve=tuple(curve))
    note = f"stopped after {report.epochs:.1f} of {settings.epochs} epochs, as its time was up"
    return Made(model, (note,), tuple(curve))


def _mix(names: Sequence[str], data: Data, resources: Resources) -> Made:
    """Weights by EM on the held-out text; the models are those that stand in the table already."""
    models = [data.models[name] for name in names]
    mixed = mix(models, data.valid, pipeline=data.pipeline, threads=resources.threads)
    parts = zip(mixed.weights, names, strict=True)
    return Made(mixed.model, (" + ".join(f"{weight:.2f} {name.partition(' ')[2]}" for weight, name in parts),))
