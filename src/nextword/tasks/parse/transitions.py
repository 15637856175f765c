"""The arc-standard transition system (Nivre 2004), for many sentences side by side, and its static oracle.

A state is a stack, a buffer and arcs. Words are numbered from 1; 0 is ROOT, which lies at the bottom of the stack. With
s2 below s1 on top of the stack:

    SHIFT       the buffer's first word goes onto the stack
    LEFT-ARC    s1 → s2, and s2 leaves the stack
    RIGHT-ARC   s2 → s1, and s1 leaves the stack

LEFT-ARC never takes ROOT, and RIGHT-ARC from ROOT waits until the buffer is empty: then n words take 2n transitions,
some transition is always allowed until the end, and whichever are chosen, the arcs are a tree with one root. Only
projective trees, whose arcs do not cross, can be built.

Transitions are numbers: 0 is SHIFT, 1 + 2l LEFT-ARC and 2 + 2l RIGHT-ARC with label l. Shapes: B sentences, R rows of
them, T words of the longest and ROOT.
"""

import numpy as np
from numba import njit

from nextword.types import Array

SHIFT, LEFT_ARC, RIGHT_ARC = range(3)
NAMES = ("SHIFT", "LEFT-ARC", "RIGHT-ARC")
ROOT, NONE = 0, -1
POSITIONS, LABELS = 18, 12  # in a configuration
_LEFTMOST, _LEFT, _RIGHTMOST, _RIGHT = range(4)  # the first and second child from the left, from the right


def kind(transitions: Array) -> Array:
    """SHIFT, LEFT_ARC or RIGHT_ARC of transitions of any shape."""
    return np.where(transitions == 0, SHIFT, 1 + (transitions - 1) % 2)


def label(transitions: Array) -> Array:
    """The label of each arc; NONE of SHIFT."""
    return np.where(transitions == 0, NONE, (transitions - 1) // 2)


class States:
    """B sentences that are being parsed.

    heads, labels: (B, T) int32, NONE where there is no arc yet. children: (B, T, 4), of each word so far.

    >>> states = States([2])
    >>> rows = states.unfinished()
    >>> for transition in (0, 0, 1 + 2 * 5, 2 + 2 * 7):  # the second word is the head of the first, ROOT that of it
    ...     states.advance(rows, np.array([transition]))
    >>> states.heads.tolist(), states.labels.tolist(), len(states.unfinished())
    ([[-1, 2, 0]], [[-1, 5, 7]], 0)
    """

    def __init__(self, lengths: Array | list[int]):
        """lengths: words of each sentence, (B,), ROOT not counted."""
        self.lengths = np.asarray(lengths, dtype=np.int32)
        shape = (len(self.lengths), 1 + int(self.lengths.max(initial=0)))
        self.stack = np.zeros(shape, dtype=np.int32)
        self.depth = np.ones(len(self.lengths), dtype=np.int32)
        self.front = np.ones(len(self.lengths), dtype=np.int32)  # the buffer's first word
        self.heads = np.full(shape, NONE, dtype=np.int32)
        self.labels = np.full(shape, NONE, dtype=np.int32)
        self.children = np.full((*shape, 4), NONE, dtype=np.int32)

    def unfinished(self) -> Array:
        """The sentences whose words do not all have heads, (R,)."""
        return np.flatnonzero((self.front <= self.lengths) | (self.depth > 1))

    def advance(self, rows: Array, transitions: Array) -> None:
        """Take a transition, (R,), in each of the rows, (R,). They must be allowed."""
        _advance(rows, transitions, self.stack, self.depth, self.front, self.heads, self.labels, self.children)

    def allowed(self, rows: Array) -> Array:
        """Which kinds of transition each row may take, (R, 3) bool."""
        some, depth = self.front[rows] <= self.lengths[rows], self.depth[rows]
        return np.stack([some, depth > 2, (depth > 2) | (~some & (depth == 2))], axis=1)

    def roots(self, rows: Array) -> Array:
        """Whether an arc would come from ROOT, (R,) bool."""
        found: Array = self.depth[rows] == 2
        return found

    def configurations(self, rows: Array) -> tuple[Array, Array]:
        """What a network looks at, as Chen & Manning (2014) chose it: words, (R, 18), and labels of arcs, (R, 12).

        Words: s1 s2 s3 b1 b2 b3 of stack and buffer; of s1, then of s2: the first and second child from the left and
        from the right, the leftmost child's leftmost and the rightmost's rightmost. Labels: of those twelve. NONE is
        what is not there; ROOT has no label.
        """
        words = np.empty((len(rows), POSITIONS), dtype=np.int32)
        labels = np.empty((len(rows), LABELS), dtype=np.int32)
        state = (self.stack, self.depth, self.front, self.lengths, self.labels, self.children)
        _configurations(rows, *state, words, labels)
        return words, labels


class Oracle:
    """Which transition leads to a gold tree: an arc as soon as its dependent has all of its own, LEFT-ARC first."""

    def __init__(self, heads: Array, labels: Array):
        """heads, labels: (B, T) of projective trees, that of ROOT and of padding NONE."""
        self.heads, self.labels = heads, labels
        self._last = np.full(heads.shape, NONE, dtype=np.int32)  # the last child of each word
        for i in range(1, heads.shape[1]):
            rows = np.flatnonzero(heads[:, i] >= 0)
            self._last[rows, heads[rows, i]] = i

    def transitions(self, states: States, rows: Array) -> Array:
        """The next transition of each of the rows, (R,); NONE where the gold tree cannot be reached any more."""
        depth, front = states.depth[rows], states.front[rows]
        top = states.stack[rows, depth - 1]
        below = np.where(depth > 1, states.stack[rows, depth - 2], NONE)
        left = (below > ROOT) & (self.heads[rows, below] == top)
        right = (below >= ROOT) & (self.heads[rows, top] == below) & (self._last[rows, top] < front)
        arcs = np.where(left, 1 + 2 * self.labels[rows, below], 2 + 2 * self.labels[rows, top])
        shift = np.where(front <= states.lengths[rows], 0, NONE)
        return np.where(left | right, arcs, shift)


@njit(cache=True, nogil=True)
def _advance(
    rows: Array, transitions: Array, stack: Array, depth: Array, front: Array, heads: Array, labels: Array,
    children: Array,
) -> None:  # fmt: skip
    for i in range(len(rows)):
        row, transition = rows[i], transitions[i]
        top = depth[row]
        if transition == 0:
            stack[row, top] = front[row]
            depth[row] += 1
            front[row] += 1
            continue
        s1, s2 = stack[row, top - 1], stack[row, top - 2]
        left = transition % 2 == 1
        head, child, outer = (s1, s2, _LEFTMOST) if left else (s2, s1, _RIGHTMOST)
        heads[row, child], labels[row, child] = head, (transition - 1) // 2
        # children come from the inside out: the newest is the outermost
        children[row, head, outer + 1] = children[row, head, outer]
        children[row, head, outer] = child
        stack[row, top - 2] = head
        depth[row] -= 1


@njit(cache=True, nogil=True)
def _configurations(
    rows: Array, stack: Array, depth: Array, front: Array, lengths: Array, labels: Array, children: Array,
    words: Array, found_labels: Array,
) -> None:  # fmt: skip
    for i in range(len(rows)):
        row = rows[i]
        for j in range(3):
            words[i, j] = stack[row, depth[row] - 1 - j] if j < depth[row] else NONE
            words[i, 3 + j] = front[row] + j if front[row] + j <= lengths[row] else NONE
        for j in range(2):
            word, at = words[i, j], 6 + 6 * j
            for k in range(4):
                words[i, at + k] = children[row, word, k] if word >= 0 else NONE
            for k in range(2):
                outer = words[i, at + 2 * k]
                words[i, at + 4 + k] = children[row, outer, 2 * k] if outer >= 0 else NONE
        for j in range(LABELS):
            word = words[i, 6 + j]
            found_labels[i, j] = labels[row, word] if word >= 0 else NONE
