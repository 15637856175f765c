"""Characters of tiny Shakespeare: what a model learns in the time that nanoGPT's CPU configuration takes.

    python benchmarks/shakespeare.py                     tiny Shakespeare from $NEXTWORD_SHARED or ../shared
    python benchmarks/shakespeare.py --text FILE         a text of one's own
    python benchmarks/shakespeare.py --seconds 71        leave the peer out and train that long

The first 90 % of the characters are the training text. The peer (``harness/textbook.py``: 4 layers, 4 heads, width 128,
blocks of 64, batch 12, 2000 steps) trains first, its own estimates of the loss on the way included, and ours then has
as much wall time. Losses are nats a character over the last 10 %: in one run that carries the state along, and by
nanoGPT's protocol, over random blocks of 64 that begin without a context.
"""

import argparse
import os
from pathlib import Path

import numpy as np
import torch
from harness.tables import show
from harness.textbook import CharacterTransformer, blocks_loss, train_characters
from torch import Tensor

from nextword.neural.families import build
from nextword.neural.language import train_network
from nextword.neural.model import NeuralModel
from nextword.neural.network import Network
from nextword.neural.training_settings import usual_settings
from nextword.text.vocabulary import SPECIALS, Vocabulary

SHARED = Path(os.environ.get("NEXTWORD_SHARED", Path(__file__).resolve().parents[1].parent / "shared"))
NETWORK = {"embedding_size": 64, "hidden_size": 512, "layers": 1, "dropout": 0.05, "dropout_input": 0.0}
TRAINING = {
    "batch_size": 32, "bptt": 64, "optimizer": "muon", "lr": 0.004, "matrix_lr": 0.02, "betas": (0.9, 0.99),
    "schedule": "cosine",
}  # fmt: skip
BLOCK, BLOCKS = 64, 100


def encode(text: str) -> tuple[np.ndarray, Vocabulary]:
    """Ids of characters, a newline being ``</s>``, and their vocabulary."""
    characters = sorted(set(text) - {"\n"})
    vocabulary = Vocabulary.from_words([*SPECIALS, *characters])
    ids = {character: i for i, character in enumerate(vocabulary.words)} | {"\n": 2}
    return np.array([ids[character] for character in text], dtype=np.int32), vocabulary


def random_blocks_loss(network: Network, ids: Tensor) -> float:
    """The loss over random blocks, each begun from the initial state."""
    torch.manual_seed(1)

    def forward(tokens: Tensor) -> Tensor:
        hidden, _ = network(tokens, network.initial_state(len(tokens)))
        return network.output.log_probs(hidden.flatten(0, 1)).view(*tokens.shape, -1)

    return blocks_loss(forward, ids, BLOCK, batches=BLOCKS)


def sliding_loss(model: CharacterTransformer, ids: Tensor) -> float:
    """One run over a text by a model without a state: blocks overlap by half, which is then context."""
    half, losses = model.block // 2, []
    with torch.no_grad():
        for begin in range(0, len(ids) - model.block, half):
            scores = model(ids[None, begin : begin + model.block]).log_softmax(dim=-1)[0]
            found = scores.gather(1, ids[begin + 1 : begin + model.block + 1, None])
            losses.append(found if begin == 0 else found[half:])
    return -float(torch.cat(losses).mean())


def main() -> None:
    """Train the peer, then ours as long; print both."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--text", type=Path, default=SHARED / "data" / "tinyshakespeare" / "input.txt")
    parser.add_argument("--seconds", type=float, help="train ours that long, without the peer")
    parser.add_argument("--seed", type=int, default=0)
    options, rows = parser.parse_args(), []
    if not options.text.exists():
        raise SystemExit(f"{options.text} is absent; give a text with --text FILE")
    ids, vocabulary = encode(options.text.read_text(encoding="utf-8"))
    cut = int(0.9 * len(ids))
    train, valid = ids[:cut], ids[cut:]
    valid_tensor = torch.from_numpy(valid.astype(np.int64))
    seconds = options.seconds
    if seconds is None:
        peer, _, seconds = train_characters(torch.from_numpy(train.astype(np.int64)), valid_tensor, len(vocabulary))
        torch.manual_seed(1)
        losses = sliding_loss(peer, valid_tensor), blocks_loss(peer, valid_tensor, BLOCK, batches=BLOCKS)
        rows.append(_row("transformer, nanoGPT's configuration", peer, seconds, losses))
    torch.manual_seed(options.seed)
    network = build("lstm", NETWORK, len(vocabulary), vocabulary.bos)
    settings = usual_settings("lstm", **TRAINING, minutes=seconds / 60, seed=options.seed)
    report = train_network(network, train, settings)
    model = NeuralModel(network, vocabulary, scope="stream")
    carried = -float(model.token_log_probs(valid[None])[0].mean())
    losses = carried, random_blocks_loss(network, valid_tensor)
    rows.append(_row("nextword, LSTM 512", network, report.seconds, losses))
    columns = ["", "parameters", "seconds", "nats, state carried", "nats, random blocks"]
    show(f"Characters: {len(train):,} to train on, {len(valid):,} to test on, V = {len(vocabulary)}", columns, rows)


def _row(name: str, network: torch.nn.Module, seconds: float, losses: tuple[float, float]) -> list[str]:
    size = sum(parameter.numel() for parameter in network.parameters())
    return [name, f"{size:,}", f"{seconds:.1f}", *(f"{loss:.4f}" for loss in losses)]


if __name__ == "__main__":
    main()
