"""A quantised n-gram model that is looked up in one access to memory: a hash table of codes, and nothing else.

    unigrams   (V, 2) float32, log10 probability and log10 back-off weight
    table      (slots,) uint64, as in ``kernels``, but in place of an n-gram's index an entry's low bits hold its codes:
               in the lowest ``bits`` that of its probability, in ``weight_bits`` more that of its back-off weight
    codebooks  (K, 2**bits) float32, log10 probabilities; row 0 is order 2. K: the highest order less 1. Code 0 is not
               used, so that no n-gram is taken for an empty slot
    weights    (K - 1, 2**weight_bits) float32, log10 back-off weights; row 0 is order 2

The n-grams themselves are not there, only the other 64 - bits - weight_bits bits of their hashes. A look-up of one that
is not there is mistaken with a probability of about 2**(bits + weight_bits - 61), 2e-9 at 16 bits each. Nor can n-grams
be listed: a next-word distribution looks every word up, and there is no ARPA form.

Back-off weights are those with which rows of the quantised probabilities sum to 1, rounded to their codebook; how far
from 1 that leaves them ``tolerance`` says.
"""

from typing import Any, ClassVar, NamedTuple

import numpy as np
from numba import njit

from nextword.errors import UsageError
from nextword.ngram import scoring
from nextword.ngram.compact.codebooks import LARGEST
from nextword.ngram.history import HistoryModel
from nextword.ngram.kernels import BUCKET, LN10, MULTIPLIER, append_word, find, prepend_word, word_hash
from nextword.text.vocabulary import Vocabulary
from nextword.types import Array, Float_BV, Float_T, Ids_BT, Ids_T, Json

_DTYPES = {"unigrams": np.float32, "table": np.uint64, "codebooks": np.float32, "weights": np.float32}
_ONE = np.uint64(1)


class Codes(NamedTuple):
    """The arrays of the module's docstring as kernels read them. bits, weight_bits: of the codes."""

    unigrams: Array
    table: Array
    codebooks: Array
    weights: Array
    bits: int
    weight_bits: int


class HashedModel(HistoryModel):
    """An n-gram language model in a hash table of codes, see the module; ``quantize`` makes it.

    tolerance: how far from 1 a row's probabilities sum, at most. details: how the model was estimated.
    """

    kind: ClassVar[str] = "ngram-hash"

    def __init__(self, vocabulary: Vocabulary, parameters: Json, arrays: dict[str, Array]):
        """``arrays`` as in the module's docstring. Raises UsageError if they do not fit together."""
        _check(vocabulary, parameters, arrays)
        for array in arrays.values():
            array.flags.writeable = False
        self.vocabulary, self._parameters, self._arrays = vocabulary, parameters, arrays
        self.order: int = parameters["order"]
        self.context_length = self.order - 1
        self.bits: int = parameters["bits"]
        self.details: Json = parameters["details"]
        self.tolerance: float = parameters["tolerance"]
        self._codes = Codes(**arrays, bits=self.bits, weight_bits=parameters["weight_bits"])
        assert vocabulary.bos is not None and vocabulary.eos is not None  # _check has seen to it; this tells mypy
        self.bos, self.eos = vocabulary.bos, vocabulary.eos

    @property
    def quantised(self) -> Json:
        """Layout and bits of codes."""
        return {"layout": "hash", "bits": self.bits, "backoff_bits": self._parameters["weight_bits"]}

    def parameters(self) -> Json:
        """What ``from_arrays`` needs beside the arrays, to be stored."""
        return self._parameters

    def arrays(self) -> dict[str, Array]:
        """The arrays of the module's docstring, to be stored."""
        return self._arrays

    @classmethod
    def from_arrays(cls, parameters: Json, arrays: dict[str, Array], vocabulary: Vocabulary) -> "HashedModel":
        """A model over stored arrays, which are used in place and may be memory-mapped. Raises UsageError."""
        return cls(vocabulary, parameters, arrays)

    def counts(self) -> list[int]:
        """N-grams per order."""
        return list(self._parameters["counts"])

    def _score(self, stream: Ids_T, out: Float_T, found: Array) -> None:
        score(stream, self.order, self.bos, self.eos, self._codes, out, found)

    def _distributions(self, contexts: Ids_BT, out: Float_BV) -> None:
        distribution(contexts, self.order, self.bos, self.eos, self._codes, out)


def payload(codes: Array, weight_codes: Array | None, bits: int) -> Array:
    """What entries hold for n-grams of one order, (N,) uint32; codes: of probabilities, from 0."""
    found = codes.astype(np.uint32) + np.uint32(1)
    if weight_codes is not None:
        found |= weight_codes.astype(np.uint32) << np.uint32(bits)
    return found


def _check(vocabulary: Vocabulary, parameters: Json, arrays: dict[str, Array]) -> None:
    """Everything that can be checked without reading the arrays through."""
    problem = ""
    if None in (vocabulary.bos, vocabulary.eos, vocabulary.unk):
        problem = "its vocabulary lacks <s>, </s> or <unk>"
    elif set(arrays) != set(_DTYPES):
        problem = f"its arrays are {sorted(arrays)}"
    elif not _sound(parameters):
        problem = "its parameters make no sense"
    for name, array in arrays.items():
        if not problem and (array.dtype != _DTYPES[name] or array.ndim != (1 if name == "table" else 2)):
            problem = f"its array {name!r} has type {array.dtype} and {array.ndim} dimensions"
    if not problem:
        lengths, slots = parameters["order"] - 1, len(arrays["table"])
        shapes = {
            "unigrams": (len(vocabulary), 2),
            "codebooks": (lengths, 1 << parameters["bits"]),
            "weights": (max(lengths - 1, 0), 1 << parameters["weight_bits"]),
        }
        fits = all(arrays[name].shape == shape for name, shape in shapes.items()) and slots > 0 and slots % BUCKET == 0
        problem = "" if fits else "the sizes of its arrays do not fit together"
    if problem:
        raise UsageError(f"this is no quantised n-gram model: {problem}; quantise or copy it again")


def _sound(parameters: Json) -> bool:
    """Whether all parameters are there and in range."""
    numbers, counts = [parameters.get(name) for name in ("order", "bits", "weight_bits")], parameters.get("counts")
    if not isinstance(counts, list) or not all(type(n) is int and n >= 0 for n in [*numbers, *counts]):
        return False
    order, bits, weight_bits = (int(parameters[name]) for name in ("order", "bits", "weight_bits"))
    kinds = isinstance(parameters.get("details"), dict) and isinstance(parameters.get("tolerance"), float)
    return kinds and len(counts) == order >= 1 and 1 <= bits <= LARGEST and 1 <= weight_bits <= LARGEST


@njit(cache=True, nogil=True)
def score(ids: Ids_T, order: int, bos: int, eos: int, codes: Codes, out: Float_T, orders: Array) -> None:
    """As ``scoring.score``: log-probability, nats, of every token of ``ids``, and the order of the longest n-gram."""
    scratch = scoring.make_scratch(order, len(ids))
    ends = np.zeros(order + 1, dtype=np.int64)
    for begin in range(0, len(ids), scoring.BLOCK):
        words = ids[begin : begin + scoring.BLOCK]
        _match(words, bos, eos, codes, scratch, ends)
        _sum(
            words, bos, codes, scratch, ends, out[begin : begin + scoring.BLOCK], orders[begin : begin + scoring.BLOCK]
        )
        scoring.carry(len(words), scratch)


@njit(cache=True, nogil=True)
def _match(words: Ids_T, bos: int, eos: int, codes: Codes, scratch: Any, ends: Array) -> None:
    """As ``scoring._match``: nodes and best become what entries hold, from order 2 up.

    ends: (order + 1,), of the weights to add those up to ends[k] are of contexts of k words or fewer.
    """
    order, power, seeking, missing = len(scratch.nodes), MULTIPLIER, 0, 0
    bits = np.uint64(codes.bits + codes.weight_bits)
    seeking = scoring.read_tokens(words, bos, eos, scratch)
    missed, rows, taken, nodes = scratch.missed, scratch.rows, scratch.weights, scratch.nodes
    for k in range(2, order + 1):
        seeking = scoring.keep_active(k - 1, scratch.active, seeking, scratch)
        missing = scoring.keep_active(k - 1, missed, missing, scratch)
        scoring.ask(k, seeking, power, len(codes.table), bits, codes.table, scratch)
        scoring.look_up(seeking, (_ONE << bits) - _ONE, codes.table, scratch)
        seeking, missing = scoring.enter(k, seeking, np.int64(1) << np.int64(bits), scratch, missing)
        n = ends[k - 2]
        for a in range(missing):
            rows[n + a], taken[n + a] = missed[a], nodes[k - 2, missed[a] - 1]
        ends[k - 1] = n + missing
        power *= MULTIPLIER


@njit(cache=True, nogil=True)
def _sum(words: Ids_T, bos: int, codes: Codes, scratch: Any, ends: Array, out: Float_T, orders: Array) -> None:
    """A block's log-probabilities: that of the longest n-gram found, and the weights of the contexts longer than it."""
    best, found, rows, taken = scratch.best, scratch.found, scratch.rows, scratch.weights
    unigrams, codebooks, weights, shift = codes.unigrams, codes.codebooks, codes.weights, codes.bits
    mask = (1 << shift) - 1
    for row in range(1, len(words) + 1):
        k, held = found[row], best[row]
        out[row - 1] = np.float64(unigrams[held, 0]) if k < 2 else np.float64(codebooks[k - 2, held & mask])
        orders[row - 1] = k
    for k in range(1, len(ends) - 1):
        for a in range(ends[k - 1], ends[k]):
            weight = unigrams[taken[a], 1] if k == 1 else weights[k - 2, taken[a] >> shift]
            out[rows[a] - 1] += np.float64(weight)
    for i in range(len(words)):
        log_prob = out[i] * LN10
        log_prob = log_prob if words[i] != bos else -np.inf
        out[i] = log_prob if words[i] >= 0 else 0.0


@njit(cache=True, nogil=True)
def distribution(contexts: Ids_T, order: int, bos: int, eos: int, codes: Codes, out: Array) -> None:
    """As ``kernels.distribution``, every word being looked up: log-probabilities, (B, K) ids, (B, V) nats."""
    unigrams, table, codebooks = codes.unigrams, codes.table, codes.codebooks
    shift, bits = codes.bits, np.uint64(codes.bits + codes.weight_bits)
    mask, most = (1 << shift) - 1, np.int64(1) << np.int64(bits)
    hashes = np.empty(order, dtype=np.uint64)  # of the contexts of 0, 1, 2, … words
    own = np.empty(order, dtype=np.float64)  # their back-off weights
    weights = np.empty(order, dtype=np.float64)  # what a word takes that follows the last k words and no more of them
    for b in range(len(contexts)):
        length, power = 0, _ONE
        hashes[0] = 0
        while length < order - 1 and contexts[b, order - 2 - length] >= 0:
            before = contexts[b, order - 2 - length]
            before = bos if before == eos else before
            h = prepend_word(hashes[length], power, word_hash(before))
            held = before if length == 0 else find(table, bits, h, most)
            if length > 0 and held == 0:
                break
            length += 1
            power *= MULTIPLIER
            hashes[length] = h
            own[length] = unigrams[before, 1] if length == 1 else codes.weights[length - 2, held >> shift]
        weights[length] = 0.0
        for k in range(length, 0, -1):
            weights[k - 1] = weights[k] + own[k]
        for w in range(out.shape[1]):
            r, held, k = word_hash(w), np.int64(w), 0
            while k < length:
                longer = find(table, bits, append_word(hashes[k + 1], r), most)
                if longer == 0:
                    break
                held = longer
                k += 1
            p = unigrams[w, 0] if k == 0 else codebooks[k - 1, held & mask]
            out[b, w] = (np.float64(p) + weights[k]) * LN10
        out[b, bos] = -np.inf
