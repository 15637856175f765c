"""From bytes to token ids: the compiled loops behind ``Vocabulary``.

Words are known by their hashes, see ``spans``. The hash table is open-addressed and linearly probed, its rows (hash,
id), with hash 0 for an empty row. A text is taken a batch of tokens at a time, so that the rows are asked for before
they are needed.
"""

from collections.abc import Callable

import numpy as np
from numba import njit

from nextword.text.prefetch import prefetch
from nextword.text.spans import MOST, NEWLINE, cut, eight_bytes_at, hash_spans, hash_word
from nextword.types import Array, Bytes

DONE, TABLE_FULL, RESERVED = 0, 1, 2
BATCH = 1024  # tokens whose rows are asked for together
LONGEST_RUN = 1024  # of a table half full the rows between empty ones; longer runs have a probability of e**-190
BOS, EOS = 1, 2  # the ids that a vocabulary of our own gives <s> and </s>
_S32 = np.uint64(32)
_EMPTY = np.uint64(0)
_ONE = np.uint64(1)
_HIGH_BITS = np.uint64(0x8080808080808080)


@njit(cache=True, nogil=True, inline="always")
def row_among(rows, h):  # type: ignore[no-untyped-def]
    """Where the search for hash ``h`` begins in a table of so many rows."""
    return ((h >> _S32) * rows) >> _S32


@njit(cache=True, nogil=True, inline="always")
def probe(table, h, most):  # type: ignore[no-untyped-def]
    """Row of hash ``h`` in ``table`` (rows, 2), or of the empty row where it would go, among the ``most`` next rows.

    Whoever enters words looks at all rows. For those who look words up LONGEST_RUN is enough, so that a damaged table
    without empty rows does not cost them a walk through all of it for each word.
    """
    size = np.uint64(table.shape[0])
    row = row_among(size, h)
    for _ in range(most):
        if table[row, 0] == h or table[row, 0] == _EMPTY:
            break
        row += _ONE
        if row == size:
            row = _EMPTY
    return row


@njit(cache=True, nogil=True)
def find_word(word, table):  # type: ignore[no-untyped-def]
    """Id of one word, given by its bytes, or -1."""
    h = hash_word(word)
    row = probe(table, h, LONGEST_RUN)
    return np.int64(table[row, 1]) if table[row, 0] == h else np.int64(-1)


@njit(cache=True, nogil=True)
def _ask(table: Array, hashes: Array, n: int) -> None:
    """Ask for the memory where the rows of the first ``n`` hashes are."""
    rows = np.uint64(len(table))
    for a in range(n):
        prefetch(table, np.int64(row_among(rows, hashes[a])))


@njit(cache=True, nogil=True)
def _look_up(table: Array, hashes: Array, n: int, vocabulary_size: int, unk: int, ids: Array) -> None:
    """Ids of the first ``n`` hashes, ``unk`` for those that are not in the table or have an impossible id there.

    The few whose search goes on beyond their home row are looked up last, so that the others need no branch.
    """
    late, more = np.empty(n, dtype=np.int64), 0
    rows = np.uint64(len(table))
    for a in range(n):
        row = row_among(rows, hashes[a])
        h, word = table[row, 0], np.int64(table[row, 1])
        ids[a] = word if (h == hashes[a]) & (word >= 0) & (word < vocabulary_size) else unk
        late[more] = a
        more += (h != hashes[a]) & (h != _EMPTY)
    for b in range(more):
        a = late[b]
        row = probe(table, hashes[a], LONGEST_RUN)
        word = np.int64(table[row, 1])
        if table[row, 0] == hashes[a] and 0 <= word < vocabulary_size:
            ids[a] = word


@njit(cache=True, nogil=True)
def encode(
    text: Bytes, table: Array, vocabulary_size: int, unk: int, bos: int, eos: int, ids: Array
) -> tuple[int, int, int, int]:
    """Write the ids of ``text``, ``eos`` for each newline, into ``ids``.

    ids: int32 with room for len(text) + 1. A last line without a newline gets its ``eos`` too.
    Returns (tokens written, tokens that are ``unk``, bytes of those tokens, offset of the first word that is ``bos``
    or ``eos``, or -1).
    """
    n = oov = oov_bytes = begin = i = 0
    reserved = -1
    starts, ends = np.empty((2, BATCH + MOST), dtype=np.int64)
    hashes = np.empty(BATCH + MOST, dtype=np.uint64)
    while i < len(text):
        spans, begin, i = cut(text, begin, i, starts, ends)
        hash_spans(text, starts, ends, spans, hashes)
        _ask(table, hashes, spans)
        some = ids[n : n + spans]
        _look_up(table, hashes, spans, vocabulary_size, unk, some)
        marks = 0
        for a in range(spans):
            length, word = ends[a] - starts[a], some[a]
            unknown = (word == unk) & (length > 0)
            oov += unknown
            oov_bytes += length if unknown else 0
            marks += ((word == bos) | (word == eos)) & (length > 0) & (not unknown)
            some[a] = word if length > 0 else eos
        for a in range(spans if marks > 0 and reserved < 0 else 0):
            if some[a] in (bos, eos) and some[a] != unk and ends[a] > starts[a]:
                reserved = starts[a]
                break
        n += spans
    if len(text) > 0 and text[-1] != NEWLINE:
        ids[n] = eos
        n += 1
    return n, oov, oov_bytes, reserved


@njit(cache=True, nogil=True)
def _enter(word: Bytes, h: np.uint64, table: Array, blob: Bytes, offsets: Array, words: int) -> int:
    """Id of a word with hash ``h``: that in the table, or ``words``, which it is given there and in ``blob``."""
    row = probe(table, h, table.shape[0])
    if table[row, 0] == h:
        return int(table[row, 1])
    table[row, 0], table[row, 1] = h, words
    at = offsets[words]
    for i in range(len(word)):
        blob[at + i] = word[i]
    offsets[words + 1] = at + len(word)
    return words


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
    limit, size, i = table.shape[0] // 2, len(text), begin
    starts, ends = np.empty((2, BATCH + MOST), dtype=np.int64)
    hashes = np.empty(BATCH + MOST, dtype=np.uint64)
    unended = begin < size and text[-1] != NEWLINE
    while i < size:
        spans, begin, i = cut(text, begin, i, starts, ends)
        hash_spans(text, starts, ends, spans, hashes)
        _ask(table, hashes, spans)
        some = ids[n : n + spans]
        _look_up(table, hashes, spans, words, -1, some)
        for a in range(spans):
            start = starts[a]
            if ends[a] == start:
                some[a] = EOS
                continue
            if some[a] < 0:
                if words >= limit:
                    return TABLE_FULL, start, n + a, words
                some[a] = _enter(text[start : ends[a]], hashes[a], table, blob, offsets, words)
                words += some[a] == words
            if some[a] in (BOS, EOS) and not specials:
                return RESERVED, start, n + a, words
        n += spans
    if unended:
        ids[n] = EOS
        n += 1
    return DONE, size, n, words


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
            eight = i + 8 <= end and eight_bytes_at(text, i) & _HIGH_BITS == _EMPTY
            i += 8 if eight else 1
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
