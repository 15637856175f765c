"""``nextword rescore``, ``choose`` and ``spell``: what they print and write, and what they refuse."""

import io
import json
import sys

import pytest
import typer

pytest.importorskip("jiwer")

import nextword  # noqa: E402
from nextword.interfaces.cli.rescoring import choose, rescore, spell  # noqa: E402

TEXT = ["a smooth finish", "the principal of the school", "a man of principle", "the cat sat", "a flat tyre"]


@pytest.fixture(scope="module")
def folder(tmp_path_factory):
    """A model, lists whose first hypothesis is wrong in every other sentence, and references."""
    folder = tmp_path_factory.mktemp("rescoring")
    nextword.train(nextword.Corpus.from_lines(TEXT * 5), order=3, smoothing="witten-bell").save(folder / "m")
    pairs = [("the cad sat", "the cat sat"), ("a smooth finish", "a smooth finnish")]
    lines = [f"{i} ||| {text} ||| am: {-rank}" for i in range(24) for rank, text in enumerate(pairs[i % 2])]
    (folder / "dev.nbest").write_text("\n".join(lines) + "\n")
    (folder / "dev.txt").write_text("the cat sat\na smooth finish\n" * 12)
    (folder / "test.nbest").write_text("\n".join(lines[:4]) + "\n")
    (folder / "test.txt").write_text("the cat sat\na smooth finish\n")
    (folder / "typed.txt").write_text("the cad sat\na man of principal.\n")
    (folder / "right.txt").write_text("the cat sat\na man of principle.\n")
    (folder / "sets.txt").write_text("principal principle\n")
    return folder


@pytest.fixture
def call(folder, capsys, monkeypatch):
    """Run a command as ``nextword`` would: (status, output, errors)."""
    from nextword.interfaces.cli import run

    monkeypatch.chdir(folder)
    from nextword.interfaces.cli.app import app

    names = {command.name for command in app.registered_commands}
    for name, function in (("rescore", rescore), ("choose", choose), ("spell", spell)):
        if name not in names:
            app.command(name)(function)

    def call(*arguments):
        status = run([str(argument) for argument in arguments])
        return status, *capsys.readouterr()

    return call


def test_the_commands_are_commands():
    assert [function.__name__ for function in (rescore, choose, spell)] == ["rescore", "choose", "spell"]
    assert all(isinstance(typer.Typer().command()(function), type(rescore)) for function in (rescore, choose, spell))


TUNE = ("--dev", "dev.nbest", "--dev-references", "dev.txt")


def test_texts_go_to_standard_output_and_figures_to_standard_error(call):
    status, out, err = call("rescore", "m", "test.nbest", *TUNE, "--references", "test.txt")
    assert (status, out) == (0, "the cat sat\na smooth finish\n")
    assert "before (first of each list)  16.67%       1" in err
    assert "after                         0.00%       0" in err
    assert err.endswith("too few lists to tell a difference from chance\n")


def test_whole_lists_in_a_file_and_figures_in_json(call, folder):
    status, out, _ = call("rescore", "m", "dev.nbest", "--lm-weight", 2, "--out", "best.nbest", "--lists", "--json",
                          "--references", "dev.txt")  # fmt: skip
    found = json.loads(out)
    assert (status, found["lists"], found["unit"]) == (0, 24, "words")
    assert found["weights"] == {"am": 1.0, "LM": 2.0, "words": 0.0, "unknown": 0.0}
    assert (found["before"]["errors"], found["after"]["errors"], found["oracle"]["rate"]) == (12, 0, 0)
    assert found["difference"]["high"] < 0
    lines = (folder / "best.nbest").read_text().splitlines()
    assert len(lines) == 48
    assert lines[0].startswith("0 ||| the cat sat ||| am: -1 LM: -")


def test_characters_and_json_on_the_screen(call):
    status, out, _ = call("rescore", "m", "test.nbest", "--lm-weight", 2, "--references", "test.txt", "--unit",
                          "characters", "--json")  # fmt: skip
    found = json.loads(out)
    assert (status, found["best"]) == (0, {"0": "the cat sat", "1": "a smooth finish"})
    assert (found["before"]["errors"], found["before"]["length"], found["difference"]) == (1, 26, None)


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        ("", "there are no weights; tune them with --dev and --dev-references, or give --lm-weight"),
        (
            "--dev dev.nbest",
            "weights are tuned on lists and what was said in them; give both --dev and --dev-references",
        ),
        (f"{' '.join(TUNE)} --word-bonus 1", "--word-bonus and --dev, which tunes it: give one of them"),
        ("--lm-weight 1 --weights x", "--weights 'x': give numbers with commas between them, such as 1,0.5"),
        ("--lm-weight 1 --weights 1,2", "--weights has 2 numbers for 1 scores (am)"),
        (
            "--lm-weight 1 --references dev.txt",
            "dev.txt: 24 references for 2 lists; give one line for each list in their order, or name them: id ||| text",
        ),
    ],
)
def test_what_rescore_refuses(call, arguments, message):
    status, out, err = call("rescore", "m", "test.nbest", *arguments.split())
    assert (status != 0, out, err) == (True, "", f"nextword: {message}\n")


def test_lists_of_different_make_are_refused(call, folder):
    (folder / "other.nbest").write_text("0 ||| the cat sat ||| tm: 1\n")
    status, _, err = call("rescore", "m", "other.nbest", *TUNE)
    assert status == 2
    assert err == "nextword: dev.nbest has the scores am, and the lists to rescore have tm; tune on lists alike\n"


def test_choose_shows_bits_and_words(call):
    status, out, err = call("choose", "m", "a flat finish", "a smooth finish", "--fragment", "--words")
    first, best, other = out.split("\n\n")
    assert (status, err) == (0, "")
    assert [line.split("  ")[0] for line in first.splitlines()[2:]] == ["a smooth finish", "a flat finish"]
    assert first.splitlines()[2].endswith("0.00")
    assert [line.split()[0] for line in best.splitlines()[2:]] == ["a", "smooth", "finish"]
    found = json.loads(call("choose", "m", "a flat finish", "a smooth finish", "--json")[1])
    assert [one["text"] for one in found] == ["a smooth finish", "a flat finish"]
    assert found[1]["behind"] == pytest.approx(found[1]["bits"] - found[0]["bits"])
    assert found[0]["tokens"][-1]["token"] == "</s>"


def test_choose_from_a_file_and_standard_input(call, folder, monkeypatch):
    (folder / "choices.tsv").write_text("a flat finish\ta smooth finish\nthe cat\tthe principal\n")
    status, out, _ = call("choose", "m", "--file", "choices.tsv", "--no-end")
    assert (status, [line.split("\t")[0] for line in out.splitlines()]) == (0, ["a smooth finish", "the cat"])
    monkeypatch.setattr(sys, "stdin", io.TextIOWrapper(io.BytesIO(b"cat\tsat\n")))
    status, out, _ = call("choose", "m", "--file", "-", "--after", "the", "--json")
    assert [one["text"] for one in json.loads(out)] == ["cat", "sat"]
    (folder / "choices.tsv").write_text("a\tb\nc\n")
    status, _, err = call("choose", "m", "--file", "choices.tsv")
    assert (status, err) == (2, "nextword: choices.tsv:2: 1 alternatives; there is a choice between two or more\n")
    status, _, err = call("choose", "m")
    assert err == "nextword: give two or more alternatives, or a file of them with --file, and not both\n"


def test_spell_corrects_and_counts(call, folder):
    options = ("--confusions", "sets.txt", "--error-rate", 0.2, "--references", "right.txt")
    status, out, err = call("spell", "m", "typed.txt", *options)
    assert (status, out) == (0, "the cat sat\na man of principle.\n")
    assert err == "2 words changed on 2 lines\nword errors: 2 (28.57%) before, 0 (0.00%) after\n"
    status, out, err = call("spell", "m", "typed.txt", "--json", "--out", "fixed.jsonl", "--quiet", *options[:4])
    records = [json.loads(line) for line in (folder / "fixed.jsonl").read_text().splitlines()]
    assert (status, out, err) == (0, "", "")
    assert records[0] == {"text": "the cat sat", "changes": [{"place": 2, "typed": "cad", "meant": "cat"}]}
    (folder / "pairs.tsv").write_text("cad\tcat\n" * 3)
    assert call("spell", "m", "typed.txt", "--pairs", "pairs.tsv", "--quiet")[1].startswith("the cat sat\n")


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        ("--references sets.txt", "sets.txt: 1 lines for the 2 of typed.txt; give one for each"),
        ("--error-rate 2", "error_rate is 2.0; give a probability, above 0 and below 1"),
        ("--lm-weight 0", "lm_weight is 0.0; give a number above 0"),
        ("--confusions nope", "nope: there is no such file; check the path"),
    ],
)
def test_what_spell_refuses(call, arguments, message):
    status, out, err = call("spell", "m", "typed.txt", *arguments.split())
    assert (status != 0, out, err) == (True, "", f"nextword: {message}\n")
