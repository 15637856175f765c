"""A cache: words of the recent past are likelier than a model thinks, those after a similar past above all.

The neural cache of Grave, Joulin and Usunier (2017, eq. 3-5) compares hidden states; without hidden states it is the
cache of Kuhn and De Mori (1990), in which every recent word counts alike. What such a thing gives a word depends on the
text scored before, so it is a Scorer, whose figures stand beside a model's perplexity and never in its place.
"""

from collections.abc import Callable, Iterable, Iterator, Sequence
from typing import Any, Literal, NamedTuple

import numpy as np

from nextword.errors import TextError, UsageError
from nextword.mixture import fit_weights
from nextword.model import LanguageModel
from nextword.tasks.reading import read_block
from nextword.text.blocks import Block
from nextword.text.pipeline import Pipeline
from nextword.types import Array, Float_BT, Float_T, Ids_BT, Ids_T

SIZE, THETA, WEIGHT = 2000, 0.3, 0.1  # unless they are given or tuned
THETAS = (0.0, 0.05, 0.1, 0.2, 0.3, 0.5, 0.75, 1.0)
_PIECE = 4096  # tokens read by the model at a time, whose hidden states are kept until they are compared
_QUERIES = 256  # hidden states compared with those of the window at a time


class Window(NamedTuple):
    """The last tokens of a row, (N,), and the hidden state that predicted each, (N, H)."""

    ids: Ids_T
    hidden: Array


class CacheState(NamedTuple):
    """The model's own state, and each row's window."""

    model: Any
    windows: tuple[Window, ...]


class Cache:
    """A Scorer: (1 - weight) · p(w) + weight · p_cache(w), p being any language model's.

    p_cache(w) is the share of w among the last ``size`` tokens, token i counting exp(theta · h · h_i), where h_i is the
    hidden state that predicted it and h the one that predicts w. The hidden states are those that the model's
    ``token_log_probs_and_hidden`` gives (a neural model, a mixture with one in it); for a model without, theta is 0
    and all tokens count alike. Where nothing has been read yet, the model is alone. Raises UsageError.
    """

    scope: Literal["stream"] = "stream"

    def __init__(self, lm: LanguageModel[Any], *, size: int = SIZE, theta: float | None = None, weight: float = WEIGHT):
        """theta: ``THETA`` unless given, and 0 for a model without hidden states, which takes no other."""
        seeing = hasattr(lm, "token_log_probs_and_hidden")
        if not isinstance(lm, LanguageModel):
            raise UsageError("a cache stands beside probabilities, and this model gives only scores; give another")
        if theta and not seeing:
            raise UsageError(f"theta {theta:g}: this model has no hidden states to compare; leave theta out")
        self.lm, self.vocabulary = lm, lm.vocabulary
        self.size, self.weight = size, weight
        self.theta = theta if theta is not None else THETA if seeing else 0.0
        if size < 1 or not 0 <= weight <= 1 or not 0 <= self.theta < np.inf:
            raise UsageError(
                f"a cache of size {size}, theta {self.theta:g} and weight {weight:g}: give a size of 1 or more, a "
                "theta of 0 or more, and a weight from 0 to 1"
            )

    def token_log_probs(self, tokens: Ids_BT, state: CacheState | None = None) -> tuple[Float_BT, CacheState]:
        """Log of each token's score, (B, T) nats, and the state after; -1 scores 0."""
        scores = np.zeros(tokens.shape)
        for begin, found, shares, after in _pieces(self.lm, tokens, state, self.size, [self.theta]):
            end, state = begin + found.shape[1], after
            mixed = _with_share(found, shares[:, 0], self.weight)
            scores[:, begin:end] = np.where(tokens[:, begin:end] < 0, 0.0, mixed)
        return scores, state or _start(len(tokens))


class Tuning(NamedTuple):
    """What suits a text best: theta and weight, the perplexity with them, and each theta's (theta, weight, perplexity).

    plain: the perplexity without a cache. All these perplexities are of the tuning text.
    """

    theta: float
    weight: float
    perplexity: float
    plain: float
    tried: list[tuple[float, float, float]]


def tune_cache(
    lm: LanguageModel[Any],
    blocks: Iterable[Block],
    *,
    pipeline: Pipeline | None = None,
    size: int = SIZE,
    thetas: Sequence[float] | None = None,
    weight: float | None = None,
) -> Tuning:
    """The theta, of ``thetas``, and the weight that suit a text, one stream from its first line to its last.

    For each theta the weight is found by EM, since model and cache are a mixture, unless ``weight`` is given. The text
    is read once. Raises TextError for text that cannot be read or is empty, UsageError as ``Cache`` does.
    """
    seeing = hasattr(lm, "token_log_probs_and_hidden")
    tried = list(thetas) if thetas is not None else list(THETAS) if seeing else [0.0]
    for theta in tried:
        Cache(lm, size=size, theta=theta)
    reader, state = pipeline or Pipeline(), None
    scores: list[Float_T] = []
    shares: list[Array] = []
    for block in blocks:
        ids = read_block(lm.vocabulary, reader, block).ids
        for _, found, share, after in _pieces(lm, ids[None], state, size, tried):
            scores.append(found[0])
            shares.append(share[0])
            state = after
    if not scores:
        raise TextError("the tuning text is empty: there is nothing to tune the cache to; give a file with a line")
    log_p = np.concatenate(scores)
    rows = [_tuned(log_p, share, weight) for share in np.concatenate(shares, axis=1)]
    results = [(theta, *row) for theta, row in zip(tried, rows, strict=True)]
    return Tuning(*min(results, key=lambda row: row[2]), plain=_perplexity(log_p), tried=results)


def _tuned(log_p: Float_T, share: Float_T, weight: float | None) -> tuple[float, float]:
    """The best weight, unless it is given, and the perplexity with it."""
    known = ~np.isnan(share)
    if weight is None:
        weight = WEIGHT
        if known.any():
            with np.errstate(divide="ignore"):
                weight = float(fit_weights(np.array([log_p[known], np.log(share[known])])).weights[1])
    return weight, _perplexity(_with_share(log_p, share, weight))


def _with_share(log_p: Array, share: Array, weight: float) -> Array:
    """Log of the model's probability and the cache's, weighed; where there is no cache yet, the model's alone."""
    with np.errstate(divide="ignore"):
        return np.where(np.isnan(share), log_p, np.log((1 - weight) * np.exp(log_p) + weight * share))


def _perplexity(log_p: Float_T) -> float:
    with np.errstate(over="ignore"):
        return float(np.exp(-log_p.mean()))


def _start(batch: int) -> CacheState:
    nothing = Window(np.zeros(0, dtype=np.int32), np.zeros((0, 0), dtype=np.float32))
    return CacheState(None, (nothing,) * batch)


def _pieces(
    lm: LanguageModel[Any], tokens: Ids_BT, state: CacheState | None, size: int, thetas: Sequence[float]
) -> Iterator[tuple[int, Float_BT, Array, CacheState]]:
    """Piece by piece: where it begins, the model's log-probabilities, the cache's shares (B, thetas, T), the state."""
    read: Callable[..., Any] | None = getattr(lm, "token_log_probs_and_hidden", None)
    current = state or _start(len(tokens))
    for begin in range(0, tokens.shape[1], _PIECE):
        piece = tokens[:, begin : begin + _PIECE]
        if read is None:
            scores, after = lm.token_log_probs(piece, current.model)
            hidden = np.zeros((*piece.shape, 0), dtype=np.float32)
        else:
            scores, hidden, after = read(piece, current.model)
        shares = np.full((len(tokens), len(thetas), piece.shape[1]), np.nan)
        windows: list[Window] = []
        for row, (ids, own, window) in enumerate(zip(piece, hidden, current.windows, strict=True)):
            real = int((ids >= 0).sum())
            shares[row, :, :real], longer = _read(window, ids[:real], own[:real], size, thetas)
            windows.append(longer)
        current = CacheState(after, tuple(windows))
        yield begin, scores, shares, current


def _read(window: Window, ids: Ids_T, hidden: Array, size: int, thetas: Sequence[float]) -> tuple[Array, Window]:
    """Each token's share of the cache at its time, (thetas, T), NaN where it is empty; and the window after."""
    if not len(window.ids):
        window = Window(ids[:0], hidden[:0])
    known = len(window.ids)
    both = Window(np.concatenate([window.ids, ids]), np.concatenate([window.hidden, hidden]))
    shares = np.empty((len(thetas), len(ids)))
    warm = [k for k, theta in enumerate(thetas) if theta]
    for begin in range(known, len(both.ids) if warm else 0, _QUERIES):
        end = min(begin + _QUERIES, len(both.ids))
        shares[warm, begin - known : end - known] = _shares(both, begin, end, size, [thetas[k] for k in warm])
    for k, theta in enumerate(thetas):
        if not theta:
            shares[k] = _counted(both.ids, known, size)
    last = max(0, len(both.ids) - size)
    return shares, Window(both.ids[last:].copy(), both.hidden[last:].copy())


def _shares(both: Window, begin: int, end: int, size: int, thetas: Sequence[float]) -> Array:
    """Shares of the tokens from ``begin`` to ``end``, (thetas, end - begin), by matrix products over their windows."""
    low = max(0, begin - size)
    products = both.hidden[begin:end] @ both.hidden[low : end - 1].T  # (tokens, window)
    age = np.arange(begin, end)[:, None] - np.arange(low, end - 1)
    products[(age < 1) | (age > size)] = -np.inf
    rows, columns = np.nonzero(both.ids[begin:end, None] == both.ids[low : end - 1])
    shares = np.empty((len(thetas), end - begin))
    with np.errstate(invalid="ignore"):  # the very first token has no window, and its share is 0/0
        products -= products.max(axis=1, initial=-np.inf, keepdims=True)
        for k, theta in enumerate(thetas):
            counts = np.exp(theta * products)
            shares[k] = np.bincount(rows, counts[rows, columns], minlength=end - begin) / counts.sum(axis=1)
    return shares


def _counted(ids: Ids_T, known: int, size: int) -> Float_T:
    """Relative frequency of each token from ``known`` on among the ``size`` before it."""
    order = np.argsort(ids, kind="stable")  # the places of each word, one after another
    place = np.empty(len(ids), dtype=np.int64)
    place[order] = np.arange(len(ids))
    keys = ids[order].astype(np.int64) * (len(ids) + 1) + order
    at = np.arange(known, len(ids))
    oldest = np.maximum(at - size, 0)
    before = np.searchsorted(keys, ids[known:].astype(np.int64) * (len(ids) + 1) + oldest)
    with np.errstate(invalid="ignore"):
        return (place[known:] - before) / (at - oldest)
