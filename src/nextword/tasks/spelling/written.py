"""Words as they stand in a text: between punctuation, and with capitals."""

import re
from collections.abc import Iterator
from typing import NamedTuple

_CHUNK = re.compile(r"(\s*)(\S*)")
_WORD = re.compile(r"[^\W\d_]+(?:['’][^\W\d_]+)*")


class Chunk(NamedTuple):
    """What stands between blanks: the blanks before it, the marks around its word, and the word.

    word is empty where there is no single word of letters, as in numbers and in compounds; then ``before`` is all.
    """

    blanks: str
    before: str
    word: str
    after: str

    def written(self, word: str) -> str:
        """The chunk, without its blanks, with another word in it."""
        return self.before + word + self.after


def chunks(line: str) -> Iterator[Chunk]:
    """The chunks of a line, which they spell end to end.

    >>> [chunk[1:] for chunk in chunks('"Teh end," (3 p.m.)')]
    [('"', 'Teh', ''), ('', 'end', ',"'), ('(3', '', ''), ('p.m.)', '', '')]
    """
    for match in _CHUNK.finditer(line):
        blanks, text = match.groups()
        words = list(_WORD.finditer(text))
        if len(words) == 1 and not any(c.isdigit() for c in text):
            begin, end = words[0].span()
            yield Chunk(blanks, text[:begin], text[begin:end], text[end:])
        elif blanks or text:
            yield Chunk(blanks, text, "", "")


def like(word: str, pattern: str) -> str:
    """``word`` with the capitals of ``pattern``.

    >>> like("the", "Teh"), like("the", "TEH"), like("McGee", "mcgree")
    ('The', 'THE', 'McGee')
    """
    if len(pattern) > 1 and pattern.isupper():
        return word.upper()
    return word[:1].upper() + word[1:] if pattern[:1].isupper() else word
