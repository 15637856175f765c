"""Codebooks, and what moving codes and new back-off weights are for, against their definitions."""

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from nextword.errors import UsageError
from nextword.ngram.compact import codebooks
from nextword.ngram.links import link
from nextword.ngram.train import train_ngram
from strategies import corpus, sentences

logs = st.floats(-8, 0, width=32)


@given(st.lists(logs, min_size=1, max_size=40), st.integers(1, 50))
def test_few_numbers_are_kept(numbers, size):
    numbers = np.array(numbers, dtype=np.float32)
    book = codebooks.make_codebook(numbers, np.ones(len(numbers)), max(size, len(set(numbers.tolist()))))
    np.testing.assert_allclose(book.values, numbers, atol=1e-5)
    assert (np.diff(book.centres) > 0).all()


@given(st.lists(st.integers(-80, 0), min_size=1, max_size=9), st.integers(1, 4), st.integers(0, 3))
def test_numbers_take_the_nearest_centre_and_it_is_their_mean(numbers, size, skew):
    numbers = np.array(numbers, dtype=np.float32) / 10
    weights = np.arange(1, len(numbers) + 1) ** float(skew)
    book = codebooks.make_codebook(numbers, weights, size)
    assert len(book.centres) <= size
    nearest = np.abs(numbers[:, None] - book.centres).argmin(axis=1)
    np.testing.assert_allclose(np.abs(book.values - numbers), np.abs(book.centres[nearest] - numbers), atol=1e-5)
    for code in set(book.codes.tolist()):
        own = book.codes == code
        assert book.centres[code] == pytest.approx(np.average(numbers[own], weights=weights[own]), abs=1e-4)


def test_centres_that_matter_more_are_closer():
    numbers = np.linspace(-8, 0, 10_000, dtype=np.float32)
    even = codebooks.lloyd(numbers, np.ones(10_000), 32)
    assert np.diff(even) == pytest.approx(8 / 32, rel=0.02)
    skewed = codebooks.lloyd(numbers, 10.0 ** numbers.astype(float), 32)
    assert (skewed > -2).sum() > 16


def test_zeros_and_what_is_exact_have_codes_of_their_own():
    numbers = np.array([-np.inf, -99, -98.9, -3, -0.01, 0, 0, -2, -1], dtype=np.float32)
    book = codebooks.make_codebook(numbers, np.ones(9), 5, exact=(0.0,))
    assert book.values[[0, 1, 5, 6]].tolist() == [-np.inf, -99, 0, 0]
    assert np.isfinite(book.values[1:]).all()
    assert (book.values[[2, 3, 4, 7, 8]] > -99).all()
    assert (book.values[[4, 7, 8]] < 0).all()


def test_too_few_codes():
    with pytest.raises(UsageError) as caught:
        codebooks.make_codebook(np.array([-np.inf, -99, 0, -1], dtype=np.float32), np.ones(4), 3, exact=(0.0,))
    assert str(caught.value) == "3 codes are too few to keep 3 numbers exact beside others; give more bits"


def divergence(p, q):
    """Kullback–Leibler, all unseen words being one event."""
    p, q = np.append(p, max(1 - p.sum(), 1e-9)), np.append(q, max(1 - q.sum(), 1e-300))
    return (p * np.log(p / q)).sum()


@settings(max_examples=50)
@given(lines=sentences(), centres=st.sets(st.integers(-30, -1), min_size=2, max_size=8), order=st.integers(2, 3))
def test_moving_codes_lessens_the_divergence(lines, centres, order):
    linked = link(train_ngram(corpus(lines), order=order, smoothing="witten-bell"))
    values = 10.0 ** (np.array(sorted(centres)) / 10)
    first, low = linked.first.astype(int), int(linked.starts[order])
    nearest = np.abs(np.log(linked.p[low:, None] / values)).argmin(axis=1).astype(np.uint16)
    codes = nearest.copy()
    over = codebooks.refine(linked, order - 1, values, codes, threads=2)
    for h in range(linked.starts[order - 1], linked.starts[order]):
        children = slice(first[h] - low, first[h + 1] - low)
        p, before, after = linked.p[low:][children], values[nearest[children]], values[codes[children]]
        if before.sum() < 1 - 1e-9:
            assert divergence(p, after) <= divergence(p, before) + 1e-12
        elif not over:
            assert after.sum() < 1
    lowest = [values[0] * (first[h + 1] - first[h]) >= 1 for h in range(linked.starts[order - 1], linked.starts[order])]
    assert over <= sum(lowest)


@settings(max_examples=50)
@given(lines=sentences(), scale=st.floats(0.5, 0.99))
def test_new_weights_make_rows_sum_to_1(lines, scale):
    """As long as some word is unseen: ``<unk>`` is, unless the corpus has it."""
    lines = [[word for word in line if word != "<unk>"] for line in lines]
    linked = link(train_ngram(corpus(lines), order=3, smoothing="witten-bell"))
    size, graph = int(linked.starts[2]), (linked.first, linked.suffix)
    assert codebooks.furthest(*graph, linked.p, linked.backoff) < 1e-5
    linked.p[size:] *= scale
    total, weights = float(linked.p[:size].sum()), linked.backoff.copy()
    off = codebooks.deviation(*graph, linked.p, total, size, weights)
    codebooks.normalising_weights(*graph, linked.p, total, size, weights)
    assert codebooks.deviation(*graph, linked.p, total, size, weights) < 1e-6 < off


def test_how_often_an_n_gram_is_expected():
    """p(a) p(b given a), and p(</s>) stands for the beginnings of sentences."""
    model = train_ngram(corpus([["a", "b"], ["a"]]), order=2, smoothing="witten-bell")
    found = codebooks.expected(link(model)) ** 2
    a, b, bos, eos = (model.vocabulary[word] for word in ("a", "b", "<s>", "</s>"))
    p = 10.0 ** np.concatenate([model.inner[:, 0], model.leaf])
    of_a = range(model.first[a], model.first[a + 1])
    ab = next(g for g in of_a if model.word[g] == b)
    (bos_a,) = range(model.first[bos], model.first[bos + 1])
    assert found[[a, bos, ab, bos_a]] == pytest.approx([p[a], p[eos], p[a] * p[ab], p[eos] * p[bos_a]], rel=1e-5)
