"""The number of threads changes nothing: not a bit of a model."""

import numpy as np
import pytest

from nextword.ngram.smoothing import Smoothing
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
