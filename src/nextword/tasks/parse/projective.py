"""Projective trees, whose arcs do not cross when they are drawn above the words, and what is made of others."""

from collections.abc import Sequence


def is_projective(heads: Sequence[int]) -> bool:
    """Whether all words between a word and its head descend from the head, for every word.

    heads: of each word, 0 for the root. The arc from ROOT counts, as if ROOT stood before the first word.

    >>> is_projective([2, 0, 2]), is_projective([3, 0, 2, 3]), is_projective([3, 4, 0, 3])
    (True, False, False)
    """
    return not crossing(heads)


def crossing(heads: Sequence[int]) -> list[int]:
    """The words, from 1, whose arcs are not projective. The heads must make a tree (``check_tree``).

    >>> crossing([0, 4, 1, 1])
    [2]
    """
    return [word for word in range(1, len(heads) + 1) if not _spanned(heads, word)]


def lifted(heads: Sequence[int]) -> list[int]:
    """The heads of a projective tree near this one: arcs are moved up, from the head to its own head.

    The shortest arc that is not projective is lifted until none is left (Nivre & Nilsson 2005, section 2, without
    their encoding of what was done in the labels).

    >>> lifted([0, 4, 1, 1])
    [0, 1, 1, 1]
    """
    heads = list(heads)
    while crossed := crossing(heads):
        word = min(crossed, key=lambda word: (abs(word - heads[word - 1]), word))
        heads[word - 1] = heads[heads[word - 1] - 1]
    return heads


def _spanned(heads: Sequence[int], word: int) -> bool:
    """Whether all words between a word and its head descend from the head."""
    head = heads[word - 1]
    known = {head, word}
    for between in range(min(word, head) + 1, max(word, head)):
        at = between
        while at and at not in known:
            at = heads[at - 1]
        if at not in known:
            return False
        known.add(between)
    return True
