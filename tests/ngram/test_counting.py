from collections import Counter

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from nextword.errors import UsageError
from nextword.ngram.counting import count_ngrams
from nextword.text.indexing import Indexer
from strategies import corpus, sentences


def indexed(lines):
    indexer = Indexer()
    for block in corpus(lines):
        indexer.read(block.text, block.where)
    return indexer.finish()


def ngrams_of(levels):
    """The n-grams of each level as tuples of ids."""
    grams = [[(int(word),) for word in levels[0].word]]
    for level in levels[1:]:
        parents = np.searchsorted(level.first, np.arange(len(level)), side="right") - 1
        grams.append([(*grams[-1][h], int(w)) for h, w in zip(parents, level.word, strict=True)])
    return grams


@given(lines=sentences(most=40, longest=12), order=st.integers(1, 7), threads=st.integers(1, 4))
def test_counts_equal_counting_by_hand(lines, order, threads):
    tokens, vocabulary = indexed(lines)
    levels = list(count_ngrams(tokens, len(vocabulary), order, threads=threads))
    padded = [vocabulary.ids(["<s>", *line, "</s>"]).tolist() for line in lines]
    grams = ngrams_of(levels)
    for k, level in enumerate(levels, start=1):
        expected = Counter(tuple(s[i : i + k]) for s in padded for i in range(len(s) - k + 1))
        if k == 1:
            expected.update({(i,): 0 for i in range(len(vocabulary))})
        assert grams[k - 1] == sorted(expected)
        assert [expected[gram] for gram in grams[k - 1]] == level.count.tolist()
        if k > 1:
            assert [grams[k - 2][link] for link in level.suffix] == [gram[1:] for gram in grams[k - 1]]


def test_a_large_group_is_sorted_too():
    random = np.random.default_rng(0)
    lines = [["a", str(i)] for i in random.integers(0, 300, 5000)]
    test_counts_equal_counting_by_hand.hypothesis.inner_test(lines, 3, 2)


def test_a_last_sentence_without_its_end():
    tokens = np.array([2, 3, 4, 2, 3, 4], dtype=np.int32)  # <s> 3 4 </s> <s> 3 4
    unigrams, bigrams = count_ngrams(tokens, 5, 2)
    assert unigrams.count.tolist() == [0, 2, 1, 2, 2]
    assert dict(zip(ngrams_of([unigrams, bigrams])[1], bigrams.count.tolist(), strict=True)) == {
        (1, 3): 2,
        (3, 4): 2,
        (4, 2): 1,
    }


def test_order_must_be_positive():
    with pytest.raises(UsageError, match="order 0: an n-gram model has order 1 or more"):
        list(count_ngrams(np.array([2, 2], dtype=np.int32), 3, 0))
