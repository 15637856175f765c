"""The hash table: it finds every n-gram of the trie and no other, however it was built."""

import itertools

import numpy as np
from hypothesis import assume, given
from hypothesis import strategies as st
from numba import njit

from nextword.ngram import kernels, table
from nextword.ngram.arena import Arena
from nextword.ngram.table import build_table

WORD_64 = 2**64
M = int(kernels.MULTIPLIER)


def random_number(word):
    """r(w), in Python's integers: two rounds of multiplying and of adding the upper half to the lower."""
    r = (word + 1) * 0x9E3779B97F4A7C15 % WORD_64
    r = (r ^ r >> 32) * 0xFF51AFD7ED558CCD % WORD_64
    return r ^ r >> 32


def polynomial(ngram):
    return sum(M ** (len(ngram) - 1 - j) * random_number(word) for j, word in enumerate(ngram)) % WORD_64


def trie(ngrams, size, order):
    """starts, word and first of n-grams (tuples), all of whose beginnings are there too; and all, in their order."""
    levels = [[(word,) for word in range(size)]]
    for k in range(2, order + 1):
        levels.append(sorted({ngram[:k] for ngram in ngrams if len(ngram) >= k}))
    ordered = [ngram for level in levels for ngram in level]
    starts = np.cumsum([0, 0, *map(len, levels)])
    children = [sum(other[:-1] == ngram for other in ordered) for ngram in ordered[: starts[-2]]]
    first = np.cumsum([size, *children]).astype(np.uint32)
    return starts, np.array([ngram[-1] for ngram in ordered], dtype=np.uint32), first, ordered


NGRAMS = st.lists(st.lists(st.integers(0, 6), min_size=1, max_size=4).map(tuple), max_size=60)


@given(NGRAMS, st.integers(1, 5))
def test_every_ngram_is_found_and_no_other(ngrams, order):
    starts, word, first, ordered = trie([ngram[:order] for ngram in ngrams], 7, order)
    built = build_table(starts, word, first, threads=1)
    bits = kernels.index_bits(len(ordered))
    numbers = {ngram: i for i, ngram in enumerate(ordered) if len(ngram) > 1}
    assert np.count_nonzero(built) == len(numbers)
    for ngram in [*numbers, *itertools.product(range(7), repeat=2), *itertools.product(range(7), repeat=3)]:
        found = kernels.find(built, bits, np.uint64(polynomial(ngram)), len(ordered))
        assert found == numbers.get(ngram, 0)


@given(st.lists(st.integers(0, 2**31), min_size=2, max_size=9))
def test_the_hash_grows_from_either_side(ngram):
    with np.errstate(over="ignore"):
        rightwards = leftwards = np.uint64(0)
        power = np.uint64(1)
        for before, after in zip(reversed(ngram), ngram, strict=True):
            rightwards = kernels.append_word.py_func(rightwards, kernels.word_hash.py_func(after))
            leftwards = kernels.prepend_word.py_func(leftwards, power, kernels.word_hash.py_func(before))
            power *= kernels.MULTIPLIER
    assert rightwards == leftwards == polynomial(ngram)


def test_no_two_short_ngrams_of_few_words_have_the_same_hash():
    ngrams = [ngram for k in range(1, 6) for ngram in itertools.product(range(7), repeat=k)]
    assert len({polynomial(ngram) for ngram in ngrams}) == len(ngrams)


@given(NGRAMS, st.sampled_from([1, 3, 7, 10**6]))
def test_a_table_depends_on_its_ngrams_alone(ngrams, stretch):
    starts, word, first, _ = trie(ngrams, 7, 4)
    one = build_table(starts, word, first, threads=1)
    for threads in (1, 2, 5):
        assert np.array_equal(one, build_table(starts, word, first, threads=threads, stretch=stretch))


def test_the_table_lies_where_the_arena_says():
    class Counting(Arena):
        made = 0

        def zeros(self, shape, dtype):
            self.made += 1
            return super().zeros(shape, dtype)

    arena = Counting()
    build_table(*trie([(1, 2)], 3, 2)[:3], arena=arena)
    assert arena.made == 1


def test_entries_that_run_over_a_stretch_or_the_end_are_found(monkeypatch):
    """Many more n-grams than slots of a stretch: whole stretches overflow."""
    ngrams = [(i, j) for i in range(40) for j in range(40)]
    starts, word, first, ordered = trie(ngrams, 40, 2)
    built = build_table(starts, word, first, threads=2, stretch=5)
    assert np.array_equal(built, build_table(starts, word, first, threads=1))
    bits = kernels.index_bits(len(ordered))
    assert all(kernels.find(built, bits, np.uint64(polynomial(n)), len(ordered)) == ordered.index(n) for n in ngrams)
    monkeypatch.setattr(table, "SLOTS_PER_NGRAM", 1.02)  # almost full: entries are many buckets from home
    full = build_table(starts, word, first, threads=2)
    assert all(kernels.find(full, bits, np.uint64(polynomial(n)), len(ordered)) == ordered.index(n) for n in ngrams)


@given(st.integers(1, 40), st.integers(0, 2**64 - 1), st.sampled_from([0, 8, 16]), st.data())
def test_a_bucket_is_searched_as_one_by_one(bits, h, slot, data):
    """The entries lie anywhere, or next to those that are sought; in a sound table at most one of them is."""
    mask, others = 2**bits - 1, [2**64 - 1] * 16
    lowest = h << bits & (WORD_64 - 1)
    close = [lowest, lowest | 1, lowest | mask, max(lowest - 1, 0), min((lowest | mask) + 1, WORD_64 - 1)]
    entry = st.one_of(st.integers(0, 2**64 - 1), st.sampled_from(close))
    entries = data.draw(st.lists(entry, min_size=8, max_size=8))
    mine = [entry & mask for entry in entries if lowest <= entry <= lowest | mask]
    assume(len(mine) <= 1)
    held = np.array([*others[:slot], *entries, *others[: 16 - slot]], dtype=np.uint64)
    found = one_bucket(held, slot, np.uint64(lowest), np.uint64(mask))
    assert found == (sum(mine), any(entry < lowest for entry in entries))


@njit
def one_bucket(held, slot, lowest, mask):
    return kernels.search_bucket(held, slot, lowest, mask)


def test_buckets_are_lines_of_the_cache_and_hold_the_largest_of_their_entries():
    ngrams = [(i, j) for i in range(60) for j in range(60)]
    starts, word, first, ordered = trie(ngrams, 60, 2)
    built = build_table(starts, word, first, threads=3)
    assert built.ctypes.data % 64 == 0
    assert len(built) % kernels.BUCKET == 0
    buckets = built.reshape(-1, kernels.BUCKET)
    assert (buckets[:, 1:] <= buckets[:, :-1]).all()  # sorted, the empty slots last
    bits, home = int(kernels.index_bits(len(ordered))), {}
    with np.errstate(over="ignore"):
        for n in ngrams:
            h = kernels.spread.py_func(np.uint64(polynomial(n)))
            entry = (int(h) << bits | ordered.index(n)) % WORD_64
            home[entry] = int(kernels.home_slot.py_func(built, h)) // kernels.BUCKET
    away = 0
    for at, bucket in enumerate(buckets.tolist()):
        for entry in filter(None, bucket):
            passed = range(home[entry], at) if home[entry] <= at else [*range(home[entry], len(buckets)), *range(at)]
            assert all(buckets[i, -1] > entry for i in passed)
            away += len(passed)
    assert away > 0  # some were pushed on, or this tells nothing
