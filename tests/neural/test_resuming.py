"""A run that is killed, interrupted or short of disk loses nothing, and goes on as if nothing had happened."""

import errno
import json
import os
import signal
import subprocess
import sys
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest

torch = pytest.importorskip("torch")

from neural.fitting import tiny  # noqa: E402
from nextword import durable  # noqa: E402
from nextword.errors import StoreError, TrainingError, UsageError  # noqa: E402
from nextword.neural import metrics  # noqa: E402
from nextword.neural.checkpoint import Checkpoint  # noqa: E402
from nextword.neural.language import train_network  # noqa: E402
from nextword.neural.resuming import finished_message, finished_run, mark_saved  # noqa: E402
from nextword.neural.train import train_on_tokens  # noqa: E402
from nextword.neural.training_settings import TrainingSettings  # noqa: E402
from nextword.text.indexing import Indexer  # noqa: E402

UNIX = pytest.mark.skipif(not hasattr(os, "fork"), reason="processes are forked, which Windows cannot")
SMALL = {"embedding_size": 6, "hidden_size": 8, "dropout": 0.3}
PLAIN = TrainingSettings(
    batch_size=3, bptt=5, steps=10, precision="float32", device="cpu", log_every=3, checkpoint_every=0
)
TOKENS = np.concatenate([[2], *[[3, 4, 5, 6, 2]] * 30]).astype(np.int32)


def network(kind="lstm", **settings):
    return tiny(kind, **{**SMALL, **settings})


def stopped(directory, *, at=4, tokens=TOKENS, settings=PLAIN, error=KeyboardInterrupt, **options):
    """A run that ends with an error in its step ``at``."""

    def stop(status):
        if status.step == at:
            raise error

    with pytest.raises(error):
        train_network(network(), tokens, settings, directory=directory, watch=stop, **options)


def weights(trained):
    return torch.cat([weight.detach().flatten() for weight in trained.parameters()])


@UNIX
def test_a_run_that_is_killed_again_and_again_ends_with_the_same_weights(tmp_path):
    program = Path(__file__).with_name("killed.py")
    environment = {**os.environ, "OMP_NUM_THREADS": "1"}
    done = subprocess.run(
        [sys.executable, str(program), str(tmp_path)], capture_output=True, text=True, env=environment, check=False
    )
    found = [json.loads(line) for line in done.stdout.splitlines()]
    assert [kind for kind, *_ in found] == ["lstm", "rnn", "gru", "transformer", "window"], done.stderr
    for kind, killed, same_weights, same_metrics, files in found:
        assert killed >= 7, kind
        assert same_weights and same_metrics, kind
        assert files == ["best", "checkpoint.json", "digest", "metrics.jsonl"], kind  # nothing is left lying about


def test_a_checkpoint_changes_nothing(tmp_path):
    trained = []
    for directory in (None, tmp_path / "a"):
        trained.append(network())
        train_network(trained[-1], TOKENS, PLAIN, directory=directory)
    assert (weights(trained[0]) == weights(trained[1])).all()


def test_bfloat16_states_are_kept_exactly(tmp_path):
    settings = replace(PLAIN, precision="bfloat16")
    stopped(tmp_path, settings=settings)
    resumed, whole = network(), network()
    train_network(resumed, TOKENS, settings, directory=tmp_path, resume=True)
    train_network(whole, TOKENS, settings)
    assert (weights(resumed) == weights(whole)).all()


@pytest.mark.parametrize("optimizer", ["sgd", "adam", "muon"])
def test_states_of_every_optimizer_are_kept(tmp_path, optimizer):
    settings = replace(PLAIN, optimizer=optimizer, momentum=0.9)
    stopped(tmp_path, settings=settings)
    resumed, whole = network(), network()
    train_network(resumed, TOKENS, settings, directory=tmp_path, resume=True)
    train_network(whole, TOKENS, settings)
    assert (weights(resumed) == weights(whole)).all()


def test_the_precision_that_auto_chose_holds_to_the_end(tmp_path, monkeypatch):
    """The probe times products, so on a busy machine it may come to another result the second time."""
    settings = replace(PLAIN, precision="auto")
    found = {"auto": torch.bfloat16, "bfloat16": torch.bfloat16, "float32": torch.float32}
    monkeypatch.setattr("nextword.neural.training.choose_precision", lambda name, device: found[name])
    stopped(tmp_path, settings=settings)
    found["auto"] = torch.float32
    resumed, whole = network(), network()
    train_network(resumed, TOKENS, settings, directory=tmp_path, resume=True)
    train_network(whole, TOKENS, replace(PLAIN, precision="bfloat16"))
    assert (weights(resumed) == weights(whole)).all()


@UNIX
@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM])
def test_an_interrupt_is_granted_between_two_steps(tmp_path, number):
    def interrupt(status):
        if status.step == 4:
            os.kill(os.getpid(), number)

    before = signal.getsignal(number)
    settings = replace(PLAIN, checkpoint_every=1e9)
    with pytest.raises(KeyboardInterrupt):
        train_network(network(), TOKENS, settings, directory=tmp_path, watch=interrupt)
    assert signal.getsignal(number) == before
    assert Checkpoint(tmp_path).read()["place"]["step"] == 4
    resumed, whole = network(), network()
    train_network(resumed, TOKENS, settings, directory=tmp_path, resume=True)
    train_network(whole, TOKENS, settings)
    assert (weights(resumed) == weights(whole)).all()


@UNIX
def test_a_second_interrupt_waits_for_nothing(tmp_path):
    def interrupt(status):
        os.kill(os.getpid(), signal.SIGINT)
        os.kill(os.getpid(), signal.SIGINT)

    with pytest.raises(KeyboardInterrupt):
        train_network(network(), TOKENS, replace(PLAIN, checkpoint_every=1e9), directory=tmp_path, watch=interrupt)
    assert Checkpoint(tmp_path).read()["place"]["step"] == 0


def test_a_finished_run_gives_its_model_again(tmp_path):
    first, again = network(), network(seed=1)
    report = train_network(first, TOKENS, PLAIN, valid=TOKENS[:40], directory=tmp_path)
    assert train_network(again, TOKENS, PLAIN, valid=TOKENS[:40], directory=tmp_path, resume=True) == report
    assert (weights(first) == weights(again)).all()
    assert finished_run(tmp_path) is None  # until its model is saved
    mark_saved(tmp_path, "there/model")
    message = (
        "this run is finished after 10 steps, and its model is in there/model; to train anew, leave out resume "
        "(--resume)"
    )
    assert finished_message(finished_run(tmp_path)) == message
    assert not list(tmp_path.glob("*.safetensors"))
    with pytest.raises(TrainingError) as caught:
        train_network(again, TOKENS, PLAIN, valid=TOKENS[:40], directory=tmp_path, resume=True)
    assert str(caught.value) == f"{tmp_path}: {message}"
    train_network(again, TOKENS, PLAIN, directory=tmp_path)  # begins anew


def test_nothing_to_resume(tmp_path):
    with pytest.raises(TrainingError) as caught:
        train_network(network(), TOKENS, PLAIN, directory=tmp_path / "none", resume=True)
    assert str(caught.value) == (
        f"{tmp_path / 'none'}: holds no checkpoint, so there is nothing to resume; start without resume (--resume)"
    )
    with pytest.raises(UsageError) as caught:
        train_network(network(), TOKENS, PLAIN, resume=True)
    assert str(caught.value) == "to resume takes the directory with the checkpoint; give directory"


def test_an_unfinished_run_is_not_overwritten(tmp_path):
    stopped(tmp_path)
    with pytest.raises(TrainingError) as caught:
        train_network(network(), TOKENS, PLAIN, directory=tmp_path)
    assert str(caught.value) == (
        f"{tmp_path}: holds an unfinished run, at step 3; go on with resume (--resume), or delete that folder to begin "
        "anew"
    )
    assert train_network(network(), TOKENS, PLAIN, directory=tmp_path, resume=True).steps == 10


OTHER = np.concatenate([[2], *[[4, 4, 5, 6, 2]] * 30]).astype(np.int32)


@pytest.mark.parametrize(
    ("change", "message"),
    [
        ({"settings": {"lr": 0.5}}, "lr 0.003, not 0.5"),
        ({"settings": {"batch_size": 2}}, "batch_size 3, not 2"),
        ({"settings": {"betas": (0.9, 0.99)}}, "betas [0.9, 0.999], not [0.9, 0.99]"),
        ({"settings": {"steps": 20}}, "steps 10, not 20"),
        ({"settings": {"precision": "bfloat16"}}, "precision float32, not bfloat16"),
        ({"network": {"hidden_size": 9}}, "hidden_size 8, not 9"),
        ({"network": {"kind": "gru"}}, "cell lstm, not gru"),
    ],
)
def test_a_checkpoint_from_other_settings_is_refused(tmp_path, change, message):
    stopped(tmp_path)
    settings = replace(PLAIN, **change.get("settings", {}))
    with pytest.raises(TrainingError) as caught:
        train_network(network(**change.get("network", {})), TOKENS, settings, directory=tmp_path, resume=True)
    assert str(caught.value) == (
        f"{tmp_path}: was begun with {message}; resume with the same settings, or train anew into another directory"
    )
    assert train_network(network(), TOKENS, PLAIN, directory=tmp_path, resume=True).steps == 10


def test_a_checkpoint_of_another_text_is_refused(tmp_path):
    stopped(tmp_path)
    with pytest.raises(TrainingError) as caught:
        train_network(network(), OTHER, PLAIN, directory=tmp_path, resume=True)
    assert str(caught.value).startswith(f"{tmp_path}: was begun with another text (")
    assert str(caught.value).endswith("); resume with the text that it was begun with")
    with pytest.raises(TrainingError) as caught:
        train_network(network(), TOKENS, PLAIN, valid=OTHER, directory=tmp_path, resume=True)
    assert ": was begun with another validation text (none, now " in str(caught.value)


def indexed(text):
    indexer = Indexer()
    indexer.read(text.encode())
    return indexer.finish()


def test_a_checkpoint_of_another_vocabulary_is_refused(tmp_path):
    def train(text, **options):
        return train_on_tokens(
            *indexed(text), kind="lstm", network=SMALL, settings=PLAIN, directory=tmp_path, **options
        )

    def stop(status):
        raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        train("a b c\n" * 20, watch=stop)
    for text in ("a b d\n" * 20, "a b c d\n" * 20):
        with pytest.raises(TrainingError) as caught:
            train(text, resume=True)
        first, second = (len(indexed(each)[1]) for each in ("a b c\n", text))
        start, end = f"{tmp_path}: was begun with another vocabulary ({first} words, ", "; resume with the same text, "
        assert str(caught.value).startswith(start) and f", now {second} words, " in str(caught.value)
        assert str(caught.value).endswith(f"){end}tokenizer and vocabulary options")
    assert train("a b c\n" * 20, resume=True).report.steps == 10


def test_what_changes_no_formula_may_differ(tmp_path):
    stopped(tmp_path)
    threads = torch.get_num_threads()
    settings = replace(PLAIN, threads=threads, checkpoint_every=1e9, device="auto")
    if not torch.cuda.is_available():
        assert train_network(network(), TOKENS, settings, directory=tmp_path, resume=True).steps == 10


@pytest.mark.parametrize("call", range(1, 4))
def test_a_full_disk_leaves_the_last_checkpoint(tmp_path, monkeypatch, call):
    write, calls = durable.write, []
    full = 7 + call  # a save before it wrote two files

    def limited(file, blocks):
        calls.append(file)
        if len(calls) < full:
            return write(file, blocks)
        file.write_bytes(b"half")
        raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))

    monkeypatch.setattr(durable, "write", limited)
    with pytest.raises(StoreError) as caught:
        train_network(network(), TOKENS, PLAIN, directory=tmp_path)
    assert str(caught.value) == f"{tmp_path}: cannot be written: No space left on device"
    monkeypatch.undo()
    assert not [file for file in tmp_path.iterdir() if durable.is_temporary(file.name)]
    resumed, whole = network(), network()
    train_network(resumed, TOKENS, PLAIN, directory=tmp_path, resume=True)
    train_network(whole, TOKENS, PLAIN)
    assert (weights(resumed) == weights(whole)).all()


@pytest.mark.skipif(sys.platform != "linux" or os.geteuid() != 0, reason="mounting takes root on Linux")
def test_a_disk_that_is_full_and_then_is_not(tmp_path):
    """A real file system of 64 KiB: room for one checkpoint, not for the next beside it."""
    disk = tmp_path / "disk"
    disk.mkdir()

    def mount(options):
        command = ["mount", "-t", "tmpfs", "-o", options, "tmpfs", str(disk)]
        if subprocess.run(command, capture_output=True, check=False).returncode:
            pytest.skip("this root may not mount")

    mount("size=64k")
    try:
        with pytest.raises(StoreError) as caught:
            train_network(network(), TOKENS, PLAIN, directory=disk)
        assert str(caught.value).endswith(": cannot be written: No space left on device")
        assert not [file for file in disk.iterdir() if durable.is_temporary(file.name)]
        mount("remount,size=1m")
        resumed, whole = network(), network()
        train_network(resumed, TOKENS, PLAIN, directory=disk, resume=True)
    finally:
        subprocess.run(["umount", str(disk)], check=False)
    train_network(whole, TOKENS, PLAIN)
    assert (weights(resumed) == weights(whole)).all()


def test_a_damaged_checkpoint_says_so(tmp_path):
    stopped(tmp_path)
    document = Checkpoint(tmp_path).read()
    payload = tmp_path / document["payloads"]["state"]["file"]
    data = bytearray(payload.read_bytes())
    data[-3] ^= 1
    payload.write_bytes(data)
    remedy = "delete this folder and train again"
    for error, change in (
        (f"{payload}: was changed after it was saved (its SHA-256 differs); {remedy}", lambda file: None),
        (f"{payload}: cannot be read: No such file or directory", lambda file: payload.unlink()),
        (
            f"{tmp_path / 'checkpoint.json'}: has format version 9, this nextword reads 2; resume with the "
            "version that "
            f"wrote it, or {remedy}",
            lambda file: file.write_text(json.dumps({**document, "format_version": 9})),
        ),
        (
            f"{tmp_path / 'checkpoint.json'}: is not a checkpoint, or is damaged; {remedy}",
            lambda file: file.write_text("{"),
        ),
    ):
        change(tmp_path / "checkpoint.json")
        with pytest.raises(StoreError) as caught:
            train_network(network(), TOKENS, PLAIN, directory=tmp_path, resume=True)
        assert str(caught.value) == error


def test_nothing_is_pickled(tmp_path):
    stopped(tmp_path)
    suffixes = {file.suffix for file in tmp_path.iterdir()}
    assert suffixes == {".json", ".jsonl", ".safetensors"}


def test_metrics_go_on_where_the_checkpoint_was(tmp_path):
    stopped(tmp_path, at=9, settings=replace(PLAIN, checkpoint_every=1e9))
    assert [line["step"] for line in metrics.read(tmp_path)] == [3, 6]  # beyond the checkpoint, which is of step 0
    with (tmp_path / "metrics.jsonl").open("a") as file:
        file.write('{"step": 9, "lo')  # cut short
    train_network(network(), TOKENS, PLAIN, directory=tmp_path, resume=True)
    assert [line["step"] for line in metrics.read(tmp_path)] == [3, 6, 9]
