"""CoNLL-U is read as it is written and written as it was read; what is wrong is named by file and line."""

import gzip
from collections.abc import Callable
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from nextword.errors import TextError, UsageError
from nextword.text.conllu import Sentence, Word, check_tree, read_conllu, write_conllu
from nextword.text.corpus import Corpus

TEXT = """\
# sent_id = 1
# text = Don't go there, stay here.
1-2\tDon't\t_\t_\t_\t_\t_\t_\t_\t_
1\tDo\tdo\tAUX\tVB\tMood=Imp\t3\taux\t_\t_
2\tn't\tnot\tPART\tRB\t_\t3\tadvmod\t_\t_
3\tgo\tgo\tVERB\tVB\t_\t0\troot\t_\t_
4\tthere\tthere\tADV\tRB\t_\t3\tadvmod\t_\tSpaceAfter=No
5\t,\t,\tPUNCT\t,\t_\t6\tpunct\t_\t_
6\tstay\tstay\tVERB\tVB\t_\t3\tconj\t_\t_
6.1\tright\tright\tADV\tRB\t_\t_\t_\t6:advmod\t_
6.2\tover\tover\tADV\tRB\t_\t_\t_\t6:advmod\t_
7\there\there\tADV\tRB\t_\t6\tadvmod\t_\tSpaceAfter=No
8\t.\t.\tPUNCT\t.\t_\t3\tpunct\t_\t_

# sent_id = 2
0.1\tI\tI\tPRON\tPRP\t_\t_\t_\t1:nsubj\t_
1\tAgree\tagree\tVERB\tVB\t_\t0\troot\t_\t_

"""


def table(*heads: object, form: str = "w") -> str:
    return "".join(f"{i}\t{form}{i}\t_\t_\t_\t_\t{head}\tdep\t_\t_\n" for i, head in enumerate(heads, 1)) + "\n"


def parsed(text: str) -> list[Sentence]:
    return read_conllu(Corpus.from_text(text))


def test_what_is_read_is_written_back(tmp_path: Path) -> None:
    file = tmp_path / "a.conllu.gz"
    file.write_bytes(gzip.compress(TEXT.encode()))
    first, second = sentences = read_conllu(file)
    assert "".join(write_conllu(sentences)) == TEXT
    assert first.comments == ("# sent_id = 1", "# text = Don't go there, stay here.")
    assert [(at, line.split("\t")[0]) for at, line in first.others] == [(0, "1-2"), (6, "6.1"), (6, "6.2")]
    assert first.words[3] == Word("there", "there", "ADV", "RB", "_", 3, "advmod", "_", "SpaceAfter=No")
    assert second.forms == ["Agree"]
    assert (first.where, second.where) == (f"{file}:1", f"{file}:15")


def test_the_line_of_a_word_counts_comments_and_other_lines() -> None:
    lines = TEXT.split("\n")
    for sentence in parsed(TEXT):
        for i, word in enumerate(sentence.words):
            at = int(sentence.line(i).rpartition(":")[2])
            assert lines[at - 1].split("\t")[:2] == [str(i + 1), word.form]


@pytest.mark.parametrize("name", ["dev", "test", "train"])
def test_a_treebank_is_written_back_byte_for_byte(name: str, shared: Callable[[str], Path]) -> None:
    file = shared(f"data/ud-english-ewt/en_ewt-ud-{name}.conllu")
    sentences = read_conllu(file)
    assert "".join(write_conllu(sentences)).encode() == file.read_bytes()
    for sentence in sentences:
        check_tree(sentence)


def test_the_last_blank_line_may_be_missing_and_others_may_be_many(tmp_path: Path) -> None:
    first, second = tmp_path / "a", tmp_path / "b"
    first.write_text("\n\n" + table(0).removesuffix("\n\n"), encoding="utf-8")
    second.write_bytes(table(0, 1).replace("\n", "\r\n").encode() + b"\r\n\r\n")
    found = read_conllu([first, second])
    assert [len(sentence.words) for sentence in found] == [1, 2]
    assert [sentence.where for sentence in found] == [f"{first}:3", f"{second}:1"]
    assert "".join(write_conllu(found)) == table(0) + table(0, 1)


@given(st.integers(1, 80))
def test_sentences_may_stand_across_blocks(size: int) -> None:
    text = TEXT + table(2, 0, 2)
    corpus = Corpus.from_text(text)
    blocks = [text.encode()[i : i + size] for i in range(0, len(text.encode()), size)]
    corpus._inputs[0] = corpus._inputs[0]._replace(chunks=lambda: iter(blocks))
    assert read_conllu(corpus) == parsed(text)


WRONG = {
    "too few columns": ("1\tI\t_\n", "1: 3 columns, expected 10, parted by tabs"),
    "spaces": ("# a\n1 I _ _ _ _ 0 root _ _\n", "2: 1 columns, expected 10, parted by tabs"),
    "out of sequence": (
        table(0, 1).replace("\n2", "\n3"),
        "2: the id is '3', expected 2, 2-3 or 1.1, as words are numbered from 1 on",
    ),
    "an id of letters": (
        "x" + table(0),
        "1: the id is 'x1', expected 1, 1-2 or 0.1, as words are numbered from 1 on",
    ),
    "empty nodes": (
        TEXT.replace("6.2", "6.3"),
        "11: the id is '6.3', expected 7, 7-8 or 6.2, as words are numbered from 1 on",
    ),
    "a token backwards": (
        TEXT.replace("1-2", "1-0"),
        "3: the id is '1-0', expected 1, 1-2 or 0.1, as words are numbered from 1 on",
    ),
    "tokens in one another": (
        table(0, 1).replace("\n2", "\n2-3" + "\t_" * 9 + "\n2").replace("1\t", "1-2" + "\t_" * 9 + "\n1\t", 1),
        "3: the id is '2-3', expected 2, 2-3 or 1.1, as words are numbered from 1 on",
    ),
    "a token past the end": (
        TEXT.replace("1-2", "1-9"),
        "3: a multiword token up to word 9, but there are 8 words",
    ),
    "a head of letters": (table("x"), "1: the head is 'x', expected the number of a word, 0 for the root, or _"),
    "a negative head": (table(0, -1), "2: the head is '-1', expected the number of a word, 0 for the root, or _"),
    "an endless head": (
        table("9" * 5000),
        f"1: the head is '{'9' * 39}, expected the number of a word, 0 for the root, or _",
    ),
    "an empty column": ("1\tI\t\t_\t_\t_\t0\troot\t_\t_\n", "1: column 3 is empty; write _ for nothing"),
    "no words": ("# a\n\n", "1: the sentence has no words; remove its lines, or the blank line after them"),
    "a late comment": (
        table(0).removesuffix("\n") + "# late\n",
        "2: a comment stands among the words; move it before the first, or leave a blank line",
    ),
}


@pytest.mark.parametrize(("text", "message"), WRONG.values(), ids=WRONG)
def test_what_is_not_conllu_is_named(text: str, message: str) -> None:
    with pytest.raises(TextError) as error:
        parsed(text)
    assert str(error.value) == f"<memory>:{message}"


BAD_TREES = {
    "two roots": (
        (0, 1, 0),
        "4: the head of word 3 (w3) is 0, and so is that of word 1; a tree has one root: attach one of them",
    ),
    "no root": ((2, 1), "2: the sentence has no root; one word must have head 0"),
    "a cycle": ((0, 4, 2, 3), "3: the heads go in a circle, 2 → 4 → 3 → 2; give one of them another head"),
    "its own head": ((0, 2), "3: the heads go in a circle, 2 → 2; give one of them another head"),
    "out of range": ((0, 3), "3: the head of word 2 (w2) is 3; expected a number from 0 to 2"),
    "missing": (("_", 0), "2: the head of word 1 (w1) is missing; expected a number from 0 to 2, 0 for the root"),
}


@pytest.mark.parametrize(("heads", "message"), BAD_TREES.values(), ids=BAD_TREES)
def test_what_is_no_tree_is_named(heads: tuple[object, ...], message: str) -> None:
    [sentence] = parsed("# a\n" + table(*heads))
    with pytest.raises(TextError) as error:
        check_tree(sentence)
    assert str(error.value) == f"<memory>:{message}"


@given(st.integers(1, 7).flatmap(lambda n: st.lists(st.integers(0, n), min_size=n, max_size=n)))
def test_a_tree_is_one_root_that_every_word_reaches(heads: list[int]) -> None:
    def reaches_root(word: int) -> bool:
        for _ in heads:
            word = heads[word - 1] if word else 0
        return word == 0

    expected = heads.count(0) == 1 and all(reaches_root(word) for word in range(1, len(heads) + 1))
    sentence = Sentence(tuple(Word("w", head=head) for head in heads))
    try:
        check_tree(sentence)
    except TextError:
        assert not expected
    else:
        assert expected


def test_columns_are_replaced_for_each_word() -> None:
    first = parsed(TEXT)[1]
    changed = first.replaced(upos=["NOUN"], xpos=["NN"], feats=["_"], heads=[None], deprels=["dep"], deps=["_"])
    assert changed.words == (Word("Agree", "agree", "NOUN", "NN", "_", None, "dep", "_", "_"),)
    assert (changed.comments, changed.others, changed.where) == (first.comments, first.others, first.where)
    assert first.replaced() == first
    with pytest.raises(UsageError, match=r"^2 values of head for 1 words; give one for each word$"):
        first.replaced(heads=[0, 1])


def test_a_word_fits_into_its_column() -> None:
    assert Sentence.of(["New York", "é"]).forms == ["New York", "é"]
    with pytest.raises(TextError) as error:
        Sentence.of(["a\tb"], where="x.txt:3")
    assert str(error.value) == "x.txt:3: the word 'a\\tb' is empty or holds a tab or newline; leave it out"
