"""The recurrent language model of the lectures (Elman 1990; Mikolov et al. 2010) from scratch, in NumPy.

    eₜ = E xₜ                           xₜ one-hot
    hₜ = f(W_h hₜ₋₁ + W_e eₜ + b₁)      h₀ the initial state, zero or learnt
    ŷₜ = softmax(U hₜ + b₂)
    Jₜ = −log ŷₜ[wₜ₊₁]                  J = mean over t

It is the readable twin of ``neural.recurrent``: one sequence at a time, float64, and backpropagation through time
written out, with each gradient as a sum over time steps that can also be had unsummed. T tokens, V ids, D embedding,
H hidden. The lectures count t from 1 to T; arrays over time have step t in row t − 1, but ``hidden`` has h₀ in row 0.
"""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import Literal, NamedTuple

import numpy as np

from nextword.errors import UsageError
from nextword.neural.foundations import Activation, Parameters, activation_named, descend, log_softmax, one_hot
from nextword.text.vocabulary import Vocabulary
from nextword.types import Array, Float_BT, Float_BV, Ids_BT, Ids_R, Ids_T


def training_pairs(tokens: Sequence[str]) -> list[tuple[tuple[str, ...], str]]:
    """What a language model learns from a sentence: each token, and all that stand before it.

    >>> for context, following in training_pairs(["<s>", "I", "went", "</s>"]):
    ...     print(*context, "→", following)
    <s> → I
    <s> I → went
    <s> I went → </s>
    """
    return [(tuple(tokens[:t]), tokens[t]) for t in range(1, len(tokens))]


class Forward(NamedTuple):
    """What a forward pass leaves for the backward one."""

    inputs: Ids_T  # (T,)
    targets: Ids_T  # (T,), the token after each
    embedded: Array  # eₜ: (T, D)
    z: Array  # what hₜ is f of: (T, H)
    hidden: Array  # h₀, h₁, …: (1 + T, H)
    log_probs: Array  # log ŷₜ: (T, V)

    @property
    def losses(self) -> Array:
        """Jₜ in nats, (T,)."""
        return np.asarray(-self.log_probs[np.arange(len(self.targets)), self.targets])


@dataclass(frozen=True, eq=False)
class ReferenceNetwork:
    """The network above. parameters: E (V, D), W_h (H, H), W_e (H, D), b1 (H,), U (V, H), b2 (V,) and h0 (H,).

    activation: one of ``foundations.ACTIVATIONS``. learned_start: h0 is learnt like the rest. excluded: an id that is
    never predicted (``<s>``), whose ŷ is 0.
    """

    parameters: Parameters
    activation: str = "tanh"
    learned_start: bool = False
    excluded: int | None = None

    @classmethod
    def initial(
        cls,
        vocab_size: int,
        *,
        embedding_size: int = 16,
        hidden_size: int = 32,
        activation: str = "tanh",
        learned_start: bool = False,
        excluded: int | None = None,
        seed: int = 0,
    ) -> "ReferenceNetwork":
        """Small random weights: uniform between ±1/√H, the embeddings standard normal; biases and h₀ are 0."""
        random, most = np.random.default_rng(seed), hidden_size**-0.5
        parameters = {
            "E": random.normal(size=(vocab_size, embedding_size)),
            "W_h": random.uniform(-most, most, (hidden_size, hidden_size)),
            "W_e": random.uniform(-most, most, (hidden_size, embedding_size)),
            "b1": np.zeros(hidden_size),
            "U": random.uniform(-most, most, (vocab_size, hidden_size)),
            "b2": np.zeros(vocab_size),
            "h0": np.zeros(hidden_size),
        }
        return cls(parameters, activation, learned_start, excluded)

    def read(self, before: Array, embedded: Array) -> tuple[Array, Array]:
        """The pre-activation z and h = f(z), after reading the embedded tokens (…, D) in the states before, (…, H)."""
        p = self.parameters
        z = before @ p["W_h"].T + embedded @ p["W_e"].T + p["b1"]  # (…, H)
        return z, self._f.f(z)

    def log_probs(self, hidden: Array) -> Array:
        """The logarithm of ŷ for hidden states (…, H): (…, V), nats."""
        logits = hidden @ self.parameters["U"].T + self.parameters["b2"]  # (…, V)
        if self.excluded is not None:
            logits[..., self.excluded] = -np.inf
        return log_softmax(logits)

    def forward(self, tokens: Ids_T) -> Forward:
        """Read a sequence of T + 1 tokens, of which all but the last are inputs and all but the first are targets."""
        inputs, targets = _inputs_and_targets(tokens)
        embedded = self.parameters["E"][inputs]  # (T, D)
        zs, hidden = [], [self.parameters["h0"]]
        for e in embedded:
            z, h = self.read(hidden[-1], e)  # (H,), (H,)
            zs.append(z)
            hidden.append(h)
        states = np.stack(hidden)  # (1 + T, H)
        return Forward(inputs, targets, embedded, np.stack(zs), states, self.log_probs(states[1:]))

    def loss(self, tokens: Ids_T) -> float:
        """J: the mean of Jₜ over the sequence, nats per token."""
        return float(self.forward(tokens).losses.mean())

    def loss_and_gradients(self, tokens: Ids_T) -> tuple[float, Parameters]:
        """J and ∂J/∂θ: for each parameter, the sum of its contributions at all time steps."""
        forward = self.forward(tokens)
        gradients = {name: np.zeros_like(self.parameters[name]) for name in self._learnt}
        for contributions in self.backward(forward):
            for name in gradients:
                gradients[name] += contributions[name]
        return float(forward.losses.mean()), gradients

    def step_gradients(self, tokens: Ids_T) -> Parameters:
        """∂J/∂θ unsummed: for each parameter, (T, …) with its contribution at step k in row k − 1."""
        steps = list(self.backward(self.forward(tokens)))[::-1]
        return {name: np.stack([step[name] for step in steps]) for name in self._learnt}

    def contributions(self, tokens: Ids_T, name: str = "W_h") -> Array:
        """∂Jₜ/∂θ at step k, for each loss t and step k: (T, T, …), 0 where k > t. Each Jₜ alone, not divided by T.

        Its sum over k is ∂Jₜ/∂θ, and the mean over t of that is ∂J/∂θ.
        """
        forward = self.forward(tokens)
        each_loss = np.eye(len(forward.targets))  # row t: the weight 1 for Jₜ, 0 for the others
        return np.stack([np.stack([step[name] for step in self.backward(forward, only)][::-1]) for only in each_loss])

    def contribution_norms(self, tokens: Ids_T, name: str = "W_h") -> Array:
        """The Euclidean (Frobenius) norm of each of the ``contributions``, (T, T).

        Along a row, from the diagonal to the left, it shows how far back a loss teaches anything: the norms vanish
        or explode exponentially with the distance t − k (Bengio et al. 1994; Pascanu et al. 2013).
        """
        unsummed = self.contributions(tokens, name)
        return np.asarray(np.sqrt((unsummed**2).reshape(*unsummed.shape[:2], -1).sum(axis=2)))

    def backward(self, forward: Forward, weights: Array | None = None) -> Iterator[Parameters]:
        """Backpropagation through time (Werbos 1990): what each step contributes to ∂J/∂θ, from the last to the first.

        weights: (T,), J = Σₜ weightsₜ Jₜ; 1/T each unless given, which makes it the mean.
        """
        p, time = self.parameters, len(forward.targets)
        shares = np.full(time, 1 / time) if weights is None else weights
        errors = np.exp(forward.log_probs) - one_hot(forward.targets, len(p["b2"]))  # ŷₜ − yₜ: (T, V)
        from_later = np.zeros_like(p["b1"])  # ∂J/∂hₖ by way of step k + 1; none at the end
        for k in reversed(range(time)):  # rows of arrays: hidden[k + 1] is the state after this step
            error = shares[k] * errors[k]  # ∂J/∂(U h + b₂): (V,)
            to_hidden = p["U"].T @ error + from_later  # ∂J/∂h: (H,)
            delta = to_hidden * self._f.derivative(forward.z[k])  # ∂J/∂z: (H,)
            from_later = p["W_h"].T @ delta  # ∂J/∂h of the step before: (H,)
            to_embedding = np.zeros_like(p["E"])
            to_embedding[forward.inputs[k]] = p["W_e"].T @ delta  # one row of (V, D)
            yield {
                "U": np.outer(error, forward.hidden[k + 1]),  # (V, H)
                "b2": error,  # (V,)
                "W_h": np.outer(delta, forward.hidden[k]),  # (H, H)
                "W_e": np.outer(delta, forward.embedded[k]),  # (H, D)
                "b1": delta,  # (H,)
                "E": to_embedding,  # (V, D)
                "h0": from_later if k == 0 else np.zeros_like(from_later),  # (H,): only the first step reads it
            }

    @property
    def _f(self) -> Activation:
        return activation_named(self.activation)

    @property
    def _learnt(self) -> list[str]:
        return [name for name in self.parameters if name != "h0" or self.learned_start]


def clipped(gradients: Parameters, largest: float) -> Parameters:
    """The same direction, with a norm over all parameters of ``largest`` at most (Pascanu et al. 2013, algorithm 1)."""
    norm = float(np.sqrt(sum((gradient**2).sum() for gradient in gradients.values())))
    return gradients if norm <= largest else {name: largest / norm * g for name, g in gradients.items()}


def train_reference(
    network: ReferenceNetwork,
    sentences: Sequence[Ids_T],
    *,
    rate: float = 0.5,
    epochs: int = 20,
    clip: float = 5.0,
    seed: int = 0,
) -> list[float]:
    """SGD with one sentence per step, in a new random order each epoch; changes the network's arrays.

    sentences: ids from ``<s>`` to ``</s>``, see ``sentences_of``. Returns nats per token, mean over each epoch.
    """
    random, history = np.random.default_rng(seed), []
    for _ in range(epochs):
        nats = 0.0
        for i in random.permutation(len(sentences)):
            loss, gradients = network.loss_and_gradients(sentences[i])
            descend(network.parameters, clipped(gradients, clip), rate)
            nats += loss * (len(sentences[i]) - 1)
        history.append(nats / sum(len(sentence) - 1 for sentence in sentences))
    return history


def sentences_of(tokens: Ids_T, vocabulary: Vocabulary) -> list[Ids_T]:
    """Each sentence with its ``<s>`` and ``</s>``, from a text's ids: (1 + T,), ``</s>`` first and after each sentence.

    Raises UsageError if the vocabulary lacks one of the two.
    """
    if vocabulary.bos is None or vocabulary.eos is None:
        raise UsageError("sentences stand between <s> and </s>, which this vocabulary lacks; train on another's ids")
    ends = np.flatnonzero(tokens == vocabulary.eos)
    sentences = [tokens[begin : end + 1].copy() for begin, end in zip(ends, ends[1:], strict=False)]
    for sentence in sentences:
        sentence[0] = vocabulary.bos
    return sentences


class ReferenceModel:
    """A ``ReferenceNetwork`` as a LanguageModel: each sentence begins with h₀ and ``<s>``. A state is h, (B, H)."""

    scope: Literal["sentence"] = "sentence"
    context_length: int | None = None

    def __init__(self, network: ReferenceNetwork, vocabulary: Vocabulary):
        self.network, self.vocabulary = network, vocabulary

    def start(self, batch: int) -> Array:
        """The hidden state after ``<s>``, (B, H)."""
        p = self.network.parameters
        return np.tile(self.network.read(p["h0"], p["E"][self.vocabulary.bos])[1], (batch, 1))

    def log_probs(self, state: Array) -> Float_BV:
        """The logarithm of ŷ, (B, V) nats."""
        return self.network.log_probs(state)

    def advance(self, state: Array, tokens: Ids_BT) -> Array:
        """The hidden state after more tokens; ``</s>`` leads back to the start."""
        start = self.start(len(state))
        for column in tokens.T:  # (B,)
            after = self.network.read(state, self.network.parameters["E"][column])[1]  # (B, H)
            after = np.where(column[:, None] == self.vocabulary.eos, start, after)
            state = np.where(column[:, None] < 0, state, after)
        return state

    def select(self, state: Array, rows: Ids_R) -> Array:
        """Rows of h."""
        return np.asarray(state[rows])

    def join(self, states: Sequence[Array]) -> Array:
        """The rows of all the states, in order."""
        return np.concatenate(states)

    def token_log_probs(self, tokens: Ids_BT, state: Array | None = None) -> tuple[Float_BT, Array]:
        """Log-probability of each token, (B, T) nats, and h after the last."""
        current, scores = self.start(len(tokens)) if state is None else state, np.zeros(tokens.shape)
        rows = np.arange(len(tokens))
        for t, column in enumerate(tokens.T):  # (B,)
            scores[:, t] = np.where(column < 0, 0.0, self.log_probs(current)[rows, column])
            current = self.advance(current, column[:, None])
        return scores, current


def _inputs_and_targets(tokens: Ids_T) -> tuple[Ids_T, Ids_T]:
    if np.ndim(tokens) != 1 or len(tokens) < 2:
        raise UsageError(f"a sequence of shape {np.shape(tokens)}: expected one row of two tokens or more, (1 + T,)")
    return tokens[:-1], tokens[1:]
