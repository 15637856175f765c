import re
from html.parser import HTMLParser

import numpy as np
import pytest

pytest.importorskip("torch")
pytest.importorskip("sklearn")

from nextword.errors import UsageError
from nextword.tasks.translate.picture import draw, page
from nextword.tasks.translate.translator import Looked

LOOKED = Looked(np.array([[0.9, 0.1, 0.0], [0.004, 0.5, 0.496]]), ["<b>", "bat", "</s>"], ["·el", "</s>"])


class Cells(HTMLParser):
    """What the table's cells hold, and their styles."""

    def __init__(self, text):
        super().__init__()
        self.texts, self.styles, self.open = [], [], False
        self.feed(text)

    def handle_starttag(self, tag, attributes):
        self.open = tag in ("td", "th")
        if self.open:
            self.texts.append("")
            self.styles.append(dict(attributes).get("style", ""))

    def handle_data(self, data):
        if self.open:
            self.texts[-1] += data

    def handle_endtag(self, tag):
        self.open = False


def luminance(rgb):
    """Of WCAG 2.1."""
    parts = [c / 255 / 12.92 if c / 255 <= 0.03928 else ((c / 255 + 0.055) / 1.055) ** 2.4 for c in rgb]
    return 0.2126 * parts[0] + 0.7152 * parts[1] + 0.0722 * parts[2]


def test_the_page_has_every_token_and_weight():
    cells = Cells(page(LOOKED))
    assert cells.texts == ["", "<b>", "bat", "</s>", "·el", "90", "10", "", "</s>", "", "50", "50"]
    assert "http" not in page(LOOKED) and "<script" not in page(LOOKED)  # nothing is fetched


def test_every_number_can_be_read():
    weights = np.linspace(0, 1, 101)[:, None]
    cells = Cells(page(Looked(weights, ["a"], ["b"] * 101)))
    for style in filter(None, cells.styles):
        red, green, blue = (int(n) for n in re.search(r"rgb\((\d+), (\d+), (\d+)\)", style).groups())
        letters = (255, 255, 255) if "#fff" in style else (0, 0, 0)
        light, dark = sorted((luminance((red, green, blue)), luminance(letters)), reverse=True)
        assert (light + 0.05) / (dark + 0.05) >= 4.5


def test_files(tmp_path):
    pytest.importorskip("matplotlib")
    draw(LOOKED, tmp_path / "a.png")
    assert (tmp_path / "a.png").read_bytes().startswith(b"\x89PNG")
    draw(LOOKED, tmp_path / "a.html")
    assert (tmp_path / "a.html").read_text(encoding="utf-8") == page(LOOKED)
    with pytest.raises(UsageError) as error:
        draw(LOOKED, tmp_path / "a.gif")
    assert str(error.value) == (
        f"{tmp_path / 'a.gif'}: a picture of attention is a .png or .html file; give it such a name"
    )
