"""The corpus inside Python: whatever the version, prose, in sentences, each of them once."""

import re
import sys

import pytest

from nextword.errors import TextError
from nextword.text.embedded import embedded_sentences


@pytest.fixture(scope="module")
def sentences():
    return embedded_sentences()


def topics(monkeypatch, *texts):
    """Put texts in the place of Python's own."""
    from pydoc_data import topics as module

    monkeypatch.setattr(module, "topics", {f"topic{i}": text for i, text in enumerate(texts)})
    return sorted(embedded_sentences())


def test_there_is_enough_to_train_on(sentences):
    assert len(sentences) > 2000
    assert sum(len(sentence.split()) for sentence in sentences) > 35_000
    assert sum(map(str.isascii, sentences)) > 0.8 * len(sentences)


def test_each_is_one_line_of_words_and_ends_as_sentences_do(sentences):
    for sentence in sentences:
        assert "\n" not in sentence
        assert sentence == " ".join(sentence.split())
        assert " " in sentence
    ends = sum(bool(re.search(r"[.!?:][\"')]*( \[\d+\])*$", sentence)) for sentence in sentences)
    assert ends > 0.99 * len(sentences)


def test_none_comes_twice_so_none_is_tested_on_that_was_trained_on(sentences):
    assert len(set(sentences)) == len(sentences)


def test_code_and_grammar_are_left_out(sentences):
    assert not [s for s in sentences if ">>>" in s or "::=" in s or s.startswith(("def ", "import "))]


def test_the_seed_decides_the_order_alone(sentences):
    assert embedded_sentences() == sentences
    other = embedded_sentences(seed=1)
    assert other != sentences
    assert set(other) == set(sentences)


def test_paragraphs_are_joined_and_split_at_sentences(monkeypatch):
    text = (
        "Students opened\ntheir books, e.g. Shakespeare (or other well-\nknown ones.)  They read.\n\n"
        '* Then they\n  closed them. [1] Did they? "Yes." They did.\n\n'
        "   def read(book):\n      return book\n\n"
        "expr ::= term and so on.\n\n"
        "no end here\n\n"
    )
    assert topics(monkeypatch, text, text) == [
        "Did they?",
        "Students opened their books, e.g. Shakespeare (or other well-known ones.)",
        "Then they closed them. [1]",
        "They did.",
        "They read.",
    ]


def test_a_python_without_its_topics_says_what_to_do(monkeypatch):
    monkeypatch.setitem(sys.modules, "pydoc_data.topics", None)
    with pytest.raises(TextError) as caught:
        embedded_sentences()
    expected = "this Python comes without pydoc_data.topics; name a text of your own instead"
    assert str(caught.value) == expected
