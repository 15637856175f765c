"""How memory is shared out where it is bounded: what a bound allows, and the least that works."""

from typing import NamedTuple

from nextword.errors import UsageError
from nextword.ngram.external.ranges import least_capacity
from nextword.ngram.external.windows import KeyLayout
from nextword.ngram.sizes import shown

DEFAULT_MEMORY = "2G"
LEAST = 32 << 20  # bytes
_FIXED = 12_000_000  # bytes for what stands in no proportion: blocks of text, buffers of files
_CHUNK_TOKENS = 1 << 16  # the least that is worth a run
BYTES_OF_WORD = 40  # of the vocabulary: counts and children, beside its own arrays


class Budget(NamedTuple):
    """What fits: chunk_tokens of a text that a thread sorts at once, and rows of a range that it merges at once."""

    chunk_tokens: int
    capacity: int
    threads: int = 2


def part_tokens(memory: int) -> int:
    """Tokens in a part of the text: several make a chunk, however many words there are."""
    return max(1 << 14, memory // 320)


def budget(memory: int, layout: KeyLayout, resident: int, tokens: int, threads: int, *, largest: int) -> Budget:
    """What ``memory`` bytes allow for a text of so many tokens, whose largest part has ``largest``.

    resident: bytes of the vocabulary. threads: at most; fewer have more room each. Raises UsageError, with the least
    that works, if that is too little: chunks smaller than a part, or so small that their runs are too many to merge.
    """

    def enough(shares: Budget) -> bool:
        least = max(_CHUNK_TOKENS, largest)
        if shares.chunk_tokens < least:
            return False
        return shares.capacity >= least_capacity(1 + tokens // max(least, shares.chunk_tokens - largest))

    for used in range(threads, 0, -1):
        result = _shares(memory, layout, resident, used)
        if enough(result):
            return result
    least = max(memory, LEAST)
    while not enough(_shares(least, layout, resident, 1)):
        least += least // 16
    raise UsageError(
        f"{shown(memory)} of memory are too little for {tokens:,} tokens and their vocabulary of {shown(resident)}; "
        f"give --memory {shown(least)} or more, and --resume to go on"
    )


def _shares(memory: int, layout: KeyLayout, resident: int, threads: int) -> Budget:
    each = max(0, memory - resident - _FIXED) // threads
    sorting = 12 + 16 * layout.words  # bytes a token: two ids, its varint's copy; its key twice
    merging = 2 * layout.row_bytes + 32 * (layout.order - 1)  # bytes a row: two buffers; its n-grams, and those waiting
    return Budget(each // sorting, each // merging, threads)
