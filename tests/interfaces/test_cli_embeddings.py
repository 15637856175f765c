"""``nextword train cbow`` and ``nextword neighbours``."""

import json

import numpy as np
import pytest

from nextword.interfaces.cli import run
from nextword.neural.embeddings import read_embeddings

LINES = [f"{who} opened their {what}" for who in ("students", "pupils") for what in ("books", "bags")] + [
    "we went home"
]
QUICK = ["--embedding-size", "12", "--epochs", "150", "--rate", "0.2"]


@pytest.fixture
def folder(tmp_path, monkeypatch):
    (tmp_path / "text.txt").write_text("\n".join(LINES) + "\n")
    monkeypatch.chdir(tmp_path)
    return tmp_path


def fails(capsys, status, *arguments):
    assert run([str(argument) for argument in arguments]) == status
    out, err = capsys.readouterr()
    assert out == ""
    return err.removeprefix("nextword: ").removesuffix("\n")


def test_vectors_are_written_and_their_neighbours_shown(folder, capsys):
    assert run(["train", "cbow", "text.txt", "--out", "vectors.txt", *QUICK]) == 0
    assert capsys.readouterr().err.startswith("vectors.txt: 12 vectors of 12 numbers in ")
    words, vectors = read_embeddings("vectors.txt")
    assert words[:3] == ["<unk>", "<s>", "</s>"]
    assert vectors.shape == (12, 12)
    assert run(["neighbours", "vectors.txt", "students", "books", "-k", "1"]) == 0
    header, _, *rows = capsys.readouterr().out.splitlines()
    assert header.split() == ["word", "neighbour", "cosine"]
    assert [row.split()[:2] for row in rows] == [["students", "pupils"], ["books", "bags"]]
    assert run(["neighbours", "vectors.txt", "pupils", "-k", "2", "--json"]) == 0
    found = json.loads(capsys.readouterr().out)
    assert list(found) == ["pupils"]
    assert found["pupils"][0][0] == "students"
    assert len(found["pupils"]) == 2


def test_the_seed_and_the_reading_of_the_text(folder, capsys):
    options = [*QUICK[:2], "--epochs", "1", "--quiet"]
    for name, more in {"a": [], "b": ["--seed", "0"], "c": ["--seed", "1"], "d": ["--vocab-size", "5"]}.items():
        assert run(["train", "cbow", "text.txt", "--out", f"{name}.txt", *options, *more]) == 0
    assert capsys.readouterr() == ("", "")
    a, b, c, d = (read_embeddings(f"{name}.txt") for name in "abcd")
    assert np.array_equal(a.vectors, b.vectors)
    assert not np.array_equal(a.vectors, c.vectors)
    assert d.words == ["<unk>", "<s>", "</s>", "opened", "their"]
    assert run(["train", "cbow", "text.txt", "--out", "e.txt", *options, "--tokenizer", "char", "--lowercase"]) == 0
    assert {"o", "p"} < set(read_embeddings("e.txt").words)


def test_refusals(folder, capsys):
    train = ["train", "cbow", "text.txt", "--out"]
    assert fails(capsys, 2, *train, "v.txt", "--rate", "0") == "rate=0.0: expected a learning rate above 0, such as 0.1"
    assert fails(capsys, 1, *train, folder) == (
        f"{folder}: cannot be written: it is there and not a regular file; give another name"
    )
    assert fails(capsys, 1, "neighbours", "none.txt", "a") == "none.txt: there is no such file; check the path"
    (folder / "v.txt").write_text("1 2\nbooks 1 2\n")
    message = "v.txt: has no vector of 'Books'; check its spelling and case"
    assert fails(capsys, 1, "neighbours", "v.txt", "Books") == message
    (folder / "empty.txt").write_text("\n")
    message = "the training text has no words; give a file with at least one line of text"
    assert fails(capsys, 1, "train", "cbow", "empty.txt", "--out", "v.txt") == message
