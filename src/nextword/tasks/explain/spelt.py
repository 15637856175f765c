"""A text as a model reads it: its tokens, what they spell, where words and lines begin."""

from typing import Any, NamedTuple

import numpy as np

from nextword.errors import UsageError
from nextword.tasks.reading import read_block
from nextword.text.corpus import Corpus
from nextword.text.pipeline import Pipeline
from nextword.types import Ids_T

_MARKS = str.maketrans({"Ġ": " ", "▁": " "})  # a blank as pieces write it


class Spelt(NamedTuple):
    """Tokens, (T,) each. ids: ``</s>`` at each line's end. tokens: as the model has them.

    texts: what each stands for in the text, a newline for ``</s>``. begins: whether a word begins there. whole: tokens
    are whole words, with blanks between them, and not letters, bytes or pieces.
    """

    ids: Ids_T
    tokens: list[str]
    texts: list[str]
    begins: list[bool]
    whole: bool


def read_spelt(model: Any, pipeline: Pipeline, text: str, *, most: int) -> Spelt:
    """A text's tokens, ``</s>`` at the end of each line. Raises UsageError for more than ``most``, TextError."""
    blocks = [read_block(model.vocabulary, pipeline, block) for block in Corpus.from_text(text)]
    size = sum(len(block.ids) for block in blocks)
    if size > most:
        raise UsageError(f"the text has {size:,} tokens, and {most:,} are looked at at once; give a shorter one")
    if not size:
        raise UsageError("the text is empty; give one with at least one line")
    end = model.vocabulary.word(model.vocabulary.eos)
    lines = [line for block in blocks for line in block.lines()]
    tokens = [token for line in lines for token in (*line, end)]
    ids = np.concatenate([block.ids for block in blocks])
    whole = pipeline.tokenizer.name in ("whitespace", "word")
    texts = [_written(pipeline, token, whole) for token in tokens]
    return Spelt(ids, tokens, _with_newlines(lines, texts), _begins(pipeline, lines), whole)


def _written(pipeline: Pipeline, token: str, whole: bool) -> str:
    if whole:
        return token
    if pipeline.tokenizer.name in ("char", "byte"):
        return pipeline.detokenize([token])
    return token.translate(_MARKS)


def _with_newlines(lines: list[list[str]], texts: list[str]) -> list[str]:
    """The texts, a newline in the place of each ``</s>``."""
    found, at = list(texts), -1
    for line in lines:
        at += len(line) + 1
        found[at] = "\n"
    return found


def _begins(pipeline: Pipeline, lines: list[list[str]]) -> list[bool]:
    """Whether a word begins at each token; where pieces do not tell, every one counts as a word."""
    found: list[bool] = []
    for line in lines:
        try:
            begins = [pipeline.tokenizer.begins_word(token) for token in line]
        except UsageError:
            begins = [True] * len(line)
        found += [at == 0 or yes for at, yes in enumerate(begins)] + [True]
    return found
