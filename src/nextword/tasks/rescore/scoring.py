"""What a hypothesis is judged by: the scores it came with, a language model's, and how long and how strange it is.

Features are ``(N, F)``, a row for each hypothesis of all lists: the lists' own scores, then ``LM`` (log-probability,
nats, the end of the line included), ``words`` (how many stand between blanks) and ``unknown`` (how many tokens the
model's vocabulary lacks; each has the log-probability of ``<unk>``, which is why a weight of its own can help). As each
has a weight, it does not matter whether scores are natural or common logarithms, or costs.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np

from nextword.errors import TextError, UsageError
from nextword.model import LanguageModel, Scorer
from nextword.tasks.reading import StreamScorer, count_words, ordered_map, read_block, score_sentences, split_sentences
from nextword.tasks.rescore.nbest import NBestLists
from nextword.text.blocks import Block, utf8
from nextword.text.pipeline import Pipeline
from nextword.text.vocabulary import BOS, EOS
from nextword.types import Array, Json

OURS = ("LM", "words", "unknown")
_AT_ONCE = 1 << 12  # texts that are encoded and scored together


@dataclass(frozen=True)
class Weights:
    """A weight for each feature, by name: a hypothesis's total is the sum of weight times feature."""

    values: dict[str, float]

    def __post_init__(self) -> None:
        for name, value in self.values.items():
            if not np.isfinite(value):
                raise UsageError(f"the weight of {name} is {value}; give a finite number")

    def array(self, names: Sequence[str]) -> Array:
        """The weights of these features, (F,). Raises UsageError for a name that is not among them."""
        unknown = sorted(set(self.values) - set(names))
        if unknown:
            raise UsageError(f"a weight for {unknown[0]!r}, which is none of the scores {', '.join(names)}")
        return np.array([self.values.get(name, 0.0) for name in names])

    def to_json(self) -> Json:
        """Name → weight."""
        return dict(self.values)


@dataclass(frozen=True, eq=False)
class ScoredLists:
    """Lists with their features, (N, F) in the order of ``names``; offsets: (L + 1,), where each list begins."""

    lists: NBestLists
    names: tuple[str, ...]
    features: Array
    offsets: Array

    @property
    def lm_scores(self) -> Array:
        """The language model's log-probabilities, (N,) nats."""
        return np.asarray(self.features[:, len(self.lists.names)])

    def rows(self) -> list[slice]:
        """The rows of each list."""
        return [slice(a, b) for a, b in zip(self.offsets[:-1].tolist(), self.offsets[1:].tolist(), strict=True)]


def score_lists(
    lm: LanguageModel[Any] | Scorer[Any], lists: NBestLists, *, pipeline: Pipeline | None = None, threads: int = 1
) -> ScoredLists:
    """Score every hypothesis with a model of any kind, each by itself; those of the same text once.

    Raises TextError, naming file and line, for a hypothesis that holds ``<s>`` or ``</s>``, and for one of a
    probability of 0, which no weight could be given to; UsageError for a score with a name that is ours.
    """
    taken = sorted({name for name in lists.names if name in OURS[1:]})
    if taken:
        raise UsageError(f"a score is called {taken[0]!r}, as one of ours is; give it another name")
    hypotheses = lists.hypotheses
    numbers: dict[str, int] = {}
    rows = np.array([numbers.setdefault(one.text, len(numbers)) for one in hypotheses], dtype=np.int64)
    for one in hypotheses:
        if BOS in one.text or EOS in one.text:
            _check_marks(one.text, one.where)
    log_probs, unknown = text_log_probs(lm, list(numbers), pipeline=pipeline, threads=threads)
    if not np.isfinite(log_probs).all():
        impossible = hypotheses[int(np.flatnonzero(~np.isfinite(log_probs[rows]))[0])]
        raise TextError(
            f"{impossible.where}: the model gives {impossible.text!r:.60} the probability 0, which no weight can mend; "
            "train it with a smoothing that has no zeros"
        )
    words = np.array([count_words(text.encode()) for text in numbers])
    own = np.array([one.scores for one in hypotheses], dtype=np.float64).reshape(len(hypotheses), len(lists.names))
    features = np.column_stack([own, log_probs[rows], words[rows], unknown[rows]])
    offsets = np.concatenate([[0], np.cumsum(lists.sizes)])
    return ScoredLists(lists, (*lists.names, _lm_name(lists.names), *OURS[1:]), features, offsets)


def text_log_probs(
    lm: LanguageModel[Any] | Scorer[Any], texts: Sequence[str], *, pipeline: Pipeline | None = None, threads: int = 1
) -> tuple[Array, Array]:
    """Log-probability of each text and its ``</s>``, (N,) nats, and how many of its tokens are ``<unk>``, (N,).

    Each begins where a sentence does, also with a model of running text: no text is the context of the next.
    """
    reader = pipeline or Pipeline()
    order = sorted(range(len(texts)), key=lambda i: len(texts[i]))  # texts of like length are scored together
    parts = [order[i : i + _AT_ONCE] for i in range(0, len(order), _AT_ONCE)]
    fast = isinstance(lm, StreamScorer)
    log_probs, unknown = np.zeros(len(texts)), np.zeros(len(texts), dtype=np.int64)
    found = ordered_map(lambda part: _score(lm, reader, [texts[i] for i in part]), parts, threads if fast else 1)
    for part, (scores, strange) in zip(parts, found, strict=True):
        log_probs[part], unknown[part] = scores, strange
    return log_probs, unknown


def _score(lm: LanguageModel[Any] | Scorer[Any], pipeline: Pipeline, texts: list[str]) -> tuple[Array, Array]:
    block = Block(utf8("".join(text + "\n" for text in texts), "a hypothesis"), "hypothesis", 1)
    ids = read_block(lm.vocabulary, pipeline, block).ids
    if isinstance(lm, StreamScorer):
        scores = lm.stream_log_probs(ids)
    else:
        scores = score_sentences(lm, split_sentences(ids, lm.vocabulary.eos))
    begins = np.concatenate([[0], np.flatnonzero(ids == lm.vocabulary.eos)[:-1] + 1])
    strange = ids == (-1 if lm.vocabulary.unk is None else lm.vocabulary.unk)
    return np.add.reduceat(scores.astype(np.float64), begins), np.add.reduceat(strange.astype(np.int64), begins)


def _check_marks(text: str, where: str) -> None:
    for mark in (BOS, EOS):
        if mark in text.split():
            raise TextError(f"{where}: the hypothesis holds {mark}, which stands for its beginning or end; take it out")


def _lm_name(names: Sequence[str]) -> str:
    """What the model's score is called: LM, or LM2 and so on where there is one of that name."""
    return next(name for name in ("LM", *(f"LM{i}" for i in range(2, len(names) + 3))) if name not in names)
