r"""KenLM's binary files, used where they lie: header, layout, words.

A file holds a header, a word table, the 1-grams, one table for each further order and, usually, the words themselves.
There are six kinds (``build_binary probing | trie``, and of tries those made with -q and -b, with -a, with both; and
probing with -r, rest costs), and all are read. Probing tables hold nothing but hashes of n-grams, so that the n-grams
of such a file can be looked up and not listed.
"""

import mmap
import os
import struct
from collections.abc import Iterator
from contextlib import contextmanager
from functools import cached_property
from pathlib import Path
from typing import Literal

import numpy as np

from nextword.errors import StoreError, UsageError
from nextword.ngram.kenlm import kernels
from nextword.ngram.kenlm.layout import Layout, lay_out
from nextword.text.vocabulary import BOS, EOS, UNK, Vocabulary
from nextword.types import Array

KINDS = (
    "probing hash tables",
    "probing hash tables with rest costs",
    "trie",
    "trie with quantization",
    "trie with array-compressed pointers",
    "trie with quantization and array-compressed pointers",
)
MAGIC = b"mmap lm http://kheafield.com/code "
_SANITY = struct.Struct("<56s3f3IQ")  # magic, and numbers by which KenLM knows the machine's own formats
_REFERENCE = _SANITY.pack(MAGIC + b"format version 5\n\0", 0.0, 1.0, -0.5, 1, 2**32 - 1, 0, 1)
_FIXED = struct.Struct("<B3xfiB3xI")  # order, probing multiplier, kind, are the words there, search version
_SEARCH_VERSIONS = (0, 0, 1, 1, 1, 1)
_MAX_ORDER = 100
_REMEDY = "build it again with build_binary, from its ARPA file"

Load = Literal["lazy", "populate", "read"]


def is_kenlm_binary(path: str | Path) -> bool:
    """Whether the file begins as KenLM's binary files do."""
    with Path(path).open("rb") as file:
        return file.read(len(MAGIC)) == MAGIC


class KenlmBinary:
    """An n-gram model in a KenLM binary file, which stays mapped while the object lives.

    order, counts: as in an ARPA file, ``<unk>`` always among the 1-grams of a trie. kind: index in ``KINDS``. size:
    how many words, ids from 0 (``<unk>``) on. bos, eos: ids of ``<s>`` and ``</s>``. fields: the int64 numbers by which
    ``kenlm_kernels`` finds its way.
    """

    def __init__(self, path: str | Path, *, load: Load = "populate"):
        """Open a file. load: map it, map it and read it ahead, or read a copy into memory.

        Raises StoreError, naming file and remedy, for anything but a whole file of a known kind; OSError.
        """
        self.path = Path(path)
        with self.path.open("rb") as file, self._named_errors():
            head = file.read(_SANITY.size + _FIXED.size + 8 * _MAX_ORDER)
            self.order, multiplier, self.kind, self._has_words, self.counts = _header(head)
            self.memory = _memory(file.fileno(), load)
            layout = Layout(self.memory, _header_bytes(self.order), self.counts, multiplier)
            self.fields = lay_out(layout, self.kind)
            self.size, self._words_begin = layout.words, layout.at
        self.bos, self.eos = self.word_id(BOS.encode()), self.word_id(EOS.encode())

    def __repr__(self) -> str:
        return f"KenlmBinary({KINDS[self.kind]}, order={self.order}, {self.size:,} words)"

    @property
    def is_trie(self) -> bool:
        """Whether it is one of the four kinds of trie."""
        return self.kind >= 2

    def word_id(self, word: bytes) -> int:
        """Id of a word, 0 if it is unknown."""
        text = np.frombuffer(word + b"\0", dtype=np.uint8)
        return int(kernels.word_id(self.is_trie, self.fields.ctypes.data, text.ctypes.data, len(word)))

    @cached_property
    def words(self) -> list[bytes]:
        """The words, by id, in whatever encoding. UsageError if the file was built without them; StoreError."""
        if not self._has_words:
            raise UsageError(f"{self.path}: was built without its words (build_binary -v), so they cannot be listed")
        with self._named_errors():
            words = self.memory[self._words_begin :].tobytes().split(b"\0")[: self.size]
            if len(words) < self.size or words[0] != UNK.encode():
                raise StoreError("its words are not where they should be")
        return words

    @cached_property
    def vocabulary(self) -> Vocabulary:
        """The same as a vocabulary; UsageError without ``<s>`` or ``</s>``."""
        if not (self.bos and self.eos):
            raise UsageError(f"{self.path}: has no <s> or no </s>; estimate the model again, from sentences")
        blob = np.frombuffer(b"".join(self.words), dtype=np.uint8).copy()
        offsets = np.cumsum([0, *map(len, self.words)], dtype=np.int64)
        return Vocabulary.from_bytes(blob, offsets, unk=0, bos=self.bos, eos=self.eos)

    @contextmanager
    def _named_errors(self) -> Iterator[None]:
        try:
            yield
        except StoreError as error:
            raise StoreError(f"{self.path}: {error}; {_REMEDY}") from None


def _header_bytes(order: int) -> int:
    return -(-(_SANITY.size + _FIXED.size + 8 * order) // 8) * 8


def _header(head: bytes) -> tuple[int, float, int, bool, list[int]]:
    """Order, probing multiplier, kind, are the words there, n-grams of each order."""
    if not head.startswith(_REFERENCE):
        raise StoreError(_not_ours(head))
    if len(head) < _SANITY.size + _FIXED.size:
        raise StoreError("is cut short within its header")
    order, multiplier, kind, has_words, version = _FIXED.unpack_from(head, _SANITY.size)
    if not 0 <= kind < len(KINDS):
        raise StoreError(f"its kind of model is number {kind}, and KenLM has 0 to {len(KINDS) - 1}")
    if version != _SEARCH_VERSIONS[kind]:
        raise StoreError(f"holds a {KINDS[kind]} of version {version}, expected version {_SEARCH_VERSIONS[kind]}")
    if not 2 <= order <= _MAX_ORDER or not 1 <= multiplier < 1000:
        raise StoreError(f"its header has order {order} and probing multiplier {multiplier:g}, and cannot be right")
    if len(head) < _SANITY.size + _FIXED.size + 8 * order:
        raise StoreError("is cut short within its header")
    counts = list(struct.unpack_from(f"<{order}Q", head, _SANITY.size + _FIXED.size))
    return order, multiplier, kind, bool(has_words), counts


def _not_ours(head: bytes) -> str:
    """What to say of a file that does not begin with the header of this version, on this machine."""
    if not head.startswith(MAGIC):
        return "is no KenLM binary file"
    if head.startswith(MAGIC + b"incomplete"):
        return "was not finished: build_binary was stopped"
    version = head[len(MAGIC) :].partition(b"\n")[0].removeprefix(b"format version ").decode(errors="replace")
    if version != "5":
        return f"has KenLM's format version {version:.20}, and this reads version 5"
    return "was written on a machine with another order of bytes, or is damaged"


def _memory(descriptor: int, load: Load) -> Array:
    """The whole file, (bytes,) uint8, read-only."""
    if load == "read":
        with os.fdopen(os.dup(descriptor), "rb") as file:
            file.seek(0)
            return np.frombuffer(file.read(), dtype=np.uint8)
    if not hasattr(mmap, "MAP_SHARED"):  # Windows
        return np.frombuffer(mmap.mmap(descriptor, 0, access=mmap.ACCESS_READ), dtype=np.uint8)
    ahead = getattr(mmap, "MAP_POPULATE", 0) if load == "populate" else 0
    return np.frombuffer(mmap.mmap(descriptor, 0, mmap.MAP_SHARED | ahead, mmap.PROT_READ), dtype=np.uint8)
