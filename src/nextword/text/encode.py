"""From bytes to token ids: the compiled loops behind ``Vocabulary``.

A token is a run of bytes between KenLM's delimiters (NUL, tab, newline, carriage return, space); a newline ends a
sentence. A word is known by a 64-bit hash of its bytes (FNV-1a, Fowler, Noll and Vo 1991, with MurmurHash3's last
mixing step): among ten million words two share one with probability 3e-6. The hash table is open-addressed and
linearly probed, its rows (hash, id), with hash 0 for an empty row.
"""

from collections.abc import Callable
from typing import Any

import numpy as np
from numba import njit

from nextword.types import Array, Bytes

DONE, TABLE_FULL, RESERVED = 0, 1, 2
BASIS = np.uint64(0xCBF29CE484222325)
_PRIME = np.uint64(0x100000001B3)
_MIX = np.uint64(0xFF51AFD7ED558CCD)
_S32 = np.uint64(32)
_S33 = np.uint64(33)
_EMPTY = np.uint64(0)
_ONE = np.uint64(1)
LONGEST_RUN = 1024  # of a table half full the rows between empty ones; longer runs have a probability of e**-190
_NEWLINE = 10
BOS, EOS = 1, 2  # the ids that a vocabulary of our own gives <s> and </s>


@njit(cache=True, nogil=True, inline="always")
def is_delimiter(byte: int) -> bool:
    """KenLM's delimiters and no others: a no-break space or a vertical tab is part of a word."""
    return byte <= 32 and (byte == 32 or byte == 10 or byte == 9 or byte == 13 or byte == 0)


@njit(cache=True, nogil=True, inline="always")
def extend_hash(h, byte):  # type: ignore[no-untyped-def]
    """FNV-1a of a word with one more byte; that of no bytes is BASIS."""
    return (h ^ np.uint64(byte)) * _PRIME


@njit(cache=True, nogil=True, inline="always")
def finish_hash(h):  # type: ignore[no-untyped-def]
    """Spread FNV's low bits over all 64, and keep 0 for empty rows."""
    h ^= h >> _S33
    h *= _MIX
    h ^= h >> _S33
    return h if h != _EMPTY else _ONE


@njit(cache=True, nogil=True, inline="always")
def probe(table, h, most):  # type: ignore[no-untyped-def]
    """Row of hash ``h`` in ``table`` (rows, 2), or of the empty row where it would go, among the ``most`` next rows.

    Whoever enters words looks at all rows. For those who look words up LONGEST_RUN is enough, so that a damaged table
    without empty rows does not cost them a walk through all of it for each word.
    """
    size = np.uint64(table.shape[0])
    row = ((h >> _S32) * size) >> _S32
    for _ in range(most):
        if table[row, 0] == h or table[row, 0] == _EMPTY:
            break
        row += _ONE
        if row == size:
            row = _EMPTY
    return row


@njit(cache=True, nogil=True)
def hash_word(word):  # type: ignore[no-untyped-def]
    """Hash of one word's bytes, as ``encode`` computes it."""
    h = BASIS
    for byte in word:
        h = extend_hash(h, byte)
    return finish_hash(h)


@njit(cache=True, nogil=True)
def find_word(word, table):  # type: ignore[no-untyped-def]
    """Id of one word, given by its bytes, or -1."""
    h = hash_word(word)
    row = probe(table, h, LONGEST_RUN)
    return np.int64(table[row, 1]) if table[row, 0] == h else np.int64(-1)


@njit(cache=True, nogil=True)
def encode(
    text: Bytes, table: Array, vocabulary_size: int, unk: int, bos: int, eos: int, ids: Array
) -> tuple[int, int, int, int]:
    """Write the ids of ``text``, ``eos`` for each newline, into ``ids``.

    ids: int32 with room for len(text) + 1. A last line without a newline gets its ``eos`` too.
    Returns (tokens written, tokens that are ``unk``, bytes of those tokens, offset of the first word that is ``bos``
    or ``eos``, or -1).
    """
    n = oov = oov_bytes = 0
    reserved = -1
    i, end = 0, len(text)
    while i < end:
        byte = text[i]
        if is_delimiter(byte):
            if byte == _NEWLINE:
                ids[n] = eos
                n += 1
            i += 1
            continue
        start = i
        h = BASIS
        while not is_delimiter(byte):
            h = extend_hash(h, byte)
            i += 1
            if i == end:
                break
            byte = text[i]
        h = finish_hash(h)
        row = probe(table, h, LONGEST_RUN)
        word: Any = np.int64(table[row, 1])
        if table[row, 0] != h or not 0 <= word < vocabulary_size:
            word = unk
        if word == unk:
            oov += 1
            oov_bytes += i - start
        elif reserved < 0 and word in (bos, eos):
            reserved = start
        ids[n] = word
        n += 1
    if end > 0 and text[end - 1] != _NEWLINE:
        ids[n] = eos
        n += 1
    return n, oov, oov_bytes, reserved


@njit(cache=True, nogil=True)
def encode_growing(
    text: Bytes,
    begin: int,
    table: Array,
    blob: Bytes,
    offsets: Array,
    words: int,
    ids: Array,
    n: int,
    specials: bool,
) -> tuple[int, int, int, int]:
    """``encode`` that gives each new word the next id and copies its bytes to ``blob``.

    Goes on from byte ``begin`` of ``text`` and token ``n`` of ``ids``; blob, offsets and ids must have room.
    Returns (status, byte reached, tokens written, words known): TABLE_FULL asks for a larger table and another
    call, RESERVED means that the word at that byte is ``<s>`` or ``</s>``,
    which only a text of the ``specials`` themselves may hold.
    """
    i, end = begin, len(text)
    limit = table.shape[0] // 2
    while i < end:
        byte = text[i]
        if is_delimiter(byte):
            if byte == _NEWLINE:
                ids[n] = EOS
                n += 1
            i += 1
            continue
        if words >= limit:
            return TABLE_FULL, i, n, words
        start = i
        h = BASIS
        while not is_delimiter(byte):
            h = extend_hash(h, byte)
            i += 1
            if i == end:
                break
            byte = text[i]
        h = finish_hash(h)
        row = probe(table, h, table.shape[0])
        if table[row, 0] == _EMPTY:
            table[row, 0] = h
            table[row, 1] = words
            at = offsets[words]
            for j in range(start, i):
                blob[at + j - start] = text[j]
            words += 1
            offsets[words] = at + i - start
        word = np.int64(table[row, 1])
        if word in (BOS, EOS) and not specials:
            return RESERVED, start, n, words
        ids[n] = word
        n += 1
    if begin < end and text[end - 1] != _NEWLINE:
        ids[n] = EOS
        n += 1
    return DONE, i, n, words


@njit(cache=True, nogil=True)
def count(ids: Array, counts: Array) -> None:
    """Add one to ``counts`` for each id; the cost is that of the ids, however many words are known."""
    for word in ids:
        counts[word] += 1


@njit(cache=True, nogil=True)
def fill_table(blob: Bytes, offsets: Array, table: Array) -> int:
    """Enter every word of ``blob`` into an empty ``table``; returns the first id whose word is there twice, or -1."""
    for word in range(len(offsets) - 1):
        h = hash_word(blob[offsets[word] : offsets[word + 1]])
        row = probe(table, h, table.shape[0])
        if table[row, 0] != _EMPTY:
            return word
        table[row, 0] = h
        table[row, 1] = word
    return -1


@njit(cache=True, nogil=True)
def invalid_utf8(text: Bytes) -> int:
    """Offset of the first byte that is not valid UTF-8 (RFC 3629: no surrogates, no overlong forms), or -1."""
    i, end = 0, len(text)
    while i < end:
        byte = text[i]
        if byte < 0x80:
            i += 1
            continue
        low, high = 0x80, 0xBF
        if 0xC2 <= byte <= 0xDF:
            more = 1
        elif 0xE0 <= byte <= 0xEF:
            more = 2
            if byte == 0xE0:
                low = 0xA0
            elif byte == 0xED:
                high = 0x9F
        elif 0xF0 <= byte <= 0xF4:
            more = 3
            if byte == 0xF0:
                low = 0x90
            elif byte == 0xF4:
                high = 0x8F
        else:
            return i
        if i + more >= end:
            return i
        for j in range(1, more + 1):
            if not low <= text[i + j] <= high:
                return i
            low, high = 0x80, 0xBF
        i += more + 1
    return -1


def memory_line(index: int) -> str:
    """The place of line ``index``, from 0, of a text that is in no file."""
    return f"<memory>:{index + 1}"


def reserved_message(text: bytes, offset: int, where: Callable[[int], str]) -> str:
    """What to say of a literal ``<s>`` or ``</s>`` at ``offset``; ``where`` gives the place of line i, from 0."""
    word = "<s>" if text[offset : offset + 3] == b"<s>" else "</s>"
    place = where(text.count(b"\n", 0, offset))
    return f"{place}: the text holds {word}, which marks the ends of sentences; remove or replace it"
