"""Scores block by block: every path gives the same, however the text is cut and on however many threads."""

import re
import threading
from itertools import pairwise

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from nextword.errors import TextError, VocabularyError
from nextword.model import stepwise_log_probs
from nextword.ngram.smoothing import Smoothing
from nextword.ngram.train import train_ngram
from nextword.tasks.reading import (
    StreamScorer,
    ordered_map,
    pad,
    read_block,
    score_blocks,
    split_sentences,
)
from nextword.text.blocks import Block
from nextword.text.corpus import Corpus
from nextword.text.pipeline import Pipeline
from nextword.text.spelling import CharTokenizer
from nextword.text.vocabulary import Vocabulary
from strategies import corpus, sentences
from toy import BigramTable, DecayingVotes, toy_vocabulary

LINES = ["a b c", "", "c c zz b", "a", "b a c b a zz", ""]


class ByProtocol:
    """A model without its faster door."""

    def __init__(self, lm):
        self.lm, self.vocabulary, self.scope, self.context_length = lm, lm.vocabulary, lm.scope, lm.context_length
        self.shapes = []

    def start(self, batch):
        return self.lm.start(batch)

    def log_probs(self, state):
        return self.lm.log_probs(state)

    def advance(self, state, tokens):
        return self.lm.advance(state, tokens)

    def select(self, state, rows):
        return self.lm.select(state, rows)

    def join(self, states):
        return self.lm.join(states)

    def token_log_probs(self, tokens, state=None):
        self.shapes.append(tokens.shape)
        return self.lm.token_log_probs(tokens, state)


def ngram(order=3):
    text = corpus([["a", "b", "c"], ["c", "b"], [], ["a", "a"]])
    return train_ngram(text, order=order, smoothing=Smoothing("witten-bell"))


def cut(lines, sizes):
    """Blocks of the given numbers of lines, the last with all that are left."""
    ends = [*np.cumsum(sizes).tolist(), len(lines)]
    parts = [lines[a:b] for a, b in pairwise([0, *ends])]
    begins = [0, *ends]
    blocks = [
        Block("".join(f"{x}\n" for x in part).encode(), "f", at + 1) for part, at in zip(parts, begins, strict=False)
    ]
    return [block for block in blocks if block.text]


def scores(lm, blocks, **options):
    return np.concatenate([found.log_probs for found in score_blocks(lm, Pipeline(), blocks, **options)])


def stepped(lm, lines):
    """The definition: one sentence at a time, one step at a time, a stream model's state carried on."""
    ids = [lm.vocabulary.encode(f"{line}\n".encode()).ids for line in lines]
    if lm.scope == "stream":
        return stepwise_log_probs(lm, np.concatenate(ids)[None])[0][0]
    return np.concatenate([stepwise_log_probs(lm, row[None])[0][0] for row in ids])


@pytest.mark.parametrize("make", [BigramTable, DecayingVotes, ngram, lambda: ByProtocol(ngram())])
@settings(max_examples=20)
@given(lines=sentences(words=("a", "b", "c", "zz", "<unk>")), sizes=st.lists(st.integers(0, 5), max_size=3))
def test_every_path_equals_stepping_however_the_text_is_cut(make, lines, sizes):
    lm, texts = make(), [" ".join(line) for line in lines]
    found = scores(lm, cut(texts, sizes))
    np.testing.assert_allclose(found, stepped(lm, texts), rtol=1e-6)


def test_the_faster_door_and_the_protocol_give_the_same():
    lm = ngram()
    assert isinstance(lm, StreamScorer)
    assert not isinstance(ByProtocol(lm), StreamScorer)
    blocks = cut(LINES, [2])
    np.testing.assert_allclose(scores(lm, blocks), scores(ByProtocol(lm), blocks), rtol=1e-12)


@pytest.mark.parametrize("threads", [1, 2, 5])
def test_threads_change_nothing(threads):
    lm, blocks = ngram(), cut(LINES * 7, [1] * 20)
    found = list(score_blocks(lm, Pipeline(), blocks, threads=threads))
    assert [one.read.block for one in found] == blocks
    np.testing.assert_array_equal(scores(lm, blocks, threads=threads), scores(lm, cut(LINES * 7, [])))


def test_one_long_line_does_not_pad_all_others():
    lm = ByProtocol(BigramTable())
    lines = ["a"] * 100 + ["b " * 100_000] + ["c"] * 100
    np.testing.assert_allclose(scores(lm, cut(lines, [])), stepped(BigramTable(), lines))
    assert max(rows * time for rows, time in lm.shapes) < 200_000


def test_what_a_block_holds():
    vocabulary = Vocabulary.from_words(["<unk>", "<s>", "</s>", "é", "b"])
    block = Block("é  b\tnaïve\r\n\n\0b\n".encode(), "f", 7)
    read = read_block(vocabulary, Pipeline(), block)
    assert (read.block, read.text, read.size) == (block, block.text, len(block.text))
    assert read.ids.tolist() == [3, 4, 0, 2, 2, 4, 2]
    assert (read.oov, read.oov_bytes) == (1, 6)
    assert read.lines() == [["é", "b", "naïve"], [], ["b"]]
    assert read.token_bytes(vocabulary.eos).tolist() == [2, 1, 6, 0, 0, 1, 0]


@given(st.text(alphabet="ab é\0\t\r\n▁\u2028\x0b", max_size=30))
def test_spellings_are_what_stands_between_delimiters(text):
    block = Block(text.encode(), "f", 1)
    read = read_block(toy_vocabulary(), Pipeline(), block)
    lines = text.removesuffix("\n").split("\n") if text else []
    expected = [[token for token in re.split("[\0\t\r ]+", line) if token] for line in lines]
    assert read.lines() == expected
    lengths = [len(token.encode()) for line in expected for token in [*line, ""]]
    assert read.token_bytes(2).tolist() == lengths
    assert read.oov_bytes == sum(n for n, i in zip(lengths, read.ids, strict=True) if i == 0)


def test_bytes_are_those_of_the_normalised_text_not_of_the_tokens():
    read = read_block(toy_vocabulary(), Pipeline(tokenizer=CharTokenizer()), Block(b"a b\nc", "f", 1))
    assert (read.text, read.size) == ("a ▁ b\nc".encode(), 6)  # with the newline that the last line lacks


@pytest.mark.parametrize("word", ["<s>", "</s>"])
def test_the_marks_of_sentences_are_refused_in_the_text(word):
    block = Block(f"a b\nb {word} a\n".encode(), "news.txt", 41)
    with pytest.raises(TextError) as caught:
        list(score_blocks(ngram(), Pipeline(), [block]))
    expected = f"news.txt:42: the text holds {word}, which marks the ends of sentences; remove or replace it"
    assert str(caught.value) == expected


def test_a_vocabulary_that_cannot_read_lines_says_so():
    vocabulary = Vocabulary.from_words(["a"], unk=None, bos=None, eos=None)
    with pytest.raises(VocabularyError, match="has no </s>, so lines cannot be encoded"):
        read_block(vocabulary, Pipeline(), Block(b"a\n", "f", 1))


def test_sentences_are_split_and_padded():
    parts = split_sentences(np.array([3, 4, 2, 2, 5, 2], dtype=np.int32), 2)
    assert [part.tolist() for part in parts] == [[3, 4, 2], [2], [5, 2]]
    assert pad(parts).tolist() == [[3, 4, 2], [2, -1, -1], [5, 2, -1]]
    assert split_sentences(np.zeros(0, dtype=np.int32), 2) == []
    assert pad([]).shape == (0, 0)


@pytest.mark.parametrize("threads", [1, 3])
def test_a_map_keeps_the_order_and_reads_only_a_little_ahead(threads):
    begun = []

    def items():
        for i in range(1000):
            begun.append(i)
            yield i

    found = ordered_map(lambda i: i * i, items(), threads)
    assert [next(found) for _ in range(5)] == [0, 1, 4, 9, 16]
    assert len(begun) <= 5 + 2 * threads
    assert list(found) == [i * i for i in range(5, 1000)]


@pytest.mark.parametrize("threads", [1, 2])
def test_an_error_comes_in_its_turn(threads):
    found = ordered_map(lambda i: 1 // (3 - i), range(10), threads)
    assert [next(found) for _ in range(3)] == [0, 0, 1]
    with pytest.raises(ZeroDivisionError):
        next(found)


def test_a_map_that_is_given_up_leaves_no_thread_behind():
    before = threading.active_count()
    found = ordered_map(lambda i: i, range(100), 4)
    next(found)
    found.close()
    assert threading.active_count() == before


def test_blocks_of_a_corpus_may_be_small(tmp_path):
    path = tmp_path / "text.txt"
    path.write_text("\n".join(LINES * 20))
    lm = ngram()
    whole, small = Corpus(path), Corpus(path, block_size=7)
    assert len(list(small)) > 10
    np.testing.assert_array_equal(scores(lm, small, threads=2), scores(lm, whole))
