"""The first pass over a text: its tokens to disk, in parts, and its words to a vocabulary.

    part-000000.ids     b"NWPART01", sizes of the two frames that follow and the number of tokens, as uint64;
                        the words that the part brought, with spaces between them; the tokens, each an id by first
                        appearance, as varints. Both are Zstandard frames with checksums.

A token takes 1.6 bytes so (int32 through Zstandard: 1.8).
"""

import hashlib
import os
from collections.abc import Iterable, Iterator
from concurrent.futures import Future, ThreadPoolExecutor
from pathlib import Path
from typing import NamedTuple

import numpy as np
import zstandard
from numba import njit

from nextword import durable
from nextword.errors import StoreError, UsageError
from nextword.ngram.external.runs import get_varint, put_varint
from nextword.ngram.external.workplace import Workplace
from nextword.ngram.sizes import shown
from nextword.text import encode
from nextword.text.blocks import Block
from nextword.text.encode import BOS, EOS
from nextword.text.indexing import Indexer
from nextword.text.pipeline import Pipeline
from nextword.types import Array, Bytes, Ids_T, Json

_MAGIC = b"NWPART01"
_HEAD = len(_MAGIC) + 24
_LONGEST = 5  # bytes of an id's varint
_BYTES_OF_TEXT = 12  # a byte: itself, as a token, and twice the room for ids


class Part(NamedTuple):
    """A stretch of whole lines: the words that it brings, with spaces between them, and its provisional ids."""

    words: bytes
    ids: Ids_T


def part_file(directory: Path, number: int) -> Path:
    """Where a part is."""
    return directory / f"part-{number:06}.ids"


def write_part(file: Path, part: Part) -> None:
    """Write and sync a part under its name."""
    frames = zstandard.ZstdCompressor(level=1, write_checksum=True)
    buffer = np.empty(_LONGEST * len(part.ids), dtype=np.uint8)
    data = [frames.compress(part.words), frames.compress(buffer[: _write_ids(part.ids, buffer)].data)]
    head = np.array([*map(len, data), len(part.ids)], dtype=np.uint64).tobytes()
    with durable.temporary(file.parent) as unfinished:
        with unfinished.open("xb") as stream:
            for piece in (_MAGIC, head, *data):
                stream.write(piece)
            stream.flush()
            os.fsync(stream.fileno())
        unfinished.replace(file)


def read_part(file: Path) -> Part:
    """A part that ``write_part`` has written. Raises StoreError, which names it, if it is not whole."""
    with durable.system_errors_named(file, "read"):
        data = file.read_bytes()
    if len(data) < _HEAD or not data.startswith(_MAGIC):
        raise _damaged(file)
    words, ids, tokens = (int(size) for size in np.frombuffer(data[len(_MAGIC) : _HEAD], dtype=np.uint64))
    if len(data) != _HEAD + words + ids:
        raise _damaged(file)
    frames = zstandard.ZstdDecompressor()
    try:
        text = frames.decompress(data[_HEAD : _HEAD + words])
        packed = np.frombuffer(frames.decompress(data[_HEAD + words :]), dtype=np.uint8)
    except zstandard.ZstdError:
        raise _damaged(file) from None
    result = np.empty(min(tokens, len(packed)), dtype=np.int32)
    if len(result) != tokens or not _read_ids(packed, result):
        raise _damaged(file)
    return Part(text, result)


def part_size(file: Path) -> int:
    """Tokens in a part."""
    with durable.system_errors_named(file, "read"), file.open("rb") as stream:
        head = stream.read(_HEAD)
    if len(head) != _HEAD:
        raise _damaged(file)
    return int(np.frombuffer(head[-8:], dtype=np.uint64)[0])


def _damaged(file: Path) -> StoreError:
    return StoreError(f"{file}: these tokens of the text are damaged; delete {file.parent} and count again")


@njit(cache=True, nogil=True)
def _write_ids(ids: Ids_T, buffer: Bytes) -> int:
    n = 0
    for word in ids:
        n = put_varint(buffer, n, word)
    return n


@njit(cache=True, nogil=True)
def _read_ids(data: Bytes, ids: Ids_T) -> bool:
    at = 0
    for i in range(len(ids)):
        if at >= len(data):
            return False
        ids[i], at = get_varint(data, at)
    return at == len(data)


class Spiller:
    """Reads a text once, into parts of about ``part_tokens`` tokens; goes on after those that are finished."""

    def __init__(self, place: Workplace, pipeline: Pipeline, *, part_tokens: int, memory: int):
        """memory: bytes that the words may take."""
        self.indexer, self.unended = Indexer(), False
        self.parts = int(place.state.get("parts", 0))
        self._place, self._pipeline = place, pipeline
        self._part_tokens, self._memory = part_tokens, memory
        self._counts = np.zeros(0, dtype=np.int64)
        for number in range(self.parts):
            part = read_part(part_file(place.directory, number))
            self.indexer.provisional(part.words)
            self._count(part.ids, len(self.indexer))

    @property
    def counts(self) -> Array:
        """How often each word came, (words,), by provisional id; once all is read."""
        self._count(np.empty(0, dtype=np.int32), len(self.indexer))
        return self._counts

    def read(self, blocks: Iterable[Block]) -> Iterator[int]:
        """Take in a text; yields how many parts are finished, when one is.

        Raises TextError, and UsageError for a text that does not begin as that of the finished parts did.
        """
        ids, held, first, digest = list[Ids_T](), 0, len(self.indexer), hashlib.sha256()
        with ThreadPoolExecutor(1) as pool:
            waiting: Future[None] | None = None
            for seen, block in self._unseen(blocks, digest):
                digest.update(block.text)
                self._check_memory(block)
                ids.append(self.indexer.provisional(self._pipeline.canonical(block.text).text, block.where))
                held += len(ids[-1])
                if held >= self._part_tokens:
                    yield from _finished(waiting, self)
                    part = Part(self.indexer.words_from(first), np.concatenate(ids))
                    state = {"blocks": seen, "digest": digest.hexdigest()}
                    waiting = pool.submit(self._finish, part, len(self.indexer), state)
                    ids, held, first = [], 0, len(self.indexer)
            yield from _finished(waiting, self)
            if held:
                part = Part(self.indexer.words_from(first), np.concatenate(ids))
                self._finish(part, len(self.indexer), {"blocks": seen, "digest": digest.hexdigest()})
                yield self.parts

    def _unseen(self, blocks: Iterable[Block], digest: "hashlib._Hash") -> Iterator[tuple[int, Block]]:
        """Numbered from 1, the blocks that are in no finished part; the others must be what they were."""
        state = self._place.state
        known = int(state.get("blocks", 0))
        same = known == 0
        for number, block in enumerate(blocks, start=1):
            self.unended = block.unended
            if number > known:
                if not same:
                    break
                yield number, block
                continue
            digest.update(block.text)
            same = number == known and digest.hexdigest() == state["digest"]
        if not same:
            raise UsageError(
                f"the text does not begin as the one that {self._place.directory} was begun with; give that text, or "
                "delete the directory and begin again"
            )

    def _finish(self, part: Part, words: int, state: Json) -> None:
        file = part_file(self._place.directory, self.parts)
        write_part(file, part)
        self._count(part.ids, words)
        self.parts += 1
        self._place.record(parts=self.parts, **state)
        self._place.adopt(file)

    def _count(self, ids: Ids_T, words: int) -> None:
        if words > len(self._counts):
            self._counts = np.concatenate([self._counts, np.zeros(words - len(self._counts), dtype=np.int64)])
        encode.count(ids, self._counts)

    def _check_memory(self, block: Block) -> None:
        needed = self.indexer.nbytes + _BYTES_OF_TEXT * len(block.text)
        if needed > self._memory:
            raise UsageError(
                f"{block.where(0)}: {len(self.indexer):,} words and lines of {len(block.text):,} bytes are more than "
                f"{shown(self._memory)} of memory hold; give --memory {shown(2 * needed)} or more, and --resume"
            )


def _finished(waiting: Future[None] | None, spiller: Spiller) -> Iterator[int]:
    if waiting is not None:
        waiting.result()
        yield spiller.parts


def unigram_counts(counts: Array, new_ids: Ids_T, vocabulary_size: int) -> Array:
    """How often each word of the vocabulary occurs, (V,) int64, ``<s>`` as often as there are lines.

    counts, new_ids: of the words as they were met, see ``Indexer.freeze``.
    """
    unigrams = np.zeros(vocabulary_size, dtype=np.int64)
    np.add.at(unigrams, new_ids, counts)
    unigrams[BOS] = unigrams[EOS]
    return unigrams
