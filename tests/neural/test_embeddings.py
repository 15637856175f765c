"""The word2vec text format: what is read, what is refused and where, and the alignment with a vocabulary."""

import gzip

import numpy as np
import pytest
import zstandard
from hypothesis import given
from hypothesis import strategies as st
from hypothesis.extra.numpy import arrays

from nextword.errors import StoreError, TextError, UsageError, VocabularyError
from nextword.neural.embeddings import Embeddings, load_embeddings, nearest_words, read_embeddings, write_embeddings
from nextword.text.vocabulary import SPECIALS, Vocabulary

WORD2VEC = "3 2\nstudents 1 0.5\npupils 1.5 -2e-3\nécole 0 7 \n"  # word2vec itself ends lines with a space
WORDS, NUMBERS = ["students", "pupils", "école"], [[1, 0.5], [1.5, -2e-3], [0, 7]]


def read(tmp_path, text, name="vectors.txt"):
    (tmp_path / name).write_bytes(text if isinstance(text, bytes) else text.encode())
    return read_embeddings(tmp_path / name)


@pytest.mark.parametrize("text", [WORD2VEC, WORD2VEC.partition("\n")[2], WORD2VEC.replace("\n", "\r\n")])
def test_with_a_header_and_without(tmp_path, text):
    words, vectors = read(tmp_path, text)
    assert words == WORDS
    assert vectors.dtype == np.float32
    assert vectors == pytest.approx(np.array(NUMBERS))


def test_compressed(tmp_path):
    for name, data in {
        "v.txt.gz": gzip.compress(WORD2VEC.encode()),
        "v.zst": zstandard.ZstdCompressor().compress(WORD2VEC.encode()),
    }.items():
        assert read(tmp_path, data, name).words == WORDS


def test_words_with_spaces_in_glove(tmp_path):
    """GloVe's 840B file has tokens such as ``. . .``: what is before the last D fields is the word."""
    words, vectors = read(tmp_path, "the 1 2\n. . . 3 4\nat a@b.org 5 6\n")
    assert words == ["the", ". . .", "at a@b.org"]
    assert vectors.tolist() == [[1, 2], [3, 4], [5, 6]]


def test_the_first_of_two_vectors_counts(tmp_path):
    assert read(tmp_path, "a 1 2\na 3 4\n").vectors.tolist() == [[1, 2]]


def test_only_some_words(tmp_path):
    (tmp_path / "v.txt").write_text(WORD2VEC)
    words, vectors = read_embeddings(tmp_path / "v.txt", only=["pupils", "scholars"])
    assert (words, vectors.shape) == (["pupils"], (1, 2))
    assert read_embeddings(tmp_path / "v.txt", only=[]).vectors.shape == (0, 2)


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("", ": is empty, expected a word and its numbers on each line"),
        ("2 3\na 1 2 3\n", ": holds 1 words, its header says 2; copy the file again"),
        ("2 3\na 1 2 3\nb 1 2\n", ":3: expected a word and 3 numbers, got 3 fields: 'b 1 2'"),
        ("1 2\na 1 2 3\n", ":2: expected a word and 2 numbers, got 4 fields: 'a 1 2 3'"),
        ("a 1 2\n\nb 1 2\n", ":2: expected a word and 2 numbers, got 1 fields: ''"),
        ("a 1 2\n 1 2\n", ":2: expected a word and 2 numbers, got 3 fields: ' 1 2'"),
        ("students\n", ":1: expected a word and some numbers, got 1 fields: 'students'"),
        ("a 1 2\nb 1 two\n", ":2: 'two' is not a number"),
        ("a 1 2\nb 1 nan\n", ":2: the vector of 'b' is not finite; leave the word out"),
        ("a 1 2\nb 1 1e39\n", ":2: the vector of 'b' is not finite; leave the word out"),
    ],
)
def test_errors_name_file_and_line(tmp_path, text, message):
    with pytest.raises(TextError) as caught:
        read(tmp_path, text)
    assert str(caught.value) == f"{tmp_path / 'vectors.txt'}{message}"


def test_a_missing_file(tmp_path):
    with pytest.raises(TextError) as caught:
        read_embeddings(tmp_path / "v.txt")
    assert str(caught.value) == f"{tmp_path / 'v.txt'}: there is no such file; check the path"


@given(
    arrays(
        np.float32,
        st.tuples(st.integers(1, 5), st.integers(2, 4)),
        elements=st.floats(width=32, allow_nan=False, allow_infinity=False),
    ),
    st.sampled_from(["vectors.txt", "vectors.txt.gz"]),
)
def test_what_is_written_is_read_back_bit_for_bit(tmp_path_factory, vectors, name):
    file = tmp_path_factory.mktemp("vectors") / name
    words = ["<unk>", "</s>", "étudiants", "0.5", "日本"][: len(vectors)]
    write_embeddings(file, words, vectors)
    again = read_embeddings(file)
    assert again.words == words
    assert again.vectors.tobytes() == vectors.tobytes()


def test_the_format_to_the_byte(tmp_path):
    write_embeddings(tmp_path / "v.txt", ["a", "b"], np.array([[0.1, -2], [1e-9, 3]]))
    assert (tmp_path / "v.txt").read_text() == "2 2\na 0.1 -2.0\nb 1e-09 3.0\n"
    assert [file.name for file in tmp_path.iterdir()] == ["v.txt"]  # no temporary file is left


def test_what_cannot_be_written(tmp_path):
    with pytest.raises(VocabularyError) as caught:
        write_embeddings(tmp_path / "v.txt", ["a", "b c"], np.zeros((2, 3)))
    assert str(caught.value) == (
        f"{tmp_path / 'v.txt'}: not written: the word2vec format cannot hold the word 'b c', which is empty or has "
        "white space in it; train with a tokenizer that makes no such words"
    )
    with pytest.raises(UsageError) as caught:
        write_embeddings(tmp_path / "v.txt", ["a"], np.zeros((2, 3)))
    assert str(caught.value) == "vectors of shape (2, 3) for 1 words: expected (V, D), a row a word"
    with pytest.raises(StoreError) as caught:
        write_embeddings(tmp_path, ["a"], np.zeros((1, 3)))
    assert str(caught.value) == f"{tmp_path}: cannot be written: it is there and not a regular file; give another name"
    with pytest.raises(StoreError, match="v.txt.*: cannot be written: No such file or directory$|tmp: cannot be"):
        write_embeddings(tmp_path / "missing" / "v.txt", ["a"], np.zeros((1, 3)))
    assert not list(tmp_path.iterdir())


@pytest.fixture
def file(tmp_path):
    (tmp_path / "v.txt").write_text(WORD2VEC)
    return tmp_path / "v.txt"


def test_alignment_with_a_vocabulary(file):
    vocabulary = Vocabulary.from_words([*SPECIALS, "pupils", "opened", "students"])
    table, found = load_embeddings(file, vocabulary, 2, seed=1)
    assert (table.shape, table.dtype, found) == ((6, 2), np.float32, 2)
    assert table[[5, 3]] == pytest.approx(np.array(NUMBERS[:2]))
    absent = table[[0, 1, 2, 4]]
    assert absent.all()
    assert np.abs(absent).max() < 0.5
    assert (load_embeddings(file, vocabulary, seed=1)[0] == table).all()
    assert (load_embeddings(file, vocabulary, seed=2)[0][4] != table[4]).all()


def test_alignment_refuses_what_cannot_fit(file):
    vocabulary = Vocabulary.from_words([*SPECIALS, "pupils"])
    with pytest.raises(UsageError) as caught:
        load_embeddings(file, vocabulary, 64)
    assert str(caught.value) == f"{file}: its vectors have 2 numbers, the model's 64; make the two equal"
    with pytest.raises(UsageError) as caught:
        load_embeddings(file, Vocabulary.from_words([*SPECIALS, "Pupils"]))
    assert str(caught.value) == f"{file}: has none of the 4 words of the vocabulary; were they cut or cased alike?"


def test_nearest_words_go_by_the_angle_alone():
    vectors = np.array([[1, 0], [5, 0.1], [0.5, 0.5], [-1, 0], [0, 0]], dtype=np.float32)
    found = nearest_words(Embeddings(list("abcde"), vectors), "a", 3)
    assert [word for word, _ in found] == ["b", "c", "e"]
    assert [cosine for _, cosine in found] == pytest.approx([1 / np.hypot(1, 0.02), np.sqrt(0.5), 0])
