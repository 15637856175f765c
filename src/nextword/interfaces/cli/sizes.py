"""Sizes as people write them."""

import re

_SIZE = re.compile(r"(\d+(?:\.\d+)?)\s*([kmgt]?)(?:i?b)?", re.IGNORECASE)


def parse_size(text: str, option: str) -> int:
    """Bytes of a size such as 800000, 512K, 50M or 1.5G; K, M, G and T are powers of 1024, as in lmplz's ``-S``.

    >>> parse_size("1.5K", "--target-size")
    1536

    Raises UsageError, naming the option, for anything else.
    """
    from nextword.errors import UsageError

    match = _SIZE.fullmatch(text.strip())
    if match is None:
        raise UsageError(f"{option} {text!r}: expected a number of bytes, such as 800000, 512K, 50M or 1.5G")
    return int(float(match[1]) * 1024 ** " kmgt".index(match[2].lower() or " "))
