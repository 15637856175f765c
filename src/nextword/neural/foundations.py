"""The ground floor of the lectures, in NumPy: activations, losses, gradient descent, the perceptron, layers of neurons.

Nothing here is fast; each function is the formula of a page, and its derivative beside it. N examples, D inputs,
C classes. Arrays are float64. Every loss comes with its gradient, since that is all that learning needs of it.
"""

import math
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import NamedTuple, TypeAlias

import numpy as np

from nextword.errors import UsageError
from nextword.types import Array

Parameters: TypeAlias = dict[str, Array]
Loss: TypeAlias = Callable[[Array, Array], tuple[float, Array]]  # (prediction, target) → loss, ∂loss/∂prediction
Objective: TypeAlias = Callable[..., tuple[float, Parameters]]  # (*batch) → J, ∂J/∂θ at the parameters as they are

_erf = np.vectorize(math.erf, otypes=[np.float64])


class Activation(NamedTuple):
    """f and its derivative f', element by element, both of the pre-activation z."""

    f: Callable[[Array], Array]
    derivative: Callable[[Array], Array]


def sigmoid(z: Array) -> Array:
    """σ(z) = 1 / (1 + e⁻ᶻ), by tanh, which does not overflow."""
    return np.asarray(0.5 * (1 + np.tanh(0.5 * z)))


def normal_cdf(z: Array) -> Array:
    """Φ(z), the probability that a standard normal variable is below z."""
    return np.asarray(0.5 * (1 + _erf(z / math.sqrt(2))))


def normal_density(z: Array) -> Array:
    """φ(z) = Φ'(z)."""
    return np.asarray(np.exp(-0.5 * z**2) / math.sqrt(2 * math.pi))


ACTIVATIONS = {
    "identity": Activation(lambda z: z, np.ones_like),
    "sigmoid": Activation(sigmoid, lambda z: sigmoid(z) * (1 - sigmoid(z))),  # at most 1/4
    "tanh": Activation(np.tanh, lambda z: 1 - np.tanh(z) ** 2),  # at most 1
    "relu": Activation(lambda z: np.maximum(z, 0), lambda z: (z > 0).astype(np.float64)),  # 0 at z = 0
    "gelu": Activation(  # Hendrycks and Gimpel (2016), exact
        lambda z: z * normal_cdf(z), lambda z: normal_cdf(z) + z * normal_density(z)
    ),
}


def activation_named(name: str) -> Activation:
    """One of ``ACTIVATIONS``; UsageError for another name."""
    if name not in ACTIVATIONS:
        raise UsageError(f"unknown activation {name!r}, expected one of {', '.join(ACTIVATIONS)}")
    return ACTIVATIONS[name]


def log_softmax(logits: Array) -> Array:
    """Logarithm of ``softmax``; a logit of -inf stays so."""
    shifted = logits - logits.max(axis=-1, keepdims=True)  # the largest becomes 0: no overflow, the same ratios
    return np.asarray(shifted - np.log(np.exp(shifted).sum(axis=-1, keepdims=True)))


def softmax(logits: Array) -> Array:
    """ŷᵢ = exp(zᵢ) / Σⱼ exp(zⱼ) along the last axis: positive, and of sum 1."""
    return np.exp(log_softmax(logits))


def mean_squared_error(prediction: Array, target: Array) -> tuple[float, Array]:
    """MSE = mean of (ŷ − y)² over all elements."""
    error = prediction - target
    return float((error**2).mean()), 2 * error / error.size


def mean_absolute_error(prediction: Array, target: Array) -> tuple[float, Array]:
    """MAE = mean of |ŷ − y| over all elements; where they are equal, 0 is taken for the gradient."""
    error = prediction - target
    return float(np.abs(error).mean()), np.sign(error) / error.size


def binary_cross_entropy(prediction: Array, target: Array) -> tuple[float, Array]:
    """BCE = −mean of y log ŷ + (1 − y) log(1 − ŷ), of probabilities 0 < ŷ < 1."""
    loss = -(target * np.log(prediction) + (1 - target) * np.log1p(-prediction)).mean()
    return float(loss), (prediction - target) / (prediction * (1 - prediction)) / prediction.size


def cross_entropy(prediction: Array, target: Array) -> tuple[float, Array]:
    """CE = −Σᵢ yᵢ log ŷᵢ, the mean over examples. Both (C,) or (N, C); a target is one-hot, or any distribution."""
    examples = prediction.size / prediction.shape[-1]
    seen = target > 0  # 0 log 0 = 0
    loss = -(target[seen] * np.log(prediction[seen])).sum() / examples
    return float(loss), np.where(seen, -target / np.where(seen, prediction, 1.0), 0.0) / examples


def softmax_cross_entropy(logits: Array, target: Array) -> tuple[float, Array]:
    """``cross_entropy`` of ``softmax(logits)``, with the gradient by the logits.

    The chain rule through ∂ŷⱼ/∂zᵢ = ŷⱼ (1[i = j] − ŷᵢ) leaves ŷ − y: no factor that could vanish.
    """
    examples = logits.size / logits.shape[-1]
    log_prediction, seen = log_softmax(logits), target > 0
    loss = -(target[seen] * log_prediction[seen]).sum() / examples
    return float(loss), (np.exp(log_prediction) - target) / examples


def one_hot(ids: Array, size: int) -> Array:
    """Rows (…, size) with a 1 at each id."""
    return np.eye(size)[ids]


def gradient_descent(objective: Objective, parameters: Parameters, *, rate: float, steps: int) -> list[float]:
    """θ ← θ − η ∇J(θ), ``steps`` times, on all examples at once. Changes the arrays; returns J before each step."""
    losses = []
    for _ in range(steps):
        loss, gradients = objective()
        descend(parameters, gradients, rate)
        losses.append(loss)
    return losses


def stochastic_gradient_descent(
    objective: Objective,
    parameters: Parameters,
    examples: Sequence[Array],
    *,
    rate: float,
    epochs: int,
    batch_size: int = 1,
    seed: int = 0,
) -> list[float]:
    """SGD: as ``gradient_descent``, each step on the next ``batch_size`` of the examples, shuffled in every epoch.

    examples: arrays whose first axis is N, handed on to ``objective``. Returns the mean of J over each epoch.
    """
    random, count, losses = np.random.default_rng(seed), len(examples[0]), []
    for _ in range(epochs):
        order, total = random.permutation(count), 0.0
        for begin in range(0, count, batch_size):
            batch = order[begin : begin + batch_size]
            loss, gradients = objective(*(array[batch] for array in examples))
            descend(parameters, gradients, rate)
            total += loss * len(batch)
        losses.append(total / count)
    return losses


def descend(parameters: Parameters, gradients: Mapping[str, Array], rate: float) -> None:
    """One step, in place: θ ← θ − η ∂J/∂θ for every parameter that has a gradient."""
    for name, gradient in gradients.items():
        parameters[name] -= rate * gradient


@dataclass(eq=False)
class Perceptron:
    """Rosenblatt (1958): ŷ = 1 if w·x + b > 0, else 0. One line through the plane, moved at every mistake."""

    weights: Array  # (D,)
    bias: float = 0.0

    def predict(self, inputs: Array) -> Array:
        """0 or 1 for each example of inputs, (N, D): (N,)."""
        return np.asarray(inputs @ self.weights + self.bias > 0).astype(np.int64)  # (N,)

    def learn(self, inputs: Array, targets: Array, *, epochs: int = 100) -> list[int]:
        """Go over the examples, w ← w + (y − ŷ) x at each, until none is wrong; returns the mistakes of each epoch.

        inputs: (N, D). targets: (N,), 0 or 1. Where a line separates the classes by a margin γ and no example is
        longer than R, there are at most (R/γ)² mistakes (Novikoff 1962); where none does, they never end.
        """
        mistakes = []
        for _ in range(epochs):
            wrong = 0
            for x, y in zip(inputs, targets, strict=True):
                error = int(y) - int(self.predict(x[None])[0])  # −1, 0 or 1
                self.weights = self.weights + error * x  # (D,)
                self.bias += error
                wrong += abs(error)
            mistakes.append(wrong)
            if not wrong:
                break
        return mistakes


@dataclass(frozen=True, eq=False)
class FeedForward:
    """Layers of neurons: a⁰ = x, zˡ = Wˡ aˡ⁻¹ + bˡ, aˡ = f(zˡ), and the last layer with an activation of its own.

    parameters: W1, b1, W2, b2, …, with Wˡ of shape (outputs, inputs). A network for classes has ``identity`` as its
    output and ``softmax_cross_entropy`` as its loss.
    """

    parameters: Parameters
    activation: str = "tanh"
    output: str = "identity"

    @classmethod
    def initial(
        cls, sizes: Sequence[int], *, activation: str = "tanh", output: str = "identity", seed: int = 0
    ) -> "FeedForward":
        """Small random weights, drawn so that a sum over D inputs has a variance near 1; biases of 0."""
        random, parameters = np.random.default_rng(seed), Parameters()
        for layer, (inputs, outputs) in enumerate(zip(sizes, sizes[1:], strict=False), start=1):
            parameters[f"W{layer}"] = random.normal(0, inputs**-0.5, (outputs, inputs))
            parameters[f"b{layer}"] = np.zeros(outputs)
        return cls(parameters, activation, output)

    def predict(self, inputs: Array) -> Array:
        """The last layer's activations, (N, outputs), for inputs (N, D)."""
        return self.forward(inputs)[1][-1]

    def forward(self, inputs: Array) -> tuple[list[Array], list[Array]]:
        """Each layer's z, and each layer's a, which begins with the inputs themselves."""
        zs, activations = [], [inputs]  # a⁰: (N, D)
        for layer in range(1, self.layers + 1):
            z = activations[-1] @ self.parameters[f"W{layer}"].T + self.parameters[f"b{layer}"]  # (N, outputs)
            zs.append(z)
            activations.append(self._activation(layer).f(z))
        return zs, activations

    def loss_and_gradients(self, inputs: Array, targets: Array, loss: Loss) -> tuple[float, Parameters]:
        """Backpropagation: J and ∂J/∂θ by the chain rule, from the last layer to the first.

        δᴸ = ∂J/∂aᴸ ⊙ f'(zᴸ) at the output, and δˡ = (δˡ⁺¹ Wˡ⁺¹) ⊙ f'(zˡ) below it, where δˡ = ∂J/∂zˡ. Then
        ∂J/∂Wˡ = Σₙ δˡₙ ⊗ aˡ⁻¹ₙ and ∂J/∂bˡ = Σₙ δˡₙ (Rumelhart, Hinton and Williams 1986).
        """
        zs, activations = self.forward(inputs)
        value, upstream = loss(activations[-1], targets)  # ∂J/∂aᴸ: (N, outputs)
        gradients = Parameters()
        for layer in range(self.layers, 0, -1):
            delta = upstream * self._activation(layer).derivative(zs[layer - 1])  # (N, outputs)
            gradients[f"W{layer}"] = delta.T @ activations[layer - 1]  # (outputs, inputs)
            gradients[f"b{layer}"] = delta.sum(axis=0)  # (outputs,)
            upstream = delta @ self.parameters[f"W{layer}"]  # ∂J/∂aˡ⁻¹: (N, inputs)
        return value, gradients

    @property
    def layers(self) -> int:
        """Layers of weights."""
        return len(self.parameters) // 2

    def _activation(self, layer: int) -> Activation:
        return activation_named(self.output if layer == self.layers else self.activation)
