"""The examples run, and print what they should."""

import re
import runpy
from pathlib import Path

import pytest

EXAMPLES = Path(__file__).resolve().parent.parent / "examples"


def printed(name, capsys):
    """What an example prints."""
    runpy.run_path(str(EXAMPLES / name), run_name="__main__")
    return capsys.readouterr().out


def test_the_quick_start(capsys):
    assert "students opened their books    0.426" in printed("quickstart.py", capsys)


def test_neural_models_know_the_neighbours_of_words(capsys):
    """What scholars have not opened in the text, students and pupils have."""
    pytest.importorskip("torch")
    out = printed("neural.py", capsys)
    window, counts = (
        float(re.search(rf"^{name} .* minds (\S+)", out, re.MULTILINE)[1]) for name in ("window", "counts")
    )
    assert window > 2 * counts
    assert out.splitlines()[-1].startswith("scholars opened their ")


def test_every_example_is_tested():
    assert {path.name for path in EXAMPLES.glob("*.py")} == {"quickstart.py", "neural.py"}
