"""What training an n-gram model needs to know, beside the text."""

import os
from collections.abc import Collection, Sequence
from dataclasses import dataclass, field

from nextword.ngram.smoothing import Smoothing


def default_threads() -> int:
    """As many threads as this process may use cores."""
    return len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count() or 1


@dataclass(frozen=True)
class NgramSettings:
    """What ``train_ngram`` takes beside the text and its reading; see there."""

    order: int = 5
    smoothing: Smoothing = field(default_factory=Smoothing)
    prune: Sequence[int] = (0,)
    limit_vocab: Collection[str] | None = None
    threads: int = field(default_factory=default_threads)
