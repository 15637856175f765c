"""Text spelt out: every character a token, or every byte.

What would not survive between spaces is written otherwise. Among characters a space is ``▁`` and a ``▁`` is ``▁▁``;
among bytes each has one printable character, those of GPT-2 (Radford et al. 2019), where a space is ``Ġ``.
"""

from collections.abc import Sequence

import numpy as np
from numba import njit

from nextword.text.tokenize import DELIMITERS, Tokenizer, one_line
from nextword.types import Array, Bytes

_MARK = "▁"
_ESCAPES = {" ": _MARK, _MARK: _MARK * 2, "\t": _MARK + "t", "\r": _MARK + "r", "\0": _MARK + "0"}
_BLANKS = frozenset(DELIMITERS)
_UNESCAPES = {token: character for character, token in _ESCAPES.items()}
# UTF-8 has no byte 0xff, so it can stand for the one character of several bytes that is written otherwise.
_STAND_IN = 0xFF
_NEWLINE = 0x0A


def byte_alphabet() -> list[str]:
    """GPT-2's character for each byte: itself if it is printable in Latin-1, else one from U+0100 on."""
    printable = {*range(0x21, 0x7F), *range(0xA1, 0xAD), *range(0xAE, 0x100)}
    others = iter(range(0x100, 0x200))
    return [chr(byte if byte in printable else next(others)) for byte in range(256)]


_ALPHABET = byte_alphabet()
_BYTES = {character: byte for byte, character in enumerate(_ALPHABET)}


class CharTokenizer(Tokenizer):
    """Every character (Unicode code point) is a token.

    >>> CharTokenizer().tokens("to be")
    ['t', 'o', '▁', 'b', 'e']
    """

    name = "char"

    def canonical(self, text: bytes) -> bytes:
        """The same lines with a space between characters; bytes must be UTF-8."""
        return _spell(text.replace(_MARK.encode(), bytes([_STAND_IN])), *_CHARACTERS)

    def tokens(self, text: str) -> list[str]:
        """The characters of one line."""
        return [_ESCAPES.get(character, character) for character in one_line(text)]

    def detokenize(self, tokens: Sequence[str]) -> str:
        """The line that has these characters, exactly."""
        return "".join([_UNESCAPES.get(token, token) for token in tokens])

    def begins_word(self, token: str) -> bool:
        """Whether the character is a blank."""
        return _UNESCAPES.get(token, token) in _BLANKS


class ByteTokenizer(Tokenizer):
    """Every byte of UTF-8 is a token, so that none is ever out of vocabulary.

    >>> ByteTokenizer().tokens("né e")
    ['n', 'Ã', '©', 'Ġ', 'e']
    """

    name = "byte"

    def canonical(self, text: bytes) -> bytes:
        """The same lines with a space between the characters of bytes."""
        return _spell(text, *_BYTE_CHARACTERS)

    def tokens(self, text: str) -> list[str]:
        """The bytes of one line."""
        return [_ALPHABET[byte] for byte in one_line(text).encode()]

    def detokenize(self, tokens: Sequence[str]) -> str:
        """The line that has these bytes, exactly; bytes that are not UTF-8 become U+FFFD."""
        spelt = (bytes([_BYTES[token]]) if token in _BYTES else token.encode() for token in tokens)
        return b"".join(spelt).decode(errors="replace")

    def begins_word(self, token: str) -> bool:
        """Whether the byte is a blank."""
        return chr(_BYTES.get(token, 0xFF)) in _BLANKS


def _table(spellings: list[bytes]) -> tuple[Bytes, Array]:
    """What each byte becomes, (256, longest) uint8 and (256,) lengths, for ``_spell_out``."""
    lengths = np.array([len(spelling) for spelling in spellings], dtype=np.int64)
    table = np.zeros((256, lengths.max()), dtype=np.uint8)
    for byte, spelling in enumerate(spellings):
        table[byte, : len(spelling)] = list(spelling)
    return table, lengths


def _character_spellings() -> list[bytes]:
    """A space and the byte that begins a character; the bytes inside one, and newlines, as they are."""
    begins = [bytes([byte]) if 0x80 <= byte < 0xC0 else bytes([0x20, byte]) for byte in range(256)]
    for character, token in _ESCAPES.items():
        begins[_STAND_IN if character == _MARK else ord(character)] = b" " + token.encode()
    begins[_NEWLINE] = b"\n"
    return begins


_CHARACTERS = _table(_character_spellings())
_BYTE_CHARACTERS = _table([b"\n" if b == _NEWLINE else b" " + _ALPHABET[b].encode() for b in range(256)])


def _spell(text: bytes, table: Bytes, lengths: Array) -> bytes:
    out = np.empty(len(text) * table.shape[1], dtype=np.uint8)  # memory that is never written to is never taken
    written = _spell_out(np.frombuffer(text, dtype=np.uint8), table, lengths, out)
    return out[:written].tobytes()


@njit(cache=True, nogil=True)
def _spell_out(text: Bytes, table: Bytes, lengths: Array, out: Bytes) -> int:
    """Write each byte's spelling to ``out``, but no space at the start of a line; returns the bytes written."""
    n = 0
    start = True
    for byte in text:
        for j in range(1 if start and byte != _NEWLINE else 0, lengths[byte]):
            out[n] = table[byte, j]
            n += 1
        start = byte == _NEWLINE
    return n
