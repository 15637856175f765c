"""The conditional random field beside every sequence that there is, one by one."""

import itertools
from types import SimpleNamespace

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

torch = pytest.importorskip("torch")

from nextword.neural.crf import Crf  # noqa: E402


def crf(tags, seed, allowed=None):
    """One with weights large enough to matter, in float64."""
    made = Crf(tags, allowed=allowed).double()
    random = torch.Generator().manual_seed(seed)
    with torch.no_grad():
        for weight in made.parameters():
            weight.copy_(2 * torch.randn(weight.shape, generator=random, dtype=torch.float64))
    return made


def weigh(model, scores, tags):
    """s(x, y) of one sequence, term by term from the module's docstring; scores (T, K)."""
    total = model.starts[tags[0]] + model.ends[tags[-1]]
    for t, tag in enumerate(tags):
        total = total + scores[t, tag]
        if t:
            total = total + model.transitions[tags[t - 1], tag]
    return total


def sequences(length, tags, allowed=None):
    """Every tag sequence of that length that is allowed."""
    for one in itertools.product(range(tags), repeat=length):
        if allowed is None:
            yield one
            continue
        starts, follows, ends = allowed
        if starts[one[0]] and ends[one[-1]] and all(follows[a, b] for a, b in itertools.pairwise(one)):
            yield one


@st.composite
def problems(draw):
    """A field, scores (B, T, K) and lengths."""
    tags, seed = draw(st.integers(1, 3)), draw(st.integers(0, 10_000))
    lengths = draw(st.lists(st.integers(1, 4), min_size=1, max_size=3))
    allowed = None
    if draw(st.booleans()) and tags > 1:
        random = np.random.default_rng(seed)
        follows = random.random((tags, tags)) < 0.6
        follows[:, 0] = follows[0, :] = True  # some sequence remains
        starts, ends = random.random(tags) < 0.6, random.random(tags) < 0.6
        starts[0] = ends[0] = True
        allowed = (starts, follows, ends)
    scores = 3 * torch.randn(
        (len(lengths), max(lengths), tags), generator=torch.Generator().manual_seed(seed), dtype=torch.float64
    )
    return crf(tags, seed + 1, allowed), scores, torch.tensor(lengths), allowed


@settings(max_examples=40)
@given(problems())
def test_sum_best_and_marginals_are_those_of_all_sequences(problem):
    model, scores, lengths, allowed = problem
    tags = scores.shape[2]
    total, best = model(scores, lengths), model.best(scores, lengths)
    marginals = model.marginals(scores, lengths)
    plain = SimpleNamespace(**{name: weight.detach().numpy() for name, weight in model.named_parameters()})
    for row, length in enumerate(lengths.tolist()):
        every = list(sequences(length, tags, allowed))
        weights = torch.tensor([float(weigh(plain, scores[row].numpy(), one)) for one in every], dtype=torch.float64)
        torch.testing.assert_close(total[row].detach(), weights.logsumexp(0))
        assert tuple(best[row, :length].tolist()) == every[int(weights.argmax())]
        assert (best[row, length:] == -1).all()
        shares = weights.softmax(0)
        expected = torch.zeros(scores.shape[1:], dtype=torch.float64)
        for one, share in zip(every, shares, strict=True):
            expected[range(length), list(one)] += share
        torch.testing.assert_close(marginals[row], expected)


@settings(max_examples=15)
@given(problems())
def test_loss_and_its_gradients_are_those_of_all_sequences(problem):
    model, scores, lengths, allowed = problem
    tags = scores.shape[2]
    chosen = [list(sequences(length, tags, allowed))[-1] for length in lengths.tolist()]
    rows = torch.full(scores.shape[:2], -1)
    for row, one in enumerate(chosen):
        rows[row, : len(one)] = torch.tensor(one)
    scores.requires_grad_()
    weights = [scores, *model.parameters()]
    loss = model.loss(scores, rows, lengths)
    slow = sum(
        torch.stack([weigh(model, scores[i], y) for y in sequences(n, tags, allowed)]).logsumexp(0)
        - weigh(model, scores[i], chosen[i])
        for i, n in enumerate(lengths.tolist())
    )
    torch.testing.assert_close(loss, slow)
    slow_gradients = torch.autograd.grad(slow, weights, materialize_grads=True)  # one token: no transitions
    for fast, other in zip(torch.autograd.grad(loss, weights, materialize_grads=True), slow_gradients, strict=True):
        torch.testing.assert_close(fast, other)


def test_by_hand_two_tokens_two_tags():
    # s(ab) = start_a + 1 + t_ab + 4 + end_b, and so on, with start = (0, 1), end = (2, 0), t = [[0, 3], [1, -1]]:
    # aa 0+1+0+0+2 = 3, ab 0+1+3+4+0 = 8, ba 1+2+1+0+2 = 6, bb 1+2-1+4+0 = 6
    model = Crf(2).double()
    with torch.no_grad():
        model.starts.copy_(torch.tensor([0.0, 1.0]))
        model.ends.copy_(torch.tensor([2.0, 0.0]))
        model.transitions.copy_(torch.tensor([[0.0, 3.0], [1.0, -1.0]]))
    scores, lengths = torch.tensor([[[1.0, 2.0], [0.0, 4.0]]], dtype=torch.float64), torch.tensor([2])
    assert model(scores, lengths).item() == pytest.approx(np.log(np.exp([3, 8, 6, 6]).sum()))
    assert model.best(scores, lengths).tolist() == [[0, 1]]
    assert model.score(scores, torch.tensor([[1, 0]]), lengths).item() == 6
    assert float(model.marginals(scores, lengths)[0, 0, 0]) == pytest.approx(
        np.exp([3, 8]).sum() / np.exp([3, 8, 6, 6]).sum()
    )


def test_padding_changes_nothing_whatever_it_holds():
    model = crf(3, 5)
    scores = torch.randn((2, 4, 3), generator=torch.Generator().manual_seed(1), dtype=torch.float64)
    alone, lengths = scores[:1, :2].clone(), torch.tensor([2, 4])
    for fill in (0.0, 50.0, -1e9):
        scores[0, 2:] = fill
        assert torch.equal(model(scores, lengths)[:1], model(alone, lengths[:1]))
        assert torch.equal(model.best(scores, lengths)[0, :2], model.best(alone, lengths[:1])[0])
        assert torch.equal(model.marginals(scores, lengths)[0, :2], model.marginals(alone, lengths[:1])[0])
        tags = torch.tensor([[1, 2, -1, -1], [0, 1, 2, 0]])
        assert torch.equal(model.score(scores, tags, lengths)[0], model.score(alone, tags[:1, :2], lengths[:1])[0])


def test_what_is_not_allowed_has_no_probability_in_float32():
    allowed = (np.array([True, False]), np.array([[True, False], [True, True]]), np.array([True, True]))
    model = Crf(2, allowed=allowed)  # 1 may not begin, nor follow 0: only zeros remain
    scores, lengths = torch.tensor([[[0.0, 30.0], [0.0, 30.0]]]), torch.tensor([2])
    assert model.best(scores, lengths).tolist() == [[0, 0]]
    assert model.marginals(scores, lengths).tolist() == [[[1, 0], [1, 0]]]
    assert model.loss(scores, torch.tensor([[0, 0]]), lengths).item() == 0
