"""How much of a test text stands in a training text too.

"Training on any part of test set not acceptable": a model that has read it is measured by what it remembers. Copies
creep in where text is collected at scale, so the share of the test's n-grams and lines that occur in the training text
is reported of large models (Brown et al. 2020 take n-grams of 8 to 13 tokens, as shorter ones recur anyway).
"""

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from typing import NamedTuple

import numpy as np

from nextword.errors import TextError, UsageError
from nextword.tasks.reading import ordered_map
from nextword.text.blocks import Block
from nextword.text.pipeline import Pipeline
from nextword.text.shingles import WHOLE, Index, Tokens, cut, index, search
from nextword.types import Array, Json


@dataclass(frozen=True)
class Share:
    """Of n-grams of one length: how many the test text has, and how many of them the training text has too.

    ngrams, found: where they come again counted again. distinct, distinct_found: each once. lines: those long enough to
    hold one; lines_found: those that hold one which was found.
    """

    n: int
    ngrams: int
    found: int
    distinct: int
    distinct_found: int
    lines: int
    lines_found: int

    def to_json(self) -> Json:
        """All of it, and the shares; null where there is nothing to share."""
        shares = {
            "share": _ratio(self.found, self.ngrams),
            "distinct_share": _ratio(self.distinct_found, self.distinct),
            "lines_share": _ratio(self.lines_found, self.lines),
        }
        return vars(self) | shares


class Match(NamedTuple):
    """A line of the test text that shares something with the training text.

    test, train: where it stands, and where the first thing it shares stands there first, as ``file:line``. n: tokens of
    the longest n-grams asked for that it shares, 0 for the whole line. found, ngrams: of its n-grams of that length,
    those that were found, and all. tokens: how many of its tokens lie in those. text: the line.
    """

    test: str
    train: str
    n: int
    found: int
    ngrams: int
    tokens: int
    text: str


@dataclass(frozen=True)
class Overlap:
    """What ``overlap`` found. lines: of the test text, without those that hold no token; identical: those found whole.

    shares: per length of n-grams. matches: in the order of the test text.
    """

    lines: int
    identical: int
    shares: list[Share]
    matches: list[Match]

    def to_json(self) -> Json:
        """The figures under their published names, without the matches."""
        lines = {"lines": self.lines, "identical": self.identical, "share": _ratio(self.identical, self.lines)}
        return {"lines": lines, "ngrams": [share.to_json() for share in self.shares]}


def overlap(
    train: Iterable[Block],
    test: Iterable[Block],
    *,
    sizes: Sequence[int] = (8, 13),
    pipeline: Pipeline | None = None,
    threads: int = 1,
) -> Overlap:
    """Which n-grams of ``test``, within its lines, and which whole lines occur in ``train``.

    The test text is held in memory, about 100 bytes for each of its tokens and sizes; the training text goes by, a few
    blocks at a time, on ``threads`` threads. Matches are exact: what has the same hash is compared. pipeline: the
    normaliser and tokenizer for both; lines are equal if their tokens are. Raises TextError for text that cannot be
    read and for a test text without tokens, UsageError for sizes that are none.
    """
    if not sizes or min(sizes) < 1 or len(set(sizes)) < len(sizes):
        shown = ",".join(map(str, sizes))
        raise UsageError(f"n-grams of {shown or 'no'} tokens: give lengths of 1 or more, each once, such as 8,13")
    reader = pipeline or Pipeline()
    blocks = list(test)
    tokens = cut(b"".join(reader.canonical(block.text).text for block in blocks))
    if not len(tokens.begins):
        raise TextError("the test text holds no tokens: there is nothing to look for; give a file with words in it")
    wanted, places = index(tokens, [WHOLE, *sizes])
    found, where = np.zeros(len(wanted.first), dtype=bool), dict[int, str]()

    def look(block: Block) -> tuple[Block, Array]:
        return block, search(cut(reader.canonical(block.text).text), [WHOLE, *sizes], wanted, found)

    for block, hits in ordered_map(look, train, threads):
        for shingle, line, _ in hits.tolist():
            if not found[shingle]:  # in an earlier block, it was found while this one was searched
                found[shingle] = True
                where[shingle] = block.where(line)
    return _report(_Test(blocks, tokens, wanted, places, found, where), sizes)


class _Test(NamedTuple):
    """The test text and what was found of it: see ``text.shingles``; places and counts begin with the whole lines."""

    blocks: list[Block]
    tokens: Tokens
    wanted: Index
    places: list[Array]
    found: Array
    where: dict[int, str]

    def per_line(self, marked: Array) -> Array:
        """How many tokens of each line are marked, (L,)."""
        ends = self.tokens.ends
        return np.diff(np.concatenate([[0], np.cumsum(marked)])[np.concatenate([[0], ends])])


def _report(test: _Test, sizes: Sequence[int]) -> Overlap:
    held = [test.per_line(place >= 0) for place in test.places]
    hits = [(place >= 0) & test.found[place] for place in test.places]
    shared = [test.per_line(hit) for hit in hits]
    length = np.where(test.wanted.whole, WHOLE, test.wanted.size)
    shares = []
    for i, n in enumerate(sizes, start=1):
        kind = length == n
        counts = (held[i].sum(), shared[i].sum(), kind.sum(), (kind & test.found).sum())
        lines = ((held[i] > 0).sum(), (shared[i] > 0).sum())
        shares.append(Share(n, *map(int, counts), *map(int, lines)))
    matches, kinds = [], [WHOLE, *sizes]
    longest = [0, *sorted(range(1, len(kinds)), key=lambda i: -kinds[i])]
    for place, text, line in _lines(test.blocks):
        for i in [i for i in longest if shared[i][line]][:1]:
            begin = int(test.tokens.ends[line - 1]) if line else 0
            end = int(test.tokens.ends[line])
            starts = np.flatnonzero(hits[i][begin:end])
            covered = int(np.minimum(np.diff(starts, append=end - begin), kinds[i] or end - begin).sum())
            train = test.where[int(test.places[i][begin + starts[0]])]
            matches.append(Match(place, train, kinds[i], len(starts), int(held[i][line]), covered, text))
    return Overlap(int((held[0] > 0).sum()), int((shared[0] > 0).sum()), shares, matches)


def _lines(blocks: Iterable[Block]) -> Iterable[tuple[str, str, int]]:
    """Each line's place, its text and its number, from 0."""
    number = 0
    for block in blocks:
        for i, text in enumerate(block.text.removesuffix(b"\n").split(b"\n")):
            yield block.where(i), text.decode(), number
            number += 1


def _ratio(part: int, whole: int) -> float | None:
    return part / whole if whole else None
