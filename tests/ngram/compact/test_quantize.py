"""Quantised models: the protocol, a slow twin of the trie, a trie written by hand, round trips, and refusals."""

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

import nextword
from conformance import conforms, reload
from nextword import store
from nextword.errors import StoreError, UsageError
from nextword.ngram.arpa import read_arpa, write_arpa
from nextword.ngram.backoff import BackoffModel
from nextword.ngram.compact import quantize as quantizing
from nextword.ngram.compact.hashed import HashedModel
from nextword.ngram.compact.quantize import as_backoff, quantize
from nextword.ngram.compact.trie import TrieModel
from nextword.ngram.smoothing import Smoothing
from nextword.ngram.train import train_ngram
from nextword.text.corpus import Corpus
from nextword.text.vocabulary import Vocabulary
from ngram.compact.trie_twin import TrieTwin
from strategies import corpus, sentences

SMOOTHINGS = ("witten-bell", "katz", "modified-kneser-ney", "add", "mle")
LINES = ["the cat sat on the mat", "the dog sat on the cat", "a dog and a cat", "birds and fish swim by day", ""] * 3
BITS = st.sampled_from([None, 3, 5, 8, 16])


def fit(lines, order, name="witten-bell"):
    return train_ngram(corpus(lines), order=order, smoothing=Smoothing(name, discount_fallback=True))


def fine(model):
    """How far its rows may be from 1, by its own word, or by that of float64 arithmetic."""
    return max(1e-6, 1.01 * model.tolerance)


@pytest.mark.parametrize("layout", ["trie", "hash"])
@settings(max_examples=40)
@given(
    lines=sentences(),
    order=st.integers(1, 6),
    name=st.sampled_from(SMOOTHINGS),
    bits=BITS,
    backoff_bits=st.sampled_from([None, None, 3, 8]),
    rows=st.lists(st.lists(st.integers(2, 6), max_size=9), min_size=1, max_size=4),
)
def test_conforms(layout, lines, order, name, bits, backoff_bits, rows):
    model = fit(lines, order, name)
    small = quantize(model, layout=layout, bits=bits, backoff_bits=backoff_bits, threads=1)
    size = len(model.vocabulary)
    conforms(small, tokens=[[i % size if i % size != 1 else 2 for i in row] for row in rows], tolerance=fine(small))
    assert (small.counts(), small.details) == (model.counts(), model.details)


@settings(max_examples=30)
@given(lines=sentences(words=("a", "b", "c", "d", "ee")), order=st.integers(1, 6), bits=BITS)
def test_rows_of_a_trie_sum_to_1(lines, order, bits):
    """Where a word is unseen after every context: ``<unk>`` here."""
    model = quantize(fit(lines, order), bits=bits, threads=1)
    assert model.tolerance < 1e-6
    assert model.parameters()["weight_bits"] == 0


@settings(max_examples=30)
@given(
    lines=sentences(most=8),
    order=st.integers(1, 5),
    bits=BITS,
    backoff_bits=st.sampled_from([None, 4]),
    stored_above=st.integers(0, 3),
)
def test_a_trie_holds_what_its_description_says(lines, order, bits, backoff_bits, stored_above):
    with pytest.MonkeyPatch.context() as patch:  # so that some weights are stored in so small a model
        patch.setattr(quantizing, "STORED_ABOVE", stored_above)
        model = quantize(fit(lines, order, "katz"), bits=bits, backoff_bits=backoff_bits, threads=1)
    twin = TrieTwin(model)
    contexts = {gram[max(0, len(gram) - order + 1) :] for gram in twin.p if gram[-1] != model.eos} | {()}
    for context in contexts:
        state = np.full((1, order - 1), -1, dtype=np.int32)
        if context:
            state[0, -len(context) :] = context
        np.testing.assert_allclose(np.exp(model.log_probs(state)[0]), twin.row(context), rtol=1e-6, atol=1e-12)


def test_a_long_text_is_scored_as_its_sentences():
    """Blocks of the fast path end within sentences, and contexts reach from one into the next."""
    lm = nextword.train(Corpus.from_lines(LINES), order=4, smoothing="witten-bell")
    ids = lm.model.vocabulary.encode("\n".join(LINES * 200).encode()).ids
    for layout in ("trie", "hash"):
        model = quantize(lm.model, layout=layout)
        at_once = model.stream_log_probs(ids)
        ends = np.flatnonzero(ids == model.eos) + 1
        apart = np.concatenate([model.stream_log_probs(part) for part in np.split(ids, ends)])
        np.testing.assert_array_equal(at_once, apart)
        assert len(ids) > 3000


def by_hand():
    """p(a) = 1/2, p(b) = 1/4, p(<unk>) = p(</s>) = 1/8; a a 1/2, a b 1/4, b b 3/4; a b b 3/4, b b b 3/4."""
    vocabulary = Vocabulary.from_words(["<unk>", "<s>", "</s>", "a", "b"])
    p = np.log10([0.125, 1, 0.125, 0.5, 0.25, 0.5, 0.25, 0.75, 0.75, 0.75])
    # what is left after a: 1/4 of 1 - 3/4; after b: 1/4 of 3/4; after a b and b b: 1/4 of 1/4
    weights = np.log10([1, 1, 1, 1, 1 / 3, 1, 1, 1])
    return BackoffModel.from_trie(
        vocabulary,
        3,
        starts=np.array([0, 0, 5, 8, 10]),
        word=np.array([0, 1, 2, 3, 4, 3, 4, 4, 4, 4], dtype=np.uint32),
        first=np.array([5, 5, 5, 5, 7, 8, 8, 9, 10], dtype=np.uint32),
        inner=np.column_stack([p[:8], weights]).astype(np.float32),
        leaf=p[8:].astype(np.float32),
    )


def test_a_trie_by_hand():
    model = quantize(by_hand(), bits=2)
    assert (len(model), model.counts(), model.quantised) == (
        10,
        [5, 3, 2],
        {"layout": "trie", "bits": 2, "backoff_bits": None},
    )
    arrays, given_ = model.arrays(), model.parameters()
    assert arrays["first"].tolist() == [0, 0, 0, 0, 2, 3]
    np.testing.assert_allclose(10 ** arrays["codebooks"], [[0.25, 0.5, 0.75, 0.75], [0.75] * 4], rtol=1e-6)
    # after a b, whose suffix b has one word: no ranks at all
    assert given_["rank_bits"] == [0]
    words = [int(word) for word in arrays["words"]]
    # codes of a a, a b, b b, lowest first: 1 0 2. Their ranks are the words, 3 bits each: 3 4 4
    assert words[:2] == [0b10_00_01, 0b100_100_011]
    # codes of a b b, b b b: 0 0, and no ranks. Their contexts a a, a b, b b have children from 0, 0, 1, to 2: no low
    # bits; a bit set at 0 + 0, 0 + 1, 1 + 2, 2 + 3. Ranks begin and end at 0: bits 0, 1, 2, 3. And a spare word
    assert words[2:] == [0, 0b101011, 0b1111, 0]
    assert arrays["samples"].tolist() == [[0, 0]]
    state = model.advance(model.start(1), np.array([[3, 4]]))
    expected = [1 / 24, 0, 1 / 24, 1 / 6, 3 / 4]
    np.testing.assert_allclose(np.exp(model.log_probs(state)[0]), expected, rtol=1e-6)


def test_the_codes_of_a_hash_table():
    model = quantize(by_hand(), layout="hash", bits=3, backoff_bits=4)
    assert model.quantised == {"layout": "hash", "bits": 2, "backoff_bits": 1}  # so many do
    entries = model.arrays()["table"]
    assert sorted((entries[entries > 0] & np.uint64(7)).tolist()) == sorted([2, 1, 3, 1, 1])
    state = model.advance(model.start(1), np.array([[3, 4]]))
    np.testing.assert_allclose(np.exp(model.log_probs(state)[0]), [1 / 24, 0, 1 / 24, 1 / 6, 3 / 4], rtol=1e-6)


@pytest.mark.parametrize("order", [1, 3, 5])
def test_a_trie_becomes_an_arpa_file(order, tmp_path):
    lm = nextword.train(Corpus.from_lines(LINES), order=order, smoothing="witten-bell")
    small = quantize(lm.model, bits=5)
    write_arpa(as_backoff(small), tmp_path / "small.arpa")
    again = read_arpa(tmp_path / "small.arpa")
    assert again.counts() == lm.model.counts()
    for name in ("starts", "word", "first"):
        np.testing.assert_array_equal(getattr(as_backoff(small), name), getattr(lm.model, name))
    ids = np.array([small.vocabulary.ids(["the", "cat", "and", "a", "dog", "sat", "by", "day"])], dtype=np.int32)
    np.testing.assert_allclose(again.token_log_probs(ids)[0], small.token_log_probs(ids)[0], atol=1e-5)


def test_what_an_arpa_file_left_out_is_left_out_again(tmp_path):
    text = "\\data\\\nngram 1=4\nngram 2=1\nngram 3=1\n\n\\1-grams:\n-0.4\t<unk>\n-99\t<s>\t-0.1\n-0.4\t</s>\n"
    text += "-0.7\ta\t-0.2\n\n\\2-grams:\n-0.3\t<s> a\t-0.05\n\n\\3-grams:\n-0.2\t<s> a a\n\n\\end\\\n"
    (tmp_path / "in.arpa").write_text(text)
    model = read_arpa(tmp_path / "in.arpa")
    small = quantize(model)
    assert model.counts() == small.counts() == [4, 1, 1]
    assert len(model) == len(small) == 7
    assert small.quantised["backoff_bits"] is not None  # the rows of this file do not sum to 1
    assert small.tolerance > 1e-3
    np.testing.assert_array_equal(as_backoff(small).inserted, model.inserted)


def test_words_that_cannot_follow_still_cannot():
    """Relative frequencies have back-off weights of 0, which follow from no rounded probabilities."""
    model = fit([["a", "b"], ["a", "c"], ["a", "a"]], 2, "mle")
    for layout in ("trie", "hash"):
        small = quantize(model, layout=layout, bits=4)
        after_b = small.log_probs(small.advance(small.start(1), np.array([[model.vocabulary["b"]]])))[0]
        assert np.isneginf(np.delete(after_b, model.eos)).all()
        assert after_b[model.eos] == 0


@pytest.mark.parametrize("layout", ["trie", "hash"])
def test_it_is_saved_with_a_compact_vocabulary(layout, tmp_path):
    lm = nextword.train(Corpus.from_lines(LINES), order=3, smoothing="witten-bell")
    small = nextword.quantize(lm, layout=layout)
    small.save(tmp_path / "small")
    (file,) = (tmp_path / "small").glob("vocabulary-*")
    assert file.stat().st_size < 512
    again = nextword.load(tmp_path / "small")
    assert again.model.vocabulary.words == lm.model.vocabulary.words
    text = b"a dog flew\n"
    found, expected = again.model.vocabulary.encode(text), lm.model.vocabulary.encode(text)
    assert (found.ids.tolist(), *found[1:]) == (expected.ids.tolist(), *expected[1:])
    assert again.perplexity("the cat sat") == small.perplexity("the cat sat")
    assert again.info["trained_on"] == lm.info["trained_on"]
    again.save(tmp_path / "again")
    assert store.size(tmp_path / "again") == store.size(tmp_path / "small")


def test_a_trie_of_a_larger_text_is_small_and_close(tmp_path):
    """Words of a Zipf distribution; the twin of the claim of ``benchmarks/size.py``."""
    random = np.random.default_rng(0)
    lines = [" ".join(f"w{min(i, 999)}" for i in random.zipf(1.3, 20)) for _ in range(2000)]
    lm = nextword.train(Corpus.from_lines(lines[:1800]), order=3, smoothing="witten-bell")
    held_out = "\n".join(lines[1800:])
    for options, most, apart in (({}, 3.6, 0.003), ({"bits": 6}, 3.4, 0.01), ({"layout": "hash"}, 15.5, 0.001)):
        small = nextword.quantize(lm, **options)
        small.save(tmp_path / "small")
        assert store.size(tmp_path / "small") / len(small.model) < most
        assert abs(np.log(small.perplexity(held_out) / lm.perplexity(held_out))) < apart
        if isinstance(small.model, TrieModel):
            np.testing.assert_array_equal(as_backoff(small.model).word, lm.model.word)
            np.testing.assert_array_equal(as_backoff(small.model).first, lm.model.first)


REFUSED = {
    "layout": ({"layout": "tree"}, "layout 'tree': expected one of trie, hash"),
    "bits": ({"bits": 1}, "bits=1: expected 2 to 16"),
    "backoff bits": ({"backoff_bits": 17}, "backoff_bits=17: expected 2 to 16"),
    "too few": (
        {"bits": 2},
        "2 bits are too few for order 2: after 1 of its contexts the rounded probabilities leave nothing for other "
        "words; give more bits, or backoff_bits",
    ),
}


@pytest.mark.parametrize("case", REFUSED)
def test_refusals(case):
    options, message = REFUSED[case]
    lines = [["abcdefghij"[c], f"w{i}"] for c in range(10) for i in range(5 * c)] * 10  # too different for 4 numbers
    with pytest.raises(UsageError) as caught:
        quantize(fit(lines, 2), **options)
    assert str(caught.value) == message


def test_what_is_no_ngram_model_is_refused():
    lm = nextword.train(Corpus.from_lines(LINES), order=2, smoothing="stupid-backoff")
    with pytest.raises(UsageError) as caught:
        nextword.quantize(lm)
    message = "a model of kind 'stupid-backoff' cannot be quantised; give one of kind 'ngram' or a neural one"
    assert str(caught.value) == message
    small = nextword.quantize(nextword.train(Corpus.from_lines(LINES), order=2, smoothing="witten-bell"), layout="hash")
    with pytest.raises(UsageError) as caught:
        nextword.quantize(small)
    assert str(caught.value) == message.replace("stupid-backoff", "ngram-hash")
    with pytest.raises(UsageError) as caught:
        as_backoff(small.model)
    assert str(caught.value) == (
        "a model of kind 'ngram-hash' has hashes in place of its n-grams, which nobody can list; "
        "convert the model that it was made of"
    )


@pytest.mark.parametrize("kind", [TrieModel, HashedModel])
def test_arrays_that_do_not_fit(kind):
    model = quantize(by_hand(), layout="trie" if kind is TrieModel else "hash")
    arrays, given_ = model.arrays(), model.parameters()
    name = "words" if kind is TrieModel else "unigrams"
    cases = [
        (given_, {k: v for k, v in arrays.items() if k != name}, "its arrays are"),
        (given_, arrays | {"codebooks": arrays["codebooks"].astype(np.float64)}, "its array 'codebooks' has type"),
        (given_, arrays | {name: arrays[name][:-1]}, "the sizes of its arrays do not fit together"),
        (given_ | {"order": 4}, arrays, "its parameters make no sense"),
        (given_ | {"bits": 17}, arrays, "its parameters make no sense"),
        (given_ | {"counts": None}, arrays, "its parameters make no sense"),
        (given_ | {"tolerance": None}, arrays, "its parameters make no sense"),
        ({}, arrays, "its parameters make no sense"),
    ]
    for parameters, changed, problem in cases:
        with pytest.raises(UsageError) as caught:
            kind.from_arrays(parameters, changed, model.vocabulary)
        assert str(caught.value).startswith(f"this is no quantised n-gram model: {problem}")
        assert str(caught.value).endswith("; quantise or copy it again")
    pretrained = Vocabulary.from_words(["a", "b", "c", "d", "e"], unk=None, bos=0, eos=1)
    with pytest.raises(UsageError, match="its vocabulary lacks"):
        kind.from_arrays(given_, arrays, pretrained)


def test_a_reloaded_model_may_not_be_changed():
    small = reload(quantize(by_hand()))
    with pytest.raises(ValueError, match="read-only"):
        small.arrays()["words"][0] = 0


def test_a_directory_whose_parameters_were_changed(tmp_path):
    nextword.LM(quantize(by_hand())).save(tmp_path / "m")
    config = (tmp_path / "m" / "config.json").read_text()
    (tmp_path / "m" / "config.json").write_text(config.replace('"bits": 2', '"bits": 3'))
    with pytest.raises(StoreError, match="its checksum differs"):
        nextword.load(tmp_path / "m")
