"""Decompression of a stream of chunks: gzip (RFC 1952) and Zstandard (RFC 8878), of one member or many."""

import zlib
from collections.abc import Callable, Iterable, Iterator
from typing import Any, NamedTuple, Protocol

# A few bytes can stand for very many (4 for 128 KiB in Zstandard), so little is fed at a time.
_FEED = 4096


class DamagedError(Exception):
    """Compressed data that cannot be read on; the message says why and what to do, but not where."""


class _Member(Protocol):
    """One gzip member or Zstandard frame, as zlib and zstandard both show it."""

    eof: bool
    unused_data: bytes

    def decompress(self, data: bytes, /) -> bytes: ...


class _Format(NamedTuple):
    name: str
    member: Callable[[], Any]
    error: type[Exception]
    test: str


def is_compressed(suffix: str) -> bool:
    """Whether ``decompress`` knows files of this suffix."""
    return suffix in (".gz", ".zst")


def decompress(chunks: Iterable[bytes], suffix: str, size: int) -> Iterator[bytes]:
    """The text of compressed ``chunks``, in chunks of about ``size`` bytes.

    Raises DamagedError after the last bytes that could be read.
    """
    pieces, held = list[bytes](), 0
    try:
        for piece in _members(chunks, _format(suffix)):
            pieces.append(piece)
            held += len(piece)
            if held >= size:
                yield b"".join(pieces)
                pieces, held = [], 0
    except DamagedError:
        yield b"".join(pieces)
        raise
    yield b"".join(pieces)


def _members(chunks: Iterable[bytes], form: _Format) -> Iterator[bytes]:
    """Decompressed pieces, however long, of one member after another; zero bytes may pad them."""
    member: _Member | None = None
    for data in _feeds(chunks):
        while data:
            if member is None and not (data := data.lstrip(b"\0")):
                break
            member = member or form.member()
            try:
                yield member.decompress(data)
            except form.error as error:
                raise DamagedError(f"the {form.name} data after here are damaged ({error}); {_remedy(form)}") from error
            data, member = (member.unused_data, None) if member.eof else (b"", member)
    if member is not None:
        raise DamagedError(f"the {form.name} data end too early; {_remedy(form)}")


def _feeds(chunks: Iterable[bytes]) -> Iterator[bytes]:
    for chunk in chunks:
        for start in range(0, len(chunk), _FEED):
            yield chunk[start : start + _FEED]


def _remedy(form: _Format) -> str:
    return f"copy the file again, and test it with {form.test}"


def _format(suffix: str) -> _Format:
    if suffix == ".gz":
        return _Format("gzip", lambda: zlib.decompressobj(wbits=31), zlib.error, "gzip -t")
    import zstandard

    return _Format("zstd", zstandard.ZstdDecompressor().decompressobj, zstandard.ZstdError, "zstd -t")
