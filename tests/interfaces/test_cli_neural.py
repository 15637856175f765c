"""``nextword train`` for the neural kinds, from its options to a model that survives whatever happens to it."""

import inspect
import io
import json
import math
import os
import re
import signal
import subprocess
import sys
import time
from dataclasses import fields
from pathlib import Path

import pytest

pytest.importorskip("torch")

import nextword  # noqa: E402
from nextword import store  # noqa: E402
from nextword.errors import StoreError, TrainingError, UsageError  # noqa: E402
from nextword.interfaces.cli import run  # noqa: E402
from nextword.interfaces.cli.progress import training_bar  # noqa: E402
from nextword.interfaces.cli.training_options import NETWORKS, kind_options  # noqa: E402
from nextword.neural.families import network_class, settings_of  # noqa: E402
from nextword.neural.metrics import Status  # noqa: E402
from nextword.neural.training_settings import TrainingSettings, usual_settings  # noqa: E402

LINES = ["students opened their books", "pupils opened their minds", "the teacher read it", ""] * 15
SMALL = ["--embedding-size", "8", "--batch-size", "4", "--steps", "12", "--precision", "float32", "--device", "cpu"]
SIZES = {
    "window": ["--hidden-size", "8"],
    "rnn": ["--hidden-size", "8"],
    "gru": ["--hidden-size", "8", "--layers", "1"],
    "lstm": ["--hidden-size", "8", "--bptt", "7"],
    "transformer": ["--heads", "2", "--layers", "1", "--context", "16"],
}


@pytest.fixture
def folder(tmp_path, monkeypatch):
    (tmp_path / "train.txt").write_text("\n".join(LINES) + "\n")
    (tmp_path / "valid.txt").write_text("\n".join(LINES[:6]) + "\n")
    (tmp_path / "one.txt").write_text("students opened their books\n")
    (tmp_path / "greek.txt").write_text("μῆνιν ἄειδε θεά\n")
    (tmp_path / "empty.txt").write_text("")
    monkeypatch.chdir(tmp_path)
    return tmp_path


@pytest.fixture
def call(folder, capsys):
    """Run a command line in the folder; returns (status, stdout, stderr)."""

    def call(*arguments):
        status = run([str(argument) for argument in arguments])
        return status, *capsys.readouterr()

    return call


def train(kind, *more, text="train.txt", out="m"):
    return ["train", kind, text, "--out", out, *SMALL, *SIZES[kind], *more]


@pytest.mark.parametrize("kind", NETWORKS)
def test_every_kind_is_trained_saved_and_used(call, folder, kind):
    status, out, err = call(*train(kind, "--valid", "valid.txt", "--threads", "1"))
    assert (status, out) == (0, "")
    assert (
        err.startswith(f"m: {kind}, ") and " parameters, 12 steps in " in err and "; perplexity of valid.txt: " in err
    )
    status, out, err = call("evaluate", "m", "--text", "valid.txt", "--json")
    assert status == 0, err
    settings = json.loads((folder / "m" / "config.json").read_text())["settings"]
    found = json.loads(out)["models"][0]
    assert found["kind"] == kind and 1 < found["perplexity"] < 15
    assert settings["training"]["steps"] == settings["steps"] == 12 and settings["training"]["threads"] == 1
    assert settings["training"]["mode"] == usual_settings(kind).mode
    assert settings["parameters"] > 0 and settings["seconds"] > 0 and settings["tokens"] > 0
    assert settings["valid_perplexity"] == pytest.approx(found["perplexity"], rel=0.15)
    assert call("generate", "m", "--prompt", "students", "--seed", 1)[1].startswith("students")
    assert sorted(file.name for file in (folder / "m.training").iterdir()) == ["checkpoint.json", "metrics.jsonl"]


@pytest.mark.parametrize("kind", NETWORKS)
def test_options_are_the_settings_and_have_their_usual_values(kind):
    usual = settings_of(kind, {})
    for name, option in NETWORKS[kind].items():
        expected = getattr(usual, name)
        assert option.usual == (" ".join(map(str, expected)) if name == "adaptive" else expected), name
    assert {*NETWORKS[kind]} == {field.name for field in fields(network_class(kind).settings_class)} - {"cell"} - (
        {"activation"} if kind in ("gru", "lstm") else set()
    ) - ({"weight_drop"} if kind in ("gru", "rnn") else set())
    training = {field.name for field in fields(TrainingSettings)} - {"threads", "betas"}
    streams = {"mode", "shift", "vary_bptt"} if kind == "window" else set()
    assert training - streams <= {*kind_options(kind)}


@pytest.mark.parametrize("kind", NETWORKS)
def test_help_has_an_example_and_no_pytorch(kind):
    program = f"import sys; from nextword.interfaces.cli import run; run(['train', '{kind}', '--help']); "
    program += "sys.exit('torch' in sys.modules)"
    if kind == "lstm":  # one process is enough
        assert subprocess.run([sys.executable, "-c", program], capture_output=True, check=False).returncode == 0
    from nextword.interfaces.cli.training_neural import commands

    command = commands()[kind]
    assert f"Example: nextword train {kind} " in command.__doc__
    assert {"text", "out", "valid", "resume", "find_lr", "tensorboard", "plot", "minutes"} <= {
        *inspect.signature(command).parameters
    }


def test_the_same_from_python(call, folder):
    """A command line and ``nextword.train`` with options of the same names make the same model."""
    assert call(*train("lstm", "--tied", "--adaptive", "", "--clip", "0", "--min-count", "2"))[0] == 0
    lm = nextword.train(
        "train.txt", kind="lstm", embedding_size=8, hidden_size=8, batch_size=4, steps=12, bptt=7, tied=True, clip=None,
        min_count=2, precision="float32", device="cpu",
    )  # fmt: skip
    again = nextword.load("m")
    assert again.perplexity("students opened it") == lm.perplexity("students opened it")
    assert again.info["settings"]["training"] == json.loads(json.dumps(lm.info["settings"]["training"]))
    assert again.info["settings"]["min_count"] == 2


@pytest.mark.parametrize(
    ("status", "arguments", "message"),
    [
        (1, train("lstm", text="empty.txt"), "the training text is empty; give a file with at least one line"),
        (
            1,
            train("lstm", "--valid", "empty.txt"),
            "the validation text is empty; give a file with at least one line",
        ),
        (
            1,
            train("lstm", "--valid", "greek.txt"),
            "the vocabulary of the training text (10 words) has none of the validation text's; give a text of the same "
            "language, cut into tokens in the same way",
        ),
        (
            2,
            train("lstm", "--batch-size", "64", text="one.txt"),
            "a batch of 64 rows is larger than the text, which has 5 tokens; give a batch size of at most 5, or "
            "more text",
        ),
        (
            2,
            train("window", text="one.txt"),
            "a batch of 4 sentences is larger than the text, which has 1; give a batch size of at most 1, or more text",
        ),
        (
            2,
            train("transformer", "--bptt", "17"),
            "bptt is 17, but the transformer has a context of 16 tokens; give bptt that or less, or a larger context",
        ),
        (2, train("lstm", "--dropout", "1"), "dropout=1.0: expected the share to drop, from 0 to below 1"),
        (2, train("lstm", "--adaptive", "a"), "--adaptive 'a': give whole numbers, such as --adaptive '2000 10000'"),
        (
            2,
            train("lstm", "--patience", "2"),
            "patience needs a validation text to go by; give one with valid (--valid FILE)",
        ),
        (2, train("lstm", "--schedule", "up"), "unknown schedule 'up'; choose one of one-cycle, cosine, linear, pl"),
        (
            1,
            train("lstm", "--resume"),
            "m.training: holds no checkpoint, so there is nothing to resume; start without resume (--resume)",
        ),
        (1, train("lstm", out="train.txt"), "train.txt: is a file, expected a directory; choose another name"),
        (1, train("lstm", "--embeddings", "none.vec"), "none.vec: there is no such file; check the path"),
    ],
)
def test_train_refuses(call, status, arguments, message):
    found = call(*arguments)
    assert found[:2] == (status, "")
    assert found[2].startswith(f"nextword: {message}"), found[2]
    assert found[2].count("\n") == 1


def test_a_text_of_one_line_is_enough_for_a_batch_of_one(call):
    for kind in ("window", "lstm"):
        assert call(*train(kind, "--batch-size", "1", text="one.txt", out=kind))[0] == 0


def test_a_finished_run_is_not_trained_again(call):
    assert call(*train("lstm"))[0] == 0
    before = Path("m/config.json").read_bytes()
    message = "this run is finished after 12 steps, and its model is in m; to train anew, leave out resume (--resume)\n"
    assert call(*train("lstm", "--resume")) == (0, "", message)
    assert Path("m/config.json").read_bytes() == before
    assert call(*train("lstm", "--seed", "1"))[0] == 0
    assert Path("m/config.json").read_bytes() != before


def test_other_settings_are_named(call, monkeypatch):
    monkeypatch.setattr("nextword.neural.training.Run.train", lambda run: (_ for _ in ()).throw(TrainingError("over")))
    assert call(*train("lstm"))[2] == "nextword: over\n"
    for more, said in (
        (["--lr", "0.1"], "lr 0.004, not 0.1"),
        (["--hidden-size", "9"], "hidden_size 8, not 9"),
    ):
        status, _, err = call(*train("lstm", *more, "--resume"))
        assert (status, err) == (
            1,
            f"nextword: m.training: was begun with {said}; resume with the same settings, or train anew into another "
            "directory\n",
        )
    status, _, err = call(*train("lstm", "--tokenizer", "char", "--resume"))
    assert status == 1 and err.startswith("nextword: m.training: was begun with another vocabulary (13 words, ")


def test_a_disk_that_is_full_when_the_model_is_saved_costs_nothing(call, monkeypatch):
    save = store.save

    def full(*_, **__):
        raise StoreError("m: cannot be written: No space left on device")

    monkeypatch.setattr(store, "save", full)
    assert call(*train("lstm"))[::2] == (1, "nextword: m: cannot be written: No space left on device\n")
    monkeypatch.setattr(store, "save", save)
    monkeypatch.setattr("nextword.neural.training.Run.train", lambda run: pytest.fail("trained again"))
    assert call(*train("lstm", "--resume"))[0] == 0
    assert nextword.load("m").info["settings"]["steps"] == 12


def test_the_finder_prints_a_rate_and_trains_nothing(call):
    status, out, _ = call(*train("lstm", "--find-lr"))
    lines = out.splitlines()
    assert status == 0 and lines[0].split() == ["learning", "rate", "loss"]
    assert re.fullmatch(r"The loss fell fastest at a rate of [0-9.e+-]+: try --lr [0-9.e-]+", lines[-1])
    assert not Path("m").exists() and not Path("m.training").exists()


def test_plot_and_tensorboard(call):
    pytest.importorskip("matplotlib")
    pytest.importorskip("tensorboard")
    assert call(*train("rnn", "--plot", "--tensorboard", "--log-every", "3"))[0] == 0
    assert Path("m.training/loss.png").read_bytes().startswith(b"\x89PNG")
    assert list(Path("m.training/tensorboard").iterdir())


def test_without_pytorch_it_says_what_to_install(call, monkeypatch):
    monkeypatch.setattr("nextword.neural.find_spec", lambda name: None)
    message = "this needs PyTorch; install it with: pip install 'nextword[neural]'"
    assert call(*train("lstm")) == (2, "", f"nextword: {message}\n")
    with pytest.raises(UsageError) as caught:
        nextword.train("train.txt", kind="gru")
    assert str(caught.value) == message
    assert call("train", "ngram", "train.txt", "--out", "n", "--smoothing", "witten-bell", "--quiet")[0] == 0


def test_settings_of_other_kinds_are_refused():
    text = nextword.Corpus.from_lines(LINES)
    for settings, message in (
        (
            {"kind": "lstm", "order": 3},
            "order=3 is for n-gram and window models, and a lstm model has none; leave it out",
        ),
        (
            {"kind": "window", "smoothing": "katz"},
            "smoothing='katz' is for n-gram models, and a window model has none; leave it out",
        ),
        ({"kind": "tree"}, "unknown kind of model 'tree'; choose one of ngram, window, rnn, gru, lstm, transformer"),
        (
            {"kind": "window", "mode": "stream"},
            "a window model reads sentences, so its mode is sentence, not stream; lea",
        ),
        ({"kind": "gru", "weight_dorp": 1}, "a gru has no setting 'weight_dorp', expected some of "),
    ):
        with pytest.raises(UsageError) as caught:
            nextword.train(text, **settings)
        assert str(caught.value).startswith(message)


def test_embeddings_begin_a_model(call, folder):
    words = ["students", "opened", "their", "books"]
    (folder / "v.vec").write_text(
        "4 8\n" + "".join(f"{word} {' '.join([str(i)] * 8)}\n" for i, word in enumerate(words))
    )
    assert call(*train("window", "--embeddings", "v.vec", "--steps", "1", "--lr", "1e-9"))[0] == 0
    lm = nextword.load("m")
    assert lm.model.embeddings()[lm.ids("their")[0]] == pytest.approx([2.0] * 8, abs=1e-5)
    (folder / "v.vec").write_text("books 1 2 3\n")
    status, _, err = call(*train("window", "--embeddings", "v.vec"))
    assert (status, err) == (
        2, "nextword: v.vec: its vectors have 3 numbers, the model's 8; make the two equal\n",
    )  # fmt: skip


def test_the_bar_shows_how_training_goes(monkeypatch):
    class Terminal(io.StringIO):
        def isatty(self):
            return True

    terminal = Terminal()
    monkeypatch.setattr(sys, "stderr", terminal)
    monkeypatch.setenv("COLUMNS", "160")
    with training_bar(nextword.Corpus.from_lines(LINES), ["-"], "lstm", quiet=False) as shown:
        assert len(list(shown.blocks)) == 1
        losses = {"loss": math.log(321), "valid_loss": math.log(456)}
        shown.watch(Status(5, 0.5, 0.25, 1000, 20.0, 12_345.6, lr=0.01, figures={}, **losses))
        time.sleep(0.3)
    assert "lstm" in terminal.getvalue() and " 25%" in terminal.getvalue()
    assert "perplexity 321.0, valid 456.0, 12,346 tokens/s, 0:01:00 left" in terminal.getvalue()
    with training_bar([], ["-"], "lstm", quiet=True) as shown:
        assert shown.watch is None
    with training_bar([], [], "tagger", quiet=False, perplexity=False) as shown:
        figures = {"valid_accuracy": 0.91234}
        shown.watch(Status(5, 0.5, 0.25, 1000, 20.0, 12_345.6, loss=0.5, lr=0.01, valid_loss=0.09, figures=figures))
        time.sleep(0.3)
    assert "loss 0.500, valid accuracy 0.9123, 12,346/s, 0:01:00 left" in terminal.getvalue()


@pytest.mark.skipif(os.name == "nt", reason="signals of Unix")
@pytest.mark.parametrize("number", [signal.SIGKILL, signal.SIGINT])
def test_a_command_that_is_stopped_goes_on(call, folder, number):
    """A real process, stopped from outside at whatever it does just then."""
    options = ["--steps", "150", "--valid", "valid.txt", "--eval-every", "40"]
    arguments = train("rnn", *options, "--checkpoint-every", "0")  # on a disk: hundredths of a second a step
    environment = {**os.environ, "OMP_NUM_THREADS": "1"}
    command = [sys.executable, "-c", "from nextword.interfaces.cli import main; main()", *arguments]
    checkpoint = folder / "m.training" / "checkpoint.json"
    with subprocess.Popen(command, stderr=subprocess.PIPE, text=True, env=environment) as process:
        while process.poll() is None and not (checkpoint.exists() and step_of(checkpoint)):
            time.sleep(0.01)
        process.send_signal(number)
        err = process.communicate()[1]
    if number == signal.SIGINT:
        assert (process.returncode, err) == (
            130,
            "stopped; the checkpoint is in m.training: give the same command and --resume to go on\n"
            "nextword: interrupted\n",
        )
    left = step_of(checkpoint)
    assert 0 < left < 150 and not (folder / "m").exists()
    assert call(*train("rnn", *options))[::2] == (
        1,
        f"nextword: m.training: holds an unfinished run, at step {left}; go on with resume (--resume), or delete that "
        "folder to begin anew\n",
    )
    assert call(*train("rnn", *options, "--resume"))[0] == 0
    assert call(*train("rnn", *options, out="whole"))[0] == 0
    payloads = [sorted(file.name for file in (folder / name).glob("weights-*")) for name in ("m", "whole")]
    assert payloads[0] == payloads[1]  # their names are hashes of what they hold


def step_of(checkpoint):
    return json.loads(checkpoint.read_text())["place"]["step"]
