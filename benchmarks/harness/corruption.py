"""Sentences as a careless typist writes them down by ear, and what could have been meant by each word.

Each word is spoilt with probability ``RATE``, in one of the ways open to it, each as likely as the others: a homophone
in its place, a letter dropped, a letter doubled. The same numbers read backwards are the channel: P(seen | meant), for
every word of a lexicon that could have been meant.
"""

from collections.abc import Iterable
from math import inf, log
from pathlib import Path

import numpy as np

RATE = 0.15
LEAST_LETTERS = 3  # of a word that may lose one
HOMOPHONES = Path(__file__).with_name("homophones.txt")


class Corruption:
    """The confusion model. lexicon: the words that a first pass can write, and how often each occurs."""

    def __init__(self, lexicon: dict[str, int], *, rate: float = RATE):
        sets = [line.split() for line in HOMOPHONES.read_text(encoding="utf-8").splitlines()]
        self.others = {word: [other for other in one if other != word] for one in sets for word in one}
        self.lexicon, self.rate = lexicon, rate
        self.letters = sorted({letter for word in lexicon for letter in word})
        self.total = sum(lexicon.values())
        self._meant: dict[str, list[tuple[str, float]]] = {}
        self._options: dict[str, list[tuple[str, float, float]]] = {}

    def spoil(self, words: Iterable[str], random: np.random.Generator) -> list[str]:
        """What is written where ``words`` were meant."""
        return [self._spoilt(word, random) if random.random() < self.rate else word for word in words]

    def _spoilt(self, word: str, random: np.random.Generator) -> str:
        ways = self._ways(word)
        outcomes = ways[random.integers(len(ways))]
        return outcomes[random.integers(len(outcomes))]

    def _ways(self, word: str) -> list[list[str]]:
        """The ways in which a word can be spoilt, and of each the outcomes, one for each place."""
        places = range(len(word))
        dropped = [word[:i] + word[i + 1 :] for i in places] if len(word) >= LEAST_LETTERS else []
        doubled = [word[:i] + word[i] + word[i:] for i in places]
        return [way for way in (self.others.get(word, []), dropped, doubled) if way]

    def log_prob(self, seen: str, meant: str) -> float:
        """Log P(seen | meant), nats."""
        ways = self._ways(meant)
        spoilt = sum(way.count(seen) / len(way) for way in ways) / len(ways)
        total = (1 - self.rate) * (seen == meant) + self.rate * spoilt
        return log(total) if total else -inf

    def meant(self, seen: str) -> list[tuple[str, float]]:
        """The words of the lexicon that could have been meant, and log P(seen | word); the likeliest first.

        A word could always have been meant as it stands, in the lexicon or not.
        """
        if seen not in self._meant:
            inserted = {seen[:i] + letter + seen[i:] for i in range(len(seen) + 1) for letter in self.letters}
            single = {seen[:i] + seen[i + 1 :] for i in range(1, len(seen)) if seen[i] == seen[i - 1]}
            other = {*self.others.get(seen, []), *inserted, *single} - {seen}
            found = [(word, self.log_prob(seen, word)) for word in (seen, *sorted(other & self.lexicon.keys()))]
            self._meant[seen] = sorted((pair for pair in found if pair[1] > -inf), key=lambda pair: -pair[1])
        return self._meant[seen]

    def guesses(self, seen: list[str], size: int) -> list[tuple[str, float, float]]:
        """The best ``size`` readings of a line: text, log P(seen | text), and log P(text) by word frequency alone.

        They are exact: with beginnings and words both best first, the i-th beginning with the j-th word is behind i j
        others, counted from 1.
        """
        beginnings = [("", 0.0, 0.0)]
        for word in seen:
            grown = [
                (f"{text} {meant}", channel + one, frequency + prior)
                for j, (meant, one, prior) in enumerate(self._scored(word), start=1)
                for text, channel, frequency in beginnings[: size // j]
            ]
            beginnings = sorted(grown, key=lambda line: -(line[1] + line[2]))[:size]
        return [(text[1:], channel, frequency) for text, channel, frequency in beginnings]

    def _scored(self, seen: str) -> list[tuple[str, float, float]]:
        """The words that could have been meant, each with its two scores; the best first."""
        if seen not in self._options:
            unseen = 0.5  # as often as a word that the lexicon lacks is taken to occur
            words = [(word, one, log(self.lexicon.get(word, unseen) / self.total)) for word, one in self.meant(seen)]
            self._options[seen] = sorted(words, key=lambda word: -(word[1] + word[2]))
        return self._options[seen]
