"""What is said of a line that is no n-gram."""

import re

from nextword.ngram.arpa import lines, parsing
from nextword.ngram.arpa.lines import excerpt

_FIELD = re.compile(rb"[^\0\t\n\r ]+")
_NUMBER = re.compile(rb"[-+]?(\d+\.?\d*|\.\d+)([eE][-+]?\d+)?")


def syntax_fault(text: bytes, status: int, at: int, order: int) -> str:
    """What is wrong with the field of an n-gram's line at ``text[at]``, where ``parse`` stopped with ``status``."""
    rest, words = _fields(text, at)
    field = excerpt(rest[0] if rest else b"")
    return {
        parsing.BAD_PROBABILITY: f"{field} is no log10 probability; expected a number up to 0, -99 for log 0",
        parsing.POSITIVE_PROBABILITY: f"the log10 probability {field} is above 0; expected 0 at most: write 0, or "
        "estimate the model again",
        parsing.TOO_FEW_WORDS: _too_few_words(len(words), order),
        parsing.BAD_BACKOFF: f"expected a finite back-off weight or the line's end after {_words(order)}, "
        f"found {field}; correct the line",
        parsing.INFINITE_BACKOFF: f"the log10 back-off weight {field} is infinite; expected a number below 99",
        parsing.TOP_BACKOFF: f"the back-off weight {field} in the highest order, which has none; "
        "is an order missing from the header?",
        parsing.TRAILING_FIELD: f"expected the line's end after the back-off weight, found {field}; remove it",
        parsing.LONG_LINE: lines.LONG_LINE,
    }[status]


def unknown_word(text: bytes, at: int, order: int) -> str:
    """What to say of a word at ``text[at]`` that is not among the 1-grams: it may be a back-off weight."""
    rest, words = _fields(text, at)
    if len(rest) == 1 and len(words) == order and _NUMBER.fullmatch(rest[0]):
        return _too_few_words(order - 1, order)
    return f"the word {excerpt(rest[0])} is not among the 1-grams; add it there, or remove this line"


def _fields(text: bytes, at: int) -> tuple[list[bytes], list[bytes]]:
    """The fields of a line from position ``at`` on, and those after its first."""
    end = text.find(b"\n", at)
    return _FIELD.findall(text[at:end]), _FIELD.findall(text[text.rfind(b"\n", 0, at) + 1 : end])[1:]


def _words(order: int) -> str:
    return f"{order} word" + "s" * (order > 1)


def _too_few_words(found: int, order: int) -> str:
    return f"expected {_words(order)} after the probability, found {found}; is the line in the wrong section?"
