"""What translators and captioners share: texts that a decoder writes, and how it learns to."""

from collections.abc import Mapping
from dataclasses import asdict
from typing import Any, ClassVar, NamedTuple, Self

import numpy as np
from sklearn.base import BaseEstimator
from sklearn.utils.validation import check_is_fitted

from nextword.errors import UsageError
from nextword.neural import require_torch
from nextword.neural.training_settings import usual_settings
from nextword.tasks.saved import TaskModel
from nextword.tasks.translate.pieces import Language
from nextword.text.normalize import Normalizer
from nextword.text.pipeline import Pipeline
from nextword.text.vocabulary import Vocabulary
from nextword.types import Array, Json

_NETWORK = (
    "cell", "embedding_size", "hidden_size", "layers", "attention", "input_feeding", "dropout", "tied",
)  # fmt: skip


class Written(NamedTuple):
    """A text that a decoder wrote. log_prob: nats, that of its end included; score: what it is ranked by.

    finished: whether it came to an end by itself, and not at the most tokens that it may have.
    """

    text: str
    log_prob: float
    score: float
    finished: bool


class TextDecoder(TaskModel, BaseEstimator):  # type: ignore[misc]  # scikit-learn has no types
    """Base of what writes texts. A subclass says how its sources become arrays.

    vocabulary, pipeline: of the texts that it writes. network_: the network; report_: how its training went;
    skipped_: how many pairs were left out, by reason.
    """

    vocabulary: Vocabulary
    pipeline: Pipeline | None = None
    network_: Any
    report_: Any
    skipped_: Json
    usual: ClassVar[str] = "translator"
    training: Mapping[str, Any] | None
    label_smoothing: float
    max_tokens: int
    beam: int
    length_penalty: float

    def _check_options(self) -> None:
        if not 0 <= self.label_smoothing < 1:
            raise UsageError(f"label_smoothing={self.label_smoothing}: expected a share of 0 to below 1")
        if self.max_tokens < 1:
            raise UsageError(f"max_tokens={self.max_tokens}: expected the longest text that is learnt, 1 token or more")
        check_beam(self.beam, self.length_penalty)

    def _network_settings(self) -> Json:
        """What of the options is the network's."""
        return {name: getattr(self, name) for name in _NETWORK if hasattr(self, name)}

    @property
    def _target(self) -> Language:
        """The language that it writes."""
        assert self.pipeline is not None  # fit and TaskModel.load set it
        return Language(self.pipeline, self.vocabulary)

    def _train(self, network: Json, source_size: int, data: Any, valid: Any, run: Mapping[str, Any] | None) -> None:
        """Make a network and train it on ``neural.pairs.Pairs``; sets what ends in ``_`` but ``skipped_``."""
        require_torch()
        from nextword.neural.translating import new_network, train_pairs

        settings = usual_settings(self.usual, **(self.training or {}))
        sizes = {"source_size": source_size, "target_size": len(self.vocabulary)}
        made = new_network(network, **sizes, excluded=self._specials.bos, seed=settings.seed)
        known: Any = {"specials": self._specials, "label_smoothing": self.label_smoothing, "valid": valid}
        self.report_ = train_pairs(made, data, settings, **known, **(run or {}))
        self.network_ = made
        self.info = {**self.info, "settings": {"training": asdict(settings), **self.report_._asdict()}}

    @property
    def _specials(self) -> Any:
        from nextword.neural.pairs import Specials

        return Specials(self.vocabulary["<unk>"], self.vocabulary["<s>"], self.vocabulary["</s>"])

    def _write(
        self,
        sources: Any,
        *,
        best: int = 1,
        beam: int | None = None,
        length_penalty: float | None = None,
        max_tokens: int | None = None,
    ) -> list[list[Any]]:
        """Hypotheses of ``neural.beam`` for each source array, best first."""
        check_is_fitted(self, "network_")
        from nextword.neural.decoding import decode

        width = self.beam if beam is None else beam
        penalty = self.length_penalty if length_penalty is None else length_penalty
        check_beam(width, penalty, best)
        if max_tokens is not None and max_tokens < 1:
            raise UsageError(f"max_tokens={max_tokens}: expected 1 or more")
        options: Any = {"beam": width, "length_penalty": penalty, "best": best, "max_tokens": max_tokens}
        found: list[list[Any]] = decode(
            self.network_, sources, specials=self._specials, copies=self._can_copy(), **options
        )
        return found

    def _can_copy(self) -> bool:
        """Whether ``<unk>`` may be written, as a word of the source will be put in its place."""
        return False

    def parameters(self) -> Json:
        """What is not an array: the options, and the network's settings."""
        check_is_fitted(self, "network_")
        from nextword.neural.translating import stored

        options = self.get_params(deep=False)
        return {"options": options, "skipped": self.skipped_, "network": stored(self.network_)[0]}

    def arrays(self) -> dict[str, Array]:
        """Those of the network."""
        check_is_fitted(self, "network_")
        from nextword.neural.translating import stored

        return stored(self.network_)[1]

    @classmethod
    def from_arrays(cls, parameters: Json, arrays: dict[str, Array], vocabulary: Vocabulary) -> Self:
        """What was stored. Raises UsageError for parts that do not fit together."""
        from nextword.neural.translating import restored

        try:
            made = cls(**parameters["options"])
        except TypeError as error:
            raise UsageError(f"these are not the options of a {cls.noun}: {error}") from error
        made.vocabulary, made.skipped_ = vocabulary, parameters["skipped"]
        made.network_ = restored(parameters["network"], arrays)
        if made.network_.target_size != len(vocabulary):
            raise UsageError(
                f"the network writes {made.network_.target_size} ids, the vocabulary has {len(vocabulary)}"
            )
        return made


def check_beam(beam: int, length_penalty: float, best: int = 1) -> None:
    """Raise UsageError for a beam, length penalty or number of texts that make no search."""
    if beam < 1:
        raise UsageError(f"beam={beam}: expected the number of texts to keep, 1 or more")
    if not 0 <= length_penalty < np.inf:
        raise UsageError(f"length_penalty={length_penalty}: expected 0 (none) or more")
    if not 1 <= best <= beam:
        raise UsageError(f"best={best} of a beam of {beam}: expected 1 to {beam}; widen the beam to get more")


def normalizer(lowercase: bool) -> Normalizer:
    """Unicode's composed form, so that a letter is written in one way; in lower case if asked."""
    return Normalizer("nfc", lowercase=lowercase)
