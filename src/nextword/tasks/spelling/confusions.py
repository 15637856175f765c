"""Sets of words that are taken for each other: homophones such as principal and principle."""

from collections.abc import Iterable
from pathlib import Path

from nextword.errors import TextError
from nextword.tasks.rescore.files import read_lines


class Confusions:
    """Which words each word can be taken for.

    >>> Confusions([["their", "there"], ["there", "they're"]]).others("there")
    ("they're", 'their')
    """

    def __init__(self, sets: Iterable[Iterable[str]] = ()):
        self._others: dict[str, set[str]] = {}
        for one in sets:
            words = set(one)
            for word in words:
                self._others.setdefault(word, set()).update(words - {word})

    def __len__(self) -> int:
        return len(self._others)

    def others(self, word: str) -> tuple[str, ...]:
        """The words that it can be taken for."""
        return tuple(sorted(self._others.get(word, ()), key=lambda other: (-len(other), other)))


def read_confusions(path: str | Path) -> Confusions:
    """The sets of a file: on each line words with blanks or commas between them; what follows # is left out.

    Raises TextError, naming file and line, for a line of a single word.
    """
    sets = []
    for line in read_lines(path):
        words = line.text.partition("#")[0].replace(",", " ").split()
        if len(set(words)) == 1:
            raise TextError(f"{line.where}: {words[0]!r} stands alone; give the words that are taken for each other")
        if words:
            sets.append(words)
    if not sets:
        raise TextError(f"{path}: there are no words; give on each line those that are taken for each other")
    return Confusions(sets)


def read_pairs(path: str | Path) -> list[tuple[str, str]]:
    """(typed, meant) of each line of a file, a tab between them. Raises TextError for any other line."""
    pairs = []
    for line in read_lines(path):
        words = line.text.split("\t")
        if len(words) != 2 or not all(word.strip() for word in words):
            raise TextError(f"{line.where}: expected a word as typed, a tab, and the word that was meant")
        pairs.append((words[0].strip(), words[1].strip()))
    return pairs
