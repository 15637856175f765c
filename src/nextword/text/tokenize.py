"""What a token is: between blanks, a word or a mark, a character, a byte, or a learnt piece of a word.

Every tokenizer rewrites whole lines as the same lines with a single space between tokens (``canonical``), and none of
its tokens holds a space or another of KenLM's delimiters. So one compiled encoder, that of ``Vocabulary``, serves all.
"""

import difflib
import re
from abc import ABC, abstractmethod
from collections.abc import Iterable, Mapping, Sequence
from pathlib import Path

from nextword.errors import TextError, UsageError
from nextword.text.blocks import Block, utf8
from nextword.text.normalize import Normalizer
from nextword.types import Json

NAMES = ("whitespace", "word", "char", "byte", "bpe")
DELIMITERS = "\0\t\n\r "  # KenLM's, and no others
CHUNKS_KEPT = 1 << 18  # stretches of text, from blank to blank, whose tokens a slow tokenizer remembers,
LONG_LINE = 1 << 16  # but for those of a line of that many characters, which may be as long as the line
_SEPARATORS = re.compile(f"[{DELIMITERS}]+")


class Tokenizer(ABC):
    """Lines of text to tokens and back. A tokenizer is immutable."""

    name: str

    @abstractmethod
    def canonical(self, text: bytes) -> bytes:
        """Whole lines of UTF-8, as many lines of tokens with a single space between two."""

    @abstractmethod
    def tokens(self, text: str) -> list[str]:
        """The tokens of one line, given without its newline; TextError if there is one within."""

    @abstractmethod
    def detokenize(self, tokens: Sequence[str]) -> str:
        """The line that ``tokens`` spell."""

    def begins_word(self, token: str) -> bool:
        """Whether a word, in the sense of what stands between blanks, has ended where ``token`` begins.

        A tokenizer whose tokens are words themselves says so of each. Raises UsageError where tokens do not tell.
        """
        return True

    def config(self) -> Json:
        """What ``tokenizer_from_config`` needs, beside ``payloads``, to be stored."""
        return {"name": self.name}

    def payloads(self) -> dict[str, bytes]:
        """Files that have to be stored with ``config``, by name."""
        return {}


class WhitespaceTokenizer(Tokenizer):
    """Tokens are what stands between KenLM's delimiters: NUL, tab, newline, carriage return, space.

    >>> WhitespaceTokenizer().tokens("students opened their")
    ['students', 'opened', 'their']
    """

    name = "whitespace"

    def canonical(self, text: bytes) -> bytes:
        """``text`` itself: the encoder splits at the same delimiters."""
        return text

    def tokens(self, text: str) -> list[str]:
        """The tokens of one line."""
        return [token for token in _SEPARATORS.split(one_line(text)) if token]

    def detokenize(self, tokens: Sequence[str]) -> str:
        """The tokens with spaces between them."""
        return " ".join(tokens)


def make_tokenizer(
    spec: str,
    *,
    corpus: Iterable[Block] | None = None,
    normalizer: Normalizer | None = None,
    vocab_size: int = 8000,
) -> Tokenizer:
    """The tokenizer that a user names: whitespace, word, char, byte, bpe, or a file.

    A file is a ``tokenizer.json``, or a SentencePiece model if its name ends in ``.model``.

    bpe is trained, up to ``vocab_size`` pieces, on ``corpus`` as ``normalizer`` leaves it. Raises UsageError for an
    unknown name, for a file that is not a tokenizer, and for bpe without a corpus.
    """
    if spec == "bpe":
        from nextword.text.bpe import train_bpe

        if corpus is None:
            raise UsageError("bpe is learnt from text, and there is none here; give a tokenizer.json file")
        return train_bpe(corpus, vocab_size=vocab_size, normalizer=normalizer)
    if spec in NAMES:
        return tokenizer_from_config({"name": spec}, {})
    path = Path(spec)
    if path.is_file() and path.suffix == ".model":
        from nextword.text.sentencepiece import SentencePieceTokenizer

        return SentencePieceTokenizer.from_file(path)
    if path.is_file():
        from nextword.text.bpe import PieceTokenizer

        return PieceTokenizer.from_file(path)
    close = difflib.get_close_matches(spec, NAMES, n=1)
    missing = "; there is no such file" if path.suffix in (".json", ".model") else ""
    hint = f"; did you mean {close[0]}?" if close else missing
    expected = f"{', '.join(NAMES)}, or a file: tokenizer.json, or a SentencePiece .model"
    raise UsageError(f"unknown tokenizer {spec!r}; expected {expected}{hint}")


def tokenizer_from_config(config: Json, payloads: Mapping[str, bytes]) -> Tokenizer:
    """The tokenizer of a stored ``config`` and its payloads. Raises UsageError for anything else."""
    name = config.get("name") if isinstance(config, dict) and set(config) == {"name"} else None
    if name == "whitespace":
        return WhitespaceTokenizer()
    if name == "word":
        from nextword.text.words import WordTokenizer

        return WordTokenizer()
    if name in ("char", "byte"):
        from nextword.text.spelling import ByteTokenizer, CharTokenizer

        return CharTokenizer() if name == "char" else ByteTokenizer()
    if name in ("bpe", "file", "pretrained"):
        from nextword.text.bpe import PAYLOAD, PieceTokenizer

        if PAYLOAD not in payloads:
            raise UsageError(f"the tokenizer's {PAYLOAD} is missing; copy or train the model again")
        return PieceTokenizer(payloads[PAYLOAD], name=name)
    if name == "sentencepiece":
        from nextword.text import sentencepiece

        if sentencepiece.PAYLOAD not in payloads:
            raise UsageError(f"the tokenizer's {sentencepiece.PAYLOAD} is missing; copy or train the model again")
        return sentencepiece.SentencePieceTokenizer(payloads[sentencepiece.PAYLOAD])
    known = ", ".join((*NAMES, "file", "sentencepiece"))
    raise UsageError(f"a tokenizer is stored as one of the names {known}; not as {config}")


def one_line(text: str) -> str:
    """``text`` if it is one line of Unicode text, else TextError."""
    if "\n" in text:
        raise TextError(f"expected one line of text, got {_excerpt(text)}; split it at its newlines first")
    if not text.isascii():
        utf8(text, _excerpt(text))
    return text


def _excerpt(text: str) -> str:
    return repr(text if len(text) <= 40 else text[:40] + "…")
