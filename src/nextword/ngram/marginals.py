"""How often a model's contexts come: p(h), by which pruning weighs what it does to the words after h.

The product of the model's own probabilities, p(h_1) p(h_2 given h_1) …, is what Stolcke (1998) and SRILM take. It is
right for a model whose lower orders are marginals of the higher. Those of Kneser–Ney are not: p(h_1) is the share of
contexts that h_1 follows, not its share of the text, and pruning by it does harm (Chelba et al. 2010). Hence the
default here: the frequencies in the text that the whole model would write, its stationary distribution, which needs no
second model and no counts. On Kneser–Ney they come close to relative frequencies, which its discounting preserves.

Perplexity of WikiText-2's test text, 5-grams of modified Kneser-Ney (220.1 unpruned, of 5,760,820 n-grams):

    n-grams of order 2 and up     1,500,000   700,000   300,000   100,000
    product                           225.9     242.0     270.7     317.7
    stationary                        224.0     235.4     256.8     299.3
    product of Witten-Bell's          223.6     235.5     256.5     299.2
    relative frequencies              223.8     236.1     255.6     299.6

On models of Katz and Witten-Bell, stationary and product are within 1 % of each other.
"""

from typing import Literal, get_args

import numpy as np
from numba import njit

from nextword.errors import UsageError
from nextword.ngram.backoff import BackoffModel
from nextword.ngram.links import Linked, words_of
from nextword.types import Array

History = Literal["stationary", "product"]
TOLERANCE = 1e-3  # more steps change what is pruned, but no perplexity in its fourth digit
_NEW = 0.9  # of a step's result; the rest is the distribution before, so that a periodic text does not swing for ever
_STEPS = 100
_AT_ONCE = 1 << 18  # n-grams scored together


def marginals(model: BackoffModel, linked: Linked, history: History | BackoffModel = "stationary") -> Array:
    """p(h) of every n-gram of a model below its top order, (M,), that of ``<s>`` being the share of sentence ends.

    linked: the model's links. history: ``stationary``, ``product`` (both: see above), or another model, whose product
    is taken; words that it does not know are its ``<unk>``. Raises UsageError for another history.
    """
    if isinstance(history, BackoffModel):
        return _products_of(history, linked, model)
    if history not in get_args(History):
        known = ", ".join(get_args(History))
        raise UsageError(f"history {history!r} is none of {known}, and no n-gram model; give one of these")
    own = _products(*_trie(linked), linked.p, linked.bos, linked.eos)
    return own if history == "product" else stationary(linked, own)


def stationary(linked: Linked, begin: Array, *, tolerance: float = TOLERANCE) -> Array:
    """The share of each n-gram below the top order in an endless text that the model writes, (M,).

    By power iteration from ``begin``, (M,), which ends when a step changes the unigrams' shares by no more than
    ``tolerance`` in sum. Sentences follow each other: after ``</s>`` the context is ``<s>``, whose share is the same.
    """
    shares, size = begin, int(linked.starts[2])
    for _ in range(_STEPS):
        new = _written_next(*_trie(linked), linked.suffix, linked.p, linked.backoff, shares, linked.bos, linked.eos)
        total = new[:size].sum() - new[linked.bos]
        if not total > 0:  # a model that gives nothing any probability
            return begin
        new *= _NEW / total
        new += (1 - _NEW) * shares
        change = np.abs(new[:size] - shares[:size]).sum()
        shares = new
        if change <= tolerance:
            break
    return np.maximum(shares, 0.0, out=shares)


def _trie(linked: Linked) -> tuple[Array, Array]:
    return linked.starts, linked.first


def _products_of(other: BackoffModel, linked: Linked, model: BackoffModel) -> Array:
    """The product of another model's probabilities of each context's words, (M,)."""
    starts, first, theirs = linked.starts, linked.first, ids_in(other, model)
    result = np.empty(starts[linked.order])
    for k in range(1, linked.order):
        for begin in range(starts[k], starts[k + 1], _AT_ONCE):
            end = min(begin + _AT_ONCE, int(starts[k + 1]))
            words = theirs[words_of(starts, linked.word, first, begin, end)]
            if k == 1:
                words[words == other.bos] = other.eos
                result[begin:end] = last_probabilities(other, words)
            else:
                low, high = starts[k - 1], starts[k]
                parents = low + np.searchsorted(first[low : high + 1], np.arange(begin, end), side="right") - 1
                result[begin:end] = result[parents] * last_probabilities(other, words)
    return result


def ids_in(other: BackoffModel, model: BackoffModel) -> Array:
    """``other``'s id of each of ``model``'s words, (V,) int32: ``<unk>`` for those that it does not know."""
    theirs = other.vocabulary.ids(model.vocabulary.words)
    assert model.vocabulary.unk is not None  # a BackoffModel has one
    specials = other.vocabulary.unk, other.bos, other.eos
    theirs[[model.vocabulary.unk, model.bos, model.eos]] = np.array(specials, dtype=np.int32)
    return theirs


def last_probabilities(model: BackoffModel, words: Array) -> Array:
    """Probability of each n-gram's last word given the others: (N, k) int32 ids → (N,)."""
    barrier = np.full((len(words), 1), -1, dtype=np.int32)
    stream = np.concatenate([barrier, words], axis=1)
    scores, _ = model.score_stream(stream.ravel())
    return np.exp(scores.reshape(stream.shape)[:, -1])


@njit(cache=True, nogil=True)
def _products(starts: Array, first: Array, p: Array, bos: int, eos: int) -> Array:
    order = len(starts) - 2
    shares = np.empty(starts[order])
    shares[: starts[2]] = p[: starts[2]]
    shares[bos] = p[eos]
    for k in range(2, order):
        for h in range(starts[k - 1], starts[k]):
            for g in range(first[h], first[h + 1]):
                shares[g] = shares[h] * p[g]
    return shares


@njit(cache=True, nogil=True)
def _written_next(
    starts: Array, first: Array, suffix: Array, p: Array, backoff: Array, shares: Array, bos: int, eos: int
) -> Array:
    """The shares of n-grams after one more word, (M,), from those of contexts, (M,).

    reaching[x] is the share of the histories that end in x and ask x for the next word, each by the product of the
    back-off weights on its way down to x: those for which no longer context is held, and what longer ones hand on.
    An n-gram xw takes reaching[x] p(w given x), except from the histories whose longer context holds w itself.
    """
    order = len(starts) - 2
    reaching = shares.copy()
    for k in range(order - 1, 1, -1):
        for x in range(starts[k], starts[k + 1]):
            reaching[suffix[x]] -= shares[x] - reaching[x] * backoff[x]
    handed_to_all = 0.0
    for u in range(starts[2]):
        if u != eos:  # the context after </s> is <s>
            handed_to_all += reaching[u] * backoff[u]
    new = np.zeros(len(shares))
    for k in range(order, 1, -1):
        for x in range(starts[k - 1], starts[k]):
            asked, handed = reaching[x], reaching[x] * backoff[x]
            for g in range(first[x], first[x + 1]):
                share = asked * p[g]
                if k < order:
                    share += new[g]
                    new[g] = share
                new[suffix[g]] += share - handed * p[suffix[g]]
    for w in range(starts[2]):
        new[w] += handed_to_all * p[w]
    new[bos] = new[eos]
    return new
