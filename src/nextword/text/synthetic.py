"""Sources of text whose true entropy is known, so that a perplexity can be held against the least there is.

A source is a machine of finitely many states in which the state and the word emitted give the next state (Shannon
1948, section 7). Then its entropy is exact: that of each state's row, weighted by how often the state is visited.
Shapes: S states, A words; column A of a row is the sentence's end.
"""

from collections.abc import Iterable, Iterator, Sequence
from functools import cached_property
from typing import NamedTuple

import numpy as np
from numba import njit

from nextword.errors import UsageError
from nextword.text.vocabulary import SPECIALS, Vocabulary
from nextword.types import Array, Float_T, Float_V, Ids_BT, Ids_T

_MOST_STATES = 4096  # the stationary distribution solves S equations in S unknowns
_MOST_CELLS = 2**22  # histories times words, enumerated
_LEAST_END = 1e-12  # sentences longer than the inverse of this do not end


class Histories(NamedTuple):
    """Every sequence of T words that can be what a model remembers, and what comes next.

    words: (B, T) indices of words, A for ``</s>``. joint: (B, A + 1), the probability that a token drawn from a long
    text has this history and is that word; over all lengths T it sums to 1.
    """

    words: Ids_BT
    joint: Array


class Source:
    """A random source of sentences, or of one endless stream, with its exact entropy.

    >>> coin = Source(["heads", "tails"], [[0.25, 0.25, 0.5]], [[0, 0, 0]], start=0)
    >>> round(coin.perplexity(), 6), coin.sample(6, seed=0)  # 1.5 bits a token
    (2.828427, ['', 'tails heads heads', ''])
    """

    def __init__(self, words: Sequence[str], probabilities: Array, successors: Array, *, start: int | None):
        """probabilities: (S, A + 1), rows that sum to 1; successors: (S, A + 1), the state each word leads to.

        start: the state of a sentence's beginning, or None for a stream, whose last column is zero. Raises UsageError
        if they do not fit together, VocabularyError if a word is there twice.
        """
        self.words = tuple(words)
        self.vocabulary = Vocabulary.from_words([*SPECIALS, *words])
        self.probabilities: Array = np.array(probabilities, dtype=np.float64)
        self.successors: Array = np.array(successors, dtype=np.int64)
        self.start = start
        self._check()
        if start is not None:
            self.successors[:, -1] = start

    def _check(self) -> None:
        split = [word for word in self.words if word.split() != [word]]
        if split:
            raise UsageError(f"the word {split[0]!r} is empty or has a space in it, so a text of words cannot show it")
        shape = (len(self.probabilities), len(self.words) + 1)
        if self.probabilities.shape != shape or self.successors.shape != shape:
            raise UsageError(
                f"a source of {len(self.words)} words has tables (S, {shape[1]}), </s> last; "
                f"got {self.probabilities.shape} and {self.successors.shape}"
            )
        _check_states(shape[0])
        if (self.probabilities < 0).any() or not np.allclose(self.probabilities.sum(axis=1), 1, rtol=0, atol=1e-9):
            raise UsageError("each row of a source's probabilities must sum to 1, with none below 0")
        states = np.append(self.successors, self.start or 0)
        if states.min() < 0 or states.max() >= shape[0]:
            raise UsageError(f"a source's start and successors must be states, 0 to {shape[0] - 1}")
        if self.start is None and self.probabilities[:, -1].any():
            raise UsageError("a stream has no sentence end: its last column must be 0, or give a start state")

    @cached_property
    def stationary(self) -> Float_V:
        """How often each state is where the next token comes from, (S,), sum 1.

        With sentences these are the expected visits per sentence over its expected length: ``</s>`` leads back to the
        start, so that the text is a renewal process.
        """
        size = len(self.probabilities)
        moves = np.zeros((size, size))
        np.add.at(moves, (np.arange(size)[:, None], self.successors), self.probabilities)
        balance = moves.T - np.eye(size)
        balance[-1] = 1.0
        try:
            visits = np.maximum(np.linalg.solve(balance, np.eye(size)[-1]), 0.0)
        except np.linalg.LinAlgError:
            raise UsageError("the source falls into parts that never meet, so it has no one entropy") from None
        if self.start is not None and visits @ self.probabilities[:, -1] < _LEAST_END:
            raise UsageError("the source's sentences never end: some state must lead to </s>")
        shares: Float_V = visits / visits.sum()
        return shares

    def entropy_rate(self) -> float:
        """Entropy per token, ``</s>`` counted, in nats: no model of this source has a lower cross-entropy."""
        return float(self.stationary @ _entropies(self.probabilities))

    def perplexity(self) -> float:
        """The least perplexity that a model of this source can have, exp of its entropy."""
        return float(np.exp(self.entropy_rate()))

    def ngram_entropy(self, order: int) -> float:
        """The least cross-entropy, nats per token, if only the last ``order`` - 1 tokens of the sentence are seen."""
        if order < 1:
            raise UsageError(f"order={order}: expected 1 or more")
        return float(sum(_conditional_entropy(h.joint) for h in self.histories(order - 1)))

    def ngram_perplexity(self, order: int) -> float:
        """The least perplexity that an n-gram model of that order can have on this source."""
        return float(np.exp(self.ngram_entropy(order)))

    def sample(self, tokens: int, *, seed: int) -> list[str]:
        """Lines of text: whole sentences with at least ``tokens`` tokens, ``</s>`` counted; a stream is one line.

        A stream begins in a state drawn from the stationary distribution. The same seed gives the same text.
        """
        if tokens < 0:
            raise UsageError(f"tokens={tokens}: expected 0 or more")
        random, visits = np.random.default_rng(seed), self.stationary
        cumulative = self.probabilities.cumsum(axis=1)
        cumulative[cumulative >= cumulative[:, -1:]] = np.inf  # a draw never falls past the last possible word
        state = int(random.choice(len(visits), p=visits)) if self.start is None else self.start
        walked, state = _walk(cumulative, self.successors, state, random.random(tokens))
        if self.start is None:
            return [" ".join(self.words[i] for i in walked)]
        end, parts = len(self.words), [walked]
        while len(parts[-1]) and parts[-1][-1] != end:
            more, state = _walk(cumulative, self.successors, state, random.random(100))
            ends = np.flatnonzero(more == end)
            parts.append(more[: ends[0] + 1] if len(ends) else more)
        pieces = [*(word + " " for word in self.words), "\n"]
        text = "".join([pieces[i] for part in parts for i in part.tolist()])
        return text.replace(" \n", "\n").split("\n")[:-1]

    def log_prob(self, lines: Iterable[str]) -> float:
        """Log-probability of ``lines`` in nats, each with its ``</s>`` unless this is a stream; -inf if impossible."""
        index = {word: i for i, word in enumerate(self.words)}
        total = 0.0
        for line in lines:
            symbols = [index.get(word, -1) for word in line.split()]
            total += self._line(symbols if self.start is None else [*symbols, len(self.words)])
        return total

    def _line(self, symbols: list[int]) -> float:
        """The forward algorithm: at first a stream may be in any state."""
        size = len(self.probabilities)
        belief = self.stationary if self.start is None else np.eye(size)[self.start]
        total = 0.0
        for symbol in symbols:
            joint = belief * self.probabilities[:, symbol] if symbol >= 0 else np.zeros(size)
            if not joint.any():
                return -np.inf
            total += float(np.log(joint.sum()))
            belief = np.bincount(self.successors[:, symbol], weights=joint / joint.sum(), minlength=size)
        return total

    def histories(self, length: int | None, *, across: bool = False) -> Iterator[Histories]:
        """What a model that sees the last ``length`` tokens may have seen, shortest first.

        Histories begin at the sentence's start, so those of its first words are shorter; with ``across`` all have
        ``length`` tokens, ``</s>`` among them. length None: all that was said in the sentence, which must end.
        Raises UsageError if there are too many to enumerate.
        """
        if length is None and (self.start is None or across):
            raise UsageError("all that came before is endless here; give the number of tokens that the model sees")
        if self.start is not None and not across:
            begins = self.stationary @ self.probabilities[:, -1:]  # as many sentences begin as end
            yield from self._grown(_Entries(np.zeros(1, np.int64), np.array([self.start]), begins), 0, length, across)
        if length is not None:
            size = len(self.stationary)
            anywhere = _Entries(np.zeros(size, np.int64), np.arange(size), self.stationary)
            yield from self._grown(anywhere, length, length + 1, across)

    def _grown(self, entries: "_Entries", begin: int, end: int | None, across: bool) -> Iterator[Histories]:
        """Histories of lengths ``begin`` to ``end`` - 1 that grow from ``entries``, which are of length 0."""
        reach = 0
        while (end is None or reach < end) and len(entries.codes):
            if reach >= begin:
                yield self._histories(entries, reach)
            reach += 1
            if reach != end:
                entries = self._extended(entries, len(self.words) + across, reach)

    def _extended(self, entries: "_Entries", symbols: int, length: int) -> "_Entries":
        """One more word on each history; entries that agree in history and state are one."""
        base, size = len(self.words) + 1, len(self.probabilities)
        if base**length * size < 2**62:  # a code and a state in one int64
            weights = (entries.weights[:, None] * self.probabilities[entries.states, :symbols]).ravel()
            codes = (entries.codes[:, None] * base + np.arange(symbols)).ravel()
            keys = (codes * size + self.successors[entries.states, :symbols].ravel())[weights > 0]
            keys, place = np.unique(keys, return_inverse=True)
            if len(keys) * base <= _MOST_CELLS:
                merged = np.bincount(place, weights=weights[weights > 0], minlength=len(keys))
                return _Entries(keys // size, keys % size, merged)
        raise UsageError(
            f"too many histories of {length} tokens over {base - 1} words to enumerate; "
            "take a model that sees fewer, or a source of fewer words"
        )

    def _histories(self, entries: "_Entries", length: int) -> Histories:
        codes, place = np.unique(entries.codes, return_inverse=True)
        joint = np.zeros((len(codes), len(self.words) + 1))
        np.add.at(joint, place, entries.weights[:, None] * self.probabilities[entries.states])
        places = (len(self.words) + 1) ** np.arange(length)[::-1]
        return Histories(((codes[:, None] // places) % (len(self.words) + 1)).astype(np.int32), joint)


class _Entries(NamedTuple):
    """A history as a number in base A + 1, the state it led to, and the probability of both, (N,) each."""

    codes: Array
    states: Array
    weights: Array


class MarkovSource(Source):
    """A Markov chain of an order over words, its transitions drawn from a Dirichlet distribution.

    >>> MarkovSource(["a", "b"], order=1).probabilities.shape  # after nothing, a and b: a, b and </s>
    (3, 3)
    """

    def __init__(
        self,
        words: int | Sequence[str],
        *,
        order: int = 1,
        end: float | None = 0.1,
        concentration: float = 1.0,
        seed: int = 0,
    ):
        """words: how many, or which. order: the number of words before that the next depends on.

        end: the probability that the sentence is over, after each of its words (at order 0 before the first, too);
        None for a stream. concentration: of the symmetric Dirichlet; small ones make the next word sure.
        """
        names = [f"w{i}" for i in range(words)] if isinstance(words, int) else list(words)
        if not names or order < 0:
            raise UsageError(
                f"a Markov source of {len(names)} words and order {order}: expected 1 word and order 0 or more"
            )
        if end is not None and not 0 < end <= 1:
            raise UsageError(f"end={end}: expected a probability above 0 and at most 1, or None for a stream")
        if concentration <= 0:
            raise UsageError(f"concentration={concentration}: expected a number above 0")
        shortest = order if end is None else 0
        states = sum(len(names) ** length for length in range(shortest, order + 1))
        _check_states(states)
        rows = np.random.default_rng(seed).dirichlet(np.full(len(names), concentration), size=states)
        ends = np.full(states, 0.0 if end is None else end)
        if end is not None and order > 0:
            ends[0] = 0.0  # state 0 has read nothing
        probabilities = np.concatenate([rows * (1 - ends)[:, None], ends[:, None]], axis=1)
        start = None if end is None else 0
        super().__init__(names, probabilities, _successors(len(names), shortest, order), start=start)
        self.order = order


class AgreementGrammar(Source):
    """Subject, ``distance`` fillers, and a verb that must agree with the subject in number.

    Each place has ``words`` words of its own, equally likely, so a model always knows which place is next, and the
    number is all that there is to remember: a model that sees no more than ``distance`` tokens cannot know it.

    >>> AgreementGrammar(distance=2, words=1).sample(10, seed=1)
    ['subjects0 far0.0 far1.0 run0', 'subject0 far0.0 far1.0 runs0']
    """

    def __init__(self, *, distance: int = 4, words: int = 3, plural: float = 0.5):
        """plural: the probability that the subject, and so the verb, is plural."""
        if distance < 0 or words < 1 or not 0 <= plural <= 1:
            raise UsageError(
                f"distance={distance}, words={words}, plural={plural}: "
                "expected 0 or more, 1 or more, and a probability from 0 to 1"
            )
        _check_states(2 * distance + 4)
        stems = ["subject", "subjects", *(f"far{i}." for i in range(distance)), "runs", "run"]
        names = [f"{stem}{i}" for stem in stems for i in range(words)]
        # state 0 begins; state 1 + 2 * place + number has read ``place`` fillers; the last one has read the verb
        last = 2 * distance + 3
        arcs = [(0, 0, 1, 1 - plural), (0, 1, 2, plural)]  # state, stem, next state, probability
        for number in (0, 1):
            arcs += [(1 + 2 * i + number, 2 + i, 3 + 2 * i + number, 1.0) for i in range(distance)]
            arcs += [(last - 2 + number, 2 + distance + number, last, 1.0)]
        probabilities = np.zeros((last + 1, len(names) + 1))
        successors = np.zeros(probabilities.shape, dtype=np.int64)
        for state, stem, following, probability in arcs:
            columns = slice(stem * words, (stem + 1) * words)
            probabilities[state, columns] = probability / words
            successors[state, columns] = following
        probabilities[last, -1] = 1.0
        super().__init__(names, probabilities, successors, start=0)
        self.distance = distance


def _check_states(states: int) -> None:
    if states > _MOST_STATES:
        raise UsageError(f"a source of {states:,} states: at most {_MOST_STATES:,}; make it smaller")


def _successors(words: int, shortest: int, order: int) -> Array:
    """Where each word leads from contexts of ``shortest`` to ``order`` words, by length and then in base ``words``."""
    sizes = [words**length for length in range(shortest, order + 1)]
    begins = np.concatenate([[0], np.cumsum(sizes)])
    parts = []
    for i, size in enumerate(sizes):
        longer = np.arange(size)[:, None] * words + np.arange(words)
        full = i == len(sizes) - 1
        parts.append(begins[i] + longer % size if full else begins[i + 1] + longer)
    table = np.concatenate(parts)
    return np.concatenate([table, np.zeros((len(table), 1), dtype=table.dtype)], axis=1)


def _entropies(probabilities: Array) -> Float_T:
    """Entropy of each row in nats."""
    logs = np.log(probabilities, out=np.zeros_like(probabilities), where=probabilities > 0)
    entropy: Float_T = -(probabilities * logs).sum(axis=1)
    return entropy


def _conditional_entropy(joint: Array) -> float:
    """Entropy in nats of the column given the row, times the sum of ``joint``."""
    rows = joint.sum(axis=1)
    return float(rows @ _entropies(joint / rows[:, None]))


@njit(cache=True, nogil=True)
def _walk(cumulative: Array, successors: Array, state: int, uniforms: Array) -> tuple[Ids_T, int]:
    """Emit a word for each of ``uniforms``; returns them and the state after."""
    emitted = np.empty(len(uniforms), dtype=np.int32)
    for t in range(len(uniforms)):
        emitted[t] = np.searchsorted(cumulative[state], uniforms[t], side="right")
        state = successors[state, emitted[t]]
    return emitted, state
