"""CoNLL-U: sentences as tables of ten columns, with their trees (Universal Dependencies).

A line is a word (``3``), a multiword token (``1-2``), an empty node (``8.1``), a comment (``# …``) or blank, which ends
a sentence. Columns are parted by tabs: ID FORM LEMMA UPOS XPOS FEATS HEAD DEPREL DEPS MISC; ``_`` is nothing. What is
read is written back byte for byte: https://universaldependencies.org/format.html
"""

import re
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from sys import intern
from typing import NamedTuple

from nextword.errors import TextError, UsageError
from nextword.text.corpus import Corpus

COLUMNS = 10
_HEAD = re.compile(r"0|[1-9][0-9]{0,8}", re.ASCII)
_SPAN = re.compile(r"([1-9][0-9]{0,8})-([1-9][0-9]{0,8})")
_EMPTY = re.compile(r"(0|[1-9][0-9]{0,8})\.([1-9][0-9]{0,8})")


class Word(NamedTuple):
    """A word's columns. head: the number of the word it depends on, from 1; 0 for the root; None where ``_`` stands."""

    form: str
    lemma: str = "_"
    upos: str = "_"
    xpos: str = "_"
    feats: str = "_"
    head: int | None = None
    deprel: str = "_"
    deps: str = "_"
    misc: str = "_"


@dataclass(frozen=True)
class Sentence:
    """A sentence of CoNLL-U.

    comments: lines before the words, ``#`` included. others: multiword tokens and empty nodes as they stand, each with
    the number of words before it. where: ``file:line`` of the first line, comments included.

    >>> Sentence.of(["I", "see"]).replaced(heads=[2, 0], deprels=["nsubj", "root"]).words[0].head
    2
    """

    words: tuple[Word, ...]
    comments: tuple[str, ...] = ()
    others: tuple[tuple[int, str], ...] = ()
    where: str = "<memory>:1"

    @classmethod
    def of(cls, forms: Iterable[str], *, where: str = "<memory>:1") -> "Sentence":
        """A sentence of words alone. Raises TextError for a form that a column cannot hold."""
        words = tuple(Word(form) for form in forms)
        for word in words:
            if not word.form or "\t" in word.form or "\n" in word.form:
                raise TextError(f"{where}: the word {word.form!r} is empty or holds a tab or newline; leave it out")
        return cls(words, where=where)

    @property
    def forms(self) -> list[str]:
        """The words as written."""
        return [word.form for word in self.words]

    def replaced(
        self,
        *,
        upos: Sequence[str] | None = None,
        xpos: Sequence[str] | None = None,
        feats: Sequence[str] | None = None,
        heads: Sequence[int | None] | None = None,
        deprels: Sequence[str] | None = None,
        deps: Sequence[str] | None = None,
    ) -> "Sentence":
        """A copy with other columns, one value a word. Raises UsageError for another number of values."""
        given = {"upos": upos, "xpos": xpos, "feats": feats, "head": heads, "deprel": deprels, "deps": deps}
        columns = {name: values for name, values in given.items() if values is not None}
        for name, values in columns.items():
            if len(values) != len(self.words):
                raise UsageError(f"{len(values)} values of {name} for {len(self.words)} words; give one for each word")
        rows = (dict(zip(columns, row, strict=True)) for row in zip(*columns.values(), strict=True))
        if not columns:
            return self
        return replace(self, words=tuple(w._replace(**row) for w, row in zip(self.words, rows, strict=True)))

    def line(self, index: int) -> str:
        """``file:line`` of the word of that index, from 0: what an error message about it begins with."""
        path, _, first = self.where.rpartition(":")
        return f"{path}:{int(first) + len(self.comments) + index + sum(at <= index for at, _ in self.others)}"


def read_conllu(source: str | Path | Sequence[str | Path] | Corpus) -> list[Sentence]:
    r"""All sentences of files (``.gz`` and ``.zst`` too), or of a corpus.

    Heads are numbers here, no more: ``check_tree`` asks whether they make a tree. A file need not end in a blank line.
    Raises TextError, naming file and line, for anything that is not CoNLL-U.

    >>> [sentence] = read_conllu(Corpus.from_text("# a comment\n1\tSee\tsee\tVERB\t_\t_\t0\troot\t_\t_\n"))
    >>> sentence.words
    (Word(form='See', lemma='see', upos='VERB', xpos='_', feats='_', head=0, deprel='root', deps='_', misc='_'),)
    """
    return list(iterate_conllu(source if isinstance(source, Corpus) else Corpus(source)))


def iterate_conllu(corpus: Corpus) -> Iterator[Sentence]:
    """The sentences of a corpus, one after another; see ``read_conllu``."""
    begun = _Begun("", 0)
    for block in corpus:
        if block.line == 1:  # a new file
            yield from begun.finished()
            begun = _Begun(block.path, 1)
        for number, line in enumerate(block.text.decode().split("\n")[:-1], block.line):
            line = line.removesuffix("\r")
            if line:
                begun.add(line, number)
            else:
                yield from begun.finished()
                begun = _Begun(block.path, number + 1)
    yield from begun.finished()


def write_conllu(sentences: Iterable[Sentence]) -> Iterator[str]:
    r"""The lines of sentences, each ending in a newline; a blank one after every sentence.

    >>> list(write_conllu([Sentence.of(["See"])]))
    ['1\tSee\t_\t_\t_\t_\t_\t_\t_\t_\n', '\n']
    """
    for sentence in sentences:
        for comment in sentence.comments:
            yield f"{comment}\n"
        others = list(sentence.others)
        for i, word in enumerate(sentence.words):
            while others and others[0][0] <= i:
                yield f"{others.pop(0)[1]}\n"
            head = "_" if word.head is None else str(word.head)
            yield "\t".join((str(i + 1), *word[:5], head, *word[6:])) + "\n"
        for _, line in others:
            yield f"{line}\n"
        yield "\n"


def check_tree(sentence: Sentence) -> None:
    """Raise TextError, naming file and line, unless the heads make one tree with one root."""
    heads = [word.head for word in sentence.words]
    root = None
    for i, head in enumerate(heads):
        word = f"{sentence.line(i)}: the head of word {i + 1} ({sentence.words[i].form})"
        if head is None:
            raise TextError(f"{word} is missing; expected a number from 0 to {len(heads)}, 0 for the root")
        if not 0 <= head <= len(heads):
            raise TextError(f"{word} is {head}; expected a number from 0 to {len(heads)}")
        if head == 0 and root is not None:
            raise TextError(f"{word} is 0, and so is that of word {root + 1}; a tree has one root: attach one of them")
        root = i if head == 0 else root
    if root is None and heads:
        raise TextError(f"{sentence.line(0)}: the sentence has no root; one word must have head 0")
    cycle = _cycle([head or 0 for head in heads])
    if cycle:
        path = " → ".join(str(i) for i in [*cycle, cycle[0]])
        raise TextError(
            f"{sentence.line(cycle[0] - 1)}: the heads go in a circle, {path}; give one of them another head"
        )


def _cycle(heads: list[int]) -> list[int]:
    """Numbers of words, from 1, each of which depends on the next and the last on the first; none in a tree."""
    reached = [0] * (len(heads) + 1)  # the word from which each was first reached
    reached[0] = -1
    for start in range(1, len(heads) + 1):
        i = start
        while not reached[i]:
            reached[i] = start
            i = heads[i - 1]
        if reached[i] == start:
            cycle = [i]
            while heads[cycle[-1] - 1] != i:
                cycle.append(heads[cycle[-1] - 1])
            return cycle
    return []


class _Begun:
    """A sentence whose lines are being read."""

    def __init__(self, path: str, line: int):
        self._path, self._first, self._last = path, line, line
        self._comments, self._words = list[str](), list[Word]()
        self._others = list[tuple[int, str]]()
        self._span = (0, 0)  # the last word of the last multiword token, and the line of that

    def add(self, line: str, number: int) -> None:
        """Take in a line that is not blank."""
        self._last = number
        if line.startswith("#"):
            if self._words or self._others:
                raise self._error("a comment stands among the words; move it before the first, or leave a blank line")
            self._comments.append(line)
            return
        columns = line.split("\t")
        if len(columns) != COLUMNS:
            raise self._error(f"{len(columns)} columns, expected {COLUMNS}, parted by tabs")
        if columns[0] == str(len(self._words) + 1):
            self._words.append(self._word(columns))
        else:
            self._add_other(columns[0], line)

    def finished(self) -> Iterator[Sentence]:
        """The sentence, unless no line was read."""
        if not (self._comments or self._words or self._others):
            return
        if not self._words:
            raise self._error("the sentence has no words; remove its lines, or the blank line after them")
        if self._span[0] > len(self._words):
            self._last = self._span[1]
            raise self._error(f"a multiword token up to word {self._span[0]}, but there are {len(self._words)} words")
        where = f"{self._path}:{self._first}"
        yield Sentence(tuple(self._words), tuple(self._comments), tuple(self._others), where)

    def _word(self, columns: list[str]) -> Word:
        empty = next((i for i, column in enumerate(columns) if not column), None)
        if empty is not None:
            raise self._error(f"column {empty + 1} is empty; write _ for nothing")
        form, lemma, upos, xpos, feats, head, deprel, deps, misc = columns[1:]
        if head != "_" and not _HEAD.fullmatch(head):
            raise self._error(f"the head is {head!r:.40}, expected the number of a word, 0 for the root, or _")
        number = None if head == "_" else int(head)
        return Word(intern(form), lemma, intern(upos), intern(xpos), intern(feats), number, intern(deprel), deps, misc)

    def _add_other(self, given: str, line: str) -> None:
        """A multiword token, which stands before its first word, or an empty node."""
        words = len(self._words)
        span, empty = _SPAN.fullmatch(given), _EMPTY.fullmatch(given)
        if span and int(span[1]) == words + 1 <= int(span[2]) and self._span[0] <= words:
            self._span = (int(span[2]), self._last)
        elif not empty or (int(empty[1]), int(empty[2])) != (words, self._next_empty()):
            follows = f"{words + 1}, {words + 1}-{words + 2} or {words}.{self._next_empty()}"
            raise self._error(f"the id is {given!r:.40}, expected {follows}, as words are numbered from 1 on")
        self._others.append((words, line))

    def _next_empty(self) -> int:
        """The number, from 1, of an empty node that would stand here."""
        return 1 + sum(at == len(self._words) and "-" not in line.split("\t")[0] for at, line in self._others)

    def _error(self, message: str) -> TextError:
        return TextError(f"{self._path}:{self._last}: {message}")
