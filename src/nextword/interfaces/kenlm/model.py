"""``Model``: KenLM's class over our look-ups."""

import os
from collections.abc import Iterable, Iterator
from concurrent.futures import ThreadPoolExecutor
from typing import Any

import numpy as np

from nextword.errors import NextwordError
from nextword.interfaces.kenlm import kernels
from nextword.interfaces.kenlm.compiled import Calls, common_calls, many_call
from nextword.interfaces.kenlm.lookups import STREAMED
from nextword.interfaces.kenlm.opening import Opened, open_model
from nextword.interfaces.kenlm.state import Config, FullScoreReturn, State
from nextword.interfaces.kenlm.streamed import streamed_calls
from nextword.ngram.history import HistoryModel
from nextword.ngram.kernels import LN10
from nextword.text.vocabulary import Vocabulary
from nextword.types import Array, Float_T, Float_V


class Model:
    """An n-gram model. Scores are log10; words are known by their UTF-8 bytes.

    path: bytes, absolute. Every method but those said to be "beyond KenLM" is as in kenlm 0.3.0.
    """

    __slots__ = ("_arrays", "_context", "_opened", "_room", "_score", "_start", "_step", "path")

    def __init__(self, path: str | bytes | os.PathLike[str], config: Config | None = None):
        """Open a directory of ours, an ARPA file or a KenLM binary file. Raises OSError, which says why not."""
        given = os.fspath(path)
        self.path = os.path.abspath(_bytes(given))  # noqa: PTH100  # bytes, as in kenlm
        try:
            self._opened = open_model(os.fsdecode(self.path), config or Config())
        except (NextwordError, OSError) as error:
            message = str(error).replace("\n", " ")
            raise OSError(f"Cannot read model '{given!s}' ({message})") from error
        self._arrays = _arrays(self._opened)
        self._step, self._score = _calls(self._opened, self._arrays)
        self._context = self._arrays["context"].ctypes.data
        self._room = 0
        weight = self._step(self._context, b"", b"<s>")[2][4:] or np.float32(0).tobytes()
        self._start = np.uint32(self._opened.bos).tobytes() + weight if self.order > 1 else b""

    @property
    def order(self) -> int:
        """Words of the longest n-grams."""
        return self._opened.order

    def score(self, sentence: str | bytes, bos: bool = True, eos: bool = True) -> float:
        """log10 probability of a text, as a sentence: after ``<s>``, with ``</s>`` at its end, unless told not to."""
        text = sentence if type(sentence) is bytes else _bytes(sentence)
        if b"\0" in text and bos and eos:
            text = text[: text.index(b"\0")]
        return self._score(self._context, text, bos, eos, False)

    def perplexity(self, sentence: str | bytes) -> float:
        """Perplexity of one sentence, ``</s>`` counted."""
        words = len(_bytes(sentence).split()) + 1
        return float(10.0 ** (-self.score(sentence) / words))

    def full_scores(
        self, sentence: str | bytes, bos: bool = True, eos: bool = True
    ) -> Iterator[tuple[float, int, bool]]:
        """For each word, and ``</s>``: log10 probability, words of the longest n-gram found, whether it is unknown."""
        text = _bytes(sentence)
        self._make_room(len(text) // 2 + 2)
        self._score(self._context, text, bos, eos, True)
        tokens = int(self._arrays["context"][kernels.TOKENS])
        probs, lengths = (self._arrays[name][:tokens].tolist() for name in ("probs", "lengths"))
        if eos:
            lengths[-1] = abs(lengths[-1])
        for prob, length in zip(probs, lengths, strict=True):
            yield prob, abs(length), length < 0

    def BeginSentenceWrite(self, state: State) -> None:  # noqa: N802  # KenLM's name
        """Make ``state`` that after ``<s>``."""
        state._packed = self._start

    def NullContextWrite(self, state: State) -> None:  # noqa: N802  # KenLM's name
        """Make ``state`` that of no context at all."""
        state._packed = b""

    def BaseScore(self, in_state: State, word: str, out_state: State) -> float:  # noqa: N802  # KenLM's name
        """log10 p(word | in_state); ``out_state`` becomes the state after it, and may be the same object."""
        try:
            prob, _, out_state._packed = self._step(self._context, in_state._packed, word.encode())
        except AttributeError:
            raise _wrong_type(in_state, word, out_state) from None
        return prob

    def BaseFullScore(self, in_state: State, word: str, out_state: State) -> FullScoreReturn:  # noqa: N802
        """``BaseScore`` with the length of the longest n-gram found, and whether the word is unknown."""
        try:
            prob, length, out_state._packed = self._step(self._context, in_state._packed, word.encode())
        except AttributeError:
            raise _wrong_type(in_state, word, out_state) from None
        return FullScoreReturn(prob, abs(length), length < 0)

    def scores(self, sentences: Iterable[str | bytes], *, threads: int = 1) -> Float_T:
        """``score`` of many sentences, (N,) float32, on several threads. Beyond KenLM."""
        texts = [_bytes(sentence).partition(b"\0")[0] for sentence in sentences]
        if threads <= 1 or self._opened.kind == STREAMED:
            return np.array([self.score(text) for text in texts], dtype=np.float32)
        ends = np.cumsum([0, *map(len, texts)], dtype=np.int64)
        joined, found = b"".join(texts), np.empty(len(texts), dtype=np.float32)
        call = many_call(self._opened.kind)

        def run(begin: int, end: int) -> None:
            arrays = _arrays(self._opened)  # each thread's own
            addresses = ends.ctypes.data + 8 * begin, end - begin, found.ctypes.data + 4 * begin
            call(arrays["context"].ctypes.data, joined, *addresses)

        cuts = np.linspace(0, len(texts), threads + 1).astype(int).tolist()
        with ThreadPoolExecutor(threads) as pool:
            list(pool.map(run, cuts[:-1], cuts[1:]))
        return found

    @property
    def vocabulary(self) -> Vocabulary:
        """The words, by id. Beyond KenLM. UsageError for a KenLM binary file that was built without them."""
        return self._opened.model.vocabulary

    def log_probs(self, state: State) -> Float_V:
        """log10 p(word | state) of every id, (V,) float32; -inf for ``<s>``, which is never predicted. Beyond KenLM."""
        found = np.empty(len(self.vocabulary), dtype=np.float32)
        model = self._opened.model
        if isinstance(model, HistoryModel):
            words = np.frombuffer(state._words(), dtype=np.uint32)[: self.order - 1]
            history = np.full((1, self.order - 1), -1, dtype=np.int32)
            history[0, len(history[0]) - len(words) :] = words[::-1]
            found[:] = model.log_probs(history)[0] / LN10
        else:
            found[:] = [self._step(self._context, state._packed, word)[0] for word in model.words]
            found[model.bos] = -np.inf
        return found

    def next(self, state: State, *, k: int = 10) -> list[tuple[str, float]]:
        """The ``k`` likeliest words after ``state``, with log10 probabilities, the likeliest first. Beyond KenLM."""
        log_probs = self.log_probs(state)
        best = np.argsort(-log_probs, kind="stable")[: max(k, 0)]
        return [(self.vocabulary.word(i), float(log_probs[i])) for i in best.tolist()]

    def __contains__(self, word: str | bytes) -> bool:
        return self._step(self._context, b"", _bytes(word))[1] > 0

    def __repr__(self) -> str:
        return f"<Model from {os.path.basename(self.path)!r}>"  # noqa: PTH119  # bytes, as in kenlm

    def __reduce__(self) -> tuple[Any, ...]:
        return (Model, (self.path,))

    def _make_room(self, tokens: int) -> None:
        """See that there is room for the scores of so many tokens."""
        if tokens > self._room:
            self._room = 2 * tokens
            self._arrays["probs"] = np.zeros(self._room, dtype=np.float32)
            self._arrays["lengths"] = np.zeros(self._room, dtype=np.int64)
            context = self._arrays["context"]
            context[kernels.PROBS] = self._arrays["probs"].ctypes.data
            context[kernels.LENGTHS] = self._arrays["lengths"].ctypes.data


class LanguageModel(Model):
    """Another name of ``Model``, from KenLM's past."""

    __slots__ = ()


def _bytes(given: str | bytes) -> bytes:
    """UTF-8. Raises TypeError with KenLM's words for anything but a string."""
    if isinstance(given, bytes):
        return given
    if isinstance(given, str):
        return given.encode()
    raise TypeError(f"Cannot convert {type(given)} to string")


def _wrong_type(in_state: Any, word: Any, out_state: Any) -> TypeError:
    """The first argument of the wrong type, in KenLM's words."""
    expected = [("in_state", in_state, State), ("word", word, str), ("out_state", out_state, State)]
    for name, given, kind in expected:
        if not isinstance(given, kind):
            found = type(given).__name__
            return TypeError(f"Argument '{name}' has incorrect type (expected {kind.__name__}, got {found})")
    raise AssertionError("all arguments have the right types")


def _calls(opened: Opened, arrays: dict[str, Array]) -> Calls:
    if isinstance(opened.model, HistoryModel) and opened.kind == STREAMED:
        return streamed_calls(opened.model, arrays)
    return common_calls(opened.kind)


def _arrays(opened: Opened) -> dict[str, Array]:
    """What the compiled loops read and write, by name; ``context`` holds the addresses of the others."""
    scratch = np.zeros(kernels.scratch_shape(opened.order), dtype=np.int64)
    state = np.zeros(opened.order, dtype=np.int64)
    head = [opened.order, opened.bos, opened.eos, scratch.ctypes.data, state.ctypes.data, 0, 0, 0]
    context = np.concatenate([np.array(head, dtype=np.int64), opened.fields])
    return {"scratch": scratch, "state": state, "context": context}
