"""Words as a tagging network reads them: ids, how they are written, their characters, a row of a file of vectors."""

import re
from collections.abc import Iterable, Sequence
from pathlib import Path
from typing import NamedTuple

import numpy as np

from nextword.errors import UsageError
from nextword.neural.embeddings import read_embeddings
from nextword.neural.tagging import Sentences, WordTable
from nextword.text.examples import padded
from nextword.text.lexicon import lexicon
from nextword.text.vocabulary import Vocabulary
from nextword.types import Array

SHAPES = ("lower", "Title", "UPPER", "miXed", "digits", "with digits", "marks", "@name", "#tag", "address", "other")
_ENDS = 12  # of a longer word so many characters are read at each end
_DIGIT = re.compile(r"\d")
_PIECE = re.compile(r"[A-Z]?[^\W\d_A-Z]+|[A-Z]+(?![^\W\d_A-Z])|\d+|[^\w\s]|[^\W\d_]|_")
_MOST_PIECES = 8


class Vectors(NamedTuple):
    """Words and their vectors, (W, D) float32; none: no word, D = 0."""

    vocabulary: Vocabulary
    table: Array


NO_VECTORS = Vectors(Vocabulary.from_words([], unk=None, bos=None, eos=None), np.zeros((0, 0), dtype=np.float32))


class Encoder(NamedTuple):
    """What is known of words and characters. vocabulary: of words, lowercased and each digit 0."""

    vocabulary: Vocabulary
    characters: Vocabulary
    vectors: Vectors = NO_VECTORS

    @classmethod
    def of(cls, sentences: Iterable[Sequence[str]], *, min_count: int = 1, vectors: Vectors = NO_VECTORS) -> "Encoder":
        """Of the words and characters of some sentences; words rarer than ``min_count`` are unknown."""
        words = [word for sentence in sentences for word in sentence]
        characters = (character for word in set(words) for character in word)
        return cls(lexicon(map(norm, words), min_count=min_count), lexicon(characters), vectors)

    def encoded(self, sentences: Sequence[Sequence[str]], tags: Sequence[Sequence[int]] | None = None) -> Sentences:
        """Sentences for the network; none is empty. tags: ids, a list a sentence."""
        places: dict[str, int] = {}
        rows = [
            np.array([places.setdefault(word, len(places)) for word in sentence], dtype=np.int64)
            for sentence in sentences
        ]
        targets = () if tags is None else tuple(np.array(row, dtype=np.int64) for row in tags)
        return Sentences(self.table(places), rows, self.vectors.table, targets)

    def table(self, words: Iterable[str]) -> WordTable:
        """A row for each of some distinct words."""
        words = list(words)
        return WordTable(
            np.array([self.vocabulary[norm(word)] for word in words], dtype=np.int64),
            np.array([SHAPES.index(shape(word)) for word in words], dtype=np.int64),
            padded([self._vectors(word) for word in words]),
            padded([self._spelling(word) for word in words]),
        )

    def _vectors(self, word: str) -> Array:
        """The rows whose mean stands for the word: its own, or those of its pieces; none if the file has neither."""
        found = [self._vector(word)]
        if found[0] < 0:
            found = [self._vector(piece) for piece in pieces(word)]
        return np.array([row for row in found if row >= 0], dtype=np.int64)

    def _vector(self, word: str) -> int:
        """The word's row, or its lowercased form's, or that with each digit 0; -1 for none."""
        known = self.vectors.vocabulary
        return next((known[form] for form in forms(word) if form in known), -1) if len(known) else -1

    def _spelling(self, word: str) -> Array:
        """Ids of ``<s>``, the characters and ``</s>``."""
        seen = word if len(word) <= 2 * _ENDS else word[:_ENDS] + word[-_ENDS:]
        return self.characters.ids(["<s>", *seen, "</s>"]).astype(np.int64)


def forms(word: str) -> tuple[str, str, str]:
    """What a word is looked up as in a file of vectors, one after another."""
    return word, word.lower(), norm(word)


def pieces(word: str) -> list[str]:
    """Runs of letters that an inner capital begins, runs of digits, and marks; the first eight.

    Files of vectors were cut into tokens in another way than the text: *don't* is two or three words in them.

    >>> pieces("realDonaldTrump"), pieces("#Denver's"), pieces("NYC2017")
    (['real', 'Donald', 'Trump'], ['#', 'Denver', "'", 's'], ['NYC', '2017'])
    """
    return _PIECE.findall(word)[:_MOST_PIECES]


def norm(word: str) -> str:
    """The word lowercased, each digit 0: what its embedding is looked up by."""
    return _DIGIT.sub("0", word.lower())


def shape(word: str) -> str:
    """How a word is written, one of ``SHAPES``.

    >>> [shape(word) for word in ("students", "Books", "USA", "iPhone", "2017", "3rd", "...", "@name", "http://a.b")]
    ['lower', 'Title', 'UPPER', 'miXed', 'digits', 'with digits', 'marks', '@name', 'address']
    """
    if len(word) > 1 and word[0] in "@#" and word[1].isalnum():
        return "@name" if word[0] == "@" else "#tag"
    if word.lower().startswith(("http:", "https:", "www.")) or ("@" in word and "." in word):
        return "address"
    letters = [character for character in word if character.isalpha()]
    if not letters:
        return "digits" if any(map(str.isdigit, word)) else "marks"
    if any(map(str.isdigit, word)):
        return "with digits"
    if all(map(str.islower, letters)):
        return "lower"
    if letters[0].isupper() and all(map(str.islower, letters[1:])):
        return "Title"
    return "UPPER" if all(map(str.isupper, letters)) else "miXed" if any(map(str.isupper, letters)) else "other"


def read_vectors(path: str | Path, *, most: int | None = None) -> Vectors:
    """The vectors of a file, as ``neural.embeddings`` reads it, or the first ``most``. Raises TextError, UsageError."""
    words, vectors = read_embeddings(path)
    if most is not None and most < 1:
        raise UsageError(f"most={most}: expected a number of vectors of 1 or more")
    return Vectors(Vocabulary.from_words(words[:most], unk=None, bos=None, eos=None), vectors[:most])
