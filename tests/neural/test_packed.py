"""A product with a matrix laid out once equals the ordinary product, whatever happens to the matrix."""

import copy

import pytest

torch = pytest.importorskip("torch")

from torch.nn import functional  # noqa: E402

from nextword.neural.losses import Softmax  # noqa: E402
from nextword.neural.packed import PackedLinear  # noqa: E402


def matrices(rows=5, width=40, ids=7000):
    torch.manual_seed(0)
    return torch.randn(rows, width), torch.randn(ids, width), torch.randn(ids)


@pytest.mark.parametrize("rows", [0, 1, 5])
@pytest.mark.parametrize("biased", [True, False])
def test_it_equals_the_ordinary_product(rows, biased):
    inputs, weight, bias = matrices(rows)
    product, bias = PackedLinear(), bias if biased else None
    with torch.inference_mode():
        for _ in range(3):
            torch.testing.assert_close(product(inputs, weight, bias), functional.linear(inputs, weight, bias))


def test_the_layout_is_made_anew_when_the_matrix_has_changed():
    inputs, weight, bias = matrices()
    product = PackedLinear()
    for _ in range(3):
        with torch.inference_mode():
            for _ in range(3):
                torch.testing.assert_close(product(inputs, weight, bias), functional.linear(inputs, weight, bias))
            made = product._layout
        with torch.no_grad():
            weight[6999] += 1.0
    assert made is not None


def test_where_gradients_are_wanted_it_is_the_ordinary_product():
    inputs, weight, bias = matrices()
    weight.requires_grad_()
    product = PackedLinear()
    for _ in range(3):
        product(inputs, weight, bias).sum().backward()
    assert product._layout is None
    torch.testing.assert_close(weight.grad[0], 3 * inputs.sum(0))


def test_types_and_sizes_that_it_is_not_for():
    inputs, weight, bias = matrices()
    product = PackedLinear()
    with torch.inference_mode():
        for _ in range(3):
            assert product(inputs.double(), weight.double(), bias.double()).dtype == torch.float64
            assert product(inputs, weight[:9], bias[:9]).shape == (5, 9)
    assert product._layout is None


def test_an_output_layer_can_be_copied_when_it_has_a_layout():
    layer = Softmax(40, 7000, excluded=1)
    hidden = matrices()[0]
    with torch.inference_mode():
        for _ in range(3):
            found = layer.log_probs(hidden)
        again = copy.deepcopy(layer)
        torch.testing.assert_close(again.log_probs(hidden), found)
