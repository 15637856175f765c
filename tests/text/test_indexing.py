"""The indexer against a dictionary: ids by falling frequency, ties by bytes, however long the words."""

from collections import Counter

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from nextword.errors import TextError, UsageError
from nextword.text.indexing import Indexer
from nextword.text.vocabulary import SPECIALS

LONG = "x" * 31
WORDS = st.one_of(
    st.sampled_from(["a", "b", "é", "ñu", "<unk>", LONG, LONG + "x", LONG + "xy", LONG + "xé", LONG + "xyz" * 20]),
    st.text(alphabet="aé\u4e2d\U0001f600\x0b", min_size=1, max_size=40),
)


def naive(lines, *, min_count=1, vocab_size=None, first_appearance=False):
    """Words in the order of their ids, and the tokens."""
    counts = Counter(word for line in lines for word in line if word not in SPECIALS)
    by_frequency = sorted(counts, key=lambda word: (-counts[word], word.encode()))
    kept = [word for word in by_frequency if counts[word] >= min_count]
    if vocab_size is not None:
        kept = kept[: vocab_size - 3]
    if first_appearance:
        kept = [word for word in counts if word in set(kept)]  # a Counter keeps the order of first appearance
    ids = {word: i for i, word in enumerate([*SPECIALS, *kept])}
    return list(ids), [2, *(ids.get(word, 0) for line in lines for word in [*line, "</s>"])]


def index(lines, *, at_once=1000, **options):
    indexer = Indexer()
    for i in range(0, len(lines), at_once):
        indexer.read("".join(f"{' '.join(line)}\n" for line in lines[i : i + at_once]).encode())
    tokens, vocabulary = indexer.finish(**options)
    assert tokens.dtype == np.int32
    return vocabulary.words, tokens.tolist()


LINES = st.lists(st.lists(WORDS, max_size=8), max_size=10)


@given(
    lines=LINES,
    at_once=st.integers(1, 4),
    min_count=st.integers(1, 3),
    vocab_size=st.one_of(st.none(), st.integers(3, 9)),
    first_appearance=st.booleans(),
)
def test_equals_a_dictionary(lines, at_once, **options):
    assert index(lines, at_once=at_once, **options) == naive(lines, **options)


def test_ties_are_settled_by_all_bytes():
    words = [LONG + end for end in ("", "x", "xb", "xa", "xa" * 30, "é", "xé")]
    expected = sorted(words, key=str.encode)
    assert index([words])[0][3:] == expected
    assert index([[*words, words[2]]])[0][3:] == [words[2], *[word for word in expected if word != words[2]]]


def test_the_words_of_a_vocabulary_are_found_again():
    lines = [["b", LONG * 3, "é", "b"], [], ["<unk>", "é"]]
    indexer = Indexer()
    indexer.read("".join(f"{' '.join(line)}\n" for line in lines).encode())
    tokens, vocabulary = indexer.finish(min_count=2)
    text = "".join(f"{' '.join(line)}\n" for line in lines).encode()
    encoded = vocabulary.encode(text)
    assert encoded.ids.tolist() == tokens[1:].tolist()
    assert vocabulary.words == [*SPECIALS, "b", "é"]


@pytest.mark.parametrize("first_appearance", [False, True])
def test_a_literal_unk_is_the_unknown_word(first_appearance):
    words, tokens = index([["a", "<unk>", "<unk>", "b"]], first_appearance=first_appearance)
    assert (words, tokens) == ([*SPECIALS, "a", "b"], [2, 3, 0, 0, 4, 2])


def test_more_words_than_the_table_begins_with():
    """45,000 words make the table of 65,536 rows grow, within a block and between blocks."""
    lines = [[f"w{i % 45_000}", f"v{i}"] for i in range(50_000)]
    expected = naive(lines)
    assert index(lines) == expected
    assert index(lines, at_once=100_000) == expected


def test_an_empty_text():
    words, tokens = index([])
    assert (words, tokens) == ([*SPECIALS], [2])
    indexer = Indexer()
    indexer.read(b"")
    assert indexer.finish()[0].tolist() == [2]


def test_a_last_line_without_a_newline_ends_all_the_same():
    indexer = Indexer()
    indexer.read(b"a b")
    assert indexer.finish()[0].tolist() == [2, 3, 4, 2]


def test_delimiters_are_those_of_kenlm():
    indexer = Indexer()
    indexer.read("a\tb\0a\r\n\u00a0 a\x0b\n".encode())
    tokens, vocabulary = indexer.finish()
    assert vocabulary.words[3:] == ["a", "a\x0b", "b", "\u00a0"]
    assert tokens.tolist() == [2, 3, 5, 3, 2, 6, 4, 2]


@pytest.mark.parametrize("word", ["<s>", "</s>"])
def test_the_marks_of_sentences_are_refused_with_their_place(word):
    indexer = Indexer()
    indexer.read(b"a b\n", lambda i: f"corpus.txt:{i + 1}")
    with pytest.raises(TextError) as caught:
        indexer.read(f"c\n\nb {word} a\n".encode(), lambda i: f"corpus.txt:{i + 2}")
    expected = f"corpus.txt:4: the text holds {word}, which marks the ends of sentences; remove or replace it"
    assert str(caught.value) == expected


@pytest.mark.parametrize("text", [b"a\nb <s>\n", b"a\nb <s>"])
def test_without_a_file_the_place_is_in_memory(text):
    with pytest.raises(TextError, match=r"^<memory>:2: the text holds <s>"):
        Indexer().read(text)


def test_words_that_only_look_like_marks_are_words():
    words, _ = index([["<s", "s>", "<S>", "<s>>", "<//s>"]])
    assert set(words[3:]) == {"<s", "s>", "<S>", "<s>>", "<//s>"}


def test_a_vocabulary_without_room_for_the_specials_is_refused():
    indexer = Indexer()
    indexer.read(b"a\n")
    with pytest.raises(UsageError) as caught:
        indexer.finish(vocab_size=2)
    assert str(caught.value) == "a vocabulary size of 2 has no room for <unk>, <s>, </s>; give more"
    assert indexer.finish(vocab_size=3)[0].tolist() == [2, 0, 2]


def test_long_words_among_many_short_ones():
    indexer = Indexer()
    indexer.read(" ".join([*(f"{i * 7919 % 300_007:x}" for i in range(300_000)), "y" * 100]).encode())
    _, vocabulary = indexer.finish()
    assert len(vocabulary) == 300_004


@given(
    lines=LINES,
    at_once=st.integers(1, 4),
    min_count=st.integers(1, 3),
    vocab_size=st.one_of(st.none(), st.integers(3, 9)),
    first_appearance=st.booleans(),
)
def test_tokens_that_the_caller_keeps(lines, at_once, **options):
    """Each stretch goes to an indexer that is made anew of the words of those before it, as after a crash."""
    kept, stretches = [], []
    for i in range(0, len(lines), at_once):
        indexer = Indexer()
        for words in stretches:
            indexer.provisional(words)
        first = len(indexer)
        kept += indexer.provisional("".join(f"{' '.join(line)}\n" for line in lines[i : i + at_once]).encode()).tolist()
        stretches.append(indexer.words_from(first))
    indexer = Indexer()
    for words in stretches:
        indexer.provisional(words)
    new_ids, vocabulary = indexer.freeze(np.bincount(kept, minlength=len(indexer)), **options)
    assert (vocabulary.words, [2, *new_ids[kept].tolist()]) == naive(lines, **options)
    blob, offsets = indexer.arrays()
    words = [blob[a:b].tobytes() for a, b in zip(offsets[:-1], offsets[1:], strict=True)]
    assert b" ".join(words[3:]).split(b" ") == b"".join(stretches).split(b" ")[:-1] or len(words) == 3
