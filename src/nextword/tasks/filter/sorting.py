"""Which documents are kept, and in which bucket each belongs."""

from typing import NamedTuple

import numpy as np

from nextword.tasks.filter.measures import Measures
from nextword.tasks.filter.settings import FilterSettings
from nextword.types import Array


class Sorted(NamedTuple):
    """kept: (D,) bool. bucket: (D,) index of each document's bucket, 0 where there are none."""

    kept: Array
    bucket: Array


def sort(settings: FilterSettings, measures: Measures) -> Sorted:
    """Apply the limits and the cut, whose points must be known.

    A document without a figure (its text is empty, or it has probability 0) is within no limit, and belongs to the
    last bucket.
    """
    kept = np.ones(len(measures.tokens), dtype=bool)
    bucket = np.zeros(len(measures.tokens), dtype=np.int64)
    for limit in settings.limits:
        values = measures.column(limit.column)
        kept &= np.isfinite(values)
        kept &= values >= (-np.inf if limit.minimum is None else limit.minimum)
        kept &= values <= (np.inf if limit.maximum is None else limit.maximum)
    if settings.cut is not None and settings.cut.points is not None:
        values = measures.column(settings.cut.column)
        bucket = np.searchsorted(settings.cut.points, values, side="right")  # to which NaN is beyond all points
        if settings.cut.use == "keep":
            kept &= bucket == 0
    return Sorted(kept, bucket)
