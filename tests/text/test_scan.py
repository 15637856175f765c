"""The compiled reader of JSON Lines against Python's: the same texts, and nothing read that is not JSON."""

import json

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from nextword.text.scan import UNUSUAL, scan


def read(block, field="text", taken=(), joint=b"\n"):
    """(texts, line beginnings, last braces) of a block, or the offset of the first line that is unusual."""
    names = [name.encode() for name in taken]
    data, wanted, joined = (np.frombuffer(some, dtype=np.uint8) for some in (block, field.encode(), b"".join(names)))
    ends = np.cumsum([len(name) for name in names], dtype=np.int64)
    text, places = np.zeros(len(block), dtype=np.uint8), np.zeros((4, block.count(b"\n")), dtype=np.int64)
    number, size = scan(data, wanted, joined, ends, ord(joint), text, *places)
    if number == UNUSUAL:
        return size
    begins, braces, sizes, lines = places[:, :number].tolist()
    edges = np.cumsum([0, *sizes]).tolist()
    texts = [text[a:b].tobytes() for a, b in zip(edges, edges[1:], strict=False)]
    assert lines == [one.count(b"\n") for one in texts]
    assert edges[-1] == size
    return [one.removesuffix(b"\n") for one in texts], begins, braces


strings = st.text(st.one_of(st.characters(exclude_categories=["Cs"]), st.sampled_from('"\\/\b\f\n\r\té€😀\x00\x7f')))
values = st.recursive(
    st.one_of(st.none(), st.booleans(), st.integers(), st.floats(allow_nan=False, allow_infinity=False), strings),
    lambda inner: st.one_of(st.lists(inner, max_size=3), st.dictionaries(strings, inner, max_size=3)),
    max_leaves=8,
)
records = st.builds(
    lambda before, text, after: {**before, "text": text, **after},
    st.dictionaries(strings.map(lambda name: "x" + name), values, max_size=3),
    strings,
    st.dictionaries(strings.map(lambda name: "y" + name), values, max_size=3),
)


@given(st.lists(st.tuples(records, st.booleans(), st.sampled_from([(",", ":"), (", ", ": "), (" ,\t", " : ")]))))
def test_it_reads_what_json_writes(given_records):
    lines = [json.dumps(r, ensure_ascii=a, separators=s).encode() for r, a, s in given_records]
    found = read(b"".join(line + b" \r\n\n" for line in lines))
    names = [name for record, _, _ in given_records for name in record]
    if isinstance(found, int):  # only names that are written with escapes, which it passes on
        assert any(not name.isascii() or '"' in name or "\\" in name or not name.isprintable() for name in names)
        return
    texts, begins, braces = found
    assert texts == [record["text"].encode() for record, _, _ in given_records]
    starts = np.cumsum([0, *[len(line) + 4 for line in lines]]).tolist()
    assert begins == starts[:-1]
    assert braces == [start + len(line) - 1 for start, line in zip(starts, lines, strict=False)]


@settings(max_examples=400)
@given(records, st.data())
def test_it_reads_nothing_that_json_would_refuse(record, data):
    """One byte of a valid record is changed, dropped or doubled; where it is still read, Python reads the same."""
    line = bytearray(json.dumps(record, ensure_ascii=data.draw(st.booleans())).encode())
    at = data.draw(st.integers(0, len(line) - 1))
    new = data.draw(st.sampled_from(b'"\\{}[],:0-1.eE+ \tntu\xc3\x80\x1f'))
    how = data.draw(st.sampled_from(["change", "drop", "double"]))
    if how == "change":
        line[at] = new
    elif how == "drop":
        del line[at]
    else:
        line.insert(at, line[at])
    found = read(bytes(line) + b"\n")
    if isinstance(found, int):
        return
    texts, _, braces = found
    if not bytes(line).strip(b" \t\r"):
        assert texts == []
        return
    assert texts == [json.loads(bytes(line))["text"].encode()]
    assert bytes(line)[braces[0] :].strip() == b"}"


@pytest.mark.parametrize(
    "line",
    [
        '{"text": "a"', '{"text": "a"} x', '{"text": "a",}', '{"text" "a"}', '{"text": a}', '["text", "a"]', '"text"',
        '{"text": 1}', '{"text": null}', '{"body": "a"}', "{}", '{"text": "a", "text": "b"}', '{"text": "a\tb"}',
        '{"text": "a\\x"}', '{"text": "\\u12g4"}', '{"text": "\\ud800"}', '{"text": "\\udc00\\ud800"}',
        '{"text": "\\ud800\\u0041"}', '{"text": "a', '{"text": "a\\', '{"text": "\\u12', '{"te\\u0078t": "a"}',
        '{"x": NaN, "text": "a"}', '{"x": -, "text": "a"}', '{"x": 01, "text": "a"}', '{"x": 1., "text": "a"}',
        '{"x": .5, "text": "a"}', '{"x": 1e, "text": "a"}', '{"x": +1, "text": "a"}', '{"x": tru, "text": "a"}',
        '{"x": [1, 2}, "text": "a"}', '{"x": {"y" 1}, "text": "a"}', '{"x": [1,], "text": "a"}',
        '{"x": {"y": 1,}, "text": "a"}', '{"x": {1: 1}, "text": "a"}', '{"x": , "text": "a"}', '{x: 1, "text": "a"}',
        '{"x": ' + 66 * "[" + 66 * "]" + ', "text": "a"}', '{"x": "é\\q", "text": "a"}', "{", '{"', "}", ",",
    ],
)  # fmt: skip
def test_what_is_unusual_is_passed_on(line):
    """Each of these, after a record that is read, is pointed at; most are no JSON at all."""
    first = b'{"text": "good"}\n'
    assert read(first + line.encode() + b"\n") == len(first)


@pytest.mark.parametrize(
    "damaged", [b"\xff", b"\xc3", b"\xc3(", b"\xe2\x82", b"\xed\xa0\x80", b"\xc0\xaf", b"\xf5\x80"]
)
def test_bytes_that_are_not_utf8(damaged):
    assert read(b'{"text": "' + damaged + b'"}\n') == 0
    assert read(b'{"x": "' + damaged + b'", "text": "a"}\n') == 0


def test_names_that_no_record_may_have():
    line = b'{"text": "a", "perplexity": 1}\n'
    assert read(line, taken=["oov"]) == ([b"a"], [0], [len(line) - 2])
    assert read(line, taken=["oov", "perplexity"]) == 0


def test_a_byte_in_place_of_newlines():
    block = b'{"text": "a\\nb\\u000ac\\r"}\n{"text": "\\n"}\n{"text": ""}\n'
    assert read(block)[0] == [b"a\nb\nc\r", b"\n", b""]
    assert read(block, joint=b" ")[0] == [b"a b c\r", b" ", b""]


def test_depth_and_escapes_within_other_values():
    line = '{"x": %s, "y": {"é\\u00e9\\"": ["\\ud83d", -0.5e+7, {}, []]}, "text": "\\ud83d\\ude00"}' % (
        64 * "[" + 64 * "]"
    )
    assert read(line.encode() + b"\n")[0] == ["😀".encode()]


def test_no_records():
    assert read(b"") == ([], [], [])
    assert read(b" \t\r\n\n") == ([], [], [])
