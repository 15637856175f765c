"""The likeliest line that was meant, given what was typed: argmax P(typed | meant) P(meant), by a beam search.

Each word is itself or one of its candidates, so that a wrong word that is in the dictionary can be found too. The
language model is any one whose tokens are words; punctuation, numbers, blanks and capitals stay as they are.
"""

from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from typing import Any, NamedTuple

import numpy as np

from nextword.errors import UsageError
from nextword.model import LanguageModel
from nextword.tasks.choose import unknown_context
from nextword.tasks.next import read_context
from nextword.tasks.reading import pad
from nextword.tasks.spelling.candidates import Candidates
from nextword.tasks.spelling.channel import Channel
from nextword.tasks.spelling.written import Chunk, chunks, like
from nextword.text.pipeline import Pipeline
from nextword.text.tokenize import WhitespaceTokenizer
from nextword.text.vocabulary import BOS, EOS
from nextword.text.words import WordTokenizer
from nextword.types import Array, Ids_T


@dataclass(frozen=True)
class Settings:
    """How lines are searched. beam: readings that are kept. lm_weight: of the language model's log-probability.

    max_edits, known_edits, keep: of ``Candidates``. unknown: nats by which a word outside the vocabulary is likelier
    than the rarest in it; names and new words stay if it is large, and are taken for errors if it is small.
    """

    beam: int = 8
    lm_weight: float = 1.0
    max_edits: int = 2
    known_edits: int = 1
    keep: int = 16
    unknown: float = -3.0

    def __post_init__(self) -> None:
        if self.beam < 1 or self.keep < 1:
            raise UsageError(f"beam and keep are {self.beam} and {self.keep}; give 1 or more")
        if not self.lm_weight > 0:
            raise UsageError(f"lm_weight is {self.lm_weight}; give a number above 0")


class Change(NamedTuple):
    """A word that was corrected: its number on the line among what stands between blanks, from 1."""

    place: int
    typed: str
    meant: str


class Corrected(NamedTuple):
    """A line as it was meant, and what was changed."""

    text: str
    changes: tuple[Change, ...]


class _Option(NamedTuple):
    """What a chunk can be: how it is written, its ids, and log P(typed | it), nats."""

    text: str
    ids: Ids_T
    channel: float


class Corrector:
    """A language model and a channel, with what has been found out about words so far.

    Raises UsageError for a model without probabilities, or whose tokens are no words.
    """

    def __init__(
        self,
        lm: LanguageModel[Any],
        channel: Channel | None = None,
        *,
        pipeline: Pipeline | None = None,
        settings: Settings | None = None,
    ):
        self.lm, self.pipeline, self.settings = lm, pipeline or Pipeline(), settings or Settings()
        _check(lm, self.pipeline)
        priors = lm.log_probs(read_context(lm, unknown_context(lm)))[0]
        words = [(word, float(priors[i])) for i, word in enumerate(lm.vocabulary) if _is_word(word)]
        if not words:
            raise UsageError("the model's vocabulary holds no words of letters; train one on text between blanks")
        one = self.settings
        limits = {"max_edits": one.max_edits, "known_edits": one.known_edits, "keep": one.keep}
        self.candidates = Candidates(words, channel or Channel(), **limits)
        self._unknown = one.unknown + min(0.0, min(prior for _, prior in words) - float(priors[lm.vocabulary.unk or 0]))
        self._options: dict[Chunk, list[_Option]] = {}

    def correct(self, lines: Iterable[str]) -> Iterator[Corrected]:
        """Each line as it was meant. Lines are read one by one, as sentences."""
        for line in lines:
            parts = list(chunks(line))
            end = parts.pop().blanks if parts and not parts[-1].written(parts[-1].word) else ""
            picked = self._search([self._possible(part) for part in parts]) if parts else []
            pairs = [(part, part.written(part.word), one.text) for part, one in zip(parts, picked, strict=True)]
            changes = [Change(i, typed, meant) for i, (_, typed, meant) in enumerate(pairs, 1) if typed != meant]
            yield Corrected("".join(part.blanks + meant for part, _, meant in pairs) + end, tuple(changes))

    def _possible(self, part: Chunk) -> list[_Option]:
        """What a chunk can be, itself first; of words that are written alike the likelier."""
        key = part._replace(blanks="")
        if key not in self._options:
            found: dict[str, tuple[float, str]] = {}
            for form in self._forms(part.word):
                for one in self.candidates(form):
                    text = part.written(part.word if one.word == form else like(one.word, part.word))
                    found[text] = max(found.get(text, (-np.inf, "")), (one.channel, one.word))
            texts = found or {part.written(part.word): (0.0, "")}
            self._options[key] = [self._option(part, text, *found) for text, found in texts.items()]
        return self._options[key]

    def _forms(self, word: str) -> list[str]:
        """The forms in which a word is looked for: as it stands, or where that is no word without its capitals too."""
        normal = self.pipeline.normalizer.apply(word)
        lower = normal.lower()
        if not normal or normal in self.candidates.priors or lower == normal:
            return [normal] if normal else []
        return [lower] if lower in self.candidates.priors else [lower, normal]

    def _option(self, part: Chunk, text: str, channel: float, word: str) -> _Option:
        """An option with the ids that the model knows it by: as it is written, or as the vocabulary has it."""
        bare = text[len(part.before) : len(text) - len(part.after)]
        unk, vocabulary = self.lm.vocabulary.unk, self.lm.vocabulary
        ways = [vocabulary.ids(self.pipeline.tokens(way)) for way in (text, part.written(word), bare, word) if way]
        ids = min(ways[:1] if not part.word else ways, key=lambda way: np.count_nonzero(way == unk))
        strange = np.count_nonzero(ids == unk) if part.word else 0
        return _Option(text, ids, channel + self._unknown * strange * self.settings.lm_weight)

    def _search(self, options: list[list[_Option]]) -> list[_Option]:
        """The best option for each chunk, as far as keeping a few readings of each beginning finds it."""
        lm, weight = self.lm, self.settings.lm_weight
        state, totals = lm.start(1), np.zeros(1)
        back: list[tuple[Array, Array]] = []
        for possible in options:
            rows = np.repeat(np.arange(len(totals)), len(possible))
            which = np.tile(np.arange(len(possible)), len(totals))
            tokens = np.tile(pad([option.ids for option in possible]), (len(totals), 1))
            scores, after = lm.token_log_probs(tokens, lm.select(state, rows))
            channel = np.array([option.channel for option in possible])
            grown = totals[rows] + weight * scores.sum(axis=1, dtype=np.float64) + channel[which]
            best = np.argsort(-grown, kind="stable")[: self.settings.beam]
            state, totals = lm.select(after, best), grown[best]
            back.append((rows[best], which[best]))
        if lm.vocabulary.eos is not None:
            ends = np.full((len(totals), 1), lm.vocabulary.eos, dtype=np.int32)
            totals = totals + weight * lm.token_log_probs(ends, state)[0][:, 0]
        at, picked = int(totals.argmax()), list[_Option]()
        for (rows, which), possible in zip(reversed(back), reversed(options), strict=True):
            picked.append(possible[which[at]])
            at = int(rows[at])
        return picked[::-1]


def _check(lm: LanguageModel[Any], pipeline: Pipeline) -> None:
    if not isinstance(lm, LanguageModel):
        raise UsageError("spelling is corrected by probability, and this model's scores are none; use another")
    if not isinstance(pipeline.tokenizer, WhitespaceTokenizer | WordTokenizer) or lm.vocabulary.unk is None:
        raise UsageError(
            f"the model's tokens are not words ({pipeline.tokenizer.name}), and words are what is corrected; use one "
            "trained with --tokenizer whitespace or word"
        )


def _is_word(word: str) -> bool:
    found = next(iter(chunks(word)), None)
    return found is not None and found.word == word and word not in (BOS, EOS)
