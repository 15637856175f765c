"""The loops of ``kernels`` for each kind of model, and their entry points.

Each is compiled when a model of its kind is first opened, and kept in Numba's cache for the processes after.
"""

from collections.abc import Callable
from functools import cache
from typing import NamedTuple

from numba import njit, types

from nextword.interfaces.kenlm import kernels
from nextword.interfaces.kenlm.calls import BYTES, entry_point
from nextword.interfaces.kenlm.lookups import OURS, PROBING, TRIE


@njit(cache=True)
def _step_ours(context, state, word):  # type: ignore[no-untyped-def]
    return kernels.step(OURS, context, state, word)


@njit(cache=True)
def _step_probing(context, state, word):  # type: ignore[no-untyped-def]
    return kernels.step(PROBING, context, state, word)


@njit(cache=True)
def _step_trie(context, state, word):  # type: ignore[no-untyped-def]
    return kernels.step(TRIE, context, state, word)


@njit(cache=True)
def _score_ours(context, text, bos, eos, record):  # type: ignore[no-untyped-def]
    return kernels.score(OURS, context, text.address, text.count, bos, eos, record)


@njit(cache=True)
def _score_probing(context, text, bos, eos, record):  # type: ignore[no-untyped-def]
    return kernels.score(PROBING, context, text.address, text.count, bos, eos, record)


@njit(cache=True)
def _score_trie(context, text, bos, eos, record):  # type: ignore[no-untyped-def]
    return kernels.score(TRIE, context, text.address, text.count, bos, eos, record)


@njit(cache=True, nogil=True)
def _many_ours(context, text, ends, texts, out):  # type: ignore[no-untyped-def]
    kernels.score_many(OURS, context, text, ends, texts, out)


@njit(cache=True, nogil=True)
def _many_probing(context, text, ends, texts, out):  # type: ignore[no-untyped-def]
    kernels.score_many(PROBING, context, text, ends, texts, out)


@njit(cache=True, nogil=True)
def _many_trie(context, text, ends, texts, out):  # type: ignore[no-untyped-def]
    kernels.score_many(TRIE, context, text, ends, texts, out)


class Calls(NamedTuple):
    """Entry points for one kind of model; addresses are int. See ``kernels``.

    step: (context, state, word) → (log10 probability, n-gram length, state after). score: (context, text, bos, eos,
    record) → log10 probability.
    """

    step: Callable[[int, bytes, bytes], tuple[float, int, bytes]]
    score: Callable[[int, bytes, bool, bool, bool], float]


@cache
def common_calls(kind: int) -> Calls:
    """What every model needs."""
    step, score = (_step_ours, _step_probing, _step_trie)[kind], (_score_ours, _score_probing, _score_trie)[kind]
    flag = types.boolean
    return Calls(entry_point(step, types.int64, BYTES, BYTES), entry_point(score, types.int64, BYTES, flag, flag, flag))


@cache
def many_call(kind: int) -> Callable[[int, bytes, int, int, int], None]:
    """(context, sentences end to end, address of their ends, how many, address of the scores); lets threads run."""
    function = (_many_ours, _many_probing, _many_trie)[kind]
    return entry_point(function, types.int64, BYTES, types.int64, types.int64, types.int64)
