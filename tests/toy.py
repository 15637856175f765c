"""Language models small enough to be checked by eye: the protocol in a page, twice.

``BigramTable`` is a sentence model whose state is the last id; ``DecayingVotes`` is a stream model whose state is a
vector that remembers every token it has read. Their fast paths are computed otherwise than by stepping.
"""

from collections.abc import Sequence
from typing import Literal

import numpy as np

from nextword.text.vocabulary import SPECIALS, Vocabulary
from nextword.types import Array, Float_BT, Float_BV, Ids_BT, Ids_R

UNK, BOS, EOS = 0, 1, 2


def toy_vocabulary(size: int = 6) -> Vocabulary:
    """``<unk>``, ``<s>``, ``</s>``, a, b, c, …: ``size`` in all."""
    return Vocabulary.from_words([*SPECIALS, *(chr(ord("a") + i) for i in range(size - 3))])


def random_table(size: int, seed: int = 0, concentration: float = 1.0) -> Array:
    """Log-probabilities of each id after each id, (V, V): Dirichlet rows over everything but ``<s>``."""
    rows = np.random.default_rng(seed).dirichlet(np.full(size - 1, concentration), size=size)
    with np.errstate(divide="ignore"):
        return np.log(np.insert(rows, BOS, 0.0, axis=1))


def log_table(probabilities: dict[int, dict[int, float]], size: int) -> Array:
    """Log-probabilities (V, V) from the rows that matter; a row not given ends the sentence."""
    table = np.zeros((size, size))
    table[:, EOS] = 1.0
    for row, entries in probabilities.items():
        table[row] = 0.0
        for token, probability in entries.items():
            table[row, token] = probability
    with np.errstate(divide="ignore"):
        return np.log(table)


class BigramTable:
    """p(w | the token before): state (B,) holds that token's id, which is ``<s>`` again after ``</s>``."""

    scope: Literal["sentence"] = "sentence"
    context_length: int | None = 1

    def __init__(
        self, table: Array | None = None, vocabulary: Vocabulary | None = None, *, size: int = 6, seed: int = 0
    ):
        self.table = random_table(size, seed) if table is None else table
        self.vocabulary = toy_vocabulary(len(self.table)) if vocabulary is None else vocabulary

    def start(self, batch: int) -> Array:
        return np.full(batch, BOS, dtype=np.int32)

    def log_probs(self, state: Array) -> Float_BV:
        return self.table[state]

    def advance(self, state: Array, tokens: Ids_BT) -> Array:
        for column in tokens.T:
            state = np.where(column < 0, state, np.where(column == EOS, BOS, column))
        return state

    def select(self, state: Array, rows: Ids_R) -> Array:
        return state[rows]

    def join(self, states: Sequence[Array]) -> Array:
        return np.concatenate(states)

    def token_log_probs(self, tokens: Ids_BT, state: Array | None = None) -> tuple[Float_BT, Array]:
        first = self.start(len(tokens)) if state is None else state
        before = np.concatenate([first[:, None], tokens], axis=1)
        before[before == EOS] = BOS
        scores = np.where(tokens < 0, 0.0, self.table[before[:, :-1], tokens])
        return scores, before[np.arange(len(tokens)), (tokens >= 0).sum(axis=1)]


class DecayingVotes:
    """Each token read so far votes for the next with its row of a bigram table, by a weight that halves at each step.

    State (B, V): the weight of each id; ``</s>`` is read like any token, and starts it all.
    """

    scope: Literal["stream"] = "stream"
    context_length: int | None = None

    def __init__(
        self, table: Array | None = None, vocabulary: Vocabulary | None = None, *, size: int = 6, seed: int = 0
    ):
        self.table = random_table(size, seed) if table is None else table
        self.vocabulary = toy_vocabulary(len(self.table)) if vocabulary is None else vocabulary
        self.decay = 0.5

    def start(self, batch: int) -> Array:
        return np.tile(self._one_hot(np.array([EOS])), (batch, 1))

    def log_probs(self, state: Array) -> Float_BV:
        votes = np.einsum("...u,uv->...v", state, np.exp(self.table))
        with np.errstate(divide="ignore"):
            return np.log(votes / state.sum(axis=-1, keepdims=True))

    def advance(self, state: Array, tokens: Ids_BT) -> Array:
        for column in tokens.T:
            state = np.where(column[:, None] < 0, state, self.decay * state + self._one_hot(column))
        return state

    def select(self, state: Array, rows: Ids_R) -> Array:
        return state[rows]

    def join(self, states: Sequence[Array]) -> Array:
        return np.concatenate(states)

    def token_log_probs(self, tokens: Ids_BT, state: Array | None = None) -> tuple[Float_BT, Array]:
        batch, time = tokens.shape
        first = self.start(batch) if state is None else state
        age = np.arange(time + 1)[:, None] - 1 - np.arange(time)  # of token u when t have been read, (T + 1, T)
        weight = np.where(age >= 0, self.decay ** np.maximum(age, 0), 0.0)
        states = np.einsum("tu,buv->btv", weight, self._one_hot(tokens))
        states += self.decay ** np.arange(time + 1)[None, :, None] * first[:, None]
        scores = np.take_along_axis(self.log_probs(states[:, :-1]), np.maximum(tokens, 0)[:, :, None], axis=2)[:, :, 0]
        return np.where(tokens < 0, 0.0, scores), states[np.arange(batch), (tokens >= 0).sum(axis=1)]

    def _one_hot(self, tokens: Array) -> Array:
        return np.eye(len(self.vocabulary))[tokens]
