"""The number of threads changes nothing: not a bit of a model."""

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from nextword.ngram.smoothing import Smoothing
from nextword.ngram.table import build_table
from nextword.ngram.train import train_ngram
from nextword.text.corpus import Corpus
from nextword.text.synthetic import MarkovSource

LINES = MarkovSource([f"w{i}" for i in range(200)], order=1, end=0.1, concentration=0.05, seed=0).sample(20_000, seed=0)


@pytest.mark.parametrize("smoothing", [Smoothing("witten-bell"), Smoothing("absolute", discount=0.5)])
def test_a_model_is_the_same_on_any_number_of_threads(smoothing):
    corpus = Corpus.from_lines(LINES)
    one, *others = (train_ngram(corpus, order=4, smoothing=smoothing, threads=n) for n in (1, 2, 3, 7))
    for other in others:
        for array, expected in zip(other.arrays().values(), one.arrays().values(), strict=True):
            assert np.array_equal(array, expected)


@given(hashes=st.lists(st.integers(1, 2**64 - 1), max_size=80, unique=True), data=st.data())
def test_a_table_depends_on_its_entries_alone(hashes, data):
    crowded = [h | (0xFF << 56) for h in hashes] if data.draw(st.booleans()) else hashes  # all in the last stretch
    crowded = list(dict.fromkeys(crowded))
    tables = [build_table([np.array(crowded, dtype=np.uint64)], 5, threads=n) for n in (1, 2, 5)]
    assert np.array_equal(tables[0], tables[1])
    assert np.array_equal(tables[0], tables[2])
    assert np.count_nonzero(tables[0]) == len(crowded)
