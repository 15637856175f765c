"""Greedy parsing: in every state the best transition that is allowed, in many sentences at once."""

from collections.abc import Callable, Collection, Iterator, Sequence
from typing import NamedTuple

import numpy as np

from nextword.tasks.parse.transitions import SHIFT, States, kind, label
from nextword.types import Array

Score = Callable[[Array, Array, Array], Array]  # rows (R,), words (R, 18), labels (R, 12) to scores (R, K)


class Parse(NamedTuple):
    """Heads and labels of a sentence's words, (T,) without ROOT, and the transitions that built them, (2 T,)."""

    heads: Array
    labels: Array
    transitions: Array


class Grammar:
    """Which transitions there are, and which labels an arc from ROOT may have: those of training, and no other arc."""

    def __init__(self, labels: int, *, root: Collection[int], other: Collection[int]):
        """labels: how many; root, other: those of arcs from ROOT and from words; where there are none, all."""
        transitions = np.arange(1 + 2 * labels)
        self.kinds = kind(transitions)
        of = label(transitions)
        self._root, self._other = (
            (self.kinds == SHIFT) | np.isin(of, list(some or range(labels))) for some in (root, other)
        )

    def best(self, states: States, rows: Array, scores: Array) -> Array:
        """The transition of the highest score, (R,), that each row is allowed; scores: (R, K), of any value."""
        allowed = states.allowed(rows)[:, self.kinds]
        allowed &= np.where(states.roots(rows)[:, None], self._root, self._other)
        finite = np.nan_to_num(np.asarray(scores, dtype=np.float32))
        found: Array = np.where(allowed, finite, -np.inf).argmax(axis=1)
        return found


def parse(lengths: Sequence[int], score: Score, grammar: Grammar) -> Iterator[Parse]:
    """Parse sentences of so many words side by side; every tree has one root.

    >>> shift_first = Grammar(2, root=[1], other=[0])
    >>> [tree] = parse([3], lambda rows, words, labels: np.array([[5, 4, 3, 2, 1]]), shift_first)
    >>> tree.heads.tolist(), tree.labels.tolist(), tree.transitions.tolist()
    ([3, 3, 0], [0, 0, 1], [0, 0, 0, 1, 1, 4])
    """
    states = States(np.asarray(lengths, dtype=np.int32))
    taken: list[tuple[Array, Array]] = []
    while len(rows := states.unfinished()):
        transitions = grammar.best(states, rows, score(rows, *states.configurations(rows)))
        states.advance(rows, transitions)
        taken.append((rows, transitions))
    steps = np.zeros((len(lengths), len(taken)), dtype=np.int32)
    for i, (rows, transitions) in enumerate(taken):
        steps[rows, i] = transitions
    for row, length in enumerate(lengths):
        end = length + 1
        yield Parse(states.heads[row, 1:end], states.labels[row, 1:end], steps[row, : 2 * length])
