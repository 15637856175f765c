"""Looking n-grams up in a quantised trie, whose format ``trie`` tells.

Every number that comes from a file is bounded before it is an index: a damaged file gives wrong numbers and no more.
"""

from typing import NamedTuple

import numpy as np
from numba import njit

from nextword.ngram.compact.bits import SAMPLE, SAMPLE_BITS, bits_for, read, select
from nextword.text.prefetch import prefetch
from nextword.types import Array, Ids_T

BLOCK = 256  # tokens whose memory is fetched together
WEIGHT_BITS = 32  # of a back-off weight that is stored as float32 before its context's ranks
# Columns of the layout, which has a row for the contexts of each length k and their children.
NODES, CHILDREN = 0, 1  # how many there are
CODES, RANKS, LOWS, WEIGHTS = 2, 3, 4, 5  # the bit where a part begins
RANK_BITS = 6  # how many bits all ranks take, with the stored weights among them
LOW_FIRST, LOW_RANKS = 7, 8  # low bits of a number that says where children begin, or ranks
HIGH_FIRST, HIGH_RANKS, HIGH_END = 9, 10, 11  # the words where the high bits begin, and where they end
SAMPLES, LONGEST = 12, 13  # where the samples begin; the most words from one to the next
COLUMNS = 14
# Of the children of a context: the first and the end, where their ranks begin, and how many bits each rank takes.
BEGIN, END, PLACE, WIDTH = 0, 1, 2, 3


class Trie(NamedTuple):
    """A trie as kernels read it. K is the highest order less 1, the number of context lengths.

    first: (V + 1,) uint32, where the children of each word begin. unigrams: (V, 2) float32, log10 probability and
    back-off weight. words: uint64, all else, where ``layout``, (K, COLUMNS) int64, says. samples: (S, 2) uint32.
    values, logs: (K, 2**bits) float64, what codes of probabilities stand for, and its natural logarithm. weights:
    (K, 2**weight_bits) float64, what those of back-off weights do. bits, weight_bits: of the codes; there are none of
    weights if that is 0. stored_above: contexts of more children have their weight stored, others have it computed.
    """

    first: Array
    unigrams: Array
    words: Array
    samples: Array
    layout: Array
    values: Array
    logs: Array
    weights: Array
    bits: int
    weight_bits: int
    stored_above: int


class Contexts(NamedTuple):
    """What a block of tokens is as contexts: row r stands for its r-th token, row 0 for the one before.

    nodes: (K + 1, rows), the n-grams of each order that end there, as many as ``found``, (rows,), says. length: (rows,)
    how many words of context the next token has. children: (K, rows, 4), those of the context of each length.
    active: (rows,) scratch.
    """

    nodes: Array
    found: Array
    length: Array
    children: Array
    active: Array


@njit(cache=True, nogil=True)
def contexts_of(lengths: int, tokens: int) -> Contexts:
    """Room for blocks of at most so many tokens, for ``lengths`` lengths of context."""
    rows = min(tokens, BLOCK) + 1
    numbers = np.zeros((3, rows), dtype=np.int64)
    nodes = np.zeros((lengths + 1, rows), dtype=np.int64)
    return Contexts(nodes, numbers[0], numbers[1], np.zeros((lengths, rows, 4), dtype=np.int64), numbers[2])


@njit(cache=True, nogil=True)
def carry(contexts: Contexts, last: int) -> None:
    """Make row ``last`` the row before the next block."""
    nodes, found, length, children, _ = contexts
    found[0], length[0] = found[last], length[last]
    nodes[:, 0] = nodes[:, last]
    children[:, 0] = children[:, last]


@njit(cache=True, nogil=True, forceinline=True)
def expand(words, samples, stored_above, at, g, siblings, out, row):  # type: ignore[no-untyped-def]
    """Write to ``out[row]``, (4,), the children of context ``g`` of two words or more; zeros if there are none.

    at: the layout's row. siblings: how many children the context's suffix has, among which the ranks count.
    """
    out[row, BEGIN] = out[row, END] = out[row, PLACE] = out[row, WIDTH] = 0
    sample, skip = at[SAMPLES] + (g >> SAMPLE_BITS), g & (SAMPLE - 1)
    base = at[HIGH_FIRST] << 6
    place = base + np.int64(samples[sample, 0])
    place, following = select(words, place, min(at[HIGH_RANKS], (place >> 6) + at[LONGEST]), skip)
    low, both = at[LOW_FIRST], at[LOW_FIRST] + at[LOW_RANKS]
    mask = (np.int64(1) << low) - 1
    lows = read(words, at[LOWS] + g * both, both)
    begin = ((place - base - g) << low) | (lows & mask)
    end = ((following - base - g - 1) << low) | (read(words, at[LOWS] + (g + 1) * both, both) & mask)
    if place >= 0 and following >= 0 and 0 <= begin < end <= at[CHILDREN]:
        width = bits_for(siblings) if end - begin < siblings else 0
        weight = WEIGHT_BITS if end - begin > stored_above else 0
        size = (end - begin) * width + weight
        ranks = np.int64(0)
        if size > 0:
            base = at[HIGH_RANKS] << 6
            place = base + np.int64(samples[sample, 1])
            place, _ = select(words, place, min(at[HIGH_END], (place >> 6) + at[LONGEST]), skip)
            ranks = ((place - base - g) << at[LOW_RANKS]) | (lows >> low)
        if place >= 0 and 0 <= ranks <= at[RANK_BITS] - size:
            out[row, BEGIN], out[row, END] = begin, end
            out[row, PLACE], out[row, WIDTH] = at[RANKS] + ranks + weight, width


@njit(cache=True, nogil=True, forceinline=True)
def expand_word(first, at, word, vocabulary_size, out, row):  # type: ignore[no-untyped-def]
    """As ``expand``, of a context of one word."""
    begin, end = np.int64(first[word]), np.int64(first[word + 1])
    if not begin < end <= at[CHILDREN]:
        begin = end = np.int64(0)
    width = bits_for(vocabulary_size)
    out[row, BEGIN], out[row, END] = begin, end
    out[row, PLACE], out[row, WIDTH] = at[RANKS] + begin * width, width


@njit(cache=True, nogil=True, forceinline=True)
def find_child(words, children, row, rank):  # type: ignore[no-untyped-def]
    """Of ``children[row]`` the one with that rank, or -1."""
    begin, place, width = children[row, BEGIN], children[row, PLACE], children[row, WIDTH]
    count = children[row, END] - begin
    low, left = np.int64(0), min(count, rank + 1)  # as ranks rise, the i-th is i or more
    if width == 0:  # all that follow the context's suffix are there
        low, left = rank, np.int64(1)
    while left > 1:  # a step has no branch to be guessed
        half = left >> 1
        low += half if read(words, place + (low + half) * width, width) <= rank else 0
        left -= half
    return begin + low if low < count and (width == 0 or read(words, place + low * width, width) == rank) else -1


@njit(cache=True, nogil=True, inline="always")
def rank_of(words, children, row, i):  # type: ignore[no-untyped-def]
    """Rank of the i-th of ``children[row]``: its place among the children of the context's suffix; at order 2 an id."""
    width = children[row, WIDTH]
    return i if width == 0 else read(words, children[row, PLACE] + i * width, width)


@njit(cache=True, nogil=True, inline="always")
def code_of(words, at, bits, g):  # type: ignore[no-untyped-def]
    """Code of the probability of child ``g`` of the contexts of the layout's row ``at``."""
    return read(words, at[CODES] + g * bits, bits)


@njit(cache=True, nogil=True)
def match(tokens: Ids_T, bos: int, eos: int, trie: Trie, contexts: Contexts) -> None:
    """Find the n-grams that end at each token of a block, at most BLOCK of them, and their children.

    Row r is filled for the r-th token, from 1, and row 0 is read. All contexts of the block of one length are looked up
    before the longer ones, so that memory is asked for well before it is needed.
    """
    nodes, found, length, children, active = contexts  # a field taken in a loop would be counted at every step
    first, words, samples, layout = trie.first, trie.words, trie.samples, trie.layout
    vocabulary_size, bits, stored_above = len(trie.unigrams), trie.bits, trie.stored_above
    size = 0
    for row in range(1, len(tokens) + 1):
        nodes[0, row] = max(np.int64(tokens[row - 1]), 0)
        found[row] = length[row] = tokens[row - 1] >= 0
        prefetch(first, nodes[0, row])
        active[size] = row
        size += found[row]
    for k in range(len(layout)):
        at, of_k = layout[k], children[k]
        for a in range(size if k > 0 else 0):
            _ask_highs(words, samples, at, nodes[k, active[a]])
        for a in range(size):  # the rows whose contexts of k + 1 words are there
            row = active[a]
            if k == 0:
                word = nodes[0, row]
                expand_word(first, at, bos if word == eos else word, vocabulary_size, of_k, row)
            else:
                siblings = children[k - 1, row, END] - children[k - 1, row, BEGIN]
                expand(words, samples, stored_above, at, nodes[k, row], siblings, of_k, row)
            middle = (of_k[row, END] - of_k[row, BEGIN]) >> 1
            prefetch(words, (of_k[row, PLACE] + middle * of_k[row, WIDTH]) >> 6)
            prefetch(words, (at[CODES] + of_k[row, BEGIN] * bits) >> 6)
        size = 0
        for row in range(1, len(tokens) + 1):
            if found[row] > k and length[row - 1] > k:
                rank = nodes[k, row] - (children[k - 1, row - 1, BEGIN] if k > 0 else 0)
                g = find_child(words, of_k, row - 1, rank)
                if g >= 0:
                    nodes[k + 1, row], found[row] = g, k + 2
                    prefetch(words, (at[CODES] + g * bits) >> 6)
                    if tokens[row - 1] != eos and k + 1 < len(layout):
                        length[row] = k + 2
                        active[size] = row
                        size += 1
                        _ask_samples(words, samples, layout, k + 1, g)


@njit(cache=True, nogil=True, inline="always")
def _ask_samples(words, samples, layout, k, g):  # type: ignore[no-untyped-def]
    """Ask for what ``expand`` reads first."""
    prefetch(samples, layout[k, SAMPLES] + (g >> SAMPLE_BITS))
    prefetch(words, (layout[k, LOWS] + g * (layout[k, LOW_FIRST] + layout[k, LOW_RANKS])) >> 6)


@njit(cache=True, nogil=True, inline="always")
def _ask_highs(words, samples, at, g):  # type: ignore[no-untyped-def]
    """Ask for what ``expand`` reads next, about where it will be found."""
    sample, ahead = at[SAMPLES] + (g >> SAMPLE_BITS), (g & (SAMPLE - 1)) >> 5
    prefetch(words, at[HIGH_FIRST] + (np.int64(samples[sample, 0]) >> 6) + ahead)
    prefetch(words, at[HIGH_RANKS] + (np.int64(samples[sample, 1]) >> 6) + ahead)
