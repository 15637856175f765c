"""The output layers against PyTorch's own log-softmax, in float64, float32 and bfloat16, and against each other."""

import copy

import pytest
import torch
from torch import nn

from nextword.errors import UsageError
from nextword.neural import losses
from nextword.neural.adaptive import AdaptiveSoftmax
from nextword.neural.losses import Softmax

H, V = 5, 40


def layer(*, dtype=torch.float64, bias=True, excluded=None, vocab_size=V, seed=0):
    torch.manual_seed(seed)
    softmax = Softmax(H, vocab_size, bias=bias, excluded=excluded).to(dtype)
    if bias:
        nn.init.normal_(softmax.bias)
    return softmax


def batch(n, *, dtype=torch.float64, seed=1, vocab_size=V, scale=1.0):
    generator = torch.Generator().manual_seed(seed)
    hidden = torch.randn(n, H, generator=generator, dtype=torch.float64).mul(scale).to(dtype).requires_grad_()
    return hidden, torch.randint(2, vocab_size, (n,), generator=generator)


def plain_loss(softmax, hidden, targets):
    """The textbook's: all logits, the excluded one at -inf, and PyTorch's cross-entropy."""
    logits = nn.functional.linear(hidden, softmax.weight, softmax.bias)
    if softmax.excluded is not None:
        logits = logits.index_fill(1, torch.tensor([softmax.excluded]), -torch.inf)
    return nn.functional.cross_entropy(logits, targets, reduction="sum", ignore_index=-1)


def gradients(loss, *tensors):
    return torch.autograd.grad(loss, tensors)


@pytest.mark.parametrize("excluded", [None, 1])
@pytest.mark.parametrize("bias", [True, False])
def test_loss_and_gradients_are_those_of_cross_entropy(excluded, bias):
    softmax = layer(bias=bias, excluded=excluded)
    hidden, targets = batch(17)
    targets[[3, 11]] = -1
    tensors = (hidden, *softmax.parameters())
    expected = plain_loss(softmax, hidden, targets)
    actual = softmax.loss(hidden, targets)
    torch.testing.assert_close(actual, expected)
    for a, b in zip(gradients(3 * actual, *tensors), gradients(3 * expected, *tensors), strict=True):
        torch.testing.assert_close(a, b)


def test_gradients_by_finite_differences():
    softmax = layer(excluded=1)
    hidden, targets = batch(4)

    def loss(hidden, weight, bias):
        return losses._CrossEntropy.apply(hidden, weight, bias, targets, softmax)

    assert torch.autograd.gradcheck(loss, (hidden, softmax.weight, softmax.bias))


def test_blocks_and_chunks_change_nothing(monkeypatch):
    softmax = layer(excluded=1)
    hidden, targets = batch(17)
    whole = gradients(softmax.loss(hidden, targets), hidden, *softmax.parameters())
    scores = softmax.token_log_probs(hidden, targets)
    monkeypatch.setattr(losses, "_BYTES", 3 * V * 8)
    monkeypatch.setattr(losses, "_CHUNK", 7 * 6)
    monkeypatch.setattr(losses, "_FREQUENT", 3)
    parts = gradients(softmax.loss(hidden, targets), hidden, *softmax.parameters())
    for a, b in zip(parts, whole, strict=True):
        torch.testing.assert_close(a, b)
    torch.testing.assert_close(softmax.token_log_probs(hidden, targets), scores)


def test_in_place_gradients_are_added_to_what_is_there():
    softmax = layer(excluded=1)
    hidden, targets = batch(9)
    expected = gradients(softmax.loss(hidden, targets), hidden, *softmax.parameters())
    softmax.prepare(torch.float64, in_place=True)
    for _ in range(2):
        softmax.loss(hidden, targets).backward()
    for tensor, gradient in zip((hidden, *softmax.parameters()), expected, strict=True):
        torch.testing.assert_close(tensor.grad, 2 * gradient)


def test_two_losses_of_one_layer_before_one_backward():
    softmax = layer()
    (one, other), (a, b) = zip(batch(5), batch(8, seed=2), strict=True)
    together = gradients(softmax.loss(one, a) + softmax.loss(other, b), one, other, softmax.weight)
    for actual, tensor, loss in ((together[0], one, (one, a)), (together[1], other, (other, b))):
        torch.testing.assert_close(actual, gradients(softmax.loss(*loss), tensor)[0])
    separate = [gradients(softmax.loss(*loss), softmax.weight)[0] for loss in ((one, a), (other, b))]
    torch.testing.assert_close(together[2], sum(separate))


def test_a_rare_id_with_an_enormous_logit(monkeypatch):
    """The shift is the largest logit of the frequent ids; where that is far too small, the largest of all is taken."""
    monkeypatch.setattr(losses, "_FREQUENT", 3)
    softmax = layer()
    softmax.bias.data[30] = 2000.0
    hidden, targets = batch(6)
    torch.testing.assert_close(softmax.loss(hidden, targets), plain_loss(softmax, hidden, targets))


def test_bfloat16_products_keep_the_loss_and_the_direction_of_the_gradient():
    softmax = layer(dtype=torch.float32, excluded=1, vocab_size=3000)
    hidden, targets = batch(64, dtype=torch.float32, vocab_size=3000)
    exact = plain_loss(softmax, hidden, targets)
    expected = gradients(exact, hidden, softmax.weight, softmax.bias)
    softmax.prepare(torch.bfloat16, in_place=False)
    loss = softmax.loss(hidden, targets)
    assert float(loss.detach()) == pytest.approx(float(exact.detach()), rel=1e-3)
    for actual, gradient in zip(gradients(loss, hidden, softmax.weight, softmax.bias), expected, strict=True):
        assert nn.functional.cosine_similarity(actual.flatten(), gradient.flatten(), dim=0) > 0.9999


def test_log_probs_are_normalised_and_what_token_log_probs_gives():
    for softmax in (layer(excluded=1), AdaptiveSoftmax(H, V, cutoffs=[10, 25], excluded=1).double()):
        hidden, targets = batch(12)
        targets[4] = -1
        rows = softmax.log_probs(hidden)
        torch.testing.assert_close(rows.exp().sum(dim=1), torch.ones(12, dtype=torch.float64))
        assert torch.isneginf(rows[:, 1]).all()
        expected = rows.gather(1, targets.clamp(min=0)[:, None])[:, 0] * (targets >= 0)
        torch.testing.assert_close(softmax.token_log_probs(hidden, targets), expected.detach())
        torch.testing.assert_close(softmax.loss(hidden, targets), -expected.sum())


def test_the_excluded_id_has_probability_zero():
    softmax = layer(excluded=1)
    hidden, targets = batch(3)
    targets[1] = 1
    assert torch.isneginf(softmax.token_log_probs(hidden, targets)).tolist() == [False, True, False]


def test_adaptive_softmax_gradients():
    softmax = AdaptiveSoftmax(H, V, cutoffs=[10, 25], excluded=1).double()
    hidden, targets = batch(12)
    expected = -softmax.log_probs(hidden).gather(1, targets[:, None]).sum()
    tensors = (hidden, *softmax.parameters())
    for a, b in zip(gradients(softmax.loss(hidden, targets), *tensors), gradients(expected, *tensors), strict=True):
        torch.testing.assert_close(a, b)


def test_adaptive_softmax_reads_hidden_states_of_bfloat16():
    """What a network computes under autocast; the products of the layer itself are then of that type too."""
    softmax = AdaptiveSoftmax(H, V, cutoffs=[10, 25], excluded=1)
    hidden, targets = torch.randn(12, H), torch.arange(2, V, V // 12)[:12]
    exact = softmax.loss(hidden, targets)
    softmax.prepare(torch.bfloat16, in_place=True)
    rounded = softmax.loss(hidden.bfloat16().requires_grad_(), targets)
    rounded.backward()
    assert rounded.item() == pytest.approx(exact.item(), rel=0.02)
    assert all(weight.grad is not None and weight.grad.isfinite().all() for weight in softmax.parameters())


def test_a_tied_layer_shares_its_parameter():
    embedding = nn.Embedding(V, H)
    softmax = Softmax(H, V, tied=embedding.weight)
    assert softmax.weight is embedding.weight


def test_a_copy_has_memory_of_its_own():
    softmax = layer()
    softmax.loss(*batch(4))
    twin = copy.deepcopy(softmax)
    torch.testing.assert_close(twin.loss(*batch(6)), softmax.loss(*batch(6)))


def test_no_tokens_cost_nothing():
    softmax = layer()
    hidden, targets = batch(3)
    loss = softmax.loss(hidden, torch.full_like(targets, -1))
    loss.backward()
    assert float(loss.detach()) == 0.0


def test_what_does_not_fit_is_refused():
    with pytest.raises(UsageError) as error:
        Softmax(6, V, tied=nn.Parameter(torch.zeros(V, H)))
    assert str(error.value) == (
        "tied embeddings have shape (40, 5), but the output layer needs (40, 6): make the last layer as wide as the "
        "embeddings"
    )
    with pytest.raises(UsageError) as error:
        AdaptiveSoftmax(H, V, cutoffs=[20, 10])
    assert str(error.value) == (
        "cutoffs [20, 10] of an adaptive softmax: give rising ids inside 1 to 39, such as 2000 10000"
    )
    with pytest.raises(UsageError) as error:
        AdaptiveSoftmax(H, V, cutoffs=[1], excluded=1)
    assert str(error.value) == "cutoffs [1]: the first must lie above the excluded id 1"
