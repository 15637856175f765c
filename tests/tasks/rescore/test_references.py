"""References are matched with their lists; none is left over on either side."""

import pytest

from nextword.errors import TextError
from nextword.tasks.rescore.nbest import NBestLists
from nextword.tasks.rescore.references import read_references

LISTS = NBestLists.make([("u1", [("a", [1])]), ("u2", [("b", [2])])], ["am"])


def test_lines_in_order_names_and_json(tmp_path):
    (tmp_path / "plain.txt").write_text("the first\nthe second\n")
    (tmp_path / "named.txt").write_text("u2 ||| the second\nu1 ||| the first\n")
    (tmp_path / "r.jsonl").write_text('{"id": "u2", "text": "the second"}\n{"id": "u1", "text": "the first"}\n')
    for name in ("plain.txt", "named.txt", "r.jsonl"):
        assert read_references(tmp_path / name, LISTS) == ["the first", "the second"]


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("a\n", "F: 1 references for 2 lists; give one line for each list in their order, or name them: id ||| text"),
        ("u1 ||| a\nu3 ||| b\n", "F:2: a reference for 'u3', which has no list; take it out or add the list"),
        ("u1 ||| a\nu1 ||| b\n", "F:2: a second reference for 'u1'; give one for each list"),
        ("u1 ||| a\n", "list 2: the list 'u2' has no reference in F; give one for each list"),
    ],
)
def test_what_does_not_fit_is_named(tmp_path, text, message):
    path = tmp_path / "r.txt"
    path.write_text(text)
    with pytest.raises(TextError) as caught:
        read_references(path, LISTS)
    assert str(caught.value) == message.replace("F", str(path))
