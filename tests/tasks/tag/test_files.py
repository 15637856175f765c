"""Files with tags, in and out."""

import gzip

import pytest

from nextword.errors import TextError, UsageError
from nextword.tasks.tag.files import read_tag_file

CONLLU = (
    "# sent_id = 1\n1-2\tdon't\t_\t_\t_\t_\t_\t_\t_\t_\n1\tdo\tdo\tAUX\tVB\tA=b\t0\troot\t_\tSpaceAfter=No\n"
    "2\tn't\tnot\tPART\tRB\t_\t1\tadvmod\t_\t_\n\n"
)


@pytest.fixture
def file(tmp_path):
    def make(name, text, **options):
        (tmp_path / name).write_text(text, encoding="utf-8")
        return read_tag_file(tmp_path / name, **options)

    return make


def test_conllu_keeps_all_but_the_tags(file):
    given = file("a.conllu", CONLLU)
    assert (given.tokens, given.tags()) == ([["do", "n't"]], [["AUX", "PART"]])
    assert "".join(given.lines([["X", "Y"]])) == CONLLU.replace("AUX", "X").replace("PART", "Y")
    assert "".join(file("a.conllu", CONLLU, column="xpos").lines([["X", "Y"]])) == CONLLU.replace("VB", "X").replace(
        "RB", "Y"
    )
    assert file("a.conllu", CONLLU, column="feats").tags() == [["A=b", "_"]]
    assert given.where(0, 1).endswith("a.conllu:4")


def test_columns_get_one_more_or_another(file):
    text = "# note\na\tO\nb\tB-x\n\t\nc\tO\n\n"
    given = file("a.conll", text)
    assert given.tags() == [["O", "B-x"], ["O"]]
    new = [["P", "Q"], ["R"]]
    assert "".join(given.lines(new)) == "# note\na\tO\tP\nb\tB-x\tQ\n\t\nc\tO\tR\n\n"
    replaced = file("a.conll", text, column="2")
    assert "".join(replaced.lines(new)) == "# note\na\tP\nb\tQ\n\t\nc\tR\n\n"
    assert given.where(1, 0).endswith("a.conll:5")
    assert file("b.conll", "O a\n", column="1", token=2).tokens == [["a"]]


def test_plain_text_becomes_columns(file, tmp_path):
    given = file("a.txt", "Ann  left\n\nyes\n", plain=True)
    assert given.tokens == [["Ann", "left"], [], ["yes"]]
    assert "".join(given.lines([["N", "V"], [], ["I"]])) == "Ann\tN\nleft\tV\n\n\nyes\tI\n\n"
    (tmp_path / "a.txt.gz").write_bytes(gzip.compress(b"Ann left\n"))
    assert read_tag_file(tmp_path / "a.txt.gz", plain=True).format == "text"
    assert file("a.txt", "Ann\tN\n").format == "columns"
    assert file("a.txt", CONLLU, format="conllu").format == "conllu"


@pytest.mark.parametrize(
    ("name", "text", "options", "message"),
    [
        ("a.conllu", "", {}, "{}: has no sentence; give a file of CoNLL-U"),
        ("a.conllu", CONLLU.replace("PART", "_"), {}, "{}:4: has no upos; give an annotated file"),
        ("a.conll", "a\nb\n", {}, "{}:1: has one column, expected a token and its tag"),
        ("a.conll", "a\tO\nb\n", {}, "{}:2: has 1 column, expected 2 as {}:1 has: b"),
        ("a.txt", "a b\n", {"format": "text"},
         "{}: is read as plain text, which has no tags; name its format (--format columns)"),
        ("a.conll", "a\tO\n", {"column": "7"}, "{}:1: has 2 columns, so none is number 7; name the column (--column)"),
    ],
)  # fmt: skip
def test_files_without_tags(file, tmp_path, name, text, options, message):
    with pytest.raises(TextError) as refused:
        file(name, text, **options).tags()
    assert str(refused.value) == message.replace("{}", str(tmp_path / name))


def test_a_tag_that_is_no_entity_is_named_by_its_line(file, tmp_path):
    with pytest.raises(TextError) as refused:
        file("a.conll", "a\tO\n\nb\tO\nc\tNOUN\n").entity_tags()
    assert str(refused.value) == (
        f"{tmp_path / 'a.conll'}:4: the tag 'NOUN' is no entity's: expected O, or B-, I-, E- or S- and a type, such as "
        "B-person"
    )


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({"format": "xml"}, "format 'xml': expected one of auto, conllu, columns, text"),
        ({"column": "upos"}, "column 'upos': expected a number from 1, or from -1 backwards; names are for CoNLL-U"),
        ({"column": "0"}, "column '0': expected a number from 1, or from -1 backwards; names are for CoNLL-U"),
        (
            {"format": "conllu", "column": "misc"},
            "column 'misc' of CoNLL-U: expected one of upos, xpos, feats, deprel",
        ),
    ],
)
def test_options_that_make_no_sense(file, options, message):
    with pytest.raises(UsageError) as refused:
        file("a.conll", "a\tO\n", **options)
    assert str(refused.value) == message
