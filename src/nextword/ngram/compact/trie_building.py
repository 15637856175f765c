"""Writing a quantised trie, and reading it back; ``trie`` has the format."""

from collections.abc import Sequence
from typing import NamedTuple

import numpy as np
from numba import njit

from nextword.ngram.compact.bits import SAMPLE, bits_for, high_words, low_bits, write
from nextword.ngram.compact.trie_kernels import (
    BEGIN,
    CHILDREN,
    CODES,
    COLUMNS,
    END,
    HIGH_END,
    HIGH_FIRST,
    HIGH_RANKS,
    LONGEST,
    LOW_FIRST,
    LOW_RANKS,
    LOWS,
    NODES,
    RANK_BITS,
    RANKS,
    SAMPLES,
    WEIGHT_BITS,
    WEIGHTS,
    Trie,
    code_of,
    expand,
    expand_word,
    rank_of,
)
from nextword.ngram.compact.trie_scoring import weigh
from nextword.ngram.links import Linked
from nextword.types import Array


class Plan(NamedTuple):
    """Where everything lies: layout as in ``Trie``, and how many words and samples there are."""

    layout: Array
    words: int
    samples: int


def plan(counts: Sequence[int], rank_bits: Sequence[int], longest: int, bits: int, weight_bits: int) -> Plan:
    """Lay out a trie of ``counts`` n-grams of each order, each part from a word's beginning.

    rank_bits: of the ranks and stored weights of each length of context from 2 up. longest: words between two samples.
    """
    layout = np.zeros((len(counts) - 1, COLUMNS), dtype=np.int64)
    word = sample = 0
    for k, row in enumerate(layout):
        nodes, children = counts[k], counts[k + 1]
        row[[NODES, CHILDREN, LONGEST]] = nodes, children, longest
        row[RANK_BITS] = children * bits_for(nodes) if k == 0 else rank_bits[k - 1]
        row[CODES], word = 64 * word, word + _words(children * bits)
        row[RANKS], word = 64 * word, word + _words(int(row[RANK_BITS]))
        if k == 0:
            continue
        row[LOW_FIRST], row[LOW_RANKS] = low_bits(nodes + 1, children), low_bits(nodes + 1, int(row[RANK_BITS]))
        row[LOWS], word = 64 * word, word + _words((nodes + 1) * int(row[LOW_FIRST] + row[LOW_RANKS]))
        row[HIGH_FIRST], word = word, word + high_words(nodes + 1, children, int(row[LOW_FIRST]))
        row[HIGH_RANKS], word = word, word + high_words(nodes + 1, int(row[RANK_BITS]), int(row[LOW_RANKS]))
        row[HIGH_END] = word
        row[WEIGHTS], word = 64 * word, word + _words(nodes * weight_bits)
        row[SAMPLES], sample = sample, sample + nodes // SAMPLE + 1
    return Plan(layout, word + 1, sample)  # a spare word, as ``bits.read`` reads two


def _words(bits: int) -> int:
    return -(-bits // 64)


class Packed(NamedTuple):
    """What ``pack`` makes; see ``Plan`` and ``Trie``."""

    words: Array
    samples: Array
    rank_bits: list[int]
    longest: int


def pack(
    linked: Linked,
    codes: Sequence[Array],
    bits: int,
    *,
    weights: Array,
    stored_above: int,
    weight_codes: Sequence[Array] = (),
    weight_bits: int = 0,
) -> Packed:
    """Write the n-grams of orders 2 and up.

    codes: those of each order's probabilities. weights: (M,) float32, of which those of contexts of more than
    ``stored_above`` children are stored; or weight_codes: for each order from 2 to the last but one.
    """
    starts, first, suffix, order = linked.starts, linked.first, linked.suffix, linked.order
    counts = np.diff(starts[1:]).tolist()
    rank_bits = [_rank_bits(starts[k], starts[k + 1], first, suffix, stored_above) for k in range(2, order)]
    found = plan(counts, rank_bits, 0, bits, weight_bits)
    words, samples = np.zeros(found.words, dtype=np.uint64), np.zeros((found.samples, 2), dtype=np.uint32)
    stored = weights.view(np.uint32)
    for k, row in enumerate(found.layout):
        low, high = starts[k + 1], starts[k + 2]
        _write_fields(words, row[CODES], bits, codes[k])
        if k == 0:
            _write_fields(words, row[RANKS], bits_for(counts[0]), linked.word[high : starts[3]])
            continue
        ends = _rank_ends(low, high, first, suffix, stored_above)
        _write_ranks(words, row[RANKS], low, high, first, suffix, ends, stored_above, stored)
        children = first[low : high + 1].astype(np.int64) - high
        both = row[LOW_FIRST] + row[LOW_RANKS]
        of_samples = samples[row[SAMPLES] :]
        _write_rising(words, children, row[LOWS], both, row[LOW_FIRST], row[HIGH_FIRST], of_samples[:, 0])
        at = row[LOWS] + row[LOW_FIRST]
        _write_rising(words, ends, at, both, row[LOW_RANKS], row[HIGH_RANKS], of_samples[:, 1])
        if weight_bits:
            _write_fields(words, row[WEIGHTS], weight_bits, weight_codes[k - 1])
    return Packed(words, samples, rank_bits, _longest_walk(words, samples, found.layout))


@njit(cache=True, nogil=True, inline="always")
def _size(first, suffix, h, stored_above):  # type: ignore[no-untyped-def]
    """Bits of the ranks of context ``h``, and of its weight if that is stored before them."""
    count = np.int64(first[h + 1]) - np.int64(first[h])
    siblings = np.int64(first[suffix[h] + 1]) - np.int64(first[suffix[h]])
    size = count * bits_for(siblings) if count < siblings else 0
    return size + (WEIGHT_BITS if count > stored_above else 0)


@njit(cache=True, nogil=True)
def _rank_bits(begin: int, end: int, first: Array, suffix: Array, stored_above: int) -> int:
    """Bits of the ranks of contexts ``begin`` to ``end``, and of the weights among them."""
    total = 0
    for h in range(begin, end):
        total += _size(first, suffix, h, stored_above)
    return total


@njit(cache=True, nogil=True)
def _rank_ends(begin: int, end: int, first: Array, suffix: Array, stored_above: int) -> Array:
    """Where ranks of contexts ``begin`` to ``end`` begin, in bits, and where the last one's end, (contexts + 1,)."""
    ends = np.zeros(end - begin + 1, dtype=np.int64)
    for h in range(begin, end):
        ends[h - begin + 1] = ends[h - begin] + _size(first, suffix, h, stored_above)
    return ends


@njit(cache=True, nogil=True)
def _write_ranks(
    words: Array, at: int, begin: int, end: int, first: Array, suffix: Array, ends: Array, stored_above: int,
    stored: Array,
) -> None:  # fmt: skip
    """Write, from bit ``at`` on, the ranks of contexts ``begin`` to ``end``, and before them what is ``stored``."""
    for h in range(begin, end):
        low, high = np.int64(first[h]), np.int64(first[h + 1])
        siblings = np.int64(first[suffix[h]])
        place = at + ends[h - begin]
        if high - low > stored_above:
            write(words, place, WEIGHT_BITS, stored[h])
            place += WEIGHT_BITS
        if high - low < np.int64(first[suffix[h] + 1]) - siblings:
            width = bits_for(np.int64(first[suffix[h] + 1]) - siblings)
            for g in range(low, high):
                write(words, place, width, np.int64(suffix[g]) - siblings)
                place += width


@njit(cache=True, nogil=True)
def _write_fields(words: Array, at: int, width: int, values: Array) -> None:
    """Write equal fields from bit ``at`` on."""
    for i in range(len(values)):
        write(words, at + i * width, width, values[i])


@njit(cache=True, nogil=True)
def _write_rising(words: Array, numbers: Array, lows: int, step: int, low: int, high: int, samples: Array) -> None:
    """Write a rising sequence: ``low`` bits of each from bit ``lows`` on, ``step`` apart; the rest at word ``high``."""
    for i in range(len(numbers)):
        x = numbers[i]
        write(words, lows + i * step, low, x & ((np.int64(1) << low) - 1))
        place = (x >> low) + i
        words[high + (place >> 6)] |= np.uint64(1) << np.uint64(place & 63)
        if i % SAMPLE == 0:
            samples[i // SAMPLE] = place


@njit(cache=True, nogil=True)
def _longest_walk(words: Array, samples: Array, layout: Array) -> int:
    """Words from one sample to beyond the bits of the numbers before the next, at most."""
    longest = 2
    for k in range(1, len(layout)):
        count = layout[k, NODES] // SAMPLE + 1
        for column, high, end in ((0, HIGH_FIRST, HIGH_RANKS), (1, HIGH_RANKS, HIGH_END)):
            size = layout[k, end] - layout[k, high]
            for s in range(count):
                place = np.int64(samples[layout[k, SAMPLES] + s, column]) >> 6
                after = size
                if s + 1 < count:
                    after = np.int64(samples[layout[k, SAMPLES] + s + 1, column]) >> 6
                longest = max(longest, after - place + 2)
    return longest


def unpack(trie: Trie, codebooks: Array, starts: Array) -> tuple[Array, Array, Array, Array]:
    """The arrays word, first, inner and leaf of a BackoffModel of the trie's n-grams."""
    below, total, size = int(starts[-2]), int(starts[-1]), int(starts[2])
    word, first = np.zeros(total, dtype=np.uint32), np.full(below + 1, total, dtype=np.uint32)
    log10, weights = np.zeros(total, dtype=np.float32), np.ones(below, dtype=np.float64)
    word[:size], log10[:size] = np.arange(size), trie.unigrams[:, 0]
    _unpack(trie, codebooks, starts, word, first, np.zeros(total, dtype=np.uint32), log10, weights)
    inner = np.zeros((below, 2), dtype=np.float32)
    inner[:, 0] = log10[:below]
    with np.errstate(all="ignore"):
        np.log10(weights, out=inner[:, 1], casting="same_kind")
    inner[:size, 1] = trie.unigrams[: len(inner), 1]
    return word, first, inner, log10[below:]


@njit(cache=True, nogil=True)
def _unpack(
    trie: Trie, codebooks: Array, starts: Array, word: Array, first: Array, suffix: Array, log10: Array, weights: Array
) -> None:
    """Fill the arrays, order by order; what a damaged trie does not tell stays as it is."""
    words, samples, bits = trie.words, trie.samples, trie.bits
    children, node = np.zeros((1, 4), dtype=np.int64), np.zeros((2, 1), dtype=np.int64)
    for k in range(len(trie.layout)):
        at, end_of_order, layout, book = starts[k + 2], starts[k + 3], trie.layout[k], codebooks[k]
        for h in range(starts[k + 1], starts[k + 2]):
            first[h] = at
            low, high = np.int64(0), starts[2]
            if k == 0:
                expand_word(trie.first, layout, h, high, children, 0)
            else:
                low, high = np.int64(first[suffix[h]]), np.int64(first[suffix[h] + 1])
                node[0, 0], node[1, 0] = h - starts[k + 1], low - starts[k + 1]
                expand(words, samples, trie.stored_above, layout, node[0, 0], high - low, children, 0)
                weigh(trie, k, node[0], children, node[1], weights[h : h + 1])
            begin = children[0, BEGIN]
            for i in range(min(children[0, END] - begin, end_of_order - at)):
                suffix[at] = max(min(low + rank_of(words, children, 0, i), high - 1), 0)
                word[at] = word[suffix[at]]
                log10[at] = book[code_of(words, layout, bits, begin + i)]
                at += 1
