"""Many lines at once score as they do one by one, however they are given and on however many threads."""

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

import nextword
from nextword import LM, Corpus, Pipeline, Smoothing
from nextword.errors import TextError, UsageError
from nextword.ngram import scoring
from nextword.text import encode
from nextword.text.spelling import CharTokenizer
from toy import BOS, EOS, BigramTable, log_table

LINES = ["students opened their books", "students opened their laptops", "the students read", "they opened it"] * 3
SENTENCES = st.lists(st.sampled_from(["students", "opened", "it", "naïve", "", " ", "\t", "<unk>", "\x0b"]), max_size=6)
MODELS = {
    "whitespace": nextword.train(Corpus.from_lines(LINES), order=3, smoothing="witten-bell"),
    "scores": nextword.train(Corpus.from_lines(LINES), order=3, smoothing=Smoothing("stupid-backoff")),
    "characters": nextword.train(Corpus.from_lines(LINES), order=3, smoothing="witten-bell", tokenizer="char"),
    "any": LM(BigramTable(log_table({BOS: {3: 1.0}, 3: {4: 0.75, EOS: 0.25}, 4: {EOS: 1.0}}, 5))),
}


@pytest.mark.parametrize("name", MODELS)
@given(sentences=st.lists(SENTENCES, min_size=1, max_size=8), threads=st.sampled_from([1, 3]))
def test_lines_score_as_each_does_alone(name, sentences, threads, tmp_path_factory):
    lm, lines = MODELS[name], [" ".join(words) for words in sentences]
    expected = [lm.score(line + "\n") for line in lines]
    text = "".join(line + "\n" for line in lines)
    file = tmp_path_factory.getbasetemp() / "lines.txt"
    file.write_text(text, encoding="utf-8", newline="")
    ended = [line + "\n" for line in lines]
    for given_as in (lines, ended, iter(lines), text.encode(), file, Corpus(file, block_size=7)):
        np.testing.assert_allclose(lm.score_lines(given_as, threads=threads), expected, rtol=1e-12)


def test_many_blocks_keep_their_order():
    lm, few = MODELS["whitespace"], ["students read", "it", "", "the books opened students"]
    expected = [lm.score(line + "\n") for line in few] * 20_000
    np.testing.assert_allclose(lm.score_lines(few * 20_000, threads=3), expected, rtol=1e-12)


def test_no_lines_have_no_scores():
    lm = MODELS["whitespace"]
    assert lm.score_lines([]).shape == lm.score_lines(b"").shape == (0,)


def test_a_tokenizer_of_ones_own_reads_lines_too(tmp_path):
    lm = LM(MODELS["characters"].model, Pipeline(tokenizer=CharTokenizer()))
    np.testing.assert_allclose(lm.score_lines(["it"]), [lm.score("it")])


def test_one_str_is_refused_as_it_may_be_a_text_or_a_name():
    with pytest.raises(UsageError) as error:
        MODELS["whitespace"].score_lines("students.txt")
    assert str(error.value) == (
        "score_lines was given one str, which may be a text or a file's name; give its lines, for example by "
        "splitlines(), or a pathlib.Path"
    )


def test_a_string_of_several_lines_is_refused():
    with pytest.raises(UsageError) as error:
        MODELS["whitespace"].score_lines(["a", "b\n", "c\nd", "e\nf"])
    assert str(error.value) == "string 3 holds several lines: 'c\\nd'; give score_lines one line in each"


@pytest.mark.parametrize("bad", ["</s>", "\ud800"])
def test_what_is_no_text_is_named_by_its_line(bad):
    with pytest.raises(TextError, match=r"^<memory>:3: "):
        MODELS["whitespace"].score_lines(["a", "b", f"c {bad}", "d"])


def test_threads_do_not_wait_for_each_other():
    assert all(kernel.targetoptions["nogil"] for kernel in (encode.encode, scoring.score))
