"""Between the text of a request and the ids of a model: reading prompts, and writing tokens so that they make a text.

A text's lines are sentences: its newlines are ``</s>``. What begins every text, ``<s>`` or what stands for it in a
pretrained model, is the ``mark``; a prompt may spell it out at its beginning, where it changes nothing.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from functools import lru_cache

from nextword.errors import TextError, UsageError
from nextword.lm import LM
from nextword.tasks.next import check_ids
from nextword.text.spelling import ByteTokenizer, CharTokenizer, byte_alphabet
from nextword.text.tokenize import Tokenizer, WhitespaceTokenizer
from nextword.text.words import WordTokenizer

_REMEMBERED = 1 << 16
_BYTES = {character: byte for byte, character in enumerate(byte_alphabet())}
_ENOUGH = 32  # tokens before the next decide how it is written, at most, but for quotes among words
_HALF = "\ufffd"  # how a tokenizer writes bytes that are no whole character


@dataclass(frozen=True)
class Prompt:
    """Tokens of a request: ids (T,) and how they are spelt, without the mark. marked: it was there, in front."""

    ids: list[int]
    words: list[str]
    marked: bool = False

    def __len__(self) -> int:
        """How many tokens the request has given."""
        return len(self.ids) + self.marked


class Codec:
    """Text to ids and back for one model."""

    def __init__(self, lm: LM):
        self.lm, self.vocabulary, self.tokenizer = lm, lm.model.vocabulary, lm.pipeline.tokenizer
        bos, eos = self.vocabulary.bos, self.vocabulary.eos
        self.mark: int | None = getattr(lm.model, "first", None) if bos is None else bos
        self.end: int | None = eos
        self.word = lru_cache(_REMEMBERED)(self.vocabulary.word)
        self.mark_word = None if self.mark is None else self.word(self.mark)
        self.end_word = None if eos is None else self.word(eos)

    def read(self, text: str) -> Prompt:
        """The tokens of a text, ``</s>`` for each newline. Raises NextwordError for text that the model cannot read."""
        marked = self.mark_word is not None and text.startswith(self.mark_word)
        lines = text[len(self.mark_word or "") if marked else 0 :].split("\n")
        words = self.lm.pipeline.tokens(lines[0])
        for line in lines[1:]:
            if self.end_word is None:
                raise UsageError("this model has no </s>, so its texts are one line; leave out the newline")
            words += [self.end_word, *self.lm.pipeline.tokens(line)]
        if self.mark_word is not None and self.vocabulary.bos is not None and self.mark_word in words:
            raise TextError(f"{self.mark_word} stands inside the text; it can only stand at its beginning")
        return Prompt(self.vocabulary.ids(words).tolist(), words, marked)

    def check(self, ids: Sequence[int]) -> Prompt:
        """The tokens of given ids. Raises NextwordError for one that the vocabulary lacks, or a mark inside."""
        tokens: list[int] = check_ids(self.vocabulary, ids).tolist()
        marked = bool(tokens) and tokens[0] == self.mark
        tokens = tokens[1:] if marked else tokens
        if self.vocabulary.bos is not None and self.mark in tokens:
            raise UsageError(f"id {self.mark} ({self.mark_word}) stands inside the ids; it can only stand first")
        return Prompt(tokens, [self.word(i) for i in tokens], marked)

    def text(self, prompt: Prompt) -> str:
        """The text that tokens spell, each ``</s>`` a newline."""
        writer = self.writer(marked=prompt.marked)
        head = self.mark_word or "" if prompt.marked else ""
        return head + "".join([writer.add(word) for word in prompt.words]) + writer.rest()

    def writer(self, *, marked: bool = False) -> "Writer":
        """What writes a text from its beginning, or after a mark that is spelt out."""
        return Writer(self.tokenizer, self.end_word, self.mark_word if marked else None)


class Writer:
    """A text as it grows, token by token: what ``Tokenizer.detokenize`` gives for its lines, in pieces.

    A token's piece is what it adds to the text. Where a token holds a part of a character its piece is empty, and
    that of the token that completes the character has all of it.
    """

    def __init__(self, tokenizer: Tokenizer, end: str | None, mark: str | None = None):
        """end: the token that is a newline. mark: a token that stands before the text."""
        self._tokenizer, self._end = tokenizer, end
        self._spell = tokenizer.detokenize
        self._in_parts = not isinstance(tokenizer, WhitespaceTokenizer | WordTokenizer | CharTokenizer)
        self._before: list[str] = []  # the tokens that decide how the next is written
        self._written = 0  # how many characters of what they spell have been given away
        self._quotes = 0
        self.pending = False  # whether the last token ends with a part of a character
        if mark is not None and isinstance(tokenizer, WhitespaceTokenizer | WordTokenizer):
            self._before, self._written = [mark], len(mark)

    def follow(self, words: Sequence[str]) -> "Writer":
        """Go on from where these tokens end; what they spell themselves is not asked for. Returns itself."""
        ends = [i for i, word in enumerate(words) if word == self._end]
        last = list(words[ends[-1] + 1 :] if ends else words)
        if ends:
            self._before, self._written = [], 0
        for word in last if isinstance(self._tokenizer, WordTokenizer) else last[-_ENOUGH:]:
            self.add(word)
        return self

    def peek(self, word: str) -> str:
        """The piece of ``word``, were it the next token; as it is shown alone, so a part of a character is named."""
        if word == self._end:
            return "\n"
        piece = self._spell([*self._before, word])[self._written :]
        if self._in_parts and (not piece or piece.endswith(_HALF) or self.pending):
            return named(word)
        return piece

    def add(self, word: str) -> str:
        """The piece of ``word``, which is the next token."""
        if word == self._end:
            piece = self.rest() + "\n"
            self._before, self._written, self._quotes, self.pending = [], 0, 0, False
            return piece
        text = self._spell([*self._before, word])
        if self._in_parts and text.endswith(_HALF) and len(self._before) < _ENOUGH:
            piece = text[self._written : -1]
            self._before, self._written = [*self._before, word], max(self._written, len(text) - 1)
            self.pending = True
            return piece
        piece = text[self._written :]
        self._keep(word)
        return piece

    def rest(self) -> str:
        """What has been read and not yet written: the part of a character, at the end of a text."""
        rest = self._spell(self._before)[self._written :] if self.pending else ""
        self._written += len(rest)
        return rest

    def _keep(self, word: str) -> None:
        """Remember of the line only what decides how the next token is written."""
        self.pending = False
        match self._tokenizer:
            case CharTokenizer():
                return
            case WordTokenizer():
                self._before = ['"'] * (self._quotes % 2) + [word]
                self._quotes += word == '"'
            case ByteTokenizer():
                self._before = []
            case _:
                self._before = [word]
        self._written = len(self._spell(self._before)) if self._before else 0


def named(word: str) -> str:
    r"""A token that has no piece of its own: ``bytes:\xe2`` for part of a character, else what it spells alone."""
    if not all(character in _BYTES for character in word):
        return word
    spelt = bytes(_BYTES[character] for character in word)
    try:
        return spelt.decode()
    except UnicodeDecodeError:
        return "bytes:" + "".join(f"\\x{byte:02x}" for byte in spelt)
