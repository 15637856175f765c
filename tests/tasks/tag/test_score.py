"""Scores of tags, counted by hand."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from nextword.errors import UsageError
from nextword.tasks.tag.score import Found, score_tags


def split(*rows):
    return [row.split() for row in rows]


WORDS = split("Ann met Bob Lee in New York", "Ann slept")
GOLD = split("B-per O B-per I-per O B-loc I-loc", "B-per O")
GUESS = split("B-per O B-per O O I-loc I-loc", "O B-org")


def test_entities_by_hand():
    scores = score_tags(GOLD, GUESS, WORDS)
    # right: Ann in the first sentence; New York, ill-formed as its tags are. Bob is half of Bob Lee; Ann was missed.
    assert scores.entities == Found(correct=2, predicted=4, gold=4)
    assert scores.types == {"loc": Found(1, 1, 1), "org": Found(0, 1, 0), "per": Found(1, 2, 3)}
    assert (scores.entities.precision, scores.entities.recall, scores.entities.f1) == (0.5, 0.5, 0.5)
    # distinct: there are Ann, Bob Lee, New York; predicted Ann, Bob, New York and slept
    assert scores.surface == Found(correct=2, predicted=4, gold=3)
    assert (scores.tokens, scores.correct, scores.sentences) == (9, 5, 2)
    assert scores.figure == 0.5
    assert scores.to_json()["types"]["per"] == {
        "correct": 1, "predicted": 2, "gold": 3, "precision": 0.5, "recall": 1 / 3, "f1": 0.4
    }  # fmt: skip


def test_schemes_may_differ():
    gold = split("S-per O B-per E-per O B-loc E-loc", "S-per O")
    assert score_tags(gold, GOLD, WORDS).entities == Found(4, 4, 4)


def test_parts_of_speech_by_hand():
    words, gold, guess = split("they book a flight"), split("PRON VERB DET NOUN"), split("PRON NOUN DET NOUN")
    known = {"they", "a"}
    scores = score_tags(gold, guess, words, known_words=known.__contains__, known_tags=["PRON", "DET", "NOUN"])
    assert (scores.accuracy, scores.figure, scores.entities) == (0.75, 0.75, None)
    assert (scores.unknown, scores.unknown_accuracy) == (2, 0.5)
    assert scores.tags["NOUN"] == Found(correct=1, predicted=2, gold=1)
    assert scores.tags["VERB"] == Found(correct=0, predicted=0, gold=1)
    assert scores.unseen == {"VERB": 1}
    assert "entities" not in scores.to_json()


def test_nothing_found_or_to_find_is_zero():
    nothing = score_tags(split("O O"), split("O O"), split("a b"), entities=True)
    assert (nothing.entities.f1, nothing.entities.precision, nothing.entities.recall) == (0, 0, 0)
    assert nothing.accuracy == 1
    assert score_tags([], [], []).accuracy == 0
    assert score_tags(split("N"), split("N"), split("a")).unknown_accuracy is None


@given(st.lists(st.tuples(st.sampled_from("ABC"), st.sampled_from("ABC")), min_size=1))
def test_tags_add_up(pairs):
    gold, guess = [[g for g, _ in pairs]], [[p for _, p in pairs]]
    scores = score_tags(gold, guess, gold)
    assert sum(found.gold for found in scores.tags.values()) == scores.tokens == len(pairs)
    assert sum(found.predicted for found in scores.tags.values()) == scores.tokens
    assert sum(found.correct for found in scores.tags.values()) == sum(g == p for g, p in pairs) == scores.correct


def test_lists_that_do_not_fit():
    with pytest.raises(UsageError) as refused:
        score_tags(split("A B"), split("A"), split("a b"))
    assert str(refused.value) == (
        "right tags of 1 sentences of 2 tokens, predicted ones of 1 sentences of 1 tokens, words of 1 sentences of 2 "
        "tokens: give one a token"
    )
