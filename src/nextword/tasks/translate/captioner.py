"""One to many: a text from a feature vector, as a caption from what a picture's network saw (Vinyals et al. 2015)."""

from collections.abc import Mapping, Sequence
from typing import Any, ClassVar, Self

import numpy as np
from sklearn.utils.validation import check_is_fitted

from nextword.errors import UsageError
from nextword.neural import require_torch
from nextword.tasks.translate.base import TextDecoder, Written, normalizer
from nextword.tasks.translate.pieces import learn
from nextword.tasks.translate.score import corpus_bleu
from nextword.types import Array, Json


class Captioner(TextDecoder):
    """The decoder of a translator without attention, conditioned on a vector alone.

    tokenizer, vocab_size, min_count, lowercase: of the texts, as in ``Translator``; as there the network's, the
    training's and the search's. standardize: give each feature mean 0 and variance 1, as it is in training.
    """

    kind: ClassVar[str] = "captioner"
    noun: ClassVar[str] = "captioner"
    attention: ClassVar[str] = "none"
    mean_: Array
    scale_: Array

    def __init__(
        self,
        *,
        tokenizer: str = "word",
        vocab_size: int = 8000,
        min_count: int = 1,
        lowercase: bool = False,
        standardize: bool = True,
        cell: str = "lstm",
        embedding_size: int = 128,
        hidden_size: int = 256,
        layers: int = 1,
        dropout: float = 0.2,
        tied: bool = True,
        label_smoothing: float = 0.0,
        max_tokens: int = 100,
        beam: int = 5,
        length_penalty: float = 0.6,
        training: Mapping[str, Any] | None = None,
    ):
        self.tokenizer, self.vocab_size, self.min_count = tokenizer, vocab_size, min_count
        self.lowercase, self.standardize = lowercase, standardize
        self.cell, self.embedding_size, self.hidden_size, self.layers = cell, embedding_size, hidden_size, layers
        self.dropout, self.tied, self.label_smoothing, self.max_tokens = dropout, tied, label_smoothing, max_tokens
        self.beam, self.length_penalty, self.training = beam, length_penalty, training

    def fit(
        self,
        features: Array,
        texts: Sequence[str],
        *,
        valid: tuple[Array, Sequence[str]] | None = None,
        run: Mapping[str, Any] | None = None,
    ) -> Self:
        """Learn from vectors, (N, F) numbers, and a text for each; a vector with several texts is given several times.

        valid, run and errors: as in ``Translator.fit``.
        """
        self._check_options()
        require_torch()
        rows = _vectors(features, len(texts))
        options: Any = {"tokenizer": self.tokenizer, "vocab_size": self.vocab_size, "min_count": self.min_count}
        written = [text.strip() for text in texts if text.strip()]
        self.pipeline, self.vocabulary = learn(written, **options, normalizer=normalizer(self.lowercase))
        self.mean_ = rows.mean(axis=0) if self.standardize else np.zeros(rows.shape[1])
        spread = rows.std(axis=0) if self.standardize else np.ones(rows.shape[1])
        self.scale_ = np.where(spread > 0, spread, 1.0)
        data, self.skipped_ = self._pairs(rows, texts)
        held_out = None if valid is None else self._pairs(self._checked(valid[0], len(valid[1])), valid[1])[0]
        network = {**self._network_settings(), "features": rows.shape[1]}
        self._train(network, 0, data, held_out, run)
        return self

    def predict(
        self,
        features: Array,
        *,
        beam: int | None = None,
        length_penalty: float | None = None,
        max_tokens: int | None = None,
    ) -> list[str]:
        """A text for each vector, (N, F). Options as in ``Translator.predict``; max_tokens: 100 unless given."""
        options: Any = {"beam": beam, "length_penalty": length_penalty, "max_tokens": max_tokens}
        return [found[0].text for found in self.captions(features, **options)]

    def captions(
        self,
        features: Array,
        *,
        best: int = 1,
        beam: int | None = None,
        length_penalty: float | None = None,
        max_tokens: int | None = None,
    ) -> list[list[Written]]:
        """The ``best`` texts for each vector, best first; see ``predict``."""
        check_is_fitted(self, "network_")
        rows = self._scaled(self._checked(features))
        options: Any = {"beam": beam, "length_penalty": length_penalty, "max_tokens": max_tokens}
        found = self._write(rows, best=best, **options)
        return [[Written(self._target.text(one.ids), *one[1:4]) for one in some] for some in found]

    def score(self, features: Array, texts: Sequence[str]) -> float:
        """BLEU of what it writes, 0 to 100."""
        return corpus_bleu(self.predict(features), texts)

    def arrays(self) -> dict[str, Array]:
        """Those of the network, and how features are standardised."""
        return super().arrays() | {"mean": self.mean_, "scale": self.scale_}

    @classmethod
    def from_arrays(cls, parameters: Json, arrays: dict[str, Array], vocabulary: Any) -> Self:
        """What was stored. Raises UsageError for parts that do not fit together."""
        network = {name: array for name, array in arrays.items() if name not in ("mean", "scale")}
        made = super().from_arrays(parameters, network, vocabulary)
        made.mean_, made.scale_ = arrays["mean"], arrays["scale"]
        if not made.mean_.shape == made.scale_.shape == (made.network_.settings.features,):
            raise UsageError("the features of the network and of its scale do not match; copy or train the model again")
        return made

    def _checked(self, features: Array, count: int | None = None) -> Array:
        rows = _vectors(features, count)
        if rows.shape[1] != len(self.mean_):
            raise UsageError(f"vectors of {rows.shape[1]} numbers: this captioner was trained on {len(self.mean_)}")
        return rows

    def _scaled(self, rows: Array) -> Array:
        scaled: Array = ((rows - self.mean_) / self.scale_).astype(np.float32)
        return scaled

    def _pairs(self, rows: Array, texts: Sequence[str]) -> tuple[Any, Json]:
        """Pairs for ``neural`` without blank and long texts, and how many these are."""
        from nextword.neural.pairs import Pairs

        known = [i for i, text in enumerate(texts) if text.strip()]
        ids = dict(zip(known, self._target.ids([texts[i].strip() for i in known]), strict=True))
        kept = [i for i in known if len(ids[i]) <= self.max_tokens]
        skipped = {"blank": len(texts) - len(known), "long": len(known) - len(kept)}
        return Pairs(self._scaled(rows[kept]), [ids[i] for i in kept]), skipped


def _vectors(features: Array, count: int | None = None) -> Array:
    """The vectors as float64, (N, F). Raises UsageError for another shape, number, or for what is not finite."""
    rows = np.asarray(features, dtype=np.float64)
    if rows.ndim != 2 or not rows.shape[1]:
        raise UsageError(f"features of shape {rows.shape}: give an array of a vector in each row, (N, F)")
    if count is not None and len(rows) != count:
        raise UsageError(f"{len(rows)} vectors and {count} texts: give a text for each vector")
    if not np.isfinite(rows).all():
        raise UsageError("the features hold numbers that are not finite; replace them")
    return rows
