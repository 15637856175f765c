"""How memory is shared out where it is bounded: what a bound allows, and the least that works."""

import re
from typing import NamedTuple

from nextword.errors import UsageError
from nextword.ngram.ranges import least_capacity
from nextword.ngram.windows import KeyLayout

DEFAULT_MEMORY = "2G"
LEAST = 32 << 20  # bytes
_FIXED = 12_000_000  # bytes for what stands in no proportion: blocks of text, buffers of files
_CHUNK_TOKENS = 1 << 16  # the least that is worth a run
_SIZE = re.compile(r"(\d+(?:\.\d+)?)\s*([kmgt]?)(?:i?b)?", re.IGNORECASE)


def parse_size(size: str | int, name: str = "memory") -> int:
    """Bytes of a size such as 800000, 512K, 400M or 2G; K, M, G and T are powers of 1024, as in lmplz's ``-S``.

    >>> parse_size("1.5K"), parse_size(4096)
    (1536, 4096)

    Raises UsageError, which begins with ``name``, for anything else.
    """
    match = _SIZE.fullmatch(str(size).strip())
    if match is None:
        raise UsageError(f"{name} {size!r}: expected a number of bytes, such as 800000, 512K, 400M or 2G")
    return int(float(match[1]) * 1024 ** " kmgt".index(match[2].lower() or " "))


def shown(size: int) -> str:
    """A size as ``parse_size`` reads it, rounded up.

    >>> shown(400 << 20), shown((2 << 30) + 1), shown(12)
    ('400M', '2.1G', '1M')
    """
    if size > 1 << 30:
        return f"{-(-size * 10 // (1 << 30)) / 10:g}G"
    return f"{max(1, -(-size // (1 << 20)))}M"


class Budget(NamedTuple):
    """What fits: chunk_tokens of a text that are sorted at once, and rows of a range that are merged at once."""

    chunk_tokens: int
    capacity: int


def part_tokens(memory: int) -> int:
    """Tokens in a part of the text: several make a chunk, however many words there are."""
    return max(1 << 14, memory // 320)


def budget(memory: int, layout: KeyLayout, resident: int, tokens: int, threads: int, *, largest: int) -> Budget:
    """What ``memory`` bytes allow for a text of so many tokens, whose largest part has ``largest``.

    resident: bytes of the vocabulary. Raises UsageError, with the least that works, if that is too little: chunks
    smaller than a part, or so small that their runs are too many to be merged.
    """

    def enough(shares: Budget) -> bool:
        least = max(_CHUNK_TOKENS, largest)
        if shares.chunk_tokens < least:
            return False
        return shares.capacity >= least_capacity(1 + tokens // max(least, shares.chunk_tokens - largest))

    result = _shares(memory, layout, resident, threads)
    if not enough(result):
        least = max(memory, LEAST)
        while not enough(_shares(least, layout, resident, threads)):
            least += least // 16
        raise UsageError(
            f"{shown(memory)} of memory are too little for {tokens:,} tokens and their vocabulary of "
            f"{shown(resident)}; give --memory {shown(least)} or more, and --resume to go on"
        )
    return result


def _shares(memory: int, layout: KeyLayout, resident: int, threads: int) -> Budget:
    each = max(0, memory - resident - _FIXED) // threads
    sorting = 12 + 16 * layout.words  # bytes a token: two ids, its varint's copy; its key twice
    merging = 2 * layout.row_bytes + 32 * (layout.order - 1)  # bytes a row: two buffers; its n-grams, and those waiting
    return Budget(each // sorting, each // merging)
