import pytest
import torch

from neural.fitting import rows, tiny
from nextword.neural.layers import Embedding, VariationalDropout, drop_weights


@pytest.mark.parametrize("time", [0, 1])
def test_variational_dropout_holds_its_mask_through_time(time):
    torch.manual_seed(0)
    dropout = VariationalDropout(0.4, time=time)
    values = torch.ones(30, 40, 50)
    dropped = dropout(values)
    assert (dropped == dropped.select(time, 0).unsqueeze(time)).all()  # the same at every step
    one_step = dropped.select(time, 0)  # other units in other rows, a share of 0.4 of them in all
    assert len({tuple(row.tolist()) for row in one_step}) == len(one_step)
    assert sorted(set(dropped.flatten().tolist())) == pytest.approx([0, 1 / 0.6])
    assert float((dropped == 0).float().mean()) == pytest.approx(0.4, abs=0.03)
    assert not (dropout(values) == dropped).all()  # another mask in the next forward pass
    assert dropout.eval()(values) is values


def test_a_dropped_word_is_absent_wherever_it_occurs():
    torch.manual_seed(0)
    embedding = Embedding(1000, 3, dropout=0.25)
    tokens = torch.arange(1000).repeat(2, 1)
    vectors = embedding(tokens)
    assert torch.equal(vectors[0], vectors[1])
    gone = (vectors[0] == 0).all(dim=1)
    assert float(gone.float().mean()) == pytest.approx(0.25, abs=0.04)
    torch.testing.assert_close(vectors[0][~gone], embedding.weight[~gone] / 0.75)
    assert torch.equal(embedding.eval()(tokens[0]), embedding.weight)


def test_weights_are_dropped_in_training_alone():
    torch.manual_seed(0)
    weight = torch.ones(50, 60)
    dropped = drop_weights(weight, 0.5, training=True)
    assert sorted(set(dropped.flatten().tolist())) == [0, 2]
    assert drop_weights(weight, 0.5, training=False) is weight
    assert drop_weights(weight, 0.0, training=True) is weight


@pytest.mark.parametrize("cell", ["rnn", "gru", "lstm"])
def test_the_output_of_a_recurrent_network_loses_the_same_units_at_every_step(cell):
    network = tiny(cell, hidden_size=40, dropout=0.5, dropout_input=0.0, dropout_between=0.0).train()
    hidden, _ = network(rows(5, 9), network.initial_state(5))
    gone = hidden == 0
    assert torch.equal(gone, gone[:, :1].expand_as(gone))
    assert 0.3 < float(gone.float().mean()) < 0.7


@pytest.mark.parametrize(
    "settings",
    [
        {"dropout_input": 0.5},
        {"dropout_between": 0.5},
        {"dropout_embedding": 0.5},
        {"weight_drop": 0.5},
        {"dropout": 0.5},
    ],
)
def test_each_dropout_of_the_lstm_acts_in_training_alone(settings):
    none = {"dropout": 0.0, "dropout_input": 0.0, "dropout_between": 0.0}
    network, tokens = tiny("lstm", **none | settings), rows(3, 6)
    state = network.initial_state(3)
    assert torch.equal(network(tokens, state)[0], network(tokens, state)[0])
    network.train()
    assert not torch.equal(network(tokens, state)[0], network(tokens, state)[0])
