"""Asking for memory before it is read: what keeps loops over large tables from waiting for each row."""

from llvmlite import ir
from numba import types
from numba.core import cgutils
from numba.extending import intrinsic


@intrinsic
def prefetch(typing_context, array, index):  # type: ignore[no-untyped-def]
    """Ask for the cache line of ``array[index]`` (first axis) before it is read."""

    def codegen(context, builder, signature, arguments):  # type: ignore[no-untyped-def]
        array_type = signature.args[0]
        view = context.make_array(array_type)(context, builder, arguments[0])
        stride = cgutils.unpack_tuple(builder, view.strides)[0]
        base = builder.ptrtoint(view.data, stride.type)
        address = builder.add(base, builder.mul(stride, arguments[1]))
        pointer_type = ir.IntType(8).as_pointer()
        pointer = builder.inttoptr(address, pointer_type)
        word = ir.IntType(32)
        function_type = ir.FunctionType(ir.VoidType(), [pointer_type, word, word, word])
        function = cgutils.get_or_insert_function(builder.module, function_type, "llvm.prefetch.p0")
        builder.call(function, [pointer, word(0), word(3), word(1)])
        return context.get_dummy_value()

    return types.void(array, types.intp), codegen
