"""CBOW, the continuous bag of words: embeddings that predict a word from the mean of those around it.

The sibling of the fixed-window model, which predicts the next word from those before it, in their order. With h the
mean of the context's embeddings and u the output vectors, the word w in the middle is told from K words n drawn as
noise (negative sampling, Mikolov et al. 2013b, equation 4):

    J = −log σ(u_w · h) − Σₙ log σ(−u_n · h)

One step of gradient descent per word, as in word2vec, whose one slip is put right: the gradient of a mean over C
embeddings reaches each of them divided by C (İrsoy, Benton and Stratos 2021). Costs do not depend on V.
"""

import math
from collections.abc import Callable
from dataclasses import dataclass

import numpy as np
from numba import njit

from nextword.errors import TrainingError, UsageError
from nextword.text.vocabulary import Vocabulary
from nextword.types import Array, Ids_T

_NOISE_POWER = 0.75  # noise is drawn by count to this power
_LEAST_RATE = 1e-4  # of the first rate: where its linear fall ends
_BLOCK = 20_000  # words whose noise is drawn together


@dataclass(frozen=True)
class CbowSettings:
    """How ``train_cbow`` trains.

    window: words on each side that are the context. negatives: K. rate: of gradient descent, falling to 0 in a line.
    subsample: words of a relative frequency f above it are left out, at random, of each epoch's text with the
    probability 1 − √(subsample / f); 0: none are. seed: of the first vectors, the noise and what is left out.
    """

    embedding_size: int = 100
    window: int = 5
    negatives: int = 5
    epochs: int = 10
    rate: float = 0.1
    subsample: float = 0.0
    seed: int = 0

    def __post_init__(self) -> None:
        for name in ("embedding_size", "window", "negatives", "epochs"):
            if getattr(self, name) < 1:
                raise UsageError(f"{name}={getattr(self, name)}: expected a whole number, 1 or more")
        if not 0 < self.rate < math.inf:
            raise UsageError(f"rate={self.rate}: expected a learning rate above 0, such as 0.1")
        if not 0 <= self.subsample < 1:
            raise UsageError(f"subsample={self.subsample}: expected a relative frequency, such as 0.001, or 0 for none")


def train_cbow(
    tokens: Ids_T,
    vocabulary: Vocabulary,
    settings: CbowSettings | None = None,
    *,
    progress: Callable[[int, float], None] = lambda words, loss: None,
) -> Array:
    """Embeddings of a vocabulary's words, (V, D) float32, learnt from a text's ids.

    tokens: (1 + T,), ``</s>`` first and after each sentence, as ``Indexer.finish`` gives them. A context stays within
    its sentence, whose ends belong to it as ``<s>`` and ``</s>``. progress: called now and then with the words learnt
    from since the last call and their mean J, in nats. Raises TrainingError if there is no word to predict, UsageError
    if the vocabulary has no ``</s>``.
    """
    chosen, eos = settings or CbowSettings(), vocabulary.eos
    if eos is None:
        raise UsageError("CBOW needs a vocabulary with </s>, which ends the sentences; train on another's ids")
    counts = np.bincount(tokens, minlength=len(vocabulary)).astype(np.float64)
    counts[eos] = 0
    if not counts.any():
        raise TrainingError("the training text has no words; give a file with at least one line of text")
    random = np.random.default_rng(chosen.seed)
    span = 0.5 / chosen.embedding_size
    vectors = random.uniform(-span, span, (len(vocabulary), chosen.embedding_size)).astype(np.float32)  # (V, D)
    outputs = np.zeros_like(vectors)  # (V, D)
    noise = np.cumsum(counts**_NOISE_POWER)
    bos = eos if vocabulary.bos is None else vocabulary.bos
    for epoch in range(chosen.epochs):
        text = _subsampled(tokens, counts, eos, chosen.subsample, random)
        middles = np.flatnonzero(text != eos)
        for begin in range(0, len(middles), _BLOCK):
            block = middles[begin : begin + _BLOCK]
            done = (epoch + begin / len(middles)) / chosen.epochs
            drawn = np.searchsorted(noise, random.random((len(block), chosen.negatives)) * noise[-1], side="right")
            rate = chosen.rate * max(1 - done, _LEAST_RATE)
            loss = learn(text, block, drawn.astype(np.int32), vectors, outputs, chosen.window, rate, bos, eos)
            progress(len(block), loss / len(block))
    return vectors


def _subsampled(tokens: Ids_T, counts: Array, eos: int, threshold: float, random: np.random.Generator) -> Ids_T:
    """The text of one epoch, without some of the frequent words' occurrences (Mikolov et al. 2013b, section 2.3)."""
    if not threshold:
        return tokens
    frequency = counts / counts.sum()
    keep = np.sqrt(threshold / np.maximum(frequency, threshold))  # (V,): 1 for words that are not frequent
    keep[eos] = 1
    text: Ids_T = tokens[random.random(len(tokens)) < keep[tokens]]
    return text


@njit(cache=True, fastmath={"reassoc", "contract"})
def learn(
    tokens: Ids_T,
    middles: Array,
    noise: Array,
    vectors: Array,
    outputs: Array,
    window: int,
    rate: float,
    bos: int,
    eos: int,
) -> float:
    """One step for each position in ``middles``, with its row of noise, (N, K); returns the sum of J, nats.

    Vectors and outputs, (V, D), are changed in place. A draw of the word itself is no noise and is passed over.
    """
    size = vectors.shape[1]
    context = np.empty(2 * window, dtype=np.int32)
    mean, gradient = np.empty(size, dtype=np.float32), np.empty(size, dtype=np.float32)
    total = 0.0
    for row in range(len(middles)):
        width = _context(tokens, middles[row], window, bos, eos, context)
        mean[:] = 0
        gradient[:] = 0
        for c in context[:width]:
            for d in range(size):
                mean[d] += vectors[c, d] / np.float32(width)
        word = tokens[middles[row]]
        for k in range(-1, noise.shape[1]):
            other = word if k < 0 else noise[row, k]
            if k >= 0 and other == word:
                continue
            score = np.float32(0)
            for d in range(size):
                score += outputs[other, d] * mean[d]
            z = float(-score if k < 0 else score)
            total += max(z, 0.0) + math.log1p(math.exp(-abs(z)))  # −log σ(−z) = log(1 + eᶻ)
            error = np.float32(1 / (1 + math.exp(-score)) - (1 if k < 0 else 0))  # ∂J/∂score
            step = np.float32(rate) * error
            for d in range(size):
                gradient[d] += error * outputs[other, d]
                outputs[other, d] -= step * mean[d]
        step = np.float32(rate) / np.float32(width)
        for c in context[:width]:
            for d in range(size):
                vectors[c, d] -= step * gradient[d]
    return total


@njit(cache=True)
def _context(tokens: Ids_T, middle: int, window: int, bos: int, eos: int, context: Ids_T) -> int:
    """Fill in the ids around a position, as far as its sentence's ends, which are the last; returns how many."""
    width = 0
    for i in range(middle - 1, max(middle - window, 0) - 1, -1):
        context[width] = bos if tokens[i] == eos else tokens[i]
        width += 1
        if tokens[i] == eos:
            break
    for i in range(middle + 1, min(middle + window, len(tokens) - 1) + 1):
        context[width] = tokens[i]
        width += 1
        if tokens[i] == eos:
            break
    return width
