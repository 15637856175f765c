"""``nextword overlap``: the table, the lines, the file of all of them, JSON."""

import json
import re

import pytest

from nextword.interfaces.cli import run

TRAIN = ["the students opened their books", "a\tb  c d", "they read", "one two three four five six"]
TEST = ["students opened their laptops", "they read", "", "a b\tc d", "something else altogether here"]


@pytest.fixture
def call(tmp_path, capsys, monkeypatch):
    monkeypatch.chdir(tmp_path)
    for name, lines in {"train": TRAIN, "test": TEST, "empty": [""]}.items():
        (tmp_path / f"{name}.txt").write_text("\n".join(lines) + "\n")

    def call(*arguments):
        status = run(["overlap", *map(str, arguments)])
        return status, *capsys.readouterr()

    return call


def test_shares_and_lines(call):
    status, out, err = call("train.txt", "test.txt", "-n", "2,3", "--show", 2)
    figures, first, second, more = out.split("\n\n")
    rows = [re.split("  +", line.strip()) for line in figures.splitlines()]
    assert (status, err) == (0, "")
    assert rows[0] == ["in the test", "in training", "share", "distinct", "share", "lines with one", "share"]
    assert rows[2] == ["whole lines", "4", "2", "50.00%"]
    assert rows[3] == ["2-grams", "10", "6", "60.00%", "10", "60.00%", "3", "75.00%"]
    assert rows[4] == ["3-grams", "6", "3", "50.00%", "6", "50.00%", "2", "66.67%"]
    assert first == "test.txt:4 and train.txt:2: the whole line\n    a b\tc d"
    assert second == "test.txt:1 and train.txt:1: 1 of 2 3-grams\n    students opened their laptops"
    assert more == "and 1 more line (--show, --out FILE)\n"


def test_all_lines_in_a_file(call, tmp_path):
    status, out, err = call("train.txt", "test.txt", "-n", "3", "--show", 0, "--out", "shared.tsv")
    assert (status, err) == (0, "wrote shared.tsv: 3 lines\n")
    assert out.endswith("\nand 3 more lines (--show, --out FILE)\n")
    assert (tmp_path / "shared.tsv").read_text().splitlines() == [
        "test\ttrain\tn\tfound\tngrams\ttokens\ttext",
        "test.txt:1\ttrain.txt:1\t3\t1\t2\t3\tstudents opened their laptops",
        "test.txt:2\ttrain.txt:3\t0\t1\t1\t2\tthey read",
        "test.txt:4\ttrain.txt:2\t0\t1\t1\t4\ta b\\tc d",
    ]


def test_json(call):
    status, out, _ = call("train.txt", "empty.txt", "test.txt", "-n", 2, "--json", "--show", 1, "--threads", 2)
    found = json.loads(out)
    assert (status, found["train"], found["test"]) == (0, ["train.txt", "empty.txt"], "test.txt")
    assert found["lines"] == {"lines": 4, "identical": 2, "share": 0.5}
    assert (found["ngrams"][0]["found"], found["matches"]) == (6, 3)
    assert found["shown"] == [
        {"test": "test.txt:4", "train": "train.txt:2", "n": 0, "found": 1, "ngrams": 1, "tokens": 4, "text": "a b\tc d"}
    ]


def test_how_the_texts_are_read(call, tmp_path):
    (tmp_path / "upper.txt").write_text("THEY READ!\n")
    found = [call("upper.txt", "test.txt", "-n", 2, "--json", *options)[1] for options in
             ((), ("--lowercase", "--tokenizer", "word"))]  # fmt: skip
    assert [json.loads(out)["ngrams"][0]["found"] for out in found] == [0, 1]


@pytest.mark.parametrize(
    ("arguments", "status", "message"),
    [
        ("test.txt", 2, "one text was given, and a training text and a test text are compared; name both"),
        ("train.txt test.txt -n 8;13", 2, "-n '8;13': give whole numbers of tokens, such as 8,13"),
        (
            "train.txt test.txt -n 0",
            2,
            "n-grams of 0 tokens: give lengths of 1 or more, each once, such as 8,13",
        ),
        (
            "train.txt empty.txt",
            1,
            "the test text holds no tokens: there is nothing to look for; give a file with words in it",
        ),
        ("nope.txt test.txt", 1, "nope.txt: there is no such file; check the path"),
    ],
)
def test_what_is_refused(call, arguments, status, message):
    assert call(*arguments.split()) == (status, "", f"nextword: {message}\n")
