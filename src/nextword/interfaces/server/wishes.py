"""What is asked of an engine, what it answers, and why it may not."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import NamedTuple

import numpy as np

from nextword.errors import UsageError
from nextword.tasks.generate import check_length
from nextword.tasks.next import check_ids
from nextword.tasks.sampling import Sampling
from nextword.text.vocabulary import Vocabulary
from nextword.types import Array, Float_T, Ids_T


class Busy(Exception):
    """The queue is full, or the engine is closing: come again later."""


class Late(Exception):
    """A request took longer than its time limit."""


class Token(NamedTuple):
    """One token of one sample. log_prob: nats, of the model as it is, before any sampler.

    top_ids, top_log_probs: the likeliest tokens there, likeliest first, as many as are asked for and possible.
    """

    sample: int
    id: int
    log_prob: float
    top_ids: Ids_T
    top_log_probs: Float_T


class Scored(NamedTuple):
    """Log-probability of each token given those before it, (T,) nats, and the ``top`` likeliest there, (T, top).

    Where fewer tokens are possible the rest are id -1 and log-probability -inf.
    """

    log_probs: Float_T
    top_ids: Array
    top_log_probs: Array


@dataclass(frozen=True)
class Wish:
    """What is to be generated. samples: how many texts.

    bias: nats added to the log-probabilities of ids before the samplers; -100 or less forbids an id.
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


NO_IDS: Ids_T = np.empty(0, dtype=np.int32)
NO_LOG_PROBS: Float_T = np.empty(0)


def check_wish(wish: Wish, vocabulary: Vocabulary) -> Ids_T:
    """The prompt's ids, (T,). Raises UsageError for a number out of range, VocabularyError for an unknown id."""
    check_length(wish.max_tokens)
    if wish.samples < 1:
        raise UsageError(f"samples={wish.samples}: expected 1 or more")
    if wish.seed is not None and wish.seed < 0:
        raise UsageError(f"seed={wish.seed}: expected 0 or more, or None for another text each time")
    check_top(wish.top)
    check_ids(vocabulary, list(wish.bias or ()))
    for token, nats in (wish.bias or {}).items():
        if np.isnan(nats) or nats == np.inf:
            raise UsageError(f"bias={nats} for id {token}: expected a number of nats to add")
    return check_ids(vocabulary, wish.prompt)


def check_top(top: int) -> None:
    """Raises UsageError if so many alternatives cannot be given."""
    if top < 0:
        raise UsageError(f"top={top}: expected how many of the likeliest tokens to give, 0 or more")
