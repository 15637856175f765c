"""What a parser sees of a word, as columns of ids; and the states that the oracle goes through, to learn from."""

from collections.abc import Callable, Iterator, Sequence
from typing import NamedTuple

import numpy as np

from nextword.errors import TrainingError, UsageError
from nextword.tasks.parse.transitions import NONE, Oracle, States
from nextword.text.conllu import Sentence, Word
from nextword.text.lexicon import lexicon
from nextword.text.vocabulary import Vocabulary
from nextword.types import Array

TAGS = ("upos", "xpos", "feats")
_WORDS: dict[str, Callable[[Word], str]] = {
    "form": lambda word: word.form.lower(),
    "ending": lambda word: word.form.lower()[-3:],
    "shape": lambda word: shape(word.form),
}
_LONGEST_SHAPE = 6
_SENTENCES = 1024  # whose states are computed side by side


class Trees(NamedTuple):
    """Heads and labels of sentences, (T,) each, ROOT's NONE."""

    heads: list[Array]
    labels: list[Array]


class Lexicons(dict[str, Vocabulary]):
    """The ids of each column: 0 for what is unknown, 1 for ROOT."""

    @classmethod
    def of(cls, sentences: Sequence[Sentence], tags: Sequence[str], *, min_count: int) -> "Lexicons":
        """Those of training sentences; what is rarer than ``min_count`` is unknown, and a tag that no word has is left.

        Raises UsageError for a tag that is no column.
        """
        for tag in tags:
            if tag not in TAGS:
                raise UsageError(f"tags={tag!r}: expected some of {', '.join(TAGS)}")
        names = [*_WORDS, *(tag for tag in TAGS if tag in tags)]
        values = {name: [value for sentence in sentences for value in column(sentence, name)] for name in names}
        used = {name: found for name, found in values.items() if name not in TAGS or set(found) != {"_"}}
        return cls({name: lexicon(found, min_count=min_count) for name, found in used.items()})

    def columns(self, sentence: Sentence) -> Array:
        """The ids of a sentence, (T, C) int32, ROOT first."""
        words = len(sentence.words)
        found = np.ones((1 + words, len(self)), dtype=np.int32)
        for i, (name, vocabulary) in enumerate(self.items()):
            found[1:, i] = vocabulary.ids(column(sentence, name)) if words else 0
        return found


def column(sentence: Sentence, name: str) -> list[str]:
    """The form in small letters, its last three letters, its shape, or a tag, of each word."""
    if name in TAGS:
        return [getattr(word, name) for word in sentence.words]
    return [_WORDS[name](word) for word in sentence.words]


def shape(form: str) -> str:
    """How a word is written: X, x and d for capitals, small letters and digits, runs cut short.

    >>> shape("McDonald's"), shape("UD"), shape("2.16")
    ("XxXxx'", 'XX', 'd.dd')
    """
    kinds = ("X" if c.isupper() else "x" if c.isalpha() else "d" if c.isdigit() else c for c in form)
    found = ""
    for kind in kinds:
        if not found.endswith(2 * kind):
            found += kind
    return found[:_LONGEST_SHAPE]


def oracle_states(trees: Trees) -> tuple[Array, Array, Array, Array]:
    """The states on the way to projective trees, N in all.

    Where each sentence's begin, (S + 1,); then the words and labels of ``States.configurations`` and the right
    transition, (N, 18), (N, 12) and (N,) int16. Raises TrainingError for a sentence of more than 32,767 words.
    """
    lengths = np.array([len(heads) - 1 for heads in trees.heads], dtype=np.int64)
    if lengths.max(initial=0) > np.iinfo(np.int16).max:
        raise TrainingError(f"a sentence has {lengths.max():,} words; leave out those of more than 32,767")
    parts = [part for begin in range(0, len(lengths), _SENTENCES) for part in _states(trees, begin)]
    words, labels, transitions = (np.concatenate(arrays) for arrays in (parts[0::3], parts[1::3], parts[2::3]))
    return np.concatenate([[0], np.cumsum(2 * lengths)]), words, labels, transitions


def _states(trees: Trees, begin: int) -> Iterator[Array]:
    """Words, labels and transitions of the states of some sentences, one sentence after another."""
    heads, labels = (_side_by_side(values[begin : begin + _SENTENCES]) for values in trees)
    states = States([len(row) - 1 for row in trees.heads[begin : begin + _SENTENCES]])
    oracle = Oracle(heads, labels)
    found: list[tuple[Array, ...]] = []
    while len(rows := states.unfinished()):
        transitions = oracle.transitions(states, rows)
        found.append((rows, *states.configurations(rows), transitions))
        states.advance(rows, transitions)
    order = np.argsort(np.concatenate([part[0] for part in found]), kind="stable")
    for i in range(1, 4):
        yield np.concatenate([part[i] for part in found]).astype(np.int16)[order]


def _side_by_side(rows: Sequence[Array]) -> Array:
    """(S, T) int32, NONE after the ends."""
    table = np.full((len(rows), max(len(row) for row in rows)), NONE, dtype=np.int32)
    for i, row in enumerate(rows):
        table[i, : len(row)] = row
    return table
