"""Patterns of a text as a number per token, which hidden units are compared with (Karpathy, Johnson and Li 2016).

A pattern is one of the names in ``NAMES``, text to look for (``the``, ``of the``, ``"he, she"``, with ``*`` and ``?``
for letters of a word), several of these with commas between them, or ``after(…)`` or ``last(…)`` of any of these. What
a token's number says is what a reader knows who has read that token, as a hidden state does; ``*`` and ``?`` look at
whole words, of which the first letters do not tell how they end.
"""

import unicodedata
from collections.abc import Callable, Sequence
from typing import NamedTuple

import numpy as np

from nextword.errors import UsageError
from nextword.tasks.explain.spelt import Spelt
from nextword.types import Float_T

LONGEST = 200  # characters of a pattern
_DEPTH = 4  # of after(last(…))
_OPEN, _CLOSE = "“«„", "”»"
_OPENING, _CLOSING = "([{", ")]}"


class Pattern(NamedTuple):
    """A pattern's number at each token, (T,) float64, and what it says in words."""

    signal: Float_T
    meaning: str


def find_pattern(pattern: str, text: Spelt) -> Pattern:
    """The pattern in a text. Takes time in proportion to both lengths, whatever is typed. Raises UsageError."""
    if len(pattern) > LONGEST:
        raise UsageError(f"a pattern of {len(pattern):,} characters: expected {LONGEST} or fewer")
    if not pattern.strip():
        raise UsageError(f"the pattern is empty; expected text to look for, or one of: {', '.join(NAMES)}")
    return _find(pattern.strip(), text, _DEPTH)


def _find(pattern: str, text: Spelt, depth: int) -> Pattern:
    for name, of in _FUNCTIONS.items():
        if pattern.startswith(f"{name}(") and pattern.endswith(")"):
            inner = pattern[len(name) + 1 : -1].strip()
            if not inner:
                raise UsageError(f"{pattern}: expected a pattern between the parentheses, such as {name}(capital)")
            if not depth:
                raise UsageError(f"{name}(…) inside {_DEPTH} others; expected no more than that")
            return of(_find(inner, text, depth - 1).signal, inner)
    if pattern in _NAMED:
        return _NAMED[pattern](text)
    parts = [part.strip() for part in pattern.split(",") if part.strip()] or [pattern]
    if len(parts) == 1:
        return _literal(parts[0], text)
    found = [_NAMED[part](text) if part in _NAMED else _literal(part, text) for part in parts]
    signal = np.maximum.reduce([one.signal for one in found])
    return Pattern(signal, "; or ".join(one.meaning for one in found))


def _quotes(text: Spelt) -> Pattern:
    """Straight quotes open and close in turn; a line's end closes all, so that one that is lost does no more harm."""
    inside = np.zeros(len(text.texts))
    is_open = False
    for t, token in enumerate(text.texts):
        if token in ("``", "''"):
            is_open = token == "``"
        for letter in token:
            if letter == '"':
                is_open = not is_open
            elif letter in _OPEN or letter in _CLOSE or letter == "\n":
                is_open = letter in _OPEN
        inside[t] = is_open
    return Pattern(inside, "1 inside quotation marks, 0 outside")


def _parentheses(text: Spelt) -> Pattern:
    depths, depth = np.zeros(len(text.texts)), 0
    for t, token in enumerate(text.texts):
        for letter in token:
            depth += (letter in _OPENING) - (letter in _CLOSING and depth > 0)
        depth = 0 if token == "\n" else depth
        depths[t] = depth
    return Pattern(depths, "how many parentheses, brackets and braces are open")


def _since(starts: Sequence[bool]) -> Float_T:
    """Tokens since the last start, 0 at one; before the first, since the beginning."""
    places = np.arange(len(starts))
    return (places - np.maximum.accumulate(np.where(starts, places, 0))).astype(np.float64)


def _line_position(text: Spelt) -> Pattern:
    starts = [t == 0 or text.texts[t - 1] == "\n" for t in range(len(text.texts))]
    return Pattern(_since(starts), "tokens since the beginning of the line")


def _word_position(text: Spelt) -> Pattern:
    return Pattern(_since(text.begins), "tokens since the beginning of the word")


def _first_letters(text: Spelt) -> list[str]:
    """At each token the first letter of the word that it is in, empty where none has come yet."""
    found, first = [], ""
    for token, begins in zip(text.texts, text.begins, strict=True):
        first = "" if begins else first
        first = first or token.strip()[:1]
        found.append(first)
    return found


def _capitalised(text: Spelt) -> Pattern:
    signal = np.array([letter.isupper() for letter in _first_letters(text)], dtype=np.float64)
    return Pattern(signal, "1 in a word that begins with a capital, 0 elsewhere")


def _each(test: Callable[[str], bool], meaning: str) -> Callable[[Spelt], Pattern]:
    """A pattern that looks at one token alone."""

    def found(text: Spelt) -> Pattern:
        return Pattern(np.array([test(token) for token in text.texts], dtype=np.float64), meaning)

    return found


def _is_punctuation(token: str) -> bool:
    shown = token.strip()
    return bool(shown) and all(unicodedata.category(letter)[0] == "P" for letter in shown)


_NAMED: dict[str, Callable[[Spelt], Pattern]] = {
    "quotes": _quotes,
    "parentheses": _parentheses,
    "line position": _line_position,
    "word position": _word_position,
    "capital": _each(lambda token: token.strip()[:1].isupper(), "1 at a token that begins with a capital, 0 elsewhere"),
    "capitalised": _capitalised,
    "digit": _each(lambda token: any(map(str.isdigit, token)), "1 at a token with a digit, 0 elsewhere"),
    "punctuation": _each(_is_punctuation, "1 at a punctuation mark, 0 elsewhere"),
    "vowel": _each(lambda token: token.strip()[:1].lower() in tuple("aeiou"), "1 at a vowel, 0 elsewhere"),
    "blank": _each(lambda token: bool(token) and not token.strip(), "1 at a blank or a line's end, 0 elsewhere"),
}
NAMES = tuple(_NAMED)


def _after(signal: Float_T, pattern: str) -> Pattern:
    return Pattern(np.concatenate([[0.0], signal[:-1]]), f"what “{pattern}” was one token before")


def _last(signal: Float_T, pattern: str) -> Pattern:
    return Pattern(_since((signal > 0).tolist()), f"tokens since the last “{pattern}”")


_FUNCTIONS: dict[str, Callable[[Float_T, str], Pattern]] = {"after": _after, "last": _last}


def _literal(wanted: str, text: Spelt) -> Pattern:
    """Text to look for, as it is spelt: whole words of a model of words, any letters of other models."""
    if len(wanted) > 1 and wanted[0] == wanted[-1] == '"':
        wanted = wanted[1:-1]
    if "*" in wanted or "?" in wanted:
        return Pattern(_matching_words(wanted, text), f"1 in a word that is {wanted}, 0 elsewhere")
    if text.whole:
        return Pattern(_phrase(wanted.split(" "), text.texts), f"1 at the end of “{wanted}”, 0 elsewhere")
    return Pattern(_substring(wanted, text.texts), f"1 at the end of “{wanted}”, 0 elsewhere")


def _phrase(words: list[str], texts: list[str]) -> Float_T:
    """1 at the last word of each place where these words stand side by side."""
    size = len(words)
    found = [t + 1 >= size and texts[t + 1 - size : t + 1] == words for t in range(len(texts))]
    return np.array(found, dtype=np.float64)


def _substring(wanted: str, texts: list[str]) -> Float_T:
    """1 at each token with which an occurrence of ``wanted`` has come to its end."""
    signal, written = np.zeros(len(texts)), "".join(texts)
    owner = np.repeat(np.arange(len(texts)), [len(token) for token in texts])
    at = written.find(wanted) if wanted else -1
    while at >= 0:
        signal[owner[at + len(wanted) - 1]] = 1
        at = written.find(wanted, at + 1)
    return signal


def _matching_words(wanted: str, text: Spelt) -> Float_T:
    """1 at every token of a word that matches; blanks that begin a word are no part of it."""
    signal = np.zeros(len(text.texts))
    starts = [*np.flatnonzero(text.begins).tolist(), len(text.texts)]
    for begin, end in zip(starts, starts[1:], strict=False):
        if matches(wanted, "".join(text.texts[begin:end]).strip()):
            signal[begin:end] = [bool(token.strip()) for token in text.texts[begin:end]]
    return signal


def matches(wanted: str, word: str) -> bool:
    """Whether a word is what ``*`` (any letters) and ``?`` (one letter) describe, in time len(wanted) · len(word).

    Only the last ``*`` is ever tried again: what an earlier one has matched need not change.

    >>> matches("un*ing", "understanding"), matches("c?t", "coat")
    (True, False)
    """
    i = j = again = 0
    star = -1
    while j < len(word):
        if i < len(wanted) and wanted[i] == "*":
            star, again, i = i, j, i + 1
        elif i < len(wanted) and wanted[i] in ("?", word[j]):
            i, j = i + 1, j + 1
        elif star >= 0:
            again += 1
            i, j = star + 1, again
        else:
            return False
    return not wanted[i:].strip("*")
