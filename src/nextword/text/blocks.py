"""Blocks of whole lines, cut from a stream of bytes, and the checks that make them text."""

from collections.abc import Iterable, Iterator, Sequence
from typing import NamedTuple

from nextword.errors import TextError
from nextword.text.decompress import DamagedError

_BOM = b"\xef\xbb\xbf"


class Block(NamedTuple):
    """Whole lines of a corpus and where they stand.

    text: UTF-8, and every line ends in a newline. line: number of the first line in its file, from 1. numbers: for
    JSON Lines, where a record gives any number of lines of text, the number of each line's record; otherwise empty.
    unended: the last line had no newline in its file.
    """

    text: bytes
    path: str
    line: int
    numbers: Sequence[int] = ()
    unended: bool = False

    def where(self, index: int) -> str:
        """``file:line`` of the block's line ``index``, from 0: what an error message about it begins with."""
        return f"{self.path}:{self.numbers[index] if self.numbers else self.line + index}"


def cut(chunks: Iterable[bytes], path: str, max_line: int, *, line: int = 1) -> Iterator[Block]:
    """Blocks of whole lines from chunks that are cut anywhere; a missing last newline is added.

    line: number of the first; a byte order mark before line 1 is left out.
    Every chunk gives at most one block, so a line as long as many chunks is copied once. Raises TextError for a line of
    more than ``max_line`` bytes that does not lie within one chunk, and for bytes that cannot be read.
    """
    pending, held = list[bytes](), 0  # pending: the beginning, of ``held`` bytes, of a line that goes on
    try:
        for chunk in without_bom(chunks) if line == 1 else chunks:
            first = chunk.find(b"\n")
            if held + (first if first >= 0 else len(chunk)) > max_line:
                raise TextError(f"{path}:{line}: the line is longer than {max_line:,} bytes; give one sentence a line")
            if first >= 0:
                end = chunk.rfind(b"\n") + 1
                text = b"".join([*pending, memoryview(chunk)[:end]])
                yield Block(text, path, line)
                line += text.count(b"\n")
                chunk, pending, held = chunk[end:], [], 0
            pending.append(chunk)
            held += len(chunk)
    except DamagedError as error:
        raise TextError(f"{path}:{line}: {error}") from error
    except OSError as error:
        raise TextError(f"{path}:{line}: cannot be read ({error.strerror}); check the file and its rights") from error
    if held:
        yield Block(b"".join([*pending, b"\n"]), path, line, unended=True)


def without_bom(chunks: Iterable[bytes]) -> Iterator[bytes]:
    """The same bytes without the UTF-8 byte order mark that some editors put first."""
    head: bytes | None = b""
    for chunk in chunks:
        if head is None:
            yield chunk
        elif len(head := head + chunk) >= len(_BOM):
            yield head.removeprefix(_BOM)
            head = None
    if head:
        yield head


def checked(blocks: Iterable[Block]) -> Iterator[Block]:
    """The same blocks. Raises TextError, naming line and byte, at the first that is not UTF-8."""
    for block in blocks:
        offset = invalid_offset(block.text)
        if offset >= 0:
            where = block.where(block.text.count(b"\n", 0, offset))
            byte = offset - block.text.rfind(b"\n", 0, offset)
            raise TextError(
                f"{where}: byte {byte} of the line (0x{block.text[offset]:02x}) is not UTF-8; convert the text "
                "from its encoding, for example: iconv -f LATIN1 -t UTF-8 IN > OUT"
            )
        yield block


def invalid_offset(text: bytes) -> int:
    """Offset of the first byte that is not UTF-8, or -1. ASCII alone does not even load the compiled check."""
    if text.isascii():
        return -1
    import numpy as np

    from nextword.text.encode import invalid_utf8

    return int(invalid_utf8(np.frombuffer(text, dtype=np.uint8)))


def utf8(text: str, where: str) -> bytes:
    """``text`` as UTF-8. Raises TextError, beginning with ``where``, for half of a surrogate pair."""
    try:
        return text.encode()
    except UnicodeEncodeError as error:
        code = ord(text[error.start])
        raise TextError(f"{where}: U+{code:04X} is half of a surrogate pair and no character; replace it") from error
