"""Windows as keys: packing, sorting, merging and runs, against counting by hand."""

from collections import Counter

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from nextword.errors import StoreError, UsageError
from nextword.ngram.counting import count_ngrams
from nextword.ngram.external import ranges, runs
from nextword.ngram.external.levels import LevelFiles, link_suffixes, piece_of
from nextword.ngram.external.mapped import DiskUse, MappedArena
from nextword.ngram.external.ranges import key_ranges, least_capacity, over_ranges
from nextword.ngram.external.runs import Run, write_run
from nextword.ngram.external.sorting import combined, lower_bound, merge, sort_keys
from nextword.ngram.external.windows import KeyLayout, sorted_rows

SIZES = st.sampled_from([4, 7, 60, 5000, 2**24])  # of the vocabulary


@pytest.fixture(autouse=True, scope="module")
def small_blocks():
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(runs, "BLOCK_ROWS", 3)
        patch.setattr(ranges, "BLOCK_ROWS", 3)
        yield


@st.composite
def texts(draw, sizes=SIZES):
    """Tokens as ``count_ngrams`` has them, the last </s> sometimes missing, and a vocabulary's size."""
    size = draw(sizes)
    word = st.sampled_from([i for i in (0, 3, 4, 5, 6, size // 2, size - 1) if i < size and i not in (1, 2)])
    sentences = draw(st.lists(st.lists(word, max_size=6), min_size=1, max_size=25))
    tokens = [2, *(i for sentence in sentences for i in (*sentence, 2))]
    unended = len(tokens) > 2 and draw(st.booleans())
    return np.array(tokens[:-1] if unended else tokens, dtype=np.int32), size


def windows_by_hand(tokens, order):
    """Every window and how often it comes."""
    found = Counter()
    for i, word in enumerate(tokens.tolist()):
        if word == 2 and i + 1 == len(tokens):
            break
        window = [1 if word == 2 else word]
        for following in tokens[i + 1 : i + order].tolist():
            window.append(following)
            if following == 2:
                break
        found[tuple(window)] += 1
    return found


def as_dict(rows, layout):
    ids = [tuple(i for i in window if i >= 0) for window in layout.unpack(rows).tolist()]
    return dict(zip(ids, rows[:, -1].tolist(), strict=True))


@given(text=texts(), order=st.integers(1, 18))
def test_rows_equal_counting_by_hand(text, order):
    tokens, size = text
    layout = KeyLayout(order, size)
    rows = sorted_rows(tokens, layout)
    expected = windows_by_hand(tokens, order)
    assert as_dict(rows, layout) == expected
    assert list(as_dict(rows, layout)) == sorted(expected)  # keys sort as their ids do


@given(text=texts(), order=st.integers(1, 9))
def test_packing_and_unpacking_are_inverse(text, order):
    tokens, size = text
    layout = KeyLayout(order, size)
    rows = sorted_rows(tokens, layout)
    np.testing.assert_array_equal(layout.pack(layout.unpack(rows)), rows[:, :-1])


def test_a_field_lies_across_two_integers():
    layout = KeyLayout(order=3, vocabulary_size=2**24)
    assert (layout.bits, layout.words) == (25, 2)
    keys = layout.pack(np.array([[5, 6, 2**24 - 1]]))
    assert keys.tolist() == [[(6 << 39) | (7 << 14) | (2**24 >> 11), 0]]
    assert layout.unpack(keys).tolist() == [[5, 6, 2**24 - 1]]


@pytest.mark.parametrize("width", [1, 2, 3])
@pytest.mark.parametrize("n", [0, 1, 2, 40, 3000])
@pytest.mark.parametrize("distinct", [2, 300, 2**62])
def test_keys_are_sorted_and_counted(width, n, distinct):
    random = np.random.default_rng(n + width)
    keys = random.integers(0, distinct, (n, width)).astype(np.uint64)
    keys[: n // 2, 0] = 7  # many agree in their first integer
    expected = Counter(map(tuple, keys.tolist()))
    found = [tuple(row) for piece in combined(sort_keys(keys, np.empty_like(keys)), 17) for row in piece.tolist()]
    assert found == [(*key, count) for key, count in sorted(expected.items())]


@given(parts=st.lists(texts(), max_size=5), order=st.integers(1, 5))
def test_merging_adds_counts(parts, order):
    layout = KeyLayout(order, 2**24)
    pieces = [sorted_rows(tokens, layout) for tokens, _ in parts] or [layout.none()]
    expected = sum((windows_by_hand(tokens, order) for tokens, _ in parts), Counter())
    assert as_dict(merge(pieces), layout) == expected


def test_lower_bound():
    rows = np.array([[1, 5, 9], [1, 7, 9], [4, 0, 9]], dtype=np.uint64)
    keys = [(0, 0), (1, 5), (1, 6), (1, 8), (4, 0), (4, 1)]
    assert [lower_bound(rows, np.array(key, dtype=np.uint64)) for key in keys] == [0, 0, 1, 2, 2, 3]


@given(text=texts(), order=st.integers(1, 18), data=st.data())
def test_a_run_gives_back_any_range(text, order, data, tmp_path_factory):
    tokens, size = text
    layout = KeyLayout(order, size)
    rows = sorted_rows(tokens, layout)
    rows[::3, -1] = [15, 14, 2**33][len(rows) % 3]
    file = tmp_path_factory.mktemp("run") / "run"
    assert write_run(file, [rows[:4], rows[4:]], layout) == len(rows)
    run = Run(file, layout)
    assert len(run) == len(rows)
    room = np.empty((len(rows) + 9, layout.words + 1), dtype=np.uint64)
    np.testing.assert_array_equal(run.read(None, None, room), rows)
    low, high = sorted(data.draw(st.lists(st.integers(0, len(rows) - 1), min_size=2, max_size=2)))
    found = run.read(rows[low, :-1], rows[high, :-1], room[: run.room(rows[low, :-1], rows[high, :-1])])
    np.testing.assert_array_equal(found, rows[low:high])


def test_each_byte_of_a_run_matters(tmp_path):
    layout = KeyLayout(3, 100)
    tokens = np.array([2, 3, 4, 5, 6, 7, 2, 8, 9, 10, 11, 12, 13, 2], dtype=np.int32)
    rows = sorted_rows(tokens, layout)
    file = tmp_path / "run-000000-000001"
    write_run(file, [rows], layout)
    whole = file.read_bytes()
    room = np.empty_like(rows)
    for i in range(len(whole)):
        file.write_bytes(whole[:i] + bytes([whole[i] ^ 64]) + whole[i + 1 :])
        try:
            assert (Run(file, layout).read(None, None, room) == rows).all()  # a byte of padding
            assert i > 8
        except StoreError as error:
            assert str(error).startswith(f"{file}: this run of sorted n-grams is damaged: ")  # noqa: PT017
        file.write_bytes(whole[:i])
        with pytest.raises(StoreError, match="this run of sorted n-grams is damaged: it is cut short; delete "):
            Run(file, layout)
    file.write_bytes(whole)
    with pytest.raises(StoreError, match="it is of another order or vocabulary"):
        Run(file, KeyLayout(9, 100))


@given(parts=st.lists(texts(st.just(9)), min_size=1, max_size=6), order=st.integers(2, 6), more=st.integers(0, 20))
def test_levels_of_runs_are_those_of_the_text(parts, order, more, tmp_path_factory):
    """However the ranges are cut: n-grams of all orders that lie across a cut become one."""
    folder, size = tmp_path_factory.mktemp("runs"), 9
    layout = KeyLayout(order, size)
    tokens = [part if part[-1] == 2 else np.append(part, np.int32(2)) for part, _ in parts[:-1]]
    tokens.append(parts[-1][0])  # whose last sentence may lack its end
    written = []
    for i, part in enumerate(tokens):
        write_run(folder / f"run{i}", [sorted_rows(part, layout)], layout)
        written.append(Run(folder / f"run{i}", layout))
    capacity = least_capacity(len(written)) + 3 * more
    assert all(sum(run.room(*bounds) for run in written) <= capacity + 3 for bounds in key_ranges(written, capacity))
    use, unigrams = DiskUse(), np.zeros(size, dtype=np.int64)
    text = np.concatenate([tokens[0], *(part[1:] for part in tokens[1:])])
    np.add.at(unigrams, text[1:], 1)
    unigrams[1] = unigrams[2] + (text[-1] != 2)
    files = LevelFiles(folder, layout, order, use)
    for piece in over_ranges(written, layout, lambda rows: piece_of(rows, layout, order), capacity=capacity, threads=2):
        files.append(piece)
    levels = list(files.levels(unigrams, arena=MappedArena(folder, use), threads=2))
    for level, expected in zip(levels, count_ngrams(text, size, order), strict=True):
        for name in ("word", "count", "suffix", "first"):
            np.testing.assert_array_equal(getattr(level, name), getattr(expected, name))
            assert getattr(level, name).dtype == getattr(expected, name).dtype


def test_a_cut_of_sentences_without_their_end():
    """lmplz's last line: a window may be cut where nothing follows, and is then the beginning of others."""
    layout = KeyLayout(3, 8)
    tokens = np.array([2, 3, 4, 5, 2, 3, 4], dtype=np.int32)
    rows = sorted_rows(tokens, layout)
    piece = piece_of(rows, layout, 3)
    assert [words.tolist() for words in piece.words] == [[1, 3, 4, 5], [3, 4, 5, 2], [4, 5, 2]]
    assert [counts.tolist() for counts in piece.counts] == [[2, 2, 2, 1], [2, 2, 1, 1], [2, 1, 1]]


def test_a_window_that_was_cut_before_one_that_goes_on():
    """(3, 5) stands between (3, 4, 6) and (3, 5, 6), whose last words are alike."""
    layout = KeyLayout(3, 8)
    tokens = np.array([2, 3, 4, 6, 2, 3, 5, 6, 2, 3, 5], dtype=np.int32)
    piece = piece_of(sorted_rows(tokens, layout), layout, 3)
    expected = list(count_ngrams(tokens, 8, 3))
    assert [words.tolist() for words in piece.words[1:]] == [level.word.tolist() for level in expected[1:]]
    assert [counts.tolist() for counts in piece.counts[1:]] == [level.count.tolist() for level in expected[1:]]


def test_lower_orders_than_were_counted():
    layout = KeyLayout(5, 8)
    tokens = np.array([2, 3, 4, 5, 3, 4, 6, 2], dtype=np.int32)
    piece = piece_of(sorted_rows(tokens, layout), layout, 2)
    expected = list(count_ngrams(tokens, 8, 2))[1]
    assert piece.words[1].tolist() == expected.word.tolist()
    assert piece.counts[1].tolist() == expected.count.tolist()


def test_a_missing_suffix_is_refused():
    unigrams, bigrams, trigrams = count_ngrams(np.array([2, 3, 4, 5, 2], dtype=np.int32), 6, 3)
    assert len(unigrams) == 6
    bigrams.word[:] = 0
    with pytest.raises(StoreError, match="the counts do not fit together: some n-gram's end was never counted"):
        link_suffixes(bigrams, trigrams.word, trigrams.first, np.empty_like(trigrams.suffix), threads=1)


def test_an_order_below_one_is_refused():
    with pytest.raises(UsageError, match="order 0: an n-gram model has order 1 or more"):
        KeyLayout(0, 10)


def test_mapped_arrays_leave_nothing(tmp_path):
    use = DiskUse()
    arena = MappedArena(tmp_path, use)
    array = arena.zeros((1 << 18, 2), np.float32)
    assert (array.shape, array.dtype, use.now, array.any()) == ((1 << 18, 2), np.float32, 1 << 21, False)
    array[-1] = 1
    view = array[1:]
    del array
    assert (use.now, view[-1].tolist(), list(tmp_path.iterdir())) == (1 << 21, [1, 1], [])
    del view
    assert (use.now, use.peak) == (0, 1 << 21)
    assert arena.empty(3, np.uint32).tolist() == [0, 0, 0]
    assert use.peak == 1 << 21
