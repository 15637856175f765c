"""The confusion matrix as a picture."""

from importlib.util import find_spec
from pathlib import Path
from typing import Any

import numpy as np

from nextword.errors import UsageError
from nextword.tasks.classify.report import Report

_MOST = 30  # classes whose numbers are written into the cells
_INCHES = 0.55  # a cell


def require_matplotlib() -> None:
    """Raise UsageError, which says what to install, without matplotlib."""
    if find_spec("matplotlib") is None:
        raise UsageError("a picture needs matplotlib; install it with: pip install 'nextword[plot]'")


def draw_confusion(report: Report, file: str | Path, *, title: str = "") -> None:
    """Write a PNG: a row for each class's examples, shaded by the share of them that each column was predicted."""
    require_matplotlib()
    from matplotlib.figure import Figure

    confusion, names = report.confusion, [str(label) for label in report.classes]
    shares = confusion / np.maximum(confusion.sum(axis=1, keepdims=True), 1)
    side = max(3.2, _INCHES * min(len(names), _MOST) + 2.2)
    figure = Figure(figsize=(side + 0.6, side), layout="tight", dpi=120)
    axes: Any = figure.add_subplot()
    image = axes.imshow(shares, cmap="Blues", vmin=0, vmax=1)
    axes.set_xticks(range(len(names)), names, rotation=45, ha="right", rotation_mode="anchor")
    axes.set_yticks(range(len(names)), names)
    axes.set_xlabel("predicted")
    axes.set_ylabel("label")
    axes.set_title(title or f"accuracy {report.accuracy:.1%} of {len(report.correct):,}")
    if len(names) <= _MOST:
        for (row, column), count in np.ndenumerate(confusion):
            shade = "white" if shares[row, column] > 0.5 else "black"
            axes.text(column, row, f"{count:,}", ha="center", va="center", color=shade, fontsize=8)
    figure.colorbar(image, ax=axes, label="share of the label's examples", shrink=0.8)
    figure.savefig(Path(file), format="png")
