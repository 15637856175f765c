"""The compiled loops of the drop-in: one word after a state, and a whole text; ``compiled`` makes them for each kind.

``context`` is the address of int64 numbers: CONTEXT of them that all kinds share, then the kind's ``fields``. Sums are
in float32 and in KenLM's order (``lm/model.cc``), so that they equal KenLM's to the last bit. A state is ``n`` words
(uint32), the latest first, and then their n back-off weights (float32), those of the contexts of 1 to n words.
"""

import numpy as np
from numba import njit

from nextword.interfaces.kenlm.calls import as_bytes
from nextword.interfaces.kenlm.lookups import (
    TRIE,
    ask,
    begins_longer,
    fetch_unigram,
    find,
    find_word,
    follow,
    hash_word,
    root,
    seat_word,
    value,
)
from nextword.ngram.kenlm.addresses import (
    load_byte,
    load_float32,
    load_int64,
    load_uint32,
    rows_at,
    store_float32,
    store_int64,
    store_uint32,
)
from nextword.ngram.kernels import MULTIPLIER

ORDER, BOS, EOS, SCRATCH, STATE, PROBS, LENGTHS, TOKENS, CONTEXT = 0, 1, 2, 3, 4, 5, 6, 7, 8
BLOCK = 64  # tokens whose memory is asked for together
FOUND, LENGTH, NODE_A, NODE_B, ACTIVE, IDS = 0, 1, 2, 3, 4, 5  # rows of the scratch array, then ORDER rows of places
_ZERO32 = np.float32(0)


def scratch_shape(order: int) -> tuple[int, int]:
    """Shape of the int64 array that ``score`` works in; column c is token c - order of a block."""
    return IDS + 1 + order, order + BLOCK + 1


@njit(forceinline=True)
def _is_space(byte):  # type: ignore[no-untyped-def]
    """KenLM's kSpaces and Python's ``bytes.split()``: tab, newline, vertical tab, form feed, return, space."""
    return byte == 32 or 9 <= byte <= 13


@njit(forceinline=True)
def step(kind, context, state, word):  # type: ignore[no-untyped-def]
    """log10 p(word | state); the longest n-gram found, its negative for an unknown word; the state after."""
    fields = context + 8 * CONTEXT
    count = 0
    while count < word.count and load_byte(word.address + count) != 0:
        count += 1
    h = hash_word(kind, word.address, count, word.count)
    new = find_word(kind, fields, h, seat_word(kind, fields, h))
    prob, found, keep = _advance(kind, context, state.address, state.count >> 3, new)
    after = as_bytes(load_int64(context + 8 * STATE), 8 * keep)
    return np.float64(prob), found if new != 0 else -found, after


@njit(forceinline=True)
def _advance(kind, context, state, held, new):  # type: ignore[no-untyped-def]
    """log10 p(new | the ``held`` words of a state), float32; the longest n-gram found; words of the state at STATE."""
    top, fields, out = load_int64(context), context + 8 * CONTEXT, load_int64(context + 8 * STATE)
    known, weights = min(held, top - 1), out + 4 * top
    work = rows_at(load_int64(context + 8 * SCRATCH), IDS + 1 + top, top + BLOCK + 1)
    hashes = work.view(np.uint64)
    fetch_unigram(kind, fields, new)
    if kind != TRIE:
        _ask_all(kind, fields, state, known, new, work[NODE_B], hashes[NODE_A])
    prob, backoff = value(kind, fields, top, 1, new)
    store_uint32(out, np.uint32(new))
    store_float32(weights, backoff)
    keep = 1 if top > 1 and begins_longer(kind, fields, backoff, new) else 0
    found = 1
    a, b, more = root(kind, fields, new)
    for order in range(2, known + 2):
        if not more:
            break
        before = np.int64(load_uint32(state + 4 * (order - 2)))
        if kind != TRIE:
            a, b = hashes[NODE_A, order], work[NODE_B, order]
        place = find(kind, fields, top, order, a, b, before)
        if place < 0:
            break
        found = order
        prob, backoff = value(kind, fields, top, order, place)
        if order == top:
            break
        store_uint32(out + 4 * (order - 1), np.uint32(before))
        store_float32(weights + 4 * (order - 1), backoff)
        if begins_longer(kind, fields, backoff, place):
            keep = order
        a, b, more = follow(kind, fields, order, a, b, place)
    for i in range(found - 1, known):
        prob += load_float32(state + 4 * (held + i))
    for i in range(keep):
        store_float32(out + 4 * (keep + i), load_float32(weights + 4 * i))
    return prob, found, keep


@njit(forceinline=True)
def _ask_all(kind, fields, state, known, new, b, a):  # type: ignore[no-untyped-def]
    """Ask a hash table for the n-grams of all orders at once, though the longer ones may turn out not to be needed."""
    power = MULTIPLIER
    node, other, _ = root(kind, fields, new)
    for order in range(2, known + 2):
        node, other = ask(kind, fields, order, power, node, other, np.int64(load_uint32(state + 4 * (order - 2))))
        a[order], b[order] = node, other
        power *= MULTIPLIER


@njit(forceinline=True)
def _cut(kind, fields, text, at, end, rows, work, hashes):  # type: ignore[no-untyped-def]
    """Hash the next words of ``text[at:end]``, ``rows`` at most; returns (bytes read, words). A NUL ends a word."""
    n = 0
    while n < rows:
        while at < end and _is_space(load_byte(text + at)):
            at += 1
        if at == end:
            break
        begin, stop = at, -1
        while at < end:
            byte = load_byte(text + at)
            if byte <= 32:
                if _is_space(byte):
                    break
                if byte == 0 and stop < 0:
                    stop = at
            at += 1
        h = hash_word(kind, text + begin, (at if stop < 0 else stop) - begin, end - begin)
        hashes[n] = h
        work[n] = seat_word(kind, fields, h)
        n += 1
    return at, n


@njit(forceinline=True)
def _match(kind, fields, top, work, hashes, n):  # type: ignore[no-untyped-def]
    """Find the n-grams that end at each of the ``n`` words of a block, all orders' k-grams before the longer ones.

    A (k + 1)-gram is there only if the k-grams that begin and end it are.
    """
    found, ids = work[FOUND], work[IDS]
    a, b, active, places = hashes[NODE_A], work[NODE_B], work[ACTIVE], work[IDS + 1 :]
    seeking, power = 0, MULTIPLIER
    for column in range(top + 1, top + 1 + n):
        found[column] = 1
        places[0, column] = ids[column]
        node, other, more = root(kind, fields, ids[column])
        if top > 1 and more and found[column - 1] > 0:
            a[column], b[column] = ask(kind, fields, 2, power, node, other, ids[column - 1])
            active[seeking] = column
            seeking += 1
    for order in range(2, top + 1):
        hits = 0
        for i in range(seeking):
            column = active[i]
            place = find(kind, fields, top, order, a[column], b[column], ids[column - order + 1])
            if place >= 0:
                found[column] = order
                places[order - 1, column] = place
                active[hits] = column
                hits += 1
        seeking = 0
        power *= MULTIPLIER
        for i in range(hits if order < top else 0):
            column = active[i]
            if found[column - 1] >= order:
                node, other, more = follow(kind, fields, order, a[column], b[column], places[order - 1, column])
                if more:
                    a[column], b[column] = ask(kind, fields, order + 1, power, node, other, ids[column - order])
                    active[seeking] = column
                    seeking += 1


@njit(forceinline=True)
def _weigh(kind, fields, top, work, column):  # type: ignore[no-untyped-def]
    """log10 probability of a column's word; also how many words a state after it keeps."""
    length, places = work[LENGTH], work[IDS + 1 :]
    found = work[FOUND, column]
    prob, backoff = value(kind, fields, top, found, places[found - 1, column])
    for k in range(found, length[column - 1] + 1):
        prob += value(kind, fields, top, k, places[k - 1, column - 1])[1]
    keep = found
    if keep == top:
        keep -= 1
        if keep > 0:
            backoff = value(kind, fields, top, keep, places[keep - 1, column])[1]
    while keep > 0 and not begins_longer(kind, fields, backoff, places[keep - 1, column]):
        keep -= 1
        if keep > 0:
            backoff = value(kind, fields, top, keep, places[keep - 1, column])[1]
    length[column] = keep
    return prob


@njit(forceinline=True)
def score(kind, context, text, end, bos, eos, record):  # type: ignore[no-untyped-def]
    """log10 probability of the words of ``text[:end]``; ``record``: note each one's at PROBS, its n-gram at LENGTHS."""
    top, fields = load_int64(context), context + 8 * CONTEXT
    probs, lengths = load_int64(context + 8 * PROBS), load_int64(context + 8 * LENGTHS)
    work = rows_at(load_int64(context + 8 * SCRATCH), IDS + 1 + top, top + BLOCK + 1)
    hashes = work.view(np.uint64)
    begin = np.int64(load_int64(context + 8 * BOS))
    work[FOUND, top] = work[LENGTH, top] = 1 if bos and top > 1 else 0
    work[IDS, top] = work[IDS + 1, top] = begin
    at, tokens, total, ended = np.int64(0), np.int64(0), _ZERO32, not eos
    while at < end or not ended:
        at, n = _cut(kind, fields, text, at, end, BLOCK, work[NODE_B, top + 1 :], hashes[NODE_A, top + 1 :])
        for column in range(top + 1, top + 1 + n):
            word = find_word(kind, fields, hashes[NODE_A, column], work[NODE_B, column])
            fetch_unigram(kind, fields, word)
            work[IDS, column] = word
        if n < BLOCK and not ended:
            work[IDS, top + 1 + n] = load_int64(context + 8 * EOS)
            n += 1
            ended = True
        _match(kind, fields, top, work, hashes, n)
        for column in range(top + 1, top + 1 + n):
            prob = _weigh(kind, fields, top, work, column)
            total += prob
            if record:
                found = work[FOUND, column]
                store_float32(probs + 4 * tokens, prob)
                store_int64(lengths + 8 * tokens, found if work[IDS, column] != 0 else -found)
            tokens += 1
        if at == end and ended:
            break
        for row in range(IDS + 1 + top):  # the last columns come before the next block
            for i in range(top + 1):
                work[row, i] = work[row, i + n]
    store_int64(context + 8 * TOKENS, tokens)
    return total


@njit(forceinline=True)
def score_many(kind, context, text, ends, texts, out):  # type: ignore[no-untyped-def]
    """log10 probabilities, float32, of sentences end to end; ``ends``: int64, where each begins and the last ends."""
    for i in range(texts):
        begin, end = load_int64(ends + 8 * i), load_int64(ends + 8 * i + 8)
        store_float32(out + 4 * i, score(kind, context, text.address + begin, end - begin, True, True, False))
