"""How likely it is that a word is typed when another was meant (Kernighan, Church and Gale 1990).

    P(typed = meant) = 1 - error rate
    P(typed | meant) = error rate · share of its kind of error · ways

An error is a confusion (a whole word for another of its set), or edits of letters: n of them with probability
more^(n-1), of kinds with given shares, each at one of the word's places, a new letter being one of ``letters``. Unlike
Kernighan's it does not tell one letter from another: with 6 numbers instead of 4 tables of 26 × 26 it can be estimated
from a few dozen pairs.
"""

from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from math import inf, log

from nextword.errors import UsageError
from nextword.tasks.spelling.confusions import Confusions
from nextword.tasks.spelling.edits import KINDS, Kind, edits

# Omissions, insertions, substitutions and swaps come in about this order (Pollock and Zamora 1983).
_USUAL: dict[Kind, float] = {
    "drop": 0.22, "undouble": 0.15, "add": 0.16, "double": 0.13, "replace": 0.2, "swap": 0.14,
}  # fmt: skip


@dataclass(frozen=True)
class Channel:
    """P(typed | meant). error_rate: share of words that are typed wrongly. shares: of the kinds of edits, sum 1.

    more: how much less likely each further edit of the same word is. confused: share of errors that are confusions, of
    a word that has any. letters: how many a new letter is one of. Raises UsageError for what is no probability.
    """

    error_rate: float = 0.05
    shares: Mapping[Kind, float] = field(default_factory=lambda: dict(_USUAL))
    more: float = 0.1
    confused: float = 0.5
    letters: int = 26
    confusions: Confusions = field(default_factory=Confusions)

    def __post_init__(self) -> None:
        for name in ("error_rate", "more", "confused"):
            value = getattr(self, name)
            if not 0 < value < 1:
                raise UsageError(f"{name} is {value}; give a probability, above 0 and below 1")
        values = self.shares.values()
        if set(self.shares) != set(KINDS) or not abs(sum(values) - 1) < 1e-6 or min(values) < 0:
            raise UsageError(f"shares are {dict(self.shares)}; give one for each of {', '.join(KINDS)}, 1 together")

    def log_prob(self, typed: str, meant: str) -> float:
        """Log P(typed | meant), nats; -inf where no edit of this channel leads from one to the other."""
        if typed == meant:
            return log(1 - self.error_rate)
        others = self.confusions.others(meant)
        edited = 1 - self.confused if others else 1.0
        total = self.confused / len(others) if typed in others else 0.0
        total += edited * self._edited(typed, meant)
        return log(self.error_rate) + log(total) if total > 0 else -inf

    def _edited(self, typed: str, meant: str) -> float:
        """Probability of ``typed`` if letters of ``meant`` were edited."""
        found, places = 1 - self.more, len(meant) + 1
        kinds = edits(meant, typed)
        for kind in kinds:
            found *= self.shares[kind] / places / (self.letters if kind in ("add", "replace") else 1)
        return found * self.more ** (len(kinds) - 1)

    @classmethod
    def estimate(cls, pairs: Iterable[tuple[str, str]], confusions: Confusions | None = None) -> "Channel":
        """A channel from pairs (typed, meant) of whole texts' words, right ones too; one is added to each count.

        Raises UsageError without pairs.
        """
        sets = confusions or Confusions()
        counts: dict[Kind, float] = dict.fromkeys(KINDS, 1.0)
        words = wrong = confused = confusable = further = 0
        for typed, meant in pairs:
            words += 1
            if typed == meant:
                continue
            wrong += 1
            others = sets.others(meant)
            confusable += bool(others)
            if typed in others:
                confused += 1
                continue
            kinds = edits(meant, typed)
            further += len(kinds) - 1
            for kind in kinds:
                counts[kind] += 1
        if not words:
            raise UsageError("there are no pairs to estimate a channel from; give some, (typed, meant) each")
        edited = sum(counts.values())
        shares = {kind: count / edited for kind, count in counts.items()}
        return cls(
            error_rate=(wrong + 1) / (words + 2),
            shares=shares,
            more=(further + 1) / (edited - len(KINDS) + 2),
            confused=(confused + 1) / (confusable + 2),
            confusions=sets,
        )
