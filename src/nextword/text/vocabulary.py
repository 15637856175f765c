"""The set of tokens that a model predicts, as arrays that a file can be mapped to."""

from collections.abc import Callable, Iterable, Iterator, Sequence
from functools import cached_property
from typing import NamedTuple

import numpy as np

from nextword.errors import TextError, VocabularyError
from nextword.text import encode
from nextword.types import Array, Bytes, Ids_T

UNK, BOS, EOS = "<unk>", "<s>", "</s>"
SPECIALS = (UNK, BOS, EOS)
_LENGTHS = (np.dtype(np.uint8), np.dtype(np.uint16), np.dtype(np.uint32))  # how a file may hold words' lengths
_MISFIT = "the vocabulary's arrays do not fit together: train or copy the model again"
_DAMAGED = "the vocabulary's words are damaged: train or copy the model again"


class Encoded(NamedTuple):
    """Ids of a text, ``</s>`` at each line's end, and what of it the vocabulary does not hold."""

    ids: Ids_T
    oov: int
    oov_bytes: int


class Vocabulary:
    """Words and their ids 0, 1, 2, …, frozen. Ids are int32.

    >>> vocabulary = Vocabulary.from_words(["<unk>", "<s>", "</s>", "students", "opened"])
    >>> vocabulary["opened"], vocabulary["laptops"], vocabulary.word(3)
    (4, 0, 'students')
    >>> vocabulary.encode(b"students opened laptops")
    Encoded(ids=array([3, 4, 0, 2], dtype=int32), oov=1, oov_bytes=7)
    """

    def __init__(self, blob: Bytes, offsets: Array, table: Array, *, unk: int | None, bos: int | None, eos: int | None):
        """blob: the words' UTF-8 bytes, end to end; offsets: (V + 1,) int64; table: (rows, 2), see ``encode``."""
        for array in (blob, offsets, table):
            array.flags.writeable = False
        self._blob, self._offsets, self._table = blob, offsets, table
        self.unk, self.bos, self.eos = unk, bos, eos

    @classmethod
    def from_words(
        cls, words: Sequence[str], *, unk: int | None = 0, bos: int | None = 1, eos: int | None = 2
    ) -> "Vocabulary":
        """A vocabulary of ``words`` in that order; the keywords say which ids are the special tokens.

        Raises VocabularyError if a word is there twice.
        """
        if any(i is not None and i >= len(words) for i in (unk, bos, eos)):
            raise VocabularyError(f"a vocabulary of {len(words)} words lacks a special token; give its id as None")
        encoded = [word.encode() for word in words]
        blob = np.frombuffer(b"".join(encoded), dtype=np.uint8).copy()
        offsets = np.zeros(len(words) + 1, dtype=np.int64)
        np.cumsum([len(word) for word in encoded], out=offsets[1:])
        return cls.from_bytes(blob, offsets, unk=unk, bos=bos, eos=eos)

    @classmethod
    def from_bytes(
        cls, blob: Bytes, offsets: Array, *, unk: int | None = 0, bos: int | None = 1, eos: int | None = 2
    ) -> "Vocabulary":
        """As ``from_words``, from the words' bytes end to end and their (V + 1,) offsets."""
        table = np.zeros((2 * len(offsets) + 8, 2), dtype=np.uint64)
        double = encode.fill_table(blob, offsets, table)
        if double >= 0:
            word = blob[offsets[double] : offsets[double + 1]].tobytes().decode(errors="replace")
            raise VocabularyError(f"the word {word!r} is in the vocabulary twice; give each word once")
        return cls(blob, offsets, table, unk=unk, bos=bos, eos=eos)

    def arrays(self) -> dict[str, Array]:
        """The arrays of the constructor, which ``from_arrays`` takes."""
        return {"words": self._blob, "offsets": self._sound_offsets, "table": self._table}

    def stored(self) -> dict[str, Array]:
        """What is written to a file, for ``from_arrays``."""
        return self.arrays()

    def compact(self) -> "Vocabulary":
        """The same words, of which a file holds the bytes alone: a sixth of the size, and not there at once."""
        return CompactVocabulary(self._blob, np.diff(self._sound_offsets), self.specials())

    def specials(self) -> dict[str, int | None]:
        """The ids of the special tokens, to be stored."""
        return {"unk": self.unk, "bos": self.bos, "eos": self.eos}

    @classmethod
    def from_arrays(cls, arrays: dict[str, Array], specials: dict[str, int | None]) -> "Vocabulary":
        """A vocabulary over stored arrays, which are used in place and may be memory-mapped.

        Raises VocabularyError if their shapes or types do not fit together.
        """
        if set(arrays) == {"words", "lengths"}:
            return CompactVocabulary.from_arrays(arrays, specials)
        try:
            blob, offsets, table = arrays["words"], arrays["offsets"], arrays["table"]
        except KeyError as error:
            raise VocabularyError(f"the vocabulary's array {error} is missing") from None
        fits = (
            [blob.dtype, offsets.dtype, table.dtype] == [np.dtype(t) for t in (np.uint8, np.int64, np.uint64)]
            and (blob.ndim, offsets.ndim, table.ndim) == (1, 1, 2)
            and table.shape[1] == 2
            and 1 <= len(offsets) <= len(table)
            and offsets[0] == 0
            and offsets[-1] == len(blob)
        )
        if not fits or not _are_specials(specials, len(offsets) - 1):
            raise VocabularyError(_MISFIT)
        return cls(blob, offsets, table, unk=specials["unk"], bos=specials["bos"], eos=specials["eos"])

    def __len__(self) -> int:
        return len(self._offsets) - 1

    def __contains__(self, word: str) -> bool:
        return self._find(word) >= 0

    def __getitem__(self, word: str) -> int:
        """Id of ``word``, or of ``<unk>``; VocabularyError if it is unknown and there is no ``<unk>``."""
        found = self._find(word)
        if found >= 0:
            return found
        if self.unk is None:
            raise VocabularyError(f"{word!r} is not in the vocabulary, which has no <unk> to stand for it")
        return self.unk

    def __iter__(self) -> Iterator[str]:
        return iter(self.words)

    def __repr__(self) -> str:
        return f"Vocabulary({len(self):,} words)"

    def ids(self, words: Iterable[str]) -> Ids_T:
        """Ids of ``words``, (T,)."""
        return np.array([self[word] for word in words], dtype=np.int32)

    def word(self, word_id: int) -> str:
        """The word of an id; VocabularyError if there is no such id."""
        if not 0 <= word_id < len(self):
            raise VocabularyError(f"id {word_id} is not in the vocabulary, whose ids are 0 to {len(self) - 1}")
        start, end = self._sound_offsets[word_id : word_id + 2]
        return self._blob[start:end].tobytes().decode(errors="replace")

    @cached_property
    def words(self) -> list[str]:
        """Every word, in the order of ids."""
        data, ends = self._blob.tobytes(), self._sound_offsets.tolist()
        return [data[a:b].decode(errors="replace") for a, b in zip(ends, ends[1:], strict=False)]

    @cached_property
    def byte_lengths(self) -> Array:
        """Length of each word in UTF-8 bytes, (V,)."""
        return np.diff(self._sound_offsets)

    def encode(self, text: bytes | Bytes, where: Callable[[int], str] = encode.memory_line) -> Encoded:
        """Ids of whole lines of tokens that are separated by KenLM's delimiters, ``</s>`` after each line.

        where: gives the place of line i, from 0, for error messages. Raises TextError for a literal ``<s>`` or
        ``</s>``, VocabularyError for an unknown word if there is no ``<unk>``.
        """
        if self.eos is None:
            raise VocabularyError("this vocabulary has no </s>, so lines cannot be encoded; use its own tokenizer")
        data = np.frombuffer(text, dtype=np.uint8) if isinstance(text, bytes) else text
        ids = np.empty(len(data) + 1, dtype=np.int32)
        unk, bos = (-1 if i is None else i for i in (self.unk, self.bos))
        n, oov, oov_bytes, reserved = encode.encode(data, self._table, len(self), unk, bos, self.eos, ids)
        if reserved >= 0:
            raise TextError(encode.reserved_message(data.tobytes(), reserved, where))
        if self.unk is None and oov:
            raise VocabularyError("the text holds words outside the vocabulary, which has no <unk> to stand for them")
        return Encoded(ids[:n], oov, oov_bytes)

    @cached_property
    def _sound_offsets(self) -> Array:
        """The offsets, which a file may hold in any order, once it is known that they rise: so no word leaves the blob.

        They are looked at when the first word is, not at loading, whose time must not depend on their number.
        """
        if (self._offsets[1:] < self._offsets[:-1]).any():
            raise VocabularyError(_DAMAGED)
        return self._offsets

    def _find(self, word: str) -> int:
        data = np.frombuffer(word.encode(errors="surrogateescape"), dtype=np.uint8)
        found = int(encode.find_word(data, self._table))
        return found if found < len(self) else -1


class CompactVocabulary(Vocabulary):
    """A vocabulary for models in which its hash table would be most of the bytes: made anew when it is first needed.

    That takes a tenth of a second for half a million words.
    """

    def __init__(self, blob: Bytes, lengths: Array, specials: dict[str, int | None]):
        """blob: as in Vocabulary; lengths: (V,) bytes of each word."""
        kind = next(kind for kind in _LENGTHS if not len(lengths) or lengths.max() <= np.iinfo(kind).max)
        self._blob, self._lengths = blob, lengths.astype(kind, copy=False)
        for array in (self._blob, self._lengths):
            array.flags.writeable = False
        self.unk, self.bos, self.eos = specials["unk"], specials["bos"], specials["eos"]

    def stored(self) -> dict[str, Array]:
        """What is written to a file, for ``from_arrays``."""
        return {"words": self._blob, "lengths": self._lengths}

    @classmethod
    def from_arrays(cls, arrays: dict[str, Array], specials: dict[str, int | None]) -> "CompactVocabulary":
        """A vocabulary over stored arrays; VocabularyError if their shapes or types do not fit together."""
        blob, lengths = arrays["words"], arrays["lengths"]
        fits = blob.dtype == np.uint8 and (blob.ndim, lengths.ndim) == (1, 1) and lengths.dtype in _LENGTHS
        if not fits or not _are_specials(specials, len(lengths)) or int(lengths.sum(dtype=np.uint64)) != len(blob):
            raise VocabularyError(_MISFIT)
        return cls(blob, lengths, specials)

    def __len__(self) -> int:
        return len(self._lengths)

    @cached_property
    def _offsets(self) -> Array:  # type: ignore[override]
        offsets = np.zeros(len(self._lengths) + 1, dtype=np.int64)
        np.cumsum(self._lengths, out=offsets[1:])
        return offsets

    @cached_property
    def _table(self) -> Array:  # type: ignore[override]
        table = np.zeros((2 * len(self._offsets) + 8, 2), dtype=np.uint64)
        if encode.fill_table(self._blob, self._offsets, table) >= 0:
            raise VocabularyError(_DAMAGED)
        return table


def _are_specials(specials: dict[str, int | None], size: int) -> bool:
    """Whether these can be the ids of the special tokens of a vocabulary of that size."""
    known = all(i is None or (isinstance(i, int) and 0 <= i < size) for i in specials.values())
    return known and set(specials) == {"unk", "bos", "eos"}
