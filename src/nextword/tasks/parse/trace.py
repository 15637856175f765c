"""A derivation step by step: stack, buffer, transition and new arc, as the lectures show it for *I saw him*."""

from collections.abc import Iterator, Sequence
from typing import NamedTuple

import numpy as np

from nextword.errors import TextError, UsageError
from nextword.tasks.parse.projective import is_projective
from nextword.tasks.parse.transitions import LEFT_ARC, NAMES, NONE, ROOT, SHIFT, Oracle, States, kind
from nextword.text.conllu import Sentence, check_tree

HEADER = ("Step", "Stack", "Buffer", "Transition", "New Arc")
NO_ARC = "—"


class Step(NamedTuple):
    """A state and what is done in it, as shown: ``[ROOT, I, saw]``, ``[him]``, ``LEFT-ARC``, ``saw → I (subj)``."""

    step: int
    stack: str
    buffer: str
    transition: str
    arc: str


def gold_transitions(sentence: Sentence) -> list[int]:
    """What the static oracle does to build a sentence's tree: SHIFT, LEFT_ARC and RIGHT_ARC, two for each word.

    Raises TextError, naming file and line, for heads that make no tree, or none without crossing arcs.
    """
    check_tree(sentence)
    heads = [word.head or 0 for word in sentence.words]
    if not is_projective(heads):
        raise TextError(
            f"{sentence.where}: the tree has arcs that cross, which arc-standard transitions cannot build; "
            "leave the sentence out"
        )
    gold = np.array([[NONE, *heads]], dtype=np.int32)
    states, oracle = States([len(heads)]), Oracle(gold, np.where(gold < 0, NONE, 0).astype(np.int32))
    found = list[int]()
    while len(rows := states.unfinished()):
        transitions = oracle.transitions(states, rows)
        states.advance(rows, transitions)
        found.append(int(kind(transitions)[0]))
    return found


def steps(sentence: Sentence, transitions: Sequence[int] | None = None) -> Iterator[Step]:
    """Each step of a derivation; of the oracle's, unless the kinds of other transitions are given.

    They must build the sentence's tree, whose labels are shown. Raises UsageError if they do not, TextError as
    ``gold_transitions`` does.

    >>> saw = Sentence.of(["I", "saw"]).replaced(heads=[2, 0], deprels=["subj", "root"])
    >>> list(steps(saw))[2]
    Step(step=3, stack='[ROOT, I, saw]', buffer='[]', transition='LEFT-ARC', arc='saw → I (subj)')
    """
    names = ["ROOT", *sentence.forms]
    stack, buffer = [ROOT], list(range(1, len(names)))
    for number, transition in enumerate(gold_transitions(sentence) if transitions is None else transitions, 1):
        shown, arc = (_shown(stack, names), _shown(buffer, names)), NO_ARC
        if transition == SHIFT:
            stack.append(buffer.pop(0))
        else:
            head, child = stack[-1:-3:-1] if transition == LEFT_ARC else stack[-2:]
            stack.remove(child)
            word = sentence.words[child - 1]
            if word.head != head:
                raise UsageError(f"step {number} makes word {head} the head of {child}; the sentence has {word.head}")
            arc = f"{names[head]} → {names[child]} ({word.deprel})"
        yield Step(number, *shown, NAMES[transition], arc)


def _shown(numbers: list[int], names: list[str]) -> str:
    return f"[{', '.join(names[i] for i in numbers)}]"
