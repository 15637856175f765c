"""How fast an LSTM over words is trained, beside the textbook PyTorch loop in the same run.

    python benchmarks/training.py                        WikiText-2 from $NEXTWORD_SHARED or ../shared
    python benchmarks/training.py --text FILE --rounds 7 --curve 200

The peer is nn.LSTM, nn.Linear, nn.CrossEntropyLoss, float32 and SGD (``harness/textbook.py``); ours is the step of
``nextword train lstm`` with SGD and what ``--precision auto`` chooses. Both take turns; a figure is the median of the
rounds, a ratio the median of the rounds' ratios with their range. Then both train on the same batches from the same
weights, without dropout, and the table shows their losses, and those of the peer from another seed: the noise.
"""

import argparse
import os
import statistics
import time
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import torch
from harness.tables import ratio, show, spread
from harness.textbook import WordLanguageModel, train_words
from harness.timing import Run, alternate
from torch import Tensor

from nextword.neural.device import choose_precision
from nextword.neural.distributed import joined
from nextword.neural.families import build
from nextword.neural.network import Network
from nextword.neural.training import Run as Training
from nextword.neural.training_settings import TrainingSettings
from nextword.text.batches import Epoch
from nextword.text.corpus import Corpus
from nextword.text.indexing import Indexer
from nextword.types import Ids_T

SHARED = Path(os.environ.get("NEXTWORD_SHARED", Path(__file__).resolve().parents[1].parent / "shared"))
BPTT, CLIP = 35, 0.25
SEEDS = (0, 1)


@dataclass(frozen=True)
class Case:
    """A size of model. lr: of SGD, for the loss curves."""

    size: int
    tied: bool
    batch: int
    lr: float = 5.0

    def __str__(self) -> str:
        return f"2 x {self.size}{' tied' if self.tied else ''}, batch {self.batch}"


CASES = (Case(200, False, 20), Case(650, True, 40))


def speeds(case: Case, tokens: Ids_T, vocab_size: int, rounds: int, steps: int) -> None:
    """Tokens a second of a step in training, dropout included."""
    peer, ours = _peer(case, vocab_size, 0.2), _ours(case, vocab_size, 0.2)
    with joined() as group:
        training = Training(ours, tokens, _settings(case), group=group)
        epoch = training.batches.epoch(0)
        for i in range(2):
            training.step(epoch[i], case.lr)
        list(train_words(peer, _batches(case, tokens, 2), lr=case.lr, clip=CLIP))
        runs = alternate(
            rounds,
            {
                "textbook PyTorch loop": lambda: _seconds(
                    train_words(peer, _batches(case, tokens, steps), lr=case.lr, clip=CLIP)
                ),
                "nextword": lambda: _seconds(_steps(training, epoch, steps, case.lr)),
            },
        )
    textbook, fast = runs.values()
    count = case.batch * BPTT
    rows = [
        [name, f"{count / statistics.median(r.seconds for r in measured):,.0f}", *spread(measured, 1e3, 0),
         ratio(textbook, measured)]
        for name, measured in runs.items()
    ]  # fmt: skip
    title = f"Training: LSTM {case}, BPTT {BPTT}, V = {vocab_size:,}, {torch.get_num_threads()} threads"
    show(title, ["", "tokens/s", "ms a step", "range", "speed / textbook"], rows)


def curves(case: Case, tokens: Ids_T, vocab_size: int, steps: int) -> None:
    """The losses of both from the same weights on the same batches, and of the peer from others."""
    found: dict[str, list[float]] = {}
    for seed in SEEDS:
        peer, ours = _peer(case, vocab_size, 0.0, seed), _ours(case, vocab_size, 0.0)
        _copy(peer, ours)
        losses = [loss for _, loss in train_words(peer, _batches(case, tokens, steps), lr=case.lr, clip=CLIP)]
        found[f"textbook, seed {seed}"] = losses
        if seed == SEEDS[0]:
            with joined() as group:
                training = Training(ours, tokens, _settings(case), group=group)
                made = list(_steps(training, training.batches.epoch(0), steps, case.lr))
            found[f"nextword, seed {seed}"] = [loss for _, loss in made]
    parts = np.array_split(np.arange(steps), 5)
    rows = [[name, *(f"{np.mean(np.array(losses)[part]):.4f}" for part in parts)] for name, losses in found.items()]
    header = ["mean loss in nats, steps", *(f"{part[0] + 1}-{part[-1] + 1}" for part in parts)]
    show(f"Loss curves: LSTM {case}, SGD at {case.lr:g}, no dropout", header, rows)


def _steps(training: Training, epoch: Epoch, steps: int, lr: float) -> Iterator[tuple[float, float]]:
    for i in range(steps):
        batch = epoch[i]
        begun = time.perf_counter()
        loss, _ = training.step(batch, lr)
        mean = float(loss) / batch.predicted
        training.place.batch = i + 1
        yield time.perf_counter() - begun, mean


def _seconds(steps: Iterator[tuple[float, float]]) -> Run:
    """The median step of a round."""
    return Run(statistics.median(seconds for seconds, _ in steps))


def _batches(case: Case, tokens: Ids_T, steps: int) -> Iterator[Tensor]:
    """(T + 1, B) ids of the first steps, as ours reads them."""
    columns = (len(tokens) - 1) // case.batch
    rows = [torch.from_numpy(tokens[i * columns : (i + 1) * columns + 1].astype(np.int64)) for i in range(case.batch)]
    stream = torch.stack(rows, dim=1)
    return (stream[i * BPTT : (i + 1) * BPTT + 1] for i in range(steps))


def _settings(case: Case) -> TrainingSettings:
    return TrainingSettings(
        batch_size=case.batch, bptt=BPTT, shift=False, optimizer="sgd", lr=case.lr, clip=CLIP, weight_decay=0.0, steps=1
    )


def _peer(case: Case, vocab_size: int, dropout: float, seed: int = 0) -> WordLanguageModel:
    torch.manual_seed(seed)
    return WordLanguageModel(vocab_size, case.size, tied=case.tied, dropout=dropout)


def _ours(case: Case, vocab_size: int, dropout: float) -> Network:
    sizes = {"embedding_size": case.size, "hidden_size": case.size, "layers": 2, "tied": case.tied}
    return build("lstm", {**sizes, "dropout": dropout}, vocab_size, 1)


@torch.no_grad()
def _copy(peer: WordLanguageModel, ours: Network) -> None:
    """Give ours the peer's weights."""
    theirs = dict(peer.named_parameters())
    theirs["decoder.weight"] = peer.decoder.weight
    for name, parameter in ours.named_parameters():
        if name == "embedding.weight":
            source = "encoder.weight"
        elif name.startswith("output."):
            source = name.replace("output", "decoder")
        else:
            _, layer, _, kind = name.split(".")
            source = f"lstm.{kind.removesuffix('_l0')}_l{layer}"
        parameter.copy_(theirs[source])


def main() -> None:
    """Read the text and run every case."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--text", type=Path, default=SHARED / "data" / "wikitext-2" / "train.txt")
    parser.add_argument("--rounds", type=int, default=5)
    parser.add_argument("--steps", type=int, default=4, help="steps in a round")
    parser.add_argument("--curve", type=int, default=100, help="steps of the loss curves; 0 leaves them out")
    parser.add_argument("--threads", type=int)
    options = parser.parse_args()
    if not options.text.exists():
        raise SystemExit(f"{options.text} is absent; give a text with --text FILE")
    if options.threads:
        torch.set_num_threads(options.threads)
    indexer = Indexer()
    for block in Corpus(options.text):
        indexer.read(block.text)
    tokens, vocabulary = indexer.finish()
    print(f"precision auto: {choose_precision('auto')}")
    for case in CASES:
        speeds(case, tokens, len(vocabulary), options.rounds, options.steps)
    for case in CASES if options.curve else ():
        curves(case, tokens, len(vocabulary), options.curve)


if __name__ == "__main__":
    main()
