"""Texts as counts of their terms: a bag of words, or of runs of up to n words."""

from collections import Counter
from collections.abc import Iterable, Mapping, Sequence
from typing import Any

import numpy as np
from scipy.sparse import csr_matrix

from nextword.text.pipeline import Pipeline


def terms(pipeline: Pipeline, text: str, ngrams: int) -> list[str]:
    """The tokens of a text and their runs of up to ``ngrams``, joined by spaces; none goes over the end of a line.

    >>> terms(Pipeline(), "people make football happy", 2)[4:]
    ['people make', 'make football', 'football happy']
    """
    found: list[str] = []
    lines = [pipeline.tokens(line) for line in text.split("\n")]
    for n in range(1, ngrams + 1):
        for tokens in lines:
            found += [" ".join(tokens[i : i + n]) for i in range(len(tokens) - n + 1)]
    return found


def choose_terms(bags: Iterable[Sequence[str]], *, min_count: int, most: int | None) -> list[str]:
    """The terms that ``min_count`` texts or more have: by falling number of texts, ties by bytes, at most ``most``."""
    counts = Counter(term for bag in bags for term in set(bag))
    kept = [term for term, count in counts.items() if count >= min_count]
    return sorted(kept, key=lambda term: (-counts[term], term.encode()))[:most]


def count_matrix(bags: Sequence[Sequence[str]], columns: Mapping[str, int], *, presence: bool) -> Any:
    """How often each of F terms occurs in each of N texts, a sparse (N, F) of float64; others are left out.

    presence: 1 for a term that occurs, however often.
    """
    data: list[int] = []
    indices: list[int] = []
    ends = [0]
    for bag in bags:
        row = Counter(column for column in map(columns.get, bag) if column is not None)
        for column in sorted(row):
            indices.append(column)
            data.append(1 if presence else row[column])
        ends.append(len(indices))
    arrays = np.array(data, dtype=np.float64), np.array(indices, dtype=np.int64), np.array(ends, dtype=np.int64)
    return csr_matrix(arrays, shape=(len(bags), len(columns)))
