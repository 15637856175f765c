"""What may be sampled: a distribution cut down in several ways, and a token drawn from what is left.

The samplers are functions over rows of log-probabilities, (B, V) nats, which give normalised rows again with -inf at
what they exclude; so they compose, and greedy decoding is the temperature 0. They are the definition; ``drawing`` does
the same in one compiled pass.
"""

from dataclasses import dataclass

import numpy as np

from nextword.errors import UsageError
from nextword.types import Array, Float_BV, Float_T, Ids_T


@dataclass(frozen=True)
class Sampling:
    """The samplers in the order in which they apply: temperature, top_k, top_p, min_p; None leaves one out."""

    temperature: float = 1.0
    top_k: int | None = None
    top_p: float | None = None
    min_p: float | None = None

    def __post_init__(self) -> None:
        self(np.zeros((1, 1)))  # a bad option fails here, not in the middle of a text

    def __call__(self, log_probs: Float_BV) -> Float_BV:
        """The distributions to sample from, (B, V) nats."""
        kept = apply_temperature(log_probs, self.temperature)
        if self.top_k is not None:
            kept = keep_top_k(kept, self.top_k)
        if self.top_p is not None:
            kept = keep_top_p(kept, self.top_p)
        return kept if self.min_p is None else keep_min_p(kept, self.min_p)


def apply_temperature(log_probs: Float_BV, temperature: float) -> Float_BV:
    """Probabilities to the power 1/temperature; 0 leaves the most likely token alone (of equal ones, the lowest id)."""
    if not 0 <= temperature < np.inf:
        raise UsageError(f"temperature={temperature}: expected 0 (always the most likely token) or more")
    if temperature == 0:
        best = np.full(log_probs.shape, -np.inf)
        np.put_along_axis(best, log_probs.argmax(axis=1)[:, None], 0.0, axis=1)
        return best
    with np.errstate(over="ignore"):  # a tiny temperature takes all but the best to -inf
        return _normalise((log_probs - log_probs.max(axis=1, keepdims=True)) / temperature)


def keep_top_k(log_probs: Float_BV, k: int) -> Float_BV:
    """Only the k most likely tokens of each row; equal ones by id (Fan, Lewis and Dauphin 2018)."""
    if k < 1:
        raise UsageError(f"top_k={k}: expected the number of tokens to choose from, 1 or more")
    if k >= log_probs.shape[1]:
        return _normalise(log_probs)
    threshold = np.partition(log_probs, -k, axis=1)[:, -k, None]
    above, equal = log_probs > threshold, log_probs == threshold
    room = k - above.sum(axis=1, keepdims=True)
    return _keep(log_probs, above | (equal & (equal.cumsum(axis=1) <= room)))


def keep_top_p(log_probs: Float_BV, p: float) -> Float_BV:
    """The nucleus: the fewest most likely tokens whose probability reaches p (Holtzman et al. 2020, eq. 2)."""
    _check_share("top_p", p)
    if p == 1:
        return _normalise(log_probs)
    order = np.argsort(-log_probs, axis=1, kind="stable")
    reached = np.exp(np.take_along_axis(log_probs, order, axis=1)).cumsum(axis=1)
    needed = np.ones(order.shape, dtype=bool)  # the first always; another while those before it do not reach p
    needed[:, 1:] = reached[:, :-1] < p
    kept = np.empty_like(needed)
    np.put_along_axis(kept, order, needed, axis=1)
    return _keep(log_probs, kept)


def keep_min_p(log_probs: Float_BV, p: float) -> Float_BV:
    """The tokens at least p times as likely as the row's most likely one (Nguyen et al. 2024)."""
    _check_share("min_p", p)
    return _keep(log_probs, log_probs >= log_probs.max(axis=1, keepdims=True) + np.log(p))


def draw(log_probs: Float_BV, uniforms: Float_T) -> Ids_T:
    """A token for each row by the inverse of its distribution function, (B,), from uniforms (B,) in [0, 1)."""
    cumulative = np.exp(log_probs).cumsum(axis=1)
    total = cumulative[:, -1]
    target = np.minimum(uniforms * total, np.nextafter(total, 0))  # below the total, however it rounds
    first: Ids_T = (cumulative > target[:, None]).argmax(axis=1).astype(np.int32)
    return first


def _normalise(log_probs: Float_BV) -> Float_BV:
    """Rows that sum to 1, float64; each must hold something possible."""
    shifted = log_probs - log_probs.max(axis=1, keepdims=True).astype(np.float64)
    normal: Float_BV = shifted - np.log(np.exp(shifted).sum(axis=1, keepdims=True))
    return normal


def _keep(log_probs: Float_BV, kept: Array) -> Float_BV:
    return _normalise(np.where(kept, log_probs, -np.inf))


def _check_share(name: str, p: float) -> None:
    if not 0 < p <= 1:
        raise UsageError(f"{name}={p}: expected a number above 0 and at most 1")
