"""Rescoring with toy models, whose scores are known, and the whole way from lists to fewer errors."""

import numpy as np
import pytest

pytest.importorskip("jiwer")

from nextword.errors import TextError, UsageError  # noqa: E402
from nextword.tasks.rescore import NBestLists, Weights, measure, rescore, score_lists, tune_weights  # noqa: E402
from nextword.tasks.rescore.scoring import text_log_probs  # noqa: E402
from toy import BigramTable, DecayingVotes, log_table  # noqa: E402

TEXTS = ["a b c", "a", "", "c zebra a", "a b c", "b  b"]


@pytest.mark.parametrize("lm", [BigramTable(), DecayingVotes()])
def test_each_text_is_scored_by_itself(lm):
    """Also with a stream model, whose state would go on from line to line: no text is the context of another."""
    found, unknown = text_log_probs(lm, TEXTS)
    for text, total in zip(TEXTS, found, strict=True):
        ids = [*lm.vocabulary.ids(text.split()), 2]
        assert total == pytest.approx(lm.token_log_probs(np.array([ids], dtype=np.int32))[0].sum())
    assert unknown.tolist() == [0, 0, 0, 1, 0, 0]


def test_a_model_with_a_faster_door_gives_the_same():
    import nextword

    lm = nextword.train(nextword.Corpus.from_lines(["a b c", "c b a", "a a"] * 5), order=2, smoothing="witten-bell")
    found, unknown = text_log_probs(lm.model, TEXTS * 3, threads=2)
    np.testing.assert_allclose(found, [lm.score(text + "\n") for text in TEXTS * 3])
    assert unknown.tolist() == [0, 0, 0, 1, 0, 0] * 3


def lists(*texts):
    ranked = [[(text, [-float(rank)]) for rank, text in enumerate(one)] for one in texts]
    return NBestLists.make([(str(i), one) for i, one in enumerate(ranked)], ["am"])


def test_features_and_totals_by_hand():
    """p(a|<s>) = 0.8, p(b|<s>) = 0.2, and the end is certain: totals are -rank + 2 log p + 0.5 words."""
    lm = BigramTable(log_table({1: {3: 0.8, 4: 0.2}}, 6))
    scored = score_lists(lm, lists(["b", "a"], ["a"]))
    assert scored.names == ("am", "LM", "words", "unknown")
    rare, often = np.log(0.2), np.log(0.8)
    np.testing.assert_allclose(scored.features, [[0, rare, 1, 0], [-1, often, 1, 0], [0, often, 1, 0]])
    done = rescore(scored, Weights({"am": 1.0, "LM": 2.0, "words": 0.5}))
    np.testing.assert_allclose(done.totals, [2 * rare + 0.5, 2 * often - 0.5, 2 * often + 0.5])
    assert (done.order, done.best) == ([[1, 0], [0]], ["a", "a"])
    assert rescore(scored, Weights({"am": 1.0})).best == ["b", "a"]
    assert rescore(scored, Weights({})).order == [[0, 1], [0]]  # equals stay as they came


def test_a_tuned_model_repairs_what_it_can():
    """The channel prefers a wrong word in half the lists; the model knows that c follows b, and a follows a."""
    lm = BigramTable(log_table({1: {3: 0.5, 4: 0.5}, 3: {3: 0.6, 5: 0.01, 2: 0.39}, 4: {5: 0.9, 3: 0.01, 2: 0.09}}, 6))
    made = lists(*[["b a", "b c"], ["a a", "a c"]] * 12)
    references = ["b c", "a a"] * 12
    scored = score_lists(lm, made)
    weights = tune_weights(scored, references)
    assert weights.values["am"] == 1.0
    assert weights.values["LM"] > 1 / np.log(90)  # what it takes to overcome one rank
    found = measure(rescore(scored, weights), references)
    assert (found.before.errors, found.after.errors, found.oracle.errors) == (12, 0, 0)
    assert found.difference is not None and found.difference.high < 0
    assert measure(rescore(score_lists(lm, lists(["a"])), weights), ["a"]).difference is None


def test_costs_are_turned_round():
    """Scores that grow with errors get a negative weight."""
    costs = NBestLists.make([(str(i), [("b", [9.0]), ("a", [1.0]), ("c", [5.0])]) for i in range(20)], ["cost"])
    weights = tune_weights(score_lists(BigramTable(np.log(np.full((6, 6), 1 / 6))), costs), ["a"] * 20)
    assert weights.values["cost"] == -1.0


def test_the_new_score_has_a_name_of_its_own():
    made = NBestLists.make([("1", [("a", [1.0])])], ["LM"])
    done = rescore(score_lists(BigramTable(), made), Weights({"LM2": 1.0}))
    assert done.scored.names == ("LM", "LM2", "words", "unknown")
    assert done.lines() == [f"1 ||| a ||| 1.0 {done.totals[0]:.6f} ||| {done.totals[0]:.6f}"]


def test_what_cannot_be_scored_is_refused():
    lm = BigramTable(log_table({1: {3: 1.0}}, 6))
    with pytest.raises(TextError) as caught:
        score_lists(lm, lists(["a", "b"]))
    assert str(caught.value) == (
        "list 1: the model gives 'b' the probability 0, which no weight can mend; train it with a smoothing that has "
        "no zeros"
    )
    with pytest.raises(TextError, match="list 1: the hypothesis holds </s>, which stands for its beginning or end"):
        score_lists(lm, lists(["a </s>"]))
    with pytest.raises(UsageError, match="a score is called 'words', as one of ours is; give it another name"):
        score_lists(lm, NBestLists.make([("1", [("a", [1.0])])], ["words"]))
    with pytest.raises(UsageError, match="a weight for 'tm', which is none of the scores am, LM, words, unknown"):
        rescore(score_lists(lm, lists(["a"])), Weights({"tm": 1.0}))
    with pytest.raises(UsageError, match="1 references for 2 lists; give one for each list"):
        tune_weights(score_lists(lm, lists(["a"], ["a"])), ["a"])
    with pytest.raises(TextError, match="list 1: 'x' has no hypotheses; give at least one"):
        NBestLists.make([("x", [])], [])


@pytest.mark.parametrize("value", [float("nan"), float("inf")])
def test_a_weight_is_finite(value):
    with pytest.raises(UsageError) as caught:
        Weights({"LM": value})
    assert str(caught.value) == f"the weight of LM is {value}; give a finite number"
