"""The one n-gram model: a probability and a back-off weight per n-gram, whatever estimated them.

p(w given h) is the probability stored for hw if hw is there, otherwise back-off(h) · p(w given h'), h' being h
without its oldest word; the back-off weight of a context that is not there is 1 (Katz 1987, eq. 4). Tables hold log10
in float32, the very numbers of an ARPA file, so that such files are read and written exactly; all else is in nats.
"""

from collections.abc import Callable, Sequence
from typing import Any, ClassVar

import numpy as np

from nextword.errors import UsageError
from nextword.ngram import kernels, scoring
from nextword.ngram.history import HistoryModel
from nextword.ngram.table import build_table, table_slots
from nextword.text.vocabulary import Vocabulary
from nextword.types import Array, Float_BV, Float_T, Ids_BT, Ids_T, Json

TableBuilder = Callable[[Array, Array, Array], Array]  # starts, word, first → table
_DTYPES = {
    "starts": np.int64, "word": np.uint32, "first": np.uint32, "inner": np.float32, "leaf": np.float32,
    "table": np.uint64, "inserted": np.uint32,
}  # fmt: skip


class BackoffModel(HistoryModel):
    """An n-gram language model. N is the number of n-grams of all orders, M of those below the highest.

    All n-grams are numbered from 0, order by order, each order sorted by ids; the unigrams' numbers are their ids.

    starts: (order + 2,) int64; starts[k] is the number of the first k-gram, starts[order + 1] = N.
    word: (N,) uint32, the last word. first: (M + 1,) uint32; the n-grams that extend g are first[g] to first[g + 1].
    inner: (M, 2) float32, log10 probability and log10 back-off weight. leaf: (N - M,) float32, log10 probability.
    table: (slots,) uint64, see ``kernels``. inserted: (I,) uint32, n-grams that stand for what an ARPA file left out.
    """

    kind: ClassVar[str] = "ngram"

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

    @staticmethod
    def arrays_like(counts: Sequence[int], *, inserted: int = 0) -> dict[str, Array]:
        """Arrays of the shapes of a model with so many n-grams of each order; they take no memory and hold no values.

        counts: with what was inserted, and how much that is.
        """
        total, top = sum(counts), counts[-1]
        shapes: dict[str, tuple[int, ...]] = {
            "starts": (len(counts) + 2,), "word": (total,), "first": (total - top + 1,), "inner": (total - top, 2),
            "leaf": (top,), "table": (table_slots(total - counts[0]),), "inserted": (inserted,),
        }  # fmt: skip
        return {name: np.broadcast_to(np.zeros((), _DTYPES[name]), shape) for name, shape in shapes.items()}

    def __len__(self) -> int:
        return len(self.word)

    def counts(self) -> list[int]:
        """N-grams per order, without those inserted for closure."""
        inserted = np.searchsorted(self.inserted, self.starts[1:])
        return [int(n) for n in np.diff(self.starts[1:]) - np.diff(inserted)]

    def _score(self, stream: Ids_T, out: Float_T, found: Array) -> None:
        scoring.score(stream, self.order, self.bos, self.eos, self.table, self.inner, self.leaf, out, found)

    def _distributions(self, contexts: Ids_BT, out: Float_BV) -> None:
        arguments = (self.order, self.bos, self.table, self.word, self.first, self.inner, self.leaf)
        kernels.distribution(contexts, *arguments, out)


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
            and ("table" not in arrays or len(arrays["table"]) % kernels.BUCKET == 0)
        )
        problem = "" if fits else "the sizes of its arrays do not fit together"
    if problem:
        raise UsageError(f"this is no n-gram model: {problem}; train or copy it again")
