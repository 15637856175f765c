"""What decides, while a tagger is trained, which weights are kept."""

from collections.abc import Callable, Sequence

import numpy as np

from nextword.neural.objective import Measured
from nextword.tasks.tag.rows import TagRows
from nextword.tasks.tag.score import Found
from nextword.tasks.tag.spans import spans
from nextword.types import Array

_SHIFTS = (0.0, 0.5, 1.0, 1.5, 2.0, 2.5, 3.0, 4.0)


def best_shift(found: Callable[[float], Sequence[Array]], judge: "TagJudge") -> float:
    """How much less the score of O is to be for the best F1; the least of equals.

    found: the validation sentences' tags at such a shift. Training maximises likelihood, not F1, and where entities are
    rarer in the training text than in others, it favours O by too much.
    """
    figures = {}
    for shift in _SHIFTS:
        tags = found(shift)
        figures[shift] = judge.measured(judge.counts(np.arange(len(tags)), tags)).loss
    return min(figures, key=lambda shift: (figures[shift], shift))


class TagJudge:
    """Decides by entities' F1, or by tokens' accuracy, which weights are kept: ``neural.tagging.Judge``."""

    def __init__(self, gold: TagRows, tags: Sequence[str], *, entities: bool):
        """gold: tags of the validation sentences; tags: what the ids of predicted ones stand for."""
        self._gold, self._tags, self._entities = gold, tags, entities

    def counts(self, numbers: Array, tags: Sequence[Array]) -> list[float]:
        """Correct, predicted and right entities; tokens whose tag is right, and all tokens."""
        total = [0.0] * 5
        for number, ids in zip(numbers.tolist(), tags, strict=True):
            gold, found = self._gold[number], [self._tags[i] for i in ids.tolist()]
            total[3] += sum(g == p for g, p in zip(gold, found, strict=True))
            total[4] += len(gold)
            if self._entities:
                there, guessed = set(spans(gold)), set(spans(found))
                total[:3] = [a + len(b) for a, b in zip(total, (there & guessed, guessed, there), strict=False)]
        return total

    def measured(self, counts: Sequence[float]) -> Measured:
        """1 − F1, or 1 − accuracy."""
        accuracy = counts[3] / counts[4]
        if not self._entities:
            return Measured(1 - accuracy, {"valid_accuracy": accuracy})
        f1 = Found(*map(int, counts[:3])).f1
        return Measured(1 - f1, {"valid_f1": f1, "valid_accuracy": accuracy})
