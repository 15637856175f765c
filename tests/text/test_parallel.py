import gzip

import pytest

from nextword.errors import TextError, UsageError
from nextword.text.parallel import read_pairs, read_parallel


@pytest.fixture
def write(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)

    def write(name, text):
        (tmp_path / name).write_bytes(text.encode())
        return name

    return write


def test_two_files_line_by_line(write):
    found = read_parallel(write("a.en", "one \ntwo\nthree"), write("a.es", "uno\ndos\r\ntres\n"))
    assert (found.sources, found.targets, found.blank, len(found)) == (
        ["one", "two", "three"], ["uno", "dos", "tres"], 0, 3
    )  # fmt: skip
    assert [file["path"] for file in found.files] == ["a.en", "a.es"]
    assert [file["bytes"] for file in found.files] == [14, 14]


def test_blank_lines_of_either_are_left_out_and_counted(write):
    found = read_parallel(write("a", "one\n\nthree\n \n"), write("b", "uno\ndos\n\t\n\n"))
    assert (found.sources, found.targets, found.blank) == (["one"], ["uno"], 3)


def test_compressed_files(write, tmp_path):
    (tmp_path / "a.gz").write_bytes(gzip.compress(b"one\n"))
    assert read_parallel("a.gz", write("b", "uno\n")).sources == ["one"]


@pytest.mark.parametrize(
    ("first", "second", "message"),
    [
        ("1\n2\n3\n", "1\n2\n", "a:3: has no partner: a has 3 lines and b 2 lines; "),
        ("1\n", "1\n\n2\n", "b:2: has no partner: b has 3 lines and a 1 line; "),
        ("", "1\n", "b:1: has no partner: b has 1 line and a 0 lines; "),
    ],
)
def test_unequal_files_are_refused_by_name(write, first, second, message):
    with pytest.raises(TextError) as error:
        read_parallel(write("a", first), write("b", second))
    assert str(error.value) == message + "in parallel texts line i of one is the translation of line i of the other"


def test_columns_by_number_and_by_name(write):
    file = write("a.tsv", "1\tone\tuno\n\n2\ttwo\tdos\n3\t\ttres\n")
    found = read_pairs(file, columns=(2, 3))
    assert (found.sources, found.targets, found.blank) == (["one", "two"], ["uno", "dos"], 2)
    assert read_pairs(file, columns=(3, 2)).sources == ["uno", "dos"]
    named = read_pairs(write("b.tsv", "n\tenglish\tspanish\n1\tone\tuno\n"), columns=("spanish", "english"))
    assert (named.sources, named.targets) == (["uno"], ["one"])


def test_a_line_without_its_columns_is_refused_by_name(write):
    with pytest.raises(TextError) as error:
        read_pairs(write("a.tsv", "one\tuno\ntwo dos\n"))
    assert str(error.value) == (
        "a.tsv:2: has 1 column, expected at least 2, with tabs between; a sentence and its translation are columns of "
        "one line"
    )
    with pytest.raises(TextError) as error:
        read_pairs(write("b.tsv", "en\tes\nname\tb\tc\n"), columns=("en", "fr"))
    assert str(error.value) == "b.tsv:1: has no column 'fr', but en, es; name two of these"
    with pytest.raises(TextError, match=r"^c\.tsv:1: has 2 columns, expected at least 4"):
        read_pairs(write("c.tsv", "1\tone\n"), columns=(2, 4))


@pytest.mark.parametrize(
    ("columns", "message"),
    [
        ((1,), "columns 1: give two, that of the source and of the target"),
        ((0, 1), "columns 0, 1: they are numbered from 1"),
    ],
)
def test_columns_that_are_none(write, columns, message):
    with pytest.raises(UsageError) as error:
        read_pairs(write("a.tsv", "one\tuno\n"), columns=columns)
    assert str(error.value) == message


def test_what_is_no_text_is_refused_by_line(write, tmp_path):
    (tmp_path / "bad").write_bytes(b"one\ncaf\xe9\n")
    with pytest.raises(TextError, match=r"^bad:2: byte 4 of the line \(0xe9\) is not UTF-8"):
        read_parallel("bad", write("b", "uno\ndos\n"))
