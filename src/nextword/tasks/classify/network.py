"""What classifiers with a network share: words and their vectors, examples held out, training, storing."""

from abc import abstractmethod
from collections.abc import Mapping, Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any, ClassVar

import numpy as np

from nextword.errors import StoreError, UsageError
from nextword.neural import require_torch
from nextword.neural.training_settings import TrainingSettings, usual_settings
from nextword.tasks.classify.base import Examples, TextClassifier
from nextword.tasks.classify.words import Words, words_of
from nextword.text.normalize import Normalizer
from nextword.text.pipeline import Pipeline
from nextword.text.tokenize import NAMES, make_tokenizer
from nextword.text.vocabulary import EOS
from nextword.types import Array, Json

_TOKENIZERS = tuple(name for name in NAMES if name != "bpe")
_TRAINING = ("epochs", "batch_size", "lr", "patience", "seed", "threads", "device")


class NetworkClassifier(TextClassifier):
    """What the two methods share.

    vectors: a file of word vectors (word2vec's text format or GloVe's). channels: random, static, fine-tuned or
    multichannel (Kim 2014, section 3.1); multichannel unless given where there are vectors. more_words: how many words
    of that file are known beside those of the training texts, its first ones.

    tokenizer: whitespace, word, char, byte, or a file; lowercase: of all text; min_count: rarer words are ``<unk>``.

    valid_share: of the examples of each class, to be held out and measured where ``fit`` gets none: the weights that
    did best on them are kept; 0 trains to the end. epochs, batch_size, lr, patience, seed, threads, device: see
    ``TrainingSettings``; None is the usual for the method. training: others of those settings by name, which prevail.

    network_: the network; report_: how its training went; valid_accuracy_: on the held-out examples, None without.
    """

    network: ClassVar[str]
    usual: ClassVar[str]
    vectors: str | Path | None
    channels: str | None
    embedding_size: int | None
    more_words: int
    tokenizer: str
    lowercase: bool
    min_count: int
    valid_share: float
    training: Mapping[str, Any] | None
    seed: int
    network_: Any
    report_: Any
    valid_accuracy_: float | None

    @abstractmethod
    def _network_settings(self, words: Words) -> Json:
        """The settings of the network that reads these words."""

    def _words(self, texts: Sequence[str]) -> Words:
        """The words that are known, and their vectors; sets ``pipeline_``."""
        pipeline = self.pipeline_ = Pipeline(Normalizer(lowercase=self.lowercase), make_tokenizer(self.tokenizer))
        return words_of(
            (tokens(pipeline, text) for text in texts),
            min_count=self.min_count,
            vectors=self.vectors,
            more=self.more_words,
            size=self.embedding_size,
            seed=self._training_settings().seed,
        )

    def _ids(self, texts: Sequence[str]) -> list[Array]:
        """The ids of each text, (T,)."""
        assert self.pipeline_ is not None  # _words and TaskModel.load set it
        return [self.vocabulary_.ids(tokens(self.pipeline_, text)) for text in texts]

    def _begin(self, words: Words) -> None:
        """Give the new network what it does not begin with by chance."""
        from nextword.neural.classifying import begin_with_vectors

        if words.vectors is not None:
            begin_with_vectors(self.network_, words.vectors)

    def _check_options(self) -> None:
        require_torch()
        from nextword.neural.word_channels import CHANNELS

        if self.channels not in (None, *CHANNELS):
            raise UsageError(f"channels={self.channels!r}: expected one of {', '.join(CHANNELS)}")
        if self.channels not in (None, "random") and self.vectors is None:
            raise UsageError(f"channels={self.channels!r} needs word vectors; give a file of them with vectors")
        if self.channels == "random" and self.vectors is not None:
            raise UsageError("channels='random' uses no word vectors; leave out one of vectors and channels")
        if not 0 <= self.valid_share < 1:
            raise UsageError(f"valid_share is {self.valid_share}; give a share from 0 to below 1, such as 0.1")
        if self.min_count < 1 or self.more_words < 0:
            raise UsageError(
                f"min_count={self.min_count}, more_words={self.more_words}: expected 1 or more, and 0 or more"
            )
        if self.tokenizer not in _TOKENIZERS and not Path(self.tokenizer).is_file():
            raise UsageError(f"unknown tokenizer {self.tokenizer!r}; choose one of {', '.join(_TOKENIZERS)}, or a file")
        self._training_settings()

    def _training_settings(self) -> TrainingSettings:
        given = {name: getattr(self, name) for name in _TRAINING}
        given = {name: value for name, value in given.items() if value is not None} | dict(self.training or {})
        return usual_settings(self.usual, **given)

    def _fit(self, known: Examples, valid: Examples | None, run: Json) -> None:
        from nextword.neural.classifying import Texts, new_network, train_classifier

        settings = self._training_settings()
        if valid is None:
            known, valid = split(known, share=self.valid_share, seed=settings.seed)
        elif not valid.texts:
            raise UsageError("all held-out texts are empty; give some that are not, or none at all")
        words = self._words(known.texts)
        self.vocabulary_, self.learned_ = words.vocabulary, words.learned
        self.settings_ = self._network_settings(words)
        sizes = {"vocab_size": len(words.vocabulary), "learned": words.learned, "classes": len(self.classes_)}
        self.network_ = new_network(self.network, self.settings_, **sizes, seed=settings.seed)
        self._begin(words)
        texts = Texts(self._ids(known.texts), known.targets)
        held_out = None if valid is None else Texts(self._ids(valid.texts), valid.targets)
        if held_out is None:
            settings = replace(settings, patience=None)  # there is nothing to go by
        report = train_classifier(self.network_, texts, settings, valid=held_out, **run)
        self.report_, self.valid_accuracy_ = report, None if report.valid_loss is None else 1 - report.valid_loss

    def _log_probs(self, texts: list[str]) -> Array:
        from nextword.neural.classifying import class_log_probs

        return class_log_probs(self.network_, self._ids(texts))

    def _state(self) -> tuple[Json, dict[str, Array]]:
        from nextword.neural.classifying import weights

        known = {"settings": self.settings_, "learned": self.learned_, "valid_accuracy": self.valid_accuracy_}
        return known, weights(self.network_)

    def _restore(self, state: Json, arrays: dict[str, Array]) -> None:
        try:
            require_torch()
        except UsageError as error:  # nothing is wrong with the files
            raise StoreError(str(error)) from error
        from nextword.neural.classifying import load_weights, new_network

        self.settings_, self.learned_ = state["settings"], state["learned"]
        self.valid_accuracy_ = state["valid_accuracy"]
        sizes = {"vocab_size": len(self.vocabulary_), "learned": self.learned_, "classes": len(self.classes_)}
        self.network_ = new_network(self.network, self.settings_, **sizes)
        load_weights(self.network_, arrays)

    def parameters(self) -> Json:
        """As ``TextClassifier`` has them; paths become strings."""
        found = super().parameters()
        found["options"] = {n: str(v) if isinstance(v, Path) else v for n, v in found["options"].items()}
        return found

    def _of_vectors(self, words: Words, usual: int) -> Json:
        """Settings of the word vectors: random ones are of ``usual`` size, others as the file has them."""
        if words.vectors is None:
            return {"channels": "random", "embedding_size": self.embedding_size or usual}
        return {"channels": self.channels or "multichannel", "embedding_size": words.vectors.shape[1]}


def tokens(pipeline: Pipeline, text: str) -> list[str]:
    """The tokens of a text, ``</s>`` between those of its lines if it has several."""
    found: list[str] = []
    for i, line in enumerate(text.split("\n")):
        found += [EOS] * (i > 0) + pipeline.tokens(line)
    return found


def split(examples: Examples, *, share: float, seed: int = 0) -> tuple[Examples, Examples | None]:
    """Examples to learn from and others to measure on: so large a share of each class, drawn from ``seed``.

    Each class keeps one example or more to learn from. None to measure on where all classes are too small for it.
    """
    random, held_out = np.random.default_rng(seed), np.zeros(len(examples.texts), dtype=bool)
    for number in np.unique(examples.targets):
        own = random.permutation(np.flatnonzero(examples.targets == number))
        held_out[own[: min(round(share * len(own)), len(own) - 1)]] = True
    parts = [_chosen(examples, mask) for mask in (~held_out, held_out)]
    return parts[0], parts[1] if held_out.any() else None


def _chosen(examples: Examples, mask: Array) -> Examples:
    chosen = np.flatnonzero(mask)
    return Examples([examples.texts[i] for i in chosen.tolist()], examples.targets[chosen])
