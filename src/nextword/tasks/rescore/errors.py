"""Word and character errors: their number, their kinds, and whether a difference is more than chance.

The fewest substitutions, deletions and insertions that make the reference of the hypothesis (Levenshtein 1966), over
the reference's length. Words stand between blanks and are compared as they are written.
"""

from collections.abc import Sequence
from typing import Literal, NamedTuple, TypeAlias

import numpy as np

from nextword.errors import UsageError
from nextword.tasks.extras import require_tasks
from nextword.types import Array

ErrorUnit: TypeAlias = Literal["words", "characters"]
_RESAMPLES = 2000


class Errors(NamedTuple):
    """Errors of hypotheses against their references; length: words or characters of the references."""

    substitutions: int
    deletions: int
    insertions: int
    length: int
    wrong_lines: int
    lines: int

    @property
    def errors(self) -> int:
        """Of all three kinds."""
        return self.substitutions + self.deletions + self.insertions

    @property
    def rate(self) -> float:
        """Errors over the references' length: WER or CER. NaN if the references are empty."""
        return self.errors / self.length if self.length else float("nan")


class ErrorDifference(NamedTuple):
    """How much higher the second rate is, its 95 % interval, and the two-sided p-value."""

    difference: float
    low: float
    high: float
    p_value: float


def count_errors(references: Sequence[str], hypotheses: Sequence[str], *, unit: ErrorUnit = "words") -> Errors:
    """Errors by jiwer. Raises UsageError without jiwer, and where the two are not of one length."""
    require_tasks()
    import jiwer

    _check_equal(len(references), len(hypotheses))
    if not references:
        return Errors(0, 0, 0, 0, 0, 0)
    process = jiwer.process_words if unit == "words" else jiwer.process_characters
    found = process([_tidy(text) for text in references], [_tidy(text) for text in hypotheses])
    wrong = sum(any(chunk.type != "equal" for chunk in line) for line in found.alignments)
    length = sum(map(len, found.references))
    return Errors(found.substitutions, found.deletions, found.insertions, length, wrong, len(references))


def line_errors(
    references: Sequence[str], hypotheses: Sequence[str], *, unit: ErrorUnit = "words"
) -> tuple[Array, Array]:
    """Errors of each line, (L,), and its reference's length, (L,)."""
    require_tasks()
    from rapidfuzz.distance import Levenshtein

    _check_equal(len(references), len(hypotheses))
    pairs = [(_units(r, unit), _units(h, unit)) for r, h in zip(references, hypotheses, strict=True)]
    errors = [Levenshtein.distance(r, h) for r, h in pairs]
    return np.array(errors, dtype=np.int64), np.array([len(r) for r, _ in pairs], dtype=np.int64)


def compare_errors(first: Array, second: Array, lengths: Array, *, seed: int = 0) -> ErrorDifference:
    """A paired bootstrap over lines: the same lines are drawn again and again for both (Bisani and Ney 2004).

    first, second: errors of each line, (L,); lengths: its reference's length, (L,).
    """
    random = np.random.default_rng(seed)
    found = np.empty(_RESAMPLES)
    change = second - first
    for i in range(_RESAMPLES):
        drawn = random.integers(0, len(change), len(change))
        found[i] = change[drawn].sum() / max(1, lengths[drawn].sum())
    low, high = np.quantile(found, [0.025, 0.975])
    tail = min(np.count_nonzero(found <= 0), np.count_nonzero(found >= 0))
    p_value = min(1.0, 2 * (tail + 1) / (_RESAMPLES + 1))  # as in tasks/bootstrap.py
    return ErrorDifference(float(change.sum() / max(1, lengths.sum())), float(low), float(high), p_value)


def _units(text: str, unit: ErrorUnit) -> list[str] | str:
    """What is compared: the words of a line, or its characters, a blank between two words among them."""
    return text.split() if unit == "words" else _tidy(text)


def _tidy(text: str) -> str:
    return " ".join(text.split())


def _check_equal(references: int, hypotheses: int) -> None:
    if references != hypotheses:
        raise UsageError(f"{references} references for {hypotheses} hypotheses; give one for each")
