"""Words and punctuation of any script, by a regular expression."""

import re
import unicodedata
from collections.abc import Iterable, Sequence
from functools import cache, lru_cache
from itertools import chain

from nextword.text.tokenize import CHUNKS_KEPT, LONG_LINE, Tokenizer, one_line

_CLOSING = frozenset(".,;:!?%)]}’”»…、。，！？：；）」』।")
_OPENING = frozenset("([{‘“«¿¡$£€（「『")
_JOINING = frozenset("-‐‑/")
_QUOTE = '"'


class WordTokenizer(Tokenizer):
    """Words, with their inner apostrophes and numbers with their inner points, and every other mark by itself.

    ``<unk>`` is a word too, since it stands for one.

    >>> WordTokenizer().tokens("“Don't,” she said: 3.50 won't do...")
    ['“', "Don't", ',', '”', 'she', 'said', ':', '3.50', "won't", 'do', '.', '.', '.']
    """

    name = "word"

    def canonical(self, text: bytes) -> bytes:
        """The same lines with a space between words and marks."""
        lines = text.replace(b"\0", b" ").decode().split("\n")
        return "\n".join([" ".join(_spaced_chunks(line)) for line in lines]).encode()

    def tokens(self, text: str) -> list[str]:
        """The words and marks of one line."""
        return _pattern().findall(one_line(text))

    def detokenize(self, tokens: Sequence[str]) -> str:
        """The tokens as one would write them: no space before a full stop, or inside brackets and quotes."""
        parts: list[str] = []
        attach, quoted = True, False  # attach: no space before the next token
        for token in tokens:
            closing = token in _CLOSING or token in _JOINING or (token == _QUOTE and quoted)
            parts.append(token if attach or closing else " " + token)
            attach = token in _OPENING or token in _JOINING or (token == _QUOTE and not quoted)
            quoted ^= token == _QUOTE
        return "".join(parts)


def _spaced_chunks(line: str) -> Iterable[str]:
    """The words and marks of what stands between white space, one string for each."""
    return map(_spaced, line.split()) if len(line) < LONG_LINE else _pattern().findall(line)


@lru_cache(CHUNKS_KEPT)
def _spaced(chunk: str) -> str:
    """The words and marks of a chunk between white space: a frequent one is taken apart once."""
    return " ".join(_pattern().findall(chunk))


@cache
def _pattern() -> re.Pattern[str]:
    r"""One match per token. ``\w`` of Python's ``re`` lacks the combining marks that end many Yoruba or Hindi words."""
    marks = _marks()
    word = rf"[\w{marks}]+"
    return re.compile(rf"<unk>|{word}(?:['’]{word}|(?<=\d)[.,](?=\d){word})*|[^\w\s\0][{marks}]*")


def _marks() -> str:
    """Combining marks, and the two joiners that stand inside words, as the ranges of a character class."""
    codes = (c for c in chain(range(0x20000), range(0xE0100, 0xE01F0)) if unicodedata.category(chr(c))[0] == "M")
    ranges: list[list[int]] = [[0x200C, 0x200D]]
    for code in codes:
        if code == ranges[-1][1] + 1:
            ranges[-1][1] = code
        else:
            ranges.append([code, code])
    return "".join(rf"\U{low:08x}-\U{high:08x}" for low, high in ranges)
