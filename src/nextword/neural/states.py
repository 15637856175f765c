"""What a recurrent network remembers after each token, layer by layer: its units, and an LSTM's cells.

The output layer, which takes most of the time where the vocabulary is large, has no part in it. T tokens, H units.
"""

from typing import Any

import numpy as np
import torch
from torch import Tensor, nn

from nextword.neural.model import NeuralModel
from nextword.neural.network import State
from nextword.neural.recurrent import RecurrentNetwork
from nextword.types import Array, Ids_T


def layer_names(model: Any) -> list[str]:
    """The parts of a recurrent model's state, such as ``h1 c1 h2 c2`` of an LSTM of two layers; else nothing."""
    if not (isinstance(model, NeuralModel) and isinstance(model.network, RecurrentNetwork)):
        return []
    letters = "hc"[: model.network.layer_class.parts]
    return [f"{letter}{layer}" for layer in range(1, model.network.settings.layers + 1) for letter in letters]


def layer_states(model: NeuralModel, tokens: Ids_T, part: str) -> Array:
    """A part of the state after each token of whole lines, (T, H) float32. part: one of ``layer_names``."""
    network = model.network
    assert isinstance(network, RecurrentNetwork)  # or it has no names
    bos: Any = model.vocabulary.bos
    eos: Any = model.vocabulary.eos
    with torch.inference_mode():
        if model.scope == "stream":
            read = _read(network, np.append(eos, tokens), part)[1:]
        else:  # over </s> a sentence model returns to the state after <s>, which is what it begins a line with
            lines = np.split(tokens, np.flatnonzero(tokens == eos) + 1)[:-1]
            rows = [_read(network, np.append(bos, line[:-1]), part) for line in lines]
            read = torch.cat([row.roll(-1, dims=0) for row in rows])
    found: Array = read.float().cpu().numpy()
    return found


def _read(network: RecurrentNetwork, tokens: Array, part: str) -> Tensor:
    """A part of the state after each of the tokens, (T, H), from the state of who has read nothing."""
    ids = torch.from_numpy(tokens.astype(np.int64)).to(network.embedding.weight.device)
    values, state, parts = network.embedding(ids[:, None]), network.initial_state(1), network.layer_class.parts
    for i, layer in enumerate(network.layers, start=1):
        before = state[(i - 1) * parts : i * parts]
        outputs, _ = layer(values, before, None)
        if part == f"h{i}":
            break
        if part == f"c{i}":
            return _cells(layer.cell, values[:, 0], outputs[:, 0], before)  # type: ignore[arg-type]
        values = outputs
    found: Tensor = outputs[:, 0]
    return found


def _cells(cell: nn.LSTM, inputs: Tensor, outputs: Tensor, before: State) -> Tensor:
    """The cells of an LSTM, which the fused kernel keeps to itself, from its inputs and outputs: (T, D), (T, H).

    c_t = f_t c_{t-1} + i_t g_t (Hochreiter and Schmidhuber 1997; Gers et al. 2000): the gates depend on h alone.
    """
    from_input, from_hidden, input_bias, hidden_bias = cell.parameters()
    hidden = torch.cat([before[0], outputs[:-1]])
    gates = inputs @ from_input.t() + hidden @ from_hidden.t() + input_bias + hidden_bias
    enter, keep, new, _ = gates.chunk(4, dim=1)
    added, kept, cells = enter.sigmoid() * new.tanh(), keep.sigmoid(), [before[1][0]]
    for share, more in zip(kept, added, strict=True):
        cells.append(share * cells[-1] + more)
    return torch.stack(cells[1:])
