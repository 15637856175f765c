"""A program for ``test_resuming``: trains in processes that die by SIGKILL, and says what became of the weights.

Usage: python killed.py FOLDER. For each kind of run it prints a line of JSON: how many processes were killed, the
digest of the weights in the end, that of an undisturbed run, and whether the metrics of both are the same lines.
PyTorch is imported once: each process is a fork.
"""

import hashlib
import json
import os
import signal
import sys
from pathlib import Path

import numpy as np
import torch

from nextword import durable
from nextword.neural import metrics
from nextword.neural.families import build
from nextword.neural.language import train_network
from nextword.neural.training_settings import TrainingSettings

COMMON = {"batch_size": 4, "bptt": 7, "steps": 14, "precision": "float32", "device": "cpu", "lr": 0.02, "log_every": 4}
LSTM = {"embedding_size": 6, "hidden_size": 8, "dropout": 0.3, "dropout_embedding": 0.2, "learned_start": True}
TRANSFORMER = {"embedding_size": 8, "heads": 2, "layers": 1, "context": 8, "dropout": 0.3}
RUNS = {
    "lstm": (LSTM, {"ema": 0.8, "vary_bptt": True, "accumulate": 2, "eval_every": 3}),
    "rnn": ({**LSTM, "tied": True}, {"optimizer": "muon", "eval_every": 5}),
    "gru": ({**LSTM, "layers": 1}, {"optimizer": "sgd", "momentum": 0.9, "schedule": "plateau", "lr": 0.5}),
    "transformer": (TRANSFORMER, {"mode": "blocks", "schedule": "cosine", "weight_decay": 0.3}),
    "window": ({"order": 3, "embedding_size": 6, "hidden_size": 8, "dropout": 0.3}, {"mode": "sentence", "bptt": 3}),
}
# where a process dies: before step n, or in the n-th call of one of the functions that save
DEATHS = [("step", 3), ("write", 1), ("step", 2), ("write", 3), ("sync_directory", 2), ("replace", 4), ("step", 5),
          ("sync_directory", 5), ("write", 6), ("unlink", 3), ("replace", 9)]  # fmt: skip


def corpus(sentences, seed):
    random = np.random.default_rng(seed)
    return np.concatenate([[2], *[[*random.integers(3, 9, random.integers(1, 12)), 2] for _ in range(sentences)]])


def train(kind, directory, *, resume=False, death=("", 0)):
    settings = TrainingSettings(**{**COMMON, **RUNS[kind][1], "checkpoint_every": 0})
    torch.manual_seed(0)
    network = build(kind, RUNS[kind][0], 9, 1)
    calls = {"n": 0}

    def count(*_):
        calls["n"] += 1
        if calls["n"] == death[1]:
            os.kill(os.getpid(), signal.SIGKILL)

    wrap(death[0], count)
    texts = {"tokens": corpus(60, 0).astype(np.int32), "valid": corpus(9, 1).astype(np.int32)}
    watch = count if death[0] == "step" else None
    train_network(
        network, texts["tokens"], settings, valid=texts["valid"], directory=directory, resume=resume, watch=watch
    )
    digest = hashlib.sha256()
    for weight in network.parameters():
        digest.update(weight.detach().numpy().tobytes())
    (directory / "digest").write_text(digest.hexdigest())


def wrap(name, count):
    """Make one of the functions that a save is made of call ``count`` first; a write is then half done."""
    if name == "write":
        whole = durable.write

        def half(file, blocks):
            count_before = [bytes(block)[: len(block) // 2] for block in blocks]
            file.write_bytes(b"".join(count_before))
            count()
            file.unlink()
            return whole(file, blocks)

        durable.write = half
    elif name == "sync_directory":
        sync = durable.sync_directory
        durable.sync_directory = lambda directory: (count(), sync(directory))[1]
    elif name in ("replace", "unlink"):
        original = getattr(Path, name)
        setattr(Path, name, lambda self, *args, **more: (count(), original(self, *args, **more))[1])


def forked(work):
    """Whether a process of its own that does ``work`` was killed; RuntimeError if it failed in another way."""
    child = os.fork()
    if not child:
        try:
            work()
            os._exit(0)
        except BaseException as error:
            print(repr(error), file=sys.stderr, flush=True)
            os._exit(1)
    status = os.waitpid(child, 0)[1]
    if os.WIFSIGNALED(status):
        return os.WTERMSIG(status) == signal.SIGKILL
    if os.WEXITSTATUS(status):
        raise RuntimeError("a process failed")
    return False


def lines(directory):
    """The metrics, but for what clocks say."""
    return [{k: v for k, v in line.items() if "seconds" not in k and k != "tokens_per_second"}
            for line in metrics.read(directory)]  # fmt: skip


def main(folder):
    torch.set_num_threads(1)
    for kind in RUNS:
        whole, broken = folder / f"{kind}-whole", folder / f"{kind}-broken"
        train(kind, whole)  # here, so that what PyTorch does once is done before the forks
        killed = 0
        for death in DEATHS:
            there = (broken / "checkpoint.json").exists()
            killed += forked(
                lambda kind=kind, broken=broken, death=death, there=there: train(
                    kind, broken, resume=there, death=death
                )
            )
        forked(lambda kind=kind, broken=broken: train(kind, broken, resume=True))
        digests = [(directory / "digest").read_text() for directory in (broken, whole)]
        files = sorted(file.name.partition("-")[0] for file in broken.iterdir())
        same = lines(broken) == lines(whole)
        print(json.dumps([kind, killed, digests[0] == digests[1], same, files]), flush=True)


if __name__ == "__main__":
    main(Path(sys.argv[1]))
