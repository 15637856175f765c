"""Surprisal, rank and entropy of each token against the distributions that stepping gives."""

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

import nextword.tasks.surprisal as module
from nextword.errors import TextError, UsageError
from nextword.ngram.smoothing import Smoothing
from nextword.ngram.train import train_ngram
from nextword.tasks.surprisal import mean_rank_and_entropy, surprisals
from nextword.text.blocks import Block
from nextword.text.corpus import Corpus
from nextword.text.pipeline import Pipeline
from nextword.text.spelling import CharTokenizer
from strategies import corpus, sentences
from toy import BOS, EOS, UNK, BigramTable, DecayingVotes, log_table

LINES = ["a b c", "", "c c zz b", "a", "b a c b a zz"]


def ngram():
    text = corpus([["a", "b", "c"], ["c", "b"], [], ["a", "a"]])
    return train_ngram(text, order=3, smoothing=Smoothing("witten-bell"))


def naive(lm, lines):
    """(token, surprisal, rank, entropy, oov) of each token of each line, a distribution and a sort at a time."""
    result, state = [], lm.start(1)
    for line in lines:
        rows = []
        for word in [*line.split(), None]:
            i = lm.vocabulary.eos if word is None else lm.vocabulary[word]
            log_probs = lm.log_probs(state)[0]
            p = np.exp(log_probs)
            order = sorted(range(len(p)), key=lambda j: (-log_probs[j], j))  # noqa: B023 - used at once
            entropy = -sum(x * np.log2(x) for x in p if x > 0)
            shown = "</s>" if word is None else word
            rows.append((shown, -log_probs[i] / np.log(2), order.index(i) + 1, entropy, i == lm.vocabulary.unk))
            state = lm.advance(state, np.array([[i]], dtype=np.int32))
        result.append(rows)
    return result


def check(lm, lines, found):
    assert len(found) == len(lines)
    for line, rows in zip(found, naive(lm, lines), strict=True):
        tokens, bits, ranks, entropies, oov = zip(*rows, strict=True)
        assert tuple(line.tokens) == tokens
        np.testing.assert_allclose(line.surprisal, bits, atol=1e-6)
        assert tuple(line.rank.tolist()) == ranks
        np.testing.assert_allclose(line.entropy, entropies, atol=1e-6)
        assert tuple(line.oov.tolist()) == oov


@pytest.mark.parametrize("make", [BigramTable, DecayingVotes, ngram])
@settings(max_examples=20)
@given(lines=sentences(words=("a", "b", "c", "zz")), at_once=st.integers(1, 4), room=st.sampled_from([1, 100, 1 << 22]))
def test_equals_stepping_however_the_text_is_cut(make, lines, at_once, room):
    lm, texts = make(), [" ".join(line) for line in lines]
    blocks = [block for i in range(0, len(texts), at_once) for block in Corpus.from_lines(texts[i : i + at_once])]
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(module, "_DISTRIBUTION_BYTES", room)
        check(lm, texts, list(surprisals(lm, blocks)))


@pytest.mark.parametrize("make", [BigramTable, DecayingVotes, ngram])
def test_threads_change_nothing(make):
    lm = make()
    check(lm, LINES * 5, list(surprisals(lm, Corpus.from_lines(LINES * 5), threads=3)))


def test_by_hand():
    """p(a) = 1/2, p(b) = 1/4, p(<unk>) = p(</s>) = 1/8, whatever came before: an entropy of 1.75 bits."""
    row = {3: 1 / 2, 4: 1 / 4, UNK: 1 / 8, EOS: 1 / 8}
    lm = BigramTable(log_table({BOS: row, UNK: row, 3: row, 4: row}, 5))
    (line,) = surprisals(lm, Corpus.from_text("a zé b\n"))
    assert line.tokens == ["a", "zé", "b", "</s>"]
    assert line.ids.tolist() == [3, UNK, 4, EOS]
    np.testing.assert_allclose(line.surprisal, [1, 3, 2, 3])
    assert line.rank.tolist() == [1, 3, 2, 4]  # <unk> comes before </s>, equally likely, by its id
    np.testing.assert_allclose(line.entropy, [1.75] * 4)
    assert line.oov.tolist() == [False, True, False, False]


def test_without_distributions_there_is_no_rank_and_no_entropy():
    lm = ngram()
    full, quick = (list(surprisals(lm, Corpus.from_lines(LINES), distributions=wanted)) for wanted in (True, False))
    for a, b in zip(full, quick, strict=True):
        np.testing.assert_array_equal(a.surprisal, b.surprisal)
        assert (a.tokens, a.oov.tolist()) == (b.tokens, b.oov.tolist())
        assert len(b.rank) == len(b.entropy) == 0


def test_certainty_is_zero_and_impossibility_infinite():
    lm = BigramTable(log_table({BOS: {3: 1.0}, 3: {EOS: 1.0}}, 4))
    (line,) = surprisals(lm, Corpus.from_text("a a\n"))
    assert [str(bits) for bits in line.surprisal.tolist()] == ["0.0", "inf", "0.0"]  # not -0.0


def test_tokens_are_those_of_the_tokenizer():
    pipeline = Pipeline(tokenizer=CharTokenizer())
    (line,) = surprisals(BigramTable(), Corpus.from_text("a b"), pipeline=pipeline)
    assert line.tokens == ["a", "▁", "b", "</s>"]


def test_lines_come_before_the_text_has_been_read():
    read = []

    def blocks():
        for i in range(100):
            read.append(i)
            yield Block(b"a b\n" * 10, "f", 10 * i + 1)

    next(surprisals(ngram(), blocks(), threads=2))
    assert len(read) < 20


def test_a_scorer_is_refused():
    scorer = train_ngram(corpus([["a", "b"]]), order=2, smoothing="stupid-backoff")
    with pytest.raises(UsageError) as caught:
        surprisals(scorer, Corpus.from_text("a\n"))
    expected = "surprisal is of a probability, and this model's scores are none; use a language model"
    assert str(caught.value) == expected


def test_mean_rank_and_entropy():
    lm = ngram()
    rows = [row for line in naive(lm, LINES) for row in line]
    reciprocal, entropy = mean_rank_and_entropy(lm, Corpus.from_lines(LINES))
    assert reciprocal == pytest.approx(np.mean([1 / rank for _, _, rank, _, _ in rows]))
    assert entropy == pytest.approx(np.mean([bits for _, _, _, bits, _ in rows]))


def test_mean_rank_of_nothing_is_an_error():
    with pytest.raises(TextError) as caught:
        mean_rank_and_entropy(ngram(), Corpus.from_text(""))
    assert str(caught.value) == "the text is empty: it has no tokens to rank; give a file with at least one line"
