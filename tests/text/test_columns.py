"""Files of one token a line."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from nextword.errors import TextError, UsageError
from nextword.text.columns import Columns, read_columns, write_columns
from nextword.text.corpus import Corpus

TABS = "# a comment\nEmpire\tB-location\nState\tI-location\n\t\n\n#tag\tO\n#\tO\n# b\tO\n"
SPACES = "\n-DOCSTART- -X- O\n\n# NN  O\nU.N. NNP I-ORG\n"


def read(text):
    return read_columns(Corpus.from_text(text))


def written(sentences):
    return "".join(line + "\n" for line in write_columns(sentences))


def test_tabs_comments_and_tokens_that_look_like_them():
    first, second = read(TABS)
    assert (first.before, first.where, first.width) == (("# a comment",), "<memory>:2", 2)
    assert (first.column(1), first.column(-1)) == (["Empire", "State"], ["B-location", "I-location"])
    assert (second.before, second.where) == (("\t", ""), "<memory>:6")
    assert second.column(1) == ["#tag", "#", "# b"]


def test_spaces_and_no_comments():
    first, second = read(SPACES)
    assert (first.column(2), second.column(1), second.column(3)) == (["-X-"], ["#", "U.N."], ["O", "I-ORG"])
    assert second.where == "<memory>:4"


@pytest.mark.parametrize("text", [TABS, SPACES, "a\nb\n\nc\n", "a\tb c\t\n", "\n\na O\n"])
def test_what_is_read_is_written_back(text):
    assert written(read(text)) == text + "\n"
    assert written(read(text.replace("\n", "\r\n"))) == text + "\n"


FIELD = st.text(st.characters(exclude_characters="\t\n\r \ufeff", exclude_categories=["C", "Z"]), min_size=1)


@given(st.lists(st.lists(st.tuples(FIELD, FIELD), min_size=1), min_size=1))
def test_any_fields_survive(sentences):
    made = [Columns(tuple((a, "\t", b) for a, b in rows)) for rows in sentences]
    read_back = read(written(made))
    assert [list(zip(s.column(1), s.column(2), strict=True)) for s in read_back] == sentences


def test_columns_are_replaced_and_added():
    _, sentence = read(SPACES)
    assert ["".join(row) for row in sentence.replaced(2, ["X", "Y"]).rows] == ["# X  O", "U.N. Y I-ORG"]
    assert ["".join(row) for row in sentence.replaced(None, ["X", "Y"]).rows] == ["# NN  O X", "U.N. NNP I-ORG Y"]
    assert sentence.replaced(4, ["X", "Y"]) == sentence.replaced(None, ["X", "Y"])
    assert "".join(read("a\n")[0].replaced(None, ["O"]).rows[0]) == "a\tO"
    with pytest.raises(UsageError) as refused:
        sentence.replaced(2, ["X"])
    assert str(refused.value) == "<memory>:4: 1 values for 2 tokens; give one a token"


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("", "<memory>: has no token; give a file of one token a line, its columns parted by tabs"),
        ("\n \n", "<memory>: has no token; give a file of one token a line, its columns parted by tabs"),
        ("a\tO\nb O\n", "<memory>:2: has 1 column, expected 2 as <memory>:1 has: b O"),
        ("a O\n\nb X O\n", "<memory>:3: has 3 columns, expected 2 as <memory>:1 has: b X O"),
        (
            "a\tO\n\tO\n",
            "<memory>:2: its first column is empty; give a token a line, and a blank line between sentences",
        ),
    ],
)
def test_lines_that_are_refused(text, message):
    with pytest.raises(TextError) as refused:
        read(text)
    assert str(refused.value) == message


@pytest.mark.parametrize("number", [0, 3, -3])
def test_a_column_that_is_not_there(number):
    with pytest.raises(TextError) as refused:
        read("\na\tO\n")[0].column(number)
    message = f"<memory>:2: has 2 columns, so none is number {number}; name the column (--column)"
    assert str(refused.value) == message
