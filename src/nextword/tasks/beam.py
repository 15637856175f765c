"""Beam search: the likeliest text, as far as keeping a few of the best at each length finds it."""

from collections.abc import Sequence
from typing import Any

import numpy as np

from nextword.errors import UsageError
from nextword.model import LanguageModel
from nextword.tasks.generate import Generation, check_length, forbidden_ids
from nextword.tasks.next import read_context, top_indices
from nextword.types import Array, Float_BV, Float_T, Ids_T


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
    check_length(max_tokens)
    forbidden = forbidden_ids(lm.vocabulary, forbid)
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


def _without(log_probs: Float_BV, forbidden: Array) -> Float_BV:
    allowed = log_probs.astype(np.float64)
    allowed[:, forbidden] = -np.inf
    return allowed


def _check_beam(beam: int, samples: int, length_penalty: float) -> None:
    if beam < 1:
        raise UsageError(f"beam={beam}: expected the number of texts to keep, 1 or more")
    if not 1 <= samples <= beam:
        raise UsageError(f"samples={samples} from a beam of {beam}: expected 1 to {beam}; widen the beam to get more")
    if not 0 <= length_penalty < np.inf:
        raise UsageError(f"length_penalty={length_penalty}: expected 0 (none) or more")
