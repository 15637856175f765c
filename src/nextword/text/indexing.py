"""Text to token ids and a new vocabulary, in one pass over the text."""

from collections.abc import Callable

import numpy as np

from nextword.errors import TextError, UsageError
from nextword.text import encode
from nextword.text.vocabulary import SPECIALS, Vocabulary
from nextword.types import Array, Bytes, Ids_T

_PREFIX_BYTES = 32
_FREEZING_BYTES = 200  # a word: its prefix, in three orders for a moment, its counts and its places; 185 measured


def spaced(blob: Bytes, offsets: Array) -> bytes:
    """Words, given end to end and by (words + 1,) offsets, with a space after each."""
    lengths = np.diff(offsets)
    text = np.full(int(lengths.sum()) + len(lengths), ord(" "), dtype=np.uint8)
    which = np.repeat(np.arange(len(lengths)), lengths)
    text[np.arange(len(which)) + which] = blob[offsets[0] : offsets[-1]]
    return text.tobytes()


class Indexer:
    r"""Gives each new word the next id as text goes by, then freezes ids in their final order.

    >>> indexer = Indexer()
    >>> indexer.read(b"a rose is a rose\n")
    >>> tokens, vocabulary = indexer.finish()
    >>> tokens.tolist(), vocabulary.words[3:]
    ([2, 3, 4, 5, 3, 4, 2], ['a', 'rose', 'is'])
    """

    def __init__(self) -> None:
        self._chunks: list[Ids_T] = [np.array([encode.EOS], dtype=np.int32)]
        self._table = np.zeros((1 << 16, 2), dtype=np.uint64)
        self._blob = np.empty(1 << 16, dtype=np.uint8)
        self._offsets = np.zeros(1 << 16, dtype=np.int64)
        self._words = 0
        self._index(" ".join(SPECIALS).encode(), np.empty(64, dtype=np.int32), specials=True)

    def read(self, text: bytes, where: Callable[[int], str] = encode.memory_line) -> None:
        """Take in whole lines of canonical tokens.

        where: gives the place of line i, from 0, for messages. Raises TextError for a literal ``<s>`` or ``</s>``.
        """
        self._chunks.append(self.provisional(text, where))

    def provisional(self, text: bytes, where: Callable[[int], str] = encode.memory_line) -> Ids_T:
        """As ``read``, but the caller keeps the tokens: their ids by first appearance, for ``freeze`` to translate."""
        buffer = np.empty(len(text) + 1, dtype=np.int32)
        reached, n = self._index(text, buffer)
        if reached < len(text):
            raise TextError(encode.reserved_message(text, reached, where))
        return buffer[:n].copy()

    def __len__(self) -> int:
        """How many words are known, specials included."""
        return self._words

    @property
    def nbytes(self) -> int:
        """Bytes of memory that the words take, and that ``freeze`` adds for a moment."""
        return int(self._table.nbytes + self._blob.nbytes + self._offsets.nbytes) + _FREEZING_BYTES * self._words

    def arrays(self) -> tuple[Bytes, Array]:
        """All words, specials first, end to end, and their (words + 1,) offsets."""
        offsets = self._offsets[: self._words + 1].copy()
        return self._blob[: offsets[-1]].copy(), offsets

    def words_from(self, first: int) -> bytes:
        """The words with provisional ids from ``first`` on, as a text that makes another indexer know them."""
        return spaced(self._blob, self._offsets[first : self._words + 1])

    def finish(
        self, *, min_count: int = 1, vocab_size: int | None = None, first_appearance: bool = False
    ) -> tuple[Ids_T, Vocabulary]:
        """All tokens, (1 + T,), after one ``</s>`` that stands before the text, and the vocabulary of their ids.

        min_count, vocab_size: words rarer than that, or beyond that many (specials included), become ``<unk>``.
        Ids fall by frequency, ties by bytes; with ``first_appearance`` by first appearance, as lmplz has them.
        Raises UsageError if vocab_size leaves no room for the specials.
        """
        new_ids, vocabulary = self.freeze(
            self._counts(), min_count=min_count, vocab_size=vocab_size, first_appearance=first_appearance
        )
        return self._tokens(new_ids), vocabulary

    def freeze(
        self, counts: Array, *, min_count: int = 1, vocab_size: int | None = None, first_appearance: bool = False
    ) -> tuple[Ids_T, Vocabulary]:
        """The final id of each provisional one, (words,), and the vocabulary; see ``finish``.

        counts: (words,), how often each word came.
        """
        if vocab_size is not None and vocab_size < len(SPECIALS):
            raise UsageError(f"a vocabulary size of {vocab_size} has no room for {', '.join(SPECIALS)}; give more")
        order = self._frequency_order(counts)
        room = len(order) if vocab_size is None else vocab_size - len(SPECIALS)
        kept = order[: min(room, np.count_nonzero(counts[order] >= min_count))]
        kept = np.concatenate([np.arange(len(SPECIALS)), np.sort(kept) if first_appearance else kept])
        new_ids = np.zeros(self._words, dtype=np.int32)
        new_ids[kept] = np.arange(len(kept), dtype=np.int32)
        return new_ids, self._vocabulary(kept)

    def _counts(self) -> Array:
        """How often each word came, (words,)."""
        counts = np.zeros(self._words, dtype=np.int64)
        for chunk in self._chunks:
            encode.count(chunk, counts)
        return counts

    def _tokens(self, new_ids: Array) -> Ids_T:
        """All tokens under their final ids; a chunk's memory is free again when it has been copied."""
        chunks, self._chunks = self._chunks[::-1], []
        tokens, begin = np.empty(sum(map(len, chunks)), dtype=np.int32), 0
        while chunks:
            chunk = chunks.pop()
            tokens[begin : begin + len(chunk)] = new_ids[chunk]
            begin += len(chunk)
        return tokens

    def _frequency_order(self, counts: Array) -> Array:
        """Provisional ids of ordinary words by falling count, ties by bytes."""
        ids = np.arange(len(SPECIALS), self._words)
        keys = [-counts[ids], *self._prefixes()[ids].T]
        by_keys = np.lexsort(keys[::-1])
        order = ids[by_keys]
        tied = np.logical_and.reduce([np.diff(key[by_keys]) == 0 for key in keys])
        edges = np.flatnonzero(np.diff(tied, prepend=False, append=False))
        for begin, end in zip(edges[::2], edges[1::2] + 1, strict=True):  # longer words, alike in their first bytes
            order[begin:end] = sorted(order[begin:end], key=self._word)
        return order

    def _prefixes(self) -> Array:
        """First 32 bytes of each word as four big-endian integers, (words, 4)."""
        starts, lengths = self._offsets[: self._words], np.diff(self._offsets[: self._words + 1])
        rows = np.zeros((self._words, _PREFIX_BYTES), dtype=np.uint8)
        for column in range(min(_PREFIX_BYTES, int(lengths.max()))):
            has = np.flatnonzero(lengths > column)
            rows[has, column] = self._blob[starts[has] + column]
        return rows.view(">u8").astype(np.uint64)

    def _vocabulary(self, kept: Array) -> Vocabulary:
        lengths = (self._offsets[1 : self._words + 1] - self._offsets[: self._words])[kept]
        offsets = np.zeros(len(kept) + 1, dtype=np.int64)
        np.cumsum(lengths, out=offsets[1:])
        gather = np.repeat(self._offsets[kept] - offsets[:-1], lengths) + np.arange(offsets[-1])
        return Vocabulary.from_bytes(self._blob[gather], offsets)

    def _word(self, word: int) -> bytes:
        return bytes(self._blob[self._offsets[word] : self._offsets[word + 1]].tobytes())

    def _index(self, text: bytes, ids: Ids_T, *, specials: bool = False) -> tuple[int, int]:
        """Run the kernel, enlarging the table when it asks; returns (byte reached, tokens written)."""
        self._reserve(len(text))
        data = np.frombuffer(text, dtype=np.uint8)
        begin = n = 0
        while True:
            status, begin, n, self._words = encode.encode_growing(
                data, begin, self._table, self._blob, self._offsets, self._words, ids, n, specials
            )
            if status != encode.TABLE_FULL:
                return begin, n
            self._table = np.zeros((4 * len(self._table), 2), dtype=np.uint64)
            encode.fill_table(self._blob, self._offsets[: self._words + 1], self._table)

    def _reserve(self, size: int) -> None:
        """Room for what ``size`` bytes of text can add at most."""
        used = int(self._offsets[self._words])
        if used + size > len(self._blob):
            self._blob = np.concatenate([self._blob[:used], np.empty(used + size, dtype=np.uint8)])
        if self._words + size // 2 + 2 > len(self._offsets):
            known = self._offsets[: self._words + 1]
            self._offsets = np.concatenate([known, np.empty(self._words + size // 2 + 2, dtype=np.int64)])
