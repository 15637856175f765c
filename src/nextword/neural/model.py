"""A neural network as a language model: NumPy arrays outside, the network inside.

B rows, T tokens, V ids, H hidden units. A state is the hidden state that predicts the next token, and the network's.
"""

from collections.abc import Iterator, Sequence
from dataclasses import asdict
from typing import Any, Literal

import numpy as np
import torch
from torch import Tensor

from nextword.errors import UsageError
from nextword.neural.families import build
from nextword.neural.network import Network
from nextword.neural.quantize import Weights, compress, expand
from nextword.neural.reading import NeuralState, Take, join, read_sentences, read_stream, select, start
from nextword.text.vocabulary import Vocabulary
from nextword.types import Array, Float_BT, Float_BV, Ids_BT, Ids_R, Json

Scope = Literal["sentence", "stream"]
_LOGITS = 1 << 23  # numbers of distributions that are in memory at once


class NeuralModel:
    """A LanguageModel around a network, which it sets to evaluation.

    scope "stream": trained on running text, it begins by reading ``</s>`` and carries its state over it. scope
    "sentence": it begins by reading ``<s>``, and over ``</s>`` returns to that state. The network's context is counted
    in tokens. Arrays are of the network's type, float32 if that is narrower.
    """

    stored_as: Weights = "float32"

    def __init__(self, network: Network, vocabulary: Vocabulary, *, scope: Scope):
        """Raises UsageError if the network does not fit the vocabulary or the scope."""
        _check(network, vocabulary, scope)
        self.network, self.vocabulary, self.scope = network.eval(), vocabulary, scope
        self.context_length = network.context_length

    @property
    def kind(self) -> str:
        """The network's family."""
        return self.network.kind

    @property
    def settings(self) -> Json:
        """What the network is made of."""
        return asdict(self.network.settings)

    def __repr__(self) -> str:
        size = sum(parameter.numel() for parameter in self.network.parameters())
        return f"{type(self).__name__}({self.kind}, {self.scope}, {len(self.vocabulary):,} words, {size:,} parameters)"

    def parameters(self) -> Json:
        """What ``from_arrays`` needs beside the arrays, to be stored."""
        return {"kind": self.kind, "scope": self.scope, **self.network.parameters_json()}

    def arrays(self) -> dict[str, Array]:
        """The weights by name, a tied one once, to be stored; of their own type, float32 if that is narrower."""
        return compress({name: _numpy(weight) for name, weight in self.network.named_parameters()}, self.stored_as)

    @classmethod
    def from_arrays(cls, parameters: Json, arrays: dict[str, Array], vocabulary: Vocabulary) -> "NeuralModel":
        """A model over stored weights, which are copied, on the CPU. Raises UsageError if they do not fit together."""
        stored_as, weights = expand(arrays)
        with torch.random.fork_rng(devices=[]):  # loading draws no random numbers that someone else would have drawn
            network = build(parameters["kind"], parameters["settings"], len(vocabulary), parameters["excluded"])
        _copy_weights(network, weights)
        model = cls(network, vocabulary, scope=parameters["scope"])
        model.stored_as = stored_as
        return model

    def embeddings(self) -> Array:
        """A vector for each id, (V, D)."""
        return _numpy(self._weight)

    def start(self, batch: int) -> NeuralState:
        """The state of rows that have read ``<s>``, or ``</s>`` if this is a stream model."""
        with torch.inference_mode():
            return start(self.network, self._first, batch)

    def log_probs(self, state: NeuralState) -> Float_BV:
        """Log-probabilities of every next token, (B, V) nats; ``<s>`` has -inf."""
        with torch.inference_mode():
            return _numpy(self.network.output.log_probs(state.hidden))

    def hidden(self, state: NeuralState) -> Array:
        """The hidden states that predict the next tokens, (B, H)."""
        return _numpy(state.hidden)

    def advance(self, state: NeuralState, tokens: Ids_BT) -> NeuralState:
        """The state after reading (B, T) more tokens."""
        with torch.inference_mode():
            return self._read(tokens, state, None)

    def select(self, state: NeuralState, rows: Ids_R) -> NeuralState:
        """Rows of the state, reordered or repeated."""
        with torch.inference_mode():
            return select(state, torch.from_numpy(np.array(rows, dtype=np.int64)).to(state.hidden.device))

    def join(self, states: Sequence[NeuralState]) -> NeuralState:
        """The rows of all the states, in order; a transformer's caches are made equally long."""
        with torch.inference_mode():
            return join(self.network, states)

    def token_log_probs(self, tokens: Ids_BT, state: NeuralState | None = None) -> tuple[Float_BT, NeuralState]:
        """Log-probability of each token in its row, (B, T) nats, and the state after; -1 scores 0."""
        return self._score(tokens, state, None)

    def token_log_probs_and_hidden(
        self, tokens: Ids_BT, state: NeuralState | None = None
    ) -> tuple[Float_BT, Array, NeuralState]:
        """As ``token_log_probs``, and between the two the hidden states that predicted the tokens, (B, T, H)."""
        parts: list[tuple[Tensor, Tensor]] = []
        scores, after = self._score(tokens, state, lambda hidden, places: parts.append((hidden, places)))
        found = _gathered(parts, tokens.size, after)
        return scores, _numpy(found).astype(scores.dtype, copy=False).reshape(*tokens.shape, -1), after

    def distributions(self, tokens: Ids_BT, state: NeuralState) -> Iterator[tuple[Array, NeuralState]]:
        """Log-probabilities before each token, a few tokens at a time, (B, n, V) nats, and the state after all of them.

        Those at the ends of rows, where tokens are -1, mean nothing.
        """
        parts: list[tuple[Tensor, Tensor]] = []
        with torch.inference_mode():
            after = self._read(tokens, state, lambda hidden, places: parts.append((hidden, places)))
            hidden = _gathered(parts, tokens.size, after).unflatten(0, tokens.shape)
        rows, time = tokens.shape
        width = max(1, _LOGITS // max(1, rows * len(self.vocabulary)))
        for at in range(0, time if rows else 0, width):
            some = hidden[:, at : at + width]
            with torch.inference_mode():
                log_probs = _numpy(self.network.output.log_probs(some.flatten(0, 1)))
            yield log_probs.reshape(*some.shape[:2], -1), after

    def _score(self, tokens: Ids_BT, state: NeuralState | None, also: Take | None) -> tuple[Float_BT, NeuralState]:
        found = np.zeros(tokens.size, dtype=_numpy(self._weight[:0]).dtype)
        flat = np.asarray(tokens, dtype=np.int64).ravel()

        def score(hidden: Tensor, places: Tensor) -> None:
            chosen = places.cpu().numpy()
            targets = torch.from_numpy(flat[chosen]).to(hidden.device)
            found[chosen] = _numpy(self.network.output.token_log_probs(hidden, targets))
            if also is not None:
                also(hidden, places)

        with torch.no_grad():  # and not inference mode: the output layer keeps memory that training then writes to
            after = self._read(tokens, state, score)
        return found.reshape(tokens.shape), after

    def _read(self, tokens: Ids_BT, state: NeuralState | None, take: Take | None) -> NeuralState:
        if self.scope == "sentence":
            return read_sentences(self.network, tokens, state, bos=self._first, eos=self.vocabulary.eos, take=take)
        return read_stream(self.network, tokens, self.start(len(tokens)) if state is None else state, take=take)

    @property
    def _first(self) -> int:
        """What is read before anything else."""
        first = self.vocabulary.eos if self.scope == "stream" else self.vocabulary.bos
        assert first is not None  # _check has seen to it; this tells mypy
        return first

    @property
    def _weight(self) -> Tensor:
        return self.network.get_parameter("embedding.weight")


def _gathered(parts: list[tuple[Tensor, Tensor]], size: int, after: NeuralState) -> Tensor:
    """Hidden states with their places, brought into one array, (size, H); 0 where there is none."""
    found = after.hidden.new_zeros((size, after.hidden.shape[1]))
    for hidden, places in parts:
        found[places] = hidden.to(found.dtype)
    return found


def _numpy(values: Tensor) -> Array:
    """Numbers as NumPy has them: float64 stays, all else is float32."""
    values = values.detach().cpu()
    found: Array = (values if values.dtype == torch.float64 else values.float()).numpy()
    return found


def _check(network: Network, vocabulary: Vocabulary, scope: Any) -> None:
    if network.vocab_size != len(vocabulary):
        raise UsageError(
            f"the network predicts {network.vocab_size:,} ids, but the vocabulary has {len(vocabulary):,}: "
            "take the vocabulary that it was trained with"
        )
    if network.excluded != vocabulary.bos:
        raise UsageError(
            f"the network never predicts id {network.excluded}, but <s> is id {vocabulary.bos}: "
            "take the vocabulary that it was trained with"
        )
    if scope not in ("sentence", "stream"):
        raise UsageError(f"scope={scope!r}: expected 'sentence' or 'stream'")
    if network.kind == "window" and scope == "stream":
        raise UsageError("a window model forgets at </s>: its scope is 'sentence', not 'stream'")
    if vocabulary.eos is None or (scope == "sentence" and vocabulary.bos is None):
        raise UsageError(f"a neural model of scope {scope!r} begins after <s> or </s>, which this vocabulary lacks")


def _copy_weights(network: Network, arrays: dict[str, Array]) -> None:
    """Copy arrays into the parameters of those names. Raises UsageError if names or shapes are others."""
    expected = {name: tuple(weight.shape) for name, weight in network.named_parameters()}
    given = {name: array.shape for name, array in arrays.items()}
    if given != expected:
        name = min(name for name in given.keys() | expected if given.get(name) != expected.get(name))
        raise UsageError(
            f"the array {name!r} of this {network.kind} has shape {given.get(name)}, expected {expected.get(name)}; "
            "train or copy the model again"
        )
    if any(array.dtype == np.float64 for array in arrays.values()):
        network.double()
    for name, weight in network.named_parameters():  # a tied weight has one name
        weight.detach().numpy()[...] = arrays[name]
