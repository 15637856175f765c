"""Records of JSON Lines: what is read, what is refused, and that every byte but the new ones stays."""

import json

import pytest
from hypothesis import given
from hypothesis import strategies as st

from nextword.errors import TextError, UsageError
from nextword.tasks.filter.records import (
    columns_text,
    parse_records,
    read_records,
    scan_records,
    without_members,
)
from nextword.tasks.filter.settings import FilterSettings
from nextword.text.blocks import Block

PLAIN, SKIP = FilterSettings(), FilterSettings(on_error="skip")


def block(*lines):
    """A block of these lines, of which the first is line 5 of its file."""
    return Block("".join(line + "\n" for line in lines).encode(errors="surrogateescape"), "f.jsonl", 5)


def texts(records):
    """Each record's text, without the newline that ends it."""
    cut, found = 0, []
    for size in records.documents.sizes.tolist():
        found.append(records.documents.text[cut : cut + size].removesuffix(b"\n"))
        cut += size
    return found


values = st.recursive(
    st.one_of(st.none(), st.booleans(), st.integers(), st.floats(), st.text()),
    lambda inner: st.one_of(st.lists(inner, max_size=3), st.dictionaries(st.text(), inner, max_size=3)),
    max_leaves=6,
)
objects = st.dictionaries(st.text().filter(lambda name: name not in PLAIN.columns()), values, max_size=4)


@given(st.lists(st.tuples(objects, st.text(), st.booleans(), st.sampled_from(["", " ", "\t\r"]))))
def test_new_columns_are_spliced_in_and_nothing_else_changes(given_records):
    lines = [json.dumps(record | {"text": text}, ensure_ascii=a) + end for record, text, a, end in given_records]
    records = read_records(block(*lines), PLAIN)
    added = [f',"perplexity":{i}.5'.encode() for i in range(len(lines))]
    written = records.with_columns(added, range(len(lines)))
    assert written == b"".join(
        line.rstrip()[:-1].encode() + new + b"}" + line[len(line.rstrip()) :].encode() + b"\n"
        for line, new in zip(lines, added, strict=True)
    )
    assert texts(records) == [text.encode("utf-8", "replace") for _, text, _, _ in given_records]
    for line, (record, text, _, _) in zip(written.splitlines(), given_records, strict=False):
        back = json.loads(line) if b"NaN" not in line else None
        assert back is None or {**record, "text": text}.items() <= back.items()


@given(st.lists(st.tuples(objects, st.text())), st.sampled_from([None, b" ", b"\r"]))
def test_both_readers_read_the_same(given_records, joint):
    lines = [json.dumps(record | {"text": text}) for record, text in given_records]
    slow, fast = (reader(block(*lines), PLAIN, joint) for reader in (parse_records, scan_records))
    if fast is not None:
        assert fast.documents.text == slow.documents.text
        for ours, theirs in zip(fast.documents[1:], slow.documents[1:], strict=True):
            assert ours.tolist() == theirs.tolist()
        added = [b",1"] * len(lines)
        assert fast.with_columns(added, range(len(lines))) == slow.with_columns(added, range(len(lines)))


def test_the_fast_reader_is_used():
    assert scan_records(block('{"id": [1, {"a": "\\n"}], "text": "a\\u00e9\\n"}', ""), PLAIN, None) is not None
    assert scan_records(block('{"id": NaN, "text": "a"}'), PLAIN, None) is None
    assert texts(read_records(block('{"id": NaN, "text": "a"}'), PLAIN)) == [b"a"]


def test_chosen_records_and_blank_lines():
    records = read_records(block('{"text":"a"}', "  ", "", ' { "text" : "b" } \r', '{"text":"c"}'), PLAIN)
    assert texts(records) == [b"a", b"b", b"c"]
    assert records.with_columns([b",1", b",2", b",3"], [1, 2]) == b' { "text" : "b" ,2} \r\n{"text":"c",3}\n'


BAD = [
    (
        '{"text": "a"',
        "not valid JSON (Expecting ',' delimiter, column 13); "
        """give one object a line, such as {"text": "students opened their books"}""",
    ),
    ("[1]", """the record is an array; expected an object, such as {"text": "students opened their books"}"""),
    ('{"body": "a", "id": 1}', "the record has no field 'text'; name one that it has: 'body', 'id'"),
    (
        '{"text": 7}',
        """the field 'text' is a number; expected a string, such as {"text": "students opened their books"}""",
    ),
    (
        '{"text": null}',
        """the field 'text' is null; expected a string, such as {"text": "students opened their books"}""",
    ),
    ('{"text": "\udce9"}', "byte 11 of the line (0xe9) is not UTF-8; convert the file from its encoding"),
    (
        '{"oov": 1, "text": "a"}',
        "the record has a field 'oov' already; give a prefix for the new columns (--prefix), "
        "or replace the old ones (--overwrite)",
    ),
]


@pytest.mark.parametrize(("line", "reason"), BAD)
def test_records_that_cannot_be_used(line, reason):
    some = block('{"text": "a"}', line, '{"text": "b"}')
    with pytest.raises(TextError) as caught:
        read_records(some, PLAIN)
    assert str(caught.value) == f"f.jsonl:6: {reason}"
    records = read_records(some, SKIP)
    assert records.skipped == [(6, reason)]
    assert texts(records) == [b"a", b"b"]
    assert records.with_columns([b",1", b",2"], [0, 1]) == b'{"text": "a",1}\n{"text": "b",2}\n'


def test_half_a_surrogate_pair_is_read_as_a_character_that_is_not_there():
    line = '{"text": "a\\ud800b"}'
    records = read_records(block(line), PLAIN)
    assert texts(records) == ["a\ufffdb".encode()]
    assert records.with_columns([b""], [0]) == (line + "\n").encode()


def test_replaced_columns():
    settings = FilterSettings(overwrite=True, prefix="x_")
    line = '{"x_oov":1, "text" : "a", "x_perplexity": {"x_oov": "}"} , "oov": 2, "\\u0078_tokens": []}'
    records = read_records(block(line, '{"text": "b"}'), settings)
    assert records.with_columns([b",9", b",8"], [0, 1]) == b'{ "text" : "a", "oov": 2,9}\n{"text": "b",8}\n'


@given(objects.filter(bool), st.data())
def test_members_are_taken_out_as_python_would(record, data):
    names = data.draw(st.sets(st.sampled_from(sorted(record))))
    line = data.draw(st.sampled_from(["", " "])) + json.dumps(record, separators=(" , ", " : "))
    found = without_members(line, names)
    expected = json.dumps({name: value for name, value in record.items() if name not in names})
    assert json.dumps(json.loads(found)) == expected


def test_columns_as_json():
    rows = list(columns_text(["a%b", 'q"'], [[1.5, "null"], [1, 2]]))
    assert rows == [b',"a%b":1.5,"q\\"":1', b',"a%b":null,"q\\"":2']


def test_the_text_may_not_be_a_new_column():
    with pytest.raises(UsageError) as caught:
        FilterSettings(field="tokens")
    assert str(caught.value) == (
        "the text is in the field 'tokens', and a column of that name would be added; give a prefix"
    )
    assert FilterSettings(field="tokens", prefix="lm_").columns() == (
        "lm_perplexity",
        "lm_bits_per_byte",
        "lm_tokens",
        "lm_oov",
    )
