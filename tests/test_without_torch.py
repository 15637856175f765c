"""Where PyTorch is not installed, what counts works and what is neural says what to install."""

import json
import os
import subprocess
import sys

import pytest

from nextword.manifest import dump, read_config

WITHOUT = """
import sys

class Absent:
    # Stands before every other finder and finds no torch.
    def find_spec(self, name, path=None, target=None):
        if name.partition(".")[0] in ("torch", "transformers"):
            raise ModuleNotFoundError(f"No module named {name!r}", name=name)

import importlib.util
find_spec = importlib.util.find_spec
importlib.util.find_spec = lambda name, *rest: None if name == "torch" else find_spec(name, *rest)
sys.meta_path.insert(0, Absent())
"""
INSTALL = "this needs PyTorch; install it with: pip install 'nextword[neural]'"


def python(program, folder, *arguments):
    """Run a program in a Python that has no PyTorch; status, stdout, stderr."""
    done = subprocess.run(
        [sys.executable, "-c", WITHOUT + program, *map(str, arguments)],
        cwd=folder, capture_output=True, text=True, check=False, env={**os.environ, "PYTHONWARNINGS": "error"},
    )  # fmt: skip
    return done.returncode, done.stdout, done.stderr


def nextword(folder, *arguments):
    """Run the command so."""
    return python("from nextword.interfaces.cli import main\nmain()", folder, *arguments)


@pytest.fixture(scope="module")
def folder(tmp_path_factory):
    folder = tmp_path_factory.mktemp("without")
    (folder / "text.txt").write_text("students opened their books\nthe pupils opened their books\n" * 9)
    return folder


def test_the_blocker_blocks(folder):
    status, _, err = python("import torch", folder)
    assert (status, err.splitlines()[-1]) == (1, "ModuleNotFoundError: No module named 'torch'")


def test_all_that_counts_works(folder):
    train = ("train", "ngram", "text.txt", "--order", 3, "--smoothing", "witten-bell", "--quiet", "--out")
    assert nextword(folder, *train, "a") == (0, "", "")
    assert nextword(folder, *train, "b") == (0, "", "")
    status, out, err = nextword(folder, "mix", "a", "b", "--tune", "text.txt", "--out", "ab", "--quiet")
    assert (status, err) == (0, "")
    status, out, err = nextword(folder, "evaluate", "a", "ab", "--text", "text.txt", "--json", "--quiet")
    assert (status, err) == (0, "")
    assert [model["kind"] for model in json.loads(out)["models"]] == ["ngram", "mixture"]
    assert nextword(folder, "next", "a", "students opened", "-k", 1)[1].splitlines()[2].startswith("their ")
    assert nextword(folder, "generate", "a", "--temperature", 0) == (0, "students opened their books\n", "")
    assert nextword(folder, "score", "a", "text.txt", "--quiet")[0] == 0
    assert nextword(folder, "info", "ab")[0] == 0
    assert nextword(folder, "convert", "a", "a.arpa", "--quiet")[0] == 0


def test_compare_leaves_the_neural_models_out(folder):
    status, out, err = nextword(folder, "compare", "text.txt", "--out", "models", "--json", "--threads", 1)
    assert status == 0
    assert not any(model["neural"] for model in json.loads(out)["models"])
    assert err == (
        "the neural models and their mixtures are left out, as they need PyTorch; install it with: "
        "pip install 'nextword[neural]'\n"
    )


@pytest.mark.parametrize("kind", ["window", "rnn", "gru", "lstm", "transformer"])
def test_training_a_network_says_what_to_install(folder, kind):
    assert nextword(folder, "train", kind, "text.txt", "--out", "n") == (2, "", f"nextword: {INSTALL}\n")


def test_opening_a_network_says_what_to_install(folder):
    nextword(folder, "train", "ngram", "text.txt", "--smoothing", "witten-bell", "--out", "opened", "--quiet")
    (folder / "opened" / "config.json").write_bytes(dump({**read_config(folder / "opened"), "kind": "lstm"}))
    status, out, err = nextword(folder, "generate", "opened")
    assert (status, out) == (1, "")
    assert err == f"nextword: opened: {INSTALL}\n"


def test_from_python(folder):
    program = """
import nextword
text = nextword.Corpus.from_lines(["students opened their books"] * 3)
print(nextword.train(text, order=2, smoothing="witten-bell").next("students opened", k=1).words)
try:
    nextword.train(text, kind="lstm")
except nextword.UsageError as error:
    print(error)
print("torch" in sys.modules)
"""
    status, out, err = python(program, folder)
    assert (status, err) == (0, "")
    assert out.splitlines() == ["('their',)", INSTALL, "False"]
