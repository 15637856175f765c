"""Dynamic evaluation against finite differences, and what it must leave alone."""

import re

import numpy as np
import pytest

torch = pytest.importorskip("torch")

from nextword.errors import UsageError  # noqa: E402
from nextword.mixture import Mixture  # noqa: E402
from nextword.model import LanguageModel, Scorer  # noqa: E402
from nextword.neural.dynamic import EPSILON, DynamicEvaluation, gradient_squares, tune_dynamic  # noqa: E402
from nextword.neural.families import build  # noqa: E402
from nextword.neural.model import NeuralModel  # noqa: E402
from nextword.tasks.cache import Cache  # noqa: E402
from nextword.tasks.evaluate import evaluate  # noqa: E402
from nextword.text.corpus import Corpus  # noqa: E402
from toy import BOS, EOS, BigramTable, toy_vocabulary  # noqa: E402

SIZES = {"embedding_size": 3, "hidden_size": 3, "layers": 1}
IDS = np.array([3, 4, EOS, 5, 5, 4, 3], dtype=np.int32)


def network(kind="rnn", *, seed=0, **settings):
    torch.manual_seed(seed)
    return build(kind, SIZES | settings, 6, excluded=BOS).double().eval()


def model(kind="rnn", *, scope="stream", **settings):
    return NeuralModel(network(kind, **settings), toy_vocabulary(), scope=scope)


def segment_loss(net, ids, before, state):
    """The sum of -log p of a segment, from whole distributions; and the state after."""
    read = torch.tensor([[before, *ids[:-1].tolist()]])
    with torch.no_grad():
        hidden, after = net(read, state)
        rows = net.output.log_probs(hidden[0])
    return -sum(float(rows[t, i]) for t, i in enumerate(ids)), after


def slope(net, weight, at, ids, before, state, step=1e-6):
    """The derivative of a segment's mean loss by one number of a weight."""
    losses = []
    for change in (step, -step):
        with torch.no_grad():
            weight.view(-1)[at] += change
        losses.append(segment_loss(net, ids, before, state)[0])
        with torch.no_grad():
            weight.view(-1)[at] -= change
    return (losses[0] - losses[1]) / (2 * step) / len(ids)


def gradients(net, ids, before, state):
    return [
        torch.tensor([slope(net, weight, at, ids, before, state) for at in range(weight.numel())]).view(weight.shape)
        for weight in net.parameters()
    ]


@pytest.mark.parametrize(("kind", "tied"), [("rnn", False), ("lstm", False), ("lstm", True)])
@pytest.mark.parametrize("scaled", [False, True])
def test_equals_its_definition_by_finite_differences(kind, tied, scaled):
    lm = model(kind, tied=tied)
    squares = gradient_squares(lm, IDS[::-1].copy(), segment=3) if scaled else None
    scorer = DynamicEvaluation(lm, rate=0.3, decay=0.1, segment=3, squares=squares)
    scores, _ = scorer.token_log_probs(IDS[None])

    net = network(kind, tied=tied)
    trained = [weight.detach().clone() for weight in net.parameters()]
    scales, divisors = [1.0] * len(trained), [1.0] * len(trained)
    if scaled:
        roots = [root.sqrt() for root in squares.values()]
        mean = torch.cat([root.view(-1) for root in roots]).mean()
        scales = [torch.clamp(root / mean, max=1 / 0.1) for root in roots]
        divisors = [root + EPSILON for root in roots]
    before, state, losses = EOS, net.initial_state(1), []
    for begin in range(0, len(IDS), 3):
        ids = IDS[begin : begin + 3]
        grads = gradients(net, ids, before, state)
        loss, after = segment_loss(net, ids, before, state)
        losses.append(loss)
        with torch.no_grad():
            parts = zip(net.parameters(), trained, grads, scales, divisors, strict=True)
            for weight, old, grad, scale, divisor in parts:
                weight += 0.1 * scale * (old - weight) - 0.3 * grad / divisor
        before, state = int(ids[-1]), after
    found = [-scores[0, begin : begin + 3].sum() for begin in range(0, len(IDS), 3)]
    np.testing.assert_allclose(found, losses, rtol=1e-6)


def test_the_squares_of_gradients_are_those_of_finite_differences():
    found = gradient_squares(model(), IDS[:6], segment=3)
    net, before, total = network(), EOS, None
    state = net.initial_state(1)
    for begin in (0, 3):
        grads = gradients(net, IDS[begin : begin + 3], before, state)
        total = [g**2 + (0 if total is None else total[i]) for i, g in enumerate(grads)]
        _, state = segment_loss(net, IDS[begin : begin + 3], before, state)
        before = int(IDS[begin + 2])
    for square, expected in zip(found.values(), total, strict=True):
        np.testing.assert_allclose(square.numpy(), expected.numpy() / 2, atol=1e-7)


@pytest.mark.parametrize("kind", ["rnn", "gru", "lstm"])
def test_without_steps_it_is_the_model(kind):
    lm = model(kind)
    tokens = np.array([[3, 4, EOS, 5, 5], [5, 3, -1, -1, -1], [-1, -1, -1, -1, -1]], dtype=np.int32)
    scores, state = DynamicEvaluation(lm, rate=0.0, segment=2).token_log_probs(tokens)
    expected, after = lm.token_log_probs(tokens)
    np.testing.assert_allclose(scores, expected, atol=1e-9)
    again, _ = DynamicEvaluation(lm, rate=0.0, segment=2).token_log_probs(tokens[:1].repeat(3, axis=0), state)
    np.testing.assert_allclose(again, lm.token_log_probs(tokens[:1].repeat(3, axis=0), after)[0], atol=1e-9)


def test_never_changes_the_model_nor_a_state():
    lm = model("lstm")
    weights = [weight.detach().clone() for weight in lm.network.parameters()]
    scorer = DynamicEvaluation(lm, rate=1.0, segment=2)
    first, state = scorer.token_log_probs(IDS[None])
    one, _ = scorer.token_log_probs(IDS[None], state)
    other, _ = scorer.token_log_probs(IDS[None], state)
    assert one.tolist() == other.tolist() != first.tolist()
    assert scorer.token_log_probs(IDS[None])[0].tolist() == first.tolist()
    assert all(torch.equal(a, b) for a, b in zip(weights, lm.network.parameters(), strict=True))
    assert all(weight.grad is None for weight in lm.network.parameters())


def test_two_calls_are_one_where_they_meet_between_segments():
    scorer = DynamicEvaluation(model(), rate=0.5, segment=2)
    whole, _ = scorer.token_log_probs(IDS[None])
    head, state = scorer.token_log_probs(IDS[None, :4])
    tail, _ = scorer.token_log_probs(IDS[None, 4:], state)
    np.testing.assert_allclose(np.concatenate([head, tail], axis=1), whole, rtol=1e-12)


def test_rows_learn_for_themselves():
    scorer = DynamicEvaluation(model(), rate=0.5, segment=2)
    tokens = np.stack([IDS, IDS[::-1]])
    both, _ = scorer.token_log_probs(tokens)
    for row, ids in zip(both, tokens, strict=True):
        np.testing.assert_allclose(row, scorer.token_log_probs(ids[None])[0][0], rtol=1e-12)


def test_what_comes_again_is_expected():
    lm, text = model("lstm"), Corpus.from_lines(["a b c"] * 50)
    plain = evaluate(lm, text)
    learning = evaluate(DynamicEvaluation(lm, rate=4.0, segment=5), text)
    assert learning.nats < 0.8 * plain.nats
    assert not learning.normalised  # no perplexity of the model
    scorer = DynamicEvaluation(lm)
    assert isinstance(scorer, Scorer)
    assert not isinstance(scorer, LanguageModel)


def test_tuning_takes_the_best_rate_it_tried():
    lm = model("lstm")
    ids = np.tile(IDS, 20)
    tuning = tune_dynamic(lm, ids, rates=(0.0, 0.01, 0.1), segment=4)
    assert [rate for rate, _ in tuning.tried] == [0.0, 0.01, 0.1]
    assert (tuning.rate, min(p for _, p in tuning.tried)) in tuning.tried
    assert tuning.tried[0][1] == pytest.approx(np.exp(-lm.token_log_probs(ids[None])[0].mean()))
    assert tuning.rate > 0
    scaled = tune_dynamic(lm, ids, segment=4, squares=gradient_squares(lm, ids, segment=4))
    assert [rate for rate, _ in scaled.tried] == pytest.approx([0.0004, 0.0008, 0.002, 0.004, 0.008])


def test_a_cache_over_a_network_and_over_a_mixture_of_it():
    lm = model("lstm")
    tokens = np.tile(IDS, 4)[None]
    mixture = Mixture([BigramTable(), lm], [0.25, 0.75])
    scores, hidden, _ = mixture.token_log_probs_and_hidden(tokens)
    np.testing.assert_allclose(scores, mixture.token_log_probs(tokens)[0], rtol=1e-12)
    shares = np.exp(Cache(lm, weight=1.0).token_log_probs(tokens)[0])[0, 1:]
    cached = np.exp(Cache(mixture, weight=0.5).token_log_probs(tokens)[0])[0, 1:]
    np.testing.assert_allclose(cached, 0.5 * np.exp(scores[0, 1:]) + 0.5 * shares, rtol=1e-6)
    assert hidden.shape == (1, tokens.shape[1], 3)


def test_what_it_refuses():
    message = "dynamic evaluation trains a neural network, and this model is a BigramTable; give a neural one"
    with pytest.raises(UsageError, match=f"^{re.escape(message)}$"):
        DynamicEvaluation(BigramTable())
    message = "dynamic evaluation follows running text, and this model forgets at </s>; train it on a stream"
    with pytest.raises(UsageError, match=f"^{re.escape(message)}$"):
        DynamicEvaluation(model(scope="sentence"))
    message = (
        "a rate of -1, a decay of 0.02 and segments of 20 tokens: give a rate of 0 or more, a decay from 0 to 1, and "
        "segments of 1 token or more"
    )
    with pytest.raises(UsageError, match=f"^{re.escape(message)}$"):
        DynamicEvaluation(model(), rate=-1)
    message = "the squares of gradients are those of another model; measure them with this one"
    with pytest.raises(UsageError, match=f"^{re.escape(message)}$"):
        DynamicEvaluation(model(), squares=gradient_squares(model("lstm"), IDS))
    message = "rates are compared on a text, and it is empty; give one with at least one line"
    with pytest.raises(UsageError, match=f"^{re.escape(message)}$"):
        tune_dynamic(model(), IDS[:0])
    message = "gradients are measured on a text, and it is empty; give one with at least one line"
    with pytest.raises(UsageError, match=f"^{re.escape(message)}$"):
        gradient_squares(model(), IDS[:0])
