"""Crossing arcs are found, and lifted away."""

import numpy as np
from hypothesis import given

from nextword.tasks.parse.projective import crossing, is_projective, lifted
from nextword.text.conllu import Sentence, Word, check_tree, read_conllu
from parse_trees import crosses, projective_trees, trees


@given(trees())
def test_a_tree_is_projective_if_no_arcs_cross(heads):
    assert is_projective(heads) == (not crosses(heads))


@given(projective_trees())
def test_projective_trees_stay_as_they_are(heads):
    assert not crosses(heads)
    assert lifted(heads) == heads


@given(trees(most=12))
def test_a_lifted_tree_is_a_tree_without_crossing_arcs_whose_heads_are_ancestors(heads):
    found = lifted(heads)
    check_tree(Sentence(tuple(Word("w", head=head) for head in found)))
    assert not crosses(found)
    for word, head in enumerate(found, 1):
        at = heads[word - 1]
        while at != head:  # ends: every way up ends at ROOT, 0, and a head that is no ancestor would loop beyond it
            assert at, f"{head} is not above {word}"
            at = heads[at - 1]


def test_the_shortest_arc_is_lifted_first():
    # Word 2 is the root; 3 → 1 passes over it, and 1 → 4 too, which is longer. Word 1 goes up to 2, then word 4 from 1
    # to 2. The other way round word 4 would have gone from 1 to 3 and stayed.
    assert crossing([3, 0, 2, 1]) == [1, 4]
    assert lifted([3, 0, 2, 1]) == [2, 0, 2, 2]


def test_a_treebank_is_lifted(shared):
    sentences = read_conllu(shared("data/ud-english-ewt/en_ewt-ud-train.conllu"))
    heads = [[word.head for word in sentence.words] for sentence in sentences]
    found = [row for row in heads if not is_projective(row)]
    assert (len(heads), len(found)) == (12544, 288)
    moved = [np.count_nonzero(np.array(row) != lifted(row)) for row in found]
    assert min(moved) >= 1
    assert all(is_projective(lifted(row)) for row in found)
