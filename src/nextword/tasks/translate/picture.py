"""Pictures of attention: a row for each word that is written, a column for each that is read, dark where it looks."""

import html
from pathlib import Path

from nextword import durable
from nextword.errors import UsageError
from nextword.neural.metrics import require_matplotlib
from nextword.tasks.translate.translator import Looked
from nextword.types import Array

SUFFIXES = (".png", ".html")
_DARK = (0x0B, 0x3C, 0x6F)  # what weight 1 is drawn in; 0 is white
_WHITE_FROM = 0.69  # the weight from which letters are white, so that their contrast is always 4.5 or more
_PAGE = """<!DOCTYPE html>
<html lang="en">
<head>
<meta charset="utf-8">
<title>Attention</title>
<style>
body {{ font: 15px/1.4 system-ui, sans-serif; color: #1a1a1a; background: #fff; margin: 2em; }}
table {{ border-collapse: collapse; }}
th {{ font-weight: normal; padding: 0.3em 0.6em; text-align: right; white-space: nowrap; }}
thead th {{ text-align: center; vertical-align: bottom; }}
td {{ width: 3.4em; height: 2.1em; text-align: center; font-size: 12px; border: 1px solid #e4e4e4; }}
caption {{ caption-side: bottom; text-align: left; padding-top: 1em; color: #555; }}
</style>
</head>
<body>
<table>
<caption>A row is a token that is written, a column one that is read. Numbers are percent of the attention.</caption>
<thead><tr><th></th>{header}</tr></thead>
<tbody>
{rows}
</tbody>
</table>
</body>
</html>
"""


def check_picture(path: Path) -> None:
    """Raise UsageError for a picture that cannot be drawn, before the work. Its name ends in .png or .html."""
    if path.suffix.lower() not in SUFFIXES:
        raise UsageError(f"{path}: a picture of attention is a {' or '.join(SUFFIXES)} file; give it such a name")
    if path.suffix.lower() == ".png":
        require_matplotlib()


def draw(looked: Looked, path: Path) -> None:
    """Write a heat map as PNG, or as an HTML page that needs no other file. Raises as ``check_picture`` does."""
    check_picture(path)
    if path.suffix.lower() == ".html":
        with durable.system_errors_named(path, "written"):
            path.write_text(page(looked), encoding="utf-8")
    else:
        _draw_png(looked, path)


def page(looked: Looked) -> str:
    """The HTML page."""
    header = "".join(f"<th>{html.escape(token)}</th>" for token in looked.source)
    rows = [
        f"<tr><th>{html.escape(token)}</th>{''.join(_cell(float(weight)) for weight in weights)}</tr>"
        for token, weights in zip(looked.target, looked.weights, strict=True)
    ]
    return _PAGE.format(header=header, rows="\n".join(rows))


def _cell(weight: float) -> str:
    red, green, blue = (round(255 + (dark - 255) * weight) for dark in _DARK)
    text = "#fff" if weight >= _WHITE_FROM else "#000"
    percent = round(100 * weight)
    return f'<td style="background: rgb({red}, {green}, {blue}); color: {text}">{percent or ""}</td>'


def _draw_png(looked: Looked, path: Path) -> None:
    from matplotlib.backends.backend_agg import FigureCanvasAgg
    from matplotlib.colors import LinearSegmentedColormap
    from matplotlib.figure import Figure

    rows, columns = looked.weights.shape
    figure = Figure(figsize=(1.6 + 0.52 * columns, 1.2 + 0.36 * rows), dpi=110, layout="constrained")
    axes = figure.add_subplot()
    blues = LinearSegmentedColormap.from_list("looked", ["#ffffff", "#{:02x}{:02x}{:02x}".format(*_DARK)])
    axes.imshow(looked.weights, cmap=blues, vmin=0, vmax=1, aspect="auto")
    axes.set_xticks(range(columns), [token for token in looked.source], rotation=45, ha="left")
    axes.set_yticks(range(rows), [token for token in looked.target])
    axes.xaxis.tick_top()
    axes.tick_params(length=0)
    _write_numbers(axes, looked.weights)
    for side in axes.spines.values():
        side.set_color("#cccccc")
    with durable.system_errors_named(path, "written"):
        FigureCanvasAgg(figure)
        figure.savefig(path, format="png")


def _write_numbers(axes: object, weights: Array) -> None:
    for (row, column), weight in _each(weights):
        if round(100 * weight):
            color = "white" if weight >= _WHITE_FROM else "#000"
            axes.text(  # type: ignore[attr-defined]
                column, row, f"{100 * weight:.0f}", ha="center", va="center", fontsize=7, color=color
            )


def _each(weights: Array) -> list[tuple[tuple[int, int], float]]:
    rows, columns = weights.shape
    return [((i, j), float(weights[i, j])) for i in range(rows) for j in range(columns)]
