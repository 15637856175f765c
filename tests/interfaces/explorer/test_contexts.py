"""Contexts that are remembered give what the model gives, and a longer one costs a step."""

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

pytest.importorskip("fastapi")

from nextword.interfaces.explorer.contexts import Contexts, Recent  # noqa: E402
from toy import BigramTable, DecayingVotes  # noqa: E402


@given(st.lists(st.lists(st.sampled_from([0, 2, 3, 4, 5]), max_size=12), max_size=8))
@pytest.mark.parametrize("model", [BigramTable(size=6), DecayingVotes(size=6)])
def test_contexts_give_what_the_model_gives(model, contexts):
    known = Contexts(model)
    for ids in contexts:
        row = np.array(ids, dtype=np.int32)
        state = model.start(1)
        for token in row:
            state = model.advance(state, np.array([[token]], dtype=np.int32))
        np.testing.assert_allclose(known.log_probs(row), model.log_probs(state)[0], atol=1e-12)


def test_one_more_word_is_one_step():
    read = []

    class Watched(BigramTable):
        def advance(self, state, tokens):
            read.append(tokens.shape[1])
            return super().advance(state, tokens)

    known = Contexts(Watched())
    for length in (6, 7, 8, 7, 8, 6, 9):
        known.log_probs(np.full(length, 3, dtype=np.int32))
    assert read == [6, 1, 1, 1]


def test_what_was_not_wanted_for_longest_is_dropped():
    kept = Recent(2)
    kept.put(b"a", 1)
    kept.put(b"b", 2)
    assert kept.get(b"a") == 1
    kept.put(b"c", 3)
    assert (kept.get(b"a"), kept.get(b"b"), kept.get(b"c")) == (1, None, 3)
