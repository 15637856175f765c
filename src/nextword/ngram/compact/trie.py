"""A quantised n-gram model in few bytes: a trie of packed fields.

The n-grams are those of a BackoffModel, numbered order by order, each order sorted by its contexts; but they are found
by ranks. An n-gram hw is stored as its rank: the place of w among the words that follow the suffix of h, which is h
without its oldest word; so few bits do (the remapping of Pibiri and Venturini 2019, here with the longest context there
is). Whoever looks hw up has looked w up after that suffix just before, and so knows the rank. At order 2 it is the
word's id. A context has ranks of as many bits as tell apart what follows its suffix, and none where all of that follows
it too.

    first      (V + 1,) uint32, where the bigrams of each word begin
    unigrams   (V, 2) float32, log10 probability and log10 back-off weight
    codebooks  (K, 2**bits) float32, log10 probabilities; row 0 is order 2. K: the highest order less 1
    words      uint64, fields one after the other, the lowest bit first. For contexts of k words, k from 1 to K, and
               their children, the n-grams of order k + 1, each part beginning with a word of its own:
                 codes   of the children's probabilities, ``bits`` each
                 ranks   of the children, context after context; at k = 1 all of as many bits as V needs. A context of
                         more than ``stored_above`` children has its back-off weight, float32, before its ranks
                 and from k = 2, two rising sequences of a number per context and one more (see ``bits``):
                 lows    low bits: of where its children begin, then of where its ranks do
                 highs   the high bits of where the children begin; those of where the ranks do
                 weights codes of back-off weights, ``weight_bits`` each, if they have codes
    samples    (S, 2) uint32, for k from 2: the positions of every 64th bit that is set in the two highs
    weights    (K, 2**weight_bits) float32, log10 back-off weights that codes stand for; row 0 is not used
    inserted   (I,) uint32, n-grams that stand for what an ARPA file left out

Back-off weights of contexts of few children are not stored: such a context gives its unseen words what its children
leave of 1, so (1 - Σ p(w given h)) / (1 - Σ p(w given h's suffix)) is computed from the codes of these few when needed.
So rows sum to 1, whatever the codebooks are. Models whose rows did not, and those that give unseen words nothing, have
codes for back-off weights instead, and rows that sum to 1 only as nearly as ``tolerance`` says.
"""

from typing import ClassVar

import numpy as np

from nextword.errors import UsageError
from nextword.ngram.backoff import BackoffModel
from nextword.ngram.compact import trie_scoring
from nextword.ngram.compact.codebooks import LARGEST
from nextword.ngram.compact.trie_building import plan, unpack
from nextword.ngram.compact.trie_kernels import Trie
from nextword.ngram.history import HistoryModel
from nextword.ngram.kernels import LN10
from nextword.text.vocabulary import Vocabulary
from nextword.types import Array, Float_BV, Float_T, Ids_BT, Ids_T, Json

DTYPES = {
    "first": np.uint32, "unigrams": np.float32, "codebooks": np.float32, "words": np.uint64, "samples": np.uint32,
    "weights": np.float32, "inserted": np.uint32,
}  # fmt: skip
_NUMBERS = ("order", "bits", "weight_bits", "stored_above", "longest")


class TrieModel(HistoryModel):
    """An n-gram language model in a compact trie, see the module; ``quantize`` makes it.

    tolerance: how far from 1 a row's probabilities sum, at most. details: how the model was estimated.
    """

    kind: ClassVar[str] = "ngram-trie"

    def __init__(self, vocabulary: Vocabulary, parameters: Json, arrays: dict[str, Array]):
        """``arrays`` as in the module's docstring. Raises UsageError if they do not fit together."""
        self.vocabulary, self._parameters, self._arrays = vocabulary, parameters, arrays
        found = _checked(vocabulary, parameters, arrays)
        for array in arrays.values():
            array.flags.writeable = False
        self.order: int = parameters["order"]
        self.context_length = self.order - 1
        self.bits: int = parameters["bits"]
        self.details: Json = parameters["details"]
        self.tolerance: float = parameters["tolerance"]
        with np.errstate(all="ignore"):
            values, weights = (10.0 ** arrays[name].astype(np.float64) for name in ("codebooks", "weights"))
        stored = (arrays["first"], arrays["unigrams"], arrays["words"], arrays["samples"], found)
        books = (values, arrays["codebooks"] * np.float64(LN10), weights)
        self._trie = Trie(*stored, *books, self.bits, parameters["weight_bits"], parameters["stored_above"])
        assert vocabulary.bos is not None and vocabulary.eos is not None  # _checked has seen to it; this tells mypy
        self.bos, self.eos = vocabulary.bos, vocabulary.eos

    @property
    def quantised(self) -> Json:
        """Layout and bits of codes; none of back-off weights where they follow from the probabilities."""
        return {"layout": "trie", "bits": self.bits, "backoff_bits": self._parameters["weight_bits"] or None}

    def parameters(self) -> Json:
        """What ``from_arrays`` needs beside the arrays, to be stored."""
        return self._parameters

    def arrays(self) -> dict[str, Array]:
        """The arrays of the module's docstring, to be stored."""
        return self._arrays

    @classmethod
    def from_arrays(cls, parameters: Json, arrays: dict[str, Array], vocabulary: Vocabulary) -> "TrieModel":
        """A model over stored arrays, which are used in place and may be memory-mapped. Raises UsageError."""
        return cls(vocabulary, parameters, arrays)

    def __len__(self) -> int:
        return sum(self._parameters["counts"])

    def counts(self) -> list[int]:
        """N-grams per order, without those inserted for closure."""
        ends = np.cumsum([0, *self._parameters["counts"]])
        inserted = np.searchsorted(self._arrays["inserted"], ends)
        return [int(n) for n in np.diff(ends) - np.diff(inserted)]

    def to_backoff(self) -> BackoffModel:
        """The same probabilities as a BackoffModel, which an ARPA file can be made of; back-off weights are rounded."""
        counts = self._parameters["counts"]
        starts = np.cumsum([0, 0, *counts], dtype=np.int64)
        word, first, inner, leaf = unpack(self._trie, self._arrays["codebooks"], starts)
        return BackoffModel.from_trie(
            self.vocabulary,
            self.order,
            starts=starts,
            word=word,
            first=first,
            inner=inner,
            leaf=leaf,
            inserted=self._arrays["inserted"],
            details=self.details,
        )

    def _score(self, stream: Ids_T, out: Float_T, found: Array) -> None:
        trie_scoring.score(stream, self.bos, self.eos, self._trie, out, found)

    def _distributions(self, contexts: Ids_BT, out: Float_BV) -> None:
        trie_scoring.distribution(contexts, self.bos, self.eos, self._trie, out)


def _checked(vocabulary: Vocabulary, parameters: Json, arrays: dict[str, Array]) -> Array:
    """The layout, once everything was checked that can be without reading the arrays through."""
    problem = "" if None not in (vocabulary.bos, vocabulary.eos, vocabulary.unk) else "its vocabulary lacks a special"
    if set(arrays) != set(DTYPES):
        problem = f"its arrays are {sorted(arrays)}"
    for name, array in arrays.items():
        dimensions = 1 if name in ("first", "words", "inserted") else 2
        if not problem and (array.dtype != DTYPES[name] or array.ndim != dimensions):
            problem = f"its array {name!r} has type {array.dtype} and {array.ndim} dimensions"
    if not problem and not _sound(parameters):
        problem = "its parameters make no sense"
    if not problem:
        counts, bits, weight_bits = (parameters[name] for name in ("counts", "bits", "weight_bits"))
        found = plan(counts, parameters["rank_bits"], parameters["longest"], bits, weight_bits)
        shapes: dict[str, tuple[int, ...]] = {
            "first": (counts[0] + 1,), "unigrams": (counts[0], 2), "codebooks": (len(counts) - 1, 1 << bits),
            "words": (found.words,), "samples": (found.samples, 2), "weights": (len(counts) - 1, 1 << weight_bits),
            "inserted": arrays["inserted"].shape,
        }  # fmt: skip
        if counts[0] == len(vocabulary) and all(arrays[name].shape == shape for name, shape in shapes.items()):
            return found.layout
        problem = "the sizes of its arrays do not fit together"
    raise UsageError(f"this is no quantised n-gram model: {problem}; quantise or copy it again")


def _sound(parameters: Json) -> bool:
    """Whether all parameters are there and in range."""
    numbers = [parameters.get(name) for name in _NUMBERS]
    counts, rank_bits = parameters.get("counts"), parameters.get("rank_bits")
    if not isinstance(counts, list) or not isinstance(rank_bits, list):
        return False
    if not all(type(n) is int and 0 <= n < 1 << 60 for n in [*numbers, *counts, *rank_bits]):
        return False
    order, bits, weight_bits = (int(parameters[name]) for name in ("order", "bits", "weight_bits"))
    fits = (len(counts), len(rank_bits)) == (order, max(order - 2, 0)) and order >= 1
    kinds = isinstance(parameters.get("details"), dict) and isinstance(parameters.get("tolerance"), float)
    return fits and kinds and 1 <= bits <= LARGEST and weight_bits <= LARGEST
