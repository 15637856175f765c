"""From the n-grams of a file to a model: each n-gram's prefix and suffix must be an n-gram too."""

from collections.abc import Sequence

import numpy as np

from nextword.ngram.arpa.section import NONE, Section, pairs
from nextword.ngram.backoff import BackoffModel
from nextword.text.vocabulary import Vocabulary
from nextword.types import Array

_SPARE = 10_000  # n-grams that may be added to any file


class UnclosedError(Exception):
    """More n-grams would have to be added than any model lacks; the message says of which order."""


def build_model(vocabulary: Vocabulary, sections: Sequence[Section]) -> BackoffModel:
    """The model of the sections of all orders; what they lack is added with its back-off probability.

    Raises UnclosedError.
    """
    closed = list(sections)
    most = 8 * sum(map(len, sections)) + _SPARE
    parents: list[Array] = [np.zeros(0, dtype=np.uint32)] * len(closed)
    suffixes = parents.copy()
    for k in range(len(closed) - 1, 0, -1):
        parents[k], suffixes[k] = closed[k].links(closed[k - 1])
        missing = [closed[k].ids[:-1, parents[k] == NONE], closed[k].ids[1:, suffixes[k] == NONE]]
        if any(ids.size for ids in missing):
            closed[k - 1] = closed[k - 1].with_more(np.concatenate(missing, axis=1), len(vocabulary))
            if sum(section.added.sum() for section in closed) > most:
                raise UnclosedError(f"most {k + 1}-grams lack a prefix or suffix among the {k}-grams")
            parents[k], suffixes[k] = closed[k].links(closed[k - 1])
    for k in range(1, len(closed)):
        lower, upper, added = closed[k - 1].log10, closed[k].log10, closed[k].added
        upper[added, 0] = lower[parents[k][added], 1] + lower[suffixes[k][added], 0]
    return _trie(vocabulary, closed, parents)


def _trie(vocabulary: Vocabulary, sections: list[Section], parents: list[Array]) -> BackoffModel:
    sizes = [len(section) for section in sections]
    children = [np.bincount(parent, minlength=n) for parent, n in zip(parents[1:], sizes, strict=False)]
    return BackoffModel.from_trie(
        vocabulary,
        len(sections),
        starts=np.cumsum([0, 0, *sizes], dtype=np.int64),
        word=np.concatenate([section.ids[-1] for section in sections]),
        first=np.cumsum(np.concatenate([[sizes[0]], *children]), dtype=np.uint32),
        inner=np.concatenate([pairs(0), *(section.log10 for section in sections[:-1])]),
        leaf=sections[-1].log10[:, 0].copy(),
        inserted=np.flatnonzero(np.concatenate([section.added for section in sections])).astype(np.uint32),
    )
