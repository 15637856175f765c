"""Lines of n-grams taken apart: where the words are, and what the numbers come to. The compiled loops of reading.

Texts are uint8 arrays that end in a newline, and every inner loop stops at one, so nothing is read past the end.
"""

import numpy as np
from numba import njit

from nextword.ngram.arpa.decimals import LOG_ZERO, read_number
from nextword.ngram.arpa.lines import MAX_LINE
from nextword.text.encode import LONGEST_RUN, probe
from nextword.text.spans import hash_span, is_delimiter
from nextword.types import Array, Bytes

DONE = 0  # every line was read
HEADING = 1  # a blank line, or one that begins with a backslash
FULL = 2  # no room for another n-gram
BAD_PROBABILITY, POSITIVE_PROBABILITY, TOO_FEW_WORDS = 3, 4, 5
BAD_BACKOFF, INFINITE_BACKOFF, TOP_BACKOFF, TRAILING_FIELD = 6, 7, 8, 9
LONG_LINE = 10
_NEWLINE, _BACKSLASH = 10, 92


@njit(cache=True, nogil=True, inline="always")
def _skip_blanks(text, i):  # type: ignore[no-untyped-def]
    while text[i] != _NEWLINE and is_delimiter(text[i]):
        i += 1
    return i


@njit(cache=True, nogil=True)
def _take_probability(text, i):  # type: ignore[no-untyped-def]
    """Status, position and log10 probability of the field at ``i``."""
    end, value, good = read_number(text, i)
    if not good:
        return BAD_PROBABILITY, i, 0.0
    if value > 0:
        return POSITIVE_PROBABILITY, i, 0.0
    return DONE, end, value if value > LOG_ZERO else -np.inf


@njit(cache=True, nogil=True)
def _take_words(text, i, spans, hashes):  # type: ignore[no-untyped-def]
    """Status and position; for each of k words where it begins and ends, in ``spans`` (k, 2), and its hash, (k,)."""
    for k in range(len(hashes)):
        start = i = _skip_blanks(text, i)
        while not is_delimiter(text[i]):
            i += 1
        if i == start:
            return TOO_FEW_WORDS, i
        spans[k, 0], spans[k, 1], hashes[k] = start, i, hash_span(text, start, i)
    return DONE, i


@njit(cache=True, nogil=True)
def _take_backoff(text, i, top):  # type: ignore[no-untyped-def]
    """Status, position and log10 back-off weight of the rest of the line; a missing one is 0."""
    i = _skip_blanks(text, i)
    if text[i] == _NEWLINE:
        return DONE, i, 0.0
    end, value, good = read_number(text, i)
    if not good:
        return BAD_BACKOFF, i, 0.0
    if value >= -LOG_ZERO:
        return INFINITE_BACKOFF, i, 0.0
    if top and value != 0:
        return TOP_BACKOFF, i, 0.0
    end = _skip_blanks(text, end)
    if text[end] != _NEWLINE:
        return TRAILING_FIELD, end, 0.0
    return DONE, end, value if value > LOG_ZERO else -np.inf


@njit(cache=True, nogil=True)
def parse(text: Bytes, i: int, end: int, top: bool, spans: Array, hashes: Array, log10: Array) -> tuple[int, int, int]:
    """Read the n-grams whose lines are ``text[i:end]``, as long as there is room.

    top: the order is the highest. spans: (room, order, 2) int32, the words' places in ``text``; hashes: (room, order)
    uint64, theirs; log10: (room, 2) float32, probability and back-off weight. Returns (status, position reached or at
    fault, n-grams read).
    """
    n = 0
    while i < end:
        line, i = i, _skip_blanks(text, i)
        if text[i] == _NEWLINE or text[i] == _BACKSLASH:
            return HEADING, i, n
        if n == len(log10):
            return FULL, i, n
        status, i, probability = _take_probability(text, i)
        if status == DONE:
            status, i = _take_words(text, i, spans[n], hashes[n])
        backoff = 0.0
        if status == DONE:
            status, i, backoff = _take_backoff(text, i, top)
        if status == DONE and i - line >= MAX_LINE:
            status = LONG_LINE
        if status != DONE:
            return status, i, n
        log10[n, 0], log10[n, 1] = probability, backoff
        n += 1
        i += 1
    return DONE, i, n


@njit(cache=True, nogil=True)
def look_up(hashes: Array, table: Array, ids: Array) -> tuple[int, int]:
    """Ids of words by their ``hashes`` (n, k), into (k, n) uint32; returns the place (n, k) of the first unknown one.

    table: of a vocabulary, see ``text.encode``. If all are known the place is (n, 0) beyond the last.
    """
    for n in range(len(hashes)):
        for k in range(len(ids)):
            row = probe(table, hashes[n, k], LONGEST_RUN)
            if table[row, 0] != hashes[n, k]:
                return n, k
            ids[k, n] = table[row, 1]
    return len(hashes), 0
