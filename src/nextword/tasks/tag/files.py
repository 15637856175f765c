"""Files of sentences with or without tags: CoNLL-U, columns, and plain text. What is not a tag is written as it was."""

from abc import ABC, abstractmethod
from collections.abc import Iterator
from pathlib import Path
from typing import ClassVar

from nextword.errors import TextError, UsageError
from nextword.tasks.tag.rows import TagRows
from nextword.tasks.tag.spans import is_entity_tag
from nextword.text.columns import read_columns, write_columns
from nextword.text.conllu import read_conllu, write_conllu
from nextword.text.corpus import Corpus
from nextword.types import Json

FORMATS = ("auto", "conllu", "columns", "text")
CONLLU_COLUMNS = ("upos", "xpos", "feats", "deprel")
_PACKED = (".gz", ".zst")


class TagFile(ABC):
    """Sentences of a file. tokens: a list a sentence, which text may have empty; column: where the tags are.

    sources: what was read, for a model's record.
    """

    format: ClassVar[str]
    tokens: list[list[str]]
    column: str
    sources: list[Json]

    @abstractmethod
    def tags(self) -> list[list[str]]:
        """The tags, a list a sentence. Raises TextError, naming file and line, where there are none."""

    @abstractmethod
    def where(self, sentence: int, token: int) -> str:
        """``file:line`` of a token, both numbers from 0."""

    @abstractmethod
    def lines(self, tags: TagRows) -> Iterator[str]:
        """The file with these tags, its lines ending in newlines."""

    def entity_tags(self) -> list[list[str]]:
        """The tags. Raises TextError, naming file and line, for one that is no entity's."""
        rows = self.tags()
        for i, row in enumerate(rows):
            for j, tag in enumerate(row):
                if not is_entity_tag(tag):
                    raise TextError(
                        f"{self.where(i, j)}: the tag {tag!r} is no entity's: expected O, or B-, I-, E- or S- and a "
                        "type, such as B-person"
                    )
        return rows


class ConlluFile(TagFile):
    """A treebank. column: upos, xpos, feats or deprel."""

    format = "conllu"

    def __init__(self, corpus: Corpus, column: str | None = None):
        self.column = column or "upos"
        if self.column not in CONLLU_COLUMNS:
            raise UsageError(f"column {column!r} of CoNLL-U: expected one of {', '.join(CONLLU_COLUMNS)}")
        self._sentences = read_conllu(corpus)
        if not self._sentences:
            raise TextError(f"{corpus.sources[-1]['path']}: has no sentence; give a file of CoNLL-U")
        self.tokens, self.sources = [sentence.forms for sentence in self._sentences], corpus.sources

    def tags(self) -> list[list[str]]:
        """As ``TagFile`` says; ``_`` is none, but in feats, where it says that there are no features."""
        rows = [[getattr(word, self.column) for word in sentence.words] for sentence in self._sentences]
        for i, row in enumerate(rows):
            if "_" in row and self.column != "feats":
                raise TextError(f"{self.where(i, row.index('_'))}: has no {self.column}; give an annotated file")
        return rows

    def where(self, sentence: int, token: int) -> str:
        """As ``TagFile`` says."""
        return self._sentences[sentence].line(token)

    def lines(self, tags: TagRows) -> Iterator[str]:
        """As ``TagFile`` says."""
        name = "deprels" if self.column == "deprel" else self.column
        pairs = zip(self._sentences, tags, strict=True)
        return write_conllu(sentence.replaced(**{name: row}) for sentence, row in pairs)  # type: ignore[arg-type]


class ColumnsFile(TagFile):
    """One token a line. token: the number of its column; column: that of the tag, the last unless given.

    Where a column is given, ``lines`` replaces it; otherwise they have one column more, after those that are there.
    """

    format = "columns"

    def __init__(self, corpus: Corpus, column: str | None = None, *, token: int = 1):
        self._sentences = read_columns(corpus)
        self.column = column or "-1"
        self._number, self._given = _number(self.column), column is not None
        self.tokens, self.sources = [sentence.column(token) for sentence in self._sentences], corpus.sources

    def tags(self) -> list[list[str]]:
        """As ``TagFile`` says."""
        if self._sentences[0].width == 1:
            raise TextError(f"{self._sentences[0].where}: has one column, expected a token and its tag")
        return [sentence.column(self._number) for sentence in self._sentences]

    def where(self, sentence: int, token: int) -> str:
        """As ``TagFile`` says: the lines of a sentence follow one another."""
        path, _, line = self._sentences[sentence].where.rpartition(":")
        return f"{path}:{int(line) + token}"

    def lines(self, tags: TagRows) -> Iterator[str]:
        """As ``TagFile`` says."""
        number = self._number if self._given else None
        changed = (s.replaced(number, row) for s, row in zip(self._sentences, tags, strict=True))
        return (line + "\n" for line in write_columns(changed))


class PlainFile(TagFile):
    """A sentence a line, its tokens parted by white space; ``lines`` are a token and its tag each, parted by a tab."""

    format = "text"
    column = "-1"

    def __init__(self, corpus: Corpus):
        self.tokens = [line.split() for block in corpus for line in block.text[:-1].decode().split("\n")]
        self.sources = corpus.sources
        self._name = self.sources[-1]["path"]

    def tags(self) -> list[list[str]]:
        """Plain text has none."""
        raise TextError(f"{self._name}: is read as plain text, which has no tags; name its format (--format columns)")

    def where(self, sentence: int, token: int) -> str:
        """As ``TagFile`` says."""
        return f"{self._name}:{sentence + 1}"

    def lines(self, tags: TagRows) -> Iterator[str]:
        """As ``TagFile`` says; a blank line of the text is one more blank line."""
        for tokens, row in zip(self.tokens, tags, strict=True):
            yield "".join(f"{token}\t{tag}\n" for token, tag in zip(tokens, row, strict=True)) + "\n"


def read_tag_file(
    path: str | Path, *, format: str = "auto", column: str | None = None, token: int = 1, plain: bool = False
) -> TagFile:
    """The sentences of a file, ``-`` for standard input; ``.gz`` and ``.zst`` are decompressed.

    format: ``auto`` goes by the name: ``.conllu`` is CoNLL-U, all else columns. plain: files whose name ends in
    ``.txt``, and standard input, are plain text. Raises TextError, naming file and line, UsageError.
    """
    if format not in FORMATS:
        raise UsageError(f"format {format!r}: expected one of {', '.join(FORMATS)}")
    kind = _kind(str(path), plain) if format == "auto" else format
    corpus = Corpus(path)
    if kind == "conllu":
        return ConlluFile(corpus, column)
    return PlainFile(corpus) if kind == "text" else ColumnsFile(corpus, column, token=token)


def _kind(name: str, plain: bool) -> str:
    path = Path(name.lower())
    suffix = path.with_suffix("").suffix if path.suffix in _PACKED else path.suffix
    if suffix == ".conllu":
        return "conllu"
    return "text" if plain and (name == "-" or suffix == ".txt") else "columns"


def _number(column: str) -> int:
    try:
        number = int(column)
    except ValueError:
        number = 0
    if not number:
        raise UsageError(f"column {column!r}: expected a number from 1, or from -1 backwards; names are for CoNLL-U")
    return number
