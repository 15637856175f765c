"""How often bigrams seen r times in training come in held-out text (Church and Gale 1991): why discounts work."""

from collections.abc import Iterable
from dataclasses import dataclass

import numpy as np

from nextword.errors import UsageError
from nextword.ngram.counting import count_ngrams
from nextword.ngram.smoothing import absolute_discount
from nextword.tasks.reading import read_block
from nextword.text.blocks import Block
from nextword.text.encode import EOS
from nextword.text.indexing import Indexer
from nextword.text.pipeline import Pipeline
from nextword.types import Array, Ids_T


@dataclass(frozen=True)
class DiscountTable:
    """Row r, 0 to 9, is about the bigrams seen r times in training, (10,) each.

    types: how many there are; at 0, the possible ones, V², that were not seen. held_out: their mean count in the
    held-out text, scaled to the size of the training text. absolute: r - d with d = ``discount``, estimated from the
    training text as n1 / (n1 + 2 n2); at 0 the mass freed, spread over the unseen. good_turing: (r + 1) n_{r+1} / n_r.
    What divides by a count of 0 is NaN or infinite.
    """

    types: Array
    held_out: Array
    absolute: Array
    good_turing: Array
    discount: float


def discount_table(
    train: Iterable[Block], held_out: Iterable[Block], *, pipeline: Pipeline | None = None, most: int = 9
) -> DiscountTable:
    """The table of counts 0 to ``most`` from two texts; words that training lacks are ``<unk>``.

    Raises TextError for text that cannot be read, UsageError if a text is empty.
    """
    reader, indexer = pipeline or Pipeline(), Indexer()
    for block in train:
        indexer.read(reader.canonical(block.text).text, block.where)
    tokens, vocabulary = indexer.finish()
    parts = [read_block(vocabulary, reader, block).ids for block in held_out]
    other = np.concatenate([[EOS], *parts]).astype(np.int32)
    if len(tokens) < 2 or len(other) < 2:
        raise UsageError("the training text or the held-out text is empty; give two files with at least a line each")
    keys, counts = _bigrams(tokens, len(vocabulary))
    types = np.bincount(counts[counts <= most + 1], minlength=most + 2).astype(np.float64)
    types[0] = float(len(vocabulary) - 1) ** 2 - len(keys)
    came = _held_out_counts(keys, counts, *_bigrams(other, len(vocabulary)), most)
    discount = absolute_discount(types)
    with np.errstate(divide="ignore", invalid="ignore"):
        absolute = np.arange(most + 1) - discount
        absolute[0] = discount * len(keys) / types[0]
        good_turing = np.arange(1, most + 2) * types[1:] / types[:-1]
        return DiscountTable(types[:-1], came / types[:-1], absolute, good_turing, discount)


def _held_out_counts(keys: Array, counts: Array, other_keys: Array, other_counts: Array, most: int) -> Array:
    """Held-out tokens of the bigrams seen 0 to ``most`` times, scaled to the training text's size, (most + 1,)."""
    at = np.minimum(np.searchsorted(keys, other_keys), len(keys) - 1)
    seen = np.where(keys[at] == other_keys, counts[at], 0)
    came = np.bincount(seen[seen <= most], other_counts[seen <= most], minlength=most + 1)
    return np.asarray(came * (counts.sum() / other_counts.sum()))


def _bigrams(tokens: Ids_T, size: int) -> tuple[Array, Array]:
    """The bigrams as first word · V + second, sorted, and their counts, (N,) each."""
    _, level = count_ngrams(tokens, size, 2)
    first = np.repeat(np.arange(size), level.children)
    return first * size + level.word, level.count.astype(np.int64)
