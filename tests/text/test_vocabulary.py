"""Vocabularies: words to ids and back, and arrays that do not fit refused."""

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from nextword.errors import VocabularyError
from nextword.text.vocabulary import SPECIALS, Vocabulary

WORDS = [*SPECIALS, "students", "opened", "né", "new york"]
VOCABULARY = Vocabulary.from_words(WORDS)
ALIEN = Vocabulary.from_words(["a", "b", "."], unk=None, bos=None, eos=2)


@given(st.lists(st.text(st.characters(exclude_categories=["Cs"]), max_size=5), unique=True, max_size=40))
def test_words_and_ids_are_each_others_inverse(words):
    words = [*SPECIALS, *(word for word in words if word not in SPECIALS)]
    vocabulary = Vocabulary.from_words(words)
    assert (len(vocabulary), list(vocabulary), vocabulary.words) == (len(words), words, words)
    assert vocabulary.ids(words).tolist() == list(range(len(words)))
    assert [vocabulary.word(i) for i in range(len(words))] == words
    assert all(word in vocabulary for word in words)
    assert vocabulary.byte_lengths.tolist() == [len(word.encode()) for word in words]


def test_an_unknown_word_is_unk():
    assert VOCABULARY["laptops"] == VOCABULARY.unk == 0
    assert "laptops" not in VOCABULARY
    assert "student" not in VOCABULARY
    assert "caf\udce9" not in VOCABULARY
    assert VOCABULARY.ids(["opened", "laptops"]).tolist() == [4, 0]


def test_a_word_with_a_delimiter_has_an_id_that_no_text_gives():
    assert VOCABULARY["new york"] == 6
    encoded = VOCABULARY.encode(b"new york\n")
    assert (encoded.ids.tolist(), encoded.oov, encoded.oov_bytes) == ([0, 0, 2], 2, 7)


def test_encode():
    encoded = VOCABULARY.encode("students opened laptops né\n\nopened".encode())
    assert encoded.ids.tolist() == [3, 4, 0, 5, 2, 2, 4, 2]
    assert (encoded.oov, encoded.oov_bytes) == (1, 7)
    array = np.frombuffer(b"students\n", dtype=np.uint8)
    assert VOCABULARY.encode(array).ids.tolist() == [3, 2]


def test_repr():
    assert repr(Vocabulary.from_words([*SPECIALS, *map(str, range(1000))])) == "Vocabulary(1,003 words)"


def refusal(call, *arguments, **options):
    with pytest.raises(VocabularyError) as caught:
        call(*arguments, **options)
    return str(caught.value)


def test_a_word_given_twice():
    message = "the word 'né' is in the vocabulary twice; give each word once"
    assert refusal(Vocabulary.from_words, [*SPECIALS, "né", "a", "né"]) == message


def test_an_id_out_of_range():
    for word_id in (-1, 7):
        message = f"id {word_id} is not in the vocabulary, whose ids are 0 to 6"
        assert refusal(VOCABULARY.word, word_id) == message


def test_a_vocabulary_without_unk_or_the_end_of_a_sentence():
    assert (ALIEN["b"], ALIEN.encode(b"a b\n").ids.tolist()) == (1, [0, 1, 2])
    lacking = "which has no <unk> to stand for"
    assert refusal(ALIEN.__getitem__, "c") == f"'c' is not in the vocabulary, {lacking} it"
    assert refusal(ALIEN.encode, b"a c\n") == f"the text holds words outside the vocabulary, {lacking} them"
    endless = Vocabulary.from_words(["a"], unk=0, bos=None, eos=None)
    assert refusal(endless.encode, b"a\n") == (
        "this vocabulary has no </s>, so lines cannot be encoded; use its own tokenizer"
    )


@pytest.mark.parametrize("vocabulary", [VOCABULARY, ALIEN])
def test_stored_arrays_give_the_same_vocabulary(vocabulary):
    again = Vocabulary.from_arrays(vocabulary.arrays(), vocabulary.specials())
    assert (again.words, again.specials()) == (vocabulary.words, vocabulary.specials())
    assert again.ids(again.words).tolist() == list(range(len(again)))


@pytest.mark.parametrize("array", ["words", "offsets", "table"])
def test_arrays_cannot_be_written_to(array):
    with pytest.raises(ValueError, match="read-only"):
        VOCABULARY.arrays()[array][0] = 1


@pytest.mark.parametrize(
    ("name", "change"),
    [
        ("words", lambda words: words[:-1]),
        ("words", lambda words: words.astype(np.int8)),
        ("words", lambda words: words[None]),
        ("offsets", lambda offsets: offsets[1:]),
        ("offsets", lambda offsets: offsets[:0]),
        ("offsets", lambda offsets: offsets + 1),
        ("offsets", lambda offsets: offsets.astype(np.int32)),
        ("offsets", lambda offsets: offsets[:, None]),
        ("table", lambda table: table[: len(WORDS)]),
        ("table", lambda table: table.ravel()),
        ("table", lambda table: table[:, :1]),
        ("table", lambda table: table.astype(np.float64)),
    ],
)
def test_arrays_that_do_not_fit_together(name, change):
    arrays = VOCABULARY.arrays()
    arrays[name] = change(arrays[name])
    message = "the vocabulary's arrays do not fit together: train or copy the model again"
    assert refusal(Vocabulary.from_arrays, arrays, VOCABULARY.specials()) == message


@pytest.mark.parametrize("name", ["words", "offsets", "table"])
def test_a_missing_array(name):
    arrays = VOCABULARY.arrays()
    del arrays[name]
    message = f"the vocabulary's array '{name}' is missing"
    assert refusal(Vocabulary.from_arrays, arrays, VOCABULARY.specials()) == message


@pytest.mark.parametrize(
    "specials",
    [
        {},
        {"unk": 0, "bos": 1},
        {"unk": 0, "bos": 1, "eos": 7},
        {"unk": -1, "bos": 1, "eos": 2},
        {"unk": 0.0, "bos": 1, "eos": 2},
        {"unk": 0, "bos": 1, "eos": 2, "pad": 3},
    ],
)
def test_specials_that_do_not_fit(specials):
    message = "the vocabulary's arrays do not fit together: train or copy the model again"
    assert refusal(Vocabulary.from_arrays, VOCABULARY.arrays(), specials) == message


def damaged(change) -> Vocabulary:
    arrays = {name: array.copy() for name, array in VOCABULARY.arrays().items()}
    change(arrays["table"])
    return Vocabulary.from_arrays(arrays, VOCABULARY.specials())


def test_a_damaged_table_neither_hangs_nor_gives_ids_that_are_none():
    full = damaged(lambda table: table[:, 0].fill(7))
    assert full.encode(b"opened laptops\n").ids.tolist() == [0, 0, 2]
    assert "opened" not in full
    beyond = damaged(lambda table: table[:, 1].fill(99))
    assert beyond.encode(b"opened laptops\n").ids.tolist() == [0, 0, 2]
    assert (beyond["opened"], "opened" in beyond) == (0, False)


class TestCompact:
    WORDS = ("<unk>", "<s>", "</s>", "a", "zébra", "x" * 300)

    def test_it_is_the_same_vocabulary(self):
        vocabulary = Vocabulary.from_words(self.WORDS)
        compact = vocabulary.compact()
        again = Vocabulary.from_arrays(compact.stored(), compact.specials())
        for one in (compact, again, again.compact()):
            assert (one.words, len(one), one.specials()) == (vocabulary.words, 6, vocabulary.specials())
            assert (one["zébra"], one["nope"], "a" in one, one.word(5)) == (4, 0, True, "x" * 300)
            assert one.encode(b"a nope\n").ids.tolist() == [3, 0, 2]
            assert one.byte_lengths.tolist() == vocabulary.byte_lengths.tolist()
            assert set(one.stored()) == {"words", "lengths"}
            for name, array in vocabulary.arrays().items():
                np.testing.assert_array_equal(one.arrays()[name], array)

    @pytest.mark.parametrize(("longest", "kind"), [(255, "u1"), (256, "u2"), (65536, "u4")])
    def test_lengths_take_few_bytes(self, longest, kind):
        compact = Vocabulary.from_words(["<unk>", "<s>", "</s>", "x" * longest]).compact()
        assert compact.stored()["lengths"].dtype == kind
        assert compact.word(3) == "x" * longest

    @pytest.mark.parametrize(
        "changes",
        [
            {"lengths": np.array([5, 3, 4, 2], dtype=np.uint8)},
            {"lengths": np.array([5, 3, 4], dtype=np.uint8)},
            {"lengths": np.array([5, 3, 4, 1], dtype=np.int64)},
            {"words": np.zeros(13, dtype=np.int8)},
        ],
    )
    def test_arrays_that_do_not_fit(self, changes):
        arrays = Vocabulary.from_words(["<unk>", "<s>", "</s>", "a"]).compact().stored()
        with pytest.raises(VocabularyError) as caught:
            Vocabulary.from_arrays(arrays | changes, {"unk": 0, "bos": 1, "eos": 2})
        assert str(caught.value) == "the vocabulary's arrays do not fit together: train or copy the model again"

    def test_words_that_have_become_the_same(self):
        arrays = Vocabulary.from_words(["<unk>", "<s>", "</s>", "a", "b"]).compact().stored()
        words = arrays["words"].copy()
        words[-1] = ord("a")
        vocabulary = Vocabulary.from_arrays(arrays | {"words": words}, {"unk": 0, "bos": 1, "eos": 2})
        with pytest.raises(VocabularyError) as caught:
            vocabulary["a"]
        assert str(caught.value) == "the vocabulary's words are damaged: train or copy the model again"
