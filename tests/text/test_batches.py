"""What training reads: every token once, in its order, and the same from the same seed."""

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from nextword.errors import TrainingError, UsageError
from nextword.text.batches import Blocks, HeldOutStreams, Sentences, Streams, held_out_batches, training_batches


def text(*lengths, seed=0):
    """Sentences of so many random tokens each, as ``Indexer.finish`` gives them."""
    random = np.random.default_rng(seed)
    return np.concatenate([[2], *[[*random.integers(3, 50, n), 2] for n in lengths]]).astype(np.int32)


def read_rows(batches):
    """What each row reads over an epoch, its pieces joined again; they must overlap by one token."""
    rows = [list(row) for row in batches[0].tokens]
    for batch in list(batches)[1:]:
        assert not batch.fresh
        for row, piece in zip(rows, batch.tokens, strict=True):
            assert row[-1] == piece[0]
            row += list(piece[1:])
    return rows


@given(st.integers(1, 200), st.integers(1, 7), st.integers(1, 9), st.booleans(), st.booleans(), st.integers(0, 3))
def test_streams_are_the_text_side_by_side(time, batch_size, length, shift, vary, epoch):
    tokens = np.arange(time + 1, dtype=np.int32)
    if time < batch_size:
        with pytest.raises(UsageError):
            Streams(tokens, batch_size=batch_size, length=length)
        return
    batches = Streams(tokens, batch_size=batch_size, length=length, seed=1, shift=shift, vary=vary).epoch(epoch)
    assert [batch.fresh for batch in batches] == [i == 0 for i in range(len(batches))]
    rows = read_rows(batches)
    begin = rows[0][0]
    assert begin < max(1, length) and (shift or begin == 0)
    joined = [rows[0][0], *(token for row in rows for token in row[1:])]
    assert joined == list(range(begin, begin + len(joined)))  # rows meet, and nothing is left out in between
    assert time + 1 - begin - len(joined) < batch_size  # what remains would not have filled a column
    widths = {batch.tokens.shape[1] - 1 for batch in list(batches)[:-1]}
    assert vary or widths <= {length}
    assert all(batch.scale == (batch.tokens.shape[1] - 1) / length if vary else 1 for batch in batches)
    assert all(batch.tokens.dtype == np.int64 for batch in batches)


def test_streams_depend_on_seed_and_epoch_alone():
    def starts(seed):
        streams = Streams(text(*[9] * 50), batch_size=3, length=20, seed=seed, shift=True)
        return [streams.epoch(i)[0].tokens.tolist() for i in range(4)]

    assert starts(1) == starts(1)
    assert starts(1) != starts(2)
    assert len({str(epoch) for epoch in starts(1)}) > 1


def test_pieces_of_varying_length_are_those_of_merity():
    batches = Streams(text(*[9] * 20_000), batch_size=2, length=70, vary=True).epoch(0)
    lengths = np.array([batch.tokens.shape[1] - 1 for batch in list(batches)[:-1]])
    assert 0.02 < (lengths < 50).mean() < 0.08  # a twentieth are about half as long
    assert lengths[lengths > 50].mean() == pytest.approx(70, abs=1)
    assert lengths[lengths > 50].std() == pytest.approx(5, abs=0.5)


@given(st.lists(st.integers(0, 12), min_size=1, max_size=40), st.integers(1, 8), st.integers(1, 15), st.booleans())
def test_sentences_are_each_read_once(lengths, batch_size, length, shuffle):
    tokens = text(*lengths)
    if shuffle and len(lengths) < batch_size:
        with pytest.raises(UsageError):
            Sentences(tokens, batch_size=batch_size, length=length)
        return
    epoch = Sentences(tokens, batch_size=batch_size, length=length, shuffle=shuffle).epoch(0)
    found, rows = [], []
    for batch in epoch:
        if batch.fresh:
            found += rows
            rows = [[] for _ in batch.tokens]
            assert (batch.tokens[:, 0] == 1).all()
        assert batch.tokens.shape[1] <= length + 1
        for row, piece in zip(rows, batch.tokens[:, 1:], strict=True):
            row += piece[piece >= 0].tolist()
    found += rows
    ends = np.flatnonzero(tokens == 2)
    expected = [tokens[a + 1 : b + 1].tolist() for a, b in zip(ends, ends[1:], strict=False)]
    assert sorted(found) == sorted(expected)
    assert sum(batch.predicted for batch in epoch) == len(tokens) - 1


def test_sentences_of_like_length_stand_together_and_are_shuffled():
    lengths = np.random.default_rng(0).integers(1, 60, 3000)
    sentences = Sentences(text(*lengths), batch_size=20, length=100, seed=3)
    batches = list(sentences.epoch(0))
    size = sum(batch.tokens[:, 1:].size for batch in batches)
    assert size < 1.1 * sum(batch.predicted for batch in batches)  # hardly any padding
    widths = [batch.tokens.shape[1] for batch in batches]
    assert np.corrcoef(widths[:-1], widths[1:])[0, 1] < 0.3  # short and long batches alternate by chance
    again = list(sentences.epoch(0))
    assert all((a.tokens == b.tokens).all() for a, b in zip(batches, again, strict=True))
    assert [batch.tokens.tolist() for batch in sentences.epoch(1)] != [batch.tokens.tolist() for batch in batches]


def test_a_sentence_without_an_end_is_read_too():
    epoch = Sentences(np.array([2, 5, 6, 2, 7], np.int32), batch_size=2, length=9).epoch(0)
    assert sorted(epoch[0].tokens.tolist()) == [[1, 5, 6, 2], [1, 7, -1, -1]]


def test_blocks_come_from_anywhere():
    tokens = np.arange(101, dtype=np.int32)
    blocks = Blocks(tokens, batch_size=5, length=10, seed=1)
    batches = list(blocks.epoch(0))
    assert len(batches) == 2 and all(batch.fresh for batch in batches)
    rows = np.concatenate([batch.tokens for batch in batches])
    assert rows.shape == (10, 11) and (np.diff(rows, axis=1) == 1).all()
    starts = {int(row[0]) for i in range(200) for batch in blocks.epoch(i) for row in batch.tokens}
    assert starts == set(range(91))
    assert Blocks(tokens[:6], batch_size=2, length=10).epoch(0)[0].tokens.shape == (2, 6)


@given(st.integers(1, 100), st.integers(1, 12), st.integers(1, 9))
def test_held_out_text_is_read_whole(time, batch_size, length):
    tokens = np.arange(3, time + 4, dtype=np.int32)
    batches = HeldOutStreams(tokens, batch_size=batch_size, length=length).epoch(0)
    rows = [[token for token in row if token >= 0] for row in read_rows(batches)]
    assert [token for row in rows for token in row[1:]] == tokens[1:].tolist()
    assert all(len(row) > 1 for row in rows)
    assert len(rows) <= batch_size


def test_each_mode_has_its_readers():
    tokens = text(*[5] * 100)
    size = {"batch_size": 4, "length": 6}
    modes = {"stream": Streams, "sentence": Sentences, "blocks": Blocks}
    assert {mode: type(training_batches(tokens, mode=mode, **size)) for mode in modes} == modes
    assert isinstance(held_out_batches(tokens, mode="sentence", **size), Sentences)
    assert len(held_out_batches(tokens, mode="stream", **size).epoch(0)[0].tokens) == 4
    assert len(held_out_batches(tokens[:50], mode="blocks", **size).epoch(0)[0].tokens) == 1


def test_an_epoch_is_a_sequence():
    epoch = Streams(np.arange(30, dtype=np.int32), batch_size=2, length=4).epoch(0)
    assert len(epoch) == 4 and len(epoch[1:]) == 3
    assert (epoch[1:][0].tokens == epoch[1].tokens).all() and (epoch[-1].tokens == epoch[3].tokens).all()
    with pytest.raises(IndexError):
        epoch[4]


@pytest.mark.parametrize(
    ("mode", "message"),
    [
        (
            "stream",
            "a batch of 8 rows is larger than the text, which has 6 tokens; give a batch size of at most 6, or "
            "more text",
        ),
        (
            "sentence",
            "a batch of 8 sentences is larger than the text, which has 1; give a batch size of at most 1, or more text",
        ),
        (
            "blocks",
            "a batch of 8 blocks is larger than the text, which has 6 tokens; give a batch size of at most 6, or more "
            "text",
        ),
    ],
)
def test_a_batch_larger_than_the_text_is_refused(mode, message):
    with pytest.raises(UsageError) as caught:
        training_batches(text(5), mode=mode, batch_size=8, length=4)
    assert str(caught.value) == message


@pytest.mark.parametrize("mode", ["stream", "sentence", "blocks"])
def test_an_empty_text_is_refused(mode):
    with pytest.raises(TrainingError, match="^the text is empty; give a file with at least one line$"):
        training_batches(np.array([2], np.int32), mode=mode, batch_size=1, length=4)
