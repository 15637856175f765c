"""Text from a model: sampling, with what may be sampled cut down in several ways, and beam search.

The samplers are functions over rows of log-probabilities, (B, V) nats, which give normalised rows again with -inf at
what they exclude; so they compose, and greedy decoding is the temperature 0.
"""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import Any, NamedTuple

import numpy as np

from nextword.errors import UsageError
from nextword.model import LanguageModel
from nextword.tasks.next import check_ids, read_context, top_indices
from nextword.text.vocabulary import Vocabulary
from nextword.types import Array, Float_BV, Float_T, Ids_R, Ids_T


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


@dataclass(frozen=True)
class Sampling:
    """The samplers in the order in which they apply: temperature, top_k, top_p, min_p; None leaves one out."""

    temperature: float = 1.0
    top_k: int | None = None
    top_p: float | None = None
    min_p: float | None = None

    def __post_init__(self) -> None:
        self(np.zeros((1, 1)))  # a bad option fails here, not in the middle of a text

    def __call__(self, log_probs: Float_BV) -> Float_BV:
        """The distributions to sample from, (B, V) nats."""
        kept = apply_temperature(log_probs, self.temperature)
        if self.top_k is not None:
            kept = keep_top_k(kept, self.top_k)
        if self.top_p is not None:
            kept = keep_top_p(kept, self.top_p)
        return kept if self.min_p is None else keep_min_p(kept, self.min_p)


def apply_temperature(log_probs: Float_BV, temperature: float) -> Float_BV:
    """Probabilities to the power 1/temperature; 0 leaves the most likely token alone (of equal ones, the lowest id)."""
    if not 0 <= temperature < np.inf:
        raise UsageError(f"temperature={temperature}: expected 0 (always the most likely token) or more")
    if temperature == 0:
        best = np.full(log_probs.shape, -np.inf)
        np.put_along_axis(best, log_probs.argmax(axis=1)[:, None], 0.0, axis=1)
        return best
    with np.errstate(over="ignore"):  # a tiny temperature takes all but the best to -inf
        return _normalise((log_probs - log_probs.max(axis=1, keepdims=True)) / temperature)


def keep_top_k(log_probs: Float_BV, k: int) -> Float_BV:
    """Only the k most likely tokens of each row; equal ones by id (Fan, Lewis and Dauphin 2018)."""
    if k < 1:
        raise UsageError(f"top_k={k}: expected the number of tokens to choose from, 1 or more")
    if k >= log_probs.shape[1]:
        return _normalise(log_probs)
    threshold = np.partition(log_probs, -k, axis=1)[:, -k, None]
    above, equal = log_probs > threshold, log_probs == threshold
    room = k - above.sum(axis=1, keepdims=True)
    return _keep(log_probs, above | (equal & (equal.cumsum(axis=1) <= room)))


def keep_top_p(log_probs: Float_BV, p: float) -> Float_BV:
    """The nucleus: the fewest most likely tokens whose probability reaches p (Holtzman et al. 2020, eq. 2)."""
    _check_share("top_p", p)
    if p == 1:
        return _normalise(log_probs)
    order = np.argsort(-log_probs, axis=1, kind="stable")
    reached = np.exp(np.take_along_axis(log_probs, order, axis=1)).cumsum(axis=1)
    needed = np.ones(order.shape, dtype=bool)  # the first always; another while those before it do not reach p
    needed[:, 1:] = reached[:, :-1] < p
    kept = np.empty_like(needed)
    np.put_along_axis(kept, order, needed, axis=1)
    return _keep(log_probs, kept)


def keep_min_p(log_probs: Float_BV, p: float) -> Float_BV:
    """The tokens at least p times as likely as the row's most likely one (Nguyen et al. 2024)."""
    _check_share("min_p", p)
    return _keep(log_probs, log_probs >= log_probs.max(axis=1, keepdims=True) + np.log(p))


def draw(log_probs: Float_BV, uniforms: Float_T) -> Ids_T:
    """A token for each row by the inverse of its distribution function, (B,), from uniforms (B,) in [0, 1)."""
    cumulative = np.exp(log_probs).cumsum(axis=1)
    total = cumulative[:, -1]
    target = np.minimum(uniforms * total, np.nextafter(total, 0))  # below the total, however it rounds
    first: Ids_T = (cumulative > target[:, None]).argmax(axis=1).astype(np.int32)
    return first


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
    _check_length(max_tokens)
    forbidden = _forbidden(lm.vocabulary, forbid)
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
    forbidden: Array,
) -> Iterator[Emitted]:
    rows = np.arange(len(generators))
    tokens = np.empty(0, dtype=np.int32)
    for t in range(max_tokens):
        if t:
            state = lm.advance(state, tokens[:, None])
        log_probs = lm.log_probs(state)
        allowed = _without(log_probs, forbidden)
        open_rows = np.flatnonzero(allowed.max(axis=1) > -np.inf)  # a row where all is forbidden ends, unfinished
        if not len(open_rows):
            return
        rows = rows[open_rows]
        uniforms = np.array([generators[row].random() for row in rows])
        tokens = draw(sampling(allowed[open_rows]), uniforms)
        yield Emitted(rows, tokens, log_probs[open_rows, tokens])
        going = tokens != eos
        if not going.any():
            return
        if len(open_rows) < len(log_probs) or not going.all():
            state = lm.select(state, open_rows[going])
        rows, tokens = rows[going], tokens[going]


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


def beam_search(
    lm: LanguageModel[Any],
    prompt_ids: Sequence[int] | Ids_T = (),
    *,
    beam: int = 5,
    max_tokens: int = 50,
    length_penalty: float = 0.6,
    samples: int = 1,
    forbid: Sequence[int] | None = None,
) -> list[Generation]:
    """The best ``samples`` of the continuations found by keeping the ``beam`` most likely at each length; best first.

    They are ranked by log P / ((5 + length) / 6) ** length_penalty, ``</s>`` counted (Wu et al. 2016, eq. 14); 0 ranks
    by probability, and with beam 1 that is greedy decoding. Those still open at ``max_tokens`` take part, unfinished.
    The search ends early when nothing still open can enter the list. forbid and errors: as in ``generate``.
    """
    _check_beam(beam, samples, length_penalty)
    _check_length(max_tokens)
    forbidden = _forbidden(lm.vocabulary, forbid)
    eos = -1 if lm.vocabulary.eos is None else lm.vocabulary.eos
    state = read_context(lm, prompt_ids)
    texts: list[tuple[int, ...]] = [()]
    scores: Float_T = np.zeros(1)
    ended: list[Generation] = []
    for _ in range(max_tokens):
        totals = (scores[:, None] + _without(lm.log_probs(state), forbidden)).ravel()
        best = top_indices(totals, beam)
        if not len(best):
            break
        rows, tokens = np.divmod(best, len(lm.vocabulary))
        grown = [(*texts[row], token) for row, token in zip(rows.tolist(), tokens.tolist(), strict=True)]
        found = [Generation(ids, float(totals[i]), ids[-1] == eos) for ids, i in zip(grown, best, strict=True)]
        ended = _ranked(ended + [one for one in found if one.finished], length_penalty)[:samples]
        open_rows = tokens != eos
        texts, scores = [one.ids for one in found if not one.finished], totals[best[open_rows]]
        if not texts:
            break
        bound = scores[0] / _length(max_tokens, length_penalty)  # log P only falls: no open text can come to more
        if len(ended) == samples and _score(ended[-1], length_penalty) >= bound:
            break
        state = lm.advance(lm.select(state, rows[open_rows]), tokens[open_rows, None].astype(np.int32))
    unfinished = [Generation(ids, float(score), False) for ids, score in zip(texts, scores, strict=True)]
    return _ranked(ended + unfinished, length_penalty)[:samples]


def _length(tokens: int, penalty: float) -> float:
    return float(((5 + tokens) / 6) ** penalty)


def _score(generation: Generation, penalty: float) -> float:
    return generation.log_prob / _length(len(generation.ids), penalty)


def _ranked(generations: list[Generation], penalty: float) -> list[Generation]:
    return sorted(generations, key=lambda one: -_score(one, penalty))


def _normalise(log_probs: Float_BV) -> Float_BV:
    """Rows that sum to 1, float64; each must hold something possible."""
    shifted = log_probs - log_probs.max(axis=1, keepdims=True).astype(np.float64)
    normal: Float_BV = shifted - np.log(np.exp(shifted).sum(axis=1, keepdims=True))
    return normal


def _keep(log_probs: Float_BV, kept: Array) -> Float_BV:
    return _normalise(np.where(kept, log_probs, -np.inf))


def _without(log_probs: Float_BV, forbidden: Array) -> Float_BV:
    allowed = log_probs.astype(np.float64)
    allowed[:, forbidden] = -np.inf
    return allowed


def _forbidden(vocabulary: Vocabulary, forbid: Sequence[int] | None) -> Array:
    if forbid is None:
        forbid = () if vocabulary.unk is None else (vocabulary.unk,)
    return check_ids(vocabulary, forbid)


def _check_share(name: str, p: float) -> None:
    if not 0 < p <= 1:
        raise UsageError(f"{name}={p}: expected a number above 0 and at most 1")


def _check_length(max_tokens: int) -> None:
    if max_tokens < 0:
        raise UsageError(f"max_tokens={max_tokens}: expected 0 or more")


def _check_beam(beam: int, samples: int, length_penalty: float) -> None:
    if beam < 1:
        raise UsageError(f"beam={beam}: expected the number of texts to keep, 1 or more")
    if not 1 <= samples <= beam:
        raise UsageError(f"samples={samples} from a beam of {beam}: expected 1 to {beam}; widen the beam to get more")
    if not 0 <= length_penalty < np.inf:
        raise UsageError(f"length_penalty={length_penalty}: expected 0 (none) or more")
