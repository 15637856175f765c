"""Entities as tags, one a token, and tags as entities.

    IOB2   B- at an entity's first token, I- at the others, O outside    (IOB1: B- only where one follows another)
    IOBES  as well E- at the last, and S- where there is only one

Reading is conlleval's (Tjong Kim Sang and Buchholz 2000), for which no sequence is too ill-formed, and which reads
IOB1, IOB2 and IOBES alike: an entity begins at B or S, and at I or E after O, an entity's end, or another type.
"""

from collections.abc import Iterable, Sequence
from typing import NamedTuple

import numpy as np

from nextword.errors import UsageError
from nextword.types import Array

OUTSIDE = "O"
SCHEMES = ("iob2", "iobes")
_PREFIXES = ("B", "I", "E", "S")


class Span(NamedTuple):
    """Tokens start to end, the last excluded, and what they name."""

    start: int
    end: int
    type: str


def is_entity_tag(tag: str) -> bool:
    """Whether it is O or a prefix and a type, such as B-person."""
    return tag == OUTSIDE or (tag[:1] in _PREFIXES and (len(tag) == 1 or tag[1] == "-"))


def are_entities(tags: Iterable[str]) -> bool:
    """Whether tags look like entities and not like parts of speech: all are of the form, and one has a type."""
    known = set(tags)
    return all(map(is_entity_tag, known)) and any(tag[1:2] == "-" for tag in known)


def parts(tag: str) -> tuple[str, str]:
    """Prefix and type of a tag; a prefix alone has the type "". Raises UsageError for anything else."""
    if not is_entity_tag(tag):
        raise UsageError(
            f"the tag {tag!r} is no entity's: expected O, or B-, I-, E- or S- and a type, such as B-person"
        )
    return tag[:1], tag[2:]


def spans(tags: Sequence[str]) -> list[Span]:
    """The entities of a sentence. Raises UsageError for a tag that is no entity's.

    >>> spans(["B-person", "I-person", "O", "I-place"])
    [Span(start=0, end=2, type='person'), Span(start=3, end=4, type='place')]
    """
    found: list[Span] = []
    start, before, kind = -1, OUTSIDE, ""  # start: of the entity that is open, or -1
    for i, tag in enumerate([*tags, OUTSIDE]):
        prefix, own = parts(tag)
        goes_on = start >= 0 and prefix in ("I", "E") and own == kind and before in ("B", "I")
        if start >= 0 and not goes_on:
            found.append(Span(start, i, kind))
            start = -1
        if start < 0 and prefix != OUTSIDE:
            start = i
        before, kind = prefix, own
    return found


def tags_of(entities: Iterable[Span], length: int, scheme: str) -> list[str]:
    """The tags of a sentence of that length, for entities that do not overlap. Raises UsageError for another scheme.

    >>> tags_of([Span(0, 2, "person"), Span(3, 4, "place")], 4, "iobes")
    ['B-person', 'E-person', 'O', 'S-place']
    """
    if scheme not in SCHEMES:
        raise UsageError(f"scheme={scheme!r}: expected one of {', '.join(SCHEMES)}")
    tags = [OUTSIDE] * length
    for start, end, kind in entities:
        prefixes = ["B", *["I"] * (end - start - 1)]
        if scheme == "iobes":
            prefixes[-1] = "S" if end - start == 1 else "E"
        tags[start:end] = [f"{prefix}-{kind}" if kind else prefix for prefix in prefixes]
    return tags


def convert(tags: Sequence[str], scheme: str) -> list[str]:
    """The same entities in another scheme; IOB1, IOB2, IOBES and what is ill-formed are read alike."""
    return tags_of(spans(tags), len(tags), scheme)


def tags_for(types: Iterable[str], scheme: str) -> list[str]:
    """Every tag that entities of these types can have."""
    prefixes = ("B", "I") if scheme == "iob2" else _PREFIXES
    return [OUTSIDE, *(f"{prefix}-{kind}" if kind else prefix for kind in sorted(types) for prefix in prefixes)]


def allowed(tags: Sequence[str], scheme: str) -> tuple[Array, Array, Array]:
    """Which of K tags may begin a sentence, (K,), follow which, (K, K), and end it, (K,), in a well-formed sequence."""
    split = [parts(tag) for tag in tags]
    inside = [prefix in ("I", "E") for prefix, _ in split]  # must go on with an entity
    opened = [scheme == "iobes" and prefix in ("B", "I") for prefix, _ in split]  # must be gone on with

    def follows(i: int, j: int) -> bool:
        same = split[i][1] == split[j][1] and split[i][0] in ("B", "I")
        return same if inside[j] else not opened[i]

    size = range(len(tags))
    table = np.array([[follows(i, j) for j in size] for i in size], dtype=bool).reshape(len(tags), len(tags))
    return ~np.array(inside, dtype=bool), table, ~np.array(opened, dtype=bool)
