"""Weights in fewer bits: bfloat16, or 8-bit integers with a scale for each row.

A row is what makes one output of a matrix, or one id's embedding. Its scale takes its largest number to ±127 (symmetric
absmax quantisation, as Dettmers et al. 2022, eq. 5, of vectors), so a number is wrong by half a scale at most. Vectors,
such as biases and gains, stay as they are: they are a thousandth of a model, and errors in them are not averaged out.

Only what is stored is smaller. When a model is opened its weights become float32 again: PyTorch's product with 8-bit
weights is slower than that in float32 on a CPU, unless one token at a time is read in bfloat16. What an array of a file
holds its name tells:

    name            float32, as it is
    name:int8       with name:scale, float32, one for each row
    name:bfloat16   the upper halves of float32, as uint16
"""

from collections.abc import Mapping
from typing import Any, Literal, get_args

import numpy as np

from nextword.errors import UsageError
from nextword.types import Array

Weights = Literal["float32", "bfloat16", "int8"]
_INT8, _SCALE, _BFLOAT16 = ":int8", ":scale", ":bfloat16"
_LARGEST = 127
_SCALE_BITS = 16  # of a scale's significand: 127 times it is then a float32 without rounding, see _scales


def quantize(model: Any, to: Weights) -> Any:
    """The same model with weights in fewer bits, as it will be when it has been saved and opened again.

    Raises UsageError for an unknown type of weights, and for a model whose weights are not those of one network.
    """
    if to not in get_args(Weights):
        raise UsageError(f"weights of type {to!r}: expected one of {', '.join(get_args(Weights))}")
    if not hasattr(model, "stored_as"):
        raise UsageError(f"a {model.kind} model has no network to quantise; give a neural model")
    if model.stored_as not in ("float32", to):
        raise UsageError(f"the model's weights are {model.stored_as} already; quantise the model they came from")
    return type(model).from_arrays(model.parameters(), compress(model.arrays(), to), model.vocabulary)


def compress(arrays: Mapping[str, Array], to: Weights) -> dict[str, Array]:
    """The arrays as they are stored: float32 matrices in fewer bits. What ``expand`` gave loses nothing more."""
    found: dict[str, Array] = {}
    for name, array in arrays.items():
        if to == "float32" or array.ndim < 2 or array.dtype != np.float32 or not array.size:
            found[name] = array
        elif to == "bfloat16":
            found[name + _BFLOAT16] = _halves(array)
        else:
            scales = _scales(array)
            steps = np.rint(array / np.where(scales > 0, scales, 1)[..., None])
            found[name + _INT8] = steps.clip(-_LARGEST, _LARGEST).astype(np.int8)
            found[name + _SCALE] = scales
    return found


def expand(arrays: Mapping[str, Array]) -> tuple[Weights, dict[str, Array]]:
    """How the arrays are stored, and what they stand for. Raises UsageError if a matrix and its scales do not fit."""
    stored_as: Weights = "float32"
    found: dict[str, Array] = {}
    for name, array in arrays.items():
        if name.endswith(_INT8):
            stored_as, plain = "int8", name.removesuffix(_INT8)
            scales = arrays.get(plain + _SCALE)
            if scales is None or scales.shape != array.shape[:-1]:
                raise UsageError(f"the array {name!r} has no scale for each of its rows; quantise the model again")
            found[plain] = array * scales[..., None].astype(np.float32)
        elif name.endswith(_BFLOAT16):
            stored_as = "bfloat16"
            found[name.removesuffix(_BFLOAT16)] = (array.astype(np.uint32) << 16).view(np.float32)
        elif not name.endswith(_SCALE):
            found[name] = array
    return stored_as, found


def _scales(array: Array) -> Array:
    """Each row's scale, float32. With few bits in it, 127 times it is exact, and gives the same scale again."""
    significand, exponent = np.frexp(np.abs(array).max(axis=-1) / _LARGEST)
    rounded = np.ceil(np.ldexp(significand, _SCALE_BITS))
    scales: Array = np.ldexp(rounded, exponent - _SCALE_BITS).astype(np.float32)
    return scales


def _halves(array: Array) -> Array:
    """The bfloat16 next to each float32, halves to even, by its bits."""
    bits = np.ascontiguousarray(array).view(np.uint32)
    return ((bits + 0x7FFF + ((bits >> 16) & 1)) >> 16).astype(np.uint16)
