"""ARPA files: what is read, what is refused and how, and that reading and writing are each other's inverse."""

import gzip
import re
import tracemalloc
from itertools import pairwise, product

import numpy as np
import pytest
import zstandard
from hypothesis import given, settings
from hypothesis import strategies as st

from nextword.errors import ArpaError, StoreError
from nextword.model import check_language_model
from nextword.ngram.arpa import decimals as kernels
from nextword.ngram.arpa import read_arpa, write_arpa
from nextword.ngram.backoff import LN10, BackoffModel
from nextword.ngram.smoothing import Smoothing
from nextword.ngram.train import train_ngram
from nextword.text.corpus import Corpus
from nextword.text.vocabulary import SPECIALS, Vocabulary

SMALL = r"""\data\
ngram 1=5
ngram 2=3
ngram 3=1

\1-grams:
-1	<unk>	0
0	<s>	-0.5
-0.75	</s>	0
-0.5	a	-0.25
-0.625	b	0.125

\2-grams:
-0.25	<s> a	-1.5
-0.125	a b	0
-0.375	b </s>	0

\3-grams:
-0.0625	<s> a b

\end\
"""
GOLDEN = ["shakespeare.o5", "yoruba.o3", "yoruba.o3.prune011", "yoruba.o3.nouni", "yoruba.o3.limited"]


@pytest.fixture
def file(tmp_path):
    """Makes a file of the given text or bytes and returns its path."""

    def make(content, name="model.arpa"):
        path = tmp_path / name
        path.write_bytes(content.encode() if isinstance(content, str) else content)
        return path

    return make


def entries(text):
    """The n-grams of an ARPA text and their float32 numbers, by the simplest means."""
    found, section = {}, ""
    for line in text.splitlines():
        if line.startswith("\\"):
            section = line
        elif "grams" in section and line:
            log_prob, words, *backoff = line.split("\t")
            found[words] = tuple(map(np.float32, [log_prob, *backoff]))
    return found


def ngrams(model):
    """Every n-gram of a model, {words: (log10 probability, log10 back-off weight, was it in the file)}."""
    inserted, words = set(model.inserted.tolist()), model.vocabulary.words
    found, level = {}, [(g, ()) for g in range(len(words))]
    while level:
        below, level = level, []
        for g, before in below:
            ngram = (*before, words[model.word[g]])
            inner = g < len(model.inner)
            pair = model.inner[g].tolist() if inner else [model.leaf[g - len(model.inner)].item(), 0.0]
            found[ngram] = (*pair, g not in inserted)
            level += [(child, ngram) for child in range(model.first[g], model.first[g + 1])] if inner else []
    return found


def assert_same(one, other):
    assert one.vocabulary.words == other.vocabulary.words
    for name, array in one.arrays().items():
        np.testing.assert_array_equal(array, other.arrays()[name], err_msg=name)


# Reading and writing are each other's inverse.


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


def number_text(x):
    out = np.zeros(40, dtype=np.uint8)
    return out[: kernels.put_number(np.float32(x), out, 0)].tobytes().decode()


def number_value(text):
    data = np.frombuffer(text.encode() + b"\n", dtype=np.uint8).copy()
    end, value, good = kernels.read_number(data, 0)
    return np.float32(value) if good and end == len(text) else None


@given(st.floats(-99, 99, width=32, exclude_min=True, exclude_max=True))
@settings(max_examples=500)
def test_numbers_are_the_shortest_decimals_that_read_back(x):
    text = number_text(x)
    assert np.float32(text) == x
    assert number_value(text) == x
    shortest = np.format_float_scientific(np.float32(x), unique=True, trim="-")
    digits = [t.lstrip("-").split("e")[0].replace(".", "").strip("0") for t in (text, shortest)]
    power_of_two = np.frexp(x)[0] in (0.5, -0.5)  # where the nearest number below is twice as near as the one above
    assert len(digits[0]) <= len(digits[1]) + power_of_two


def test_numbers_look_as_lmplz_writes_them():
    shown = [0.0, -0.0, -1e-6, -9.9999e-7, -1.5e-10, 1e-45, -20.0, -0.1, -98.99999, -np.inf, -99.5, 12.5]
    written = "0 0 -0.000001 -9.9999e-7 -1.5e-10 1e-45 -20 -0.1 -98.99999 -99 -99 12.5"
    assert " ".join(number_text(x) for x in shown) == written


@pytest.mark.parametrize(
    "text",
    ["-1", "+1", "1.", ".5", "-0", "1e-05", "1E+1", "-1.5e1", "0.30102999566398119521", "00012.50", "1e-400", "0e9999",
     "123456789012345678901234567890e-29", "0." + "0" * 30 + "1", "-7.0064923216240854e-46"],
)  # fmt: skip
def test_decimals_are_read_as_c_reads_them(text):
    assert number_value(text) == np.float32(text)


@pytest.mark.parametrize("text", ["", "-", ".", "nan", "inf", "-inf", "1e", "1e+", "0x10", "1,5", "1.2.3", "--1", "1-"])
def test_what_is_no_decimal_is_not_read_as_one(text):
    assert number_value(text) is None


# What readers must put up with.


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


# n-grams whose prefixes and suffixes the file lacks.

FIRST, MIDDLE, LAST = ["<s>", "<unk>", "a", "b"], ["<unk>", "a", "b"], ["<unk>", "a", "b", "</s>"]
LOG10 = st.integers(-800, 0).map(lambda n: n / 128)


@st.composite
def sparse_models(draw):
    """(order, {words: (log10 probability, back-off weight)}): all unigrams, and any few of the longer n-grams."""
    order = draw(st.integers(1, 5))
    table = {(word,): (draw(LOG10), draw(LOG10)) for word in [*SPECIALS, "a", "b"]}
    for k in range(2, order + 1):
        shape = st.tuples(st.sampled_from(FIRST), *[st.sampled_from(MIDDLE)] * (k - 2), st.sampled_from(LAST))
        for ngram in draw(st.lists(shape, unique=True, max_size=4)):
            table[ngram] = (draw(LOG10), draw(LOG10) if k < order else 0.0)
    return order, table


def arpa_text(order, table):
    """ARPA text of a table, its n-grams as they come."""
    levels = [[(words, pair) for words, pair in table.items() if len(words) == k] for k in range(1, order + 1)]
    text = "\\data\\\n" + "".join(f"ngram {k}={len(level)}\n" for k, level in enumerate(levels, 1))
    for k, level in enumerate(levels, 1):
        text += f"\n\\{k}-grams:\n"
        for words, (log_prob, backoff) in level:
            text += f"{log_prob}\t{' '.join(words)}" + (f"\t{backoff}\n" if k < order else "\n")
    return text + "\n\\end\\\n"


def definition(table, context, word):
    """log10 p(word given context) as the format defines it, step by step."""
    if (*context, word) in table:
        return table[(*context, word)][0]
    return table.get(context, (0.0, 0.0))[1] + definition(table, context[1:], word)


@given(sparse_models())
@settings(max_examples=150)
def test_scores_are_those_of_the_file_and_the_closure_is_whole(tmp_path_factory, drawn):
    order, table = drawn
    path = tmp_path_factory.mktemp("sparse") / "model.arpa"
    path.write_text(arpa_text(order, table))
    model = read_arpa(path)
    found = ngrams(model)
    assert {words: pair for words, (*pair, listed) in found.items() if listed} == {
        w: [*p] for w, p in table.items()
    } or (
        order == 1  # whose back-off weights are not in the file
    )
    assert all(ngram[1:] in found and ngram[:-1] in found for ngram in found if len(ngram) > 1)
    for words in product(MIDDLE, repeat=min(order - 1, 3)):
        for context in (words, ("<s>", *words[1:])) if words else (words,):
            state = np.full((1, order - 1), -1, dtype=np.int32)
            state[0, order - 1 - len(context) :] = model.vocabulary.ids(context)
            log_probs = model.log_probs(state)[0] / LN10
            for word in LAST:
                assert log_probs[model.vocabulary[word]] == pytest.approx(definition(table, context, word), abs=2e-5)
    write_arpa(model, path)
    assert_same(model, read_arpa(path))


def test_more_missing_prefixes_and_suffixes_than_any_model_has_are_refused(file):
    words = [f"w{i}" for i in range(100)]
    lines = [" ".join(np.random.default_rng(seed).permutation(words)) for seed in range(100)]
    text = "\\data\\\nngram 1=102\n" + "".join(f"ngram {k}={100 * (k == 100)}\n" for k in range(2, 101))
    text += "\n\\1-grams:\n" + "".join(f"-1 {word}\n" for word in ["<s>", "</s>", *words])
    text += (
        "".join(f"\n\\{k}-grams:\n" for k in range(2, 101)) + "".join(f"-1 {line}\n" for line in lines) + "\n\\end\\\n"
    )
    with pytest.raises(ArpaError, match="lack a prefix or suffix"):
        read_arpa(file(text))


# What is refused, and in what words.


def swap(old, new):
    """SMALL with ``old`` replaced by ``new``."""
    assert old in SMALL
    return SMALL.replace(old, new)


REFUSED = {
    "no data": (swap("\\data\\\n", ""), r":20: no \data\ line so far; expected an ARPA file, which begins with one"),
    "no counts": (
        swap("ngram", "gram"),
        r":1: no counts after \data\; expected 'ngram 1=' and a count: write the model again",
    ),
    "order skipped": (
        swap("ngram 2=3\n", ""),
        ":3: expected 'ngram 2=' and a count, found 'ngram 3=1'; orders rise from 1 on",
    ),
    "count not a number": (
        swap("ngram 2=3", "ngram 2=three"),
        ":3: expected 'ngram 2=' and a count, found 'ngram 2=three'; orders rise from 1 on",
    ),
    "count beyond the file": (
        swap("ngram 2=3", "ngram 2=3000000000000000"),
        ":3: the header promises 3,000,000,000,000,000 2-grams, but the file is too short for them; check the counts",
    ),
    "too many n-grams": (
        swap("ngram 2=3", "ngram 2=2"),
        ":16: the header promises 2 2-grams, but here is one more; check the counts",
    ),
    "too few n-grams": (
        swap("ngram 2=3", "ngram 2=4"),
        ":16: the header promises 4 2-grams, but the section ends after 3; check the counts, or copy the file again",
    ),
    "section missing": (
        swap("\\2-grams:\n-0.25\t<s> a\t-1.5\n-0.125\ta b\t0\n-0.375\tb </s>\t0\n\n", ""),
        ":13: expected \\2-grams:, found '\\3-grams:'; the header's orders come in their order, then \\end\\",
    ),
    "sections out of order": (
        swap("\\1-grams", "\\2-grams"),
        ":6: expected \\1-grams:, found '\\2-grams:'; the header's orders come in their order, then \\end\\",
    ),
    "no end": (swap("\\end\\\n", ""), r":20: the file ends before \end\; it is cut short: copy it again"),
    "cut short": (
        SMALL[: SMALL.index("b </s>")],
        ":16: expected 2 words after the probability, found 0; is the line in the wrong section?",
    ),
    "more after the end": (SMALL + SMALL, r":22: expected nothing after \end\, found '\data\'; remove it"),
    "nan": (swap("-0.125\t", "nan\t"), ":15: 'nan' is no log10 probability; expected a number up to 0, -99 for log 0"),
    "no number": (
        swap("-0.125\t", "-0.12x\t"),
        ":15: '-0.12x' is no log10 probability; expected a number up to 0, -99 for log 0",
    ),
    "minus infinity": (
        swap("-0.125\t", "-inf\t"),
        ":15: '-inf' is no log10 probability; expected a number up to 0, -99 for log 0",
    ),
    "positive": (
        swap("-0.125\t", "0.125\t"),
        ":15: the log10 probability '0.125' is above 0; expected 0 at most: write 0, or estimate the model again",
    ),
    "infinite back-off": (
        swap("-1.5\n", "inf\n"),
        ":14: expected a finite back-off weight or the line's end after 2 words, found 'inf'; correct the line",
    ),
    "back-off too large": (
        swap("-1.5\n", "1e30\n"),
        ":14: the log10 back-off weight '1e30' is infinite; expected a number below 99",
    ),
    "back-off at the top": (
        swap("<s> a b\n", "<s> a b\t-0.5\n"),
        ":19: the back-off weight '-0.5' in the highest order, which has none; is an order missing from the header?",
    ),
    "words missing": (
        swap("a b\t0", "a"),
        ":15: expected 2 words after the probability, found 1; is the line in the wrong section?",
    ),
    "word missing before back-off": (
        swap("a b\t0", "a\t0"),
        ":15: expected 2 words after the probability, found 1; is the line in the wrong section?",
    ),
    "no words": (
        swap("-0.125\ta b\t0", "-0.125"),
        ":15: expected 2 words after the probability, found 0; is the line in the wrong section?",
    ),
    "word too many": (
        swap("a b\t0", "a b a\t0"),
        ":15: expected a finite back-off weight or the line's end after 2 words, found 'a'; correct the line",
    ),
    "ten times the words": (
        swap("a b\t0", "a b " * 10 + "\t0"),
        ":15: expected a finite back-off weight or the line's end after 2 words, found 'a'; correct the line",
    ),
    "field after back-off": (
        swap("a b\t0", "a b\t0 0"),
        ":15: expected the line's end after the back-off weight, found '0'; remove it",
    ),
    "unknown word": (
        swap("a b\t0", "a c\t0"),
        ":15: the word 'c' is not among the 1-grams; add it there, or remove this line",
    ),
    "2-gram twice": (
        swap("-0.375\tb </s>", "-0.25\ta b"),
        ":16: the 2-gram 'a b' is here for the second time, after line 15; keep one",
    ),
    "1-gram twice": (swap("\tb\t", "\ta\t"), ":11: the 1-gram 'a' is here for the second time; keep one"),
    "no <s>": (
        swap("<s>\t", "<S>\t"),
        ":11: there is no <s> among the 1-grams; estimate the model again, from sentences",
    ),
    "no </s>": (
        swap("</s>\t0\n-0.5", "<\\s>\t0\n-0.5"),
        ":11: there is no </s> among the 1-grams; estimate the model again, from sentences",
    ),
    "not UTF-8": (
        swap("\tb\t", "\tX\t").encode().replace(b"X", b"caf\xe9"),
        r":11: the word 'caf\xe9' is not UTF-8; convert the file, for example with iconv",
    ),
    "empty": ("", ":1: the file is empty; expected an ARPA file"),
    "KenLM binary": (
        b"mmap lm http://kheafield.com/code format version 5\n\0",
        ":1: this is a KenLM binary; give the ARPA file that it was built from",
    ),
    "order above 100": (
        "\\data\\\n" + "".join(f"ngram {k}=0\n" for k in range(1, 102)),
        ":102: the order is above 100; give a model of a lower order",
    ),
}


@pytest.mark.parametrize("case", REFUSED)
def test_what_is_wrong_is_said_with_file_and_line(case, file):
    content, message = REFUSED[case]
    path = file(content)
    with pytest.raises(ArpaError) as error:
        read_arpa(path)
    assert str(error.value) == f"{path}{message}"


def test_a_directory_or_nothing_is_refused(tmp_path):
    with pytest.raises(ArpaError) as error:
        read_arpa(tmp_path)
    assert str(error.value) == f"{tmp_path}: this is a directory; name the ARPA file in it"
    (tmp_path / "config.json").touch()
    with pytest.raises(ArpaError) as error:
        read_arpa(tmp_path)
    assert str(error.value) == f"{tmp_path}: this is a saved model, which nextword.load opens"
    with pytest.raises(ArpaError) as error:
        read_arpa(tmp_path / "absent")
    assert str(error.value) == f"{tmp_path / 'absent'}: there is no such file; check the path"


@pytest.mark.parametrize("compress", [gzip.compress, zstandard.compress])
def test_compressed_data_cut_short_are_refused(compress, file):
    data = compress(SMALL.encode())
    for size in range(4, len(data)):
        with pytest.raises(ArpaError):
            read_arpa(file(data[:size]))
    path = file(gzip.compress(SMALL.encode())[:-8])
    with pytest.raises(ArpaError) as error:
        read_arpa(path)
    remedy = "copy the file again, and test it with gzip -t"
    assert str(error.value) == f"{path}:21: the gzip data end too early; {remedy}"


def refused_within(path, megabytes):
    """The message with which a file is refused, if that takes less memory than so many megabytes."""
    tracemalloc.start()
    try:
        with pytest.raises(ArpaError) as error:
            read_arpa(path)
        assert tracemalloc.get_traced_memory()[1] < megabytes << 20
    finally:
        tracemalloc.stop()
    return str(error.value).removeprefix(str(path))


LONG_LINE = ": the line is longer than 1 MiB; expected an n-gram or a heading: write the model again"


@pytest.mark.parametrize("size", [1 << 20, 100 << 20])
@pytest.mark.parametrize(
    ("before", "what", "line"),
    [
        ("", "x", 1),
        ("\\data\\\n", " ", 2),
        ("ngram 1=", "5", 2),
        ("-1\t", "x", 7),
        ("a b\t", "0", 15),
        ("-1", "0", 7),
    ],
)
def test_a_long_line_is_refused_within_bounds(before, what, line, size, file):
    path = file(SMALL.replace(before, before + what * size, 1) if before else what * size + SMALL)
    assert refused_within(path, 40) == f":{line}{LONG_LINE}"


def test_a_file_without_data_is_not_read_to_its_end(file):
    path = file("no such thing\n" * (1 << 20))
    assert refused_within(path, 40) == ":74900: no \\data\\ line so far; expected an ARPA file, which begins with one"
    path = file("\\data\\\n" + " \n" * (1 << 20))
    assert refused_within(path, 40) == ":524290: more than 1 MiB of blank lines; remove them"


@pytest.mark.parametrize("compress", [gzip.compress, zstandard.compress])
def test_a_few_bytes_that_stand_for_very_many_are_refused(compress, file):
    bomb = SMALL.replace("ngram 1=5", "ngram 1=100000").replace("-0.5\ta\t", "-0.5\ta\t-0.25\n" * (1 << 20))
    path = file(compress(bomb.encode()))
    limit = 100 * path.stat().st_size + (1 << 20)
    message = refused_within(path, 40)
    assert message.startswith(f":{message.split(':')[1]}: more than {limit:,} bytes of text in a small file;")


# Whatever is done to a file, a valid model or an ArpaError comes out.

WEIRD = [
    "",
    "0",
    "-0",
    "-99",
    "-1e999",
    "1e999",
    "nan",
    "inf",
    "9" * 30,
    "-0." + "0" * 400 + "1",
    "-1e-310",
    "<s>",
    "\\end\\",
]
MUTATIONS = st.one_of(
    st.tuples(st.just("byte"), st.integers(0, len(SMALL) - 1), st.integers(0, 255)),
    st.tuples(st.just("insert"), st.integers(0, len(SMALL)), st.binary(max_size=3)),
    st.tuples(st.just("cut"), st.integers(0, len(SMALL)), st.just(0)),
    st.tuples(st.just("delete"), st.integers(0, 20), st.just(0)),
    st.tuples(st.just("repeat"), st.integers(0, 20), st.just(0)),
    st.tuples(st.just("move"), st.integers(0, 20), st.integers(0, 20)),
    st.tuples(st.just("field"), st.integers(0, 60), st.sampled_from(WEIRD)),
)


def mutated(data, kind, at, value):
    if kind == "byte":
        return data[:at] + bytes([value]) + data[at + 1 :]
    if kind == "insert":
        return data[:at] + value + data[at:]
    if kind == "cut":
        return data[:at]
    if kind == "field":
        fields = re.split(rb"([\t\n =])", data)
        fields[at % len(fields)] = value.encode()
        return b"".join(fields)
    lines = data.split(b"\n")
    line = lines[at % len(lines)]
    if kind != "repeat":
        del lines[at % len(lines)]
    if kind != "delete":
        lines.insert(value % (len(lines) + 1) if kind == "move" else at % len(lines), line)
    return b"\n".join(lines)


def assert_refused_or_valid(path):
    try:
        model = read_arpa(path)
    except ArpaError as error:
        assert str(error).startswith(f"{path}:")
        return
    found = ngrams(model)
    assert len(found) == len(model)
    assert all(log_prob < np.inf and backoff < 99 for log_prob, backoff, _ in found.values())
    write_arpa(model, path)
    assert_same(model, read_arpa(path))


@given(st.lists(MUTATIONS, min_size=1, max_size=3))
@settings(max_examples=400)
def test_damaged_files_are_refused_or_valid(tmp_path_factory, mutations):
    data = SMALL.encode()
    for kind, at, value in mutations:
        data = mutated(data, kind, at, value)
    path = tmp_path_factory.getbasetemp() / "fuzzed.arpa"
    path.write_bytes(data)
    assert_refused_or_valid(path)


@pytest.mark.parametrize("compress", [gzip.compress, zstandard.compress])
@given(at=st.integers(0, 300), flip=st.integers(1, 255))
def test_damaged_compressed_files_are_refused_or_valid(tmp_path_factory, compress, at, flip):
    data = bytearray(compress(SMALL.encode()))
    data[at % len(data)] ^= flip
    path = tmp_path_factory.getbasetemp() / "fuzzed.arpa"
    path.write_bytes(data)
    assert_refused_or_valid(path)


# What cannot be written.


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
            assert str(error) == f"{tmp_path / 'damaged.arpa'}: not written: a word of 2-gram 0 is out of range"


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
