"""Safetensors files: ours are read by the library, the library's by us, and nothing else is read at all."""

import json
import re

import hypothesis.extra.numpy as arrays_of
import numpy as np
import pytest
import safetensors.numpy
from hypothesis import given
from hypothesis import strategies as st

from nextword import tensors
from nextword.errors import StoreError

REMEDY = "copy the model again, or train it again"
DTYPES = ["bool", "u1", "i1", "u2", "i2", "f2", "u4", "i4", "f4", "u8", "i8", "f8"]
SOME_ARRAYS = st.dictionaries(
    st.text(max_size=8).filter(lambda name: not name.startswith("_") and name.isprintable()),
    st.sampled_from(DTYPES).flatmap(
        lambda dtype: arrays_of.arrays(dtype, arrays_of.array_shapes(min_dims=0, min_side=0, max_side=20))
    ),
    max_size=5,
)


def write(file, arrays):
    file.write_bytes(b"".join(tensors.lay_out(arrays)))
    return file


def write_header(file, header, data=b""):
    text = header if isinstance(header, bytes) else json.dumps(header).encode()
    file.write_bytes(len(text).to_bytes(8, "little") + text + data)
    return file


def same(ours, theirs):
    assert list(ours) == list(theirs)
    for name, array in theirs.items():
        assert ours[name].dtype == array.dtype
        assert ours[name].shape == array.shape
        assert ours[name].tobytes() == array.tobytes()


@given(arrays=SOME_ARRAYS)
def test_round_trip_and_the_library_agrees(tmp_path_factory, arrays):
    file = write(tmp_path_factory.mktemp("tensors") / "ours", arrays)
    ours = tensors.map_file(file)
    same(ours, arrays)
    library = safetensors.numpy.load_file(file)
    same({name: library[name] for name in arrays}, arrays)
    for array in ours.values():
        assert array.ctypes.data % tensors.ALIGNMENT == 0 or array.size == 0
        assert type(array) is np.ndarray
        assert array.flags.c_contiguous and array.flags.aligned and not array.flags.writeable


@given(arrays=SOME_ARRAYS)
def test_the_librarys_files_are_read(tmp_path_factory, arrays):
    file = tmp_path_factory.mktemp("tensors") / "theirs"
    safetensors.numpy.save_file(arrays, file, metadata={"format": "np"})
    ours = tensors.map_file(file)
    same({name: ours[name] for name in arrays}, arrays)
    assert set(ours) == set(arrays)


def test_arrays_that_another_writer_left_unaligned_are_aligned_copies(tmp_path):
    header = {
        "a": {"dtype": "U8", "shape": [1], "data_offsets": [0, 1]},
        "b": {"dtype": "F64", "shape": [1], "data_offsets": [1, 9]},
    }
    file = write_header(tmp_path / "odd", header, b"\x07" + np.float64(0.4).tobytes())
    array = tensors.map_file(file)["b"]
    assert array.tolist() == [0.4]
    assert array.flags.aligned and not array.flags.writeable


def test_arrays_are_not_copied_to_be_written():
    array = np.arange(1000.0)
    assert any(np.shares_memory(np.frombuffer(block, dtype=np.uint8), array) for block in tensors.lay_out({"a": array}))


def test_a_transposed_array_is_written_in_c_order(tmp_path):
    array = np.arange(6, dtype=np.int32).reshape(2, 3).T
    assert tensors.map_file(write(tmp_path / "ours", {"a": array}))["a"].tolist() == array.tolist()


@pytest.mark.parametrize(
    ("arrays", "message"),
    [
        ({"a": np.zeros(2, dtype=complex)}, r"array 'a' has dtype complex128, expected one of bool, uint8, int8, .*"),
        ({"_fill": np.zeros(2)}, "an array cannot be named '_fill', which the format reserves; rename it"),
        (
            {"__metadata__": np.zeros(2)},
            "an array cannot be named '__metadata__', which the format reserves; rename it",
        ),
    ],
)
def test_what_the_format_cannot_hold_is_refused(arrays, message):
    with pytest.raises(ValueError, match=f"^{message}$"):
        tensors.lay_out(arrays)


def entry(dtype="F32", shape=(2,), begin=0, end=8):
    return {"dtype": dtype, "shape": list(shape), "data_offsets": [begin, end]}


NOT_SAFETENSORS = "is not a safetensors file, or is truncated"
NOT_AN_OBJECT = "the safetensors header is not a JSON object"
BROKEN = "the safetensors header's entry 'a' is broken"


@pytest.mark.parametrize(
    ("header", "data", "what"),
    [
        (b"", b"", NOT_SAFETENSORS),
        (b"[]", b"", NOT_AN_OBJECT),
        (b"{\xff}", b"", NOT_AN_OBJECT),
        (b"[" * 100_000, b"", NOT_AN_OBJECT),
        (b'{"a":' + b"1" * 5000 + b"}", b"", NOT_AN_OBJECT),
        ({"a": 1}, b"", BROKEN),
        ({"a": {"dtype": "F32", "shape": [2]}}, bytes(8), BROKEN),
        ({"a": entry(dtype="BF16", end=4)}, bytes(4), BROKEN),
        ({"a": entry(dtype=["F32"])}, bytes(8), BROKEN),
        ({"a": entry(shape=[3])}, bytes(8), BROKEN),
        ({"a": entry(shape=[2.0])}, bytes(8), BROKEN),
        ({"a": entry(shape=[True, 2])}, bytes(8), BROKEN),
        ({"a": entry(shape=[-1, -2])}, bytes(8), BROKEN),
        ({"a": entry(shape=[1] * 40 + [2])}, bytes(8), BROKEN),
        ({"a": entry(begin=8, end=0)}, bytes(8), BROKEN),
        ({"a": entry()}, bytes(7), "holds 7 bytes of arrays, its header says 8"),
        ({"a": entry()}, bytes(9), "holds 9 bytes of arrays, its header says 8"),
        ({"a": entry(begin=4, end=12)}, bytes(12), "arrays overlap or leave a hole at byte 0"),
        ({"a": entry(), "b": entry(begin=4, end=12)}, bytes(12), "arrays overlap or leave a hole at byte 8"),
        ({"a": entry(shape=[0, 1 << 62, 1 << 62], end=0)}, b"", "array 'a' has an impossible shape"),
    ],
)
def test_what_is_not_safetensors_is_refused(tmp_path, header, data, what):
    file = write_header(tmp_path / "bad", header, data)
    with pytest.raises(StoreError, match=f"^{re.escape(f'{file}: {what}; {REMEDY}')}$"):
        tensors.map_file(file)


@pytest.mark.parametrize("content", [b"", b"1234567", b"12345678", (1 << 40).to_bytes(8, "little") + bytes(100)])
def test_what_is_too_short_is_refused(tmp_path, content):
    file = tmp_path / "bad"
    file.write_bytes(content)
    with pytest.raises(StoreError, match=f"^{re.escape(f'{file}: {NOT_SAFETENSORS}; {REMEDY}')}$"):
        tensors.map_file(file)


@given(st.binary(max_size=200))
def test_random_headers_are_refused_or_read(tmp_path_factory, text):
    file = write_header(tmp_path_factory.mktemp("tensors") / "random", text, bytes(64))
    try:
        tensors.map_file(file)
    except StoreError as error:
        assert str(error).startswith(f"{file}: ")
