"""How a word becomes another: single edits of letters, as few as possible (optimal string alignment).

Letters are dropped, added, replaced, or two neighbours swapped (Damerau 1964), each letter at most once. Doubled
letters, which many writers are not sure of, have kinds of their own.
"""

from functools import lru_cache
from typing import Literal, TypeAlias, get_args

Kind: TypeAlias = Literal["drop", "undouble", "add", "double", "replace", "swap"]
KINDS: tuple[Kind, ...] = get_args(Kind)


@lru_cache(1 << 16)
def edits(meant: str, typed: str) -> tuple[Kind, ...]:
    """The kinds of the fewest edits that make ``typed`` of ``meant``; () if they are the same.

    drop: a letter is left out; undouble: one of two equal neighbours is. add: a letter comes in; double: one that
    stands there already is typed again. Of several alignments with as few edits one with doubled letters is taken.

    >>> edits("committee", "comittee"), edits("their", "thier"), edits("until", "untill")
    (('undouble',), ('swap',), ('double',))
    """
    costs: list[list[tuple[float, tuple[Kind, ...]]]] = [[(0.0, ())]]
    for i in range(len(meant) + 1):
        row = costs[-1] if i == 0 else []
        for j in range(0 if i else 1, len(typed) + 1):
            row.append(min(_steps(costs, row, meant, typed, i, j)))
        if i:
            costs.append(row)
    return costs[-1][-1][1]


def _steps(
    costs: list[list[tuple[float, tuple[Kind, ...]]]],
    row: list[tuple[float, tuple[Kind, ...]]],
    meant: str,
    typed: str,
    i: int,
    j: int,
) -> list[tuple[float, tuple[Kind, ...]]]:
    """The ways to come to letter i of ``meant`` and letter j of ``typed``; a doubled letter is a little cheaper."""
    found = []
    if i and j:
        cost, kinds = costs[i - 1][j - 1]
        found.append((cost, kinds) if meant[i - 1] == typed[j - 1] else (cost + 1, (*kinds, "replace")))
    if i:
        cost, kinds = costs[i - 1][j]
        twin = meant[i - 1] in (meant[i - 2 : i - 1], meant[i : i + 1])
        found.append((cost + 1 - 0.001 * twin, (*kinds, "undouble" if twin else "drop")))
    if j:
        cost, kinds = row[j - 1]
        twin = typed[j - 1] in (typed[j - 2 : j - 1], typed[j : j + 1])
        found.append((cost + 1 - 0.001 * twin, (*kinds, "double" if twin else "add")))
    if i > 1 and j > 1 and meant[i - 2 : i] == typed[j - 2 : j][::-1]:
        cost, kinds = costs[i - 2][j - 2]
        found.append((cost + 1, (*kinds, "swap")))
    return found
