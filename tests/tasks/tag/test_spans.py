"""Entities and tags: conlleval's rules, stated once more as they were published, and the schemes both ways."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from nextword.errors import UsageError
from nextword.tasks.tag.spans import Span, allowed, are_entities, convert, spans, tags_for, tags_of

# conlleval's definition: which pairs of prefixes end an entity between two tokens, and which begin one. Beside these,
# an entity ends after any token but O, and begins before any but O, where the types differ.
ENDS = {"B": "BSO", "I": "BSO", "E": "BIESO", "S": "BIESO"}
BEGINS = {"O": "BIES", "B": "BS", "I": "BS", "E": "BIES", "S": "BIES"}
TAGS = [f"{prefix}-{kind}" for prefix in "BIES" for kind in ("X", "Y")] + ["O"]
SOUND = st.lists(st.tuples(st.integers(0, 3), st.integers(1, 3), st.sampled_from("XY")), max_size=5)


def conlleval(tags):
    """Entities, token by token and by the two tables alone."""
    found, start = set(), None
    for i in range(len(tags) + 1):
        before = tags[i - 1] if i else "O"
        now = tags[i] if i < len(tags) else "O"
        differ = before[2:] != now[2:]
        if before != "O" and (now[0] in ENDS[before[0]] or differ):
            found.add((start, i, before[2:]))
        if now != "O" and (now[0] in BEGINS[before[0]] or differ):
            start = i
    return found


@given(st.lists(st.sampled_from(TAGS), max_size=9))
def test_entities_are_those_of_conlleval_however_ill_formed(tags):
    assert set(spans(tags)) == conlleval(tags)


@pytest.mark.parametrize(
    ("tags", "expected"),
    [
        ("O I-X O", [(1, 2, "X")]),  # I after O begins
        ("B-X I-Y", [(0, 1, "X"), (1, 2, "Y")]),  # another type begins
        ("I-X B-X I-X", [(0, 1, "X"), (1, 3, "X")]),  # IOB1: B parts two neighbours
        ("B-X E-X I-X", [(0, 2, "X"), (2, 3, "X")]),  # what follows an end begins
        ("S-X S-X O B-X", [(0, 1, "X"), (1, 2, "X"), (3, 4, "X")]),
        ("B I O", [(0, 2, "")]),  # one kind of entity needs no name
        ("B-part-of I-part-of", [(0, 2, "part-of")]),
        ("", []),
    ],
)
def test_entities_by_hand(tags, expected):
    assert spans(tags.split()) == expected


@st.composite
def entities(draw):
    """Entities that do not overlap, and a length that holds them."""
    found, place = [], 0
    for gap, size, kind in draw(SOUND):
        found.append(Span(place + gap, place + gap + size, kind))
        place += gap + size
    return found, place + draw(st.integers(0, 2))


@pytest.mark.parametrize("scheme", ["iob2", "iobes"])
@given(entities())
def test_entities_become_tags_and_entities_again(scheme, drawn):
    found, length = drawn
    tags = tags_of(found, length, scheme)
    assert spans(tags) == found
    assert set(tags) <= set(tags_for("XY", scheme))
    for other in ("iobes", "iob2"):
        assert convert(convert(tags, other), scheme) == tags


@pytest.mark.parametrize("scheme", ["iob2", "iobes"])
@given(st.lists(st.sampled_from(TAGS), min_size=1, max_size=5))
def test_what_is_allowed_is_what_writing_gives(scheme, tags):
    names = tags_for("XY", scheme)
    if not set(tags) <= set(names):
        return
    starts, follows, ends = allowed(names, scheme)
    ids = [names.index(tag) for tag in tags]
    fits = starts[ids[0]] and ends[ids[-1]] and all(follows[a, b] for a, b in zip(ids, ids[1:], strict=False))
    assert fits == (convert(tags, scheme) == tags)


def test_iob1_becomes_iob2():
    assert convert(["I-X", "I-X", "O", "I-X", "B-X", "I-Y"], "iob2") == ["B-X", "I-X", "O", "B-X", "B-X", "B-Y"]


@pytest.mark.parametrize(
    ("tags", "expected"),
    [("O B-X", True), ("B I O", False), ("O", False), ("B-X NOUN", False), ("I-X O", True), ("", False)],
)
def test_whether_tags_look_like_entities(tags, expected):
    assert are_entities(tags.split()) is expected


def test_what_is_no_tag_of_an_entity():
    with pytest.raises(UsageError) as refused:
        spans(["O", "NOUN"])
    assert str(refused.value) == (
        "the tag 'NOUN' is no entity's: expected O, or B-, I-, E- or S- and a type, such as B-person"
    )
    with pytest.raises(UsageError) as refused:
        tags_of([], 1, "bilou")
    assert str(refused.value) == "scheme='bilou': expected one of iob2, iobes"
