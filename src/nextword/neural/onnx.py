"""Neural models as ONNX graphs, for programs without Python or PyTorch.

    tokens (B, T) int64, state_0, state_1, …   →   log_probs (B, T, V) float32, new_state_0, new_state_1, …

``log_probs[:, t]`` is of the token after ``tokens[:, t]``; the new states go in with the next tokens. Batch and time
may have any size. Of a transformer the states are keys and values, (B, heads, S, d), S 0 at first; when S + T would
exceed its context, read the last half of the context again from empty states. The file's metadata say the rest:

    kind, scope, context_length, unk, bos, eos
    first      the id to read before a text, after which a text of scope "sentence" begins anew at each </s>
    start      JSON: for each state what all rows hold before anything is read; empty for keys and values
    words      JSON: the words by id, if they take no more than a megabyte

The graph is written node by node, and not traced: it holds nothing that depends on an example's shapes.
"""

import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np

from nextword import durable
from nextword.errors import UsageError
from nextword.neural.model import NeuralModel
from nextword.neural.onnx_graph import Graph
from nextword.types import Array, Json

OPSET, IR_VERSION = 17, 9  # what runtimes since 2022 read
_WORDS_LIMIT = 1 << 20
_TO_THE_END = np.iinfo(np.int64).max


def write_onnx(model: Any, path: str | Path) -> None:
    """Write a neural model as an ONNX file; the file appears when it is whole. Raises UsageError for other models."""
    if not isinstance(model, NeuralModel):
        raise UsageError(f"a {model.kind} model has no ONNX form; only {', '.join(_BODIES)} models have")
    try:
        import onnx
    except ImportError:
        raise UsageError("this needs onnx; install it with: pip install 'nextword[onnx]'") from None
    made = to_onnx(model)
    if made.ByteSize() > onnx.checker.MAXIMUM_PROTOBUF:
        raise UsageError("the model's weights take more than the 2 GB that an ONNX file holds; make it smaller")
    target = Path(path)
    with durable.system_errors_named(target, "written"), durable.temporary(target.parent) as file:
        durable.write(file, [made.SerializeToString()])
        file.replace(target)


def to_onnx(model: NeuralModel) -> Any:
    """The model as an ``onnx.ModelProto``, float32."""
    import onnx

    arrays = {name: weight.detach().float().cpu().numpy() for name, weight in model.network.named_parameters()}
    graph = Graph(arrays)
    start, hidden = _BODIES[model.kind](graph, model.network)
    graph.result("log_probs", _output(graph, model.network, hidden), ("batch", "time", len(model.vocabulary)))
    made = onnx.helper.make_model(
        graph.finish(model.kind), opset_imports=[onnx.helper.make_opsetid("", OPSET)], producer_name="nextword"
    )
    made.ir_version = IR_VERSION
    onnx.helper.set_model_props(made, _metadata(model, start))
    return made


def _metadata(model: NeuralModel, start: list[list[float]]) -> dict[str, str]:
    first = model.vocabulary.eos if model.scope == "stream" else model.vocabulary.bos
    known: Json = {"kind": model.kind, "scope": model.scope, "context_length": model.context_length, "first": first}
    known |= model.vocabulary.specials() | {"start": start}
    words = json.dumps(model.vocabulary.words, ensure_ascii=False)
    return {name: json.dumps(value) if not isinstance(value, str) else value for name, value in known.items()} | (
        {"words": words} if len(words.encode(errors="replace")) <= _WORDS_LIMIT else {}
    )


def _output(graph: Graph, network: Any, hidden: str) -> str:
    """Log-probabilities of every id, ``<s>`` at -inf."""
    if not hasattr(network.output, "tails"):
        return _softmax(graph, "output.", network.output, hidden, network)
    head = _softmax(graph, "output.head.", network.output.head, hidden, network)
    parts = [graph("Slice", head, graph.ints(0), graph.ints(network.output.first), graph.ints(-1))]
    for i, cluster in enumerate(network.output.tails):
        narrow = graph.linear(hidden, graph.weight(f"output.tails.{i}.projection.weight"))
        place = network.output.first + i
        share = graph("Slice", head, graph.ints(place), graph.ints(place + 1), graph.ints(-1))
        inside = _softmax(graph, f"output.tails.{i}.softmax.", cluster.softmax, narrow, network)
        parts.append(graph("Add", inside, share))
    return graph("Concat", *parts, axis=-1)


def _softmax(graph: Graph, prefix: str, layer: Any, hidden: str, network: Any) -> str:
    tied = layer.weight is network.embedding.weight
    bias = np.zeros(len(layer.weight), dtype=np.float32)
    if layer.bias is not None:
        bias += layer.bias.detach().float().cpu().numpy()
    if layer.excluded is not None:
        bias[layer.excluded] = -np.inf
    weight = graph.weight("embedding.weight" if tied else f"{prefix}weight")
    return graph("LogSoftmax", graph.linear(hidden, weight, graph.constant(bias)), axis=-1)


def _activation(graph: Graph, name: str, values: str) -> str:
    if name != "gelu":
        return graph({"tanh": "Tanh", "sigmoid": "Sigmoid", "relu": "Relu"}[name], values)
    half, one, root = (graph.constant(np.float32(x)) for x in (0.5, 1.0, 2**-0.5))
    share = graph("Mul", half, graph("Add", one, graph("Erf", graph("Mul", values, root))))
    return graph("Mul", values, share)


def _window(graph: Graph, network: Any) -> tuple[list[list[float]], str]:
    """As ``WindowNetwork.forward``: the hidden states, after each state's value at the start."""
    settings, width = network.settings, network.context_length
    tokens = graph.given("tokens", ("batch", "time"), ids=True)
    history = graph("Concat", graph.given("state_0", ("batch", width), ids=True), tokens, axis=1)
    places = [  # the history is width + T long; a window's k-th word stands from 1 + k to width - 1 - k before its end
        graph("Slice", history, graph.ints(1 + k), graph.ints(k + 1 - width or _TO_THE_END), graph.ints(1))
        for k in range(width)
    ]
    table = graph.weight("embedding.weight")
    inputs = graph("Concat", *(graph("Gather", table, place) for place in places), axis=-1)
    hidden = graph.linear(inputs, graph.weight("hidden.weight"), graph.weight("hidden.bias"))
    hidden = _activation(graph, settings.activation, hidden)
    last = graph("Slice", history, graph.ints(-width), graph.ints(_TO_THE_END), graph.ints(1))
    graph.result("new_state_0", last, ("batch", width), ids=True)
    return [[network.excluded] * width], graph("Concat", hidden, inputs, axis=-1) if settings.direct else hidden


def _recurrent(graph: Graph, network: Any) -> tuple[list[list[float]], str]:
    """As ``RecurrentNetwork.forward``, time first within."""
    tokens = graph.given("tokens", ("batch", "time"), ids=True)
    values = graph("Gather", graph.weight("embedding.weight"), graph("Transpose", tokens))
    parts, layer = network.layer_class.parts, {"rnn": _elman, "gru": _gru, "lstm": _lstm}[network.kind]
    for i, size in enumerate(network.settings.sizes()[1:]):
        names = range(i * parts, (i + 1) * parts)
        before = [graph.given(f"state_{n}", ("batch", size)) for n in names]
        values, after = layer(graph, f"layers.{i}.", network.settings, values, before, size)
        for n, new in zip(names, after, strict=True):
            graph.result(f"new_state_{n}", new, ("batch", size))
    start = [part[0].detach().tolist() for part in network.initial_state(1)]
    return start, graph("Transpose", values, perm=[1, 0, 2])


def _elman(
    graph: Graph, prefix: str, settings: Any, values: str, before: list[str], size: int
) -> tuple[str, list[str]]:
    given = graph.linear(values, graph.weight(f"{prefix}inputs.weight"), graph.weight(f"{prefix}inputs.bias"))
    recurrent = graph("Transpose", graph.weight(f"{prefix}recurrent"))

    def step(hidden: str, value: str) -> str:
        return _activation(graph, settings.activation, graph("Add", value, graph("MatMul", hidden, recurrent)))

    last, every = graph.loop(step, before[0], given, size)
    return every, [last]


def _gru(graph: Graph, prefix: str, settings: Any, values: str, before: list[str], size: int) -> tuple[str, list[str]]:
    weights = _gates(graph, prefix, "rzn", "zrn")
    start = graph("Unsqueeze", before[0], graph.ints(0))
    every, last = graph.several(2, "GRU", values, *weights, "", start, hidden_size=size, linear_before_reset=1)
    return graph("Squeeze", every, graph.ints(1)), [graph("Squeeze", last, graph.ints(0))]


def _lstm(graph: Graph, prefix: str, settings: Any, values: str, before: list[str], size: int) -> tuple[str, list[str]]:
    weights = _gates(graph, prefix, "ifco", "iofc")
    starts = [graph("Unsqueeze", part, graph.ints(0)) for part in before]
    every, *last = graph.several(3, "LSTM", values, *weights, "", *starts, hidden_size=size)
    return graph("Squeeze", every, graph.ints(1)), [graph("Squeeze", part, graph.ints(0)) for part in last]


def _gates(graph: Graph, prefix: str, order: str, wanted: str) -> list[str]:
    """Weights, recurrent weights and biases with their gates in ONNX's order instead of PyTorch's."""

    def reordered(name: str) -> Array:
        parts = dict(zip(order, np.split(graph.array(f"{prefix}cell.{name}"), len(order)), strict=True))
        return np.concatenate([parts[gate] for gate in wanted])

    biases = np.concatenate([reordered("bias_ih_l0"), reordered("bias_hh_l0")])
    return [graph.constant(array[None]) for array in (reordered("weight_ih_l0"), reordered("weight_hh_l0"), biases)]


def _transformer(graph: Graph, network: Any) -> tuple[list[list[float]], str]:
    """As ``TransformerNetwork.forward`` of rows of equal length, within the context."""
    settings = network.settings
    tokens = graph.given("tokens", ("batch", "time"), ids=True)
    shape = ("batch", settings.heads, "past", settings.embedding_size // settings.heads)
    caches = [graph.given(f"state_{i}", shape) for i in range(2 * settings.layers)]
    after = (*shape[:2], "past_and_time", shape[3])
    held = graph("Squeeze", graph("Shape", caches[0], start=2, end=3), graph.ints(0))
    end = graph("Add", held, graph("Squeeze", graph("Shape", tokens, start=1, end=2), graph.ints(0)))
    one = graph.constant(np.int64(1))
    places = graph("Range", held, end, one)
    everything = graph("Range", graph.constant(np.int64(0)), end, one)
    seen = graph("LessOrEqual", everything, graph("Unsqueeze", places, graph.ints(1)))  # (T, S + T)
    visible = graph("Where", seen, graph.constant(np.float32(0)), graph.constant(np.float32(-np.inf)))
    values, rotation = graph("Gather", graph.weight("embedding.weight"), tokens), None
    if network.positions is not None:
        values = graph("Add", values, graph("Gather", graph.weight("positions"), places))
    else:
        tables = (graph.constant(table.float().cpu().numpy()) for table in (network.cosines, network.sines))
        rotation = [graph("Gather", table, places) for table in tables]
    for i in range(settings.layers):
        added, new = _attention(graph, f"blocks.{i}.", settings, values, rotation, caches[2 * i : 2 * i + 2], visible)
        values = graph("Add", values, added)
        wide = graph.linear(_norm(graph, f"blocks.{i}.forward_norm", values), *_pair(graph, f"blocks.{i}.widen"))
        narrow = graph.linear(_activation(graph, "gelu", wide), *_pair(graph, f"blocks.{i}.narrow"))
        values = graph("Add", values, narrow)
        for j, part in enumerate(new):
            graph.result(f"new_state_{2 * i + j}", part, after)
    return [[]] * len(caches), _norm(graph, "norm", values)


def _attention(
    graph: Graph,
    prefix: str,
    settings: Any,
    values: str,
    rotation: list[str] | None,
    caches: list[str],
    visible: str,
) -> tuple[str, list[str]]:
    size = settings.embedding_size // settings.heads
    split = graph.linear(_norm(graph, f"{prefix}attention_norm", values), graph.weight(f"{prefix}projections.weight"))
    split = graph("Reshape", split, graph.ints(0, 0, 3, settings.heads, size))
    split = graph("Transpose", split, perm=[2, 0, 3, 1, 4])
    queries, keys, found = (graph("Squeeze", part, graph.ints(0)) for part in graph.several(3, "Split", split, axis=0))
    if rotation is not None:
        queries, keys = (_rotated(graph, part, rotation) for part in (queries, keys))
    keys, found = (graph("Concat", c, new, axis=2) for c, new in zip(caches, (keys, found), strict=True))
    scaled = graph("Mul", queries, graph.constant(np.float32(size**-0.5)))
    scores = graph("Add", graph("MatMul", scaled, graph("Transpose", keys, perm=[0, 1, 3, 2])), visible)
    attended = graph("MatMul", graph("Softmax", scores, axis=-1), found)
    joined = graph(
        "Reshape", graph("Transpose", attended, perm=[0, 2, 1, 3]), graph.ints(0, 0, settings.embedding_size)
    )
    return graph.linear(joined, graph.weight(f"{prefix}attended.weight")), [keys, found]


def _rotated(graph: Graph, vectors: str, rotation: list[str]) -> str:
    first, second = graph.several(2, "Split", vectors, axis=-1)
    turned = graph("Concat", graph("Neg", second), first, axis=-1)
    return graph("Add", graph("Mul", vectors, rotation[0]), graph("Mul", turned, rotation[1]))


def _norm(graph: Graph, name: str, values: str) -> str:
    return graph("LayerNormalization", values, *_pair(graph, name), axis=-1, epsilon=1e-5)


def _pair(graph: Graph, name: str) -> tuple[str, str]:
    return graph.weight(f"{name}.weight"), graph.weight(f"{name}.bias")


_BODIES: dict[str, Callable[[Graph, Any], tuple[list[list[float]], str]]] = {
    "window": _window,
    "rnn": _recurrent,
    "gru": _recurrent,
    "lstm": _recurrent,
    "transformer": _transformer,
}
