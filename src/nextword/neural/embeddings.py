"""Word embeddings as files: the word2vec text format, nearest neighbours, and alignment with a vocabulary.

4 3                        words, numbers in each vector; GloVe's files lack this line, and are read too
students 0.1 -0.52 0.03
pupils 0.12 -0.5 0.01
…
"""

import gzip
import io
from collections.abc import Collection, Iterator, Sequence
from pathlib import Path
from typing import NamedTuple

import numpy as np

from nextword.durable import sync_directory, system_errors_named, temporary, write
from nextword.errors import StoreError, TextError, UsageError, VocabularyError
from nextword.text.corpus import Corpus
from nextword.text.vocabulary import Vocabulary
from nextword.types import Array

_ABSENT_DEVIATION = 0.1  # of the numbers in the vectors of words that a file lacks
_SEPARATORS = " \t\n\v\f\r\0"
_CHUNK = 10_000


class Embeddings(NamedTuple):
    """Words and their vectors, (V, D) float32."""

    words: list[str]
    vectors: Array


class _Line(NamedTuple):
    """One line of a file, taken apart: ``where`` it is, the word, and its numbers as they are written."""

    where: str
    word: bytes
    numbers: list[bytes]


def read_embeddings(path: str | Path, *, only: Collection[str] | None = None) -> Embeddings:
    """The vectors of a file in the word2vec text format, or in GloVe's; ``.gz`` and ``.zst`` are decompressed.

    only: leave out other words, which makes reading faster. A word that comes twice keeps its first vector. Raises
    TextError, which names file and line, for a line that is not a word and as many numbers as its header says (or, for
    want of one, as its first line has).
    """
    known = None if only is None else {word.encode(errors="surrogateescape") for word in only}
    rows: dict[bytes, Array] = {}
    size = 0
    for line in _lines(path):
        size = len(line.numbers)
        if line.word not in rows and (known is None or line.word in known):
            rows[line.word] = _numbers(line)
    vectors = np.array(list(rows.values()), dtype=np.float32).reshape(len(rows), size)
    return Embeddings([word.decode() for word in rows], vectors)


def write_embeddings(path: str | Path, words: Sequence[str], vectors: Array) -> None:
    """Write (V, D) vectors in the word2vec text format, gzipped if the path ends in ``.gz``, whole or not at all.

    Numbers are the shortest decimals that read back as the same float32. Raises UsageError for arrays that do not fit
    the words, VocabularyError for a word that the format cannot hold, StoreError if the file cannot be written.
    """
    path, table = Path(path), np.asarray(vectors, dtype=np.float32)
    if table.ndim != 2 or len(table) != len(words):
        raise UsageError(
            f"vectors of shape {np.shape(vectors)} for {len(words):,} words: expected (V, D), a row a word"
        )
    check_writable(path, words)
    data = b"".join(_written(words, table))
    with system_errors_named(path, "written"), temporary(path.parent) as file:
        write(file, [gzip.compress(data, compresslevel=1, mtime=0) if path.suffix == ".gz" else data])
        file.replace(path)
        sync_directory(path.parent)


def check_writable(path: str | Path, words: Sequence[str] = ()) -> None:
    """What ``write_embeddings`` would refuse of a path and words, for those who want to know before training."""
    path = Path(path)
    if path.exists() and not path.is_file():
        raise StoreError(f"{path}: cannot be written: it is there and not a regular file; give another name")
    for word in words:
        if not word or any(character in _SEPARATORS for character in word):
            raise VocabularyError(
                f"{path}: not written: the word2vec format cannot hold the word {word!r}, which is empty or has white "
                "space in it; train with a tokenizer that makes no such words"
            )


def load_embeddings(
    path: str | Path, vocabulary: Vocabulary, size: int | None = None, *, seed: int = 0
) -> tuple[Array, int]:
    """Vectors from a file for each id, (V, D) float32, and how many of the words the file has.

    Words that it lacks get small random vectors, drawn from ``seed``. size: the D that is needed, if it is. Raises
    TextError as ``read_embeddings`` does, UsageError if the file's vectors have another size or none of the words.
    """
    ids = {word: i for i, word in enumerate(vocabulary.words)}
    words, vectors = read_embeddings(path, only=ids)
    if size is not None and vectors.shape[1] != size:
        raise UsageError(f"{path}: its vectors have {vectors.shape[1]} numbers, the model's {size}; make the two equal")
    if not words:
        raise UsageError(f"{path}: has none of the {len(ids):,} words of the vocabulary; were they cut or cased alike?")
    table = np.random.default_rng(seed).normal(0, _ABSENT_DEVIATION, (len(ids), vectors.shape[1])).astype(np.float32)
    table[[ids[word] for word in words]] = vectors
    return table, len(words)


def nearest_words(embeddings: Embeddings, word: str, k: int = 10) -> list[tuple[str, float]]:
    """The k other words whose vectors have the smallest angle with that of ``word``, and its cosine."""
    words, vectors = embeddings
    place = words.index(word)
    lengths = np.linalg.norm(vectors, axis=1) * np.linalg.norm(vectors[place])
    cosines = vectors @ vectors[place] / np.where(lengths > 0, lengths, 1)  # (V,): 0 for a vector of zeros
    nearest = np.argsort(-cosines, kind="stable")[: k + 1]
    return [(words[i], float(cosines[i])) for i in nearest.tolist() if i != place][:k]


def _lines(path: str | Path) -> Iterator[_Line]:
    """Every word of a file and its numbers, unread; what stands in its header is checked."""
    promised: int | None = None
    size = found = 0
    for where, line in _raw_lines(path):
        fields = line.rstrip(b" \t\r").replace(b"\t", b" ").split(b" ")
        if not size:
            if len(fields) == 2 and all(field.isdigit() for field in fields):
                promised, size = int(fields[0]), int(fields[1])
                continue
            size = len(fields) - 1
        yield _Line(where, *_word_and_numbers(where, fields, size))
        found += 1
    if not size:
        raise TextError(f"{path}: is empty, expected a word and its numbers on each line")
    if promised is not None and found != promised:
        raise TextError(f"{path}: holds {found:,} words, its header says {promised:,}; copy the file again")


def _raw_lines(path: str | Path) -> Iterator[tuple[str, bytes]]:
    for block in Corpus(path):
        for i, line in enumerate(block.text[:-1].split(b"\n")):
            yield block.where(i), line


def _word_and_numbers(where: str, fields: list[bytes], size: int) -> tuple[bytes, list[bytes]]:
    """GloVe has words with spaces inside: what precedes the last ``size`` fields, if that does not end in a number."""
    word, numbers = fields[:-size], fields[-size:]
    if not size or not word or not word[0] or (len(word) > 1 and _is_number(word[-1])):
        raise TextError(f"{where}: expected a word and {size or 'some'} numbers, got {_shown(fields)}")
    return b" ".join(word), numbers


def _numbers(line: _Line) -> Array:
    try:
        with np.errstate(over="ignore"):
            row = np.array([float(number) for number in line.numbers]).astype(np.float32)
    except ValueError:
        wrong = next(number for number in line.numbers if not _is_number(number))
        raise TextError(f"{line.where}: {wrong.decode()!r} is not a number") from None
    if not np.isfinite(row).all():
        raise TextError(f"{line.where}: the vector of {line.word.decode()!r} is not finite; leave the word out")
    return row


def _is_number(field: bytes) -> bool:
    try:
        float(field)
    except ValueError:
        return False
    return True


def _shown(fields: list[bytes]) -> str:
    """The beginning of a line, and how many fields it has, for a message."""
    return f"{len(fields)} fields: {b' '.join(fields)[:40].decode(errors='replace')!r}"


def _written(words: Sequence[str], table: Array) -> Iterator[bytes]:
    yield b"%d %d\n" % table.shape
    for begin in range(0, len(words), _CHUNK):
        text = io.StringIO()
        numbers = table[begin : begin + _CHUNK].astype(str)  # NumPy writes the shortest decimals of float32
        for word, row in zip(words[begin : begin + _CHUNK], numbers.tolist(), strict=True):
            text.write(f"{word} {' '.join(row)}\n")
        yield text.getvalue().encode(errors="surrogateescape")
