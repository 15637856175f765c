"""Where the parts of a KenLM binary file lie, from its counts alone.

Probing (``lm/search_hashed.hh``, ``util/probing_hash_table.hh``): each table has max(n + 1, multiplier · n) buckets,
and an entry is a hash and float32 log10 values. Tries (``lm/trie.cc``, ``lm/quantize.cc``, ``lm/bhiksha.cc``): each
order is an array of bit-packed rows: word, values or their codes, where the row's children begin.
"""

from collections.abc import Callable

import numpy as np

from nextword.errors import StoreError
from nextword.ngram.kenlm import kernels
from nextword.types import Array

_QUANTIZATION, _COMPRESSION = 2, 0  # versions of these parts' own formats
_MOST_CODE_BITS = 25


class Layout:
    """A walk through a file from the end of its header on; ``at`` is the byte reached, ``words`` how many there are."""

    def __init__(self, memory: Array, at: int, counts: list[int], multiplier: float):
        self.memory, self.at, self.counts, self.multiplier = memory, at, counts, np.float32(multiplier)
        self.base: int = memory.ctypes.data
        self.order, self.words = len(counts), 0

    def take(self, size: int) -> int:
        """Address of the next ``size`` bytes; StoreError if the file ends within them."""
        begin = self.at
        self.at += size
        if self.at > len(self.memory):
            raise StoreError(f"has {len(self.memory):,} bytes, and its header promises at least {self.at:,}")
        return self.base + begin

    def bytes(self, size: int) -> list[int]:
        """The next bytes, which stay to be taken."""
        return [int(byte) for byte in self.memory[self.at : self.at + size]]

    def buckets(self, count: int) -> int:
        """Buckets of a probing table of ``count`` entries, computed in float32 as KenLM does."""
        return max(count + 1, int(np.float32(self.multiplier * np.float32(count))))


def lay_out(layout: Layout, kind: int) -> Array:
    """The int64 numbers of ``kenlm_kernels`` for a file of a kind. Raises StoreError."""
    if max(layout.counts) > 1 << 48:
        raise StoreError(f"its header promises {max(layout.counts):,} n-grams of one order, and cannot be right")
    fields = np.zeros(kernels.HEAD + kernels.PER_ORDER * (layout.order - 1), dtype=np.int64)
    head, orders = fields[: kernels.HEAD], fields[kernels.HEAD :].reshape(-1, kernels.PER_ORDER)
    place: Callable[..., None] = _probing if kind < 2 else _trie
    place(layout, kind, head, orders)
    return fields


def _probing(layout: Layout, kind: int, head: Array, orders: Array) -> None:
    weights = 12 if kind == 1 else 8  # probability, back-off, perhaps the rest cost
    rows = layout.buckets(layout.counts[0])
    version, layout.words = np.frombuffer(bytes(layout.bytes(8)).ljust(8, b"\0"), dtype=np.uint32).tolist()
    layout.take(8)
    if version or not 0 < layout.words <= layout.counts[0] + 1:
        raise StoreError(f"its word table is of version {version} and has {layout.words:,} words, and cannot be right")
    head[[kernels.WORD_TABLE, kernels.WORD_ROWS]] = layout.take(12 * rows), rows
    unigrams = layout.take(weights * (layout.counts[0] + 1))
    head[[kernels.UNIGRAMS, kernels.UNIGRAM_BYTES, kernels.UNIGRAM_COUNT]] = unigrams, weights, layout.words
    for row, count in enumerate(layout.counts[1:]):
        size = 8 + (weights if row < layout.order - 2 else 4)
        rows = layout.buckets(count)
        fields = [kernels.BASE, kernels.ROWS, kernels.ENTRY_BYTES]
        orders[row, fields] = layout.take(size * rows), rows, size


def _trie(layout: Layout, kind: int, head: Array, orders: Array) -> None:
    (words,) = np.frombuffer(bytes(layout.bytes(8)).ljust(8, b"\0"), dtype=np.uint64).tolist()
    if words + 1 > layout.counts[0]:
        raise StoreError(f"its word table has {words + 1:,} words, and its header promises {layout.counts[0]:,}")
    layout.words = words + 1
    head[[kernels.WORD_TABLE, kernels.WORD_ROWS]] = layout.take(8 + 8 * layout.counts[0]) + 8, words
    _codes(layout, kind in (3, 5), orders)
    head[[kernels.UNIGRAMS, kernels.UNIGRAM_COUNT]] = layout.take(16 * (layout.counts[0] + 2)), layout.words
    most_chopped = _pointer_bits(layout) if kind >= 4 and layout.order > 2 else 0
    for k in range(2, layout.order):
        _middle(layout, orders[k - 2], layout.counts[k - 1], layout.counts[k], most_chopped if kind >= 4 else None)
    _rows(layout, orders[-1], layout.counts[-1], 31 if orders[-1, kernels.PROB_BITS] == kernels.EXACT else
          int(orders[-1, kernels.PROB_BITS]), 0)  # fmt: skip


def _codes(layout: Layout, quantized: bool, orders: Array) -> None:
    """The tables of a quantised trie's values: for each order those of the probabilities and of the back-offs."""
    if not quantized:
        orders[:, kernels.PROB_BITS] = kernels.EXACT
        return
    version, prob_bits, backoff_bits = (*layout.bytes(3), 0, 0, 0)[:3]
    sound = version == _QUANTIZATION and 1 <= prob_bits <= _MOST_CODE_BITS and 1 <= backoff_bits <= _MOST_CODE_BITS
    if not sound:
        found = f"version {version}, {prob_bits} and {backoff_bits} bits"
        raise StoreError(f"its quantisation is of {found}, expected version {_QUANTIZATION} and 1 to 25 bits")
    layout.take(8)
    for k in range(2, layout.order + 1):
        row = orders[k - 2]
        row[[kernels.PROB_BITS, kernels.PROB_TABLE]] = prob_bits, layout.take(4 << prob_bits)
        if k < layout.order:
            row[[kernels.BACKOFF_BITS, kernels.BACKOFF_TABLE]] = backoff_bits, layout.take(4 << backoff_bits)


def _pointer_bits(layout: Layout) -> int:
    version, most = (*layout.bytes(2), 0, 0)[:2]
    if version != _COMPRESSION:
        raise StoreError(f"its pointers are compressed in version {version}, expected version {_COMPRESSION}")
    return most


def _middle(layout: Layout, row: Array, count: int, children: int, most_chopped: int | None) -> None:
    """An order below the highest; ``most_chopped``: high bits of pointers at most kept apart, None for none."""
    required = children.bit_length()
    if most_chopped is not None:
        chopped = _chopped(count + 1, children, most_chopped)
        offsets = (children >> (required - chopped)) + 1
        begin = layout.take(8 * (1 + offsets) + 7)
        row[[kernels.OFFSETS, kernels.OFFSET_COUNT]] = -(-begin // 8) * 8 + 8, offsets
        required -= chopped
    row[[kernels.NEXT_BITS, kernels.NEXT_COUNT]] = required, children
    exact = row[kernels.PROB_BITS] == kernels.EXACT
    _rows(layout, row, count, kernels.EXACT if exact else int(row[[kernels.PROB_BITS, kernels.BACKOFF_BITS]].sum()),
          required)  # fmt: skip


def _chopped(rows: int, children: int, most: int) -> int:
    """How many high bits of the pointers are kept apart: the number that makes the whole smallest."""
    required = children.bit_length()
    costs = [(children >> (required - n)) * 64 - rows * n for n in range(min(required, most) + 1)]
    return costs.index(min(costs))


def _rows(layout: Layout, row: Array, count: int, value_bits: int, next_bits: int) -> None:
    word_bits = layout.counts[0].bit_length()
    total = word_bits + value_bits + next_bits
    begin = layout.take(((1 + count) * total + 7) // 8 + 8)
    fields = [kernels.BASE, kernels.ROWS, kernels.WORD_BITS, kernels.TOTAL_BITS]
    row[fields] = begin, count, word_bits, total
