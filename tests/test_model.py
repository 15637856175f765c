import copy
import re
from typing import Any

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from nextword.errors import ConformanceError
from nextword.model import LanguageModel, Scorer, check_language_model, stepwise_log_probs
from nextword.types import Array
from toy import BOS, EOS, BigramTable, DecayingVotes, toy_vocabulary

TOYS = [BigramTable, DecayingVotes]
IDS = np.array([[3, 4, 2, 3], [5, 0, -1, -1], [-1, -1, -1, -1]], dtype=np.int32)


@pytest.mark.parametrize("kind", TOYS)
def test_toy_models_keep_the_protocol(kind: Any) -> None:
    assert isinstance(kind(), LanguageModel)
    assert isinstance(kind(), Scorer)
    check_language_model(kind(), reload=copy.deepcopy)
    check_language_model(kind(), tokens=IDS)
    check_language_model(kind(size=4), seed=1)


@given(st.data(), st.sampled_from(TOYS))
def test_toy_models_keep_the_protocol_on_any_tokens(data: st.DataObject, kind: Any) -> None:
    batch, time = data.draw(st.integers(1, 4)), data.draw(st.integers(1, 6))
    row = st.lists(st.sampled_from([0, 2, 3, 4, 5]), max_size=time).map(lambda ids: ids + [-1] * (time - len(ids)))
    tokens = data.draw(st.lists(row, min_size=batch, max_size=batch))
    check_language_model(kind(), tokens=np.array(tokens, dtype=np.int32))


def test_bigram_scores_by_hand() -> None:
    lm = BigramTable()
    scores, state = lm.token_log_probs(np.array([[3, 2, 4, -1]], dtype=np.int32))
    assert scores.tolist() == [[lm.table[BOS, 3], lm.table[3, EOS], lm.table[BOS, 4], 0.0]]
    assert state.tolist() == [4]


def test_a_sentence_model_forgets_at_the_end_and_a_stream_model_does_not() -> None:
    tokens = np.array([[3, 4, EOS]], dtype=np.int32)
    table, votes = BigramTable(), DecayingVotes()
    assert (table.advance(table.start(1), tokens) == table.start(1)).all()
    assert votes.advance(votes.start(1), tokens)[0].tolist() == [0, 0, 1.125, 0.25, 0.5, 0]  # <unk> <s> </s> a b c


def test_stepwise_is_one_distribution_per_step() -> None:
    lm = BigramTable()
    scores, state = stepwise_log_probs(lm, IDS)
    assert scores[0].tolist() == [lm.table[BOS, 3], lm.table[3, 4], lm.table[4, EOS], lm.table[BOS, 3]]
    assert scores[1].tolist() == [lm.table[BOS, 5], lm.table[5, 0], 0, 0]
    assert state.tolist() == [3, 0, BOS]
    again, _ = stepwise_log_probs(lm, IDS[:, 1:], lm.advance(lm.start(3), IDS[:, :1]))
    assert (again == scores[:, 1:]).all()


class Unnormalised(BigramTable):
    def log_probs(self, state: Array) -> Array:
        return super().log_probs(state) + np.log(1.01)


class UnnormalisedAfterA(BigramTable):
    def log_probs(self, state: Array) -> Array:
        return super().log_probs(state) + np.where(state == 3, np.log(0.9), 0.0)[:, None]


class PredictsStart(BigramTable):
    def log_probs(self, state: Array) -> Array:
        rows = super().log_probs(state).copy()
        rows[:, [BOS, EOS]] = rows[:, [EOS, BOS]]
        return rows


class NotANumber(BigramTable):
    def log_probs(self, state: Array) -> Array:
        rows = super().log_probs(state).copy()
        rows[:, 4] = np.nan
        return rows


class AboveOne(BigramTable):
    def log_probs(self, state: Array) -> Array:
        return np.where(np.arange(6) == 4, 0.5, super().log_probs(state))


class NoColumnForStart(BigramTable):
    def log_probs(self, state: Array) -> Array:
        return np.delete(super().log_probs(state), BOS, axis=1)


class FastPathDiffers(BigramTable):
    def token_log_probs(self, tokens: Array, state: Array | None = None) -> tuple[Array, Array]:
        scores, after = super().token_log_probs(tokens, state)
        return scores + 1e-3 * (tokens == 4), after


class PaddingScores(BigramTable):
    def token_log_probs(self, tokens: Array, state: Array | None = None) -> tuple[Array, Array]:
        scores, after = super().token_log_probs(tokens, state)
        return np.where(tokens < 0, -1.0, scores), after


class FastPathLosesState(BigramTable):
    def token_log_probs(self, tokens: Array, state: Array | None = None) -> tuple[Array, Array]:
        scores, after = super().token_log_probs(tokens, state)
        return scores, np.full_like(after, 4)


class FastPathStartsAgain(BigramTable):
    def token_log_probs(self, tokens: Array, state: Array | None = None) -> tuple[Array, Array]:
        return super().token_log_probs(tokens)


class AdvanceInPlace(BigramTable):
    def advance(self, state: Array, tokens: Array) -> Array:
        state[:] = super().advance(state, tokens)
        return state


class SelectsNothing(BigramTable):
    def select(self, state: Array, rows: Array) -> Array:
        return np.resize(state, len(rows))


class DependsOnItsBatch(BigramTable):
    def log_probs(self, state: Array) -> Array:
        rows = super().log_probs(state)
        return rows if len(state) > 1 else rows[:, [4, 1, 2, 3, 0, 5]]


class SelectsInPlace(BigramTable):
    def select(self, state: Array, rows: Array) -> Array:
        selected = super().select(state, rows)
        state[:] = 4
        return selected


class FastPathInPlace(BigramTable):
    def token_log_probs(self, tokens: Array, state: Array | None = None) -> tuple[Array, Array]:
        result = super().token_log_probs(tokens, state)
        if state is not None:
            state[:] = 3
        return result


class AdvancesByTheFirst(BigramTable):
    def advance(self, state: Array, tokens: Array) -> Array:
        return super().advance(state, tokens[:, :1])


class NeverForgets(DecayingVotes):
    scope = "sentence"  # type: ignore[assignment]


class SeesLessThanItSays(BigramTable):
    context_length = 0


class FastPathOfAnotherShape(BigramTable):
    def token_log_probs(self, tokens: Array, state: Array | None = None) -> tuple[Array, Array]:
        scores, after = super().token_log_probs(tokens, state)
        return scores[:, :-1], after


class JoinsBackwards(BigramTable):
    def join(self, states: Any) -> Array:
        return super().join(states[::-1])


class JoinsInPlace(BigramTable):
    def join(self, states: Any) -> Array:
        joined = super().join(states)
        for state in states:
            state[:] = 4
        return joined


class JoinsTheVotesAlone(DecayingVotes):
    """As a cache whose rows are of one length would: all rows are as far as the first."""

    def join(self, states: Any) -> Array:
        joined = super().join(states)
        return joined / joined.sum(axis=1, keepdims=True) * joined[:1].sum()


BROKEN = [
    (JoinsBackwards, r"join against each row alone: differs by [0-9.]+ on tokens .*"),
    (JoinsInPlace, r"log_probs after join \(an old state changed\): differs by [0-9.]+ on tokens .*"),
    (JoinsTheVotesAlone, r"advance after join: differs by [0-9.]+ on tokens .*"),
    (SelectsInPlace, r"log_probs after select \(the old state changed\): differs by [0-9.]+ on tokens .*"),
    (FastPathInPlace, r"log_probs after token_log_probs \(the old state changed\): differs by [0-9.]+ on tokens .*"),
    (AdvancesByTheFirst, r"advance over many tokens against one at a time: differs by [0-9.]+ on tokens .*"),
    (NeverForgets, r"a sentence model after </s> against its start: differs by [0-9.]+ on tokens .*"),
    (SeesLessThanItSays, r"a model of context length 0 with another token before that context: differs by .*"),
    (FastPathOfAnotherShape, r"token_log_probs against stepping: has shape \(3, 3\), expected \(3, 4\)"),
    (Unnormalised, r"probabilities sum to 1\.010000000, not 1, after \[\]"),
    (UnnormalisedAfterA, r"probabilities sum to 0\.900000000, not 1, after \[3\]"),
    (PredictsStart, r"<s> is context only: its column in log_probs must be -inf"),
    (NotANumber, r"log_probs holds a NaN or a probability above 1 after \[\[\], \[\], \[\]\]"),
    (AboveOne, r"log_probs holds a NaN or a probability above 1 after \[\[\], \[\], \[\]\]"),
    (NoColumnForStart, r"log_probs has shape \(3, 5\), expected \(B, V\) = \(3, 6\)"),
    (FastPathDiffers, r"token_log_probs against stepping: differs by 0\.001 on tokens " + re.escape(str(IDS.tolist()))),
    (PaddingScores, r"token_log_probs against stepping: differs by 1 on tokens .*"),
    (FastPathLosesState, r"the state after token_log_probs: differs by [0-9.]+ on tokens .*"),
    (FastPathStartsAgain, r"token_log_probs in two parts: differs by [0-9.]+ on tokens .*"),
    (AdvanceInPlace, r"log_probs after advance \(the old state changed\): differs by [0-9.]+ on tokens .*"),
    (SelectsNothing, r"select against log_probs: differs by [0-9.]+ on tokens .*"),
    (DependsOnItsBatch, r"one row alone: differs by [0-9.]+ on tokens \[\[3, 4, 2, 3\]\]"),
]


@pytest.mark.parametrize(("broken", "message"), BROKEN, ids=[kind.__name__ for kind, _ in BROKEN])
def test_the_check_catches(broken: Any, message: str) -> None:
    with pytest.raises(ConformanceError) as caught:
        check_language_model(broken(), tokens=IDS)
    assert re.fullmatch(message, str(caught.value)), str(caught.value)
    with pytest.raises(ConformanceError):
        check_language_model(broken())  # on random tokens too


def test_the_check_catches_a_reload_that_differs() -> None:
    def rounded(lm: Any) -> BigramTable:
        return BigramTable(lm.table.astype(np.float32).astype(np.float64), lm.vocabulary)

    with pytest.raises(ConformanceError, match=r"^a reloaded model's token_log_probs: differs by [0-9.]+e-0[789] on"):
        check_language_model(BigramTable(), reload=rounded)


def test_the_check_catches_a_reload_that_differs_on_what_was_not_read() -> None:
    def other_row(lm: Any) -> BigramTable:
        table = lm.table.copy()
        table[5] = table[4]
        return BigramTable(table, lm.vocabulary)

    with pytest.raises(ConformanceError, match=r"^a reloaded model's log_probs: differs by .* on tokens \[\[3, 5\]\]$"):
        check_language_model(BigramTable(), reload=other_row, tokens=np.array([[3, 5]], dtype=np.int32))


def test_the_tolerance_is_the_callers() -> None:
    lm = BigramTable(BigramTable().table.astype(np.float32), toy_vocabulary())
    check_language_model(lm, 1e-4)
    with pytest.raises(ConformanceError, match="^probabilities sum to"):
        check_language_model(lm, 1e-12)
