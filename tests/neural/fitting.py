"""Tiny networks, and the ten lines that train them: the oracle and the tool of this folder's tests."""

import numpy as np
import torch
from torch.func import functional_call

from nextword.neural.families import build
from nextword.neural.model import NeuralModel
from nextword.text.vocabulary import SPECIALS, Vocabulary
from toy import BOS, toy_vocabulary

V = 7


def tiny(kind, *, seed=0, double=False, scale=3.0, **settings):
    """A network over V ids with weights large enough that what it reads matters."""
    torch.manual_seed(seed)
    network = build(kind, settings, V, BOS)
    with torch.no_grad():
        for name, weight in network.named_parameters():
            weight.mul_(scale if "norm" not in name else 1.0)
            if name.startswith("starts") or name.endswith("bias"):
                weight.uniform_(-1, 1)
    return (network.double() if double else network).eval()


def tiny_model(kind, *, scope="sentence", **settings):
    return NeuralModel(tiny(kind, **settings), toy_vocabulary(V), scope=scope)


def rows(*shape, seed=0):
    """Ids but ``<s>``, int64."""
    readable = torch.tensor([i for i in range(V) if i != BOS])
    return readable[torch.randint(len(readable), shape, generator=torch.Generator().manual_seed(seed))]


def check_gradients(network, tokens, targets):
    """Autograd against finite differences, for every parameter, in float64."""
    weights = dict(network.named_parameters())

    def loss(*values):
        state = functional_call(Start(network), named(weights, values), (len(tokens),))
        hidden, _ = functional_call(network, dict(zip(weights, values, strict=True)), (tokens, state))
        return functional_call(Loss(network), named(weights, values), (hidden.flatten(0, 1), targets.flatten()))

    assert torch.autograd.gradcheck(loss, tuple(weights.values()), eps=1e-6, atol=1e-6, rtol=1e-5)


def named(weights, values):
    return {f"network.{name}": value for name, value in zip(weights, values, strict=True)}


class Start(torch.nn.Module):
    """``initial_state`` as a forward method, so that ``functional_call`` reaches it."""

    def __init__(self, network):
        super().__init__()
        self.network = network

    def forward(self, batch):
        return self.network.initial_state(batch)


class Loss(Start):
    def forward(self, hidden, targets):
        return self.network.output.loss(hidden, targets)


def vocabulary_of(lines):
    return Vocabulary.from_words([*SPECIALS, *sorted({word for line in lines for word in line.split()})])


def sentences(vocabulary, lines):
    """Ids of lines with ``<s>`` and ``</s>``, (N, T + 1); -1 pads."""
    ids = [[vocabulary.bos, *vocabulary.ids(line.split()), vocabulary.eos] for line in lines]
    padded = np.full((len(ids), max(map(len, ids))), -1)
    for row, found in zip(padded, ids, strict=True):
        row[: len(found)] = found
    return torch.from_numpy(padded)


def fit(network, lines, *, steps, rate=0.01, batch=64, seed=0):
    """Train on sentences (N, T + 1) in random batches with AdamW; the mean loss of the last batch, nats per token."""
    generator = torch.Generator().manual_seed(seed)
    optimizer = torch.optim.AdamW(network.parameters(), lr=rate, weight_decay=1e-4)
    schedule = torch.optim.lr_scheduler.OneCycleLR(optimizer, rate, total_steps=steps)
    network.train()
    for _ in range(steps):
        chosen = lines[torch.randint(len(lines), (batch,), generator=generator)]
        hidden, _ = network(chosen[:, :-1].clamp(min=0), network.initial_state(batch))
        targets = chosen[:, 1:].flatten()
        loss = network.output.loss(hidden.flatten(0, 1), targets) / (targets >= 0).sum()
        optimizer.zero_grad()
        loss.backward()
        torch.nn.utils.clip_grad_norm_(network.parameters(), 1.0)
        optimizer.step()
        schedule.step()
    network.eval()
    return float(loss.detach())


def train_sentences(kind, lines, *, steps, rate=0.01, seed=0, **settings):
    """A sentence model of a few lines of text."""
    torch.manual_seed(seed)
    vocabulary = vocabulary_of(lines)
    network = build(kind, settings, len(vocabulary), vocabulary.bos)
    fit(network, sentences(vocabulary, lines), steps=steps, rate=rate, seed=seed)
    return NeuralModel(network, vocabulary, scope="sentence")
