"""An ONNX graph as it is put together, node by node."""

from collections.abc import Callable, Mapping
from typing import Any

import numpy as np

from nextword.types import Array


class Graph:
    """Nodes as they are added; every value has a name. A weight is stored when it is first asked for."""

    def __init__(self, weights: Mapping[str, Array]):
        import onnx

        self._onnx, self._weights = onnx, weights
        self._nodes: list[Any] = []
        self._made = 0
        self._constants: dict[str, Any] = {}
        self._inputs: list[Any] = []
        self._outputs: list[Any] = []

    def weight(self, name: str) -> str:
        """The name of a stored weight."""
        if name not in self._constants:
            self._constants[name] = self._onnx.numpy_helper.from_array(np.ascontiguousarray(self._weights[name]), name)
        return name

    def array(self, name: str) -> Array:
        """The numbers of a weight."""
        return self._weights[name]

    def constant(self, array: Any) -> str:
        """The name of an array that is stored."""
        name = f"constant_{len(self._constants)}"
        values = np.ascontiguousarray(array)
        self._constants[name] = self._onnx.numpy_helper.from_array(values, name)
        return name

    def ints(self, *values: int) -> str:
        """The name of a stored row of int64."""
        return self.constant(np.array(values, dtype=np.int64))

    def __call__(self, op: str, *inputs: str, **attributes: Any) -> str:
        """Add a node of one output, and return that output's name."""
        return self.several(1, op, *inputs, **attributes)[0]

    def several(self, count: int, op: str, *inputs: str, **attributes: Any) -> list[str]:
        """Add a node of several outputs, and return their names."""
        self._made += 1
        names = [f"{op.lower()}_{self._made}_{i}" for i in range(count)]
        self._nodes.append(self._onnx.helper.make_node(op, inputs, names, **attributes))
        return names

    def given(self, name: str, shape: tuple[str | int, ...], *, ids: bool = False) -> str:
        """Add an input, float32 unless it is of ids."""
        self._inputs.append(self._typed(name, shape, ids))
        return name

    def result(self, name: str, value: str, shape: tuple[str | int, ...], *, ids: bool = False) -> None:
        """Add an output, which is the value of that name."""
        self._nodes.append(self._onnx.helper.make_node("Identity", [value], [name]))
        self._outputs.append(self._typed(name, shape, ids))

    def linear(self, values: str, weight: str, bias: str | None = None) -> str:
        """W x, or W x + b, along the last dimension."""
        product = self("MatMul", values, self("Transpose", weight))
        return product if bias is None else self("Add", product, bias)

    def loop(self, step: Callable[[str, str], str], start: str, values: str, size: int) -> tuple[str, str]:
        """H = step(h, value) along the first dimension of ``values`` (T, B, H); the last h, and all, (T, B, H)."""
        outer, self._nodes = self._nodes, []
        shape: tuple[str | int, ...] = ("batch", size)
        hidden = step("loop_hidden", "loop_value")
        self._nodes.append(self._onnx.helper.make_node("Identity", [hidden], ["loop_output"]))
        body = self._onnx.helper.make_graph(
            self._nodes,
            "step",
            [self._typed("loop_hidden", shape, False), self._typed("loop_value", shape, False)],
            [self._typed(hidden, shape, False), self._typed("loop_output", shape, False)],
        )
        self._nodes = outer
        last, every = self.several(2, "Scan", start, values, body=body, num_scan_inputs=1)
        return last, every

    def finish(self, name: str) -> Any:
        """The ``onnx.GraphProto``; log_probs comes first among its outputs."""
        outputs = [self._outputs[-1], *self._outputs[:-1]]
        return self._onnx.helper.make_graph(
            self._nodes, name, self._inputs, outputs, initializer=list(self._constants.values())
        )

    def _typed(self, name: str, shape: tuple[str | int, ...], ids: bool) -> Any:
        kind = self._onnx.TensorProto.INT64 if ids else self._onnx.TensorProto.FLOAT
        return self._onnx.helper.make_tensor_value_info(name, kind, shape)
