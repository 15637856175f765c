"""How well a classifier does on labelled texts: accuracy, F1, the confusion matrix, and how sure all that is.

N examples, C classes.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any, NamedTuple

import numpy as np

from nextword.errors import UsageError
from nextword.tasks.classify.base import Labels, TextClassifier, Texts, checked_texts, is_empty
from nextword.types import Array, Json

_RESAMPLES = 2000


class ClassScore(NamedTuple):
    """precision: of those predicted so, the share that is; recall: of those that are, the share predicted so.

    f1: their harmonic mean. Each is 0 where it is 0/0. support: how many there are.
    """

    label: Any
    precision: float
    recall: float
    f1: float
    support: int


class Interval(NamedTuple):
    """A 95 % interval."""

    low: float
    high: float


class Mistake(NamedTuple):
    """A wrong prediction and its probability. example: from 0."""

    example: int
    text: str
    label: Any
    predicted: Any
    probability: float


@dataclass(frozen=True, eq=False)
class Report:
    """confusion: (C, C), rows by label, columns by prediction. correct: (N,) bool.

    empty: examples without text, predicted by the prior. mistakes: the most confident ones, surest first.
    """

    classes: list[Any]
    confusion: Array
    correct: Array
    empty: int
    mistakes: list[Mistake]

    @property
    def accuracy(self) -> float:
        """The share of correct predictions."""
        return float(self.correct.mean())

    @property
    def scores(self) -> list[ClassScore]:
        """Each class's own figures."""
        supports = self.confusion.sum(axis=1).tolist()
        figures = zip(self.classes, *(a.tolist() for a in _precision_recall_f1(self.confusion)), supports, strict=True)
        return [ClassScore(*row) for row in figures]

    @property
    def macro_f1(self) -> float:
        """The mean of the classes' F1, each class the same weight."""
        return float(_precision_recall_f1(self.confusion)[2].mean())

    def accuracy_interval(self, *, seed: int = 0) -> Interval:
        """By the bootstrap (Efron 1979, percentiles of 2,000 resamples): draws of N examples with replacement.

        The number of correct ones among them is binomial, and is drawn as such.
        """
        count = len(self.correct)
        drawn = np.random.default_rng(seed).binomial(count, self.accuracy, _RESAMPLES) / count
        return Interval(*np.quantile(drawn, [0.025, 0.975]).tolist())

    def macro_f1_interval(self, *, seed: int = 0) -> Interval:
        """The same for ``macro_f1``: resamples of the confusion matrix, which are multinomial."""
        random, count = np.random.default_rng(seed), len(self.correct)
        shares = self.confusion.ravel() / count
        drawn = (random.multinomial(count, shares).reshape(self.confusion.shape) for _ in range(_RESAMPLES))
        found = [_precision_recall_f1(one)[2].mean() for one in drawn]
        return Interval(*np.quantile(found, [0.025, 0.975]).tolist())

    def to_json(self) -> Json:
        """All figures, for a program to read."""
        return {
            "examples": len(self.correct),
            "empty": self.empty,
            "accuracy": self.accuracy,
            "accuracy_interval": list(self.accuracy_interval()),
            "macro_f1": self.macro_f1,
            "macro_f1_interval": list(self.macro_f1_interval()),
            "classes": [score._asdict() for score in self.scores],
            "confusion": self.confusion.tolist(),
            "mistakes": [mistake._asdict() for mistake in self.mistakes],
        }


class Difference(NamedTuple):
    """How much more accurate the second classifier is, its 95 % interval, and the two-sided p-value."""

    accuracy: float
    low: float
    high: float
    p_value: float

    @property
    def real(self) -> bool:
        """Whether the interval leaves 0 out."""
        return not self.low <= 0 <= self.high


def report(classifier: TextClassifier, X: Texts, y: Labels, *, mistakes: int = 10) -> Report:
    """Predict labelled texts and count. Raises UsageError for a label that the classifier has not seen in training."""
    texts, targets = checked_texts(X), classifier.targets(y)
    if len(texts) != len(targets) or not texts:
        raise UsageError(f"there are {len(texts):,} texts and {len(targets):,} labels; give one or more of each, alike")
    if (targets < 0).any():
        example = int(np.flatnonzero(targets < 0)[0])
        label = np.asarray(y)[example].item()
        raise UsageError(f"example {example + 1} has the label {label!r}, unseen in training; leave it out")
    log_probs = classifier.predict_log_proba(texts)
    predicted = log_probs.argmax(axis=1)
    classes = classifier.classes_.tolist()
    confusion = np.zeros((len(classes), len(classes)), dtype=np.int64)
    np.add.at(confusion, (targets, predicted), 1)
    highest, wrong = log_probs.max(axis=1), np.flatnonzero(predicted != targets)
    surest = wrong[np.argsort(-highest[wrong], kind="stable")][:mistakes]
    listed = [
        Mistake(int(i), texts[i], classes[targets[i]], classes[predicted[i]], float(np.exp(highest[i]))) for i in surest
    ]
    return Report(classes, confusion, predicted == targets, sum(map(is_empty, texts)), listed)


def paired_difference(first: Report, second: Report, *, seed: int = 0) -> Difference:
    """Is the second classifier really the better one? A paired bootstrap over the examples of both (Koehn 2004).

    Resamples draw the same examples for both; how many of each kind (one of them right, the other, both alike) is
    multinomial. Raises UsageError if the reports are of different numbers of examples.
    """
    if len(first.correct) != len(second.correct):
        raise UsageError("two reports on different examples cannot be compared; evaluate both on the same file")
    gains = second.correct.astype(np.int64) - first.correct
    count = len(gains)
    shares = np.array([(gains == gain).sum() for gain in (-1, 0, 1)]) / count
    drawn = np.random.default_rng(seed).multinomial(count, shares, _RESAMPLES) @ [-1, 0, 1] / count
    low, high = np.quantile(drawn, [0.025, 0.975]).tolist()
    tail = min(int((drawn <= 0).sum()), int((drawn >= 0).sum()))
    # The difference itself counts as one draw (Davison and Hinkley 1997, eq. 4.11): no finite number of draws shows 0.
    return Difference(float(gains.mean()), low, high, min(1.0, 2 * (tail + 1) / (_RESAMPLES + 1)))


def _precision_recall_f1(confusion: Array) -> Sequence[Array]:
    """Each (C,), 0 where it is 0/0."""
    right = np.diag(confusion).astype(np.float64)
    predicted, there = confusion.sum(axis=0), confusion.sum(axis=1)
    wholes = np.maximum(predicted, 1), np.maximum(there, 1), np.maximum(predicted + there, 1)
    return right / wholes[0], right / wholes[1], 2 * right / wholes[2]
