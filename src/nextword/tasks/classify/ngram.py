"""One n-gram language model for each class, and Bayes' rule: the class that is likeliest to have written a text."""

import re
from typing import ClassVar, Literal, get_args

import numpy as np

from nextword.errors import UsageError
from nextword.ngram.backoff import BackoffModel
from nextword.ngram.settings import NgramSettings
from nextword.ngram.smoothing import NAMES, Name, Smoothing
from nextword.ngram.train import train_on_tokens
from nextword.tasks.classify.base import Examples, TextClassifier
from nextword.tasks.reading import ordered_map
from nextword.text.blocks import utf8
from nextword.text.indexing import Indexer
from nextword.text.normalize import Normalizer
from nextword.text.pipeline import Pipeline
from nextword.text.tokenize import make_tokenizer
from nextword.types import Array, Ids_T, Json

Prior = Literal["empirical", "uniform"]
_UNSUITED = {
    "mle": "gives what it has not seen no probability at all",
    "jelinek-mercer": "needs held-out text for each class",
    "stupid-backoff": "has no probabilities",
}
_TEXTS = 2000  # that a thread scores at once, under all classes
_RESERVED = re.compile(rb"(?<![^\0\t\r\n ])</?s>(?![^\0\t\r\n ])")


class NgramClassifier(TextClassifier):
    """log p(class) + log p(text given class), the latter by an n-gram model of the class's texts (Bayes' rule).

    It tells languages and authors apart by characters, subjects by words. All models have one vocabulary, that of all
    classes, so that their likelihoods are of the same events. Each line of a text is a sentence, its end counted; a
    word ``<s>`` or ``</s>`` in a text is taken for an unknown one.

    order, smoothing: of the models, see ``nextword.train_ngram``; a class too small for its discounts gets 0.5, 1 and
    1.5. With a hundred texts a class or more modified-kneser-ney did best, with a handful kneser-ney and witten-bell.
    tokenizer: char, byte, word, whitespace, or a tokenizer's file. prior: empirical, the classes' shares of the
    training texts, or uniform. threads: of training and scoring.

    models_: one BackoffModel a class, in the order of ``classes_``.
    """

    kind: ClassVar[str] = "classify-ngram"
    models_: list[BackoffModel]

    def __init__(
        self,
        *,
        order: int = 5,
        smoothing: Name = "modified-kneser-ney",
        tokenizer: str = "char",
        lowercase: bool = False,
        prior: Prior = "empirical",
        threads: int = 1,
    ):
        self.order, self.smoothing, self.tokenizer, self.lowercase = order, smoothing, tokenizer, lowercase
        self.prior, self.threads = prior, threads

    def log_likelihoods(self, texts: list[str]) -> Array:
        """Log-probability of each text under the model of each class, (N, C) nats."""
        batches = [texts[i : i + _TEXTS] for i in range(0, len(texts), _TEXTS)]
        return np.concatenate(
            [np.zeros((0, len(self.models_))), *ordered_map(self._likelihoods, batches, self.threads)]
        )

    def _check_options(self) -> None:
        if self.prior not in get_args(Prior):
            raise UsageError(f"unknown prior {self.prior!r}; choose one of {', '.join(get_args(Prior))}")
        if self.smoothing in _UNSUITED:
            suited = ", ".join(name for name in NAMES if name not in _UNSUITED)
            reason = _UNSUITED[self.smoothing]
            raise UsageError(f"smoothing {self.smoothing} {reason}, so it cannot classify; choose one of {suited}")
        self._settings()

    def _settings(self) -> NgramSettings:
        if self.order < 1:
            raise UsageError(f"the order is {self.order}; it must be 1 or more")
        smoothing = Smoothing(self.smoothing, discount_fallback=True)
        return NgramSettings(self.order, smoothing, threads=self.threads)

    def _fit(self, known: Examples, valid: Examples | None, run: Json) -> None:
        self.pipeline_ = self._own_pipeline()
        by_class = [[known.texts[i] for i in np.flatnonzero(known.targets == c)] for c in range(len(self.classes_))]
        indexer, lines = Indexer(), list[int]()
        for texts in by_class:
            text = self._canonical(texts)
            lines.append(text.count(b"\n"))
            indexer.read(text)
        tokens, self.vocabulary_ = indexer.finish()
        settings = self._settings()
        self.models_ = []
        for part in _parts(tokens, lines, self.vocabulary_.eos):
            model = train_on_tokens(part, self.vocabulary_, settings)
            assert isinstance(model, BackoffModel)  # stupid-backoff is refused above; this tells mypy
            self.models_.append(model)

    def _log_prior(self) -> Array:
        if self.prior == "empirical":
            return super()._log_prior()
        return np.full(len(self.classes_), -np.log(len(self.classes_)))

    def _log_probs(self, texts: list[str]) -> Array:
        return np.asarray(self._log_prior() + self.log_likelihoods(texts))

    def _likelihoods(self, texts: list[str]) -> Array:
        """As ``log_likelihoods``, in one go: the text is encoded once, and scored by the models' fastest door."""
        ids = self.vocabulary_.encode(self._canonical(texts)).ids
        line_ends = np.flatnonzero(ids == self.vocabulary_.eos) + 1
        lines = np.cumsum([text.count("\n") + 1 for text in texts])
        begins = np.append(0, line_ends[lines[:-1] - 1])  # of each text, among the tokens
        return np.stack([np.add.reduceat(model.stream_log_probs(ids), begins) for model in self.models_], axis=1)

    def _canonical(self, texts: list[str]) -> bytes:
        """Texts as lines of tokens."""
        if self.pipeline_ is None:
            self.pipeline_ = self._own_pipeline()
        joined = b"".join(utf8(text, f"text {i}") + b"\n" for i, text in enumerate(texts, start=1))
        return _RESERVED.sub(b"<unk>", self.pipeline_.canonical(joined).text)

    def _own_pipeline(self) -> Pipeline:
        return Pipeline(Normalizer(lowercase=self.lowercase), make_tokenizer(self.tokenizer))

    def _state(self) -> tuple[Json, dict[str, Array]]:
        arrays = {f"{i}.{name}": a for i, model in enumerate(self.models_) for name, a in model.arrays().items()}
        return {"members": [model.parameters() for model in self.models_]}, arrays

    def _restore(self, state: Json, arrays: dict[str, Array]) -> None:
        if len(state["members"]) != len(self.classes_):
            raise UsageError(
                f"there are {len(state['members'])} models of {len(self.classes_)} classes; train it again"
            )
        self.models_ = []
        for i, member in enumerate(state["members"]):
            own = {name.removeprefix(f"{i}."): a for name, a in arrays.items() if name.startswith(f"{i}.")}
            self.models_.append(BackoffModel.from_arrays(member, own, self.vocabulary_))


def _parts(tokens: Ids_T, lines: list[int], eos: int | None) -> list[Ids_T]:
    """The tokens of each class, after one ``</s>`` as training wants it; ``lines`` says how many are each one's."""
    ends = np.flatnonzero(tokens == eos)  # the first stands before all text
    bounds = ends[np.cumsum([0, *lines])]
    return [tokens[begin : end + 1] for begin, end in zip(bounds, bounds[1:], strict=False)]
