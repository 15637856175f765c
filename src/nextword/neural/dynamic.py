"""Dynamic evaluation (Krause et al. 2018): a model that goes on learning from the text it has just scored."""

import copy
from collections.abc import Iterator, Mapping, Sequence
from typing import Literal, NamedTuple

import numpy as np
import torch
from torch import Tensor

from nextword.errors import UsageError
from nextword.neural.model import NeuralModel
from nextword.neural.network import Network, State, detach
from nextword.types import Array, Float_BT, Float_T, Ids_BT, Ids_T

SEGMENT, DECAY, EPSILON = 20, 0.02, 0.002
RATE, SGD_RATE = 0.002, 0.05  # unless given or tuned: with scaled gradients and with plain ones
RATES = (0.01, 0.02, 0.05, 0.1, 0.2)  # tried on a tuning text, with plain gradients
_SAMPLE = 20_000  # tokens of a tuning text that are looked at


class _Row(NamedTuple):
    """A row between two calls: its weights (None: as trained), the last token, which it has not read, and its state."""

    weights: tuple[Tensor, ...] | None
    last: int
    network: State


class DynamicEvaluation:
    """A Scorer: each segment of a text is scored, and then learned from by one step of gradient descent.

    weights += decay · s · (trained - weights) - rate · g / d, where g is the gradient of the segment's mean loss, nats
    a token. With ``squares``, the mean square m of each weight's gradient on some text (``gradient_squares``), d is
    sqrt(m) + EPSILON, and s is sqrt(m) over its mean, decay · s at most 1; without, d and s are 1: plain SGD. The model
    itself is never changed; each row learns for itself. A segment has ``segment`` tokens; the last of a call may have
    fewer.
    """

    scope: Literal["stream"] = "stream"

    def __init__(
        self,
        lm: NeuralModel,
        *,
        rate: float | None = None,
        decay: float = DECAY,
        segment: int = SEGMENT,
        squares: Mapping[str, Tensor] | None = None,
    ):
        """rate: ``RATE`` unless given, or ``SGD_RATE`` without ``squares``. Raises UsageError."""
        self.rate = rate if rate is not None else SGD_RATE if squares is None else RATE
        _check(lm, self.rate, decay, segment)
        self.vocabulary, self.decay, self.segment = lm.vocabulary, decay, segment
        self._network = _learner(lm)
        self._weights = list(self._network.parameters())
        self._trained = [weight.detach().clone() for weight in self._weights]
        self._scales = None if squares is None else _scales(self._network, squares, decay)
        self._eos = _eos(lm)

    def token_log_probs(self, tokens: Ids_BT, state: Sequence[_Row] | None = None) -> tuple[Float_BT, tuple[_Row, ...]]:
        """Log of each token's score, (B, T) nats, and the state after; -1 scores 0."""
        scores = np.zeros(tokens.shape)
        start = _Row(None, self._eos, self._network.initial_state(1))
        rows: list[_Row] = []
        for i, (ids, row) in enumerate(zip(tokens, state or [start] * len(tokens), strict=True)):
            real = ids[ids >= 0]
            found, after = self._follow(real, row)
            scores[i, : len(real)] = found
            rows.append(after)
        return scores, tuple(rows)

    def _follow(self, ids: Ids_T, row: _Row) -> tuple[Float_T, _Row]:
        """Score one row, (T,), and learn from it on the way."""
        if not len(ids):
            return np.zeros(0), row
        with torch.no_grad():
            for weight, value in zip(self._weights, row.weights or self._trained, strict=True):
                weight.copy_(value)
        found: list[Array] = []
        state = row.network
        for loss, scores, after in _segments(self._network, ids, row.last, state, self.segment):
            found.append(scores)
            loss.backward()
            self._step()
            state = after
        weights = tuple(weight.detach().clone() for weight in self._weights)
        return np.concatenate(found), _Row(weights, int(ids[-1]), state)

    @torch.no_grad()
    def _step(self) -> None:
        """Back towards the trained weights, then against the gradient."""
        for i, (weight, trained) in enumerate(zip(self._weights, self._trained, strict=True)):
            if self._scales is None:
                weight.lerp_(trained, self.decay)
            else:
                weight.lerp_(trained, self._scales[i].decay)
            if weight.grad is None:
                continue
            if self._scales is None:
                weight.sub_(weight.grad, alpha=self.rate)
            else:
                weight.addcdiv_(weight.grad, self._scales[i].divisor, value=-self.rate)
            weight.grad.zero_()


def gradient_squares(lm: NeuralModel, ids: Ids_T, *, segment: int = SEGMENT) -> dict[str, Tensor]:
    """The mean square of each weight's gradient over the segments of a text, by name: how much weights move there.

    ids: (T,), the training text: weights that no gradient moves in it, such as those of words that do not occur, would
    move far at the first that does. Raises UsageError for an empty text or a model that is no stream model.
    """
    _check(lm, 0.0, 0.0, segment)
    if not len(ids):
        raise UsageError("gradients are measured on a text, and it is empty; give one with at least one line")
    network = _learner(lm)
    squares = {name: torch.zeros_like(weight) for name, weight in network.named_parameters()}
    count = 0
    for loss, _, _ in _segments(network, ids, _eos(lm), network.initial_state(1), segment):
        loss.backward()
        for name, weight in network.named_parameters():
            if weight.grad is not None:
                squares[name].addcmul_(weight.grad, weight.grad)
                weight.grad.zero_()
        count += 1
    return {name: total / count for name, total in squares.items()}


class DynamicTuning(NamedTuple):
    """The rate that suits a text best, and each rate's perplexity, as tried."""

    rate: float
    tried: list[tuple[float, float]]


def tune_dynamic(
    lm: NeuralModel,
    ids: Ids_T,
    *,
    rates: Sequence[float] | None = None,
    decay: float = DECAY,
    segment: int = SEGMENT,
    squares: Mapping[str, Tensor] | None = None,
) -> DynamicTuning:
    """The best rate for a text that is not the one to be scored; ids: (T,), of which the first 20,000 are looked at.

    rates: to be tried. The others are those of ``DynamicEvaluation``. Raises UsageError for an empty text, and as that
    does.
    """
    if not len(ids):
        raise UsageError("rates are compared on a text, and it is empty; give one with at least one line")
    usual = RATES if squares is None else [rate * RATE / SGD_RATE for rate in RATES]
    tried: list[tuple[float, float]] = []
    for rate in usual if rates is None else rates:
        scorer = DynamicEvaluation(lm, rate=rate, decay=decay, segment=segment, squares=squares)
        scores, _ = scorer.token_log_probs(ids[None, :_SAMPLE])
        tried.append((rate, float(np.exp(-scores.mean()))))
    return DynamicTuning(min(tried, key=lambda row: row[1])[0], tried)


class _Scale(NamedTuple):
    """What a weight's gradient is divided by, and the share of its way back that it goes in a step."""

    divisor: Tensor
    decay: Tensor


def _scales(network: Network, squares: Mapping[str, Tensor], decay: float) -> list[_Scale]:
    names = dict(network.named_parameters())
    if names.keys() != squares.keys():
        raise UsageError("the squares of gradients are those of another model; measure them with this one")
    roots = [squares[name].sqrt() for name in names]
    mean = sum(float(root.sum()) for root in roots) / sum(root.numel() for root in roots)
    return [_Scale(root + EPSILON, (root * (decay / mean if mean else 0.0)).clamp(max=1.0)) for root in roots]


def _segments(
    network: Network, ids: Ids_T, last: int, state: State, segment: int
) -> Iterator[tuple[Tensor, Array, State]]:
    """The mean loss of each segment, which can be differentiated, its tokens' log-probabilities, (T,), and the state.

    last: the token before ``ids``, which is read first. The weights may change between two segments.
    """
    device = next(network.parameters()).device
    read = torch.tensor([last, *ids.tolist()], dtype=torch.int64, device=device)
    for begin in range(0, len(ids), segment):
        targets = read[begin + 1 : begin + 1 + segment]
        with torch.backends.cudnn.flags(enabled=False):  # cuDNN's recurrent layers learn in training mode alone
            hidden, state = network(read[None, begin : begin + len(targets)], state)
        state = detach(state)
        scores = network.output.token_log_probs(hidden[0].detach(), targets)
        loss = network.output.loss(hidden[0], targets) / len(targets)
        yield loss, scores.double().cpu().numpy(), state


def _learner(lm: NeuralModel) -> Network:
    """A copy of the model's network that can learn; its gradients stay where they are, and are zeroed."""
    network = copy.deepcopy(lm.network).eval().requires_grad_()
    network.output.prepare(None, in_place=True)
    return network


def _eos(lm: NeuralModel) -> int:
    eos = lm.vocabulary.eos
    assert eos is not None  # a stream model has one; this tells mypy
    return eos


def _check(lm: object, rate: float, decay: float, segment: int) -> None:
    if not isinstance(lm, NeuralModel):
        kind = getattr(lm, "kind", type(lm).__name__)
        raise UsageError(f"dynamic evaluation trains a neural network, and this model is a {kind}; give a neural one")
    if lm.scope != "stream":
        raise UsageError(
            "dynamic evaluation follows running text, and this model forgets at </s>; train it on a stream"
        )
    if not (0 <= rate < np.inf and 0 <= decay <= 1 and segment >= 1):
        raise UsageError(
            f"a rate of {rate:g}, a decay of {decay:g} and segments of {segment} tokens: give a rate of 0 or more, a "
            "decay from 0 to 1, and segments of 1 token or more"
        )
