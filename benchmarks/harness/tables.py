"""Tables of medians, ratios and ranges."""

import statistics
import sys
from collections.abc import Sequence

from harness.timing import Run, Runs, median


def show(title: str, header: Sequence[str], rows: Sequence[Sequence[str]]) -> None:
    """Print a table; the first column to the left, the others to the right."""
    widths = [max(len(row[i]) for row in [header, *rows]) for i in range(len(header))]
    print(f"\n{title}\n")
    for row in [header, ["-" * width for width in widths], *rows]:
        cells = [c.rjust(w) if i else c.ljust(w) for i, (c, w) in enumerate(zip(row, widths, strict=True))]
        print("  " + "  ".join(cells).rstrip())
    sys.stdout.flush()


def speeds(
    runs: Runs, tokens: int, references: dict[str, str], *, peak: bool = False
) -> tuple[list[str], list[list[str]]]:
    """Header and rows: seconds, tokens a second, and how many times as fast as each reference.

    references: contenders' names and what the columns of ratios call them. peak: with peak memory.
    """
    rows = []
    for name, measured in runs.items():
        row = [name, f"{median(measured):.3f}", f"{tokens / median(measured) / 1e6:.2f}"]
        if peak:
            row.append(megabytes(statistics.median(run.peak for run in measured)))
        rows.append(row + [ratio(runs[reference], measured) for reference in references])
    headings = [f"speed / {name}" for name in references.values()]
    return ["", "seconds", "M tokens/s", *(["peak MB"] if peak else []), *headings], rows


def ratio(reference: Sequence[Run], runs: Sequence[Run]) -> str:
    """How many times as fast as the reference: median of the rounds' ratios, and their range."""
    ratios = [theirs.seconds / ours.seconds for theirs, ours in zip(reference, runs, strict=True)]
    return f"{statistics.median(ratios):.2f} ({min(ratios):.2f}-{max(ratios):.2f})"


def spread(runs: Sequence[Run], scale: float, digits: int) -> list[str]:
    """Median and range of the runs' seconds times ``scale``."""
    seconds = [run.seconds * scale for run in runs]
    return [f"{statistics.median(seconds):,.{digits}f}", f"{min(seconds):,.{digits}f}-{max(seconds):,.{digits}f}"]


def megabytes(size: float) -> str:
    """Bytes as MB, or - for none."""
    return f"{size / 1e6:,.0f}" if size else "-"
