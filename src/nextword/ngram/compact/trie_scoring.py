"""Log-probabilities from a quantised trie: of running text, and of every next word."""

from typing import Any

import numpy as np
from numba import njit

from nextword.ngram.compact.bits import read
from nextword.ngram.compact.trie_kernels import (
    BEGIN,
    BLOCK,
    CHILDREN,
    END,
    PLACE,
    WEIGHT_BITS,
    WEIGHTS,
    Trie,
    carry,
    code_of,
    contexts_of,
    match,
    rank_of,
)
from nextword.ngram.kernels import LN10
from nextword.types import Array, Float_T, Ids_T


@njit(cache=True, nogil=True)
def weigh(trie: Trie, k: int, nodes: Array, children: Array, suffixes: Array, out: Array) -> None:
    """Back-off weights of contexts of k + 1 words, k > 0, (B,): of a code, stored, or computed so that rows sum to 1.

    nodes: (B,) the contexts; children: (B, 4), theirs. suffixes: (B,) where the children of their suffixes begin.
    """
    words, bits, weight_bits, stored_above = trie.words, trie.bits, trie.weight_bits, trie.stored_above
    own_at, lower_at, own_values, lower_values = trie.layout[k], trie.layout[k - 1], trie.values[k], trie.values[k - 1]
    coded, last = trie.weights[k], lower_at[CHILDREN] - 1
    for b in range(len(nodes)):
        begin, count = children[b, BEGIN], children[b, END] - children[b, BEGIN]
        if weight_bits > 0:
            out[b] = coded[read(words, own_at[WEIGHTS] + nodes[b] * weight_bits, weight_bits)]
        elif count > stored_above:
            out[b] = _as_float(read(words, children[b, PLACE] - WEIGHT_BITS, WEIGHT_BITS))
        else:
            left = left_of_suffix = 1.0
            for i in range(count):
                left -= own_values[code_of(words, own_at, bits, begin + i)]
                suffix = max(min(suffixes[b] + rank_of(words, children, b, i), last), 0)
                left_of_suffix -= lower_values[code_of(words, lower_at, bits, suffix)]
            out[b] = left / left_of_suffix if left > 0 and left_of_suffix > 0 else 1.0


@njit(cache=True, nogil=True, inline="always")
def _as_float(bits):  # type: ignore[no-untyped-def]
    """The float32 of 32 bits."""
    return np.uint32(bits).view(np.float32)


@njit(cache=True, nogil=True)
def score(ids: Ids_T, bos: int, eos: int, trie: Trie, out: Float_T, orders: Array) -> None:
    """As ``scoring.score``: log-probability, nats, of every token of ``ids``, and the order of the longest n-gram."""
    lengths = len(trie.layout)
    contexts = contexts_of(lengths, len(ids))
    nodes, found, length, children, active = contexts
    words, layout, unigrams, logs, bits = trie.words, trie.layout, trie.unigrams, trie.logs, trie.bits
    weights, answers = np.empty((2, len(active)), dtype=np.float64)
    asked, suffixes = np.empty((2, len(active)), dtype=np.int64)
    spans = np.empty((len(active), 4), dtype=np.int64)
    for begin in range(0, len(ids), BLOCK):
        tokens = ids[begin : begin + BLOCK]
        match(tokens, bos, eos, trie, contexts)
        weights[:] = 1.0
        for k in range(1, lengths):  # contexts of k + 1 words before tokens that were not found after them
            n = 0
            for row in range(1, len(tokens) + 1):
                active[n], asked[n], suffixes[n] = row, nodes[k, row - 1], children[k - 1, row - 1, BEGIN]
                for field in range(4):
                    spans[n, field] = children[k, row - 1, field]
                n += (found[row] > 0) & (found[row] <= k + 1) & (length[row - 1] > k)
            weigh(trie, k, asked[:n], spans, suffixes, answers)
            for a in range(n):
                weights[active[a]] *= answers[a]
        for row in range(1, len(tokens) + 1):
            i, k, g = begin + row - 1, found[row], nodes[max(found[row] - 1, 0), row]
            total = unigrams[g, 0] * LN10 if k < 2 else logs[k - 2, code_of(words, layout[k - 2], bits, g)]
            if k == 1 and length[row - 1] > 0 and lengths > 0:
                total += unigrams[bos if ids[i - 1] == eos else ids[i - 1], 1] * LN10
            if weights[row] != 1.0:
                total += np.log(weights[row])
            out[i] = (total if ids[i] != bos else -np.inf) if k > 0 else 0.0
            orders[i] = k
        carry(contexts, len(tokens))


@njit(cache=True, nogil=True)
def distribution(histories: Ids_T, bos: int, eos: int, trie: Trie, out: Array) -> None:
    """As ``kernels.distribution``: log-probabilities of every word after histories, (B, K) ids, (B, V) nats."""
    size, lengths = out.shape[1], len(trie.layout)
    contexts = contexts_of(lengths, lengths)
    nodes, found, length, children, _ = contexts
    layout, trie_words, unigrams, logs, bits = trie.layout, trie.words, trie.unigrams, trie.logs, trie.bits
    words = np.zeros((2, size), dtype=np.int32)  # of a context's children, and of its suffix's
    weights, weight = np.empty(lengths + 1, dtype=np.float64), np.empty(1, dtype=np.float64)
    for b in range(len(histories)):
        found[0] = length[0] = row = 0
        for begin in range(0, lengths, BLOCK):
            carry(contexts, row)
            row = min(lengths - begin, BLOCK)
            match(histories[b, begin : begin + row], bos, eos, trie, contexts)
        known = length[row]
        weights[known] = 0.0  # what a word takes that follows the last k words, and no more of them
        for k in range(known - 1, -1, -1):
            if k > 0:
                here = slice(row, row + 1)
                weigh(trie, k, nodes[k, here], children[k, here], children[k - 1, here, BEGIN], weight)
                weights[k] = weights[k + 1] + np.log(weight[0])
            else:
                word = histories[b, lengths - 1]
                weights[0] = weights[1] + unigrams[bos if word == eos else word, 1] * LN10
        for w in range(size):
            out[b, w] = unigrams[w, 0] * LN10 + weights[0]
        siblings = size
        for k in range(known):
            of_k = children[k]
            begin, count = of_k[row, BEGIN], min(of_k[row, END] - of_k[row, BEGIN], size)
            for i in range(count):
                rank: Any = max(min(rank_of(trie_words, of_k, row, i), siblings - 1), 0)
                word = rank if k == 0 else words[(k + 1) & 1, rank]
                words[k & 1, i] = word
                out[b, word] = logs[k, code_of(trie_words, layout[k], bits, begin + i)] + weights[k + 1]
            siblings = count
        out[b, bos] = -np.inf
