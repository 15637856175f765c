"""What is refused, in what words, and within what memory."""

import gzip
import tracemalloc

import numpy as np
import pytest
import zstandard

from nextword.errors import ArpaError
from nextword.ngram.arpa import read_arpa
from ngram.arpa.samples import SMALL


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


@pytest.mark.parametrize("compress", [gzip.compress, zstandard.compress])
def test_text_may_come_out_of_few_bytes_as_long_as_it_comes_out_of_many_in_all(compress, file):
    words = [f"{word:x}" for word in np.random.default_rng(1).integers(1 << 62, size=20_000).tolist()]
    unigrams = "".join(f"-1\t{word}\n" for word in ["<s>", "</s>", *words])
    bigrams = "-0.5\t<s> </s>\n" * 700_000
    text = f"\\data\\\nngram 1=20002\nngram 2=700000\n\n\\1-grams:\n{unigrams}\n\\2-grams:\n{bigrams}\n\\end\\\n"
    message = refused_within(file(compress(text.encode())), 100)
    assert message == ":20011: the 2-gram '<s> </s>' is here for the second time, after line 20010; keep one"
