"""Texts at which a generated text ends: found across tokens, and never shown in part."""

from collections.abc import Sequence


class Stops:
    """Watches a text that grows. Texts to stop at are not empty."""

    def __init__(self, texts: Sequence[str]):
        self._texts = list(texts)
        self._longest = max(map(len, self._texts), default=0)

    def __bool__(self) -> bool:
        return bool(self._texts)

    def find(self, text: str, start: int) -> int | None:
        """Where the first of the texts begins in ``text``, if any ends after ``start``, up to which it was searched."""
        places = [text.find(one, max(0, start - len(one) + 1)) for one in self._texts]
        return min((place for place in places if place >= 0), default=None)

    def held(self, text: str) -> int:
        """How many characters at the end of ``text`` may yet turn out to be the beginning of a text to stop at."""
        for size in range(min(self._longest - 1, len(text)), 0, -1):
            if any(size < len(one) and text.endswith(one[:size]) for one in self._texts):
                return size
        return 0
