"""``nextword prune``, and pruning at the end of ``train``."""

import json
import re

import pytest

import nextword
from nextword import store
from nextword.interfaces.cli import run
from nextword.ngram.sizes import parse_size

TRAIN = ["students opened their books", "students opened their laptops", "the students read it", "", "they opened it"]


@pytest.fixture(scope="module")
def folder(tmp_path_factory):
    """A folder with a text and models of it: three (Witten-Bell), chars (characters), s (stupid backoff)."""
    folder = tmp_path_factory.mktemp("prune")
    (folder / "train.txt").write_text("\n".join(TRAIN * 6) + "\n")
    for name, options in {
        "three": {"smoothing": "witten-bell"},
        "chars": {"smoothing": "witten-bell", "tokenizer": "char"},
        "s": {"smoothing": "stupid-backoff"},
    }.items():
        nextword.train(folder / "train.txt", order=3, **options).save(folder / name)
    nextword.write_arpa(nextword.load(folder / "three").model, folder / "three.arpa")
    return folder


@pytest.fixture
def call(folder, capsys, monkeypatch):
    monkeypatch.chdir(folder)

    def call(*arguments):
        status = run([str(argument) for argument in arguments])
        return status, *capsys.readouterr()

    return call


def test_a_table_of_what_is_left(call):
    status, out, err = call("prune", "three", "--entropy", "1e-2", "--out", "small")
    lines = [re.split("  +", line.strip()) for line in out.splitlines()]
    before, after = (nextword.load(name).model.counts() for name in ("three", "small"))
    assert lines[0] == ["order", "n-grams before", "after", "share"]
    assert [row[1:3] for row in lines[2:]] == [[str(n), str(m)] for n, m in zip(before, after, strict=True)]
    assert (status, before[0], before[2] > after[2]) == (0, after[0], True)
    assert err == f"wrote small: {store.size('small'):,} bytes; the threshold was 0.01\n"


def test_directories_and_arpa_files_are_pruned_alike(call):
    found = []
    for source, target in (("three", "one"), ("three.arpa", "two"), ("three", "three.small.arpa.gz")):
        status, out, _ = call("prune", source, "--entropy", "5e-3", "--out", target, "--json", "--quiet")
        assert status == 0
        found.append(json.loads(out))
        assert found[-1]["bytes"] == (store.size(target) if target in ("one", "two") else found[-1]["bytes"])
    assert [one["ngrams"] for one in found] == [found[0]["ngrams"]] * 3
    assert nextword.read_arpa("three.small.arpa.gz").counts() == found[0]["ngrams"]
    assert found[0].keys() == {"model", "bytes", "threshold", "history", "ngrams_before", "ngrams"}


@pytest.mark.parametrize("history", ["product", "three.arpa"])
def test_histories(call, history):
    status, out, _ = call("prune", "three", "--entropy", "1e-2", "--history", history, "--out", "h", "--json")
    assert (status, json.loads(out)["history"]) == (0, history)


def test_a_size(call):
    size = store.size("three") - 500
    status, out, _ = call("prune", "three", "--target-size", size, "--out", "sized", "--json")
    assert (status, json.loads(out)["bytes"]) == (0, store.size("sized"))
    assert store.size("sized") <= size


def test_tokens_of_another_tokenizer(call):
    status, _, err = call("prune", "chars", "--entropy", "1e-2", "--out", "chars.arpa")
    note = "chars.arpa: its words are tokens of the char tokenizer, which an ARPA file cannot hold"
    assert (status, err.splitlines()[0]) == (0, note)


def test_training_can_end_in_pruning(call):
    options = ["--order", "3", "--smoothing", "witten-bell", "--prune-entropy", "5e-3", "--quiet"]
    assert call("train", "ngram", "train.txt", "--out", "trained", *options)[0] == 0
    call("prune", "three", "--entropy", "5e-3", "--out", "after", "--quiet")
    assert nextword.load("trained").model.counts() == nextword.load("after").model.counts()
    size = store.size("trained") - 100
    options[4:6] = ["--target-size", str(size)]
    assert call("train", "ngram", "train.txt", "--out", "trained", *options)[0] == 0
    assert store.size("trained") <= size


@pytest.mark.parametrize(
    ("arguments", "status", "message"),
    [
        (
            "prune three --out x",
            2,
            "neither of a threshold (--entropy) and a size (--target-size) was given; give one of them",
        ),
        (
            "prune s --entropy 1e-8 --out x",
            2,
            "a stupid-backoff model has no n-grams to be pruned by relative entropy; give an n-gram model that has "
            "probabilities",
        ),
        (
            "prune three --target-size 5X --out x",
            2,
            "--target-size '5X': expected a number of bytes, such as 800000, 512K, 50M or 1.5G",
        ),
        (
            "prune three --target-size 5M --out x.arpa",
            2,
            "--target-size is of a model directory, and x.arpa is an ARPA file; prune to a directory, then convert it",
        ),
        (
            "prune three --entropy 1 --out no/x.arpa",
            1,
            "no/x.arpa: cannot be written: it is a directory, or is to be in none; give another name",
        ),
        (
            "prune three --entropy 1 --out train.txt",
            1,
            "train.txt: is a file, expected a directory; choose another name",
        ),
        (
            "prune three --entropy 1 --history s --out x",
            2,
            "history 's' is no n-gram model with probabilities; give one, or stationary or product",
        ),
    ],
)
def test_what_is_refused(call, arguments, status, message):
    assert call(*arguments.split()) == (status, "", f"nextword: {message}\n")


@pytest.mark.parametrize(
    ("text", "size"), [("0", 0), ("800000", 800_000), ("512K", 524_288), ("50m", 52_428_800), ("1.5G", 1_610_612_736),
                       ("2 GiB", 2**31), ("1T", 2**40)]
)  # fmt: skip
def test_sizes(text, size):
    assert parse_size(text, "--x") == size
