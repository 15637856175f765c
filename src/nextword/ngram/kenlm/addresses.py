"""Memory by its address, for compiled loops over files whose fields lie at any byte.

Addresses are int64. Every function is one load, store or hint of the processor; whoever calls them bounds the address.
"""

from typing import Any

import numpy as np
from llvmlite import ir
from numba import carray, njit, types
from numba.core import cgutils
from numba.extending import intrinsic

_BYTE = ir.IntType(8)


def _pointer(builder: Any, address: Any, kind: Any) -> Any:
    return builder.inttoptr(address, kind.as_pointer())


def _loader(kind: Any, result: Any) -> Any:
    """An intrinsic that loads ``kind`` from an address that need not be aligned."""

    def load(typing_context, address):  # type: ignore[no-untyped-def]
        def codegen(context, builder, signature, arguments):  # type: ignore[no-untyped-def]
            value = builder.load(_pointer(builder, arguments[0], kind))
            value.align = 1
            return value

        return result(types.int64), codegen

    return intrinsic(load)


def _storer(kind: Any, given: Any) -> Any:
    """An intrinsic that stores ``kind`` at an address that need not be aligned."""

    def store(typing_context, address, value):  # type: ignore[no-untyped-def]
        def codegen(context, builder, signature, arguments):  # type: ignore[no-untyped-def]
            stored = builder.store(arguments[1], _pointer(builder, arguments[0], kind))
            stored.align = 1
            return context.get_dummy_value()

        return types.void(types.int64, given), codegen

    return intrinsic(store)


load_byte = _loader(_BYTE, types.uint8)
load_uint32 = _loader(ir.IntType(32), types.uint32)
load_uint64 = _loader(ir.IntType(64), types.uint64)
load_int64 = _loader(ir.IntType(64), types.int64)
load_float32 = _loader(ir.FloatType(), types.float32)
store_int64 = _storer(ir.IntType(64), types.int64)
store_uint32 = _storer(ir.IntType(32), types.uint32)
store_float32 = _storer(ir.FloatType(), types.float32)


@intrinsic
def fetch(typing_context, address):  # type: ignore[no-untyped-def]
    """Ask for the cache line of an address before it is read."""

    def codegen(context, builder, signature, arguments):  # type: ignore[no-untyped-def]
        word = ir.IntType(32)
        function_type = ir.FunctionType(ir.VoidType(), [_BYTE.as_pointer(), word, word, word])
        function = cgutils.get_or_insert_function(builder.module, function_type, "llvm.prefetch.p0")
        builder.call(function, [_pointer(builder, arguments[0], _BYTE), word(0), word(3), word(1)])
        return context.get_dummy_value()

    return types.void(types.int64), codegen


@intrinsic
def _as_pointer(typing_context, address):  # type: ignore[no-untyped-def]
    def codegen(context, builder, signature, arguments):  # type: ignore[no-untyped-def]
        return _pointer(builder, arguments[0], _BYTE)

    return types.voidptr(types.int64), codegen


@intrinsic
def float_bits(typing_context, value):  # type: ignore[no-untyped-def]
    """The 32 bits of a float32."""

    def codegen(context, builder, signature, arguments):  # type: ignore[no-untyped-def]
        return builder.bitcast(arguments[0], ir.IntType(32))

    return types.uint32(types.float32), codegen


@intrinsic
def bits_float(typing_context, bits):  # type: ignore[no-untyped-def]
    """The float32 of 32 bits."""

    def codegen(context, builder, signature, arguments):  # type: ignore[no-untyped-def]
        return builder.bitcast(arguments[0], ir.FloatType())

    return types.float32(types.uint32), codegen


@njit(forceinline=True)
def bytes_at(address, count):  # type: ignore[no-untyped-def]
    """The uint8 array at an address."""
    return carray(_as_pointer(address), (count,), np.uint8)


@njit(forceinline=True)
def uint64_at(address, count):  # type: ignore[no-untyped-def]
    """The uint64 array at an address."""
    return carray(_as_pointer(address), (count,), np.uint64)


@njit(forceinline=True)
def pairs_at(address, count):  # type: ignore[no-untyped-def]
    """The (count, 2) uint64 array at an address."""
    return carray(_as_pointer(address), (count, 2), np.uint64)


@njit(forceinline=True)
def rows_at(address, rows, columns):  # type: ignore[no-untyped-def]
    """The (rows, columns) int64 array at an address."""
    return carray(_as_pointer(address), (rows, columns), np.int64)
