"""The table beside the models: whole or not there, and refused by name where it is not a table."""

import json

import pytest

from nextword.errors import StoreError
from nextword.tasks.compared import read_table, write_table

TABLE = {
    "format_version": 1,
    "text": "x",
    "lines": [8, 1, 1],
    "models": [{"model": "a", "directory": "d", "curve": []}],
}


def test_a_table_comes_back_and_replaces_another(tmp_path):
    write_table(tmp_path, {**TABLE, "text": "é\n\ud800"})
    write_table(tmp_path, TABLE)
    assert read_table(tmp_path) == TABLE
    assert [file.name for file in tmp_path.iterdir()] == ["compare.json"]


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("{", "is not JSON; run nextword compare again"),
        ("[" * 100_000, "is not JSON; run nextword compare again"),
        (json.dumps({**TABLE, "seconds": float("nan")}), "is not JSON; run nextword compare again"),
        ("[]", "is not a table of nextword compare; run it again"),
        ("{}", "is not a table of nextword compare; run it again"),
        (json.dumps({**TABLE, "models": {}}), "is not a table of nextword compare; run it again"),
        (json.dumps({**TABLE, "models": [{"model": "a"}]}), "is not a table of nextword compare; run it again"),
        (json.dumps({**TABLE, "format_version": 2}), "has format version 2, this nextword reads up to 1; update it"),
    ],
    ids=["cut short", "deep", "not a number", "a list", "an object", "no rows", "no curve", "newer"],
)
def test_what_is_no_table_is_refused_by_name(tmp_path, text, message):
    file = tmp_path / "compare.json"
    file.write_text(text, encoding="utf-8")
    with pytest.raises(StoreError) as caught:
        read_table(tmp_path)
    assert str(caught.value) == f"{file}: {message}"


def test_a_missing_or_huge_table_is_refused_by_name(tmp_path, monkeypatch):
    file = tmp_path / "compare.json"
    with pytest.raises(StoreError, match=f"^{file}: cannot be read: No such file or directory$"):
        read_table(tmp_path)
    write_table(tmp_path, TABLE)
    size = file.stat().st_size
    monkeypatch.setattr("nextword.tasks.compared._LARGEST", size - 1)
    with pytest.raises(StoreError) as caught:
        read_table(tmp_path)
    assert str(caught.value) == f"{file}: {size} bytes are too many for a table; run nextword compare again"
