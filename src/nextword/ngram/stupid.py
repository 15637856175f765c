"""Stupid backoff (Brants et al. 2007, eq. 5): relative frequencies, and a factor of 0.4 for each word given up."""

from typing import ClassVar

import numpy as np

from nextword.ngram.backoff import BackoffModel
from nextword.ngram.history import rows_as_stream, sentences_as_stream
from nextword.text.vocabulary import Vocabulary
from nextword.types import Array, Float_BT, Float_T, Ids_BT, Ids_T, Json

ALPHA = 0.4


class StupidBackoff:
    """A Scorer: S(w given h) = c(hw) / c(h) if hw was seen, otherwise 0.4 · S(w given h'). Scores do not sum to 1."""

    kind: ClassVar[str] = "stupid-backoff"

    def __init__(self, table: BackoffModel):
        """table: relative frequencies of all n-grams, every back-off weight 1."""
        self._table = table
        self.vocabulary, self.order, self.details = table.vocabulary, table.order, table.details
        self.context_length = table.context_length

    def token_log_probs(self, tokens: Ids_BT, state: Ids_BT | None = None) -> tuple[Float_BT, Ids_BT]:
        """Log of each token's score, (B, T), and the state after; -inf for a word that was never seen."""
        before = self._table.start(len(tokens)) if state is None else state
        stream = rows_as_stream(before, tokens)
        scores = self._score(stream.ravel()).reshape(stream.shape)
        return scores[:, 1 + before.shape[1] :], self._table.advance(before, tokens)

    def stream_log_probs(self, ids: Ids_T) -> Float_T:
        """As ``BackoffModel.stream_log_probs``: the log score of each token of whole sentences, (T,)."""
        return self._score(sentences_as_stream(ids, self._table.eos))[1:]

    def _score(self, stream: Ids_T) -> Float_T:
        scores, found = self._table.score_stream(stream)
        # given up: the context there was, less the context of the longest n-gram found
        words = np.arange(len(stream))
        barrier = np.maximum.accumulate(np.where(stream == self._table.eos, words, -1))
        start = np.maximum.accumulate(np.where((stream == self._table.bos) | (stream < 0), words, -1))
        begin = np.maximum(np.roll(barrier, 1), np.roll(start + (stream < 0), 1))
        begin[0] = 0
        context = np.minimum(words - begin, self.context_length)
        return np.where(stream < 0, 0.0, scores + np.log(ALPHA) * (context - found + 1))

    def __len__(self) -> int:
        return len(self._table)

    def counts(self) -> list[int]:
        """N-grams per order."""
        return self._table.counts()

    def parameters(self) -> Json:
        """What ``from_arrays`` needs beside the arrays, to be stored."""
        return self._table.parameters()

    def arrays(self) -> dict[str, Array]:
        """The table's arrays, to be stored."""
        return self._table.arrays()

    @classmethod
    def from_arrays(cls, parameters: Json, arrays: dict[str, Array], vocabulary: Vocabulary) -> "StupidBackoff":
        """A scorer over stored arrays."""
        return cls(BackoffModel.from_arrays(parameters, arrays, vocabulary))
