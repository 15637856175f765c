"""What goes in and out of a model: states, full scores, options."""

from typing import Any


class State:
    """The words that a model conditions on, and their back-off weights; a new one has read nothing.

    Only models write to it. Copies and pickles are cheap: it holds one immutable ``bytes``, the words' ids (uint32, the
    latest first) and then the weights (float32). Comparisons and the hash go by the words, as KenLM's do: by their
    number, then by their bytes.
    """

    __slots__ = ("_packed",)

    def __init__(self) -> None:
        self._packed = b""

    def _words(self) -> bytes:
        return self._packed[: len(self._packed) >> 1]

    def __eq__(self, other: object) -> bool:
        if not isinstance(other, State):
            return NotImplemented
        mine, yours = self._packed, other._packed
        return mine == yours or (len(mine) == len(yours) and self._words() == other._words())

    def __lt__(self, other: "State") -> bool:
        return self._order() < other._order() if isinstance(other, State) else NotImplemented

    def __le__(self, other: "State") -> bool:
        return self._order() <= other._order() if isinstance(other, State) else NotImplemented

    def __gt__(self, other: "State") -> bool:
        return self._order() > other._order() if isinstance(other, State) else NotImplemented

    def __ge__(self, other: "State") -> bool:
        return self._order() >= other._order() if isinstance(other, State) else NotImplemented

    def _order(self) -> tuple[int, bytes]:
        return len(self._packed), self._words()

    def __hash__(self) -> int:
        return hash(self._packed[: len(self._packed) >> 1])

    def __copy__(self) -> "State":
        copied = State()
        copied._packed = self._packed
        return copied

    def __deepcopy__(self, memo: Any = None) -> "State":
        return self.__copy__()


class FullScoreReturn:
    """A word's score. log_prob: log10. ngram_length: words of the longest n-gram found. oov: the word is unknown."""

    __slots__ = ("_log_prob", "_ngram_length", "_oov")

    def __init__(self, log_prob: float, ngram_length: int, oov: bool):
        self._log_prob, self._ngram_length, self._oov = log_prob, ngram_length, oov

    @property
    def log_prob(self) -> float:
        """log10 of the word's probability."""
        return self._log_prob

    @property
    def ngram_length(self) -> int:
        """Words of the longest n-gram found."""
        return self._ngram_length

    @property
    def oov(self) -> bool:
        """Whether the word is unknown."""
        return self._oov

    def __repr__(self) -> str:
        return f"{type(self).__name__}({self._log_prob!r}, {self._ngram_length!r}, {self._oov!r})"


class LoadMethod:
    """How a KenLM binary file is brought into memory: mapped as it is read, mapped and read ahead, or copied."""

    LAZY = 0
    POPULATE_OR_LAZY = 1
    POPULATE_OR_READ = 2
    READ = 3
    PARALLEL_READ = 4


class ARPALoadComplain:
    """What KenLM says about slow ARPA files; nothing is ever said here."""

    ALL = 0
    EXPENSIVE = 1
    NONE = 2


class Config:
    """Options of ``Model``, with KenLM's defaults."""

    __slots__ = ("arpa_complain", "load_method", "show_progress")

    def __init__(self) -> None:
        self.load_method = LoadMethod.POPULATE_OR_READ
        self.show_progress = True
        self.arpa_complain = ARPALoadComplain.ALL
