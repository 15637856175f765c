"""Merging runs range by range: each range of keys fits in memory, and several are merged at once."""

from collections import deque
from collections.abc import Callable, Iterable, Iterator, Sequence
from concurrent.futures import Future, ThreadPoolExecutor
from queue import SimpleQueue
from typing import TypeVar

import numpy as np

from nextword.ngram.external.runs import BLOCK_ROWS, Run
from nextword.ngram.external.sorting import merge
from nextword.ngram.external.windows import KeyLayout
from nextword.types import Array

_MOST_SAMPLES = 1 << 20
Bounds = tuple[Array | None, Array | None]
Job = TypeVar("Job")
Result = TypeVar("Result")


def least_capacity(runs: int) -> int:
    """Rows that a range must have room for if so many runs are to be merged: half of them may be read in vain."""
    return 2 * runs * BLOCK_ROWS


def key_ranges(runs: Sequence[Run], capacity: int) -> list[Bounds]:
    """Ranges of keys, rising and without gaps, each of which needs at most ``capacity`` rows of all runs to be read.

    capacity: ``least_capacity`` or more. The bounds are keys with which blocks begin.
    """
    step = 1 + sum(len(run.keys) for run in runs) // _MOST_SAMPLES
    keys = np.concatenate([run.keys[::step] for run in runs])
    keys = keys[np.lexsort(keys.T[::-1])]
    # between keys i and i + n of the sample lie n + runs stretches of ``step`` blocks, and one before for each run
    each = max(1, capacity // (step * BLOCK_ROWS) - 2 * len(runs))
    cuts = [keys[i] for i in range(each, len(keys), each)]
    distinct = [cut for i, cut in enumerate(cuts) if i == 0 or (cut != cuts[i - 1]).any()]
    return list(zip([None, *distinct], [*distinct, None], strict=True))


def over_ranges(
    runs: Sequence[Run], layout: KeyLayout, use: Callable[[Array], Result], *, capacity: int, threads: int
) -> Iterator[Result]:
    """``use`` of the sorted rows of the sum of all runs, range after range, in rising order.

    The rows are only lent. ``threads`` ranges are worked on at once, each in two buffers of ``capacity`` rows; one
    result for each thread may wait to be taken.
    """
    if not runs:
        return
    bounds = key_ranges(runs, capacity)
    room = max(sum(run.room(low, high) for run in runs) for low, high in bounds)
    shape = (room, layout.words + 1)
    spare: SimpleQueue[tuple[Array, Array]] = SimpleQueue()
    for _ in range(threads):
        spare.put((np.empty(shape, dtype=np.uint64), np.empty(shape, dtype=np.uint64)))

    def work(low: Array | None, high: Array | None) -> Result:
        buffers = spare.get()
        try:
            pieces, at = [], 0
            for run in runs:
                pieces.append(run.read(low, high, buffers[0][at:]))
                at += run.room(low, high)
            return use(merge(pieces, buffers))
        finally:
            spare.put(buffers)

    yield from in_order(lambda bound: work(*bound), bounds, threads=threads)


def in_order(work: Callable[[Job], Result], jobs: Iterable[Job], *, threads: int) -> Iterator[Result]:
    """Results of ``work`` on jobs, in the jobs' order; one result for each thread may wait to be taken."""
    waiting: deque[Future[Result]] = deque()
    with ThreadPoolExecutor(threads) as pool:
        try:
            for job in jobs:
                waiting.append(pool.submit(work, job))
                if len(waiting) > threads:
                    yield waiting.popleft().result()
            while waiting:
                yield waiting.popleft().result()
        finally:
            for future in waiting:
                future.cancel()
