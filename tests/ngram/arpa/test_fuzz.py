"""Whatever is done to a file, a valid model or an ArpaError comes out."""

import gzip
import re

import numpy as np
import pytest
import zstandard
from hypothesis import given, settings
from hypothesis import strategies as st

from nextword.errors import ArpaError
from nextword.ngram.arpa import read_arpa, write_arpa
from ngram.arpa.samples import SMALL, assert_same, ngrams

WEIRD = [
    "",
    "0",
    "-0",
    "-99",
    "-1e999",
    "1e999",
    "nan",
    "inf",
    "9" * 30,
    "-0." + "0" * 400 + "1",
    "-1e-310",
    "<s>",
    "\\end\\",
]
MUTATIONS = st.one_of(
    st.tuples(st.just("byte"), st.integers(0, len(SMALL) - 1), st.integers(0, 255)),
    st.tuples(st.just("insert"), st.integers(0, len(SMALL)), st.binary(max_size=3)),
    st.tuples(st.just("cut"), st.integers(0, len(SMALL)), st.just(0)),
    st.tuples(st.just("delete"), st.integers(0, 20), st.just(0)),
    st.tuples(st.just("repeat"), st.integers(0, 20), st.just(0)),
    st.tuples(st.just("move"), st.integers(0, 20), st.integers(0, 20)),
    st.tuples(st.just("field"), st.integers(0, 60), st.sampled_from(WEIRD)),
)


def mutated(data, kind, at, value):
    if kind == "byte":
        return data[:at] + bytes([value]) + data[at + 1 :]
    if kind == "insert":
        return data[:at] + value + data[at:]
    if kind == "cut":
        return data[:at]
    if kind == "field":
        fields = re.split(rb"([\t\n =])", data)
        fields[at % len(fields)] = value.encode()
        return b"".join(fields)
    lines = data.split(b"\n")
    line = lines[at % len(lines)]
    if kind != "repeat":
        del lines[at % len(lines)]
    if kind != "delete":
        lines.insert(value % (len(lines) + 1) if kind == "move" else at % len(lines), line)
    return b"\n".join(lines)


def assert_refused_or_valid(path):
    try:
        model = read_arpa(path)
    except ArpaError as error:
        assert str(error).startswith(f"{path}:")
        return
    found = ngrams(model)
    assert len(found) == len(model)
    assert all(log_prob < np.inf and backoff < 99 for log_prob, backoff, _ in found.values())
    write_arpa(model, path)
    assert_same(model, read_arpa(path))


@given(st.lists(MUTATIONS, min_size=1, max_size=3))
@settings(max_examples=400)
def test_damaged_files_are_refused_or_valid(tmp_path_factory, mutations):
    data = SMALL.encode()
    for kind, at, value in mutations:
        data = mutated(data, kind, at, value)
    path = tmp_path_factory.getbasetemp() / "fuzzed.arpa"
    path.write_bytes(data)
    assert_refused_or_valid(path)


@pytest.mark.parametrize("compress", [gzip.compress, zstandard.compress])
@given(at=st.integers(0, 300), flip=st.integers(1, 255))
def test_damaged_compressed_files_are_refused_or_valid(tmp_path_factory, compress, at, flip):
    data = bytearray(compress(SMALL.encode()))
    data[at % len(data)] ^= flip
    path = tmp_path_factory.getbasetemp() / "fuzzed.arpa"
    path.write_bytes(data)
    assert_refused_or_valid(path)
