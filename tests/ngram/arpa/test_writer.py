"""Reading and writing are each other's inverse, and what cannot be written."""

import gzip
import hashlib
from itertools import pairwise

import numpy as np
import pytest
import zstandard

from nextword.errors import ArpaError, StoreError
from nextword.model import check_language_model
from nextword.ngram.arpa import read_arpa, write_arpa
from nextword.ngram.backoff import BackoffModel
from nextword.ngram.smoothing import Smoothing
from nextword.ngram.train import train_ngram
from nextword.text.corpus import Corpus
from nextword.text.vocabulary import SPECIALS, Vocabulary
from ngram.arpa.samples import SMALL, assert_same, entries

GOLDEN = ["shakespeare.o5", "yoruba.o3", "yoruba.o3.prune011", "yoruba.o3.nouni", "yoruba.o3.limited"]


@pytest.mark.parametrize("name", GOLDEN)
def test_what_lmplz_wrote_is_read_and_written_back_unchanged(name, shared, tmp_path):
    original = gzip.decompress(shared(f"golden/kenlm/{name}.arpa.gz").read_bytes()).decode()
    write_arpa(read_arpa(shared(f"golden/kenlm/{name}.arpa.gz")), tmp_path / "again.arpa")
    again = (tmp_path / "again.arpa").read_text()
    assert entries(again) == entries(original)
    assert sorted(again.split("\n")) == sorted(original.split("\n"))  # to the letter, but for the order


def test_a_file_in_order_is_written_back_byte_for_byte(file, tmp_path):
    write_arpa(read_arpa(file(SMALL)), tmp_path / "again.arpa")
    assert (tmp_path / "again.arpa").read_text() == SMALL


@pytest.mark.parametrize("suffix", [".arpa", ".arpa.gz", ".arpa.zst"])
@pytest.mark.parametrize("smoothing", ["mle", "witten-bell"])
@pytest.mark.parametrize("order", [1, 2, 5])
def test_a_trained_model_comes_back_array_for_array(order, smoothing, suffix, tmp_path):
    lines = ["students opened their books", "students opened their minds", "", "students opened <unk> laptops"]
    model = train_ngram(Corpus.from_lines(lines), order=order, smoothing=Smoothing(smoothing))
    write_arpa(model, tmp_path / f"m{suffix}")
    again = read_arpa(tmp_path / f"m{suffix}")
    assert_same(model, again)
    check_language_model(again, 1e-4)


def test_compression_is_told_by_content_and_is_reproducible(file, tmp_path):
    model = read_arpa(file(SMALL))
    assert_same(model, read_arpa(file(gzip.compress(SMALL.encode()), "named.arpa")))
    assert_same(model, read_arpa(file(zstandard.compress(SMALL.encode()), "named.gz")))
    write_arpa(model, tmp_path / "one.gz")
    write_arpa(model, tmp_path / "two.gz")
    assert (tmp_path / "one.gz").read_bytes() == (tmp_path / "two.gz").read_bytes()


def unigram_model(*words, log10=-1.0):
    """A model of the special words and ``words``, all equally likely."""
    vocabulary = Vocabulary.from_words([*SPECIALS, *words])
    n = len(vocabulary)
    return BackoffModel.from_trie(
        vocabulary, 1, starts=np.array([0, 0, n]), word=np.arange(n, dtype=np.uint32),
        first=np.array([n], dtype=np.uint32), inner=np.zeros((0, 2), dtype=np.float32),
        leaf=np.full(n, log10, dtype=np.float32),
    )  # fmt: skip


@pytest.mark.parametrize("word", ["a b", "a\u0000", "line\n", ""])
def test_words_that_no_line_can_hold_are_not_written(word, tmp_path):
    path = tmp_path / "model.arpa"
    path.write_text("as it was")
    with pytest.raises(ArpaError) as error:
        write_arpa(unigram_model(word), path)
    assert str(error.value) == (
        f"{path}: not written: an ARPA file cannot hold the word {word!r}, only words of valid UTF-8 without spaces; "
        "train with a tokenizer that makes no others"
    )
    assert path.read_text() == "as it was"
    assert list(tmp_path.iterdir()) == [path]


@pytest.mark.parametrize("log10", [np.nan, np.inf, 1e30])
def test_numbers_that_are_none_are_not_written(log10, tmp_path):
    path = tmp_path / "model.arpa"
    with pytest.raises(ArpaError) as error:
        write_arpa(unigram_model("a", log10=log10), path)
    assert str(error.value) == f"{path}: not written: a number of 1-gram 0 is out of range"
    assert not list(tmp_path.iterdir())


def test_damaged_arrays_are_not_followed(file, tmp_path):
    model = read_arpa(file(SMALL))
    word, first = model.word.copy(), model.first.copy()
    word[6], first[:] = 10**9, 10**9
    for damage in ({"word": word}, {"first": first}, {"first": first * 0}):
        damaged = BackoffModel(model.vocabulary, 3, {**model.arrays(), **damage})
        try:
            write_arpa(damaged, tmp_path / "damaged.arpa")
        except ArpaError as error:
            assert str(error) == f"{tmp_path / 'damaged.arpa'}: not written: a word of 2-gram 1 is out of range"


def test_a_file_that_cannot_be_written_is_named(file, tmp_path):
    model = read_arpa(file(SMALL))
    for path, why in [(tmp_path / "absent" / "m.arpa", "No such file or directory")]:
        with pytest.raises(StoreError) as error:
            write_arpa(model, path)
        assert str(error.value) == f"{path}: cannot be written: {why}"
    with pytest.raises(StoreError) as error:
        write_arpa(model, tmp_path)
    assert str(error.value) == f"{tmp_path}: cannot be written: it is there and not a regular file; give another name"


def test_long_words_and_many_n_grams_cross_the_buffers(file, tmp_path):
    words = [f"{i}" + "x" * 100_000 for i in range(60)]
    text = "\\data\\\nngram 1=63\nngram 2=60\n\n\\1-grams:\n-1\t<unk>\t0\n-1\t<s>\t0\n-1\t</s>\t0\n"
    text += "".join(f"-1\t{word}\t0\n" for word in words)
    text += "\n\\2-grams:\n" + "".join(f"-0.5\t{a} {b}\n" for a, b in pairwise([*words, words[0]])) + "\n\\end\\\n"
    write_arpa(read_arpa(file(text)), tmp_path / "again.arpa")
    assert (tmp_path / "again.arpa").read_text() == text


def test_what_a_killed_process_left_of_the_same_file_goes_and_what_another_is_writing_stays(file, tmp_path):
    fcntl = pytest.importorskip("fcntl")
    path = tmp_path / "model.arpa"
    begin = f".nextword-{hashlib.sha256(b'model.arpa').hexdigest()[:8]}"
    left, written, other = (
        tmp_path / name for name in (f"{begin}00000000.tmp", f"{begin}11111111.tmp", ".nextword.tmp")
    )
    for some in (left, written, other):
        some.write_bytes(b"half")
    with written.open("rb") as stream:
        fcntl.flock(stream.fileno(), fcntl.LOCK_EX)
        write_arpa(read_arpa(file(SMALL)), path)
    assert sorted(tmp_path.iterdir()) == sorted([path, written, other])
    write_arpa(read_arpa(path), path)
    assert sorted(tmp_path.iterdir()) == sorted([path, other])
