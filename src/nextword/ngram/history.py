"""What every n-gram language model does alike: its state is the last words, and it scores streams of ids."""

from abc import ABC, abstractmethod
from collections.abc import Sequence
from typing import Literal

import numpy as np

from nextword.errors import VocabularyError
from nextword.ngram import kernels
from nextword.text.vocabulary import Vocabulary
from nextword.types import Array, Float_BT, Float_BV, Float_T, Ids_BT, Ids_R, Ids_T


class HistoryModel(ABC):
    """A sentence model whose state is the last ``order - 1`` ids; a subclass looks its n-grams up."""

    scope: Literal["sentence"] = "sentence"
    vocabulary: Vocabulary
    order: int
    context_length: int
    bos: int
    eos: int

    @abstractmethod
    def _score(self, stream: Ids_T, out: Float_T, found: Array) -> None:
        """What ``score_stream`` returns, of ids that are in the vocabulary."""

    @abstractmethod
    def _distributions(self, contexts: Ids_BT, out: Float_BV) -> None:
        """What ``log_probs`` returns, of ids that are in the vocabulary."""

    @abstractmethod
    def counts(self) -> list[int]:
        """N-grams per order."""

    def __repr__(self) -> str:
        return f"{type(self).__name__}(order={self.order}, {len(self.vocabulary):,} words, {len(self):,} n-grams)"

    def __len__(self) -> int:
        return sum(self.counts())

    def start(self, batch: int) -> Ids_BT:
        """(B, order - 1) ids: ``<s>`` last, -1 before it."""
        state = np.full((batch, self.context_length), -1, dtype=np.int32)
        state[:, -1:] = self.bos
        return state

    def log_probs(self, state: Ids_BT) -> Float_BV:
        """Log-probabilities of every next word, (B, V) nats; ``<s>`` has -inf."""
        self._check_ids(state)
        out = np.empty((len(state), len(self.vocabulary)), dtype=np.float64)
        self._distributions(np.ascontiguousarray(state, dtype=np.int32), out)
        return out

    def advance(self, state: Ids_BT, tokens: Ids_BT) -> Ids_BT:
        """The last ``order - 1`` ids after reading (B, T) more; ``</s>`` returns to the state after ``<s>``."""
        self._check_ids(tokens)
        history = np.concatenate([state, tokens], axis=1).astype(np.int32)
        return np.asarray(kernels.last_context(history, self.context_length, self.bos, self.eos))

    def select(self, state: Ids_BT, rows: Ids_R) -> Ids_BT:
        """Rows of the state, reordered or repeated."""
        return np.asarray(state[rows])

    def join(self, states: Sequence[Ids_BT]) -> Ids_BT:
        """The rows of all the states, in order."""
        return np.concatenate(states)

    def token_log_probs(self, tokens: Ids_BT, state: Ids_BT | None = None) -> tuple[Float_BT, Ids_BT]:
        """Log-probability of each token in its row, (B, T) nats, and the state after; -1 scores 0."""
        before = self.start(len(tokens)) if state is None else state
        stream = rows_as_stream(before, tokens)
        scores, _ = self.score_stream(stream.ravel())
        return scores.reshape(stream.shape)[:, 1 + before.shape[1] :], self.advance(before, tokens)

    def stream_log_probs(self, ids: Ids_T) -> Float_T:
        """Log-probability of each token of whole sentences end to end, (T,) nats; the fast door for long texts.

        ids: (T,), ``</s>`` at the end of each sentence and no ``<s>``, as ``Vocabulary.encode`` gives them.
        """
        return self.score_stream(sentences_as_stream(ids, self.eos))[0][1:]

    def score_stream(self, stream: Ids_T) -> tuple[Float_T, Array]:
        """Log-probability of each id given those before it, (T,) nats, and the order of the longest n-gram found there.

        A context reaches back to the last ``</s>``, which stands for the ``<s>`` after it, to ``<s>``, or to a -1.
        ``<s>`` scores -inf and -1 scores 0. Raises VocabularyError for an id beyond the vocabulary.
        """
        self._check_ids(stream)
        out, found = np.empty(len(stream), dtype=np.float64), np.empty(len(stream), dtype=np.int16)
        self._score(stream, out, found)
        return out, found

    def _check_ids(self, tokens: Ids_BT) -> None:
        if tokens.size and not -1 <= tokens.min() <= tokens.max() < len(self.vocabulary):
            wrong = tokens[(tokens < -1) | (tokens >= len(self.vocabulary))][0]
            raise VocabularyError(f"id {wrong} is not in the vocabulary, whose ids are 0 to {len(self.vocabulary) - 1}")


def rows_as_stream(state: Ids_BT, tokens: Ids_BT) -> Ids_BT:
    """What ``score_stream`` reads for rows that are in ``state``: (B, 1 + order - 1 + T), a -1 before each row."""
    barrier = np.full((len(tokens), 1), -1, dtype=np.int32)
    return np.concatenate([barrier, state, tokens], axis=1).astype(np.int32)


def sentences_as_stream(ids: Ids_T, eos: int) -> Ids_T:
    """What ``score_stream`` reads for whole sentences end to end: (1 + T,), ``</s>`` before the first."""
    stream = np.empty(len(ids) + 1, dtype=np.int32)
    stream[0], stream[1:] = eos, ids
    return stream
