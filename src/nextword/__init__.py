r"""Train, measure and use language models, from counts to recurrence to attention, behind one interface.

>>> import nextword
>>> text = nextword.Corpus.from_text("students opened their books\n" * 3)
>>> lm = nextword.train(text, order=2, smoothing="witten-bell")
>>> lm.next("students opened", k=1).words
('their',)
"""

from importlib import import_module
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from nextword.api import load, mix, prune, quantize, train
    from nextword.errors import (
        ArpaError,
        ConformanceError,
        EstimationError,
        NextwordError,
        StoreError,
        TextError,
        TrainingError,
        UsageError,
        VocabularyError,
    )
    from nextword.lm import LM
    from nextword.mixture import Mixture, fit_weights
    from nextword.model import LanguageModel, Scorer, check_language_model
    from nextword.ngram.arpa import read_arpa, write_arpa
    from nextword.ngram.backoff import BackoffModel
    from nextword.ngram.smoothing import Smoothing
    from nextword.ngram.train import train_ngram
    from nextword.tasks.bootstrap import paired_bootstrap
    from nextword.tasks.evaluate import Evaluation, evaluate
    from nextword.text.corpus import Corpus
    from nextword.text.normalize import Normalizer
    from nextword.text.pipeline import Pipeline
    from nextword.text.vocabulary import Vocabulary

__version__ = "0.1.0"

_HOMES = {
    "nextword.api": ("load", "mix", "prune", "quantize", "train"),
    "nextword.errors": (
        "ArpaError", "ConformanceError", "EstimationError", "NextwordError", "StoreError", "TextError", "TrainingError",
        "UsageError", "VocabularyError",
    ),
    "nextword.lm": ("LM",),
    "nextword.mixture": ("Mixture", "fit_weights"),
    "nextword.model": ("LanguageModel", "Scorer", "check_language_model"),
    "nextword.ngram.arpa": ("read_arpa", "write_arpa"),
    "nextword.ngram.backoff": ("BackoffModel",),
    "nextword.ngram.smoothing": ("Smoothing",),
    "nextword.ngram.train": ("train_ngram",),
    "nextword.tasks.bootstrap": ("paired_bootstrap",),
    "nextword.tasks.evaluate": ("Evaluation", "evaluate"),
    "nextword.text.corpus": ("Corpus",),
    "nextword.text.normalize": ("Normalizer",),
    "nextword.text.pipeline": ("Pipeline",),
    "nextword.text.vocabulary": ("Vocabulary",),
}  # fmt: skip
_HOME_OF = {name: home for home, names in _HOMES.items() for name in names}

__all__ = [
    "LM",
    "ArpaError",
    "BackoffModel",
    "ConformanceError",
    "Corpus",
    "EstimationError",
    "Evaluation",
    "LanguageModel",
    "Mixture",
    "NextwordError",
    "Normalizer",
    "Pipeline",
    "Scorer",
    "Smoothing",
    "StoreError",
    "TextError",
    "TrainingError",
    "UsageError",
    "Vocabulary",
    "VocabularyError",
    "check_language_model",
    "evaluate",
    "fit_weights",
    "load",
    "mix",
    "paired_bootstrap",
    "prune",
    "quantize",
    "read_arpa",
    "train",
    "train_ngram",
    "write_arpa",
]


def __getattr__(name: str) -> Any:
    """Import a public name when it is first asked for, so that ``nextword --help`` need not wait for the compiler."""
    if name not in _HOME_OF:
        raise AttributeError(f"module 'nextword' has no attribute {name!r}")
    value = getattr(import_module(_HOME_OF[name]), name)
    globals()[name] = value
    return value


def __dir__() -> list[str]:
    return [*__all__, "__version__"]
