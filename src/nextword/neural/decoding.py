"""Translating with a trained encoder–decoder: NumPy arrays outside, the network inside. Sources: see ``pairs``."""

from collections.abc import Iterator, Sequence
from typing import Any

import numpy as np
import torch

from nextword.neural.beam import Hypothesis, beam_search
from nextword.neural.pairs import ROWS, Pairs, Specials, encode, examples, teach
from nextword.neural.seq2seq import Seq2Seq
from nextword.types import Array

_CPU = torch.device("cpu")


def decode(
    network: Seq2Seq,
    sources: Sequence[Array] | Array,
    *,
    specials: Specials,
    beam: int = 5,
    length_penalty: float = 0.6,
    best: int = 1,
    max_tokens: int | None = None,
    copies: bool = False,
) -> list[list[Hypothesis]]:
    """The ``best`` targets of each source, best first; see ``beam.beam_search``.

    max_tokens: of a target, ``</s>`` counted; twice those of the source and 10 more unless given, 100 for features.
    copies: whether ``<unk>`` may be among the tokens, as something will be put in its place.
    """
    limits = np.array([2 * len(row) + 10 for row in sources], dtype=np.int64)
    if max_tokens is not None or network.settings.features:
        limits[:] = 100 if max_tokens is None else max_tokens
    options: Any = {"bos": specials.bos, "eos": specials.eos, "beam": beam, "length_penalty": length_penalty}
    options |= {"best": best, "forbidden": [] if copies else [specials.unk]}
    found: list[list[Hypothesis]] = [[] for _ in sources]
    with torch.inference_mode():
        for rows in _by_length(sources):
            memory = encode(network, sources, rows, _CPU)
            ends = beam_search(network, memory, torch.from_numpy(limits[rows]), **options)
            for row, hypotheses in zip(rows.tolist(), ends, strict=True):
                found[row] = hypotheses
    return found


def token_log_probs(network: Seq2Seq, pairs: Pairs, *, specials: Specials) -> list[Array]:
    """Log-probability of each target token and of ``</s>``, a (T + 1,) array of nats for each pair."""
    found: list[Array] = [np.zeros(0)] * len(pairs.targets)
    with torch.inference_mode():
        for batch in examples(pairs, ROWS).epoch(0) if len(pairs.targets) else ():
            decoded, targets = teach(network, pairs, batch.rows, specials, _CPU)
            flat = network.output.token_log_probs(decoded.vectors.flatten(0, 1), targets)
            table = flat.view(len(batch.rows), -1).numpy()
            for row, scores in zip(batch.rows.tolist(), table, strict=True):
                found[row] = scores[: len(pairs.targets[row]) + 1].copy()
    return found


def attend(network: Seq2Seq, source: Array, target: Array, *, specials: Specials) -> Array:
    """Where the decoder looks as it predicts each target token and ``</s>``: (T + 1, S), rows that sum to 1."""
    with torch.inference_mode():
        decoded, _ = teach(network, Pairs([source], [target]), np.zeros(1, np.int64), specials, _CPU)
    weights: Array = decoded.weights[0].numpy()
    return weights


def _by_length(sources: Sequence[Array] | Array) -> Iterator[Array]:
    """The numbers of sources, some at a time, those of like length together."""
    order = np.argsort([len(row) for row in sources], kind="stable")
    for begin in range(0, len(order), ROWS):
        yield order[begin : begin + ROWS]
