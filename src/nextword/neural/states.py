"""What a recurrent network remembers after each token, layer by layer: its units, and an LSTM's cells."""

from typing import Any

import numpy as np

from nextword.neural.model import NeuralModel
from nextword.neural.recurrent import RecurrentNetwork
from nextword.types import Array, Ids_T


def layer_names(model: Any) -> list[str]:
    """The parts of a recurrent model's state, such as ``h1 c1 h2 c2`` of an LSTM of two layers; else nothing."""
    if not (isinstance(model, NeuralModel) and isinstance(model.network, RecurrentNetwork)):
        return []
    letters = "hc"[: model.network.layer_class.parts]
    return [f"{letter}{layer}" for layer in range(1, model.network.settings.layers + 1) for letter in letters]


def layer_states(model: NeuralModel, tokens: Ids_T, part: int) -> Array:
    """Part ``part`` of the state after each of the tokens, (T, H) float32, read one by one: no kernel gives all c."""
    state, rows = model.start(1), []
    for token in tokens:
        state = model.advance(state, np.array([[token]]))
        rows.append(state.network[part][0].float().cpu().numpy())
    return np.stack(rows)
