"""A program for ``test_distributed``: the same training by one process and by two, as ``torchrun`` starts them.

Usage: python together.py FOLDER. Prints a line of JSON for each comparison: its name, and the largest difference of a
weight. PyTorch is imported once: each process is a fork.
"""

import json
import os
import signal
import socket
import sys
import time
from pathlib import Path

import numpy as np
import torch

from nextword import tensors
from nextword.neural.families import build
from nextword.neural.language import train_network
from nextword.neural.training_settings import TrainingSettings

LSTM = {"embedding_size": 6, "hidden_size": 8, "learned_start": True}
COMMON = {"batch_size": 4, "bptt": 7, "steps": 12, "precision": "float32", "device": "cpu", "lr": 0.02, "log_every": 4}


def corpus(sentences, seed):
    random = np.random.default_rng(seed)
    return np.concatenate([[2], *[[*random.integers(3, 9, random.integers(1, 12)), 2] for _ in range(sentences)]])


def train(name, folder, *, dropout=0.0, directory=None, resume=False, slow=0.0, **given):
    """Train, and leave the weights and the report in a file of that name."""
    torch.manual_seed(int(os.environ.get("RANK", "0")))  # networks that begin differently are made alike
    network = build("lstm", {**LSTM, "dropout": dropout}, 9, 1)
    settings = TrainingSettings(**{**COMMON, "checkpoint_every": 0, **given})
    texts = {"tokens": corpus(61, 0).astype(np.int32), "valid": corpus(9, 1).astype(np.int32)}
    report = train_network(
        network, texts["tokens"], settings, valid=texts["valid"], directory=directory, resume=resume,
        watch=lambda status: time.sleep(slow),
    )  # fmt: skip
    rank = os.environ.get("RANK", "alone")
    arrays = {key: weight.detach().numpy() for key, weight in network.named_parameters()}
    arrays["perplexity"] = np.array(report.valid_perplexity)
    (folder / f"{name}-{rank}").write_bytes(b"".join(tensors.lay_out(arrays)))


def start(world, work):
    """Processes that do ``work`` together; their ids."""
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        port = str(free.getsockname()[1])
    children = []
    for rank in range(world):
        child = os.fork()
        if not child:
            if world > 1:
                os.environ.update(
                    RANK=str(rank),
                    LOCAL_RANK=str(rank),
                    WORLD_SIZE=str(world),
                    MASTER_ADDR="127.0.0.1",
                    MASTER_PORT=port,
                )
            try:
                work()
                os._exit(0)
            except BaseException as error:
                print(repr(error), file=sys.stderr, flush=True)
                os._exit(1)
        children.append(child)
    return children


def wait(children):
    if [os.waitpid(child, 0)[1] for child in children] != [0] * len(children):
        raise RuntimeError("a process failed")


def difference(folder, one, other):
    files = [tensors.map_file(folder / name) for name in (one, other)]
    return max(float(np.abs(files[0][name] - files[1][name]).max()) for name in files[0])


def say(name, figure):
    print(json.dumps([name, figure]), flush=True)


def main(folder):
    torch.set_num_threads(1)
    for name, given in {"stream": {}, "sentence": {"mode": "sentence", "accumulate": 2}}.items():
        train(name, folder, **given)  # here, so that what PyTorch does once is done before the forks
        wait(start(2, lambda name=name, given=given: train(name, folder, directory=folder / f"{name}-dir", **given)))
        say(f"{name}: two processes against one", difference(folder, f"{name}-0", f"{name}-alone"))
        say(f"{name}: one of the two against the other", difference(folder, f"{name}-0", f"{name}-1"))
    dropped = {"dropout": 0.4, "steps": 8}
    wait(start(2, lambda: train("whole", folder, directory=folder / "whole-dir", **dropped)))
    broken = folder / "broken-dir"
    children = start(2, lambda: train("broken", folder, directory=broken, slow=0.05, **dropped))
    while not (broken / "metrics.jsonl").exists() or not (broken / "metrics.jsonl").read_text():
        time.sleep(0.01)
    for child in children:
        os.kill(child, signal.SIGKILL)
        os.waitpid(child, 0)
    say("a killed run was unfinished", float((folder / "broken-0").exists()))
    wait(start(2, lambda: train("broken", folder, directory=broken, resume=True, **dropped)))
    say("killed and resumed against undisturbed", difference(folder, "broken-0", "whole-0"))
    try:
        wait(start(1, lambda: train("other", folder, directory=broken, resume=True, **dropped)))
    except RuntimeError:
        say("one process cannot resume a run of two", 0.0)


if __name__ == "__main__":
    main(Path(sys.argv[1]))
