"""Encoder, decoder and attention: against padding, against stepping, and against the papers' formulas term by term."""

import itertools
import math

import pytest
import torch
from torch import nn
from torch.nn.utils.rnn import pack_padded_sequence, pad_packed_sequence

from nextword.errors import UsageError
from nextword.neural.attention import Bahdanau, Luong, Memory, NoAttention
from nextword.neural.network import select
from nextword.neural.seq2seq import Encoder, Seq2Seq, Seq2SeqSettings

V = 9
KINDS = [
    ("luong", False),
    ("luong", True),
    ("luong-dot", False),
    ("luong-dot", True),
    ("bahdanau", False),
    ("none", False),
]
COMBINATIONS = [
    {"cell": cell, "attention": attention, "input_feeding": feeding, "layers": layers, "tied": tied}
    for (attention, feeding), (cell, layers, tied) in itertools.product(
        KINDS, [("lstm", 1, True), ("gru", 1, False), ("lstm", 2, False), ("gru", 2, True)]
    )
]
SOURCES = torch.tensor([[3, 4, 5, 6, 2], [7, 8, 2, -1, -1], [2, -1, -1, -1, -1], [5, 5, 5, 2, -1]])
LENGTHS = torch.tensor([5, 3, 1, 4])
TARGETS = torch.tensor([[1, 3, 4, 5], [1, 8, 8, 7], [1, 3, 3, 3], [1, 6, 4, 4]])


def network(**settings):
    torch.manual_seed(1)
    made = Seq2Seq(Seq2SeqSettings(**{"embedding_size": 6, "hidden_size": 8, **settings}), V, V, excluded=1).double()
    with torch.no_grad():
        for parameter in made.parameters():
            parameter.normal_(0, 0.7)  # so that nothing is near 0 by how it begins
    return made.eval()


def read(made, rows, *, steps=None):
    """Vectors (B, T, E) and weights (B, T, S) of some rows, without columns that are padding in all of them."""
    longest = int(LENGTHS[rows].max())
    memory = made.encode(SOURCES[rows][:, :longest], LENGTHS[rows])
    return made(TARGETS[rows][:, :steps], memory, made.start(memory))


@pytest.mark.parametrize("settings", COMBINATIONS, ids=lambda s: "-".join(map(str, s.values())))
def test_padding_changes_nothing_and_steps_are_the_whole(settings):
    made = network(**settings)
    together = read(made, [0, 1, 2, 3])
    for row in range(4):
        alone = read(made, [row])
        torch.testing.assert_close(together.vectors[row], alone.vectors[0], rtol=0, atol=1e-12)
        width = alone.weights.shape[2]
        torch.testing.assert_close(together.weights[row, :, :width], alone.weights[0], rtol=0, atol=1e-12)
        assert not together.weights[row, :, width:].any()
        for part, own in zip(together.state, alone.state, strict=True):
            torch.testing.assert_close(part[row], own[0], rtol=0, atol=1e-12)
    memory = made.encode(SOURCES, LENGTHS)
    state = made.start(memory)
    for t in range(TARGETS.shape[1]):
        step = made(TARGETS[:, t : t + 1], memory, state)
        state = step.state
        torch.testing.assert_close(step.vectors[:, 0], together.vectors[:, t], rtol=0, atol=1e-12)
        torch.testing.assert_close(step.weights[:, 0], together.weights[:, t], rtol=0, atol=1e-12)
    for part, whole in zip(state, together.state, strict=True):
        torch.testing.assert_close(part, whole, rtol=0, atol=1e-12)


@pytest.mark.parametrize("settings", COMBINATIONS[::3], ids=lambda s: "-".join(map(str, s.values())))
def test_rows_can_be_selected(settings):
    made, rows = network(**settings), torch.tensor([3, 0, 3])
    memory = made.encode(SOURCES, LENGTHS)
    state = made(TARGETS[:, :2], memory, made.start(memory)).state
    chosen = made(TARGETS[rows][:, 2:], memory.select(rows), select(state, rows))
    whole = made(TARGETS[:, 2:], memory, state)
    torch.testing.assert_close(chosen.vectors, whole.vectors[rows])
    torch.testing.assert_close(chosen.weights, whole.weights[rows])


@pytest.mark.parametrize("cell", ["lstm", "gru"])
def test_the_encoder_is_pytorchs_bidirectional_one_over_packed_rows(cell):
    settings = Seq2SeqSettings(cell=cell, embedding_size=3, hidden_size=8, dropout=0.0)
    encoder = Encoder(settings).double()
    oracle = {"lstm": nn.LSTM, "gru": nn.GRU}[cell](3, 4, bidirectional=True).double()
    with torch.no_grad():
        ours = [*encoder.forwards[0].parameters(), *encoder.backwards[0].parameters()]
        for parameter, own in zip(oracle.parameters(), ours, strict=True):
            parameter.copy_(own)
    embedded = torch.randn(5, 4, 3, dtype=torch.float64)
    annotations, ends = encoder(embedded, LENGTHS)
    packed, last = oracle(pack_padded_sequence(embedded, LENGTHS, enforce_sorted=False))
    outputs, _ = pad_packed_sequence(packed)
    for row, length in enumerate(LENGTHS.tolist()):
        torch.testing.assert_close(annotations[row, :length], outputs[:length, row])
    hidden = last[0] if cell == "lstm" else last
    torch.testing.assert_close(ends, torch.cat([hidden[0], hidden[1]], dim=1))


def memory_of(attention, annotations, lengths):
    real = torch.arange(annotations.shape[1]) < torch.tensor(lengths)[:, None]
    return Memory(annotations, attention.keys(annotations), real, annotations[:, 0])


def softmax_by_hand(scores):
    weights = [math.exp(score) for score in scores]
    return [weight / sum(weights) for weight in weights]


@pytest.mark.parametrize("name", ["luong", "luong-dot", "bahdanau"])
def test_attention_is_the_papers_formula(name):
    torch.manual_seed(0)
    attention = (Bahdanau(4, 4, 3) if name == "bahdanau" else Luong(4, 4, general=name == "luong")).double()
    annotations = torch.randn(2, 3, 4, dtype=torch.float64)
    queries = torch.randn(2, 2, 4, dtype=torch.float64)
    lengths = [3, 2]
    with torch.no_grad():
        context, weights = attention(queries, memory_of(attention, annotations, lengths))
        for b, t in itertools.product(range(2), range(2)):
            scores = []
            for s in range(lengths[b]):
                q, a = queries[b, t], annotations[b, s]
                if name == "luong":
                    score = q @ attention.project.weight @ a
                elif name == "luong-dot":
                    score = q @ a
                else:
                    mixed = attention.of_query.weight @ q + attention.of_annotation(a)
                    score = attention.score.weight[0] @ torch.tanh(mixed)
                scores.append(float(score))
            expected = softmax_by_hand(scores)
            assert weights[b, t, : lengths[b]].tolist() == pytest.approx(expected, abs=1e-6)
            mean = sum(weight * annotations[b, s] for s, weight in enumerate(expected))
            assert context[b, t].tolist() == pytest.approx(mean.tolist(), abs=1e-6)


def test_a_dot_product_of_vectors_of_two_sizes_has_a_matrix_after_all():
    assert Luong(3, 4, general=False).project is not None
    assert Luong(4, 4, general=False).project is None


def test_without_attention_the_context_is_the_summary():
    annotations = torch.randn(2, 3, 4)
    context, weights = NoAttention()(torch.randn(2, 5, 4), memory_of(NoAttention(), annotations, [3, 3]))
    assert torch.equal(context, annotations[:, :1].expand(2, 5, 4))
    assert weights.shape == (2, 5, 0)


def test_input_feeding_reads_the_last_attentional_vector():
    made = network(input_feeding=True)
    memory = made.encode(SOURCES, LENGTHS)
    start = made.start(memory)
    first = made(TARGETS[:, :1], memory, start)
    assert torch.equal(first.state[-1], first.vectors[:, 0])
    changed = (*first.state[:-1], first.state[-1] + 1)
    plain, other = (made(TARGETS[:, 1:2], memory, state).vectors for state in (first.state, changed))
    assert not torch.allclose(plain, other)


def test_features_take_the_place_of_a_source():
    made = network(features=3, attention="none")
    vectors = torch.randn(4, 3, dtype=torch.float64)
    memory = made.encode(vectors, torch.ones(0))
    together = made(TARGETS, memory, made.start(memory))
    alone = made.encode(vectors[2:3], torch.ones(0))
    torch.testing.assert_close(together.vectors[2:3], made(TARGETS[2:3], alone, made.start(alone)).vectors)
    assert together.weights.shape == (4, 4, 0)


def test_dropout_is_for_training_alone():
    made = network(dropout=0.5)
    assert torch.equal(read(made, [0]).vectors, read(made, [0]).vectors)
    made.train()
    assert not torch.equal(read(made, [0]).vectors, read(made, [0]).vectors)


def test_gradients_reach_every_parameter():
    for settings in COMBINATIONS:
        made = network(**settings).train()
        decoded = read(made, [0, 1, 2, 3])
        made.output.loss(decoded.vectors.flatten(0, 1), TARGETS.roll(-1, 1).flatten()).backward()
        unused = [name for name, parameter in made.named_parameters() if parameter.grad is None]
        # the first attentional vector that is fed is 0, and a memory's summary is no context where there is attention
        assert unused == []


@pytest.mark.parametrize(
    ("settings", "message"),
    [
        ({"cell": "rnn"}, "cell='rnn': expected one of lstm, gru"),
        ({"attention": "dot"}, "attention='dot': expected one of luong, luong-dot, bahdanau, none"),
        ({"hidden_size": 7}, "hidden_size=7: half of it is each direction's; give an even number"),
        ({"dropout": 1.0}, "dropout=1.0: expected the share to drop, from 0 to below 1"),
        ({"layers": 0}, "layers=0: expected a whole number of 1 or more"),
        ({"features": 3}, "attention='luong': a vector has no tokens to look at; give attention 'none'"),
        (
            {"attention": "bahdanau", "input_feeding": True},
            "input_feeding is of luong's attention, not of 'bahdanau'; leave it out",
        ),
    ],
)
def test_settings_out_of_range(settings, message):
    with pytest.raises(UsageError) as error:
        Seq2SeqSettings(**settings)
    assert str(error.value) == message
