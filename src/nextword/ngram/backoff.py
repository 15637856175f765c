"""The one n-gram model: a probability and a back-off weight per n-gram, whatever estimated them.

p(w given h) is the probability stored for hw if hw is there, otherwise back-off(h) · p(w given h'), h' being h
without its oldest word; the back-off weight of a context that is not there is 1 (Katz 1987, eq. 4). Tables hold log10
in float32, the very numbers of an ARPA file, so that such files are read and written exactly; all else is in nats.
"""

from collections.abc import Callable
from typing import Any, ClassVar, Literal

import numpy as np

from nextword.errors import UsageError, VocabularyError
from nextword.ngram import kernels
from nextword.ngram.table import build_table
from nextword.text.vocabulary import Vocabulary
from nextword.types import Array, Float_BT, Float_BV, Float_T, Ids_BT, Ids_R, Ids_T, Json

TableBuilder = Callable[[Array, Array, Array], Array]  # starts, word, first → table
_DTYPES = {
    "starts": np.int64, "word": np.uint32, "first": np.uint32, "inner": np.float32, "leaf": np.float32,
    "table": np.uint64, "inserted": np.uint32,
}  # fmt: skip


class BackoffModel:
    """An n-gram language model. N is the number of n-grams of all orders, M of those below the highest.

    All n-grams are numbered from 0, order by order, each order sorted by ids; the unigrams' numbers are their ids.

    starts: (order + 2,) int64; starts[k] is the number of the first k-gram, starts[order + 1] = N.
    word: (N,) uint32, the last word. first: (M + 1,) uint32; the n-grams that extend g are first[g] to first[g + 1].
    inner: (M, 2) float32, log10 probability and log10 back-off weight. leaf: (N - M,) float32, log10 probability.
    table: (slots,) uint64, see ``kernels``. inserted: (I,) uint32, n-grams that stand for what an ARPA file left out.
    """

    kind: ClassVar[str] = "ngram"
    scope: Literal["sentence"] = "sentence"

    def __init__(
        self,
        vocabulary: Vocabulary,
        order: int,
        arrays: dict[str, Array],
        details: Json | None = None,
        *,
        build: TableBuilder | None = None,
    ):
        """``arrays`` as in the class docstring; they are made read-only. Raises UsageError if they do not fit together.

        details: how it was estimated (smoothing, discounts, weights, notes), for whoever asks; stored with the model.
        build: makes the table from starts, word and first when it is first needed; ``arrays`` then lacks it.
        """
        _check(vocabulary, order, arrays, names=set(_DTYPES) - ({"table"} if build else set()))
        self.details = details or {}
        for array in arrays.values():
            array.flags.writeable = False
        self.vocabulary, self.order = vocabulary, order
        self.context_length = order - 1
        self.starts, self.word, self.first = arrays["starts"], arrays["word"], arrays["first"]
        self.inner, self.leaf = arrays["inner"], arrays["leaf"]
        self.inserted = arrays["inserted"]
        self._table, self._build = arrays.get("table"), build
        assert vocabulary.bos is not None and vocabulary.eos is not None  # _check has seen to it; this tells mypy
        self.bos, self.eos = vocabulary.bos, vocabulary.eos

    @classmethod
    def from_trie(
        cls, vocabulary: Vocabulary, order: int, *, starts: Array, word: Array, first: Array, inner: Array, leaf: Array,
        inserted: Array | None = None, build: TableBuilder = build_table, details: Json | None = None,
    ) -> "BackoffModel":  # fmt: skip
        """A model of the given n-grams; ``build`` makes the table when it is first needed."""
        none = np.zeros(0, dtype=np.uint32)
        arrays = {"starts": starts, "word": word, "first": first, "inner": inner, "leaf": leaf}
        inserted = none if inserted is None else inserted
        return cls(vocabulary, order, arrays | {"inserted": inserted}, details, build=build)

    @property
    def table(self) -> Array:
        """The hash table for scoring. A model that is written as an ARPA file never needs it."""
        if self._table is None:
            assert self._build is not None  # there is one or the other; this tells mypy
            self._table = self._build(self.starts, self.word, self.first)
            self._table.flags.writeable = False
        return self._table

    def parameters(self) -> Json:
        """What ``from_arrays`` needs beside the arrays, to be stored."""
        return {"order": self.order, "details": self.details}

    def arrays(self) -> dict[str, Array]:
        """The arrays of the class docstring, to be stored."""
        return {name: getattr(self, name) for name in _DTYPES}

    @classmethod
    def from_arrays(cls, parameters: Json, arrays: dict[str, Array], vocabulary: Vocabulary) -> "BackoffModel":
        """A model over stored arrays, which are used in place and may be memory-mapped. Raises UsageError."""
        return cls(vocabulary, parameters.get("order", 0), arrays, parameters.get("details"))

    def __len__(self) -> int:
        return len(self.word)

    def __repr__(self) -> str:
        return f"{type(self).__name__}(order={self.order}, {len(self.vocabulary):,} words, {len(self):,} n-grams)"

    def counts(self) -> list[int]:
        """N-grams per order, without those inserted for closure."""
        inserted = np.searchsorted(self.inserted, self.starts[1:])
        return [int(n) for n in np.diff(self.starts[1:]) - np.diff(inserted)]

    def start(self, batch: int) -> Ids_BT:
        """(B, order - 1) ids: ``<s>`` last, -1 before it."""
        state = np.full((batch, self.context_length), -1, dtype=np.int32)
        state[:, -1:] = self.bos
        return state

    def log_probs(self, state: Ids_BT) -> Float_BV:
        """Log-probabilities of every next word, (B, V) nats; ``<s>`` has -inf."""
        self._check_ids(state)
        out = np.empty((len(state), len(self.vocabulary)), dtype=np.float64)
        arguments = (self.order, self.bos, self.table, self.word, self.first, self.inner, self.leaf)
        kernels.distribution(np.ascontiguousarray(state, dtype=np.int32), *arguments, out)
        return out

    def advance(self, state: Ids_BT, tokens: Ids_BT) -> Ids_BT:
        """The last ``order - 1`` ids after reading (B, T) more; ``</s>`` returns to the state after ``<s>``."""
        self._check_ids(tokens)
        history = np.concatenate([state, tokens], axis=1).astype(np.int32)
        return np.asarray(kernels.last_context(history, self.context_length, self.bos, self.eos))

    def select(self, state: Ids_BT, rows: Ids_R) -> Ids_BT:
        """Rows of the state, reordered or repeated."""
        return np.asarray(state[rows])

    def token_log_probs(self, tokens: Ids_BT, state: Ids_BT | None = None) -> tuple[Float_BT, Ids_BT]:
        """Log-probability of each token in its row, (B, T) nats, and the state after; -1 scores 0."""
        before = self.start(len(tokens)) if state is None else state
        stream = rows_as_stream(before, tokens)
        scores, _ = self.score_stream(stream.ravel())
        return scores.reshape(stream.shape)[:, 1 + before.shape[1] :], self.advance(before, tokens)

    def stream_log_probs(self, ids: Ids_T) -> Float_T:
        """Log-probability of each token of whole sentences end to end, (T,) nats; the fast door for long texts.

        ids: (T,), ``</s>`` at the end of each sentence and no ``<s>``, as ``Vocabulary.encode`` gives them.
        """
        return self.score_stream(sentences_as_stream(ids, self.eos))[0][1:]

    def score_stream(self, stream: Ids_T) -> tuple[Float_T, Array]:
        """Log-probability of each id given those before it, (T,) nats, and the order of the longest n-gram found there.

        A context reaches back to the last ``</s>``, which stands for the ``<s>`` after it, to ``<s>``, or to a -1.
        ``<s>`` scores -inf and -1 scores 0. Raises VocabularyError for an id beyond the vocabulary.
        """
        self._check_ids(stream)
        out, found = np.empty(len(stream), dtype=np.float64), np.empty(len(stream), dtype=np.int16)
        kernels.score(stream, self.order, self.bos, self.eos, self.table, self.inner, self.leaf, out, found)
        return out, found

    def _check_ids(self, tokens: Ids_BT) -> None:
        if tokens.size and not -1 <= tokens.min() <= tokens.max() < len(self.vocabulary):
            wrong = tokens[(tokens < -1) | (tokens >= len(self.vocabulary))][0]
            raise VocabularyError(f"id {wrong} is not in the vocabulary, whose ids are 0 to {len(self.vocabulary) - 1}")


def rows_as_stream(state: Ids_BT, tokens: Ids_BT) -> Ids_BT:
    """What ``score_stream`` reads for rows that are in ``state``: (B, 1 + order - 1 + T), a -1 before each row."""
    barrier = np.full((len(tokens), 1), -1, dtype=np.int32)
    return np.concatenate([barrier, state, tokens], axis=1).astype(np.int32)


def sentences_as_stream(ids: Ids_T, eos: int) -> Ids_T:
    """What ``score_stream`` reads for whole sentences end to end: (1 + T,), ``</s>`` before the first."""
    stream = np.empty(len(ids) + 1, dtype=np.int32)
    stream[0], stream[1:] = eos, ids
    return stream


def _check(vocabulary: Vocabulary, order: Any, arrays: dict[str, Array], *, names: set[str]) -> None:
    """Everything that can be checked without reading the arrays through."""
    problem = ""
    if not isinstance(order, int) or order < 1:
        problem = f"its order is {order!r}"
    elif set(arrays) != names:
        problem = f"its arrays are {sorted(arrays)}"
    elif None in (vocabulary.bos, vocabulary.eos, vocabulary.unk):
        problem = "its vocabulary lacks <s>, </s> or <unk>"
    else:
        for name, array in arrays.items():
            if array.dtype != _DTYPES[name] or array.ndim != (2 if name == "inner" else 1):
                problem = f"its array {name!r} has type {array.dtype} and {array.ndim} dimensions"
    if not problem:
        starts, inner = arrays["starts"], arrays["inner"]
        total, below = len(arrays["word"]), len(inner)
        fits = (
            len(starts) == order + 2
            and (starts[1:] >= starts[:-1]).all()
            and list(starts[[0, 1]]) == [0, 0]
            and (starts[2], starts[order], starts[order + 1]) == (len(vocabulary), below, total)
            and inner.shape[1] == 2
            and len(arrays["first"]) == below + 1
            and len(arrays["leaf"]) == total - below
            and ("table" not in arrays or len(arrays["table"]) > total - len(vocabulary))
        )
        problem = "" if fits else "the sizes of its arrays do not fit together"
    if problem:
        raise UsageError(f"this is no n-gram model: {problem}; train or copy it again")
