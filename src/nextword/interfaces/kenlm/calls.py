"""Calling compiled code from Python in a tenth of a microsecond.

A Numba dispatcher looks at the types of its arguments at every call, and ctypes builds a call by hand; together with a
few arrays that is one or two microseconds, which is what KenLM takes for a sentence of ten words. Here a function is
compiled for one signature, and its entry point is called, with whole numbers and ``bytes``, which Numba does not know.
"""

from collections.abc import Callable
from typing import Any

from numba import types
from numba.core import cgutils
from numba.extending import NativeValue, box, intrinsic, make_attribute_wrapper, models, register_model, unbox


class BytesType(types.Type):  # type: ignore[misc]
    """Python's ``bytes``: their address, int64, and their number; valid during the call."""

    def __init__(self) -> None:
        super().__init__(name="nextword.bytes")


BYTES = BytesType()


@register_model(BytesType)
class _BytesModel(models.StructModel):  # type: ignore[misc]
    def __init__(self, manager: Any, kind: Any):
        super().__init__(manager, kind, [("address", types.int64), ("count", types.int64)])


make_attribute_wrapper(BytesType, "address", "address")
make_attribute_wrapper(BytesType, "count", "count")


@unbox(BytesType)
def _unbox_bytes(kind, given, c):  # type: ignore[no-untyped-def]
    pointer = cgutils.alloca_once(c.builder, c.pyapi.cstring)
    count = cgutils.alloca_once(c.builder, c.pyapi.py_ssize_t)
    ok = c.pyapi.bytes_as_string_and_size(given, pointer, count)
    native = cgutils.create_struct_proxy(kind)(c.context, c.builder)
    native.address = c.builder.ptrtoint(c.builder.load(pointer), native.address.type)
    native.count = c.builder.load(count)
    return NativeValue(native._getvalue(), is_error=c.builder.not_(ok))


@box(BytesType)
def _box_bytes(kind, given, c):  # type: ignore[no-untyped-def]
    native = cgutils.create_struct_proxy(kind)(c.context, c.builder, given)
    pointer = c.builder.inttoptr(native.address, c.pyapi.cstring)
    return c.pyapi.bytes_from_string_and_size(pointer, native.count)


@intrinsic
def as_bytes(typing_context, address, count):  # type: ignore[no-untyped-def]
    """What becomes ``bytes``, copied, when it is returned to Python."""

    def codegen(context, builder, signature, arguments):  # type: ignore[no-untyped-def]
        native = cgutils.create_struct_proxy(signature.return_type)(context, builder)
        native.address, native.count = arguments
        return native._getvalue()

    return BYTES(types.int64, types.int64), codegen


def entry_point(function: Any, *arguments: Any) -> Callable[..., Any]:
    """The compiled code of a Numba function for arguments of these types, as a Python function of positional ones.

    It holds Python's lock unless the function is compiled with ``nogil``; arguments of other types raise TypeError.
    """
    function.compile(arguments)
    called: Callable[..., Any] = function.overloads[arguments].entry_point
    return called
