"""The normalisation of cc_net (Wenzek et al. 2020), which published models for filtering web pages were trained with.

A line is stripped of white space, put in lower case and taken apart (NFD); marks that stand apart are dropped, every
decimal digit becomes 0, punctuation that ASCII lacks becomes what is nearest to it there, and control characters go.
"""

import re
import unicodedata
from functools import lru_cache

_QUOTES = dict.fromkeys("„”“«»」「《》", '"')
_MARKS = dict(zip("，。、´∶：？！（）；–━►～’〈〉【】％", ",.,'::?!();---~'<>[]%", strict=True))
_LONGER = {"—": " - ", "．": ". ", "…": "..."}
_PUNCTUATION = str.maketrans(_QUOTES | _MARKS | _LONGER)
_CONTROLS = [*range(0x20), *range(0x7F, 0xA0)]
_DELETED = dict.fromkeys(code for code in _CONTROLS if code != 0x0A)  # a newline is none here: lines stay lines
_IN_ASCII = _DELETED | {ord(digit): "0" for digit in "123456789"}
_BEYOND_ASCII = re.compile("[^\0-\x7f]+")
_RUNS_KEPT = 1 << 16

# The same for bytes, of ASCII alone; str.strip takes these for white space.
_BLANKS = b"\t\r \x0b\x0c\x1c\x1d\x1e\x1f"
_FOLDED = bytes(ord("0") if chr(b).isdecimal() else b for b in range(256)).lower()
_DELETED_BYTES = bytes(code for code in range(128) if code in _DELETED)


def normalize(text: str) -> str:
    """Lines of text, each normalised, as many.

    >>> normalize("  The Café — 25 % “off”…  ")
    'the cafe  -  00 % "off"...'
    """
    lines = "\n".join([line.strip() for line in text.split("\n")]).lower()
    return _BEYOND_ASCII.sub(_folded, lines).translate(_IN_ASCII)


def normalize_ascii(text: bytes) -> bytes:
    """``normalize`` of bytes that are all ASCII, in a few passes of C."""
    lines = b"\n".join([line.strip(_BLANKS) for line in text.split(b"\n")])
    return lines.translate(_FOLDED, _DELETED_BYTES)


def _folded(run: re.Match[str]) -> str:
    return _fold(run.group())


@lru_cache(_RUNS_KEPT)
def _fold(run: str) -> str:
    """A run of characters beyond ASCII; the ASCII around it has no part in how it is taken apart."""
    apart = [c for c in unicodedata.normalize("NFD", run) if unicodedata.category(c) != "Mn"]
    digits = "".join(["0" if c.isdecimal() else c for c in apart])
    return digits.translate(_PUNCTUATION).translate(_DELETED)
