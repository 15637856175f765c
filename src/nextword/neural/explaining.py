"""Which of the words before mattered: gradients of a log-probability with respect to the embeddings that were read.

They are taken by backpropagation from one prediction to all inputs before it (Simonyan et al. 2014; for text Li et al.
2016). With the embedding's own values they give gradient · input, a first-order share of each word in the logarithm
(Denil et al. 2015). T tokens, S ids read before them, D embedding.
"""

from collections.abc import Sequence
from typing import Any, NamedTuple

import numpy as np
import torch
from torch import Tensor

from nextword.errors import UsageError
from nextword.neural.families import build
from nextword.neural.model import NeuralModel
from nextword.neural.network import Network
from nextword.types import Array, Ids_T


class InputGradients(NamedTuple):
    """Of P predictions and the S = T inputs, the first being what a text begins with: ``<s>``, ``</s>`` or the like.

    read: (S,) ids. log_probs: (P,) nats. norms: (P, S), the Euclidean norm of the gradient of each log-probability with
    respect to each input's embedding; 0 for inputs that the prediction does not see. products: (P, S), gradient times
    input. A window's places before the text count as the first input.
    """

    read: Ids_T
    log_probs: Array
    norms: Array
    products: Array


def input_gradients(model: Any, ids: Ids_T, positions: Sequence[int] | None = None) -> InputGradients:
    """Gradients of log p(ids[t] given what is before it) for t in ``positions``, from 0; for all of them unless given.

    model: a NeuralModel or a PretrainedModel. ids: (T,), one sentence of a sentence model, or a stream. Raises
    UsageError for more tokens than the model's context holds, as what is before is then no longer read.
    """
    limit = model.context_length
    if model.kind != "window" and limit is not None and len(ids) > limit:
        raise UsageError(f"the text has {len(ids):,} tokens, and the model looks back on {limit:,}; give a shorter one")
    chosen = list(range(len(ids))) if positions is None else list(positions)
    if not isinstance(model, NeuralModel):
        return _of_pretrained(model, ids, chosen)
    first = model.vocabulary.eos if model.scope == "stream" else model.vocabulary.bos
    read = np.concatenate([[first], ids[:-1]]).astype(np.int64)
    embedded, hidden = _embedded_and_hidden(model.network, read)
    targets = torch.from_numpy(np.asarray(ids, dtype=np.int64)[chosen]).to(hidden.device)
    log_probs, outer = _from_hidden(model.network, hidden[chosen], targets)
    rows = [_to_inputs(hidden[t], embedded, outer[i]) for i, t in enumerate(chosen)]
    return _summed(read, log_probs.tolist(), rows, embedded, len(ids))


def random_network(kind: str, *, vocab_size: int, size: int, scale: float = 1.0, seed: int = 0) -> Network:
    """A recurrent network as it is before training: one layer, embeddings and hidden units of one size, float64.

    scale: multiplies the recurrent weights of an ``rnn``.
    """
    settings = {"embedding_size": size, "hidden_size": size, "layers": 1}
    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(seed)
        network = build(kind, settings, vocab_size).double().eval()
        with torch.no_grad():
            torch.nn.init.normal_(network.get_parameter("embedding.weight"))
            if kind == "rnn":
                network.get_parameter("layers.0.recurrent").mul_(scale)
    return network


def state_gradients(network: Network, read: Array, targets: Array) -> Array:
    """Norms of the gradient of each log p(target) with respect to each input embedding, (T, T); 0 after the target.

    read, targets: (T,) ids. The network reads them from its initial state.
    """
    embedded, hidden = _embedded_and_hidden(network, np.asarray(read, dtype=np.int64))
    _, outer = _from_hidden(network, hidden, torch.from_numpy(np.asarray(targets, dtype=np.int64)))
    rows = [_to_inputs(hidden[t], embedded, outer[t]) for t in range(len(targets))]
    return np.stack([row.flatten(0, -2).norm(dim=1).numpy() for row in rows])


def _from_hidden(network: Network, hidden: Tensor, targets: Tensor) -> tuple[Tensor, Tensor]:
    """The log-probability of each target, (P,), and its gradient with respect to its hidden state, (P, H)."""
    states = hidden.detach().requires_grad_()
    with torch.enable_grad():
        log_probs = network.output.log_probs(states).gather(1, targets[:, None])[:, 0]
    (outer,) = torch.autograd.grad(log_probs.sum(), states)
    return log_probs.detach(), outer


def _to_inputs(hidden: Tensor, embedded: Tensor, outer: Tensor) -> Tensor:
    """Backpropagation from one hidden state, (H,), to all embeddings."""
    return torch.autograd.grad(hidden, embedded, outer, retain_graph=True)[0].detach()


def _embedded_and_hidden(network: Network, read: Array) -> tuple[Tensor, Tensor]:
    """The embeddings that one row of ids, (S,), was looked up as, and the hidden states after each, (S, H).

    The embeddings are leaves: what they were made of gets no gradient. Their shape is the network's: all places of the
    row, and a window's places before it, are in their order along the dimensions before the last.
    """
    found: list[Tensor] = []

    def detach(module: Any, inputs: Any, output: Tensor) -> Tensor:
        found.append(output.detach().requires_grad_())
        return found[-1]

    layer = network.get_submodule("embedding")
    device = next(network.parameters()).device
    handle = layer.register_forward_hook(detach)
    try:
        with torch.enable_grad(), torch.backends.cudnn.flags(enabled=False):  # cuDNN's layers learn in training alone
            hidden, _ = network(torch.from_numpy(read).to(device)[None], network.initial_state(1))
    finally:
        handle.remove()
    (embedded,) = found
    return embedded, hidden[0]


def _of_pretrained(model: Any, ids: Ids_T, positions: list[int]) -> InputGradients:
    read = np.concatenate([[model.first], ids[:-1]]).astype(np.int64)
    given = torch.from_numpy(read).to(model.network.device)[None]
    embedded = model.network.get_input_embeddings()(given).detach().requires_grad_()
    with torch.enable_grad():
        logits = model.network(inputs_embeds=embedded, use_cache=False).logits[0].float()
        scores = [logits[t].log_softmax(dim=-1)[int(ids[t])] for t in positions]
        rows = [torch.autograd.grad(score, embedded, retain_graph=True)[0] for score in scores]
    return _summed(read, [float(score.detach()) for score in scores], rows, embedded, len(ids))


def _summed(read: Array, log_probs: list[float], rows: list[Tensor], embedded: Tensor, size: int) -> InputGradients:
    """Norms and products of the last ``size`` places; those before them count as the first."""
    values = embedded.detach().flatten(0, -2).double()  # (places, D)
    norms, products = np.zeros((2, len(rows), size))
    extra = len(values) - size
    for i, row in enumerate(rows):
        gradient = row.detach().flatten(0, -2).double()
        squares, own = (gradient**2).sum(dim=1).cpu().numpy(), (gradient * values).sum(dim=1).cpu().numpy()
        norms[i], products[i] = np.sqrt(squares[extra:]), own[extra:]
        norms[i, :1] = np.sqrt(squares[: extra + 1].sum())
        products[i, :1] = own[: extra + 1].sum()
    return InputGradients(read.astype(np.int32), np.array(log_probs), norms, products)
