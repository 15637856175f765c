"""What two texts share, against sets of tuples."""

import gzip
import re

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from nextword.errors import TextError, UsageError
from nextword.tasks.overlap import Match, overlap
from nextword.text import shingles
from nextword.text.corpus import Corpus
from nextword.text.normalize import Normalizer
from nextword.text.pipeline import Pipeline
from nextword.text.tokenize import make_tokenizer

WORDS = st.sampled_from(["a", "b", "cc", "d", "a-rather-long-word", "\u00e9"])
SPACES = st.sampled_from([" ", "  ", "\t", " \r "])


@st.composite
def texts(draw):
    """Lines of few words, with blanks of all kinds about them."""
    lines = draw(st.lists(st.lists(st.tuples(SPACES, WORDS), max_size=9), max_size=8))
    return "".join("".join(a + b for a, b in line) + draw(st.sampled_from(["", " "])) + "\n" for line in lines)


def ngrams(line, n):
    return [tuple(line[i : i + n]) for i in range(len(line) - n + 1)]


def twin(train, test, sizes):
    """The same figures and matches from sets."""
    train = [line.split() for line in train.split("\n")[:-1]]
    raw = test.split("\n")[:-1]
    test = [line.split() for line in raw]
    whole = {tuple(line): i for i, line in reversed([*enumerate(train)])}
    held = {n: {} for n in sizes}
    for i, line in enumerate(train):
        for n in sizes:
            for ngram in ngrams(line, n):
                held[n].setdefault(ngram, i)
    shares = []
    for n in sizes:
        every = [ngram for line in test for ngram in ngrams(line, n)]
        lines = [line for line in test if len(line) >= n]
        shares.append(
            (n, len(every), sum(g in held[n] for g in every), len(set(every)), len(set(every) & set(held[n])),
             len(lines), sum(any(g in held[n] for g in ngrams(line, n)) for line in lines))
        )  # fmt: skip
    matches = []
    for i, line in enumerate(test):
        if line and tuple(line) in whole:
            matches.append(Match(f"{i}", f"{whole[tuple(line)]}", 0, 1, 1, len(line), raw[i]))
            continue
        for n in sorted(sizes, reverse=True):
            found = [k for k, g in enumerate(ngrams(line, n)) if g in held[n]]
            if found:
                covered = len({k + j for k in found for j in range(n)})
                place = held[n][tuple(line[found[0] : found[0] + n])]
                matches.append(Match(f"{i}", f"{place}", n, len(found), len(ngrams(line, n)), covered, raw[i]))
                break
    identical = sum(bool(line) and tuple(line) in whole for line in test)
    return (sum(map(bool, test)), identical), shares, matches


def numbers(match):
    """A match with lines counted from 0, without files."""
    return match._replace(**{name: str(int(getattr(match, name).split(":")[1]) - 1) for name in ("test", "train")})


@settings(max_examples=150)
@given(
    train=texts(),
    test=texts(),
    sizes=st.lists(st.integers(1, 5), min_size=1, max_size=3, unique=True),
    block=st.integers(1, 40),
    threads=st.sampled_from([1, 3]),
)
def test_equals_sets_of_tuples(tmp_path_factory, train, test, sizes, block, threads):
    if not test.split():
        return
    folder = tmp_path_factory.mktemp("overlap")
    (folder / "train.txt").write_text(train, newline="")
    (folder / "test.txt").write_text(test, newline="")
    blocks = [Corpus(folder / f"{name}.txt", block_size=block) for name in ("train", "test")]
    found = overlap(*blocks, sizes=sizes, threads=threads)
    lines, shares, matches = twin(train, test, sizes)
    assert (found.lines, found.identical) == lines
    assert [tuple(vars(share).values()) for share in found.shares] == shares
    assert [numbers(match) for match in found.matches] == matches


def test_what_has_the_same_hash_is_told_apart():
    """All tokens with one hash: every look-up meets what it does not look for."""
    texts = b"a b c\nb c d\n", b"b c\nd b\n"
    alike = [tokens._replace(hashes=np.zeros_like(tokens.hashes)) for tokens in map(shingles.cut, texts)]
    wanted, (places,) = shingles.index(alike[0], [2])
    assert places.tolist() == [0, 1, -1, 1, 2, -1]
    assert wanted.first.tolist() == [0, 1, 4]
    hits = shingles.search(alike[1], [2], wanted, np.zeros(3, dtype=bool))
    assert hits.tolist() == [[1, 0, 0]]
    assert len(shingles.search(alike[1], [2], wanted, np.array([False, True, False]))) == 0


def test_places_in_several_files_and_records(tmp_path):
    (tmp_path / "one.txt").write_text("x y\n\n")
    with gzip.open(tmp_path / "two.txt.gz", "wb") as file:
        file.write(b"q\na b c d\n")
    (tmp_path / "test.jsonl").write_text('{"text": "z\\na b c"}\n{"text": "y"}\n{"text": "a b c d"}\n')
    train = Corpus([tmp_path / "one.txt", tmp_path / "two.txt.gz"])
    found = overlap(train, Corpus(tmp_path / "test.jsonl"), sizes=[2, 3])
    assert [(match.test.rpartition("/")[2], match.train.rpartition("/")[2], match.n) for match in found.matches] == [
        ("test.jsonl:1", "two.txt.gz:2", 3),
        ("test.jsonl:3", "two.txt.gz:2", 0),
    ]


def test_both_texts_are_normalised_and_cut_alike():
    train, test = Corpus.from_lines(["The CAT sat."]), Corpus.from_lines(["the cat, sat ."])
    reader = Pipeline(Normalizer(lowercase=True), make_tokenizer("word"))
    assert overlap(train, test, sizes=[2]).shares[0].found == 0
    found = overlap(train, test, sizes=[2], pipeline=reader)
    assert (found.shares[0].found, found.shares[0].ngrams, found.identical) == (2, 4, 0)
    assert found.matches[0].text == "the cat, sat ."


def test_figures_as_json():
    found = overlap(Corpus.from_lines(["a b c"]), Corpus.from_lines(["a b", "a b", "z"]), sizes=[2, 3]).to_json()
    two = {"n": 2, "ngrams": 2, "found": 2, "distinct": 1, "distinct_found": 1, "lines": 2, "lines_found": 2}
    three = {"n": 3, "ngrams": 0, "found": 0, "distinct": 0, "distinct_found": 0, "lines": 0, "lines_found": 0}
    assert found == {
        "lines": {"lines": 3, "identical": 0, "share": 0.0},
        "ngrams": [
            two | {"share": 1.0, "distinct_share": 1.0, "lines_share": 1.0},
            three | {"share": None, "distinct_share": None, "lines_share": None},
        ],
    }


@pytest.mark.parametrize("sizes", [[], [0, 8], [8, 8], [-1]])
def test_sizes_that_are_none(sizes):
    shown = ",".join(map(str, sizes)) or "no"
    message = f"n-grams of {shown} tokens: give lengths of 1 or more, each once, such as 8,13"
    with pytest.raises(UsageError, match=f"^{re.escape(message)}$"):
        overlap(Corpus.from_lines(["a"]), Corpus.from_lines(["a"]), sizes=sizes)


def test_a_text_without_tokens():
    message = r"^the test text holds no tokens: there is nothing to look for; give a file with words in it$"
    with pytest.raises(TextError, match=message):
        overlap(Corpus.from_lines(["a"]), Corpus.from_lines(["", " "]), sizes=[8])
