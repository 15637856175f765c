"""Pieces of words by a SentencePiece model (Kudo & Richardson 2018), such as those that filter models come with.

The ``sentencepiece`` library splits the text; its model is stored beside ours.
"""

from collections.abc import Sequence
from importlib import import_module
from pathlib import Path
from typing import Any

from nextword.errors import UsageError
from nextword.text.tokenize import DELIMITERS, Tokenizer, one_line

PAYLOAD = "sentencepiece.model"
NAME = "sentencepiece"
SUFFIX = ".model"
_BLANK = "\u2581"  # how the library writes a space
_PICTURES = "␀␉␊␍␠"
_VISIBLE = str.maketrans(DELIMITERS, _PICTURES)
_HIDDEN = str.maketrans(_PICTURES, DELIMITERS)
_LINES_AT_ONCE = 10_000


class SentencePieceTokenizer(Tokenizer):
    """Tokens are the pieces that the library gives for a line, unknown characters as they are written.

    Its model normalises the line first, as it was trained to.
    """

    name = NAME

    def __init__(self, data: bytes):
        """data: a SentencePiece model. Raises UsageError if it is none, and where the library is missing."""
        self._data = data
        try:
            library = import_module("sentencepiece")
        except ImportError:
            raise UsageError(
                "a SentencePiece tokenizer needs sentencepiece; install it with: pip install 'nextword[pretrained]'"
            ) from None
        try:
            self._processor: Any = library.SentencePieceProcessor(model_proto=data)
            pieces = self._processor.get_piece_size() if data else 0
        except Exception as error:  # the library raises no narrower class
            raise UsageError(f"this is no SentencePiece model that the library can read ({error})") from error
        if not pieces:
            raise UsageError("this is no SentencePiece model that the library can read (it has no pieces)")

    def __reduce__(self) -> tuple[object, ...]:
        return SentencePieceTokenizer, (self._data,)

    @classmethod
    def from_file(cls, path: Path) -> "SentencePieceTokenizer":
        """The tokenizer in a file. Raises UsageError if it is none, or cannot be read."""
        try:
            data = path.read_bytes()
        except OSError as error:
            raise UsageError(f"{path}: cannot be read ({error.strerror}); check the file and its rights") from error
        try:
            return cls(data)
        except UsageError as error:
            raise UsageError(f"{path}: {error}") from error

    def canonical(self, text: bytes) -> bytes:
        """The same lines with a space between pieces."""
        lines = text.decode().split("\n")
        parts: list[str] = []
        for start in range(0, len(lines), _LINES_AT_ONCE):
            some = self._processor.encode(lines[start : start + _LINES_AT_ONCE], out_type=str)
            parts += [" ".join(pieces) for pieces in some]
        spaced = "\n".join(parts)
        return (spaced if _clean(spaced, text) else "\n".join(map(self._spaced, lines))).encode()

    def tokens(self, text: str) -> list[str]:
        """The pieces of one line."""
        return [piece.translate(_VISIBLE) for piece in self._processor.encode(one_line(text), out_type=str) if piece]

    def detokenize(self, tokens: Sequence[str]) -> str:
        """The line, normalised, that the pieces spell."""
        return str(self._processor.decode([token.translate(_HIDDEN) for token in tokens]))

    def begins_word(self, token: str) -> bool:
        """Whether the piece begins with a blank."""
        return token.startswith(_BLANK)

    def payloads(self) -> dict[str, bytes]:
        """The SentencePiece model, byte for byte."""
        return {PAYLOAD: self._data}

    def _spaced(self, line: str) -> str:
        return " ".join(self.tokens(line))


def _clean(spaced: str, text: bytes) -> bool:
    """Whether no piece holds one of KenLM's delimiters, which only a model that keeps control characters gives."""
    return not any(mark in spaced for mark in "\0\t\r") and spaced.count("\n") == text.count(b"\n")
