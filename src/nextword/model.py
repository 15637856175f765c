"""What a language model is here: a protocol, the slow reference for its fast path, and the check every kind passes.

Everything in ``tasks/`` is written against ``LanguageModel`` alone; a family adds no method that a task needs.
"""

from collections.abc import Callable, Sequence
from typing import Any, Literal, Protocol, TypeVar, runtime_checkable

import numpy as np

from nextword.errors import ConformanceError
from nextword.text.vocabulary import Vocabulary
from nextword.types import Float_BT, Float_BV, Ids_BT, Ids_R

State = TypeVar("State")


@runtime_checkable
class LanguageModel(Protocol[State]):
    """A probability distribution over the next token, given a state that sums up the tokens before.

    States are opaque, batched (B rows) and never changed in place. Arrays are NumPy; log-probabilities are nats.
    """

    vocabulary: Vocabulary
    scope: Literal["sentence", "stream"]
    context_length: int | None

    def start(self, batch: int) -> State:
        """The state of B rows that have read ``<s>`` and nothing else."""
        ...

    def log_probs(self, state: State) -> Float_BV:
        """Log-probability of each id as the next token, (B, V); ``<s>`` has -inf, a row's probabilities sum to 1."""
        ...

    def advance(self, state: State, tokens: Ids_BT) -> State:
        """The state after reading T more tokens a row, (B, T); -1 at a row's end reads nothing; ``state`` stays."""
        ...

    def select(self, state: State, rows: Ids_R) -> State:
        """The state whose row i is row ``rows[i]`` of ``state``: reorder, drop or repeat rows."""
        ...

    def join(self, states: Sequence[State]) -> State:
        """The state whose rows are those of ``states``, one or more, in order; rows may have read unequal numbers."""
        ...

    def token_log_probs(self, tokens: Ids_BT, state: State | None = None) -> tuple[Float_BT, State]:
        """Log-probability of each token given those before it in its row, (B, T), and the state after; -1 scores 0."""
        ...


@runtime_checkable
class Scorer(Protocol[State]):
    """Something that scores tokens without being a probability distribution, such as stupid backoff.

    Its scores do not sum to 1, so they are never shown as a perplexity.
    """

    vocabulary: Vocabulary

    def token_log_probs(self, tokens: Ids_BT, state: State | None = None) -> tuple[Float_BT, State]:
        """Log of each token's score, (B, T), and the state after."""
        ...


def stepwise_log_probs(lm: LanguageModel[State], tokens: Ids_BT, state: State | None = None) -> tuple[Float_BT, State]:
    """What ``token_log_probs`` must equal: one distribution per step, one token read at a time.

    tokens: (B, T), -1 pads. Returns (B, T) nats and the state after. Slow, and the definition of right.
    """
    batch, time = tokens.shape
    current = lm.start(batch) if state is None else state
    scores = np.zeros((batch, time))
    for t in range(time):
        column = tokens[:, t]
        rows = np.flatnonzero(column >= 0)
        scores[rows, t] = lm.log_probs(current)[rows, column[rows]]
        current = lm.advance(current, column[:, None])
    return scores, current


def check_language_model(
    lm: LanguageModel[Any],
    tolerance: float = 1e-6,
    *,
    tokens: Ids_BT | None = None,
    reload: Callable[[LanguageModel[Any]], LanguageModel[Any]] | None = None,
    seed: int = 0,
) -> None:
    """Raise ConformanceError unless ``lm`` keeps every promise of the protocol on ``tokens``.

    tolerance: largest difference allowed in a log-probability or in a row's sum of probabilities (1e-6 for float64
    arithmetic, 1e-4 for float32). tokens: (B, T) ids, -1 at the ends of rows; drawn at random from ``seed`` if not
    given, ``<unk>`` and ``</s>`` among them. reload: saves a model and loads it back; its answers must be equal.

    Checked: rows normalise and ``<s>`` is impossible; the fast path equals stepping; ``advance``, ``select``,
    ``join`` and ``token_log_probs`` leave their input valid; ``select`` commutes with ``log_probs``; a row alone equals
    that row in a batch, also when rows that have read unequal numbers of tokens are joined and read on; a split
    sequence equals the whole one; a sentence model forgets at ``</s>``, and what lies further back
    than its ``context_length``; a reloaded model gives equal arrays.
    """
    drawn = _random_tokens(lm.vocabulary, seed) if tokens is None else np.asarray(tokens, dtype=np.int32)
    _check_steps(lm, drawn, tolerance)
    _check_rows(lm, drawn, tolerance)
    _check_joining(lm, drawn, tolerance)
    if lm.scope == "sentence":
        _check_forgetting(lm, drawn, tolerance)
    if reload is not None:
        again = reload(lm)
        expected, state = lm.token_log_probs(drawn)
        actual, state_again = again.token_log_probs(drawn)
        _same("a reloaded model's token_log_probs", actual, expected, 0.0, drawn)
        _same("a reloaded model's log_probs", again.log_probs(state_again), lm.log_probs(state), 0.0, drawn)


def _check_steps(lm: LanguageModel[Any], tokens: Ids_BT, tolerance: float) -> None:
    """Normalisation at every step, and the fast path against stepping, whole and split in two."""
    batch, time = tokens.shape
    state = lm.start(batch)
    for t in range(time + 1):
        rows = lm.log_probs(state)
        _check_distribution(lm, rows, tolerance, tokens[:, :t])
        following = lm.advance(state, tokens[:, t : t + 1]) if t < time else state
        _same("log_probs after advance (the old state changed)", lm.log_probs(state), rows, 0.0, tokens[:, :t])
        state = following
    expected, end = stepwise_log_probs(lm, tokens)
    actual, end_fast = lm.token_log_probs(tokens)
    _same("token_log_probs against stepping", actual, expected, tolerance, tokens)
    stepped = lm.log_probs(end)
    _same("the state after token_log_probs", lm.log_probs(end_fast), stepped, tolerance, tokens)
    at_once = lm.log_probs(lm.advance(lm.start(batch), tokens))
    _same("advance over many tokens against one at a time", at_once, stepped, tolerance, tokens)
    middle = time // 2
    head, between = lm.token_log_probs(tokens[:, :middle])
    before = lm.log_probs(between)
    tail, _ = lm.token_log_probs(tokens[:, middle:], between)
    _same("log_probs after token_log_probs (the old state changed)", lm.log_probs(between), before, 0.0, tokens)
    _same("token_log_probs in two parts", np.concatenate([head, tail], axis=1), expected, tolerance, tokens)


def _check_rows(lm: LanguageModel[Any], tokens: Ids_BT, tolerance: float) -> None:
    """Rows are independent: selected, reversed, repeated or alone, they give what they gave in the batch."""
    batch = len(tokens)
    state = lm.advance(lm.start(batch), tokens)
    full = lm.log_probs(state)
    order = np.concatenate([np.arange(batch)[::-1], [0]])
    _same("select against log_probs", lm.log_probs(lm.select(state, order)), full[order], tolerance, tokens)
    _same("log_probs after select (the old state changed)", lm.log_probs(state), full, 0.0, tokens)
    for row in range(batch):
        alone = lm.log_probs(lm.advance(lm.start(1), tokens[row : row + 1]))
        _same("one row alone", alone, full[row : row + 1], tolerance, tokens[row : row + 1])


def _check_joining(lm: LanguageModel[Any], tokens: Ids_BT, tolerance: float) -> None:
    """Rows joined after they have read unequal numbers of tokens give what each gives alone, then and after more."""
    batch, time = tokens.shape
    if not batch:
        return
    heads = [tokens[row : row + 1, : time * (row + 1) // batch] for row in range(batch)]
    tails = np.roll(tokens, 1, axis=0)  # each row goes on with the tokens of another
    alone = [lm.advance(lm.start(1), head) for head in heads]
    before = _stacked(lm, alone)
    joined = lm.join([lm.join(alone[:1]), lm.join(alone[1:])] if batch > 1 else alone)
    _same("join against each row alone", lm.log_probs(joined), before, tolerance, tokens)
    after = lm.advance(joined, tails)
    _same("log_probs after join (an old state changed)", _stacked(lm, alone), before, 0.0, tokens)
    ends = [lm.advance(state, tail[None]) for state, tail in zip(alone, tails, strict=True)]
    _same("advance after join", lm.log_probs(after), _stacked(lm, ends), tolerance, tokens)
    scores, _ = lm.token_log_probs(tails, joined)
    own = [lm.token_log_probs(tail[None], state)[0] for state, tail in zip(alone, tails, strict=True)]
    _same("token_log_probs after join", scores, np.concatenate(own), tolerance, tokens)


def _stacked(lm: LanguageModel[Any], states: Sequence[Any]) -> Float_BV:
    return np.concatenate([lm.log_probs(state) for state in states])


def _check_forgetting(lm: LanguageModel[Any], tokens: Ids_BT, tolerance: float) -> None:
    """What a sentence model may not remember: the sentence before, and tokens further back than its context."""
    batch, eos = len(tokens), lm.vocabulary.eos
    start = lm.log_probs(lm.start(batch))
    if eos is not None:
        ended = lm.advance(lm.advance(lm.start(batch), tokens), np.full((batch, 1), eos, dtype=np.int32))
        _same("a sentence model after </s> against its start", lm.log_probs(ended), start, tolerance, tokens)
    if lm.context_length is not None:
        ordinary = np.array(
            [i for i in range(len(lm.vocabulary)) if i not in lm.vocabulary.specials().values()], np.int32
        )
        if not len(ordinary):
            return
        near = np.resize(ordinary, (1, lm.context_length)).astype(np.int32)
        one, other = (lm.advance(lm.advance(lm.start(1), far[None, None]), near) for far in (ordinary[0], ordinary[-1]))
        what = f"a model of context length {lm.context_length} with another token before that context"
        _same(what, lm.log_probs(one), lm.log_probs(other), tolerance, near)


def _check_distribution(lm: LanguageModel[Any], rows: Float_BV, tolerance: float, read: Ids_BT) -> None:
    expected_shape = (len(read), len(lm.vocabulary))
    if rows.shape != expected_shape:
        raise ConformanceError(f"log_probs has shape {rows.shape}, expected (B, V) = {expected_shape}")
    if np.isnan(rows).any() or (rows > tolerance).any():
        raise ConformanceError(f"log_probs holds a NaN or a probability above 1 after {read.tolist()}")
    bos = lm.vocabulary.bos
    if bos is not None and not np.isneginf(rows[:, bos]).all():
        raise ConformanceError("<s> is context only: its column in log_probs must be -inf")
    sums = np.exp(rows.astype(np.float64)).sum(axis=1)
    worst = int(np.abs(sums - 1).argmax()) if len(sums) else 0
    if len(sums) and abs(sums[worst] - 1) > tolerance:
        raise ConformanceError(f"probabilities sum to {sums[worst]:.9f}, not 1, after {read[worst].tolist()}")


def _same(what: str, actual: Float_BT, expected: Float_BT, tolerance: float, tokens: Ids_BT) -> None:
    if actual.shape != expected.shape:
        raise ConformanceError(f"{what}: has shape {actual.shape}, expected {expected.shape}")
    with np.errstate(invalid="ignore"):
        difference = np.where(actual == expected, 0.0, np.abs(np.subtract(actual, expected, dtype=np.float64)))
    if not (difference <= tolerance).all():
        raise ConformanceError(f"{what}: differs by {difference.max():.3g} on tokens {tokens.tolist()}")


def _random_tokens(vocabulary: Vocabulary, seed: int, batch: int = 5, time: int = 12) -> Ids_BT:
    """Random ids with rows of unequal length; ``<s>`` is never read, everything else may be."""
    random = np.random.default_rng(seed)
    readable = np.array([i for i in range(len(vocabulary)) if i != vocabulary.bos], dtype=np.int32)
    tokens = random.choice(readable, size=(batch, time)).astype(np.int32)
    for row in range(1, batch):
        tokens[row, random.integers(0, time + 1) :] = -1
    return tokens
