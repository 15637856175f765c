"""Is one model better than another, or was it this text? A paired bootstrap over lines (Koehn 2004)."""

from typing import NamedTuple

import numpy as np

from nextword.errors import UsageError
from nextword.tasks.evaluate import Evaluation
from nextword.types import Array

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

    Both must have been evaluated on the same text with ``keep_lines=True``. Runs of neighbouring lines are drawn
    together where there are more than 5,000. Raises UsageError if the lines do not match or a figure is infinite.
    """
    bits = [np.concatenate(x.line_bits) if x.line_bits else np.zeros(0) for x in (a, b)]
    if len(bits[0]) != len(bits[1]) or len(bits[0]) == 0:
        raise UsageError("a paired bootstrap needs both models' bits for the same lines; evaluate with keep_lines=True")
    if not np.isfinite(bits).all():
        raise UsageError("a paired bootstrap needs finite figures; a model gave some token probability 0")
    difference = bits[1] - bits[0]
    groups = _groups(difference)
    lines = _groups(np.ones_like(difference))
    random = np.random.default_rng(seed)
    means = np.empty(resamples)
    for i in range(resamples):
        drawn = random.integers(0, len(groups), len(groups))
        means[i] = groups[drawn].sum() / lines[drawn].sum()
    low, high = np.quantile(means, [0.025, 0.975])
    tail = min((means <= 0).mean(), (means >= 0).mean())
    return Difference(float(difference.mean()), float(low), float(high), float(min(1.0, 2 * tail)))


def _groups(values: Array) -> Array:
    size = -(-len(values) // _MOST_GROUPS)
    return np.add.reduceat(values, np.arange(0, len(values), size))
