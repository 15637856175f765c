"""The words that a network knows and the vectors that they begin with: from texts, a vector file, a language model."""

from collections.abc import Iterable, Sequence
from itertools import islice
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np

from nextword import store
from nextword.errors import StoreError, UsageError
from nextword.neural import require_torch
from nextword.text.corpus import Corpus
from nextword.text.lexicon import lexicon
from nextword.text.pipeline import Pipeline
from nextword.text.vocabulary import SPECIALS, Vocabulary
from nextword.types import Array

_ABSENT_DEVIATION = 0.1  # of the numbers in the vectors of words that a file lacks
_CELLS = ("lstm", "gru")


class Words(NamedTuple):
    """vocabulary: V words, of which the first ``learned`` are those that training sees. vectors: (V, D), or None."""

    vocabulary: Vocabulary
    learned: int
    vectors: Array | None


class LanguageModel(NamedTuple):
    """A recurrent language model to begin with. first: the id that it reads before a text."""

    network: Any
    vocabulary: Vocabulary
    pipeline: Pipeline
    first: int


def words_of(
    texts: Iterable[Sequence[str]],
    *,
    min_count: int = 1,
    vectors: str | Path | None = None,
    more: int = 0,
    size: int | None = None,
    seed: int = 0,
    before: Sequence[str] = SPECIALS,
) -> Words:
    """The words of texts that are cut into tokens: ``before``, then by falling frequency, then ``more`` of a file.

    vectors: a file in the word2vec text format or GloVe's, where a word is looked up as it is, else in lower case;
    words that it lacks get small random vectors, drawn from ``seed``. more: of its first so many words, those that are
    not in the texts are known too. size: the D that its vectors should have, if it matters. Raises TextError for a
    file that is none, UsageError for one whose vectors have another size, or which has no word of the texts.
    """
    there = set(before)
    counted = lexicon((token for text in texts for token in text), min_count=min_count)
    own = [*before, *(word for word in counted.words if word not in there)]
    if vectors is None:
        return Words(Vocabulary.from_words(own), len(own), None)
    found, size = _vectors(vectors, own, more=more, size=size)
    known = set(own)
    words = [*own, *(word for word in found.others if word not in known)]
    table = np.random.default_rng(seed).normal(0, _ABSENT_DEVIATION, (len(words), size)).astype(np.float32)
    for i, word in enumerate(words):
        row = found.rows.get(word, found.rows.get(word.lower()))
        if row is not None:
            table[i] = found.table[row]
    return Words(Vocabulary.from_words(words), len(own), table)


def open_language_model(directory: str | Path) -> LanguageModel:
    """The recurrent language model in a directory. Raises StoreError, for one of another kind too."""
    require_torch()
    stored = store.load(directory)
    kind = stored.config["kind"]
    if kind not in _CELLS:
        raise StoreError(
            f"{directory}: holds a model of kind {kind}, expected one of {', '.join(_CELLS)} to start from"
        )
    try:
        pipeline = Pipeline.from_config(stored.text, stored.payloads) if stored.text else Pipeline()
    except UsageError as error:
        raise StoreError(f"{directory}: its text pipeline cannot be used: {error}") from error
    vocabulary: Vocabulary = stored.model.vocabulary
    if vocabulary.words[: len(SPECIALS)] != list(SPECIALS):
        raise StoreError(f"{directory}: its vocabulary does not begin with {', '.join(SPECIALS)}; train it anew")
    first = vocabulary.eos if stored.model.scope == "stream" else vocabulary.bos
    return LanguageModel(stored.model.network, vocabulary, pipeline, int(first or 0))


class _Found(NamedTuple):
    """Rows of a table by word, and the words that were asked for by number and not by name."""

    rows: dict[str, int]
    table: Array
    others: list[str]


def _vectors(path: str | Path, words: Sequence[str], *, more: int, size: int | None) -> tuple[_Found, int]:
    from nextword.neural.embeddings import read_embeddings

    wanted = {*words, *(word.lower() for word in words)}
    first = _first_words(path, more) if more else []
    read, table = read_embeddings(path, only=wanted.union(first))
    rows = {word: i for i, word in enumerate(read)}
    if size is not None and table.shape[1] != size:
        raise UsageError(f"{path}: its vectors have {table.shape[1]} numbers, not {size}; leave out the size")
    if not any(word in rows for word in wanted):
        raise UsageError(
            f"{path}: has none of the {len(words) - len(SPECIALS):,} words of the texts; were they cut or cased alike?"
        )
    return _Found(rows, table, [word for word in first if word in rows]), table.shape[1]


def _first_words(path: str | Path, count: int) -> list[str]:
    """What stands before the first blank of a file's first lines: words, and a header, which is none."""
    lines = (line for block in Corpus(path) for line in block.text.splitlines())
    words = (line.split(b" ", 1)[0].decode(errors="replace") for line in islice(lines, count))
    return list(dict.fromkeys(words))
