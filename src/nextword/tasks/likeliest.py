"""The likeliest tokens of many distributions in one compiled pass: what ``next.top_indices`` gives, row by row."""

import numpy as np
from numba import njit

from nextword.types import Array, Float_BV

_BLOCK = 32  # numbers whose largest is compared at once: few blocks hold one of the likeliest


def likeliest(log_probs: Float_BV, k: int) -> tuple[Array, Array]:
    """Ids and log-probabilities of the k likeliest of each row, (B, k), likeliest first and equal ones by id.

    Those of -inf are left out: where fewer than k are possible, the rest are -1 and -inf.
    """
    ids = np.full((len(log_probs), k), -1, dtype=np.int32)
    values = np.full((len(log_probs), k), -np.inf, dtype=log_probs.dtype)
    if k:
        _fill(np.ascontiguousarray(log_probs), ids, values)
    return ids, values


@njit(cache=True, nogil=True)
def _fill(log_probs, ids, values) -> None:  # type: ignore[no-untyped-def]
    for b in range(len(log_probs)):
        row = log_probs[b]
        for begin in range(0, len(row), _BLOCK):
            block = row[begin : begin + _BLOCK]
            if _largest(block) > values[b, -1]:
                for i in range(len(block)):
                    if block[i] > values[b, -1]:
                        _insert(ids[b], values[b], begin + i, block[i])


@njit(cache=True, nogil=True)
def _largest(block):  # type: ignore[no-untyped-def]
    largest = block[0]
    for value in block:
        largest = value if value > largest else largest
    return largest


@njit(cache=True, nogil=True)
def _insert(ids, values, token, value) -> None:  # type: ignore[no-untyped-def]
    """Put a token before all that are less likely; the last one falls out."""
    at = len(values) - 1
    while at > 0 and values[at - 1] < value:
        ids[at], values[at] = ids[at - 1], values[at - 1]
        at -= 1
    ids[at], values[at] = token, value
