"""Parquet shards: the same figures as JSON Lines, the input's row groups, types and compression, and its errors."""

import sys

import numpy as np
import pytest

from nextword.errors import TextError, UsageError
from nextword.tasks.filter.cuts import cut_points
from nextword.tasks.filter.run import filter_files
from nextword.tasks.filter.settings import Cut, FilterSettings, Limit
from nextword.tasks.filter.shards import plan
from tasks.filter.small import TEXTS, model, write_jsonl

pa = pytest.importorskip("pyarrow")
pq = pytest.importorskip("pyarrow.parquet")

LM = model()


def write(path, texts=None, kind=None, **options):
    """A file of three columns, two row groups, and metadata of its own."""
    texts = texts or TEXTS
    nested = [[{"k": i}] for i in range(len(texts))]
    table = pa.table({"id": range(len(texts)), "text": pa.array(texts, kind or pa.string()), "nested": nested})
    table = table.replace_schema_metadata({"made": "by hand"})
    pq.write_table(table, path, row_group_size=5, **{"compression": {"id": "zstd", "text": "gzip"}, **options})
    return table


@pytest.mark.parametrize(
    "kind", [pa.string(), pa.large_string(), pa.dictionary(pa.int32(), pa.string()), pa.string_view()]
)
def test_the_same_figures_as_json_lines(tmp_path, kind):
    table = write(tmp_path / "a.parquet", kind=kind)
    write_jsonl(tmp_path / "b.jsonl")
    filter_files(LM, [tmp_path / "a.parquet", tmp_path / "b.jsonl"], tmp_path / "out", FilterSettings(), threads=2)
    found = pq.read_table(tmp_path / "out/a.parquet")
    assert found.select(table.column_names).equals(pq.read_table(tmp_path / "a.parquet"))
    import json

    records = [json.loads(line) for line in (tmp_path / "out/b.jsonl").read_text().splitlines()]
    for name in ("perplexity", "bits_per_byte", "tokens", "oov"):
        assert found.column(name).to_pylist() == [record[name] for record in records]
    assert [str(found.schema.field(i).type) for i in range(-4, 0)] == ["double", "double", "int64", "int64"]
    assert found.schema.metadata[b"made"] == b"by hand"
    meta = pq.ParquetFile(tmp_path / "out/a.parquet").metadata
    assert [meta.row_group(i).num_rows for i in range(meta.num_row_groups)] == [5, 3]
    assert [meta.row_group(0).column(i).compression for i in range(2)] == ["ZSTD", "GZIP"]


def test_views_of_strings_can_be_dropped_too(tmp_path):
    table = write(tmp_path / "a.parquet", kind=pa.string_view())
    settings = FilterSettings(limits=(Limit("perplexity", None, 9.0),))
    filter_files(LM, [tmp_path / "a.parquet"], tmp_path / "out", settings)
    write(tmp_path / "b.parquet")
    filter_files(LM, [tmp_path / "b.parquet"], tmp_path / "out2", settings)
    found, expected = (pq.read_table(tmp_path / name) for name in ("out/a.parquet", "out2/b.parquet"))
    assert found["id"].to_pylist() == expected["id"].to_pylist()
    assert 0 < found.num_rows < table.num_rows
    assert found.schema.field("text").type == pa.string_view()


def test_folders_limits_and_the_same_bytes_again(tmp_path):
    write(tmp_path / "a.parquet")
    settings = FilterSettings(cut=Cut(use="column"), limits=(Limit("perplexity", None, 1e9),))
    for name, threads in (("one", 1), ("two", 2)):
        filter_files(LM, [tmp_path / "a.parquet"], tmp_path / name, settings, threads=threads)
    assert (tmp_path / "one/a.parquet").read_bytes() == (tmp_path / "two/a.parquet").read_bytes()
    found = pq.read_table(tmp_path / "one/a.parquet")
    assert found.num_rows == len(TEXTS) - 1  # the empty text has no perplexity
    report = filter_files(LM, [tmp_path / "a.parquet"], tmp_path / "three", FilterSettings(cut=Cut()))
    files = {name: tmp_path / f"three/{name}/a.parquet" for name in report.counts.buckets}
    ids = {name: pq.read_table(file)["id"].to_pylist() for name, file in files.items()}
    for name in ids:
        expected = [i for i, b in zip(found["id"].to_pylist(), found["bucket"].to_pylist(), strict=True) if b == name]
        assert [i for i in ids[name] if TEXTS[i]] == expected
    assert 2 in ids["tail"]
    assert filter_files(LM, [tmp_path / "a.parquet"], tmp_path / "three", FilterSettings(cut=Cut())).reused == 1


def test_replaced_columns(tmp_path):
    table = pa.table({"oov": ["old"], "text": ["they opened"]})
    pq.write_table(table, tmp_path / "a.parquet")
    with pytest.raises(TextError) as caught:
        filter_files(LM, [tmp_path / "a.parquet"], tmp_path / "out", FilterSettings())
    assert str(caught.value) == (
        f"{tmp_path}/a.parquet: there is a column 'oov' already; give a prefix for the new columns (--prefix), "
        "or replace the old ones (--overwrite)"
    )
    filter_files(LM, [tmp_path / "a.parquet"], tmp_path / "new", FilterSettings(overwrite=True))
    assert pq.read_table(tmp_path / "new/a.parquet")["oov"].to_pylist() == [0]
    filter_files(LM, [tmp_path / "a.parquet"], tmp_path / "prefixed", FilterSettings(prefix="lm_"))
    found = pq.read_table(tmp_path / "prefixed/a.parquet")
    assert (found["oov"].to_pylist(), found["lm_oov"].to_pylist()) == (["old"], [0])


def test_points_of_a_sample(tmp_path):
    write(tmp_path / "a.parquet")
    write_jsonl(tmp_path / "b.jsonl")
    settings = FilterSettings(cut=Cut())
    found = [cut_points(LM, plan([tmp_path / name], tmp_path / "o"), settings) for name in ("a.parquet", "b.jsonl")]
    assert found[0] == found[1]
    write(tmp_path / "c.parquet", [f"they opened {'it ' * i}" for i in range(40)])
    shards = plan([tmp_path / "c.parquet"], tmp_path / "o")
    assert cut_points(LM, shards, settings, sample=10)[1] == 10


def test_a_file_cut_short(tmp_path):
    write(tmp_path / "a.parquet")
    write(tmp_path / "b.parquet")
    path = tmp_path / "a.parquet"
    path.write_bytes(path.read_bytes()[:-20])
    with pytest.raises(TextError) as caught:
        filter_files(LM, [tmp_path / "b.parquet", path], tmp_path / "out", FilterSettings())
    assert str(caught.value).startswith(f"{path}: this is no whole Parquet file (")
    assert str(caught.value).endswith("); copy it again")
    assert [file.name for file in (tmp_path / "out").glob("*.parquet")] == ["b.parquet"]
    report = filter_files(LM, [tmp_path / "b.parquet", path], tmp_path / "skip", FilterSettings(on_error="skip"))
    assert (report.counts.documents, report.counts.skipped_count) == (len(TEXTS), 1)
    assert [file.name for file in (tmp_path / "skip").glob("*.parquet")] == ["b.parquet"]


def test_a_damaged_row_group(tmp_path):
    texts = [f"{text} {i}" for i, text in enumerate(TEXTS)]
    write(tmp_path / "a.parquet", texts, compression="gzip", use_dictionary=False)
    path = tmp_path / "a.parquet"
    chunk = pq.ParquetFile(path).metadata.row_group(1).column(1)
    data = bytearray(path.read_bytes())
    data[chunk.data_page_offset + 30 : chunk.data_page_offset + 60] = bytes(30)
    path.write_bytes(data)
    with pytest.raises(TextError, match=r"a\.parquet: row 6 and those of its row group cannot be read \("):
        filter_files(LM, [path], tmp_path / "out", FilterSettings())
    report = filter_files(LM, [path], tmp_path / "skip", FilterSettings(on_error="skip"))
    assert (report.counts.documents, report.counts.skipped_count) == (5, 1)
    assert pq.read_table(tmp_path / "skip/a.parquet").num_rows == 5


def test_rows_without_a_text(tmp_path):
    write(tmp_path / "a.parquet", ["they opened", None, "it", "a", "b", "c", None, "d"])
    with pytest.raises(TextError) as caught:
        filter_files(LM, [tmp_path / "a.parquet"], tmp_path / "out", FilterSettings())
    assert str(caught.value) == f"{tmp_path}/a.parquet: row 2: the column 'text' is null; expected a string"
    report = filter_files(LM, [tmp_path / "a.parquet"], tmp_path / "skip", FilterSettings(on_error="skip"))
    assert pq.read_table(tmp_path / "skip/a.parquet")["id"].to_pylist() == [0, 2, 3, 4, 5, 7]
    assert [record for record, _ in report.shards[0].counts.skipped] == [2, 7]


def test_columns_that_hold_no_text(tmp_path):
    write(tmp_path / "a.parquet")
    with pytest.raises(TextError) as caught:
        filter_files(LM, [tmp_path / "a.parquet"], tmp_path / "out", FilterSettings(field="body"))
    assert str(caught.value) == (
        f"{tmp_path}/a.parquet: there is no column 'body'; name one that it has: 'id', 'text', 'nested'"
    )
    with pytest.raises(TextError) as caught:
        filter_files(LM, [tmp_path / "a.parquet"], tmp_path / "o2", FilterSettings(field="id"))
    assert str(caught.value) == f"{tmp_path}/a.parquet: the column 'id' is of type int64; expected strings"


def test_a_file_without_rows(tmp_path):
    pq.write_table(pa.table({"text": pa.array([], pa.string())}), tmp_path / "a.parquet")
    report = filter_files(LM, [tmp_path / "a.parquet"], tmp_path / "out", FilterSettings())
    assert report.counts.documents == 0
    assert pq.read_table(tmp_path / "out/a.parquet").column_names[1] == "perplexity"


def test_without_pyarrow(tmp_path, monkeypatch):
    write(tmp_path / "a.parquet")
    monkeypatch.setitem(sys.modules, "pyarrow", None)
    with pytest.raises(UsageError) as caught:
        filter_files(LM, [tmp_path / "a.parquet"], tmp_path / "out", FilterSettings())
    assert str(caught.value) == "this needs pyarrow; install it with: pip install 'nextword[data]'"


def test_large_row_groups_are_measured_in_slices(tmp_path, monkeypatch):
    monkeypatch.setattr("nextword.tasks.filter.parquet._SLICE", 64)
    texts = [f"they opened {'it ' * (i % 7)}" for i in range(50)]
    pq.write_table(pa.table({"text": texts}), tmp_path / "a.parquet")
    write_jsonl(tmp_path / "b.jsonl", texts)
    filter_files(LM, [tmp_path / "a.parquet", tmp_path / "b.jsonl"], tmp_path / "out", FilterSettings(), threads=3)
    import json

    expected = [json.loads(line)["perplexity"] for line in (tmp_path / "out/b.jsonl").read_text().splitlines()]
    np.testing.assert_array_equal(pq.read_table(tmp_path / "out/a.parquet")["perplexity"].to_numpy(), expected)
