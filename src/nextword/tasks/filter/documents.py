"""Texts of many documents end to end, as lines that a model reads in one call."""

from collections.abc import Sequence
from typing import NamedTuple

import numpy as np

from nextword.text.pipeline import Pipeline
from nextword.types import Array


class Documents(NamedTuple):
    r"""text: UTF-8, the documents' lines one after another, each ended by a newline. lines, sizes: (D,) those of each.

    As in cc_net a text is split at its newlines, so one that ends in a newline has an empty last line, and one without
    any character has no lines. sizes are in bytes, newlines included.
    """

    text: bytes
    lines: Array
    sizes: Array

    @classmethod
    def from_texts(cls, texts: Sequence[bytes], joint: bytes | None = None) -> "Documents":
        r"""The documents with these texts, in UTF-8; joint: what is read in place of each newline, see ``joint``.

        >>> documents = Documents.from_texts([b"a b", b"", b"c\nd\n"])
        >>> documents.text, documents.lines.tolist(), documents.sizes.tolist()
        (b'a b\nc\nd\n\n', [1, 0, 3], [4, 0, 5])
        """
        if joint is not None:
            texts = [text.replace(b"\n", joint) for text in texts]
        ended = [text + b"\n" if text else b"" for text in texts]
        lines = [text.count(b"\n") for text in ended]
        sizes = [len(text) for text in ended]
        return cls(b"".join(ended), np.array(lines, dtype=np.int64), np.array(sizes, dtype=np.int64))


def encoded(text: str) -> bytes:
    """``text`` in UTF-8, each half of a surrogate pair, which is no character, as U+FFFD."""
    try:
        return text.encode()
    except UnicodeEncodeError:
        return text.encode("utf-16", "surrogatepass").decode("utf-16", "replace").encode()


def joint(pipeline: Pipeline, *, join_lines: bool) -> bytes | None:
    """What stands for a newline within a document: a blank if lines are joined, otherwise None, the newline itself.

    cc_net, datatrove and NeMo-Curator normalise a whole document, and their normalisation deletes newlines with all
    control characters. So for the form "ccnet" it is a carriage return, which it deletes likewise.
    """
    if not join_lines:
        return None
    return b"\r" if pipeline.normalizer.form == "ccnet" else b" "
