"""Sizes as people write them."""

import re

from nextword.errors import UsageError

_SIZE = re.compile(r"(\d+(?:\.\d+)?)\s*([kmgt]?)(?:i?b)?", re.IGNORECASE)


def parse_size(size: str | int, name: str = "memory") -> int:
    """Bytes of a size such as 800000, 512K, 50M or 1.5G; K, M, G and T are powers of 1024, as in lmplz's ``-S``.

    >>> parse_size("1.5K"), parse_size(4096)
    (1536, 4096)

    Raises UsageError, which begins with ``name``, for anything else.
    """
    match = _SIZE.fullmatch(str(size).strip())
    if match is None:
        raise UsageError(f"{name} {size!r}: expected a number of bytes, such as 800000, 512K, 50M or 1.5G")
    return int(float(match[1]) * 1024 ** " kmgt".index(match[2].lower() or " "))


def shown(size: int) -> str:
    """A size as ``parse_size`` reads it, rounded up.

    >>> shown(400 << 20), shown((2 << 30) + 1), shown(12)
    ('400M', '2.1G', '1M')
    """
    if size > 1 << 30:
        return f"{-(-size * 10 // (1 << 30)) / 10:g}G"
    return f"{max(1, -(-size // (1 << 20)))}M"
