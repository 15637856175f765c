"""Arc-standard parsing: any choice makes a tree, the oracle makes the gold one, features are what they are called."""

import numpy as np
from hypothesis import given
from hypothesis import strategies as st

from nextword.tasks.parse.features import Trees, oracle_states
from nextword.tasks.parse.greedy import Grammar, parse
from nextword.tasks.parse.transitions import LABELS, LEFT_ARC, POSITIONS, RIGHT_ARC, SHIFT, Oracle, States, kind, label
from nextword.text.conllu import Sentence, Word, check_tree
from parse_trees import projective_trees

_LABELS = 3


def rows_of(heads, labels):
    """Heads and labels as the oracle takes them."""
    size = 1 + max(len(row) for row in heads)
    tables = [np.full((len(heads), size), -1, dtype=np.int32) for _ in range(2)]
    for table, rows in zip(tables, (heads, labels), strict=True):
        for i, row in enumerate(rows):
            table[i, 1 : 1 + len(row)] = row
    return tables


@st.composite
def labelled(draw):
    many = draw(st.lists(projective_trees(), min_size=1, max_size=4))
    return many, [[draw(st.integers(0, _LABELS - 1)) for _ in heads] for heads in many]


def test_transitions_are_numbered():
    transitions = np.array([0, 1, 2, 3, 4])
    assert kind(transitions).tolist() == [SHIFT, LEFT_ARC, RIGHT_ARC, LEFT_ARC, RIGHT_ARC]
    assert label(transitions).tolist() == [-1, 0, 0, 1, 1]


@given(labelled())
def test_the_oracle_builds_the_tree_it_is_given(given_trees):
    heads, labels = rows_of(*given_trees)
    states, oracle = States([len(row) for row in given_trees[0]]), Oracle(heads, labels)
    steps = np.zeros(len(heads), dtype=int)
    while len(rows := states.unfinished()):
        transitions = oracle.transitions(states, rows)
        allowed = states.allowed(rows)
        assert allowed[np.arange(len(rows)), kind(transitions)].all()
        states.advance(rows, transitions)
        steps[rows] += 1
    assert states.heads.tolist() == heads.tolist()
    assert states.labels.tolist() == labels.tolist()
    assert steps.tolist() == [2 * len(row) for row in given_trees[0]]


@given(labelled())
def test_states_are_learnt_sentence_by_sentence(given_trees):
    """Each sentence's states are those of a plain derivation with lists, whose children are looked up anew."""
    heads, labels = ([np.array([-1, *row]) for row in rows] for rows in given_trees)
    begins, words, arcs, transitions = oracle_states(Trees(heads, labels))
    assert begins.tolist() == np.cumsum([0, *(2 * len(row) for row in given_trees[0])]).tolist()
    assert words.shape[1:] == (POSITIONS,)
    assert arcs.shape[1:] == (LABELS,)
    for i, (row, names) in enumerate(zip(heads, labels, strict=True)):
        slow = list(derivation(row.tolist(), names.tolist()))
        at = slice(begins[i], begins[i + 1])
        fast = zip(words[at].tolist(), arcs[at].tolist(), transitions[at].tolist(), strict=True)
        assert list(fast) == slow


def derivation(heads, labels):
    """The slow twin: words, labels and transition of each state."""
    stack, buffer, found = [0], list(range(1, len(heads))), {}
    while buffer or len(stack) > 1:
        s1, s2 = stack[-1], stack[-2] if len(stack) > 1 else -1
        words = features(stack, buffer, found)
        arcs = [labels[word] if word > 0 else -1 for word in words[6:]]
        pending = any(heads[word] == s1 for word in buffer)
        if s2 > 0 and heads[s2] == s1:
            yield words, arcs, 1 + 2 * labels[s2]
            found[s2] = s1
            stack.pop(-2)
        elif s2 >= 0 and heads[s1] == s2 and not pending:
            yield words, arcs, 2 + 2 * labels[s1]
            found[s1] = s2
            stack.pop()
        else:
            yield words, arcs, 0
            stack.append(buffer.pop(0))


def features(stack, buffer, found):
    """Chen & Manning's eighteen words (2014, section 3.1), from arcs dependent → head."""

    def left(word, n=0):
        before = sorted(child for child, head in found.items() if head == word and child < word)
        return before[n] if n < len(before) else -1

    def right(word, n=0):
        after = sorted((child for child, head in found.items() if head == word and child > word), reverse=True)
        return after[n] if n < len(after) else -1

    top = [*stack[::-1], -1, -1, -1][:3]
    words = [*top, *[*buffer, -1, -1, -1][:3]]
    for word in top[:2]:
        words += [left(word), left(word, 1), right(word), right(word, 1), left(left(word)), right(right(word))]
    return words


@given(
    st.lists(st.integers(1, 9), min_size=1, max_size=4),
    st.lists(st.floats(width=32), min_size=1, max_size=60),
    st.sets(st.integers(0, _LABELS - 1)),
)
def test_whatever_is_scored_the_result_is_a_tree_with_one_root(lengths, numbers, root):
    """Scores of any value, infinite and undefined ones among them."""
    stream = np.array(numbers, dtype=np.float32)
    other = set(range(_LABELS)) - root
    asked = [0]

    def score(rows, words, labels):
        at = asked[0] + np.arange(len(rows) * (1 + 2 * _LABELS)).reshape(len(rows), -1)
        asked[0] += at.size
        return stream[at % len(stream)]

    for length, tree in zip(lengths, parse(lengths, score, Grammar(_LABELS, root=root, other=other)), strict=True):
        check_tree(Sentence(tuple(Word("w", head=int(head)) for head in tree.heads)))
        assert len(tree.transitions) == 2 * length
        for head, name in zip(tree.heads, tree.labels, strict=True):
            wanted = root if head == 0 else other
            assert not wanted or name in wanted


def test_the_best_allowed_transition_is_taken():
    grammar, states = Grammar(2, root=[1], other=[0]), States([2])
    rows, scores = states.unfinished(), np.array([[0.0, 9, 8, 7, 6]])
    taken = []
    while len(states.unfinished()):
        transition = grammar.best(states, rows, scores)
        states.advance(rows, transition)
        taken.append(int(transition[0]))
    assert taken == [0, 0, 1, 4]  # only SHIFT; only SHIFT; LEFT-ARC, label 0; from ROOT label 1 alone
