"""Perplexity and bits per byte against sums done by hand."""

import json
import math

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from nextword.errors import TextError
from nextword.ngram.smoothing import Smoothing
from nextword.ngram.train import train_ngram
from nextword.tasks.evaluate import Evaluation, evaluate
from nextword.text.corpus import Corpus
from nextword.text.normalize import Normalizer
from nextword.text.pipeline import Pipeline
from nextword.text.spelling import CharTokenizer
from nextword.text.tokenize import WhitespaceTokenizer
from strategies import corpus, sentences
from toy import BOS, EOS, UNK, BigramTable, DecayingVotes, log_table

A, B = 3, 4
SPELLING = math.log2(257)


def by_hand():
    """Probabilities that are powers of two, so that bits are whole numbers."""
    rows = {
        BOS: {A: 1 / 2, B: 1 / 4, UNK: 1 / 8, EOS: 1 / 8},
        A: {UNK: 1 / 4, A: 1 / 4, B: 1 / 4, EOS: 1 / 4},
        B: {A: 1 / 2, EOS: 1 / 2},
        UNK: {A: 7 / 8, EOS: 1 / 8},
    }
    return BigramTable(log_table(rows, 5))


@pytest.mark.parametrize("text", ["a b\nb\n", "a b\nb"])
def test_without_unknown_words(text):
    """Bits: a 1, b after a 2, </s> after b 1; b 2, </s> 1. Seven over five tokens and six bytes."""
    found = evaluate(by_hand(), Corpus.from_text(text))
    assert (found.tokens, found.oov, found.bytes) == (5, 0, 6)
    assert found.nats == pytest.approx(7 * math.log(2))
    assert found.perplexity == pytest.approx(2 ** (7 / 5))
    assert found.perplexity_excluding_oov == pytest.approx(2 ** (7 / 5))
    assert found.bits_per_byte == pytest.approx(7 / 6)
    assert found.reason == ""


@pytest.mark.parametrize("text", ["a zé\nb\n", "a zé\nb"])
def test_with_an_unknown_word(text):
    """Bits: a 1, <unk> after a 2, </s> after <unk> 3; b 2, </s> 1. Nine over five tokens.

    Its spelling costs three bytes and an end. Eight bytes in all: zé is three of them.
    """
    found = evaluate(by_hand(), Corpus.from_text(text))
    assert (found.tokens, found.oov, found.oov_bytes, found.bytes) == (5, 1, 3, 8)
    assert found.perplexity == pytest.approx(2 ** (9 / 5))
    assert found.perplexity_excluding_oov == pytest.approx(2 ** (7 / 4))
    assert found.bits_per_byte == pytest.approx((9 + 4 * SPELLING) / 8)


def test_perplexity_is_the_same_in_base_2_and_in_base_e():
    found = evaluate(by_hand(), Corpus.from_text("a b a a\n"))
    bits, nats = found.nats / math.log(2), found.nats
    assert 2 ** (bits / found.tokens) == pytest.approx(math.e ** (nats / found.tokens))
    assert found.perplexity == pytest.approx(2 ** (bits / found.tokens))


def test_a_blank_line_is_a_sentence_and_a_byte():
    found = evaluate(by_hand(), Corpus.from_text("\n\n"))
    assert (found.tokens, found.bytes, found.bits_per_byte) == (2, 2, 3.0)


def test_a_model_that_calls_everything_unknown_does_not_win():
    ignorant = BigramTable(log_table({BOS: {UNK: 0.9, EOS: 0.1}, UNK: {UNK: 0.9, EOS: 0.1}}, 5))
    text = Corpus.from_text("the cat sat on the mat\n" * 3)
    learned = train_ngram(text, order=1, smoothing="witten-bell")
    easy, real = evaluate(ignorant, text), evaluate(learned, text)
    assert easy.perplexity < real.perplexity
    assert easy.bits_per_byte > 8 > real.bits_per_byte


def test_bytes_are_of_the_normalised_text():
    pipeline = Pipeline(Normalizer("nfc"), CharTokenizer())
    found = evaluate(by_hand(), Corpus.from_text("ae\u0301 b"), pipeline=pipeline)
    assert (found.tokens, found.bytes) == (5, 6)  # a é ▁ b </s>; é is two bytes, and the newline is counted
    assert (found.oov, found.oov_bytes) == (2, 5)  # é and ▁, which is how a space is spelt


def test_probability_zero_is_infinite_and_names_the_first_token():
    model = train_ngram(Corpus.from_lines(["students opened books"]), order=2, smoothing="mle")
    found = evaluate(model, Corpus.from_text("students opened books\nstudents  opened opened books\nbooks\n"))
    assert found.perplexity == math.inf
    assert found.bits_per_byte == math.inf
    assert found.reason == "probability 0 at <memory>:2: opened"


@pytest.mark.parametrize(
    ("text", "reason"),
    [
        ("students opened zébras\n", "probability 0 at <memory>:1: zébras"),
        ("students opened books\n\n", "probability 0 at <memory>:2: </s>"),
    ],
)
def test_an_impossible_token_is_named_as_it_is_spelt(text, reason):
    model = train_ngram(Corpus.from_lines(["students opened books"]), order=2, smoothing="mle")
    assert evaluate(model, Corpus.from_text(text)).reason == reason


def test_perplexity_without_unknown_words_can_be_finite_where_they_are_impossible():
    model = train_ngram(Corpus.from_lines(["a", "b"]), order=1, smoothing="mle")  # a, b, </s>: 1/4, 1/4, 1/2
    found = evaluate(model, Corpus.from_lines(["a zz"]))
    assert (found.perplexity, found.reason) == (math.inf, "probability 0 at <memory>:1: zz")
    assert found.perplexity_excluding_oov == pytest.approx(2 ** ((2 + 1) / 2), rel=1e-6)
    figures = found.to_json()
    assert (figures["nats"], figures["perplexity"], figures["bits_per_byte"]) == (None, None, None)
    assert figures["perplexity_excluding_oov"] == pytest.approx(2**1.5, rel=1e-6)
    assert figures["reason"] == "probability 0 at <memory>:1: zz"
    json.dumps(figures, allow_nan=False)


def test_a_perplexity_beyond_floating_point_is_null_and_says_why():
    found = evaluate(BigramTable(np.full((5, 5), -1000.0)), Corpus.from_text("a b\n"))
    assert found.perplexity == math.inf
    assert found.to_json()["perplexity"] is None
    assert found.to_json()["nats"] == pytest.approx(3000)
    assert found.reason == "probabilities so close to 0 that the perplexity is too large for a number"


def test_a_scorer_has_no_perplexity():
    scorer = train_ngram(Corpus.from_lines(["a b", "b a"]), order=2, smoothing="stupid-backoff")
    found = evaluate(scorer, Corpus.from_lines(["a b"]))
    assert math.isnan(found.perplexity)
    assert math.isnan(found.bits_per_byte)
    figures = found.to_json()
    assert [figures[name] for name in ("nats", "perplexity", "perplexity_excluding_oov", "bits_per_byte")] == [None] * 4
    assert figures["reason"] == "its scores do not sum to 1, so they are no probabilities and have no perplexity"


def test_an_empty_text_is_an_error():
    with pytest.raises(TextError) as caught:
        evaluate(by_hand(), Corpus.from_text(""))
    expected = "the text is empty: there is nothing to evaluate; give a file with at least one line"
    assert str(caught.value) == expected


def test_the_published_figures_and_no_others():
    found = evaluate(by_hand(), Corpus.from_text("a b\n")).to_json()
    expected = ["tokens", "oov", "nats", "perplexity", "perplexity_excluding_oov", "bits_per_byte"]
    expected += ["word_perplexity", "tokens_per_second"]
    assert list(found) == expected
    assert found["tokens_per_second"] > 0


def test_words_compare_models_of_other_units():
    """Two words and a line's end, whatever the tokens are, and an unknown character's spelling is paid for."""
    text = "ab ba\n"
    chars = Pipeline(tokenizer=CharTokenizer())
    lm = train_ngram(Corpus.from_text("ab aab\n"), order=1, smoothing="laplace", pipeline=chars)
    found = evaluate(lm, Corpus.from_text(text), pipeline=chars)
    assert (found.tokens, found.words) == (6, 3)
    assert found.word_perplexity == pytest.approx(found.perplexity**2)
    assert found.to_json()["word_perplexity"] == found.word_perplexity
    unknown = evaluate(lm, Corpus.from_text("ab xa\n"), pipeline=chars)
    assert unknown.word_perplexity == pytest.approx(2 ** (unknown.bits_per_byte * 6 / 3))


@pytest.mark.parametrize("line", ["", " ", "a", " a  b\t", "a\0b\rc", "\u00a0a b"])
def test_words_are_what_the_whitespace_tokenizer_finds(line):
    chars = Pipeline(tokenizer=CharTokenizer())
    lm = train_ngram(Corpus.from_text("ab\n"), order=1, smoothing="laplace", pipeline=chars)
    words = evaluate(lm, Corpus.from_text(f"{line}\n{line}"), pipeline=chars).words
    assert words == 2 * (len(WhitespaceTokenizer().tokens(line)) + 1) - (not line)


def test_speed_is_tokens_over_seconds():
    assert Evaluation(tokens=10, seconds=4.0).tokens_per_second == 2.5


@settings(max_examples=25)
@given(lines=sentences(words=("a", "b", "zz", "é", "<unk>")), lines_at_once=st.integers(1, 5))
def test_blocks_threads_and_kept_lines_change_no_figure(lines, lines_at_once):
    model = train_ngram(corpus([["a", "b"], ["b"], []]), order=3, smoothing=Smoothing("witten-bell"))
    texts = [" ".join(line) for line in lines]
    whole = evaluate(model, Corpus.from_lines(texts))
    ranges = [texts[i : i + lines_at_once] for i in range(0, len(texts), lines_at_once)]
    blocks = [block for some in ranges for block in Corpus.from_lines(some)]
    parts = evaluate(model, blocks, threads=3, keep_lines=True)
    for name in ("tokens", "oov", "oov_bytes", "bytes"):
        assert getattr(parts, name) == getattr(whole, name)
    assert parts.nats == pytest.approx(whole.nats, rel=1e-12)
    assert parts.known_nats == pytest.approx(whole.known_nats, rel=1e-12)
    bits = np.concatenate(parts.line_bits)
    assert len(bits) == len(lines)
    assert bits.sum() == pytest.approx(whole.bits_per_byte * whole.bytes, rel=1e-9)


def test_bits_of_each_line_hold_the_spelling_of_its_unknown_words():
    found = evaluate(by_hand(), Corpus.from_text("a zé\nb\n\n"), keep_lines=True)
    expected = [6 + 4 * SPELLING, 3, 3]
    np.testing.assert_allclose(np.concatenate(found.line_bits), expected)


def test_a_stream_model_carries_its_state_from_line_to_line_and_block_to_block(tmp_path):
    lm, path = DecayingVotes(), tmp_path / "text.txt"
    path.write_text("a b c\nb\n" * 20)
    ids = lm.vocabulary.encode(path.read_bytes()).ids
    expected = -lm.token_log_probs(ids[None])[0].sum()
    for block_size in (3, 1000):
        assert evaluate(lm, Corpus(path, block_size=block_size)).nats == pytest.approx(expected)


def test_a_text_is_known_by_the_hashes_of_its_files():
    """Those of the bytes and, of a compressed file, of the text: each way round. What is not recorded is not known."""
    plain, packed = {"sha256": "a"}, {"sha256": "b", "text_sha256": "a"}
    tuned = {"trained_on": [{"sha256": "x"}], "settings": {"tuned_on": [packed]}}
    for sources, info, expected in (
        ([plain], {"trained_on": [{"sha256": "x"}, plain]}, (True, None)),
        ([packed], {"trained_on": [plain]}, (True, None)),
        ([plain], {"trained_on": [packed], "settings": None}, (True, None)),
        ([{"sha256": "c"}], {"trained_on": [packed]}, (False, None)),
        ([plain], {}, (None, None)),
        ([{"sha256": "c"}, plain], tuned, (False, True)),
        ([{"sha256": "c"}], tuned, (False, False)),
    ):
        found = Evaluation(tokens=1, nats=1.0, known_nats=1.0, bytes=1, words=1, seconds=1.0)
        found.compare_sources(sources, info)
        assert (found.trained_on_this, found.tuned_on_this) == expected
        published = found.to_json()
        assert [published.get(name) for name in ("trained_on_this", "tuned_on_this")] == [*expected]
