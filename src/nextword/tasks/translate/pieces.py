"""Texts as ids and back: the tokenizer and the vocabulary of one language, or of two together."""

from collections.abc import Iterable, Sequence
from typing import NamedTuple

import numpy as np

from nextword.errors import TrainingError
from nextword.text.bpe import PieceTokenizer
from nextword.text.corpus import Corpus
from nextword.text.lexicon import lexicon
from nextword.text.normalize import Normalizer
from nextword.text.pipeline import Pipeline
from nextword.text.tokenize import make_tokenizer, one_line
from nextword.text.vocabulary import SPECIALS, Vocabulary
from nextword.types import Array, Json

_TEXT = "text."  # before the names of a tokenizer's payloads, kept as arrays of bytes


class Language(NamedTuple):
    """How texts are cut, and what the pieces are."""

    pipeline: Pipeline
    vocabulary: Vocabulary

    def ids(self, texts: Sequence[str]) -> list[Array]:
        """Ids of each text, (T,) int64. Raises TextError for a text of several lines, or with ``<s>`` in it."""
        if not texts:
            return []
        data = "".join(one_line(text) + "\n" for text in texts).encode()
        ids = self.vocabulary.encode(self.pipeline.canonical(data).text).ids.astype(np.int64)
        ends = np.flatnonzero(ids == self.vocabulary.eos)
        return [row[:-1] for row in np.split(ids, ends[:-1] + 1)]

    def sources(self, texts: Sequence[str]) -> list[Array]:
        """Ids of each text and of ``</s>``, (T + 1,), as ``neural.pairs`` reads them."""
        return [np.append(row, np.int64(self.vocabulary["</s>"])) for row in self.ids(texts)]

    def words(self, ids: Iterable[int]) -> list[str]:
        """The tokens of ids."""
        return [self.vocabulary.word(i) for i in ids]

    def readable(self, ids: Iterable[int]) -> list[str]:
        """Tokens as a person reads them: ``ó`` for its two bytes, ``·na`` for a piece that goes on with a word."""
        words, tokenizer = self.words(ids), self.pipeline.tokenizer
        if not isinstance(tokenizer, PieceTokenizer):
            return words
        spelt = [word if word in SPECIALS else tokenizer.detokenize([word]).strip() or word for word in words]
        inside = [i > 0 and word not in SPECIALS and not tokenizer.begins_word(word) for i, word in enumerate(words)]
        return ["·" + word if on and word[0].isalnum() else word for word, on in zip(spelt, inside, strict=True)]

    def text(self, ids: Iterable[int]) -> str:
        """The line that ids spell."""
        return self.pipeline.detokenize(self.words(ids))

    def parameters(self) -> Json:
        """What ``restored`` needs beside ``arrays``."""
        return {"specials": self.vocabulary.specials(), "text": self.pipeline.config()}

    def arrays(self) -> dict[str, Array]:
        """Its words, and the files of its tokenizer as bytes."""
        payloads = self.pipeline.payloads()
        files = {_TEXT + name: np.frombuffer(data, dtype=np.uint8) for name, data in payloads.items()}
        return {**self.vocabulary.arrays(), **files}

    @classmethod
    def restored(cls, parameters: Json, arrays: dict[str, Array]) -> "Language":
        """The language that was stored. Raises UsageError or VocabularyError for parts that do not fit together."""
        payloads = {n.removeprefix(_TEXT): array.tobytes() for n, array in arrays.items() if n.startswith(_TEXT)}
        words = {name: array for name, array in arrays.items() if not name.startswith(_TEXT)}
        vocabulary = Vocabulary.from_arrays(words, parameters["specials"])
        return cls(Pipeline.from_config(parameters["text"], payloads), vocabulary)


def learn(texts: Sequence[str], *, tokenizer: str, vocab_size: int, min_count: int, normalizer: Normalizer) -> Language:
    """A language from its texts. tokenizer: as in ``make_tokenizer``; bpe is learnt from the texts.

    Of pieces of words all are in the vocabulary, so that bpe knows no ``<unk>``; of other tokens the ``vocab_size``
    most frequent, special ones among them, that come ``min_count`` times or more. Raises TrainingError for no text.
    """
    if not texts:
        raise TrainingError("there is no pair of sentences to learn from; give at least one")
    corpus = Corpus.from_lines(list(texts))
    made = make_tokenizer(tokenizer, corpus=corpus, normalizer=normalizer, vocab_size=vocab_size)
    pipeline = Pipeline(normalizer, made)
    pieces = isinstance(made, PieceTokenizer)
    known = lexicon(_tokens(pipeline, texts), min_count=1 if pieces else min_count, size=None if pieces else vocab_size)
    if isinstance(made, PieceTokenizer):
        others = sorted(set(made.words.values()) - set(known.words))
        known = Vocabulary.from_words([*known.words, *others])
    return Language(pipeline, known)


def _tokens(pipeline: Pipeline, texts: Sequence[str]) -> Iterable[str]:
    for block in Corpus.from_lines(list(texts)):
        yield from pipeline.canonical(block.text).text.decode().split()
