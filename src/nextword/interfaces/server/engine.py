"""One model at work for many requests: a thread of its own, in which requests that wait together run as one batch."""

import asyncio
from collections.abc import AsyncIterator, Callable, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from typing import Any, NamedTuple, TypeVar

import numpy as np

from nextword.lm import LM
from nextword.tasks.generate import stream
from nextword.tasks.next import check_ids, top_indices
from nextword.tasks.sampling import Sampling
from nextword.types import Array, Float_T, Ids_T

Result = TypeVar("Result")


class Busy(Exception):
    """The queue is full, or the engine is closing: come again later."""


class Late(Exception):
    """A request took longer than its time limit."""


class Token(NamedTuple):
    """One token of one sample. log_prob: nats, of the model as it is, before any sampler; likeliest first in ``top``."""

    sample: int
    id: int
    log_prob: float
    top_ids: Ids_T
    top_log_probs: Float_T


class Scored(NamedTuple):
    """Log-probability of each token given those before it, (T,) nats, and the ``top`` likeliest there, (T, k)."""

    log_probs: Float_T
    top_ids: Array
    top_log_probs: Array


@dataclass(frozen=True)
class Wish:
    """What is to be generated. samples: how many texts. bias: nats added to the logits of ids before the samplers.

    top: how many of the likeliest tokens to give beside each. stop_at_end: ``</s>`` ends a text (it is emitted).
    """

    prompt: Sequence[int]
    sampling: Sampling = Sampling()
    max_tokens: int = 16
    samples: int = 1
    seed: int | None = None
    top: int = 0
    bias: Mapping[int, float] | None = None
    stop_at_end: bool = True


class Engine:
    """``generate``, ``score`` and ``run`` raise Busy when the queue is full, Late past the time limit."""

    def __init__(self, lm: LM, *, slots: int = 64, queue: int = 256, time_limit: float = 60.0):
        self.lm, self.slots, self.queue, self.time_limit = lm, slots, queue, time_limit
        self._thread = ThreadPoolExecutor(max_workers=1)
        self.waiting = self.running = 0

    def start(self) -> None:
        """Begin to work; called in the event loop's thread."""

    async def close(self, grace: float = 10.0) -> None:
        """Take nothing more, finish what runs within ``grace`` seconds, refuse the rest."""
        self._thread.shutdown(wait=False, cancel_futures=True)

    async def run(self, function: Callable[..., Result], *arguments: Any) -> Result:
        """A call that only reads the model, in the engine's thread."""
        return await asyncio.get_running_loop().run_in_executor(self._thread, function, *arguments)

    async def score(self, ids: Sequence[int] | Ids_T, *, top: int = 0) -> Scored:
        """Score the ids after ``<s>``; see ``Scored``."""
        return await self.run(self._score, ids, top)

    async def generate(self, wish: Wish) -> AsyncIterator[list[Token]]:
        """Tokens as they come, as many at a time as there are by then; closing the iterator frees its slots."""
        yield await self.run(self._generate, wish)

    def _score(self, ids: Sequence[int] | Ids_T, top: int) -> Scored:
        model, tokens = self.lm.model, check_ids(self.lm.model.vocabulary, ids)
        log_probs, _ = model.token_log_probs(tokens[None])
        top_ids, top_log_probs = np.zeros((len(tokens), top), np.int32), np.zeros((len(tokens), top))
        state = model.start(1)
        for t, token in enumerate(tokens if top else ()):
            row = model.log_probs(state)[0]
            top_ids[t] = top_indices(row, top)
            top_log_probs[t] = row[top_ids[t]]
            state = model.advance(state, token[None, None])
        return Scored(log_probs[0], top_ids, top_log_probs)

    def _generate(self, wish: Wish) -> list[Token]:
        none: Any = np.zeros(0)
        emitted = stream(
            self.lm.model, wish.prompt, sampling=wish.sampling, max_tokens=wish.max_tokens, seed=wish.seed,
            samples=wish.samples, stop=wish.stop_at_end,
        )  # fmt: skip
        return [
            Token(int(row), int(token), float(log_prob), none, none)
            for step in emitted
            for row, token, log_prob in zip(*step, strict=True)
        ]
