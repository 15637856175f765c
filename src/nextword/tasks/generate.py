"""Text from a model, sampled token by token."""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import Any, NamedTuple

import numpy as np

from nextword.errors import UsageError
from nextword.model import LanguageModel
from nextword.tasks.drawing import draw_tokens
from nextword.tasks.next import check_ids, read_context
from nextword.tasks.sampling import Sampling
from nextword.text.vocabulary import Vocabulary
from nextword.types import Float_BT, Float_T, Ids_R, Ids_T

_DRAWN_AHEAD = 64  # uniform numbers of each sample: calls of many generators, one number each, take their time


@dataclass(frozen=True)
class Generation:
    """Tokens that followed a prompt. log_prob: nats, under the model as it is; finished: the last one is ``</s>``."""

    ids: tuple[int, ...]
    log_prob: float
    finished: bool


class Emitted(NamedTuple):
    """One step of ``stream``: which samples still ran, (R,), the token of each, and its log-probability in nats."""

    rows: Ids_R
    tokens: Ids_T
    log_probs: Float_T


def stream(
    lm: LanguageModel[Any],
    prompt_ids: Sequence[int] | Ids_T = (),
    *,
    sampling: Sampling | None = None,
    max_tokens: int = 50,
    seed: int | None = None,
    samples: int = 1,
    stop: bool = True,
    forbid: Sequence[int] | None = None,
) -> Iterator[Emitted]:
    """Tokens as they are sampled, one step at a time; the options are those of ``generate``."""
    if samples < 1:
        raise UsageError(f"samples={samples}: expected 1 or more")
    if seed is not None and seed < 0:
        raise UsageError(f"seed={seed}: expected 0 or more, or None for another text each time")
    check_length(max_tokens)
    forbidden = forbidden_ids(lm.vocabulary, forbid)
    state = lm.select(read_context(lm, prompt_ids), np.zeros(samples, dtype=np.intp))
    generators = [np.random.default_rng(child) for child in np.random.SeedSequence(seed).spawn(samples)]
    eos = lm.vocabulary.eos if stop else None
    return _steps(lm, state, sampling or Sampling(), max_tokens, generators, -1 if eos is None else eos, forbidden)


def _steps(
    lm: LanguageModel[Any],
    state: Any,
    sampling: Sampling,
    max_tokens: int,
    generators: list[np.random.Generator],
    eos: int,
    forbidden: Ids_T,
) -> Iterator[Emitted]:
    rows = np.arange(len(generators))
    tokens = np.empty(0, dtype=np.int32)
    for t in range(max_tokens):
        if t % _DRAWN_AHEAD == 0:
            uniforms = _uniforms(generators, min(_DRAWN_AHEAD, max_tokens - t))
        if t:
            state = lm.advance(state, tokens[:, None])
        log_probs = lm.log_probs(state)
        drawn = draw_tokens(log_probs, uniforms[rows, t % _DRAWN_AHEAD], sampling, forbidden)
        open_rows = np.flatnonzero(drawn >= 0)  # a row where all is forbidden ends, unfinished
        if not len(open_rows):
            return
        rows, tokens = rows[open_rows], drawn[open_rows]
        yield Emitted(rows, tokens, log_probs[open_rows, tokens])
        going = tokens != eos
        if not going.any():
            return
        if len(open_rows) < len(log_probs) or not going.all():
            state = lm.select(state, open_rows[going])
        rows, tokens = rows[going], tokens[going]


def _uniforms(generators: list[np.random.Generator], steps: int) -> Float_BT:
    """The next numbers of each sample's generator, (samples, steps)."""
    return np.stack([generator.random(steps) for generator in generators])


def generate(
    lm: LanguageModel[Any],
    prompt_ids: Sequence[int] | Ids_T = (),
    *,
    max_tokens: int = 50,
    temperature: float = 1.0,
    top_k: int | None = None,
    top_p: float | None = None,
    min_p: float | None = None,
    seed: int | None = None,
    samples: int = 1,
    stop: bool = True,
    forbid: Sequence[int] | None = None,
) -> list[Generation]:
    """``samples`` continuations of ``prompt_ids``, (T,), which are read after ``<s>``.

    temperature 0 is greedy. stop: end at ``</s>``; False goes on through it. forbid: ids never emitted, ``<unk>`` if
    None and nothing if (). The same seed gives the same text, and sample i is the same however many are asked
    for and however long they may grow. A sample that can only go on with what is forbidden ends there, unfinished.
    Raises UsageError for an option out of range, VocabularyError for an id that is not in the vocabulary.
    """
    texts: list[list[int]] = [[] for _ in range(samples)]
    totals = np.zeros(max(samples, 0))
    for rows, tokens, log_probs in stream(
        lm,
        prompt_ids,
        sampling=Sampling(temperature, top_k, top_p, min_p),
        max_tokens=max_tokens,
        seed=seed,
        samples=samples,
        stop=stop,
        forbid=forbid,
    ):
        totals[rows] += log_probs
        for row, token in zip(rows.tolist(), tokens.tolist(), strict=True):
            texts[row].append(token)
    eos = lm.vocabulary.eos
    return [
        Generation(tuple(ids), float(total), stop and eos is not None and ids[-1:] == [eos])
        for ids, total in zip(texts, totals, strict=True)
    ]


def forbidden_ids(vocabulary: Vocabulary, forbid: Sequence[int] | None) -> Ids_T:
    """The ids of ``forbid``, ``<unk>`` if it is None; VocabularyError if the vocabulary lacks one."""
    if forbid is None:
        forbid = () if vocabulary.unk is None else (vocabulary.unk,)
    return check_ids(vocabulary, forbid)


def check_length(max_tokens: int) -> None:
    """UsageError if a text cannot have so many tokens."""
    if max_tokens < 0:
        raise UsageError(f"max_tokens={max_tokens}: expected 0 or more")
