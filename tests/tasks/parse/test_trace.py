"""Derivations as the lectures show them."""

import pytest

from nextword.errors import TextError, UsageError
from nextword.tasks.parse.trace import HEADER, gold_transitions, steps
from nextword.tasks.parse.transitions import LEFT_ARC, RIGHT_ARC, SHIFT
from parse_trees import SAW, sentence

# The lecture's table, to the letter
LECTURE = """\
Step	Stack	Buffer	Transition	New Arc
1	[ROOT]	[I, saw, him]	SHIFT	—
2	[ROOT, I]	[saw, him]	SHIFT	—
3	[ROOT, I, saw]	[him]	LEFT-ARC	saw → I (subj)
4	[ROOT, saw]	[him]	SHIFT	—
5	[ROOT, saw, him]	[]	RIGHT-ARC	saw → him (obj)
6	[ROOT, saw]	[]	RIGHT-ARC	ROOT → saw (root)
"""


def shown(rows):
    return "".join("\t".join(map(str, row)) + "\n" for row in [HEADER, *rows])


def test_i_saw_him_as_in_the_lecture():
    assert shown(steps(SAW)) == LECTURE
    assert gold_transitions(SAW) == [SHIFT, SHIFT, LEFT_ARC, SHIFT, RIGHT_ARC, RIGHT_ARC]


def test_the_table_is_the_one_in_the_deck(shared):
    decks = [deck.read_text(encoding="utf-8") for deck in sorted(shared("lectures").glob("*.txt"))]
    assert any(LECTURE in deck for deck in decks)


def test_another_derivation_of_the_same_tree():
    rows = list(steps(SAW, [SHIFT, SHIFT, SHIFT, RIGHT_ARC, LEFT_ARC, RIGHT_ARC]))
    assert [row.arc for row in rows] == ["—", "—", "—", "saw → him (obj)", "saw → I (subj)", "ROOT → saw (root)"]
    assert rows[3].stack == "[ROOT, I, saw, him]"


def test_transitions_of_another_tree_are_refused():
    with pytest.raises(UsageError) as error:
        list(steps(SAW, [SHIFT, SHIFT, RIGHT_ARC]))
    assert str(error.value) == "step 3 makes word 1 the head of 2; the sentence has 0"


def test_what_cannot_be_built_is_named():
    with pytest.raises(TextError) as error:
        list(steps(sentence("a/0/root b/4/dep c/1/dep d/1/dep")))
    assert str(error.value) == (
        "<memory>:1: the tree has arcs that cross, which arc-standard transitions cannot build; leave the sentence out"
    )
    with pytest.raises(TextError, match="no root"):
        gold_transitions(sentence("a/2/dep b/1/dep"))
