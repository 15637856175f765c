"""Labelled files: every format gives the same examples, and every row that does not fit is named."""

import csv
import gzip
import io
import json

import pytest

pytest.importorskip("sklearn")

import zstandard  # noqa: E402
from hypothesis import given  # noqa: E402
from hypothesis import strategies as st  # noqa: E402

from nextword.errors import TextError, UsageError  # noqa: E402
from nextword.tasks.classify.table import read_table, read_texts  # noqa: E402

ROWS = [("a fine film", "good"), ("so dull, so long", "bad"), ('he said "no"', "bad"), ("mañana", "good")]
TEXTS, LABELS = [text for text, _ in ROWS], [label for _, label in ROWS]


def as_tsv(header=()):
    return "".join("\t".join(row) + "\n" for row in [*header, *ROWS])


def as_csv(rows):
    file = io.StringIO()
    csv.writer(file).writerows(rows)
    return file.getvalue()


def as_jsonl(text="text", label="label"):
    return "".join(json.dumps({"id": 1, text: t, label: c}) + "\n" for t, c in ROWS)


FILES = {
    "plain.tsv": (as_tsv(), {}, 1),
    "header.tsv": (as_tsv([("text", "label")]), {}, 2),
    "bom.tsv": ("\ufeff" + as_tsv([("text", "label")]), {}, 2),
    "named.tsv": (as_tsv([("review", "mood")]), {"text_column": "review", "label_column": "mood"}, 2),
    "numbered.csv": (
        as_csv([(i, c, t) for i, (t, c) in enumerate(ROWS)]),
        {"text_column": "3", "label_column": "2"},
        1,
    ),
    "swapped.csv": (as_csv([("label", "id", "text"), *((c, 7, t) for t, c in ROWS)]), {}, 2),
    "plain.csv": (as_csv(ROWS), {}, 1),
    "plain.jsonl": (as_jsonl(), {}, 1),
    "named.jsonl": (as_jsonl("body", "class"), {"text_column": "body", "label_column": "class"}, 1),
}


@pytest.mark.parametrize("name", FILES)
@pytest.mark.parametrize("suffix", ["", ".gz", ".zst"])
def test_every_format_gives_the_same_examples(name, suffix, tmp_path):
    text, options, first = FILES[name]
    pack = {"": bytes, ".gz": gzip.compress, ".zst": zstandard.ZstdCompressor().compress}[suffix]
    file = tmp_path / (name + suffix)
    file.write_bytes(pack(text.encode()))
    table = read_table(file, **options)
    assert (table.texts, table.labels) == (TEXTS, LABELS)
    assert [table.where(i) for i in range(4)] == [f"{file}:{first + i}" for i in range(4)]
    assert table.sources[0]["path"] == str(file)
    assert table.sources[0]["bytes"] == file.stat().st_size
    del options, text
    assert [row.text for row in read_texts(file, text_column=FILES[name][1].get("text_column"))] == TEXTS


def test_parquet(tmp_path):
    pa = pytest.importorskip("pyarrow")
    parquet = pytest.importorskip("pyarrow.parquet")
    file = tmp_path / "some.parquet"
    parquet.write_table(pa.table({"x": range(4), "text": TEXTS, "label": LABELS, "number": [1, 0, 0, 1]}), file)
    table = read_table(file)
    assert (table.texts, table.labels, table.where(2)) == (TEXTS, LABELS, f"{file}:3")
    assert read_table(file, label_column="number").labels == ["1", "0", "0", "1"]
    with pytest.raises(TextError, match="no column is named 'body'; name one of 'x', 'text', 'label', 'number'$"):
        read_table(file, text_column="body")
    with pytest.raises(TextError, match=f"^{file}:1: the text is 0, expected a string$"):
        read_table(file, text_column="x")
    parquet.write_table(pa.table({"text": ["a", "b"], "label": ["c", None]}), file)
    with pytest.raises(TextError, match=f"^{file}:2: the label is None; give each text one$"):
        read_table(file)
    file.write_bytes(b"no such thing")
    with pytest.raises(TextError, match=f"^{file}: cannot be read as Parquet"):
        read_table(file)


def test_labels_that_are_numbers_are_written_as_json_does(tmp_path):
    file = tmp_path / "some.jsonl"
    file.write_text('{"text": "a", "label": 1}\n{"text": "b", "label": true}\n\n{"text": "c", "label": 0.5}\n')
    table = read_table(file)
    assert table.labels == ["1", "true", "0.5"]
    assert table.where(2) == f"{file}:4"


def test_a_file_for_each_class(tmp_path):
    one, two = tmp_path / "ha.txt", tmp_path / "sw.txt.gz"
    one.write_bytes("è uno\r\n\ndue\n".encode("latin-1"))
    two.write_bytes(gzip.compress(b"moja"))
    table = read_table([f"ha={one}", f"sw={two}"], encoding="latin-1")
    assert (table.texts, table.labels) == (["è uno", "", "due", "moja"], ["ha", "ha", "ha", "sw"])
    assert (table.where(2), table.where(3)) == (f"{one}:3", f"{two}:1")
    odd = tmp_path / "a=b.tsv"
    odd.write_text("x\tgood\n")
    assert read_table(odd).labels == ["good"]  # a file that is there is a file, whatever its name


def test_several_files_follow_each_other(tmp_path):
    for name in "ab":
        (tmp_path / f"{name}.tsv").write_text(f"{name} one\tx\n{name} two\ty\n")
    table = read_table([tmp_path / "a.tsv", tmp_path / "b.tsv"])
    assert table.texts == ["a one", "a two", "b one", "b two"]
    assert table.where(3) == f"{tmp_path / 'b.tsv'}:2"


def test_a_csv_field_may_have_several_lines(tmp_path):
    file = tmp_path / "some.csv"
    file.write_text('text,label\n"one\ntwo",x\n\n"say ""hi""",y\n')
    table = read_table(file)
    assert table.texts == ["one\ntwo", 'say "hi"']
    assert [table.where(0), table.where(1)] == [f"{file}:2", f"{file}:5"]


@given(st.lists(st.tuples(st.text(st.characters(exclude_categories=["Cs"], exclude_characters="\r\n\0")),
                          st.sampled_from(["x", "y"])), min_size=1))  # fmt: skip
def test_csv_gives_back_what_was_written(rows):
    import tempfile
    from pathlib import Path

    with tempfile.TemporaryDirectory() as folder:
        file = Path(folder) / "some.csv"
        file.write_text(as_csv([("text", "label"), *rows]), encoding="utf-8", newline="")
        table = read_table(file)
    assert list(zip(table.texts, table.labels, strict=True)) == rows


@pytest.mark.parametrize(
    ("name", "text", "message"),
    [
        ("a.tsv", "one\tx\ntwo\n", "{}:2: has 1 column, expected 2 as in line 1"),
        ("a.tsv", "one\tx\ntwo\ty\tz\n", "{}:2: has 3 columns, expected 2 as in line 1"),
        ("a.tsv", "one\n", "{}:1: has 1 column, expected 2 or more, for a text and a label"),
        ("a.tsv", "one\tx\ntwo\t\n", "{}:2: the label is empty; give each text one"),
        ("a.csv", 'one,x\n"two,y\n', r"{}:2: not valid CSV \(unexpected end of data\); close every quote, .*"),
        ("a.jsonl", '{"text": "one"}\n', "{}:1: the record has no field 'label'; name one that it has: 'text'"),
        ("a.jsonl", '{"text": "one", "label": "x"}\n{"text": 1}\n', "{}:2: the field 'text' is a number; .*"),
        ("a.jsonl", '{"text": "one", "label": [1]}\n', r"{}:1: the label is \[1\]; give each text one"),
        ("a.jsonl", "{\n", "{}:1: not valid JSON .*"),
        ("a.tsv", "", "{}: has no rows; give a file with at least one"),
        ("a.tsv", "text\tlabel\n", "{}: has no rows; give a file with at least one"),
        ("a.tsv.gz", "text\tlabel\n", "{}:1: the gzip data .*"),
    ],
)
def test_a_row_that_does_not_fit_is_named(name, text, message, tmp_path):
    file = tmp_path / name
    file.write_text(text)
    with pytest.raises(TextError, match=f"^{message.format(file)}$"):
        read_table(file)


def test_what_is_not_of_its_encoding_is_named(tmp_path):
    file = tmp_path / "a.tsv"
    file.write_bytes("one\tx\nmañana\ty\n".encode("latin-1"))
    with pytest.raises(TextError, match=rf"^{file}:2: byte 3 of the line \(0xf1\) is not UTF-8; convert .*"):
        read_table(file)
    assert read_table(file, encoding="latin-1").texts == ["one", "mañana"]
    file.write_bytes(b"one\tx\ntw\x81o\ty\n")
    with pytest.raises(TextError, match=rf"^{file}:2: is not cp1252 \(.*\); name its encoding$"):
        read_table(file, encoding="cp1252")
    with pytest.raises(UsageError, match="^unknown encoding 'latin-99'; name one such as utf-8, latin-1 or cp1252$"):
        read_table(file, encoding="latin-99")
    with pytest.raises(UsageError, match="^the encoding utf-16 does not extend ASCII; convert the file .*$"):
        read_table(file, encoding="utf-16")


def test_columns_that_are_not_there(tmp_path):
    file = tmp_path / "a.tsv"
    file.write_text(as_tsv([("review", "mood")]))
    with pytest.raises(TextError, match="^.*:1: no column is named 'body'; name one of 'review', 'mood', .*"):
        read_table(file, text_column="body", label_column="mood")
    with pytest.raises(UsageError, match="^column 0 was asked for; columns are numbered from 1$"):
        read_table(file, text_column="0", label_column="1")
    with pytest.raises(TextError, match="expected 5 or more, for a text and a label$"):
        read_table(file, text_column="1", label_column="5")


def test_files_that_are_not_there_or_have_no_labels(tmp_path):
    with pytest.raises(TextError, match="there is no such file; check the path$"):
        read_table(tmp_path / "none.tsv")
    with pytest.raises(TextError, match="this is a directory; name the files in it$"):
        read_table(tmp_path)
    file = tmp_path / "a.txt"
    file.write_text("one\n")
    message = f"^{file}: has no labels; give a .tsv, .csv, .jsonl or .parquet file, or label={file}$"
    with pytest.raises(UsageError, match=message):
        read_table(file)


def test_a_label_unseen_in_training_is_named(tmp_path):
    file = tmp_path / "a.tsv"
    file.write_text("one\tgood\ntwo\tugly\n")
    table = read_table(file)
    table.check_labels(["good", "ugly"])
    message = f"^{file}:2: the label 'ugly' is unseen in training; expected one of 'bad', 'good'$"
    with pytest.raises(TextError, match=message):
        table.check_labels(["good", "bad"])


def test_a_header_taken_for_an_example_is_noticed(tmp_path):
    file = tmp_path / "a.tsv"
    rows = "".join(f"text {i}\t{'good' if i % 2 else 'bad'}\n" for i in range(20))
    file.write_text("review\tmood\n" + rows)
    message = (
        f"^{file}:1: the label 'mood' of the first row comes nowhere else; if the row is a header, name its columns of "
        "text and label; if it is an example, give their numbers, 1 and 2$"
    )
    with pytest.raises(TextError, match=message):
        read_table(file).check_first_row()
    read_table(file, text_column="review", label_column="mood").check_first_row()
    file.write_text("text 0\tugly\ntext 1\tplain\n" + rows)  # two rare classes
    read_table(file).check_first_row()
