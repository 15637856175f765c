"""The next token: its most likely candidates, its entropy, and the completions of a prefix."""

from bisect import bisect_left, bisect_right
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any
from weakref import WeakKeyDictionary

import numpy as np

from nextword.errors import UsageError, VocabularyError
from nextword.model import LanguageModel
from nextword.text.vocabulary import Vocabulary
from nextword.types import Array, Float_BV, Float_T, Float_V, Ids_T

_LEAST = 1e30  # stands for -log 0 where it is multiplied by 0


@dataclass(frozen=True, eq=False)
class NextTokens:
    """The k most likely next tokens, most likely first; equal ones by id. Impossible tokens are left out.

    log_probs (nats) and probabilities are the model's own. With a prefix the candidates are the words that begin with
    it; ``prefix_probability`` is the probability of all of those together. entropy: bits, of the full distribution.
    """

    ids: Ids_T
    words: tuple[str, ...]
    log_probs: Float_T
    entropy: float
    prefix: str | None = None
    prefix_probability: float = 1.0

    @property
    def probabilities(self) -> Float_T:
        """The model's probability of each candidate, (k,)."""
        return np.exp(self.log_probs)

    @property
    def completion_probabilities(self) -> Float_T:
        """Probability of each candidate given that the word begins with the prefix, (k,)."""
        return self.probabilities / self.prefix_probability


@dataclass(frozen=True, eq=False)
class Step:
    """One token of a text and what was expected in its place. rank: from 1, among all tokens by probability."""

    id: int
    word: str
    log_prob: float
    rank: int
    expected: NextTokens

    @property
    def probability(self) -> float:
        """The model's probability of the token that came."""
        return float(np.exp(self.log_prob))


def next_tokens(
    lm: LanguageModel[Any],
    context: Sequence[int] | Ids_T = (),
    *,
    state: Any = None,
    k: int = 10,
    prefix: str | None = None,
) -> NextTokens:
    """The k most likely tokens after ``context``, ids (T,), read after ``<s>`` or after ``state`` (one row).

    prefix: only words that begin with it, in bytes, and none of ``<unk>``, ``<s>`` and ``</s>``. Raises UsageError
    if k is below 1 or the context is not one row, VocabularyError for an id that is not in the vocabulary.
    """
    log_probs = lm.log_probs(read_context(lm, context, state))[0].astype(np.float64, copy=False)
    return most_likely(log_probs, lm.vocabulary, k=k, prefix=prefix)


def next_steps(lm: LanguageModel[Any], ids: Sequence[int] | Ids_T, *, state: Any = None, k: int = 10) -> list[Step]:
    """For each token of ``ids``, (T,): what the model expected there, the token, its probability and its rank.

    Give ``</s>`` as the last id to see how the sentence's end was expected. Errors as in ``next_tokens``.
    """
    tokens = check_ids(lm.vocabulary, ids)
    current = read_context(lm, (), state)
    steps = []
    for token in tokens:
        log_probs = lm.log_probs(current).astype(np.float64, copy=False)
        steps.append(
            Step(
                id=int(token),
                word=lm.vocabulary.word(int(token)),
                log_prob=float(log_probs[0, token]),
                rank=int(ranks(log_probs, token[None])[0]),
                expected=most_likely(log_probs[0], lm.vocabulary, k=k),
            )
        )
        current = lm.advance(current, token[None, None])
    return steps


def most_likely(log_probs: Float_V, vocabulary: Vocabulary, *, k: int = 10, prefix: str | None = None) -> NextTokens:
    """``next_tokens`` of a distribution that is at hand already, (V,) nats."""
    if k < 1:
        raise UsageError(f"k={k}: expected the number of tokens to show, 1 or more")
    entropy = float(entropies(log_probs[None])[0])
    if prefix is None:
        ids = top_indices(log_probs, k).astype(np.int32)
        mass = 1.0
    else:
        matching = np.sort(_completions(vocabulary, prefix))
        ids = matching[top_indices(log_probs[matching], k)]
        mass = float(np.exp(log_probs[matching]).sum())
    words = tuple(vocabulary.word(i) for i in ids.tolist())
    return NextTokens(ids, words, log_probs[ids], entropy, prefix, mass)


def entropies(log_probs: Float_BV) -> Float_T:
    """Entropy of each row in bits, (B,)."""
    surprisal = np.minimum(-log_probs, _LEAST)
    entropy: Float_T = (np.exp(log_probs) * surprisal).sum(axis=-1, dtype=np.float64) / np.log(2)
    return entropy


def ranks(log_probs: Float_BV, ids: Ids_T) -> Array:
    """Place of ``ids[b]`` in row b, (B,), from 1, in the order of ``most_likely``: by probability, equal ones by id."""
    own = np.take_along_axis(log_probs, ids[:, None].astype(np.intp), axis=1)
    earlier = np.arange(log_probs.shape[1]) < ids[:, None]
    return np.asarray(1 + ((log_probs > own) | ((log_probs == own) & earlier)).sum(axis=1))


def top_indices(values: Float_T, k: int) -> Array:
    """Indices of the k largest of ``values``, (N,), largest first, equal ones by index; those of -inf are left out."""
    if not len(values):
        return np.empty(0, dtype=np.intp)
    threshold = np.partition(values, max(len(values) - k, 0))[max(len(values) - k, 0)]
    found = np.flatnonzero((values >= threshold) & (values > -np.inf))
    return found[np.argsort(-values[found], kind="stable")][:k]


def read_context(lm: LanguageModel[Any], context: Sequence[int] | Ids_T, state: Any = None) -> Any:
    """The state of one row that has read ``context``, ids (T,), after ``<s>`` or after ``state``."""
    tokens = check_ids(lm.vocabulary, context)
    before = lm.start(1) if state is None else state
    return lm.advance(before, tokens[None]) if len(tokens) else before


def check_ids(vocabulary: Vocabulary, ids: Sequence[int] | Ids_T) -> Ids_T:
    """``ids`` as int32, (T,); UsageError if they are not one row, VocabularyError if the vocabulary lacks one."""
    array = np.asarray(ids) if len(ids) else np.empty(0, dtype=np.int32)
    if array.ndim != 1 or array.dtype.kind not in "iu":
        raise UsageError(f"ids of shape {array.shape} and type {array.dtype}: expected one row of integers, (T,)")
    outside = array[(array < 0) | (array >= len(vocabulary))]
    if len(outside):
        raise VocabularyError(f"id {outside[0]} is not in the vocabulary, whose ids are 0 to {len(vocabulary) - 1}")
    return array.astype(np.int32, copy=False)


class _Sorted:
    """A vocabulary's words without the specials, sorted by their bytes, and their ids in that order."""

    def __init__(self, vocabulary: Vocabulary):
        arrays = vocabulary.arrays()
        blob, ends = arrays["words"].tobytes(), arrays["offsets"].tolist()
        specials = vocabulary.specials().values()
        entries = sorted((blob[ends[i] : ends[i + 1]], i) for i in range(len(vocabulary)) if i not in specials)
        self.words = [word for word, _ in entries]
        self.ids = np.array([i for _, i in entries], dtype=np.int32)


_sorted: WeakKeyDictionary[Vocabulary, _Sorted] = WeakKeyDictionary()


def _completions(vocabulary: Vocabulary, prefix: str) -> Ids_T:
    """Ids of the words that begin with ``prefix``, by a binary search; a vocabulary is sorted at its first use."""
    index = _sorted.get(vocabulary)
    if index is None:
        index = _sorted[vocabulary] = _Sorted(vocabulary)
    start = prefix.encode(errors="surrogateescape")
    first = bisect_left(index.words, start)
    last = bisect_right(index.words, start, lo=first, key=lambda word: word[: len(start)])
    return index.ids[first:last]
