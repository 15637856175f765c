"""The ground floor against PyTorch, finite differences and derivations by hand."""

import math

import numpy as np
import pytest

from nextword.errors import UsageError
from nextword.neural import foundations
from nextword.neural.foundations import (
    ACTIVATIONS,
    FeedForward,
    Perceptron,
    activation_named,
    binary_cross_entropy,
    cross_entropy,
    gradient_descent,
    log_softmax,
    mean_absolute_error,
    mean_squared_error,
    one_hot,
    softmax,
    softmax_cross_entropy,
    stochastic_gradient_descent,
)

CORNERS = np.array([[0.0, 0.0], [0.0, 1.0], [1.0, 0.0], [1.0, 1.0]])
XOR, AND = np.array([0, 1, 1, 0]), np.array([0, 0, 0, 1])
LOSSES = [mean_squared_error, mean_absolute_error, binary_cross_entropy, cross_entropy, softmax_cross_entropy]


def slope(function, at, *, step=1e-5):
    """Gradient of a scalar function by central differences, one element at a time."""
    gradient = np.zeros_like(at)
    for index in np.ndindex(at.shape):
        values = []
        for sign in (1, -1):
            moved = at.copy()
            moved[index] += sign * step
            values.append(function(moved))
        gradient[index] = (values[0] - values[1]) / (2 * step)
    return gradient


@pytest.mark.parametrize("name", ACTIVATIONS)
def test_activations_and_their_derivatives(name):
    torch = pytest.importorskip("torch")
    z = np.array([-30.0, -2.5, -0.3, 0.4, 1.7, 30.0])
    twin = {"identity": lambda x: x, "gelu": torch.nn.functional.gelu}.get(name) or getattr(torch, name)
    x = torch.tensor(z, requires_grad=True)
    y = twin(x)
    y.sum().backward()
    f, derivative = ACTIVATIONS[name]
    assert f(z) == pytest.approx(y.detach().numpy(), abs=1e-14)
    assert derivative(z) == pytest.approx(x.grad.numpy(), abs=1e-14)
    assert derivative(z) == pytest.approx((f(z + 1e-6) - f(z - 1e-6)) / 2e-6, abs=1e-8)


def test_the_largest_slopes_of_sigmoid_and_tanh():
    """A quarter and one: what makes long products of them vanish."""
    z = np.linspace(-5, 5, 101)
    assert ACTIVATIONS["sigmoid"].derivative(z).max() == pytest.approx(0.25)
    assert ACTIVATIONS["tanh"].derivative(z).max() == pytest.approx(1.0)


def test_an_unknown_activation():
    with pytest.raises(UsageError) as caught:
        activation_named("swish")
    expected = "unknown activation 'swish', expected one of identity, sigmoid, tanh, relu, gelu"
    assert str(caught.value) == expected


def test_softmax_survives_large_logits():
    assert softmax(np.array([1000.0, 1000.0, -1000.0])) == pytest.approx([0.5, 0.5, 0.0])
    assert log_softmax(np.array([[0.0, -np.inf]])).tolist() == [[0.0, -np.inf]]
    assert softmax(np.log(np.array([1.0, 2.0, 5.0]))) == pytest.approx([0.125, 0.25, 0.625])


@pytest.mark.parametrize("loss", LOSSES)
def test_losses_against_finite_differences_and_pytorch(loss):
    torch = pytest.importorskip("torch")
    functional = torch.nn.functional
    random = np.random.default_rng(1)
    prediction = softmax(random.normal(size=(4, 3)))
    target = one_hot(np.array([2, 0, 1, 1]), 3)
    twins = {
        mean_squared_error: functional.mse_loss,
        mean_absolute_error: functional.l1_loss,
        binary_cross_entropy: functional.binary_cross_entropy,
        cross_entropy: lambda p, y: functional.nll_loss(p.log(), y.argmax(1)),
        softmax_cross_entropy: functional.cross_entropy,
    }
    x = torch.tensor(prediction, requires_grad=True)
    expected = twins[loss](x, torch.tensor(target))
    expected.backward()
    value, gradient = loss(prediction, target)
    assert value == pytest.approx(expected.item(), abs=1e-12)
    assert gradient == pytest.approx(x.grad.numpy(), abs=1e-12)
    assert gradient == pytest.approx(slope(lambda p: loss(p, target)[0], prediction), abs=1e-8, rel=1e-6)


def test_softmax_and_cross_entropy_leave_the_difference():
    """∂J/∂z by the chain rule through softmax's Jacobian, ŷⱼ (1[i = j] − ŷᵢ), is ŷ − y."""
    logits, target = np.array([0.3, -1.2, 2.0]), one_hot(np.array(1), 3)
    y = softmax(logits)
    jacobian = np.diag(y) - np.outer(y, y)
    by_hand = cross_entropy(y, target)[1] @ jacobian
    assert by_hand == pytest.approx(y - target)
    assert softmax_cross_entropy(logits, target)[1] == pytest.approx(by_hand)


def test_a_target_may_be_any_distribution():
    """The cross-entropy of a distribution with itself is its entropy: 1 bit."""
    assert cross_entropy(np.array([0.5, 0.5, 0.0]), np.array([0.5, 0.5, 0.0]))[0] == pytest.approx(math.log(2))


@pytest.mark.parametrize("activation", ["sigmoid", "tanh", "relu", "gelu"])
@pytest.mark.parametrize(("output", "loss"), [("sigmoid", binary_cross_entropy), ("identity", softmax_cross_entropy)])
def test_backpropagation_of_three_layers(activation, output, loss):
    torch = pytest.importorskip("torch")
    random = np.random.default_rng(4)
    network = FeedForward.initial([3, 5, 4, 2], activation=activation, output=output, seed=3)
    for name in network.parameters:
        network.parameters[name] += 0.1 * random.normal(size=network.parameters[name].shape)
    inputs, targets = random.normal(size=(6, 3)), one_hot(random.integers(0, 2, 6), 2)
    value, gradients = network.loss_and_gradients(inputs, targets, loss)
    twins = {name: torch.tensor(array, requires_grad=True) for name, array in network.parameters.items()}
    a = torch.tensor(inputs)
    act = {"gelu": torch.nn.functional.gelu}.get(activation) or getattr(torch, activation)
    for layer in (1, 2, 3):
        z = a @ twins[f"W{layer}"].T + twins[f"b{layer}"]
        a = act(z) if layer < 3 else z
    functional = torch.nn.functional
    over_logits = functional.cross_entropy if output == "identity" else functional.binary_cross_entropy_with_logits
    expected = over_logits(a, torch.tensor(targets))
    expected.backward()
    assert value == pytest.approx(expected.item(), abs=1e-10)
    assert set(gradients) == set(twins)
    for name, gradient in gradients.items():
        assert gradient == pytest.approx(twins[name].grad.numpy(), abs=1e-10)


def test_backpropagation_against_finite_differences():
    random = np.random.default_rng(0)
    network = FeedForward.initial([2, 3, 2], activation="gelu", seed=1)
    inputs, targets = random.normal(size=(4, 2)), random.normal(size=(4, 2))
    _, gradients = network.loss_and_gradients(inputs, targets, mean_squared_error)
    for name, gradient in gradients.items():

        def loss(array, name=name):
            moved = FeedForward({**network.parameters, name: array}, "gelu")
            return mean_squared_error(moved.predict(inputs), targets)[0]

        assert gradient == pytest.approx(slope(loss, network.parameters[name]), abs=1e-8)


def test_the_perceptron_learns_what_a_line_separates():
    """AND: (1, 1) against the rest. Mistakes end, after at most (R/γ)² of them (Novikoff 1962)."""
    perceptron = Perceptron(np.zeros(2))
    mistakes = perceptron.learn(CORNERS, AND)
    assert perceptron.predict(CORNERS).tolist() == AND.tolist()
    assert mistakes[-1] == 0
    augmented = np.column_stack([CORNERS, np.ones(4)])  # the bias is the weight of a constant input
    separator = np.array([1.0, 1.0, -1.5])
    margin = (np.where(AND == 1, 1, -1) * (augmented @ separator)).min() / np.linalg.norm(separator)
    longest = np.linalg.norm(augmented, axis=1).max()
    assert sum(mistakes) <= (longest / margin) ** 2


def test_xor_needs_a_hidden_layer():
    """No line separates XOR (Minsky and Papert 1969): the perceptron errs for ever; two tanh units before it do not."""
    perceptron = Perceptron(np.zeros(2))
    assert min(perceptron.learn(CORNERS, XOR, epochs=200)) > 0
    network = FeedForward.initial([2, 2, 1], output="sigmoid", seed=3)
    targets = XOR[:, None].astype(float)
    losses = gradient_descent(
        lambda: network.loss_and_gradients(CORNERS, targets, binary_cross_entropy),
        network.parameters,
        rate=1.0,
        steps=500,
    )
    assert losses[-1] < 0.05 < losses[0]
    assert (network.predict(CORNERS)[:, 0] > 0.5).astype(int).tolist() == XOR.tolist()


def test_gradient_descent_by_hand():
    """J = θ², ∂J/∂θ = 2θ, η = 0.25: θ halves at every step."""
    parameters = {"theta": np.array([8.0])}
    losses = gradient_descent(
        lambda: (float(parameters["theta"][0] ** 2), {"theta": 2 * parameters["theta"]}),
        parameters,
        rate=0.25,
        steps=3,
    )
    assert losses == [64.0, 16.0, 4.0]
    assert parameters["theta"].tolist() == [1.0]


def test_sgd_sees_every_example_once_an_epoch_and_finds_the_line():
    random = np.random.default_rng(0)
    inputs = random.normal(size=(30, 1))
    targets = 3 * inputs + 0.5
    network, seen = FeedForward.initial([1, 1]), []

    def objective(x, y):
        seen.extend(x[:, 0].tolist())
        return network.loss_and_gradients(x, y, mean_squared_error)

    losses = stochastic_gradient_descent(
        objective, network.parameters, [inputs, targets], rate=0.1, epochs=20, batch_size=4
    )
    assert sorted(seen[:30]) == sorted(seen[30:60]) == sorted(inputs[:, 0].tolist())
    assert seen[:30] != seen[30:60]
    assert losses[-1] < 1e-6
    assert network.parameters["W1"] == pytest.approx(np.array([[3.0]]), abs=1e-3)
    assert network.parameters["b1"] == pytest.approx(np.array([0.5]), abs=1e-3)


def test_a_confident_mistake_teaches_cross_entropy_but_not_mse():
    """Of a sigmoid at z = −8 whose target is 1, MSE has the slope 2(ŷ − y)σ'(z), near 0; BCE has ŷ − y, near −1."""
    z, target = np.array([-8.0]), np.array([1.0])
    f, derivative = ACTIVATIONS["sigmoid"]
    slopes = [loss(f(z), target)[1] * derivative(z) for loss in (mean_squared_error, binary_cross_entropy)]
    assert slopes[0] == pytest.approx(2 * (f(z) - 1) * f(z) * (1 - f(z)))
    assert abs(slopes[0][0]) < 1e-3
    assert slopes[1] == pytest.approx(f(z) - 1)
    assert slopes[1][0] == pytest.approx(-1, abs=1e-3)


def test_an_outlier_moves_mse_more_than_mae():
    """The constant that is best under MSE is the mean, under MAE the median."""
    target = np.array([1.0, 2.0, 3.0, 4.0, 100.0])
    guesses = np.arange(0, 101.0)
    best = [
        guesses[np.argmin([loss(np.full(5, g), target)[0] for g in guesses])]
        for loss in (mean_squared_error, mean_absolute_error)
    ]
    assert best == [target.mean(), np.median(target)]


def test_pytorch_is_not_needed():
    assert "torch" not in vars(foundations)
