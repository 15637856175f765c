"""Which words could have been meant: those of a vocabulary within a few edits, found by RapidFuzz, and confusions."""

from collections.abc import Iterable
from math import inf
from typing import NamedTuple

from nextword.errors import UsageError
from nextword.tasks.extras import require_tasks
from nextword.tasks.spelling.channel import Channel

MOST_EDITS = 3


class Candidate(NamedTuple):
    """A word that could have been meant. channel: log P(typed | word), nats. prior: of its frequency alone, nats."""

    word: str
    channel: float
    prior: float


class Candidates:
    """Candidates for typed words, remembered: each word is looked for once.

    words: the vocabulary, each with the log-probability of its frequency, which decides who is kept where there are
    many. max_edits: within how many edits; known_edits: of a word that the vocabulary has. keep: how many at most, the
    typed word not counted. Words of three letters or fewer are taken within one edit.
    """

    def __init__(
        self,
        words: Iterable[tuple[str, float]],
        channel: Channel,
        *,
        max_edits: int = 2,
        known_edits: int = 1,
        keep: int = 16,
    ):
        require_tasks()
        for name, value in (("max_edits", max_edits), ("known_edits", known_edits)):
            if not 0 <= value <= MOST_EDITS:
                raise UsageError(f"{name} is {value}; give 0 to {MOST_EDITS}")
        self.channel, self.max_edits, self.known_edits, self.keep = channel, max_edits, known_edits, keep
        self.priors = dict(words)
        self._by_length: dict[int, list[str]] = {}
        for word in self.priors:
            self._by_length.setdefault(len(word), []).append(word)
        self._found: dict[str, tuple[Candidate, ...]] = {}

    def __call__(self, typed: str) -> tuple[Candidate, ...]:
        """The typed word itself, and then what else could have been meant, likeliest by channel and frequency first."""
        if typed not in self._found:
            self._found[typed] = self._look(typed)
        return self._found[typed]

    def _look(self, typed: str) -> tuple[Candidate, ...]:
        others = {other for other in self.channel.confusions.others(typed) if other in self.priors}
        limit = self.known_edits if typed in self.priors else self.max_edits
        others |= self._near(typed, min(limit, 1 if len(typed) <= 3 else limit))
        channel, priors = self.channel.log_prob, self.priors
        scored = [Candidate(word, channel(typed, word), priors[word]) for word in others - {typed}]
        possible = (one for one in scored if one.channel > -inf)
        kept = sorted(possible, key=lambda one: (-one.channel - one.prior, one.word))
        return (Candidate(typed, channel(typed, typed), priors.get(typed, -inf)), *kept[: self.keep])

    def _near(self, typed: str, limit: int) -> set[str]:
        from rapidfuzz.distance import OSA
        from rapidfuzz.process import extract_iter

        found: set[str] = set()
        for length in range(max(1, len(typed) - limit), len(typed) + limit + 1) if limit else ():
            words = self._by_length.get(length, ())
            found.update(word for word, _, _ in extract_iter(typed, words, scorer=OSA.distance, score_cutoff=limit))
        return found
