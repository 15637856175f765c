"""Pairs of sources and targets, and how an encoder–decoder reads them: from NumPy arrays to what it predicts.

A source is ids that end in ``</s>``, or a feature vector. A target is ids; ``<s>`` and ``</s>`` are added to it.
"""

import hashlib
from collections.abc import Sequence
from dataclasses import dataclass
from typing import NamedTuple

import numpy as np
import torch
from torch import Tensor

from nextword.errors import TrainingError, UsageError
from nextword.neural.attention import Memory
from nextword.neural.seq2seq import Decoded, Seq2Seq
from nextword.text.examples import Examples, padded
from nextword.types import Array

ROWS = 64  # sentences that are measured or translated at a time
_LONGEST = 1 << 12  # sources are ordered by length, and targets of one such length by theirs


class Specials(NamedTuple):
    """Ids of ``<unk>``, ``<s>`` and ``</s>`` in the target vocabulary."""

    unk: int
    bos: int
    eos: int


@dataclass(frozen=True)
class Pairs:
    """Sources, as the module says, a list of (S,) arrays or features (N, F); and targets, a list of (T,) arrays."""

    sources: Sequence[Array] | Array
    targets: Sequence[Array]

    def digest(self) -> str:
        """SHA-256 by which one knows the same pairs again."""
        found = hashlib.sha256()
        for array in (*self.sources, *self.targets):
            found.update(np.ascontiguousarray(array).tobytes())
            found.update(b"|")
        return found.hexdigest()[:16]


def check_pairs(network: Seq2Seq, pairs: Pairs, purpose: str = "learn from") -> None:
    """Raise TrainingError for no pair, UsageError for pairs that the network's vocabularies do not know."""
    if not len(pairs.targets):
        raise TrainingError(f"there is no pair of sentences to {purpose}; give at least one")
    if len(pairs.sources) != len(pairs.targets):
        raise UsageError(f"{len(pairs.sources)} sources and {len(pairs.targets)} targets: give as many of each")
    for name, rows, size in (
        ("source", [] if network.settings.features else pairs.sources, network.source_size),
        ("target", pairs.targets, network.target_size),
    ):
        highest = max((int(row.max(initial=0)) for row in rows), default=-1)
        if highest >= size:
            raise UsageError(f"a {name} has the id {highest}, but its vocabulary has {size} ids; encode it with that")


def examples(pairs: Pairs, batch_size: int, *, seed: int | None = None) -> Examples:
    """Batches of pairs whose sources are of like length, and their targets too; without a seed in that order."""
    targets = np.array([len(row) + 1 for row in pairs.targets], dtype=np.int64)
    sources = np.array([len(row) for row in pairs.sources], dtype=np.int64)
    order = sources * _LONGEST + np.minimum(targets, _LONGEST - 1)
    return Examples(order, batch_size=batch_size, seed=seed or 0, shuffle=seed is not None, weights=targets)


def encode(network: Seq2Seq, sources: Sequence[Array] | Array, rows: Array, device: torch.device) -> Memory:
    """What the encoder makes of some of the sources."""
    chosen = [sources[row] for row in rows]
    if network.settings.features:
        return network.encode(torch.from_numpy(np.stack(chosen).astype(np.float32)).to(device), torch.ones(0))
    lengths = torch.tensor([len(row) for row in chosen], device=device)
    return network.encode(torch.from_numpy(padded(chosen)).to(device), lengths)


def teach(
    network: Seq2Seq, pairs: Pairs, rows: Array, specials: Specials, device: torch.device
) -> tuple[Decoded, Tensor]:
    """Teacher forcing: the decoder reads the target itself. Returns also what follows each token, (B T,)."""
    targets = padded([np.concatenate([[specials.bos], pairs.targets[row], [specials.eos]]) for row in rows])
    table = torch.from_numpy(targets).to(device, non_blocking=True)
    memory = encode(network, pairs.sources, rows, device)
    return network(table[:, :-1].clamp(min=0), memory, network.start(memory)), table[:, 1:].flatten()
