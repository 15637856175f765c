"""``nextword quantize`` of n-gram models, and what the other commands make of the result."""

import json

import numpy as np
import pytest

import nextword
from nextword import store
from nextword.interfaces.cli import run
from nextword.ngram.arpa import read_arpa

SENTENCES = ["the cat sat on the mat", "the dog sat on the cat", "a dog and a cat", "birds and fish swim by day", ""]
LINES = [sentence for i, sentence in enumerate(SENTENCES, start=1) for _ in range(i * i)]


@pytest.fixture(scope="module")
def folder(tmp_path_factory):
    """A folder with the models full, trie and hash, and a text."""
    folder = tmp_path_factory.mktemp("quantised")
    (folder / "test.txt").write_text("the cat and the dog\nbirds flew by\n")
    nextword.train(nextword.Corpus.from_lines(LINES), order=3, smoothing="witten-bell").save(folder / "full")
    for layout in ("trie", "hash"):
        assert run(["quantize", str(folder / "full"), "--out", str(folder / layout), "--layout", layout]) == 0
    return folder


def test_quantize_says_what_it_wrote(folder, capsys):
    assert run(["quantize", str(folder / "full"), "--out", str(folder / "again"), "--bits", "5"]) == 0
    assert capsys.readouterr().err == f"wrote {folder}/again: {store.size(folder / 'again'):,} bytes\n"
    assert nextword.load(folder / "again").model.quantised == {"layout": "trie", "bits": 5, "backoff_bits": None}


@pytest.mark.parametrize("layout", ["trie", "hash"])
def test_info(folder, capsys, layout):
    assert run(["info", str(folder / layout), "--verify", "--json"]) == 0
    found = json.loads(capsys.readouterr().out)
    model = nextword.load(folder / layout).model
    expected = {
        "kind": f"ngram-{layout}",
        "order": 3,
        "ngrams": nextword.load(folder / "full").model.counts(),
        "quantised": model.quantised,
        "rows_sum_to_1_within": model.tolerance,
        "smoothing": "witten-bell",
        "verified": True,
    }
    assert {name: found[name] for name in expected} == expected
    assert run(["info", str(folder / layout)]) == 0
    assert f'quantised             {{"layout": "{layout}"' in capsys.readouterr().out


@pytest.mark.parametrize("layout", ["trie", "hash"])
def test_other_commands_take_it(folder, capsys, layout):
    evaluated = []
    for name in (layout, "full"):
        assert run(["evaluate", str(folder / name), "--text", str(folder / "test.txt"), "--json"]) == 0
        evaluated += json.loads(capsys.readouterr().out)["models"]
        assert run(["next", str(folder / name), "the", "-k", "2", "--json"]) == 0
        evaluated[-1]["words"] = json.loads(capsys.readouterr().out)
    assert evaluated[0]["perplexity"] == pytest.approx(evaluated[1]["perplexity"], rel=0.01)
    assert run(["generate", str(folder / layout), "--prompt", "the", "--seed", "1", "--max-tokens", "5"]) == 0
    assert capsys.readouterr().out.startswith("the ")
    assert run(["score", str(folder / layout), str(folder / "test.txt")]) == 0


def test_rows_that_do_not_sum_to_1_are_said_to(folder, capsys):
    assert run(["quantize", str(folder / "full"), "--out", str(folder / "rough"), "--backoff-bits", "2"]) == 0
    capsys.readouterr()
    assert run(["evaluate", str(folder / "rough"), "--text", str(folder / "test.txt")]) == 0
    off = nextword.load(folder / "rough").model.tolerance
    note = f"{folder}/rough: quantised: after a context, probabilities sum to 1 only within {off:.1g}\n"
    assert off > 1e-3
    assert capsys.readouterr().err.endswith(note)
    assert run(["evaluate", str(folder / "trie"), "--text", str(folder / "test.txt")]) == 0
    assert "sum to 1" not in capsys.readouterr().err


def test_a_trie_becomes_an_arpa_file_and_a_hash_table_does_not(folder, capsys):
    assert run(["convert", str(folder / "trie"), str(folder / "trie.arpa")]) == 0
    text = (folder / "test.txt").read_text()
    again, trie = nextword.LM(read_arpa(folder / "trie.arpa")), nextword.load(folder / "trie")
    np.testing.assert_allclose(again.score(text), trie.score(text), rtol=1e-5)
    capsys.readouterr()
    assert run(["convert", str(folder / "hash"), str(folder / "hash.arpa")]) == 2
    assert capsys.readouterr().err.endswith(
        f"nextword: {folder}/hash: a model of kind 'ngram-hash' has hashes in place of its n-grams, which nobody can "
        "list; convert the model that it was made of\n"
    )


def test_refusals(folder, capsys):
    for model, options, message in (
        ("full", ["--to", "int8"], "to: for neural models, and this is a model of kind ngram; leave it out"),
        ("trie", [], "a model of kind 'ngram-trie' cannot be quantised; give one of kind 'ngram' or a neural one"),
        ("full", ["--bits", "1"], None),
        ("full", ["--layout", "tree"], None),
    ):
        assert run(["quantize", str(folder / model), "--out", str(folder / "no"), *options]) == 2
        error = capsys.readouterr().err
        assert message is None or error.endswith(f"nextword: {folder}/{model}: {message}\n")
    assert not (folder / "no").exists()
