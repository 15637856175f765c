import re
from collections import Counter

import numpy as np
import pytest
import torch

from conformance import conforms
from neural.fitting import check_gradients, rows, tiny, tiny_model, train_sentences
from nextword.errors import UsageError
from nextword.neural import recurrent
from nextword.neural.families import build
from nextword.neural.network import select
from nextword.neural.recurrent import RecurrentSettings
from nextword.ngram.smoothing import Smoothing
from nextword.ngram.train import train_ngram
from nextword.tasks.divergence import divergence
from nextword.text.corpus import Corpus
from nextword.text.synthetic import AgreementGrammar
from toy import BOS

CELLS = ["rnn", "gru", "lstm"]
SMALL = {"embedding_size": 3, "hidden_size": 4}
VARIANTS = [{}, {"layers": 1}, {"tied": True}, {"learned_start": True}, {"adaptive": (3,)}, {"weight_drop": 0.5}]


@pytest.mark.parametrize("cell", CELLS)
@pytest.mark.parametrize("scope", ["sentence", "stream"])
def test_recurrent_models_keep_the_protocol(cell, scope):
    conforms(tiny_model(cell, scope=scope, **SMALL), tolerance=1e-4)
    conforms(tiny_model(cell, scope=scope, double=True, **SMALL), tolerance=1e-9)


@pytest.mark.parametrize("settings", VARIANTS[1:])
def test_every_variant_keeps_the_protocol(settings):
    cell = "lstm" if "weight_drop" in settings else "gru"
    conforms(tiny_model(cell, scope="stream", **SMALL | settings), tolerance=1e-4)


@pytest.mark.parametrize("cell", CELLS)
@pytest.mark.parametrize("variant", VARIANTS[:4])
def test_gradients_agree_with_finite_differences(cell, variant):
    network = tiny(cell, double=True, scale=1.0, **SMALL | {"layers": 2} | variant)
    check_gradients(network, rows(2, 3), rows(2, 3, seed=1))


@pytest.mark.parametrize("activation", ["sigmoid", "relu", "gelu"])
def test_gradients_of_other_activations_agree_with_finite_differences(activation):
    network = tiny("rnn", double=True, scale=1.0, activation=activation, layers=1, **SMALL)
    check_gradients(network, rows(2, 3), rows(2, 3, seed=1))


def test_the_equations_of_the_lectures():
    """h_t = sigmoid(W_h h_{t-1} + W_e e_t + b1) and y_t = softmax(U h_t + b2), written out in NumPy."""
    model = tiny_model("rnn", activation="sigmoid", layers=1, double=True, **SMALL)
    arrays = model.arrays()
    h = np.zeros(4)
    for token in (BOS, 5, 3):
        e = arrays["embedding.weight"][token]
        linear = arrays["layers.0.recurrent"] @ h + arrays["layers.0.inputs.weight"] @ e
        h = 1 / (1 + np.exp(-linear - arrays["layers.0.inputs.bias"]))
    y = arrays["output.weight"] @ h + arrays["output.bias"]
    y[BOS] = -np.inf
    state = model.advance(model.start(1), np.array([[5, 3]], dtype=np.int32))
    np.testing.assert_allclose(model.log_probs(state)[0], y - np.log(np.exp(y).sum()), atol=1e-12)


@pytest.mark.parametrize("cell", CELLS)
@pytest.mark.parametrize("batch", [1, 9])
def test_reading_at_once_equals_reading_step_by_step(cell, batch):
    network, tokens = tiny(cell, double=True, **SMALL), rows(batch, 6)
    state = network.initial_state(batch)
    whole, after = network(tokens, state)
    parts = []
    for t in range(6):
        part, state = network(tokens[:, t : t + 1], state)
        parts.append(part)
    torch.testing.assert_close(torch.cat(parts, dim=1), whole)
    torch.testing.assert_close(state, after)


@pytest.mark.parametrize("cell", CELLS)
@pytest.mark.parametrize("time", [1, 6])
def test_rows_of_unequal_length_are_read_as_alone(cell, time):
    network, tokens = tiny(cell, double=True, **SMALL), rows(4, time)
    state = network(rows(4, 3, seed=1), network.initial_state(4))[1]
    lengths = torch.tensor([time, 0, 3, 1]).clamp(max=time)
    hidden, after = network(tokens, state, lengths)
    for i, length in enumerate(lengths.tolist()):
        row = torch.tensor([i])
        before, expected = select(state, row), select(after, row)
        if length:
            alone, before = network(tokens[i : i + 1, :length], before)
            torch.testing.assert_close(hidden[i : i + 1, :length], alone)
        torch.testing.assert_close(expected, before)


@pytest.mark.parametrize("padded", [False, True])
def test_the_same_weights_are_dropped_at_every_step(monkeypatch, padded):
    """Against the equations of one step at a time, with the matrix that the fused layer was given."""
    used = []

    def remember(weight, share, *, training):
        used.append(torch.nn.functional.dropout(weight, share, training))
        return used[-1]

    monkeypatch.setattr(recurrent, "drop_weights", remember)
    network = tiny("lstm", layers=1, weight_drop=0.5, dropout=0.0, **SMALL).train()
    tokens = rows(2, 5)
    hidden, _ = network(tokens, network.initial_state(2), torch.tensor([5, 4]) if padded else None)
    assert len(used) == 1 and 0.2 < float((used[0] == 0).float().mean()) < 0.8
    cell, state = network.layers[0].cell, network.initial_state(2)
    for t in range(4):
        vectors = network.embedding(tokens[:, t])
        state = torch.lstm_cell(vectors, state, cell.weight_ih_l0, used[0], cell.bias_ih_l0, cell.bias_hh_l0)
        torch.testing.assert_close(hidden[:, t], state[0])


@pytest.mark.parametrize("cell", CELLS)
def test_bfloat16_carries_its_state_on(cell):
    network, tokens = tiny(cell, scale=1.0, **SMALL).train(), rows(3, 4)
    state = network.initial_state(3)
    for _ in range(2):
        with torch.autocast("cpu", torch.bfloat16):
            hidden, state = network(tokens, state)
    hidden.float().sum().backward()
    assert all(weight.grad is not None for weight in network.layers.parameters())


def test_a_learned_start_is_where_rows_begin():
    network = tiny("lstm", learned_start=True, **SMALL)
    hidden, _ = network(rows(2, 3), network.initial_state(2))
    hidden.sum().backward()
    assert [tuple(start.shape) for start in network.starts] == [(4,)] * 4
    assert all(float(start.grad.abs().sum()) > 0 for start in network.starts)


def test_tied_weights_are_one():
    network = tiny("lstm", tied=True, **SMALL)
    assert network.output.weight is network.embedding.weight
    assert "output.weight" not in dict(network.named_parameters())


# The pairs of the lectures: the same words in another order mean something else. Training tells of other dishes;
# what it tells of food is no verdict. The last word is the verdict.
GOOD, BAD = "the food was good , not bad at all", "the food was bad , not good at all"
DISHES = ["soup", "wine", "service", "bread", "fish"]
REVIEWS = [
    line
    for dish in DISHES
    for line in (
        f"{GOOD.replace('food', dish)} recommended", f"{BAD.replace('food', dish)} avoid",
        f"the {dish} was cold", "the food was cold",
    )
]  # fmt: skip


@pytest.mark.parametrize("cell", CELLS)
def test_a_recurrent_model_tells_the_order_sensitive_pair_apart(cell):
    assert Counter(GOOD.split()) == Counter(BAD.split())  # a bag of words is the same bag
    settings = {"embedding_size": 12, "hidden_size": 24, "layers": 1, "dropout": 0.0}
    model = train_sentences(cell, REVIEWS, steps=200, rate=0.05, **settings)
    tokens = np.stack([model.vocabulary.ids(line.split()) for line in (GOOD, BAD)])
    found = np.exp(model.log_probs(model.advance(model.start(2), tokens)))
    verdicts = found[:, model.vocabulary.ids(["recommended", "avoid"])]
    assert verdicts[0, 0] > 0.9 and verdicts[1, 1] > 0.9


def test_football_makes_people_happy():
    joys = [("football", "people"), ("music", "children"), ("dancing", "parents"), ("cake", "friends")]
    lines = [f"{joy} makes {other} happy" for joy, _ in joys for _, other in joys if (joy, other) != joys[0]]
    model = train_sentences("lstm", lines, steps=150, rate=0.02, embedding_size=8, hidden_size=16, layers=1)
    pair = ["football makes people happy", "people makes football happy"]
    tokens = np.stack([model.vocabulary.ids(line.split()) for line in pair])
    likely, odd = model.token_log_probs(tokens)[0].sum(axis=1)
    assert likely > odd + 5  # nats


def test_an_lstm_learns_agreement_beyond_the_reach_of_ngrams(capsys):
    """Exact, by enumeration: the LSTM's perplexity is not measured on a sample."""
    source = AgreementGrammar(distance=4, words=2)
    lines = source.sample(40_000, seed=1)
    settings = {"embedding_size": 16, "hidden_size": 32, "layers": 1, "dropout": 0.0}
    lstm = train_sentences("lstm", lines, steps=200, rate=0.04, **settings)
    best = source.perplexity()
    reached = best * np.exp(divergence(source, lstm))
    ngram = train_ngram(Corpus.from_lines(lines), order=4, smoothing=Smoothing("witten-bell"))
    short = best * np.exp(divergence(source, ngram))
    with capsys.disabled():
        print(f"\nagreement at distance 4: true perplexity {best:.4f}, LSTM {reached:.4f}, 4-gram {short:.4f}")
    assert best < reached < 1.03 * best
    assert short >= source.ngram_perplexity(4) > 1.03 * best


@pytest.mark.parametrize(
    ("settings", "message"),
    [
        ({"cell": "lsmt"}, "cell='lsmt': expected one of rnn, gru, lstm"),
        ({"layers": 0}, "layers=0: expected a whole number of 1 or more"),
        ({"dropout_between": -0.1}, "dropout_between=-0.1: expected the share to drop, from 0 to below 1"),
        ({"activation": "relu"}, "activation='relu': only an rnn has a choice; a lstm has tanh"),
        ({"cell": "gru", "weight_drop": 0.5}, "weight_drop=0.5: only an lstm has it; a gru needs 0"),
        (
            {"tied": True, "adaptive": [10]},
            "adaptive=(10,), tied=True: an adaptive softmax has smaller vectors for rare words, "
            "so they cannot be the embeddings; choose one of the two",
        ),
    ],
)
def test_refusals(settings, message):
    with pytest.raises(UsageError, match=f"^{re.escape(message)}$"):
        RecurrentSettings(**settings)


def test_a_cell_that_is_not_the_kind():
    with pytest.raises(UsageError, match="^cell='gru': expected 'lstm' for the kind lstm$"):
        build("lstm", {"cell": "gru"}, 10, 1)
