"""What a filter found: counts, sizes and quantiles of a shard, which add up."""

import math
from collections.abc import Sequence
from dataclasses import asdict, dataclass, field
from typing import Any

import numpy as np

from nextword.tasks.filter.measures import Measures
from nextword.tasks.filter.records import Skipped
from nextword.types import Array, Json

MOST_LISTED = 10_000  # skipped records of one shard that are named; all are counted
_STEPS = 200  # of the histogram, for each power of ten: a quantile is right to 1.2 %
_TOTALS = ("documents", "kept", "empty", "tokens", "oov", "text_bytes", "source_bytes", "skipped_count")


@dataclass
class Counts:
    """Figures of documents. kept: written to the output. empty: texts without a character, which have no perplexity.

    text_bytes: of the normalised texts. source_bytes: of the files as they are stored. buckets: documents written to
    each. histogram: documents by floor(200 log10 perplexity). skipped: the first of those left out for an error.
    """

    documents: int = 0
    kept: int = 0
    empty: int = 0
    tokens: int = 0
    oov: int = 0
    text_bytes: int = 0
    source_bytes: int = 0
    skipped_count: int = 0
    seconds: float = 0.0
    buckets: dict[str, int] = field(default_factory=dict)
    histogram: dict[int, int] = field(default_factory=dict)
    skipped: list[Skipped] = field(default_factory=list)

    def count(self, measures: Measures, kept: Array, bucket: Array, names: Sequence[str]) -> None:
        """Add documents: (D,) which are kept, and the index in ``names`` of the bucket of each."""
        self.documents += len(kept)
        self.kept += int(kept.sum())
        self.empty += int((measures.tokens == 0).sum())
        self.tokens += int(measures.tokens.sum())
        self.oov += int(measures.oov.sum())
        self.text_bytes += int(measures.bytes.sum())
        for name, number in zip(names, np.bincount(bucket[kept], minlength=len(names)).tolist(), strict=False):
            self.buckets[name] = self.buckets.get(name, 0) + number
        finite = measures.perplexity[np.isfinite(measures.perplexity)]
        steps, found = np.unique(np.floor(np.log10(finite) * _STEPS).astype(int), return_counts=True)
        for step, number in zip(steps.tolist(), found.tolist(), strict=True):
            self.histogram[step] = self.histogram.get(step, 0) + number

    def skip(self, skipped: Sequence[Skipped]) -> None:
        """Count records left out, and list them while there is room."""
        self.skipped_count += len(skipped)
        self.skipped += skipped[: max(0, MOST_LISTED - len(self.skipped))]

    def add(self, other: "Counts") -> None:
        """Add another shard's figures, all but the list of skipped records."""
        for name in (*_TOTALS, "seconds"):
            setattr(self, name, getattr(self, name) + getattr(other, name))
        for name, number in other.buckets.items():
            self.buckets[name] = self.buckets.get(name, 0) + number
        for step, number in other.histogram.items():
            self.histogram[step] = self.histogram.get(step, 0) + number

    def quantile(self, fraction: float) -> float:
        """The perplexity below which this fraction of the documents lies, to about 1 %; NaN if there is none."""
        left = fraction * sum(self.histogram.values())
        for step, number in sorted(self.histogram.items()):
            left -= number
            if left <= 0:
                return float(10 ** ((step + 0.5) / _STEPS))
        return math.nan

    def to_json(self) -> Json:
        """What ``from_json`` reads."""
        return asdict(self) | {
            "histogram": {str(step): number for step, number in sorted(self.histogram.items())},
            "skipped": [list(one) for one in self.skipped],
        }

    @classmethod
    def from_json(cls, values: Json) -> "Counts":
        """The figures that ``to_json`` gave. Raises TypeError or ValueError for anything else."""
        given: dict[str, Any] = dict(values)
        given["histogram"] = {int(step): number for step, number in values["histogram"].items()}
        given["skipped"] = [Skipped(*one) for one in values["skipped"]]
        return cls(**given)
