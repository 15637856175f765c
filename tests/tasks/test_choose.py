"""Which alternative is likelier, by how much, and what a fragment is."""

import numpy as np
import pytest

import nextword
from nextword.errors import UsageError
from nextword.tasks.choose import choose, unknown_context
from toy import BigramTable, DecayingVotes, log_table


def test_the_difference_by_hand():
    """p(a|<s>) = 1/2, p(b|<s>) = 1/8; p(c|a) = p(c|b) = 1/4; the end is certain after c: two bits between them."""
    lm = BigramTable(log_table({1: {3: 0.5, 4: 0.125, 5: 0.375}, 3: {5: 0.25, 2: 0.75}, 4: {5: 0.25, 2: 0.75}}, 6))
    best, other = choose(lm, ["b c", "a c"])
    assert (best.text, best.bits, best.behind) == ("a c", pytest.approx(3), 0.0)
    assert (other.text, other.bits, other.behind) == ("b c", pytest.approx(5), pytest.approx(2))
    assert best.log_prob == pytest.approx(np.log(0.125))
    assert [(part.token, round(part.bits, 9), part.oov) for part in other.parts] == [
        ("b", 3.0, False), ("c", 2.0, False), ("</s>", 0.0, False),
    ]  # fmt: skip
    assert [part.token for part in choose(lm, ["a", "b"], end=False)[0].parts] == ["a"]
    assert choose(lm, ["c", "b"], after="a")[0].bits == pytest.approx(2)


def test_a_fragment_is_judged_after_unknown_words_and_does_not_end():
    lm = BigramTable(log_table({1: {3: 0.9, 4: 0.1}, 0: {3: 0.25, 4: 0.75}}, 6))
    assert [one.text for one in choose(lm, ["a", "b"])] == ["a", "b"]
    best = choose(lm, ["a", "b"], fragment=True)[0]
    assert (best.text, best.bits, len(best.parts)) == ("b", pytest.approx(-np.log2(0.75)), 1)
    assert len(choose(lm, ["a", "b"], fragment=True, end=True)[0].parts) == 2


def test_a_fragment_of_an_ngram_model_begins_with_its_unigram():
    lm = nextword.train(nextword.Corpus.from_lines(["a b", "b b", "b a b"]), order=3, smoothing="witten-bell")
    assert len(unknown_context(lm.model)) == 2
    unigram = nextword.train(nextword.Corpus.from_lines(["a b", "b b", "b a b"]), order=1, smoothing="witten-bell")
    ours, theirs = (choose(one.model, ["a", "b"], fragment=True) for one in (lm, unigram))
    assert [one.bits for one in ours] == pytest.approx([one.bits for one in theirs])
    assert choose(unigram.model, ["a", "b"])[0].text == "b"


def test_a_stream_model_chooses_too():
    lm = DecayingVotes()
    found = choose(lm, ["a b", "c"], after="b")
    state = lm.advance(lm.start(1), np.array([[4]], dtype=np.int32))
    rows = {"a b": [[3, 4, 2]], "c": [[5, 2]]}
    expected = {text: lm.token_log_probs(np.array(ids), state)[0].sum() for text, ids in rows.items()}
    assert {one.text: one.log_prob for one in found} == pytest.approx(expected)


def test_equals_and_impossible_ones():
    lm = BigramTable(log_table({1: {3: 0.5, 4: 0.5}}, 6))
    assert [(one.text, one.behind) for one in choose(lm, ["b", "a", "c"])] == [("b", 0.0), ("a", 0.0), ("c", np.inf)]
    assert [one.behind for one in choose(lm, ["c", "c c"])] == [0.0, 0.0]


@pytest.mark.parametrize(
    ("alternatives", "options", "message"),
    [
        (["a"], {}, "1 alternatives; there is a choice between two or more"),
        (["a", " "], {"fragment": True}, "the alternative ' ' has no words and, as a fragment, no end; leave it out"),
        (["a", "b </s>"], {}, "a text holds </s>, which stands for the beginning or end of a sentence; take it out"),
    ],
)
def test_what_is_no_choice(alternatives, options, message):
    with pytest.raises(UsageError) as caught:
        choose(BigramTable(), alternatives, **options)
    assert str(caught.value) == message


def test_scores_that_are_no_probabilities_are_refused():
    lm = nextword.train(nextword.Corpus.from_lines(["a b"]), order=2, smoothing="stupid-backoff")
    with pytest.raises(UsageError, match="alternatives are compared by probability, and this model's scores are none"):
        choose(lm.model, ["a", "b"])
