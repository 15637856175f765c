"""The counts behind an n-gram model, read again from the text that it was trained on.

A model keeps probabilities, not counts. Where its training text still lies where it lay, unchanged, or is named, the
few counts that one probability is made of are found in it again, without counting everything else.
"""

from collections.abc import Sequence
from functools import cached_property
from pathlib import Path
from typing import Any, NamedTuple
from weakref import WeakKeyDictionary

import numpy as np

from nextword.errors import UsageError
from nextword.ngram.counting import count_ngrams
from nextword.text.corpus import Corpus
from nextword.text.pipeline import Pipeline
from nextword.text.vocabulary import Vocabulary
from nextword.types import Array, Ids_T, Json


class After(NamedTuple):
    """The K distinct words that follow a context, by id. raw: how often each does, (K,).

    adjusted: how many distinct words stand to the left of context and word together, (K,), ``<s>`` being one of them;
    after a context that begins with ``<s>``, which nothing precedes, the raw counts (Kneser and Ney 1995).
    """

    words: Array
    raw: Array
    adjusted: Array


class TrainingText:
    """A text as ids, (1 + T,): ``</s>`` before the first sentence and at the end of each. name: for whoever asks."""

    def __init__(self, ids: Ids_T, *, bos: int, eos: int, size: int, name: str = "<memory>"):
        """bos, eos: ids of ``<s>`` and ``</s>``. size: of the vocabulary."""
        self.ids, self.bos, self.eos, self.size, self.name = ids, bos, eos, size, name

    def after(self, context: Sequence[int]) -> After:
        """What follows a context of ids, the oldest first: any number of words, or none."""
        return self._unigrams if not len(context) else self._after(tuple(context))

    def first_lines(self, lines: int) -> "TrainingText":
        """The text's first lines alone."""
        ends = np.flatnonzero(self.ids == self.eos)
        part = self.ids[: ends[min(lines, len(ends) - 1)] + 1]
        return TrainingText(part, bos=self.bos, eos=self.eos, size=self.size, name=self.name)

    @cached_property
    def _unigrams(self) -> After:
        """Of so many places that counting them as training does is worth it."""
        unigrams, bigrams = count_ngrams(self.ids, self.size, 2)
        raw = unigrams.count.astype(np.int64)
        raw[self.bos] = 0
        words = np.flatnonzero(raw)
        return After(words, raw[words], np.bincount(bigrams.suffix, minlength=self.size)[words])

    def _after(self, context: tuple[int, ...]) -> After:
        ids, pattern = self.ids, [self.eos if word == self.bos else word for word in context]
        at = np.flatnonzero(ids[:-1] == pattern[-1]) + 1
        for back, word in enumerate(pattern[-2::-1], start=2):
            at = at[at >= back]
            at = at[ids[at - back] == word]
        words, raw = np.unique(ids[at], return_counts=True)
        if context[0] == self.bos:
            return After(words, raw, raw)
        left = ids[at - len(pattern) - 1].astype(np.int64)
        pairs = np.unique(ids[at].astype(np.int64) * self.size + left)
        return After(words, raw, np.unique(pairs // self.size, return_counts=True)[1])


def read_text(
    paths: str | Path | Sequence[str | Path] | Corpus, vocabulary: Vocabulary, pipeline: Pipeline
) -> tuple[TrainingText, list[Json]]:
    """A text as a model reads it, and its sources.

    Raises TextError for one that cannot be read, UsageError for an empty one and for a vocabulary without ``<s>``.
    """
    if vocabulary.bos is None or vocabulary.eos is None:
        raise UsageError("sentences are counted between <s> and </s>, which this vocabulary lacks")
    corpus = paths if isinstance(paths, Corpus) else Corpus(paths)
    ids = read_ids(corpus, vocabulary, pipeline)
    name = ", ".join(str(source["path"]) for source in corpus.sources)
    if not len(ids):
        raise UsageError(f"{name}: the text is empty, and no model was trained on such a one; name another")
    known = {"bos": vocabulary.bos, "eos": vocabulary.eos, "size": len(vocabulary)}
    return TrainingText(np.append(vocabulary.eos, ids).astype(np.int32), name=name, **known), corpus.sources


def read_ids(text: str | Path | Corpus, vocabulary: Vocabulary, pipeline: Pipeline) -> Ids_T:
    """The ids of a text, ``</s>`` at each line's end, (T,). Raises TextError for one that cannot be read."""
    corpus = text if isinstance(text, Corpus) else Corpus(text)
    parts = [vocabulary.encode(pipeline.canonical(block.text).text, block.where).ids for block in corpus]
    return np.concatenate([np.zeros(0, dtype=np.int32), *parts])


def find_text(
    vocabulary: Vocabulary, pipeline: Pipeline, trained_on: Sequence[Json], *, most: int | None = None
) -> TrainingText:
    """The text that a model says it was trained on, which is remembered as long as the model's vocabulary lives.

    trained_on: path, bytes and sha256 of each file. most: bytes of text beyond which it is not read. Raises UsageError,
    which says why there is none: no file is named, or one is gone, has changed or is too long.
    """
    if not trained_on:
        raise UsageError("the model does not say what it was trained on; name the text with nextword explain --train")
    stamps = tuple(_stamp(source) for source in trained_on)
    total = sum(int(source["bytes"]) for source in trained_on)
    if most is not None and total > most:
        raise UsageError(f"the training text has {total:,} bytes, and no more than {most:,} are read for counts here")
    if vocabulary not in _read or _read[vocabulary][0] != stamps:
        text, found = read_text([str(source["path"]) for source in trained_on], vocabulary, pipeline)
        for source, now in zip(trained_on, found, strict=True):
            if source.get("sha256") != now["sha256"]:
                raise UsageError(_CHANGED.format(now["path"]))
        _read[vocabulary] = stamps, text
    return _read[vocabulary][1]


_CHANGED = "{} has changed since the model was trained on it; name the text with nextword explain --train"
_read: WeakKeyDictionary[Vocabulary, tuple[tuple[Any, ...], TrainingText]] = WeakKeyDictionary()


def _stamp(source: Json) -> tuple[str, int, int]:
    """What tells a file from another or from its next version. Raises UsageError if it is not that file."""
    name, size = str(source.get("path")), source.get("bytes")
    file = Path(name)
    if not file.is_file():
        raise UsageError(f"the training text {name} is not there; name the text with nextword explain --train")
    found = file.stat()
    if found.st_size != size:
        raise UsageError(_CHANGED.format(name))
    return name, found.st_size, found.st_mtime_ns
