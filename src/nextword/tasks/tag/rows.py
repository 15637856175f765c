"""Sentences and tags as users give them: lists of lists of strings, and whether they fit together."""

import hashlib
from collections.abc import Sequence
from typing import TypeAlias

from nextword.errors import TrainingError, UsageError

TagRows: TypeAlias = Sequence[Sequence[str]]  # a list of tokens, or of tags, a sentence


def full(X: TagRows, y: TagRows, name: str) -> tuple[list[Sequence[str]], list[Sequence[str]]]:
    """The sentences that have tokens, and their tags. Raises UsageError, or TrainingError if there is none."""
    check_rows(X, y, name)
    pairs = [(words, tags) for words, tags in zip(X, y, strict=True) if len(words)]
    if not pairs:
        raise TrainingError(f"the {name} text has no token; give sentences with their tags")
    return [words for words, _ in pairs], [tags for _, tags in pairs]


def check_rows(X: TagRows, y: TagRows, name: str) -> None:
    """Raise UsageError unless there is a tag for each token."""
    check_sentences(X)
    if len(X) != len(y):
        raise UsageError(f"the {name} text has {len(X)} sentences and tags of {len(y)}; give a list of tags for each")
    for i, (words, tags) in enumerate(zip(X, y, strict=True), start=1):
        if isinstance(tags, str) or len(words) != len(tags):
            raise UsageError(
                f"sentence {i} of the {name} text has {len(words)} tokens and {len(tags)} tags; give one a token"
            )


def check_sentences(X: TagRows) -> None:
    """Raise UsageError for a string where a list of tokens is expected."""
    for i, sentence in enumerate(X, start=1):
        if isinstance(sentence, str):
            raise UsageError(f"sentence {i} is the string {sentence[:40]!r}; give a list of its tokens")


def digest(rows: TagRows) -> str:
    """SHA-256 of tags, by which one knows the same ones again."""
    return hashlib.sha256("\n".join("\t".join(row) for row in rows).encode()).hexdigest()
