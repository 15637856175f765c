"""The hash table: it finds every n-gram of the trie and no other, however it was built."""

import itertools

import numpy as np
from hypothesis import given
from hypothesis import strategies as st

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
