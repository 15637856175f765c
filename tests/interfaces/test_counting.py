"""``nextword count``, and the options of ``nextword train ngram`` that bound memory."""

import json
import re

import pytest

import nextword
from nextword.interfaces.cli import run

TEXT = "students opened their books\nstudents opened their laptops\n\nthe students read it\nthey opened it\n" * 5


@pytest.fixture
def call(tmp_path, capsys, monkeypatch):
    monkeypatch.chdir(tmp_path)
    (tmp_path / "train.txt").write_text(TEXT)

    def call(*arguments):
        status = run([str(argument) for argument in arguments])
        return status, *capsys.readouterr()

    return call


OPTIONS = ("--order", 3, "--discount-fallback")


def contents(folder):
    return {file.name: file.read_bytes() for file in folder.iterdir()}


def test_bounded_memory_saves_the_same_files(call, tmp_path):
    assert call("train", "ngram", "train.txt", "--out", "plain", *OPTIONS)[0] == 0
    status, _, messages = call("train", "ngram", "train.txt", "--out", "bounded", "--memory", "100M", *OPTIONS)
    assert status == 0
    assert re.match(r"bounded\.counting: temporary files took \d+ MB at most; deleted\n", messages)
    assert contents(tmp_path / "bounded") == contents(tmp_path / "plain")
    assert call("train", "ngram", "train.txt", "--out", "x", "--temp", "t", "--prune", "0 0 1", *OPTIONS)[0] == 0
    assert call("train", "ngram", "train.txt", "--out", "y", "--prune", "0 0 1", *OPTIONS)[0] == 0
    assert contents(tmp_path / "x") == contents(tmp_path / "y")
    assert sorted(file.name for file in tmp_path.iterdir()) == ["bounded", "plain", "train.txt", "x", "y"]


def test_counts_save_the_same_files(call, tmp_path):
    reading = ("--min-count", 2, "--lowercase", "--tokenizer", "word")
    assert call("train", "ngram", "train.txt", "--out", "plain", *reading, *OPTIONS)[0] == 0
    status, _, messages = call("count", "train.txt", "--out", "counts", "--order", 3, *reading)
    assert status == 0
    assert re.fullmatch(
        r"counts: \d+ distinct windows of 3 words in 1 files, 0 MB; temporary files took 0 MB at most; [\d.]+ s\n",
        messages,
    )
    assert call("train", "ngram", "--from-counts", "counts", "--out", "counted", "--discount-fallback")[0] == 0
    assert contents(tmp_path / "counted") == contents(tmp_path / "plain")
    assert json.loads((tmp_path / "counted" / "config.json").read_text())["settings"] == {"prune": [0], "min_count": 2}
    assert sorted(file.name for file in tmp_path.iterdir()) == ["counted", "counts", "plain", "train.txt"]


def test_what_failed_is_gone_on_with(call, tmp_path):
    given = ("train", "ngram", "train.txt", "--out", "model", "--order", 3, "--memory", "64M")
    status, _, messages = call(*given)
    assert (status, "--discount-fallback" in messages) == (1, True)
    left = sorted(file.name for file in (tmp_path / "model.counting").iterdir())
    assert left == ["manifest.json", "run-000000-000001", "words.safetensors"]
    status, _, messages = call(*given, "--discount-fallback")
    assert (status, messages) == (
        2,
        "nextword: model.counting: holds what an earlier count has finished; go on with it by --resume, or delete the "
        "directory\n",
    )
    assert call(*given, "--discount-fallback", "--resume")[0] == 0
    assert call("train", "ngram", "train.txt", "--out", "plain", *OPTIONS)[0] == 0
    assert contents(tmp_path / "model") == contents(tmp_path / "plain")
    assert not (tmp_path / "model.counting").exists()


@pytest.mark.parametrize(
    ("options", "message"),
    [
        (["--min-count", 2], "counts: holds counts, which --min-count can no longer change; leave it out, or count"),
        (["train.txt"], "counts: holds counts, which a text can no longer change; leave it out, or count again"),
        (["--memory", "1G", "--lowercase"], "counts: holds counts, which --lowercase, --memory can no longer change"),
        (["--order", 4], "counts: holds n-grams up to order 3, not 4; give --order 3"),
        (["--like-lmplz"], "counts: was counted without --like-lmplz, so a model cannot be estimated with it"),
    ],
)
def test_counts_cannot_be_read_otherwise(options, message, call):
    assert call("count", "train.txt", "--out", "counts", "--order", 3)[0] == 0
    status, _, messages = call("train", "ngram", "--from-counts", "counts", "--out", "model", *options)
    assert status == 2
    assert messages.startswith(f"nextword: {message}")


def test_usage(call):
    status, _, messages = call("train", "ngram", "train.txt", "--out", "model", "--memory", "lots")
    assert (status, messages) == (
        2, "nextword: memory 'lots': expected a number of bytes, such as 800000, 512K, 50M or 1.5G\n",
    )  # fmt: skip
    status, _, messages = call("train", "ngram", "--out", "model")
    assert (status, messages) == (
        2, "nextword: no text was given; name at least one file, or - for standard input\n",
    )  # fmt: skip
    status, _, messages = call("train", "ngram", "--from-counts", "nothing", "--out", "model")
    assert (status, messages) == (
        1, "nextword: nothing: has no counts.json, so it holds no counts, or no whole ones; count again\n",
    )  # fmt: skip


def test_from_python(call, tmp_path):
    text = tmp_path / "train.txt"
    given = {"order": 3, "smoothing": "witten-bell", "min_count": 2}
    nextword.train(text, **given).save(tmp_path / "plain")
    nextword.train(text, memory="64M", temp=tmp_path / "temp", resume=False, **given).save(tmp_path / "bounded")
    assert contents(tmp_path / "bounded") == contents(tmp_path / "plain")
    assert not (tmp_path / "temp").exists()
