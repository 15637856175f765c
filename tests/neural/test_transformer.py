import re

import numpy as np
import pytest
import torch

from conformance import conforms
from neural.fitting import check_gradients, rows, tiny, tiny_model
from nextword.errors import UsageError
from nextword.neural.network import select
from nextword.neural.transformer import TransformerSettings, rotate

SMALL = {"layers": 2, "heads": 2, "embedding_size": 8, "dropout": 0.0}


def network_of(context, *, positions="rotary", **settings):
    return tiny("transformer", context=context, positions=positions, double=True, scale=8.0, **SMALL | settings)


def uncached(network, ids):
    """The definition of right: the hidden state after ids (T,), from the block that they end in, without a cache.

    A block that is full when one more token comes is followed by one that begins with its last half.
    """
    begin = 0
    while len(ids) - begin > network.context:
        begin += network.context - network.context // 2
    hidden, _ = network(ids[None, begin:], network.initial_state(1))
    return hidden[0, -1]


@pytest.mark.parametrize("positions", ["rotary", "learned"])
@pytest.mark.parametrize("context", [2, 5, 64])
@pytest.mark.parametrize("scope", ["sentence", "stream"])
def test_transformers_keep_the_protocol(positions, context, scope):
    settings = {"positions": positions, "context": context, "scale": 8.0}
    conforms(tiny_model("transformer", scope=scope, **SMALL | settings), tolerance=1e-4, seed=context)
    conforms(tiny_model("transformer", scope=scope, double=True, **SMALL | settings), tolerance=1e-9, seed=context)


@pytest.mark.parametrize("settings", [{"tied": False}, {"tied": False, "adaptive": (3,)}])
def test_other_output_layers_keep_the_protocol(settings):
    conforms(tiny_model("transformer", context=4, **SMALL | settings), tolerance=1e-4)


@pytest.mark.parametrize("positions", ["rotary", "learned"])
def test_gradients_agree_with_finite_differences(positions):
    network = tiny(
        "transformer", positions=positions, context=4, layers=1, heads=2, embedding_size=4, dropout=0.0, double=True
    )
    check_gradients(network, rows(2, 3), rows(2, 3, seed=1))


@pytest.mark.parametrize("positions", ["rotary", "learned"])
@pytest.mark.parametrize("context", [2, 3, 4, 7, 100])
def test_cached_steps_equal_one_pass_without_a_cache_past_the_context_too(positions, context):
    network, tokens = network_of(context, positions=positions), rows(2, 17)
    expected = torch.stack([torch.stack([uncached(network, row[: t + 1]) for t in range(17)]) for row in tokens])
    whole, _ = network(tokens, network.initial_state(2))
    torch.testing.assert_close(whole, expected)
    for pieces in ([1] * 17, [3, 1, 8, 5], [10, 7]):
        state, parts = network.initial_state(2), []
        for piece in tokens.split(pieces, dim=1):
            hidden, state = network(piece, state)
            parts.append(hidden)
        torch.testing.assert_close(torch.cat(parts, dim=1), expected)


@pytest.mark.parametrize("context", [3, 6, 50])
def test_rows_of_unequal_length_are_read_as_alone(context):
    network = network_of(context)
    state = network.initial_state(4)
    read = [torch.zeros(0, dtype=torch.int64)] * 4
    for seed, counts in enumerate([[4, 0, 3, 1], [1, 1, 0, 1], [9, 2, 14, 0], [1, 1, 1, 1]]):
        lengths = torch.tensor(counts)
        tokens = rows(4, max(counts), seed=seed)
        hidden, state = network(tokens, state, None if min(counts) == max(counts) else lengths)
        for i, count in enumerate(counts):
            for t in range(count):
                read[i] = torch.cat([read[i], tokens[i, t : t + 1]])
                torch.testing.assert_close(hidden[i, t], uncached(network, read[i]))


def test_rows_can_be_chosen_and_states_joined():
    network, tokens = network_of(6), rows(3, 5)
    long = network(tokens, network.initial_state(3))[1]
    short = network(tokens[:, :2], network.initial_state(3))[1]
    both = select(network.join([short, long]), torch.tensor([4, 0]))
    following = rows(2, 3, seed=5)
    hidden, _ = network(following, both)
    for row, before in zip((0, 1), (tokens[1], tokens[0, :2]), strict=True):
        torch.testing.assert_close(hidden[row, -1], uncached(network, torch.cat([before, following[row]])))


def test_gradients_past_the_context_are_those_without_a_cache():
    network, tokens = network_of(4), rows(1, 11)
    weight = torch.randn(8, dtype=torch.float64, generator=torch.Generator().manual_seed(0))
    hidden, _ = network(tokens, network.initial_state(1))
    parameters = [parameter for name, parameter in network.named_parameters() if not name.startswith("output")]
    found = torch.autograd.grad(hidden[0, -1] @ weight, parameters)
    torch.testing.assert_close(found, torch.autograd.grad(uncached(network, tokens[0]) @ weight, parameters))
    assert all(float(gradient.abs().sum()) > 0 for gradient in found)


def test_rotation_keeps_lengths_and_tells_distances():
    """Scores between rotated vectors depend on how far apart they are, and on nothing else (Su et al. 2021, eq. 16)."""
    network = network_of(20)
    query, key = torch.randn(2, 1, 1, 1, 4, dtype=torch.float64, generator=torch.Generator().manual_seed(0))
    turned = [rotate(vectors.expand(1, 1, 20, 4), network.cosines, network.sines)[0, 0] for vectors in (query, key)]
    scores = (turned[0] @ turned[1].T).numpy()
    for distance in range(10):
        np.testing.assert_allclose(np.diag(scores, distance), scores[0, distance], atol=1e-6)
    assert len(set(scores[0].round(6))) == 20
    torch.testing.assert_close(turned[0].norm(dim=1), query.flatten().norm().expand(20), atol=1e-6, rtol=0)


def test_the_future_is_not_seen():
    network, tokens = network_of(8), rows(1, 8)
    other = tokens.clone()
    other[0, 5:] = (other[0, 5:] + 1) % 7
    state = network.initial_state(1)
    assert torch.equal(network(tokens, state)[0][:, :5], network(other, state)[0][:, :5])


def test_bfloat16_carries_its_cache_on():
    network, tokens = tiny("transformer", context=8, **SMALL), rows(2, 3)
    state = network.initial_state(2)
    with torch.autocast("cpu", torch.bfloat16):
        for _ in range(5):
            hidden, state = network(tokens, state)
    assert torch.isfinite(hidden).all()


@pytest.mark.parametrize(
    ("settings", "message"),
    [
        ({"context": 1}, "context=1: expected a whole number of 2 or more"),
        ({"positions": "none"}, "positions='none': expected one of rotary, learned"),
        (
            {"embedding_size": 10, "heads": 4},
            "embedding_size=10, heads=4: expected an even number of units per head; take a multiple of 8",
        ),
    ],
)
def test_refusals(settings, message):
    with pytest.raises(UsageError, match=f"^{re.escape(message)}$"):
        TransformerSettings(**settings)
