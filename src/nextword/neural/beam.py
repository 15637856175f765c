"""Beam search over an encoder–decoder: many sentences at once, each with its own few best beginnings.

B sentences, K beginnings of each (the beam), N = B K rows, V ids.
"""

from typing import NamedTuple

import torch
from torch import Tensor

from nextword.neural.attention import Memory
from nextword.neural.network import select
from nextword.neural.seq2seq import Seq2Seq


class Hypothesis(NamedTuple):
    """A target sentence. ids: without ``<s>`` and ``</s>``; places: the source token that each looked at most, or none.

    log_prob: nats, ``</s>`` counted if it is finished; score: what it is ranked by.
    """

    ids: tuple[int, ...]
    log_prob: float
    score: float
    finished: bool
    places: tuple[int, ...]


class _Search:
    """What is known of the sentences that are still open: rows of K beginnings one sentence after another."""

    def __init__(self, network: Seq2Seq, memory: Memory, limits: Tensor, beam: int, bos: int):
        sentences = len(memory.summary)
        rows = torch.arange(sentences).repeat_interleave(beam)
        self.network, self.beam, self.limits = network, beam, limits
        self.memory, self.state = memory.select(rows), select(network.start(memory), rows)
        self.sentences = torch.arange(sentences)  # which of those given each is
        self.scores = torch.full((sentences, beam), -torch.inf, dtype=torch.float64)
        self.scores[:, 0] = 0.0  # all beginnings are the same one at first
        self.last = torch.full((len(rows), 1), bos)
        self.ids = torch.zeros((len(rows), 0), dtype=torch.int64)
        self.places = torch.zeros((len(rows), 0), dtype=torch.int64)

    def candidates(self, forbidden: list[int]) -> tuple[Tensor, Tensor, Tensor]:
        """Scores, rows and tokens of the 2 K best ways to go on, (B, 2 K) each: K of them end at the most."""
        decoded = self.network(self.last, self.memory, self.state)
        self.state = decoded.state
        looked = decoded.weights[:, 0]
        self.looked = looked.argmax(dim=1) if looked.shape[1] else None  # (N,)
        log_probs = self.network.output.log_probs(decoded.vectors[:, 0])
        log_probs[:, forbidden] = -torch.inf
        many = min(2 * self.beam, log_probs.shape[1])
        best, tokens = log_probs.topk(many, dim=1)  # (N, 2 K): no other can be among the best of its sentence
        totals = (self.scores.view(-1, 1) + best.double()).view(len(self.scores), -1)  # (B, K 2 K)
        scores, places = totals.topk(min(2 * self.beam, totals.shape[1]), dim=1)
        rows = torch.arange(len(scores))[:, None] * self.beam + places // many
        return scores, rows, tokens.view(len(scores), -1).gather(1, places)

    def grown(self, rows: Tensor, tokens: Tensor) -> tuple[Tensor, Tensor]:
        """The ids of rows (R,) with a token more, and the places that they looked at, (R, T) each."""
        ids = torch.cat([self.ids[rows], tokens[:, None]], dim=1)
        return ids, self.places[rows] if self.looked is None else torch.cat(
            [self.places[rows], self.looked[rows, None]], dim=1
        )

    def go_on(self, keep: Tensor, scores: Tensor, rows: Tensor, tokens: Tensor) -> None:
        """Take up the sentences ``keep`` (B',) of B with their K chosen rows and tokens, (B', K)."""
        whole = len(keep) == len(self.sentences)
        flat, self.scores = rows.flatten(), scores
        self.ids, self.places = self.grown(flat, tokens.flatten())
        self.last, self.state = tokens.reshape(-1, 1), select(self.state, flat)
        if not whole:  # within a sentence all rows have the same memory
            self.memory = self.memory.select(flat)
            self.sentences, self.limits = self.sentences[keep], self.limits[keep]


def beam_search(
    network: Seq2Seq,
    memory: Memory,
    limits: Tensor,
    *,
    bos: int,
    eos: int,
    forbidden: list[int],
    beam: int = 5,
    length_penalty: float = 0.6,
    best: int = 1,
) -> list[list[Hypothesis]]:
    """The ``best`` target sentences of each of B sources, best first, from keeping the ``beam`` likeliest beginnings.

    They are ranked by log P / ((5 + length) / 6) ** length_penalty, ``</s>`` counted (Wu et al. 2016, eq. 14); 0 ranks
    by probability, and beam 1 is greedy decoding. limits: (B,) tokens, 1 or more, ``</s>`` counted, at which a sentence
    ends unfinished: so the search always ends. It ends early once nothing open can come to a better score.
    """
    search = _Search(network, memory, limits, beam, bos)
    found: list[list[Hypothesis]] = [[] for _ in range(len(limits))]
    steps = 0
    while len(search.sentences):
        steps += 1
        scores, rows, tokens = search.candidates(forbidden)
        at_limit = search.limits <= steps
        ends = tokens == eos
        taken = (ends | at_limit[:, None]) & (scores > -torch.inf)
        taken[:, beam:] = False  # what ends must be among the K best itself
        _note(search, found, taken, scores, rows, tokens, eos=eos, length_penalty=length_penalty, best=best)
        going = scores.masked_fill(ends, -torch.inf)
        order = _first(going, beam)
        going, rows, tokens = (part.gather(1, order) for part in (going, rows, tokens))
        bounds = going[:, 0] / _length(search.limits, length_penalty)  # log P only falls: nothing can come to more
        full = [len(found[i]) >= best and found[i][-1].score >= bound
                for i, bound in zip(search.sentences.tolist(), bounds.tolist(), strict=True)]  # fmt: skip
        keep = (~(at_limit | torch.tensor(full) | (going[:, 0] == -torch.inf))).nonzero()[:, 0]
        search.go_on(keep, going[keep], rows[keep], tokens[keep])
    return found


def _first(scores: Tensor, beam: int) -> Tensor:
    """The columns of the best K scores of each row, (B, K); a short row is filled up with its last."""
    order = scores.topk(min(beam, scores.shape[1]), dim=1).indices
    return (
        torch.cat([order, order[:, -1:].expand(-1, beam - order.shape[1])], dim=1) if order.shape[1] < beam else order
    )


def _length(tokens: Tensor | int, penalty: float) -> Tensor | float:
    return ((5 + tokens) / 6) ** penalty


def _note(
    search: _Search,
    found: list[list[Hypothesis]],
    taken: Tensor,
    scores: Tensor,
    rows: Tensor,
    tokens: Tensor,
    *,
    eos: int,
    length_penalty: float,
    best: int,
) -> None:
    """Enter the sentences that end here, (B, 2 K) true, among those found, of which the best are kept."""
    sentences, columns = taken.nonzero(as_tuple=True)
    if not len(sentences):
        return
    ids, places = search.grown(rows[sentences, columns], tokens[sentences, columns])
    divisor = float(_length(ids.shape[1], length_penalty))
    whole = zip(
        search.sentences[sentences].tolist(),
        ids.tolist(),
        places.tolist(),
        scores[sentences, columns].tolist(),
        strict=True,
    )
    for sentence, row, looked, log_prob in whole:
        finished = row[-1] == eos
        length = len(row) - finished
        one = Hypothesis(tuple(row[:length]), log_prob, log_prob / divisor, finished, tuple(looked[:length]))
        found[sentence] = sorted([*found[sentence], one], key=lambda each: -each.score)[:best]
