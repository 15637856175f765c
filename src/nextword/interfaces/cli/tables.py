"""Tables and numbers as a person reads them."""

import math
from collections.abc import Sequence


def number(value: float, digits: int = 2) -> str:
    """A figure with thousands separators; infinite and undefined ones in words."""
    if math.isinf(value):
        return "infinite"
    return "-" if math.isnan(value) else f"{value:,.{digits}f}"


def table(header: Sequence[str], rows: Sequence[Sequence[str]], *, left: int = 1) -> str:
    """Rows under a header, columns aligned: the first ``left`` to the left, the others to the right."""
    widths = [max(len(row[i]) for row in [header, *rows]) for i in range(len(header))]
    lines = [line(row, widths, left=left) for row in rows]
    return "\n".join([line(header, widths, left=left), rule(widths), *lines])


def line(cells: Sequence[str], widths: Sequence[int], *, left: int = 1) -> str:
    """One row of a table whose columns have these widths."""
    aligned = [c.ljust(w) if i < left else c.rjust(w) for i, (c, w) in enumerate(zip(cells, widths, strict=True))]
    return "  ".join(aligned).rstrip()


def rule(widths: Sequence[int]) -> str:
    """The line under a table's header."""
    return "  ".join("-" * width for width in widths)
