"""Is one model better than another, or was it this text? A paired bootstrap over lines (Koehn 2004)."""

from typing import NamedTuple

import numpy as np

from nextword.errors import UsageError
from nextword.tasks.evaluate import Evaluation
from nextword.types import Array

LEAST_LINES = 20
_MOST_GROUPS = 5000


class Difference(NamedTuple):
    """Bits per line by which the second model is worse, its 95 % interval, and the two-sided p-value."""

    bits: float
    low: float
    high: float
    p_value: float

    @property
    def real(self) -> bool:
        """Whether the interval leaves 0 out."""
        return not self.low <= 0 <= self.high


def paired_bootstrap(a: Evaluation, b: Evaluation, *, resamples: int = 2000, seed: int = 0) -> Difference:
    """Draw the lines again and again, the same for both models, and see how the difference in mean bits varies.

    Both must have been evaluated on the same text with ``keep_lines=True``; bits include the spelling of unknown words,
    so that vocabularies may differ. Where there are more than 5,000 lines, runs of neighbours are drawn together.
    Raises UsageError if the lines do not match or are fewer than 20, or if a model has no probabilities or a zero one.
    """
    difference = _line_differences(a, b)
    groups, lines = _groups(difference), _groups(np.ones_like(difference))
    random = np.random.default_rng(seed)
    means = np.empty(resamples)
    for i in range(resamples):
        drawn = random.integers(0, len(groups), len(groups))
        means[i] = groups[drawn].sum() / lines[drawn].sum()
    low, high = np.quantile(means, [0.025, 0.975])
    tail = min(np.count_nonzero(means <= 0), np.count_nonzero(means >= 0))
    # The difference itself counts as one draw (Davison and Hinkley 1997, eq. 4.11): no finite number of draws shows 0.
    p_value = min(1.0, 2 * (tail + 1) / (resamples + 1))
    return Difference(float(difference.mean()), float(low), float(high), p_value)


def _line_differences(a: Evaluation, b: Evaluation) -> Array:
    """Bits of each line under ``b`` less those under ``a``, (lines,)."""
    first, second = (np.concatenate([np.zeros(0), *x.line_bits]) for x in (a, b))
    if len(first) != len(second) or len(first) == 0:
        raise UsageError("a paired bootstrap needs both models' bits for the same lines; evaluate with keep_lines=True")
    for reason in filter(None, (a.reason, b.reason)):
        raise UsageError(f"a paired bootstrap needs finite bits of both models: {reason}")
    if len(first) < LEAST_LINES:
        raise UsageError(
            f"the text has {len(first)} lines, too few to tell a difference from chance; give {LEAST_LINES} or more"
        )
    return np.asarray(second - first)


def _groups(values: Array) -> Array:
    """Sums over runs of neighbours, at most 5,000."""
    size = -(-len(values) // _MOST_GROUPS)
    return np.asarray(np.add.reduceat(values, np.arange(0, len(values), size)))
