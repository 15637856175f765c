"""Batches of examples, and vocabularies of tokens that are there already."""

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from nextword.errors import TrainingError
from nextword.text.examples import Examples, padded
from nextword.text.lexicon import lexicon


@given(st.lists(st.integers(0, 30), min_size=1, max_size=300), st.integers(1, 20), st.integers(0, 3), st.booleans())
def test_an_epoch_has_each_example_once(lengths, size, seed, shuffle):
    examples = Examples(lengths, batch_size=size, seed=seed, shuffle=shuffle, weights=lengths)
    for epoch in (0, 1):
        batches = list(examples.epoch(epoch))
        assert sorted(np.concatenate([batch.rows for batch in batches])) == list(range(len(lengths)))
        assert all(len(batch) <= size and batch.fresh and batch.scale == 1 for batch in batches)
        assert sum(len(batch) < size for batch in batches) <= 1
        assert [batch.predicted for batch in batches] == [sum(lengths[i] for i in batch.rows) for batch in batches]
        again = list(Examples(lengths, batch_size=size, seed=seed, shuffle=shuffle).epoch(epoch))
        assert all((a.rows == b.rows).all() for a, b in zip(batches, again, strict=True))


def test_batches_hold_examples_of_like_length_in_another_order_each_epoch():
    lengths = np.random.default_rng(0).integers(1, 100, 640)
    examples = Examples(lengths, batch_size=10)
    first, second = (list(examples.epoch(i)) for i in (0, 1))
    assert max(np.ptp(lengths[batch.rows]) for batch in first) <= 10  # all 64 are sorted together
    assert [batch.rows.tolist() for batch in first] != [batch.rows.tolist() for batch in second]
    means = [lengths[batch.rows].mean() for batch in first]
    assert means != sorted(means)
    kept = [lengths[batch.rows].mean() for batch in Examples(lengths, batch_size=10, shuffle=False).epoch(0)]
    assert kept == sorted(kept)


def test_no_example_is_refused():
    with pytest.raises(TrainingError) as caught:
        Examples([], batch_size=3)
    assert str(caught.value) == "there is no example to train on; give a file with at least one"


@given(st.lists(st.lists(st.integers(0, 9), max_size=6), max_size=6))
def test_padding_stands_after_each_row(rows):
    table = padded([np.array(row, dtype=np.int32) for row in rows])
    assert table.shape == (len(rows), max(map(len, rows), default=0))
    for row, given_row in zip(table.tolist(), rows, strict=True):
        assert row == given_row + [-1] * (table.shape[1] - len(given_row))


def test_a_lexicon_is_ordered_by_frequency_and_then_by_bytes():
    tokens = ["b", "a", "é", "z", "z", "New York", "New York", "<unk>", "</s>"]
    assert lexicon(tokens).words == ["<unk>", "<s>", "</s>", "New York", "z", "a", "b", "é"]
    assert lexicon(tokens, min_count=2).words == ["<unk>", "<s>", "</s>", "New York", "z"]
    assert lexicon(tokens, size=4).words == ["<unk>", "<s>", "</s>", "New York"]
    assert lexicon([]).words == ["<unk>", "<s>", "</s>"]
    known = lexicon(tokens)
    assert known.ids(["New York", "York", "é"]).tolist() == [3, 0, 7]
