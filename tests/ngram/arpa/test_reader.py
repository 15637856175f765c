"""The many ways to write one model, all of which are read."""

import numpy as np
import pytest

from nextword.ngram.arpa import read_arpa, write_arpa
from ngram.arpa.samples import SMALL, assert_same, ngrams


def spaced(text):
    return text.replace("\t", "  ")


def without_zeros(text):
    return text.replace("\t0\n", "\n")


def crlf(text):
    return text.replace("\n", "\r\n")


def shuffled(text):
    return text.replace("-0.25\t<s> a\t-1.5\n-0.125\ta b\t0\n", "-0.125\ta b\t0\n-0.25\t<s> a\t-1.5\n")


def blank_lines(text):
    return text.replace("\n\n", "\n\n\n \n\n").replace(":\n", ":\n\n")


def with_preamble(text):
    return "\ufeff" + "# by hand\nngram 1=7\n\n" + text


def with_byte_order_mark(text):
    return "\ufeff" + text


def unterminated(text):
    return text.removesuffix("\n")


def padded(text):
    return text.replace("-0.125\ta b\t0", " -0.12500  a b \t 0e0\t ").replace("ngram 2=3", "ngram  2 = 3 ")


def zero_at_the_top(text):
    return text.replace("<s> a b", "<s> a b\t0")


@pytest.mark.parametrize(
    "change",
    [spaced, without_zeros, crlf, shuffled, blank_lines, with_preamble, with_byte_order_mark, unterminated, padded,
     zero_at_the_top],
)  # fmt: skip
def test_other_ways_to_write_the_same_model(change, file):
    assert change(SMALL) != SMALL
    assert_same(read_arpa(file(SMALL, "plain.arpa")), read_arpa(file(change(SMALL))))


def test_special_words_get_the_first_ids_wherever_they_stand(file, tmp_path):
    lines = SMALL.split("\n")
    lines[6:11] = lines[10:5:-1]
    model = read_arpa(file("\n".join(lines)))
    assert model.vocabulary.words == ["<unk>", "<s>", "</s>", "b", "a"]
    assert ngrams(model) == ngrams(read_arpa(file(SMALL)))


def test_minus_99_is_log_zero_as_srilm_writes_it(file, tmp_path):
    text = SMALL.replace("0\t<s>", "-99\t<s>").replace("-0.25\n", "-99\n")
    model = read_arpa(file(text))
    assert model.inner[1, 0] == model.inner[3, 1] == -np.inf
    write_arpa(model, tmp_path / "again.arpa")
    assert (tmp_path / "again.arpa").read_text() == text


def test_a_missing_unk_is_added_as_kenlm_does_and_not_written(file, tmp_path):
    text = SMALL.replace("-1\t<unk>\t0\n", "").replace("ngram 1=5", "ngram 1=4")
    model = read_arpa(file(text))
    assert model.vocabulary.words == ["<unk>", "<s>", "</s>", "a", "b"]
    assert model.inner[0].tolist() == [-100, 0]
    assert model.inserted.tolist() == [0]
    write_arpa(model, tmp_path / "again.arpa")
    assert (tmp_path / "again.arpa").read_text() == text


def test_unk_in_capitals_is_unk_where_there_is_no_other_and_keeps_its_spelling(file, tmp_path):
    text = SMALL.replace("<unk>", "<UNK>")
    model = read_arpa(file(text))
    assert (model.vocabulary.unk, model.vocabulary.word(0), model.vocabulary["unseen"]) == (0, "<UNK>", 0)
    write_arpa(model, tmp_path / "again.arpa")
    assert (tmp_path / "again.arpa").read_text() == text
    both = SMALL.replace("-0.5\ta\t", "-0.5\t<UNK>\t").replace(" a", " <UNK>").replace("\ta b", "\t<UNK> b")
    assert read_arpa(file(both)).vocabulary.words == ["<unk>", "<s>", "</s>", "<UNK>", "b"]


def test_words_end_only_at_kenlms_delimiters(file):
    words = ["no\u00a0break", "line\u2028separator", "vertical\vtab", "\\data\\", "ẹ̀kọ́", "1.5"]
    unigrams = "".join(f"-1\t{word}\n" for word in ["<s>", "</s>", *words])
    text = f"\\data\\\nngram 1=8\n\n\\1-grams:\n{unigrams}\n\\end\\\n"
    assert read_arpa(file(text)).vocabulary.words[3:] == words


def test_an_empty_highest_order_is_kept(file, tmp_path):
    text = SMALL.replace("ngram 3=1", "ngram 3=0").replace("-0.0625\t<s> a b\n", "")
    model = read_arpa(file(text))
    assert (model.order, model.counts()) == (3, [5, 3, 0])
    write_arpa(model, tmp_path / "again.arpa")
    assert (tmp_path / "again.arpa").read_text() == text
