"""Attachment scores against a slow twin written from the shared task's definition."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from nextword.errors import TextError, UsageError
from nextword.tasks.parse.score import score, universal
from nextword.text.conllu import Sentence, Word
from parse_trees import SAW, sentence, trees

RELATIONS = ("nsubj", "nsubj:pass", "obj", "punct", "case", "root")
FUNCTION = {"punct", "case"}  # of those, the ones that CLAS leaves out


@st.composite
def pairs(draw):
    """A sentence with two trees."""
    gold = draw(trees())
    other = draw(trees().filter(lambda heads: len(heads) == len(gold)) if draw(st.booleans()) else st.just(gold))

    def made(heads):
        names = [draw(st.sampled_from(RELATIONS)) for _ in heads]
        return Sentence(tuple(Word("w", head=h, deprel=name) for h, name in zip(heads, names, strict=True)))

    return made(gold), made(other)


@given(st.lists(pairs(), min_size=1, max_size=3))
def test_scores_are_those_of_the_definition(given_pairs):
    """evaluate: each word is an alignment of itself; a score is 2 · correct / (gold + found), of which words count."""

    def f1(key, counts=lambda word: True):
        gold = [(i, j, word) for i, (g, _) in enumerate(given_pairs) for j, word in enumerate(g.words) if counts(word)]
        found = [(i, j, word) for i, (_, f) in enumerate(given_pairs) for j, word in enumerate(f.words) if counts(word)]
        keys = {(i, j, key(word)) for i, j, word in found}
        correct = sum((i, j, key(word)) in keys for i, j, word in gold)
        return 2 * correct / (len(gold) + len(found)) if gold or found else 0.0

    scores = score([gold for gold, _ in given_pairs], [found for _, found in given_pairs])
    labelled = lambda word: (word.head, word.deprel.split(":")[0])  # noqa: E731
    assert scores.uas == pytest.approx(f1(lambda word: word.head))
    assert scores.las == pytest.approx(f1(labelled))
    assert scores.exact == pytest.approx(f1(lambda word: (word.head, word.deprel)))
    assert scores.clas == pytest.approx(f1(labelled, lambda word: word.deprel.split(":")[0] not in FUNCTION))
    assert scores.words == sum(len(gold.words) for gold, _ in given_pairs)
    assert scores.sentences == len(given_pairs)
    heads = [[[word.head for word in s.words] for s in pair] for pair in given_pairs]
    assert scores.trees == sum(gold == found for gold, found in heads)


def test_subtypes_and_punctuation():
    gold = sentence("He/3/nsubj:pass was/3/aux:pass seen/0/root ./3/punct")
    found = sentence("He/3/nsubj was/3/aux:pass seen/0/root ./1/punct")
    scores = score([gold], [found])
    assert (scores.uas, scores.las, scores.exact) == (3 / 4, 3 / 4, 2 / 4)
    assert scores.clas == 1.0  # He and seen; aux and punct do not count
    assert scores.to_json()["las"] == 0.75
    assert universal("obl:tmod:x") == "obl"


def test_only_the_same_words_are_compared():
    other = sentence("I/2/subj saw/0/root her/2/obj")
    with pytest.raises(TextError) as error:
        score([SAW], [other])
    assert str(error.value) == "<memory>:3: the word is 'her', expected 'him', as in <memory>:3"
    with pytest.raises(TextError) as error:
        score([SAW], [sentence("I/2/subj saw/0/root")])
    assert str(error.value) == "<memory>:1: 2 words, expected the 3 of <memory>:1; parse the same sentences"
    with pytest.raises(UsageError) as error:
        score([SAW], [])
    assert str(error.value) == "0 sentences are compared with 1; parse the same file"
    with pytest.raises(UsageError) as error:
        score([], [])
    assert str(error.value) == "there is no sentence to score; give a file with at least one"


@pytest.mark.parametrize("which", [0, 1])
def test_neither_side_may_be_no_tree(which):
    circle = SAW.replaced(heads=[2, 1, 0])
    with pytest.raises(TextError, match=r"^<memory>:1: the heads go in a circle, 1 → 2 → 1"):
        score(*[[circle if i == which else SAW] for i in range(2)])
