"""Libraries that import ``kenlm`` themselves do with ours what they do with KenLM's."""

import json
import os
import subprocess
from pathlib import Path

import pytest

import nextword
from interfaces.clients import ROOT, client_python

GOLDEN = Path(__file__).parents[1] / "golden" / "kenlm"


def decoded(python, model, *options):
    """What pyctcdecode makes of it; nextword is run from its source, under the NumPy that pyctcdecode wants."""
    words = [python, Path(__file__).with_name("kenlm_decoding.py"), model, *options]
    environment = {**os.environ, "PYTHONPATH": str(ROOT / "src")}
    done = subprocess.run(words, capture_output=True, text=True, check=False, env=environment)
    assert done.returncode == 0, done.stderr
    return json.loads(done.stdout)


@pytest.fixture(scope="module")
def python():
    return client_python("kenlm", "pyctcdecode", "numba", "safetensors", "zstandard", "tokenizers")


def test_pyctcdecode_finds_the_same_beams(python, tmp_path):
    nextword.LM(nextword.read_arpa(GOLDEN / "words.arpa")).save(tmp_path / "m")
    expected = decoded(python, GOLDEN / "words.arpa")
    assert len(expected) > 40 and len({text for text, *_ in expected}) > 20
    for model in (tmp_path / "m", GOLDEN / "words.arpa", GOLDEN / "trie.bin"):
        assert decoded(python, model, "ours") == expected
