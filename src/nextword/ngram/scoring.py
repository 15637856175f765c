"""Log-probabilities of running text under an n-gram model, a block of tokens at a time.

All k-grams of a block are looked up before the longer ones, so that memory is asked for well before it is needed: what
costs a look-up is not the computing but the wait for a table larger than any cache. Each step does one thing for all
its tokens and hands on a list of those that go on, so that it has no branch to be guessed wrongly at every other token.
"""

from typing import Any, NamedTuple

import numpy as np
from numba import njit

from nextword.ngram.kernels import (
    LN10,
    MULTIPLIER,
    index_bits,
    prepend_word,
    search_bucket,
    search_on,
    slot_among,
    spread,
    word_hash,
)
from nextword.text.prefetch import prefetch
from nextword.types import Array, Float_T, Ids_T

BLOCK = 1024  # tokens whose memory is fetched together
_ONE = np.uint64(1)
_ZERO = np.uint64(0)


class _Scratch(NamedTuple):
    """What a block's steps hand on. R = 1 + tokens in a block; row 0 is the token before it.

    nodes: (order, R), row k - 1 the index of the k-gram that ends at each token, as a context of the next: ``</s>``
    stands for ``<s>``. best: (R,) index of the longest n-gram that ends there. found: (R,) its order, 0 where there is
    no token. reach: (R,) how many words of context the token after may have. hashes: (R,) of the n-grams sought.
    before: (order + R,) the random number of each word as context, those of row r in ``before[order + r]``.
    active: rows that seek a longer n-gram. slot, key, number: for each of these where to look, for what, and what was
    found. late: those whose search goes on. missed: rows that found none, and take back-off weights. rows, weights: the
    rows that take one, and the contexts whose weight it is.
    """

    nodes: Array
    best: Array
    found: Array
    reach: Array
    hashes: Array
    before: Array
    active: Array
    slot: Array
    key: Array
    number: Array
    late: Array
    missed: Array
    rows: Array
    weights: Array


@njit(cache=True, nogil=True)
def make_scratch(order: int, tokens: int) -> _Scratch:
    """Room for the work on so many tokens, a block of them at most."""
    rows = min(tokens, BLOCK) + 1
    numbers = np.zeros((7, rows), dtype=np.int64)
    hashes = np.zeros((3, rows), dtype=np.uint64)
    return _Scratch(
        nodes=np.zeros((order, rows), dtype=np.int64),
        best=numbers[0],
        found=numbers[1],
        reach=numbers[2],
        hashes=hashes[0],
        before=np.zeros(order + rows, dtype=np.uint64),
        active=numbers[3],
        slot=numbers[4],
        key=hashes[1],
        number=hashes[2],
        late=numbers[5],
        missed=numbers[6],
        rows=np.empty(order * rows, dtype=np.int64),
        weights=np.empty(order * rows, dtype=np.int64),
    )


@njit(cache=True, nogil=True)
def read_tokens(words: Ids_T, bos: int, eos: int, scratch: _Scratch) -> int:
    """Enter a block's tokens, the first as row 1; those that are no -1 become active. Returns how many these are."""
    nodes, found, reach, best = scratch.nodes, scratch.found, scratch.reach, scratch.best
    hashes, before, active, order = scratch.hashes, scratch.before, scratch.active, len(scratch.nodes)
    sentence, seeking = word_hash(bos), 0
    for row in range(1, len(words) + 1):
        word: Any = np.int64(words[row - 1])
        there = word >= 0
        first = (word == eos) | (word == bos)
        word = word if there else 0
        h = word_hash(word)
        best[row] = word
        hashes[row] = h
        found[row] = there
        before[order + row] = sentence if first else h
        nodes[0, row] = bos if first else word
        reach[row] = (1 if first else reach[row - 1] + 1) if there else 0
        active[seeking] = row
        seeking += there
    return seeking


@njit(cache=True, nogil=True)
def ask(k: int, seeking: int, power: np.uint64, slots: int, bits: np.uint64, table: Array, scratch: _Scratch) -> None:
    """Ask for the memory where the k-grams of the active rows are; ``power``: MULTIPLIER**(k - 1)."""
    hashes, before, order = scratch.hashes, scratch.before, len(scratch.nodes)
    active, slot, key = scratch.active, scratch.slot, scratch.key
    for a in range(seeking):
        row = active[a]
        h = prepend_word(hashes[row], power, before[order + row - k + 1])
        hashes[row] = h
        h = spread(h)
        key[a] = h << bits
        slot[a] = slot_among(slots, h)
        prefetch(table, slot[a])


@njit(cache=True, nogil=True)
def look_up(seeking: int, mask: np.uint64, table: Array, scratch: _Scratch) -> None:
    """What the table has for each active row; the few whose search goes on beyond a bucket are looked up last."""
    slot, key, number, late = scratch.slot, scratch.key, scratch.number, scratch.late
    n = 0
    for a in range(seeking):
        number[a], ends = search_bucket(table, slot[a], key[a], mask)
        late[n] = a
        n += (number[a] == _ZERO) & (not ends)
    for b in range(n):
        a = late[b]
        number[a] = search_on(table, slot[a], key[a], mask)


@njit(cache=True, nogil=True)
def enter(k: int, seeking: int, ngrams: int, scratch: _Scratch, missing: int) -> tuple[int, int]:
    """Enter what the look-up of k-grams gave; an index of ``ngrams`` or more counts as not found.

    Returns how many rows are active and missed. A (k + 1)-gram is there only if the k-grams that begin and end it are.
    """
    active, number, missed = scratch.active, scratch.number, scratch.missed
    nodes, found, best = scratch.nodes, scratch.found, scratch.best
    hits = 0
    for a in range(seeking):
        row = active[a]
        g: Any = np.int64(number[a])
        g = g if g < ngrams else 0
        there = g != 0
        nodes[k - 1, row] = g
        best[row] = g if there else best[row]
        found[row] += there
        active[hits] = row
        hits += there
        missed[missing] = row
        missing += not there
    return hits, missing


@njit(cache=True, nogil=True)
def keep_active(k: int, rows: Array, count: int, scratch: _Scratch) -> int:
    """Of the first ``count`` rows keep those before which there is a context of k words; returns how many."""
    found, reach = scratch.found, scratch.reach
    n = 0
    for a in range(count):
        row = rows[a]
        rows[n] = row
        n += (found[row - 1] >= k) & (reach[row - 1] >= k)
    return n


@njit(cache=True, nogil=True)
def _back_off(k: int, missing: int, weights: int, inner: Array, scratch: _Scratch) -> int:
    """Let the missed rows take the weight of their contexts of k words; returns how many weights there are."""
    missed, rows, taken, nodes = scratch.missed, scratch.rows, scratch.weights, scratch.nodes
    for a in range(missing):
        row = missed[a]
        context = nodes[k - 1, row - 1]
        prefetch(inner, context)
        rows[weights + a], taken[weights + a] = row, context
    return weights + missing


@njit(cache=True, nogil=True)
def _match(
    words: Ids_T, bos: int, eos: int, table: Array, inner: Array, below: int, ngrams: int, scratch: _Scratch
) -> int:
    """Find the n-grams that end at each token of a block, at most BLOCK of them; returns how many weights to add.

    below, ngrams: how many there are below the highest order, and in all; an index beyond them counts as not found.
    """
    order, power, bits = len(scratch.nodes), MULTIPLIER, index_bits(ngrams)
    missing = weights = 0
    seeking = read_tokens(words, bos, eos, scratch)
    for k in range(2, order + 1):
        seeking = keep_active(k - 1, scratch.active, seeking, scratch)
        missing = keep_active(k - 1, scratch.missed, missing, scratch)
        ask(k, seeking, power, len(table), bits, table, scratch)
        look_up(seeking, (_ONE << bits) - _ONE, table, scratch)
        seeking, missing = enter(k, seeking, below if k < order else ngrams, scratch, missing)
        weights = _back_off(k - 1, missing, weights, inner, scratch)
        power *= MULTIPLIER
    return weights


@njit(cache=True, nogil=True)
def carry(tokens: int, scratch: _Scratch) -> None:
    """Make the last row of a block the row before the next block."""
    order = len(scratch.nodes)
    scratch.found[0], scratch.reach[0] = scratch.found[tokens], scratch.reach[tokens]
    for k in range(order):
        scratch.nodes[k, 0] = scratch.nodes[k, tokens]
        scratch.before[k + 1] = scratch.before[k + 1 + tokens]


@njit(cache=True, nogil=True)
def score(
    ids: Ids_T, order: int, bos: int, eos: int, table: Array, inner: Array, leaf: Array, out: Float_T, orders: Array
) -> None:
    """Log-probability, nats, of every token of ``ids``, each given those before it, up to ``</s>`` or a -1.

    ids: (T,), begins with ``</s>`` or context. out: (T,) float64; 0 at -1, -inf at ``<s>``. orders: (T,) int16,
    the order of the longest n-gram found.
    """
    scratch = make_scratch(order, len(ids))
    for begin in range(0, len(ids), BLOCK):
        words = ids[begin : begin + BLOCK]
        weights = _match(words, bos, eos, table, inner, len(inner), len(inner) + len(leaf), scratch)
        _sum(words, bos, inner, leaf, weights, scratch, out[begin : begin + BLOCK], orders[begin : begin + BLOCK])
        carry(len(words), scratch)


@njit(cache=True, nogil=True)
def _sum(
    words: Ids_T, bos: int, inner: Array, leaf: Array, weights: int, scratch: _Scratch, out: Float_T, orders: Array
) -> None:
    """A block's log-probabilities: that of the longest n-gram found, and the weights of the contexts longer than it."""
    best, found, rows, contexts = scratch.best, scratch.found, scratch.rows, scratch.weights
    below = len(inner)
    for row in range(1, len(words) + 1):
        g = best[row]
        if g < below:
            prefetch(inner, g)
        else:
            prefetch(leaf, g - below)
    for row in range(1, len(words) + 1):
        g = best[row]
        out[row - 1] = np.float64(inner[g, 0]) if g < below else np.float64(leaf[g - below])
        orders[row - 1] = found[row]
    for a in range(weights):
        out[rows[a] - 1] += np.float64(inner[contexts[a], 1])
    for i in range(len(words)):
        log_prob = out[i] * LN10
        log_prob = log_prob if words[i] != bos else -np.inf
        out[i] = log_prob if words[i] >= 0 else 0.0


@njit(cache=True, nogil=True)
def match(ids: Ids_T, order: int, bos: int, eos: int, table: Array, ngrams: int, out: Array) -> None:
    """Index of the k-gram that ends at each token, (T, order) int64; 0 from the first order that is not there."""
    scratch, unweighted = make_scratch(order, len(ids)), np.empty((0, 2), dtype=np.float32)
    for begin in range(0, len(ids), BLOCK):
        words = ids[begin : begin + BLOCK]
        _match(words, bos, eos, table, unweighted, ngrams, ngrams, scratch)
        for row in range(1, len(words) + 1):
            out[begin + row - 1, 0] = max(words[row - 1], 0)
            for k in range(1, order):
                out[begin + row - 1, k] = scratch.nodes[k, row] if k < scratch.found[row] else 0
        carry(len(words), scratch)
