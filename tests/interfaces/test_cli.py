"""The command line: every command, its help, its exit statuses, and errors in one line on stderr."""

import contextlib
import gzip
import io
import json
import math
import os
import re
import signal
import subprocess
import sys
from pathlib import Path
from subprocess import PIPE

import pytest
import zstandard

import nextword
from nextword.errors import UsageError
from nextword.interfaces.cli import _join_numbers, run
from nextword.ngram.smoothing import NAMES as SMOOTHINGS
from nextword.tasks.recipes import recipes

COMMANDS = [
    "train",
    "train ngram",
    "train cbow",
    "compare",
    "evaluate",
    "score",
    "next",
    "generate",
    "explain",
    "info",
    "discounts",
    "count",
    "mix",
    "neighbours",
    "overlap",
    "prune",
    "convert",
    "quantize",
    "filter",
    "rescore",
    "choose",
    "spell",
    "serve",
]
GROUPS = ["train", "classify", "tag", "translate", "parse"]
TASKS = [
    *(f"classify train {method}" for method in ("ngram", "bow", "cnn", "rnn", "encoder")),
    *(f"{task} train" for task in GROUPS[2:]),
    *(f"{task} {verb}" for task in GROUPS[1:] for verb in ("predict", "evaluate")),
    "parse trace",
    "parse tree",
]
TRAIN = [
    "students opened their books",
    "students opened their laptops",
    "the students read\tit",
    "",
    "they opened it",
] * 6
TEST = ["the students opened their books", "they read zébras", ""] * 8
UNIX = pytest.mark.skipif(os.name == "nt", reason="signals and terminals of Unix")


@pytest.fixture(scope="module")
def folder(tmp_path_factory):
    """A folder with texts and models: w (Witten-Bell, order 3), m (MLE), s (stupid backoff), c (by characters)."""
    folder = tmp_path_factory.mktemp("cli")
    (folder / "train.txt").write_text("\n".join(TRAIN) + "\n")
    (folder / "test.txt").write_text("\n".join(TEST) + "\n")
    (folder / "empty.txt").write_text("")
    (folder / "latin.txt").write_bytes(b"caf\xe9 au lait\n")
    for name, options in {
        "w": ["--smoothing", "witten-bell"],
        "m": ["--smoothing", "mle"],
        "s": ["--smoothing", "stupid-backoff"],
        "c": ["--smoothing", "witten-bell", "--tokenizer", "char"],
    }.items():
        arguments = ["train", "ngram", str(folder / "train.txt"), "--out", str(folder / name), "--order", "3"]
        with contextlib.redirect_stderr(io.StringIO()) as err:
            assert run([*arguments, *options]) == 0, err.getvalue()
    return folder


@pytest.fixture
def call(folder, capsys, monkeypatch):
    """Run a command line in the folder; returns (status, stdout, stderr)."""
    monkeypatch.chdir(folder)

    def call(*arguments, stdin=None):
        if stdin is not None:
            monkeypatch.setattr(sys, "stdin", io.TextIOWrapper(io.BytesIO(stdin)))
        status = run([str(argument) for argument in arguments])
        return status, *capsys.readouterr()

    return call


@pytest.fixture
def succeed(call):
    """The stdout of a command line that must succeed."""

    def succeed(*arguments, **options):
        status, out, err = call(*arguments, **options)
        assert status == 0, err
        return out

    return succeed


@pytest.fixture
def fail(call):
    """The one line on stderr, without its "nextword: ", of a command line that must fail with ``status``."""

    def fail(status, *arguments, **options):
        actual, out, err = call(*arguments, **options)
        assert (actual, out) == (status, "")
        assert err.startswith("nextword: ")
        assert err.count("\n") == 1
        return err.removeprefix("nextword: ").removesuffix("\n")

    return fail


def process(*arguments, **options):
    program = "from nextword.interfaces.cli import main; main()"
    return subprocess.Popen([sys.executable, "-c", program, *map(str, arguments)], **options)


# help, version, and wrong usage


@pytest.mark.parametrize("command", COMMANDS + TASKS)
def test_help_shows_an_example(succeed, command):
    out = succeed(*command.split(), "--help")
    assert f"Example: nextword {command}" in " ".join(out.split())
    assert out == succeed(*command.split(), "-h")


def test_every_command_is_in_the_help(succeed):
    out = succeed("--help")
    listed = out.partition("Commands:")[2]
    expected = [command for command in COMMANDS if not command.startswith("train")]
    assert re.findall(r"^  ([a-z]+)", listed, re.MULTILINE) == [*expected, *GROUPS]
    assert succeed() == out


def test_help_waits_for_no_compiler():
    code = (
        "import sys; from nextword.interfaces.cli import run; run(['-h']); print({'numpy', 'numba'} & {*sys.modules})"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert done.stdout.endswith("set()\n")


def test_version(succeed):
    assert succeed("--version") == f"nextword {nextword.__version__}\n"


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        ("frobnicate", "No such command 'frobnicate'; see nextword --help"),
        ("--frobnicate", "No such option: --frobnicate"),
        ("train", "Missing command"),
        ("train ngram", "Missing option '--out'"),
        ("train ngram train.txt", "Missing option '--out'"),
        ("train ngram train.txt --out x --order five", "Invalid value for '--order'"),
        ("train ngram train.txt --out x --order 0", "Invalid value for '--order'"),
        ("evaluate w", "Missing option '--text'"),
        ("next w -k 0", "Invalid value for '-k'"),
        ("score w test.txt --format csv", "Invalid value for '--format'"),
        ("info", "Missing argument 'DIR'"),
    ],
)
def test_a_command_line_that_is_none(fail, arguments, message):
    found = fail(2, *arguments.split())
    assert found.startswith(message)
    assert "; see nextword" in found


@pytest.mark.parametrize(
    ("given", "joined"),
    [
        ("--prune 0 0 1 --order 3", ["--prune", "0 0 1", "--order", "3"]),
        ("a.txt --prune 0 1", ["a.txt", "--prune", "0 1"]),
        ("--prune 1 a.txt", ["--prune", "1", "a.txt"]),
        ("--order 3 2", ["--order", "3", "2"]),
        ("--prune", ["--prune"]),
        ("--prune x 0 1", ["--prune", "x", "0", "1"]),
    ],
)
def test_numbers_of_one_option_are_joined(given, joined):
    assert _join_numbers(given.split(), "--prune") == joined


# train


def test_train_prune_takes_numbers_without_quotes(call, tmp_path):
    full = call("train", "ngram", "train.txt", "--out", tmp_path / "full", "--smoothing", "witten-bell", "--order", 3)
    status, out, err = call(
        "train",
        "ngram",
        "train.txt",
        "--out",
        tmp_path / "m",
        "--smoothing",
        "witten-bell",
        "--order",
        3,
        "--prune",
        0,
        0,
        6,
    )
    assert (status, out, full[0]) == (0, "", 0)
    before, after = (nextword.load(tmp_path / name).model.counts() for name in ("full", "m"))
    assert before[:2] == after[:2]
    assert before[2] > after[2]
    assert re.fullmatch(rf"{tmp_path}/m: {sum(after):,} n-grams \({after[0]}, {after[1]}, {after[2]}\) in \S+ s\n", err)


def test_train_reads_standard_input_and_compressed_files(succeed, folder, tmp_path):
    data = (folder / "train.txt").read_bytes()
    (tmp_path / "t.txt.gz").write_bytes(gzip.compress(data))
    (tmp_path / "t.txt.zst").write_bytes(zstandard.compress(data))
    lines = (json.dumps({"body": line}) + "\n" for line in TRAIN)
    (tmp_path / "t.jsonl").write_text("".join(line for line in lines if '""' not in line))
    options = ["--out", tmp_path / "m", "--smoothing", "witten-bell", "--order", 3, "--quiet"]
    for source in (tmp_path / "t.txt.gz", tmp_path / "t.txt.zst", "-"):
        assert succeed("train", "ngram", source, *options, stdin=data) == ""
        assert nextword.load(tmp_path / "m").score("they read") == nextword.load(folder / "w").score("they read")
    succeed("train", "ngram", tmp_path / "t.jsonl", *options, "--field", "body")
    assert nextword.load(tmp_path / "m").info["trained_on"][0]["path"].endswith("t.jsonl")


@pytest.mark.parametrize("smoothing", SMOOTHINGS)
@pytest.mark.parametrize("tokenizer", ["whitespace", "word", "char", "byte", "bpe"])
def test_train_with_every_smoothing_and_tokenizer(succeed, tmp_path, smoothing, tokenizer):
    options = [
        "--order",
        2,
        "--smoothing",
        smoothing,
        "--tokenizer",
        tokenizer,
        "--bpe-size",
        300,
        "--discount-fallback",
    ]
    valid = ["--valid", "test.txt"] if smoothing == "jelinek-mercer" else []
    succeed("train", "ngram", "train.txt", "--out", tmp_path / "m", *options, *valid)
    out = succeed("evaluate", tmp_path / "m", "--text", "train.txt", "--json")
    (figures,) = json.loads(out)["models"]
    assert figures["perplexity"] is None or 1 < figures["perplexity"] < 100
    assert (figures["perplexity"] is None) == (smoothing == "stupid-backoff")


def test_train_says_which_discounts_fell_back(call, tmp_path):
    status, _, err = call("train", "ngram", "train.txt", "--out", tmp_path / "m", "--discount-fallback")
    assert status == 0
    assert "discounts 0.5, 1, 1.5 instead of" in err
    _, _, err = call("train", "ngram", "train.txt", "--out", tmp_path / "m", "--discount-fallback", "--quiet")
    assert err == ""


def test_train_limits_the_vocabulary(succeed, tmp_path):
    (tmp_path / "words.txt").write_text("students\topened\r\nthe\n")
    options = ["--smoothing", "witten-bell", "--order", 2, "--limit-vocab", tmp_path / "words.txt"]
    succeed("train", "ngram", "train.txt", "--out", tmp_path / "m", *options)
    found = set(nextword.load(tmp_path / "m").model.vocabulary.words)
    assert found == {"<unk>", "<s>", "</s>", "students", "opened", "the"}


def test_train_normalises_as_told(succeed, tmp_path):
    options = ["--smoothing", "witten-bell", "--normalize", "nfc", "--lowercase", "--min-count", 2, "--vocab-size", 5]
    succeed("train", "ngram", "-", "--out", tmp_path / "m", *options, stdin="É E\u0301 é b B c\n".encode())
    assert nextword.load(tmp_path / "m").model.vocabulary.words[3:] == ["é", "b"]


@pytest.mark.parametrize(
    ("status", "arguments", "message"),
    [
        (1, "nothing.txt --out x", "nothing.txt: there is no such file; check the path"),
        (1, "w --out x", "w: this is a directory; name the files in it, for example w/*.txt"),
        (1, "empty.txt --out x", "the training text is empty; give a file with at least one line"),
        (1, "latin.txt --out x", "latin.txt:1: byte 4 of the line (0xe9) is not UTF-8; convert the text from its"),
        (1, "train.txt --out x", "order 1: the counts give no usable discounts for modified Kneser-Ney"),
        (
            1,
            "train.txt --out test.txt --smoothing mle",
            "test.txt: is a file, expected a directory; choose another name",
        ),
        (2, "train.txt --out x --smoothing kn", "unknown smoothing 'kn'; choose one of mle, add, laplace, absolute"),
        (2, "train.txt --out x --smoothing jelinek-mercer", "jelinek-mercer needs held-out text for its weights; give"),
        (2, "train.txt --out x --tokenizer chars", "unknown tokenizer 'chars'; expected whitespace, word, char, byte"),
        (2, "train.txt --out x --normalize nfx", "unknown normalisation form 'nfx'; expected nfc, nfd, nfkc, nfkd"),
        (2, "train.txt --out x --prune a", "--prune 'a': give one whole number per order, such as --prune 0 0 1"),
        (2, "train.txt --out x --prune 2 1", "pruning thresholds 2 1: they must be 0 or more and never decrease"),
        (2, "train.txt --out x --alpha 2", "--alpha has no effect on modified-kneser-ney; it is for --smoothing add"),
        (2, "train.txt --out x --smoothing add --alpha 0", "alpha is 0.0; additive smoothing needs a number above 0"),
        (
            2,
            "train.txt --out x --discount 0.5",
            "--discount has no effect on modified-kneser-ney; it is for --smoothing",
        ),
        (2, "- - --out x", "standard input (-) was given more than once, and can be read only once; name it once"),
        (2, "- --out x --tokenizer bpe", "<stdin> can be read only once, and is needed a second time; save it to a"),
        (1, "train.txt --out x --limit-vocab nothing", "nothing: there is no such file; check the path"),
        (1, "train.txt --out x --limit-vocab latin.txt", "latin.txt:1: byte 4 of the line (0xe9) is not UTF-8"),
    ],
)
def test_train_refuses(fail, folder, status, arguments, message):
    assert fail(status, "train", "ngram", *arguments.split(), stdin=b"a b\n").startswith(message)
    assert not (folder / "x").exists()


# evaluate


def test_evaluate(succeed, folder):
    header, _, row = succeed("evaluate", "w", "--text", "test.txt").splitlines()
    assert header.split() == ["model", "tokens", "oov", "perplexity", "without", "oov", "bits/byte", "tokens/s"]
    found = nextword.load(folder / "w").evaluate(folder / "test.txt")
    shown = [
        "w",
        "88",
        "8",
        f"{found.perplexity:.2f}",
        f"{found.perplexity_excluding_oov:.2f}",
        f"{found.bits_per_byte:.4f}",
    ]
    assert row.split()[:6] == shown


def test_evaluate_json_is_what_was_published(succeed, folder):
    found = json.loads(succeed("evaluate", "w", "--text", "test.txt", "--json"))
    assert list(found) == ["text", "bytes", "models"]
    assert (found["text"], found["bytes"]) == ("test.txt", (folder / "test.txt").stat().st_size)
    (model,) = found["models"]
    assert list(model) == [
        "model", "kind", "tokens", "oov", "nats", "perplexity", "perplexity_excluding_oov", "bits_per_byte",
        "word_perplexity", "tokens_per_second", "trained_on_this",
    ]  # fmt: skip
    assert (model["model"], model["kind"], model["trained_on_this"]) == ("w", "ngram", False)
    assert model["tokens_per_second"] > 0


def test_evaluate_warns_of_a_text_that_the_model_was_trained_on(call, folder, tmp_path):
    """Under another name and another compression too; ``--quiet`` leaves only the field in the JSON."""
    again = tmp_path / "again.txt.gz"
    again.write_bytes(gzip.compress((folder / "train.txt").read_bytes()))
    remark = (
        f"w: {again} was part of its training text: the figures say what it remembers, not what it predicts; give a "
        "text that it has not seen\n"
    )
    for options, expected in (((), remark), (("--quiet",), "")):
        status, out, err = call("evaluate", "w", "--text", again, "--json", *options)
        assert (status, err) == (0, expected)
        assert json.loads(out)["models"][0]["trained_on_this"] is True


def test_evaluate_reads_the_same_from_anywhere(succeed, folder, tmp_path):
    data = (folder / "test.txt").read_bytes()
    (tmp_path / "t.gz").write_bytes(gzip.compress(data))
    expected = json.loads(succeed("evaluate", "w", "--text", "test.txt", "--json", "--threads", 1))["models"][0]["nats"]
    for text in (tmp_path / "t.gz", "-"):
        out = succeed("evaluate", "w", "--text", text, "--json", stdin=data)
        assert json.loads(out)["models"][0]["nats"] == expected


def test_evaluate_an_infinite_figure_is_null_with_a_reason(succeed):
    (model,) = json.loads(succeed("evaluate", "m", "--text", "test.txt", "--json"))["models"]
    assert (model["nats"], model["perplexity"], model["bits_per_byte"]) == (None, None, None)
    assert model["reason"] == "probability 0 at test.txt:1: opened"
    out = succeed("evaluate", "m", "--text", "test.txt")
    assert out.splitlines()[2].split()[3:6] == ["infinite", "infinite", "infinite"]
    assert out.splitlines()[3] == "m: probability 0 at test.txt:1: opened"


def test_evaluate_a_scorer_has_no_perplexity(succeed):
    (model,) = json.loads(succeed("evaluate", "s", "--text", "test.txt", "--json"))["models"]
    assert (model["kind"], model["perplexity"]) == ("stupid-backoff", None)
    assert model["reason"].startswith("its scores do not sum to 1")
    assert succeed("evaluate", "s", "--text", "test.txt").splitlines()[2].split()[3:6] == ["-", "-", "-"]


def test_evaluate_two_models_says_whether_they_differ(succeed):
    (found,) = json.loads(succeed("evaluate", "w", "c", "--text", "test.txt", "--json"))["differences"]
    assert list(found) == ["model", "against", "bits", "low", "high", "p_value", "real"]
    assert (found["model"], found["against"]) == ("c", "w")
    assert found["low"] <= found["bits"] <= found["high"]
    last = succeed("evaluate", "w", "c", "--text", "test.txt").splitlines()[-1]
    interval = r"95 % interval [+-]\S+ to [+-]\S+, p = \S+"
    assert re.fullmatch(rf"c against w: [+-]\d+\.\d{{3}} bits a line \({interval}\): the difference is real", last)
    assert succeed("evaluate", "w", "w", "--text", "test.txt").splitlines()[-1].endswith("the difference may be chance")


def test_evaluate_two_models_that_cannot_be_compared_says_why(succeed, tmp_path):
    out = succeed("evaluate", "w", "m", "--text", "test.txt")
    expected = "m against w: a paired bootstrap needs finite bits of both models: probability 0 at test.txt:1: opened"
    assert out.splitlines()[-1] == expected
    (tmp_path / "short.txt").write_text("they read\n" * 5)
    found = json.loads(succeed("evaluate", "w", "c", "--text", tmp_path / "short.txt", "--json"))["differences"]
    reason = "the text has 5 lines, too few to tell a difference from chance; give 20 or more"
    assert found == [{"model": "c", "against": "w", "reason": reason}]


def test_evaluate_warns_of_different_bytes(call, tmp_path):
    options = ["--out", tmp_path / "n", "--smoothing", "witten-bell", "--normalize", "nfd", "--quiet"]
    assert call("train", "ngram", "train.txt", *options)[0] == 0
    status, _, err = call("evaluate", "w", tmp_path / "n", "--text", "test.txt")
    assert status == 0
    assert err == "the models normalise text differently: their bits per byte are over different bytes\n"


def test_evaluate_extras(succeed):
    out = succeed("evaluate", "w", "--text", "test.txt", "--json", "--ranks", "--keystrokes", 3)
    (model,) = json.loads(out)["models"]
    assert 0 < model["mean_reciprocal_rank"] < 1
    assert model["mean_entropy"] > 0
    assert 0 < model["keystrokes_saved"] < 1
    header = succeed("evaluate", "w", "--text", "test.txt", "--ranks").splitlines()[0]
    assert header.endswith("mean reciprocal rank  mean entropy")


@pytest.mark.parametrize(
    ("status", "arguments", "message"),
    [
        (1, "nothing --text test.txt", "nothing: there is no such directory; give the directory of a saved model"),
        (1, "test.txt --text test.txt", "test.txt: "),
        (1, ". --text test.txt", "."),
        (1, "w --text nothing.txt", "nothing.txt: there is no such file; check the path"),
        (
            1,
            "w --text empty.txt",
            "the text is empty: there is nothing to evaluate; give a file with at least one line",
        ),
        (1, "w --text latin.txt", "latin.txt:1: byte 4 of the line (0xe9) is not UTF-8"),
        (1, "w --text -", "<stdin>:2: the text holds </s>, which marks the ends of sentences; remove or replace it"),
        (
            2,
            "w c --text -",
            "<stdin> can be read only once, and is needed a second time; save it to a file and name that",
        ),
        (
            2,
            "c --text test.txt --keystrokes 3",
            "keystrokes are counted for models of words, and this one's tokens are",
        ),
        (2, "s --text test.txt --ranks", "surprisal is of a probability, and this model's scores are none; use a"),
    ],
)
def test_evaluate_refuses(fail, status, arguments, message):
    stdin = b"a b\n" if " c " in arguments else b"a b\na </s> b\n"
    assert fail(status, "evaluate", *arguments.split(), stdin=stdin).startswith(message)


# score


def test_score_writes_the_published_columns(succeed, folder):
    header, *rows = [line.split("\t") for line in succeed("score", "w", "test.txt").splitlines()]
    assert header == ["sentence_id", "token_id", "token", "surprisal", "rank", "entropy", "oov"]
    assert len(rows) == 88
    assert [row[:3] for row in rows[5:11]] == [
        ["1", "6", "</s>"], ["2", "1", "they"], ["2", "2", "read"], ["2", "3", "zébras"], ["2", "4", "</s>"],
        ["3", "1", "</s>"],
    ]  # fmt: skip
    lines = nextword.load(folder / "w").surprisal((folder / "test.txt").read_text())
    assert [float(row[3]) for row in rows] == pytest.approx([bits for _, bits in lines], abs=1e-5)
    assert [row[6] for row in rows[5:11]] == ["0", "0", "0", "1", "0", "0"]


def test_score_without_distributions(succeed):
    full = [line.split("\t") for line in succeed("score", "w", "test.txt").splitlines()]
    quick = [line.split("\t") for line in succeed("score", "w", "test.txt", "--surprisal-only").splitlines()]
    assert quick[0] == ["sentence_id", "token_id", "token", "surprisal", "oov"]
    assert quick == [row[:4] + row[6:] for row in full]


def test_score_json_lines(succeed):
    rows = [json.loads(line) for line in succeed("score", "w", "test.txt", "--format", "jsonl").splitlines()]
    assert list(rows[0]) == ["sentence_id", "token_id", "token", "surprisal", "rank", "entropy", "oov"]
    assert len(rows) == 88
    impossible = [json.loads(line) for line in succeed("score", "m", "test.txt", "--format", "jsonl").splitlines()]
    assert any(row["surprisal"] is None for row in impossible)
    assert "\tinf\t" in succeed("score", "m", "test.txt")


def test_score_tokens_are_escaped_so_that_a_row_is_a_line(succeed):
    """No tokenizer lets a tab or a newline into a token; a backslash may be one, and must not look like an escape."""
    out = succeed("score", "c", "-", "--surprisal-only", stdin=b"a\\\tb\r\n")
    assert [line.split("\t")[2] for line in out.splitlines()[1:]] == ["a", "\\\\", "▁t", "b", "▁r", "</s>"]


def test_score_words(succeed, folder):
    lm = nextword.load(folder / "c")
    rows = [line.split("\t") for line in succeed("score", "c", "test.txt", "--words").splitlines()]
    assert rows[0] == ["sentence_id", "word_id", "word", "surprisal", "tokens", "oov"]
    assert [row[2] for row in rows[1:6]] == ["the", "students", "opened", "their", "books"]
    assert [row[4] for row in rows[1:7]] == ["3", "9", "7", "6", "6", "1"]
    bits = sum(float(row[3]) for row in rows[1:7])
    assert bits == pytest.approx(-lm.score("the students opened their books") / math.log(2), rel=1e-6)
    corrected = succeed("score", "c", "test.txt", "--words", "--bow-correction", "--format", "jsonl")
    record = json.loads(corrected.splitlines()[0])
    assert list(record) == rows[0]
    assert record["surprisal"] != pytest.approx(float(rows[1][3]))


def test_score_bow_correction_is_of_words(fail):
    found = fail(2, "score", "c", "test.txt", "--bow-correction")
    assert found == "--bow-correction is of words made of tokens; give --words too"


def test_score_writes_files(succeed, folder, tmp_path):
    expected = succeed("score", "w", "test.txt")
    assert succeed("score", "w", "test.txt", "--out", tmp_path / "x.tsv") == ""
    assert (tmp_path / "x.tsv").read_bytes().decode() == expected
    assert (
        succeed("score", "w", "-", "--out", "-", "--threads", 2, stdin=(folder / "test.txt").read_bytes()) == expected
    )
    assert not (folder / "-").exists()


def test_score_parquet(succeed, fail, tmp_path):
    assert fail(2, "score", "w", "test.txt", "--format", "parquet") == (
        "--format parquet writes a file; name it with --out"
    )
    parquet = pytest.importorskip("pyarrow.parquet")
    succeed("score", "w", "test.txt", "--format", "parquet", "--out", tmp_path / "x.parquet")
    table = parquet.read_table(tmp_path / "x.parquet")
    assert table.column_names == ["sentence_id", "token_id", "token", "surprisal", "rank", "entropy", "oov"]
    assert table.num_rows == 88


def test_score_parquet_without_pyarrow_says_what_to_install(fail, monkeypatch, tmp_path):
    monkeypatch.setitem(sys.modules, "pyarrow", None)
    found = fail(2, "score", "w", "test.txt", "--format", "parquet", "--out", tmp_path / "x")
    assert found == "--format parquet needs pyarrow; install it with: pip install 'nextword[data]'"


@pytest.mark.parametrize(
    ("status", "arguments", "message"),
    [
        (1, "nothing test.txt", "nothing: there is no such directory"),
        (1, "w nothing.txt", "nothing.txt: there is no such file; check the path"),
        (1, "w test.txt --out nowhere/x.tsv", "nowhere/x.tsv: No such file or directory"),
        (2, "s test.txt", "surprisal is of a probability, and this model's scores are none; use a language model"),
    ],
)
def test_score_refuses(fail, status, arguments, message):
    assert fail(status, "score", *arguments.split()).startswith(message)


# next and generate


def test_next(succeed, folder):
    header, _, *rows, last = succeed("next", "w", "students opened", "-k", 3).splitlines()
    assert header.split() == ["token", "probability", "surprisal"]
    found = nextword.load(folder / "w").next("students opened", k=3)
    assert [row.split()[0] for row in rows] == list(found.words)
    assert rows[0].split()[1] == f"{found.probabilities[0]:.6f}"
    assert last == f"entropy {found.entropy:.2f} bits"


def test_next_completes_a_word(succeed):
    header, _, *rows, entropy, mass = succeed("next", "w", "students opened", "--prefix", "th").splitlines()
    assert header.split() == ["token", "probability", "surprisal", "given", "th-"]
    assert {row.split()[0] for row in rows} == {"the", "their", "they"}
    assert sum(float(row.split()[-1]) for row in rows) == pytest.approx(1, abs=1e-5)
    assert mass.startswith("probability of a word that begins with th: 0.")
    assert succeed("next", "w", "--prefix", "zz").startswith("no word of the vocabulary begins with zz\nentropy")


def test_next_json(succeed):
    found = json.loads(succeed("next", "w", "students opened", "-k", 2, "--json"))
    assert list(found) == ["context", "prefix", "entropy", "prefix_probability", "tokens"]
    assert [token["token"] for token in found["tokens"]] == ["their", "it"]
    steps = json.loads(succeed("next", "w", "they read", "-k", 2, "--json", "--steps"))
    assert [step["token"] for step in steps] == ["they", "read", "</s>"]
    assert [step["after"] for step in steps] == ["<s>", "they", "read"]
    assert all(len(step["expected"]["tokens"]) == 2 for step in steps)


def test_next_steps(succeed):
    header, _, *rows = succeed("next", "w", "they read", "-k", 2, "--steps").splitlines()
    assert header.split() == ["after", "expected", "token", "probability", "rank", "entropy"]
    cells = [re.split("  +", row) for row in rows]
    assert [(row[0], row[-4]) for row in cells] == [("<s>", "they"), ("they", "read"), ("read", "</s>")]
    assert all(len(row) == 1 + 2 + 4 for row in cells)  # two expected tokens
    usual = succeed("next", "w", "they read", "--steps").splitlines()
    assert all(len(re.split("  +", row)) == 1 + 3 + 4 for row in usual[2:])


def test_next_says_which_words_it_does_not_know(call):
    status, _, err = call("next", "w", "zebras opened quaggas")
    assert (status, err) == (0, "not in the vocabulary, and read as <unk>: zebras, quaggas\n")
    assert call("next", "w", "zebras", "--quiet")[2] == ""


def test_next_refuses(fail):
    assert fail(2, "next", "s", "students").startswith("a stupid-backoff model gives scores, no probabilities")
    assert (
        fail(2, "next", "w", "students", "--steps", "--prefix", "a") == "--steps shows whole tokens; leave out --prefix"
    )
    assert fail(1, "next", "w", "a\nb").startswith("expected one line of text, got 'a\\nb'")
    assert fail(1, "next", "w", "a\udcff").startswith("'a\\udcff': U+DCFF is half of a surrogate pair")


def test_generate(succeed):
    out = succeed("generate", "w", "--prompt", "students opened", "--seed", 1, "-n", 3)
    assert len(out.splitlines()) == 3
    assert all(line.startswith("students opened") for line in out.splitlines())
    assert succeed("generate", "w", "--prompt", "students opened", "--seed", 1, "-n", 3) == out
    assert json.loads(succeed("generate", "w", "--beam", 3, "-n", 2, "--json"))
    assert len(succeed("generate", "w", "--no-stop", "--max-tokens", 30, "--seed", 0).splitlines()) > 2
    assert succeed("generate", "c", "--temperature", 0, "--prompt", "the").startswith("the")


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        ("s", "a stupid-backoff model gives scores, no probabilities of the next token"),
        ("w --temperature -1", "temperature=-1.0: expected 0 (always the most likely token) or more"),
        ("w --top-k 0", "top_k=0: expected the number of tokens to choose from, 1 or more"),
        ("w -n 0", "samples=0: expected 1 or more"),
        ("w --beam 2 --top-p 0.5", "a beam search does not sample, so top_p has no effect"),
    ],
)
def test_generate_refuses(fail, arguments, message):
    assert fail(2, "generate", *arguments.split()).startswith(message)


# info, discounts, convert


def test_info(succeed, folder):
    found = json.loads(succeed("info", "w", "--json", "--verify"))
    assert (found["kind"], found["order"], found["verified"]) == ("ngram", 3, True)
    assert found["ngrams"] == nextword.load(folder / "w").model.counts()
    assert found["bytes"] == sum(file.stat().st_size for file in (folder / "w").iterdir())
    assert found["text"]["tokenizer"] == {"name": "whitespace"}
    assert found["trained_on"][0]["path"].endswith("train.txt")
    shown = dict(re.split(r" {2,}", line, maxsplit=1) for line in succeed("info", "w").splitlines())
    assert shown["order"] == "3"
    assert shown["vocabulary"] == str(found["vocabulary"])
    assert shown["ngrams"] == ", ".join(map(str, found["ngrams"]))


def test_info_finds_what_was_changed(fail, succeed, tmp_path):
    succeed("train", "ngram", "train.txt", "--out", tmp_path / "m", "--smoothing", "mle")
    (file,) = (tmp_path / "m").glob("weights-*")
    data = bytearray(file.read_bytes())
    data[-1] ^= 1
    file.write_bytes(data)
    assert fail(1, "info", tmp_path / "m", "--verify").startswith(f"{file}: has SHA-256 ")


def test_discounts(succeed):
    found = json.loads(succeed("discounts", "--train", "train.txt", "--heldout", "test.txt", "--json"))
    assert [row["count"] for row in found["rows"]] == list(range(10))
    assert list(found["rows"][0]) == ["count", "types", "held_out", "absolute", "good_turing"]
    lines = succeed("discounts", "--train", "train.txt", "--heldout", "test.txt").splitlines()
    assert lines[0].split() == ["count", "bigrams", "held-out", "absolute", "Good-Turing"]
    assert len(lines) == 13
    assert lines[-1] == "absolute discount d = n1 / (n1 + 2 n2) = -"  # every line is there six times: no bigram once
    assert found["discount"] is None


def test_discounts_refuse(fail):
    found = fail(2, "discounts", "--train", "train.txt", "--heldout", "empty.txt")
    assert found.startswith("the training text or the held-out text is empty")


def test_convert_there_and_back(call, succeed, folder, tmp_path):
    status, _, err = call("convert", "w", tmp_path / "w.arpa.gz")
    assert (status, err) == (0, f"wrote {tmp_path}/w.arpa.gz\n")
    succeed("convert", tmp_path / "w.arpa.gz", tmp_path / "w")
    succeed("convert", tmp_path / "w.arpa.gz", tmp_path / "w.arpa")
    assert gzip.decompress((tmp_path / "w.arpa.gz").read_bytes()) == (tmp_path / "w.arpa").read_bytes()
    text = "the students opened their zebras"
    assert nextword.load(tmp_path / "w").score(text) == nextword.load(folder / "w").score(text)


def test_convert_says_what_an_arpa_file_cannot_hold(call, tmp_path):
    _, _, err = call("convert", "c", tmp_path / "c.arpa")
    note = f"{tmp_path}/c.arpa: its words are tokens of the char tokenizer, which an ARPA file cannot hold"
    assert err.splitlines()[0] == note


@pytest.mark.parametrize(
    ("status", "arguments", "message"),
    [
        (2, "w v", "one of IN and OUT must be an ARPA file (.arpa, .arpa.gz), the other a model directory"),
        (2, "s s.arpa", "s: a stupid-backoff model has no ARPA form; only n-gram language models have"),
        (2, "w w.onnx", "w: a ngram model has no ONNX form; only window, rnn, gru, lstm, transformer models have"),
        (1, "nothing nothing.arpa", "nothing: there is no such directory"),
        (1, "nothing.arpa x", "nothing.arpa"),
        (1, "w nowhere/x.arpa", "nowhere/x.arpa"),
    ],
)
def test_convert_refuses(fail, status, arguments, message):
    assert fail(status, "convert", *arguments.split()).startswith(message)


# compare


@pytest.fixture
def few_recipes(monkeypatch):
    """Two of each unit, in place of all."""
    some = ["add-one", "witten-bell"]
    few = [recipe for recipe in recipes(neural=False) if recipe.model in some]
    monkeypatch.setattr("nextword.tasks.recipes.recipes", lambda neural: few)
    return few


def test_compare(succeed, tmp_path, few_recipes):
    out = succeed("compare", "train.txt", "--out", tmp_path / "models")
    lines = out.splitlines()
    assert lines[0] == "train.txt: 24 lines to train on, 3 to tune on, 3 to test on"
    assert re.split(" {2,}", lines[2].strip()) == [
        "unit", "model", "order", "parameters", "bytes", "train s", "perplexity", "without oov", "per word",
        "bits/byte",
    ]  # fmt: skip
    assert [line.split()[:3] for line in lines if line.startswith(("word  ", "char  "))] == [
        ["word", "add-one", "3"], ["word", "witten-bell", "3"], ["char", "add-one", "5"], ["char", "witten-bell", "5"],
    ]  # fmt: skip
    at = lines.index("Most likely after “students opened”, by words, with their probabilities:")
    assert re.split(" {2,}", lines[at + 2]) == ["add-one 3", "witten-bell 3"]
    assert re.fullmatch(r"their +0\.\d{3} +their +0\.\d{3}", lines[at + 4])
    at = lines.index("A sample from each:")
    assert [line.split()[:2] for line in lines[at + 2 : at + 6]] == [row.name.split()[:2] for row in few_recipes]
    best = tmp_path / "models" / "word-witten-bell-3"
    assert lines[-6:-4] == [
        f"Best by words: witten-bell, order 3. The models are in {tmp_path}/models. Try next:",
        f"  nextword next {best} 'students opened' -k 5",
    ]
    assert lines[-2] == f"  nextword serve {tmp_path}/models   (a page: look inside them all)"


def test_compare_notes_what_could_not_be_estimated(succeed, tmp_path, monkeypatch):
    few = [recipe for recipe in recipes(neural=False) if recipe.name == "word kneser-ney 3"]
    monkeypatch.setattr("nextword.tasks.recipes.recipes", lambda neural: few)
    lines = succeed("compare", "train.txt", "--out", tmp_path / "models").splitlines()
    assert lines[4].startswith("word  kneser-ney* ")
    title = "* what to know of a model: what its counts did not allow to be estimated, what it is mixed of"
    assert lines[lines.index(title) + 1].startswith("  word kneser-ney: order 3: discount 0.5 instead of an estimate")


def test_compare_puts_every_kind_in_one_table(succeed, tmp_path, monkeypatch):
    """By words alone, networks and a mixture among them, each shown at work."""
    pytest.importorskip("torch")
    some = [recipe for recipe in recipes(["word"]) if recipe.model != "transformer"]
    monkeypatch.setattr("nextword.tasks.recipes.recipes", lambda neural: some)
    monkeypatch.setattr("nextword.tasks.recipes.LONGEST", 1e-6)
    out = succeed("compare", "train.txt", "--out", tmp_path / "m", "--threads", 1)
    lines = out.splitlines()
    assert sum(line.startswith("word  ") for line in lines) == len(some)
    assert re.search(r"^  word mixture: [01]\.\d\d lstm \+ [01]\.\d\d modified-kneser-ney 5$", out, re.MULTILINE)
    at = lines.index("A sample from each:")
    shown = [line.split()[1] for line in lines[at + 2 : lines.index("", at + 2)]]
    assert shown[0] == "add-one"
    assert shown[-5:] == ["window", "rnn", "gru", "lstm", "mixture"]


def test_compare_without_pytorch_says_what_to_install(call, tmp_path, monkeypatch):
    def missing():
        raise UsageError("this needs PyTorch")

    monkeypatch.setattr("nextword.neural.require_torch", missing)
    status, out, err = call("compare", "train.txt", "--out", tmp_path / "m", "--json", "--minutes", 1e-6)
    assert (status, len(json.loads(out)["models"])) == (0, 1)
    assert err.splitlines() == [
        "the neural models and their mixtures are left out, as they need PyTorch; install it with: "
        "pip install 'nextword[neural]'",
        f"the time was up before {len(recipes(neural=False)) - 1} more models; give more than --minutes 1e-06 for all",
    ]


def test_compare_json(succeed, tmp_path, few_recipes):
    found = json.loads(succeed("compare", "-", "--out", tmp_path / "m", "--json", stdin="\n".join(TRAIN).encode()))
    assert list(found) == ["format_version", "text", "lines", "models"]
    assert (found["text"], found["lines"], len(found["models"])) == ("-", [24, 3, 3], 4)
    assert list(found["models"][0]) == [
        "unit", "model", "order", "parameters", "bytes", "seconds", "perplexity", "perplexity_excluding_oov",
        "word_perplexity", "bits_per_byte", "directory", "neural", "notes", "curve",
    ]  # fmt: skip
    assert json.loads((tmp_path / "m" / "compare.json").read_text(encoding="utf-8")) == found


def test_compare_splits_at_newlines_alone(succeed, tmp_path, few_recipes):
    """Twelve lines with carriage returns and Unicode's line separators in them are twelve lines."""
    (tmp_path / "odd.txt").write_bytes("a\u2028b\x0bc\x85d e\r\n".encode() * 12)
    out = succeed("compare", tmp_path / "odd.txt", "--out", tmp_path / "m", "--minutes", 1e-6, "--prompt", "a")
    assert "9 lines to train on, 1 to tune on, 2 to test on" in out
    assert "Most likely after “a”, by words" in out


def test_compare_says_what_there_was_no_time_for(call, tmp_path, few_recipes):
    status, out, err = call("compare", "train.txt", "--out", tmp_path / "m", "--minutes", 1e-6)
    assert status == 0
    assert sum(line.startswith(("word  ", "char  ")) for line in out.splitlines()) == 1
    assert err.splitlines()[-1] == "the time was up before 3 more models; give more than --minutes 1e-06 for all"


@pytest.mark.parametrize(
    ("status", "arguments", "message"),
    [
        (1, "nothing.txt", "nothing.txt: there is no such file; check the path"),
        (2, "empty.txt", "the text has 0 lines; to train, validate and test takes 10 or more"),
        (1, "latin.txt", "latin.txt:1: byte 4 of the line (0xe9) is not UTF-8"),
        (2, "train.txt --minutes 0", "0 minutes leave no time to train a model; give a number above 0"),
    ],
)
def test_compare_refuses(fail, status, arguments, message):
    assert fail(status, "compare", *arguments.split(), "--out", "x").startswith(message)


def test_compare_without_a_text_takes_that_of_python(succeed, tmp_path, few_recipes):
    out = succeed("compare", "--out", tmp_path / "m", "--minutes", 1e-6, "--quiet")
    version = ".".join(map(str, sys.version_info[:3]))
    assert out.startswith(f"the documentation inside Python {version} (pydoc_data.topics): ")


# what only a process of its own can show


def test_errors_of_the_system_have_no_traceback(fail, monkeypatch):
    def broken(*_, **__):
        raise OSError(28, "No space left on device", "w/x")

    monkeypatch.setattr("nextword.api.load", broken)
    assert fail(1, "info", "w") == "w/x: No space left on device"
    monkeypatch.setattr("nextword.api.load", lambda _: bytearray(1 << 62))
    assert fail(1, "info", "w").startswith("there is not enough memory for this")


def test_an_interrupted_command_says_so(fail, monkeypatch):
    def interrupted(_):
        raise KeyboardInterrupt

    monkeypatch.setattr("nextword.api.load", interrupted)
    assert fail(130, "info", "w") == "interrupted"


def long_text(path, lines=40_000):
    path.write_text("the students opened their books\n" * lines)
    return path


@UNIX
def test_control_c_ends_a_process_with_130(folder, tmp_path):
    text = long_text(tmp_path / "long.txt")
    with process("score", folder / "w", text, "--surprisal-only", stdout=PIPE, stderr=PIPE) as running:
        assert running.stdout.readline() == b"sentence_id\ttoken_id\ttoken\tsurprisal\toov\n"
        running.send_signal(signal.SIGINT)  # most of the output is still to be written
        _, err = running.communicate(timeout=60)
    assert (running.returncode, err) == (130, b"nextword: interrupted\n")


@UNIX
def test_a_reader_that_goes_away_is_nothing_wrong(folder, tmp_path):
    text = long_text(tmp_path / "long.txt")
    with process("score", folder / "w", text, "--surprisal-only", stdout=PIPE, stderr=PIPE) as running:
        running.stdout.readline()
        running.stdout.close()
        assert running.stderr.read() == b""
    assert running.returncode == 0


@UNIX
def test_a_bar_on_the_terminal_leaves_standard_output_alone(folder, tmp_path):
    import pty

    text, expected = long_text(tmp_path / "long.txt", 3000), tmp_path / "out.tsv"
    master, terminal = pty.openpty()
    with expected.open("wb") as out:
        running = process("score", folder / "w", text, stdout=out, stderr=terminal)
    os.close(terminal)
    shown = b""
    with contextlib.suppress(OSError):  # how the end of a terminal is read
        while some := os.read(master, 65536):
            shown += some
    os.close(master)
    assert running.wait(timeout=60) == 0
    assert b"scoring" in shown
    assert b"students" not in shown
    assert len(expected.read_text().splitlines()) == 1 + 6 * 3000


def test_output_is_utf_8_whatever_the_locale(folder):
    environment = {**os.environ, "PYTHONIOENCODING": "ascii", "PYTHONUTF8": "0"}
    running = process("next", folder / "c", "the", "-k", "40", stdout=PIPE, env=environment)
    out, _ = running.communicate(timeout=60)
    assert running.returncode == 0
    assert "▁" in out.decode("utf-8")


def test_the_console_script_is_the_same_command():
    script = Path(sys.executable).parent / "nextword"
    if not script.exists():
        pytest.skip("nextword is not installed beside this Python")
    done = subprocess.run([script, "info", "nothing"], capture_output=True, text=True, check=False)
    expected = "nextword: nothing: there is no such directory; give the directory of a saved model\n"
    assert (done.returncode, done.stdout, done.stderr) == (1, "", expected)


def test_a_place_that_cannot_be_written_is_refused_before_training(fail, tmp_path, monkeypatch):
    (tmp_path / "mine.txt").write_text("keep me")
    monkeypatch.setattr("nextword.api.train", lambda *_, **__: pytest.fail("trained in vain"))
    (tmp_path / "text").write_text("a b\n")
    message = f"{tmp_path}: is not empty and holds no nextword model; choose another directory or empty it"
    assert fail(1, "train", "ngram", tmp_path / "text", "--out", tmp_path) == message


def test_an_empty_text_gives_no_table(fail, folder, tmp_path):
    out = tmp_path / "empty.tsv"
    message = "empty.txt: the text is empty: there is nothing to score; give a file with at least one line"
    assert fail(1, "score", "w", "empty.txt", "--out", out) == message
    assert not list(tmp_path.iterdir())


def test_a_table_that_breaks_off_leaves_no_file(fail, tmp_path):
    (tmp_path / "bad.txt").write_bytes(b"the students\n" * 40_000 + b"\xff\n")
    assert "is not UTF-8" in fail(
        1, "score", "w", tmp_path / "bad.txt", "--surprisal-only", "--out", tmp_path / "x.tsv"
    )
    assert [file.name for file in tmp_path.iterdir()] == ["bad.txt"]


def test_held_out_text_for_a_smoothing_that_does_not_learn_is_a_mistake(fail):
    message = "--valid has no effect on witten-bell; it is for --smoothing jelinek-mercer"
    assert (
        fail(2, "train", "ngram", "train.txt", "--smoothing", "witten-bell", "--valid", "test.txt", "--out", "v")
        == message
    )


def test_empty_held_out_text_is_said_to_be_empty(fail):
    options = ["--smoothing", "jelinek-mercer", "--valid", "empty.txt", "--out", "v"]
    message = "the held-out text is empty; give --valid a file with at least one line"
    assert fail(1, "train", "ngram", "train.txt", *options) == message
