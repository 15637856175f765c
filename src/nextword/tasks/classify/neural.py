"""Networks that classify texts, as estimators: convolutions over words (Kim 2014), and recurrent ones.

Their networks are ``neural.cnn`` and ``neural.reader``; here options become their settings.
"""

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any, ClassVar

import numpy as np

from nextword.tasks.classify.network import NetworkClassifier, tokens
from nextword.tasks.classify.words import Words, open_language_model, words_of
from nextword.types import Array, Json

UNK, BOS, EOS = range(3)  # in every vocabulary here


class CnnClassifier(NetworkClassifier):
    """The convolutional network of Kim (2014): filters over a few words, the strongest answer of each, a linear layer.

    embedding_size: of random word vectors. widths: words in a row that a filter sees; maps: filters of each width.
    dropout: of what the last layer reads; dropout_input: of the numbers of word vectors; word_dropout: of words, which
    become ``<unk>``. max_norm: the longest that a class's weights may be, or None. The other options: see
    ``NetworkClassifier``.
    """

    kind: ClassVar[str] = "classify-cnn"
    network: ClassVar[str] = "cnn"
    usual: ClassVar[str] = "cnn"

    def __init__(
        self,
        *,
        vectors: str | Path | None = None,
        channels: str | None = None,
        embedding_size: int | None = None,
        more_words: int = 50_000,
        widths: Sequence[int] = (3, 4, 5),
        maps: int = 100,
        dropout: float = 0.5,
        dropout_input: float = 0.2,
        word_dropout: float = 0.1,
        max_norm: float | None = 3.0,
        tokenizer: str = "word",
        lowercase: bool = True,
        min_count: int = 1,
        valid_share: float = 0.1,
        epochs: int | None = None,
        batch_size: int | None = None,
        lr: float | None = None,
        patience: int | None = None,
        seed: int = 0,
        threads: int | None = None,
        device: str = "auto",
        training: Mapping[str, Any] | None = None,
    ):
        self.vectors, self.channels, self.embedding_size, self.more_words = (
            vectors,
            channels,
            embedding_size,
            more_words,
        )
        self.widths, self.maps, self.max_norm = widths, maps, max_norm
        self.dropout, self.dropout_input, self.word_dropout = dropout, dropout_input, word_dropout
        self.tokenizer, self.lowercase, self.min_count = tokenizer, lowercase, min_count
        self.valid_share, self.epochs, self.batch_size, self.lr = valid_share, epochs, batch_size, lr
        self.patience, self.seed, self.threads, self.device, self.training = patience, seed, threads, device, training

    def _network_settings(self, words: Words) -> Json:
        names = ("maps", "dropout", "dropout_input", "word_dropout", "max_norm")
        own = {name: getattr(self, name) for name in names}
        return {**own, "widths": list(self.widths), **self._of_vectors(words, usual=300)}


class RnnClassifier(NetworkClassifier):
    """An LSTM or a GRU that reads a text, in one direction or both, and a linear layer over what it has made of it.

    cell: lstm or gru. hidden_size, layers: of each direction. pooling: what is classified: the last state, the mean or
    the max of all, or the three together (concat). dropout: of that, and between layers; dropout_input: of word
    vectors, the same numbers of each word of a text; word_dropout: of words, which become ``<unk>``; weight_drop: of an
    LSTM's recurrent weights. embedding_size: of random word vectors.

    start: the directory of an LSTM or GRU language model of ours, from which come the way that text is cut, the words,
    their vectors, the sizes, and the weights of the layers that read forwards (Howard and Ruder 2018); ``tokenizer``,
    ``lowercase``, ``cell``, ``hidden_size``, ``layers`` and ``embedding_size`` then mean nothing. Word vectors from a
    file stand beside the language model's. The other options: see ``NetworkClassifier``.
    """

    kind: ClassVar[str] = "classify-rnn"
    network: ClassVar[str] = "rnn"
    usual: ClassVar[str] = "rnn-classifier"

    def __init__(
        self,
        *,
        vectors: str | Path | None = None,
        channels: str | None = None,
        embedding_size: int | None = None,
        more_words: int = 50_000,
        cell: str = "lstm",
        hidden_size: int = 100,
        layers: int = 1,
        bidirectional: bool = True,
        pooling: str = "concat",
        start: str | Path | None = None,
        dropout: float = 0.5,
        dropout_input: float = 0.3,
        word_dropout: float = 0.1,
        weight_drop: float = 0.0,
        tokenizer: str = "word",
        lowercase: bool = True,
        min_count: int = 1,
        valid_share: float = 0.1,
        epochs: int | None = None,
        batch_size: int | None = None,
        lr: float | None = None,
        patience: int | None = None,
        seed: int = 0,
        threads: int | None = None,
        device: str = "auto",
        training: Mapping[str, Any] | None = None,
    ):
        self.vectors, self.channels, self.embedding_size, self.more_words = (
            vectors,
            channels,
            embedding_size,
            more_words,
        )
        self.cell, self.hidden_size, self.layers, self.bidirectional = cell, hidden_size, layers, bidirectional
        self.pooling, self.start, self.weight_drop = pooling, start, weight_drop
        self.dropout, self.dropout_input, self.word_dropout = dropout, dropout_input, word_dropout
        self.tokenizer, self.lowercase, self.min_count = tokenizer, lowercase, min_count
        self.valid_share, self.epochs, self.batch_size, self.lr = valid_share, epochs, batch_size, lr
        self.patience, self.seed, self.threads, self.device, self.training = patience, seed, threads, device, training

    def _words(self, texts: Sequence[str]) -> Words:
        if self.start is None:
            self._started, self.first_ = None, BOS
            return super()._words(texts)
        self._started = model = open_language_model(self.start)
        self.pipeline_, self.first_ = model.pipeline, model.first
        return words_of(
            (tokens(model.pipeline, text) for text in texts),
            before=model.vocabulary.words,
            min_count=self.min_count,
            vectors=self.vectors,
            more=self.more_words,
            seed=self._training_settings().seed,
        )

    def _ids(self, texts: Sequence[str]) -> list[Array]:
        """The ids of each text with what comes before and after a sentence, (T + 2,)."""
        return [np.concatenate([[self.first_], ids, [EOS]]) for ids in super()._ids(texts)]

    def _network_settings(self, words: Words) -> Json:
        names = ("pooling", "dropout", "dropout_input", "word_dropout", "weight_drop")
        own = {name: getattr(self, name) for name in names} | {"both_ways": self.bidirectional}
        if self._started is None:
            sizes = [self.hidden_size] * self.layers
            return {**own, "cell": self.cell, "sizes": sizes, "started": 0, **self._of_vectors(words, usual=100)}
        of = self._started.network.settings
        beside = self._of_vectors(words, 0) if words.vectors is not None else {"embedding_size": 0}
        return {**own, "cell": of.cell, "sizes": of.sizes()[1:], "started": of.embedding_size, **beside}

    def _begin(self, words: Words) -> None:
        super()._begin(words)
        if self._started is not None:
            self.network_.start_from(self._started.network, unknown=UNK)
            self._started = None  # it is not needed again

    def _state(self) -> tuple[Json, dict[str, Array]]:
        known, arrays = super()._state()
        return {**known, "first": self.first_}, arrays

    def _restore(self, state: Json, arrays: dict[str, Array]) -> None:
        super()._restore(state, arrays)
        self.first_ = state["first"]
