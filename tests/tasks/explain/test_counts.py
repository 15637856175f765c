"""Counts read again from a text: against dictionaries, and against the file that has changed since."""

from collections import defaultdict

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

import nextword
from nextword.errors import UsageError
from nextword.tasks.explain.counts import TrainingText, find_text, read_text
from nextword.text.corpus import Corpus
from nextword.text.pipeline import Pipeline

BOS, EOS = 1, 2
REMEDY = "name the text with nextword explain --train"
sentences = st.lists(st.lists(st.integers(3, 6), max_size=7), min_size=1, max_size=12)


def slow(lines, context):
    """Counts and distinct left words of what follows a context, word by word, as the definitions read."""
    raw, left = defaultdict(int), defaultdict(set)
    for line in lines:
        padded = [BOS, *line, EOS]
        for at in range(1, len(padded)):
            begin = at - len(context)
            if begin >= 0 and padded[begin:at] == list(context):
                raw[padded[at]] += 1
                left[padded[at]].add(padded[begin - 1] if begin else None)
    begun = bool(context) and context[0] == BOS
    return {word: (raw[word], raw[word] if begun else len(left[word])) for word in sorted(raw)}


@settings(max_examples=60)
@given(sentences, st.lists(st.integers(3, 6), max_size=3), st.booleans())
def test_counts_are_those_of_dictionaries(lines, context, begun):
    ids = np.array([EOS, *(token for line in lines for token in [*line, EOS])], dtype=np.int32)
    text = TrainingText(ids, bos=BOS, eos=EOS, size=7)
    context = [BOS, *context] if begun else context
    found = text.after(context)
    rows = zip(found.words.tolist(), found.raw.tolist(), found.adjusted.tolist(), strict=True)
    assert {word: (raw, adjusted) for word, raw, adjusted in rows} == slow(lines, context)


def test_the_first_lines_of_a_text():
    ids = np.array([2, 3, 2, 4, 5, 2, 6, 2], dtype=np.int32)
    text = TrainingText(ids, bos=BOS, eos=EOS, size=7)
    assert text.first_lines(2).ids.tolist() == [2, 3, 2, 4, 5, 2]
    assert text.first_lines(9).ids.tolist() == ids.tolist()


@pytest.fixture
def trained(tmp_path):
    file = tmp_path / "train.txt"
    file.write_text("a b\na c\n")
    return file, nextword.train(file, order=2, smoothing="witten-bell")


def find(lm, **options):
    return find_text(lm.model.vocabulary, lm.pipeline, lm.info["trained_on"], **options)


def test_the_text_that_a_model_names_is_read_and_remembered(trained):
    file, lm = trained
    text = find(lm)
    assert text.name == str(file)
    assert [lm.model.vocabulary.word(i) for i in text.ids] == ["</s>", "a", "b", "</s>", "a", "c", "</s>"]
    assert find(lm) is text


def test_a_text_that_is_not_the_one_is_said(trained):
    file, lm = trained
    changed = f"{file} has changed since the model was trained on it; {REMEDY}"
    for text in ("a b\na d\n", "a b\na c\nb\n"):  # of the same size, and longer
        file.write_text(text)
        with pytest.raises(UsageError) as error:
            find(lm)
        assert str(error.value) == changed
    file.unlink()
    with pytest.raises(UsageError) as error:
        find(lm)
    assert str(error.value) == f"the training text {file} is not there; {REMEDY}"


def test_a_long_text_and_a_model_that_names_none(trained):
    _, lm = trained
    with pytest.raises(UsageError) as error:
        find(lm, most=7)
    assert str(error.value) == "the training text has 8 bytes, and no more than 7 are read for counts here"
    with pytest.raises(UsageError) as error:
        find_text(lm.model.vocabulary, lm.pipeline, [])
    assert str(error.value) == f"the model does not say what it was trained on; {REMEDY}"


def test_an_empty_text_is_no_training_text(trained):
    _, lm = trained
    with pytest.raises(UsageError) as error:
        read_text(Corpus.from_lines([]), lm.model.vocabulary, Pipeline())
    assert str(error.value) == "<memory>: the text is empty, and no model was trained on such a one; name another"
