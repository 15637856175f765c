"""From an n-gram model to one of the same n-grams in fewer bytes; ``codebooks``, ``trie`` and ``hashed`` say how."""

from collections.abc import Sequence
from typing import Literal, get_args

import numpy as np

from nextword.errors import UsageError
from nextword.ngram.backoff import BackoffModel
from nextword.ngram.compact import codebooks
from nextword.ngram.compact.codebooks import LARGEST, SMALLEST, Codebook
from nextword.ngram.compact.hashed import HashedModel, payload
from nextword.ngram.compact.trie import TrieModel
from nextword.ngram.compact.trie_building import pack
from nextword.ngram.links import link
from nextword.ngram.settings import default_threads
from nextword.ngram.table import build_table
from nextword.types import Array, Json

Layout = Literal["trie", "hash"]
STORED_ABOVE = 8  # children of contexts whose back-off weights a trie stores; few contexts have more
NEVER = (1 << 60) - 1
_NONE = np.zeros(0)


def quantize(
    model: BackoffModel,
    *,
    layout: Layout = "trie",
    bits: int | None = None,
    backoff_bits: int | None = None,
    threads: int | None = None,
) -> TrieModel | HashedModel:
    """The same n-grams, with probabilities, and perhaps back-off weights, in codes of so many bits.

    layout: ``trie``, the smallest, or ``hash``, the fastest. bits: 2 to 16, fewer where fewer do; unless given, 8 in a
    trie, and 16 in a hash table, which has room for them, or so many that codebooks stay small beside a small model.
    backoff_bits: as ``bits`` unless given. A trie has codes for back-off weights only if this is given, or if they do
    not follow from the probabilities, because the model's rows do not sum to 1 or leave nothing for unseen words.

    Raises UsageError for another model, layout or number of bits, for too few bits, and for a damaged model.
    """
    if not isinstance(model, BackoffModel):
        raise UsageError(
            f"a model of kind {model.kind!r} cannot be quantised; give one of kind 'ngram' or a neural one"
        )
    if layout not in get_args(Layout):
        raise UsageError(f"layout {layout!r}: expected one of {', '.join(get_args(Layout))}")
    bits = _usual_bits(model, layout) if bits is None else bits
    for name, number in (("bits", bits), ("backoff_bits", bits if backoff_bits is None else backoff_bits)):
        if not SMALLEST <= number <= LARGEST:
            raise UsageError(f"{name}={number}: expected {SMALLEST} to {LARGEST}")
    return _Run(model, layout, bits, backoff_bits, threads or default_threads()).model()


def _usual_bits(model: BackoffModel, layout: Layout) -> int:
    return 8 if layout == "trie" else min(16, max(8, len(model).bit_length() - 5))


def as_backoff(model: object) -> BackoffModel:
    """The model with its n-grams listed, if it has any and they can be. Raises UsageError, which says why not."""
    if isinstance(model, TrieModel):
        return model.to_backoff()
    kind = getattr(model, "kind", type(model).__name__)
    if isinstance(model, HashedModel):
        raise UsageError(
            f"a model of kind {kind!r} has hashes in place of its n-grams, which nobody can list; "
            "convert the model that it was made of"
        )
    if not isinstance(model, BackoffModel):
        raise UsageError(f"a {kind} model has no ARPA form; only n-gram language models have")
    return model


class _Run:
    """One model's quantisation. N, M and the numbering of n-grams: as in BackoffModel."""

    def __init__(self, model: BackoffModel, layout: Layout, bits: int, backoff_bits: int | None, threads: int):
        self.source, self.linked, self.layout, self.bits, self.threads = model, link(model), layout, bits, threads
        linked = self.linked
        self.graph = (linked.first, linked.suffix)
        self.size = int(linked.starts[2])
        self.total = float(linked.p[: self.size].sum())
        off = codebooks.furthest(*self.graph, linked.p, linked.backoff)
        self.normalised = off <= codebooks.NORMALISED and bool((linked.backoff > 0).all())
        self.computed = layout == "trie" and self.normalised and backoff_bits is None
        self.weight_bits = 0 if self.computed else bits if backoff_bits is None else backoff_bits

    def model(self) -> TrieModel | HashedModel:
        """Codes for probabilities, then back-off weights that suit them, then the layout."""
        importance = codebooks.expected(self.linked)
        books = [self._code_order(k, importance) for k in range(2, self.source.order + 1)]
        weights = self.linked.backoff  # from here on those of the quantised model, as its probabilities are
        if self.normalised:
            codebooks.normalising_weights(*self.graph, self.linked.p, self.total, self.size, weights)
        unigrams = np.zeros((self.size, 2), dtype=np.float32)
        unigrams[:, 0] = self.source.leaf if self.source.order == 1 else self.source.inner[: self.size, 0]
        unigrams[: len(weights), 1] = _log10(weights[: self.size])
        weights[: self.size] = 10.0 ** unigrams[: len(weights), 1].astype(np.float64)
        weight_books = [] if self.computed else [self._code_weights(k, importance) for k in range(2, self.source.order)]
        self.bits = _needed_bits(books, self.layout == "hash")
        self.weight_bits = 0 if self.computed else _needed_bits(weight_books, False)
        del importance  # a large model's is large
        if self.computed:
            codebooks.round_weights(self.linked.first, self.size, STORED_ABOVE, weights)
        tolerance = codebooks.deviation(*self.graph, self.linked.p, self.total, self.size, weights)
        stored = weights.astype(np.float32)
        del weights
        self.linked = self.linked._replace(p=_NONE, backoff=_NONE)
        parameters: Json = {"order": self.source.order, "bits": self.bits, "weight_bits": self.weight_bits}
        parameters |= {"tolerance": float(tolerance), "details": self.source.details}
        if self.layout == "hash":
            return self._hashed(unigrams, books, weight_books, parameters)
        return self._trie(unigrams, books, weight_books, stored, parameters)

    def _code_order(self, k: int, importance: Array) -> Codebook:
        """The codebook of the probabilities of order k, which take the values that it gives them."""
        linked, source = self.linked, self.source
        low, high = int(linked.starts[k]), int(linked.starts[k + 1])
        log10 = source.inner[low:high, 0] if k < source.order else source.leaf
        size = (1 << self.bits) - (self.layout == "hash")
        book = codebooks.make_codebook(log10, importance[low:high], size)
        values = 10.0 ** book.centres.astype(np.float64)
        if self.normalised:
            over = codebooks.refine(linked, k - 1, values, book.codes, threads=self.threads)
            if over and self.computed:
                raise UsageError(
                    f"{self.bits} bits are too few for order {k}: after {over:,} of its contexts the rounded "
                    "probabilities leave nothing for other words; give more bits, or backoff_bits"
                )
        linked.p[low:high] = values[book.codes]
        return book

    def _code_weights(self, k: int, importance: Array) -> Codebook:
        """The codebook of the back-off weights of contexts of k words, which take the values that it gives them."""
        low, high = int(self.linked.starts[k]), int(self.linked.starts[k + 1])
        weights = self.linked.backoff[low:high]
        book = codebooks.make_codebook(_log10(weights), importance[low:high], 1 << self.weight_bits, exact=(0.0,))
        weights[:] = 10.0 ** book.values.astype(np.float64)
        return book

    def _trie(
        self,
        unigrams: Array,
        books: Sequence[Codebook],
        weight_books: Sequence[Codebook],
        weights: Array,
        parameters: Json,
    ) -> TrieModel:
        linked, size, order = self.linked, self.size, self.source.order
        stored_above = STORED_ABOVE if self.computed else NEVER
        packed = pack(
            linked,
            [book.codes for book in books],
            self.bits,
            weights=weights,
            stored_above=stored_above,
            weight_codes=[book.codes for book in weight_books],
            weight_bits=self.weight_bits,
        )
        arrays = {
            "first": linked.first[: size + 1] - np.uint32(size) if order > 1 else np.zeros(size + 1, dtype=np.uint32),
            "unigrams": unigrams,
            "codebooks": _rows(books, order - 1, self.bits),
            "words": packed.words,
            "samples": packed.samples,
            "weights": _rows([*_none(order), *weight_books], order - 1, self.weight_bits),
            "inserted": np.array(self.source.inserted),
        }
        parameters |= {"counts": np.diff(linked.starts[1:]).tolist(), "stored_above": stored_above}
        parameters |= {"rank_bits": packed.rank_bits, "longest": packed.longest}
        return TrieModel(self.source.vocabulary.compact(), parameters, arrays)

    def _hashed(
        self, unigrams: Array, books: Sequence[Codebook], weight_books: Sequence[Codebook], parameters: Json
    ) -> HashedModel:
        linked, order = self.linked, self.source.order
        values = np.zeros(int(linked.starts[-1]), dtype=np.uint32)
        for k, book in enumerate(books, start=2):
            weight_codes = weight_books[k - 2].codes if k < order else None
            values[linked.starts[k] : linked.starts[k + 1]] = payload(book.codes, weight_codes, self.bits)
        bits = self.bits + self.weight_bits
        graph = (linked.starts, linked.word, linked.first)
        arrays = {
            "unigrams": unigrams,
            "table": build_table(*graph, threads=self.threads, values=values, bits=bits),
            "codebooks": np.roll(_rows(books, order - 1, self.bits), 1, axis=1),  # codes begin with 1
            "weights": _rows(weight_books, max(order - 2, 0), self.weight_bits),
        }
        return HashedModel(self.source.vocabulary.compact(), parameters | {"counts": self.source.counts()}, arrays)


def _needed_bits(books: Sequence[Codebook], reserved: bool) -> int:
    """Bits that tell all codes apart, and one more if it is ``reserved``."""
    return max(1, (max((len(book.centres) for book in books), default=1) - 1 + reserved).bit_length())


def _log10(weights: Array) -> Array:
    with np.errstate(divide="ignore"):
        return np.log10(weights).astype(np.float32)


def _rows(books: Sequence[Codebook], rows: int, bits: int) -> Array:
    """Codebooks as (rows, 2**bits) float32, zeros where there are no more."""
    found = np.zeros((rows, 1 << bits), dtype=np.float32)
    for row, book in zip(found, books, strict=False):
        row[:] = book.row(1 << bits)
    return found


def _none(order: int) -> list[Codebook]:
    """In the place of the codebook of the unigrams' weights, which have no codes."""
    return [Codebook(np.zeros(1, dtype=np.float32), np.zeros(0, dtype=np.uint16))] * (order > 1)
