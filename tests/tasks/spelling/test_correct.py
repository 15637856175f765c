"""The corrector: the search against brute force, and what of a text stays as it was."""

import itertools

import numpy as np
import pytest

pytest.importorskip("rapidfuzz")

import nextword  # noqa: E402
from nextword.errors import UsageError  # noqa: E402
from nextword.tasks.spelling import Channel, Confusions, Corrector, Settings  # noqa: E402
from nextword.text.normalize import Normalizer  # noqa: E402
from toy import BigramTable, DecayingVotes  # noqa: E402

TEXT = [
    "the principal of the school spoke", "the school has a principal", "he has a book", "a man of principle",
    "it is the principle of it", "they read their books", "there is the school", "their school is there",
]  # fmt: skip
SETS = Confusions([["principal", "principle"], ["their", "there"]])


@pytest.fixture(scope="module")
def lm():
    return nextword.train(nextword.Corpus.from_lines(TEXT * 4), order=3, smoothing="witten-bell")


def corrected(lm, *lines, channel=None, **options):
    made = Corrector(lm.model, channel or Channel(confusions=SETS), pipeline=lm.pipeline, settings=Settings(**options))
    return [one.text for one in made.correct(lines)]


def test_words_that_are_none_and_words_that_are_wrong(lm):
    assert corrected(lm, "the pricipal of teh school spoke") == ["the principal of the school spoke"]
    assert corrected(lm, "the school has a principle", "they read there books") == [
        "the school has a principal", "they read their books",
    ]  # fmt: skip
    assert corrected(lm, *TEXT) == TEXT


def test_blanks_marks_capitals_and_numbers_stay(lm):
    typed = '  "Teh  SCHOL," (3 times) read\tthier boks.  '
    assert corrected(lm, typed, unknown=-9.0) == ['  "The  SCHOOL," (3 times) read\ttheir books.  ']
    assert corrected(lm, "", " ", "...", "x7 3.14") == ["", " ", "...", "x7 3.14"]


def test_changes_are_told(lm):
    corrector = Corrector(lm.model, pipeline=lm.pipeline, settings=Settings(unknown=-9.0))
    found = next(corrector.correct(["teh school, 2 Boks!"]))
    assert found.changes == ((1, "teh", "the"), (4, "Boks!", "Books!"))


def test_names_stay_if_unknown_words_are_welcome(lm):
    assert corrected(lm, "the Schoul spoke", unknown=30.0) == ["the Schoul spoke"]
    assert corrected(lm, "the Schoul spoke", unknown=-30.0) == ["the School spoke"]


def test_a_vocabulary_of_marked_words_and_a_lowercasing_model():
    """Marks belong to the tokens here, and a form that was never seen falls back on the word; capitals come back."""
    marked = nextword.train(nextword.Corpus.from_lines(["the school, the books.", "the school is."] * 4), order=2,
                            smoothing="witten-bell")  # fmt: skip
    assert corrected(marked, "teh schol!") == ["the schol!"]  # school without a mark is no word of this vocabulary
    titles = [line.title() for line in TEXT] * 4
    reading = {"normalizer": Normalizer(lowercase=True), "tokenizer": "word"}
    lowered = nextword.train(nextword.Corpus.from_lines(titles), order=2, smoothing="witten-bell", **reading)
    assert corrected(lowered, "Teh schol, TEH boks.", unknown=-9.0) == ["The school, THE books."]


@pytest.mark.parametrize("model", [BigramTable(size=8, seed=4), DecayingVotes(size=8, seed=4)])
def test_the_search_finds_the_best_of_all_readings(model):
    """The words are single letters, each one edit from every other: 5 ** 4 readings, by brute force."""
    channel = Channel(error_rate=0.6)
    settings = Settings(beam=700, unknown=0.0, lm_weight=0.7)
    made = Corrector(model, channel, settings=settings)
    letters = "abcde"
    typed = ["b", "a", "e", "c"]

    def total(reading):
        ids = np.array([[*model.vocabulary.ids(reading), 2]], dtype=np.int32)
        likely = sum(channel.log_prob(t, m) for t, m in zip(typed, reading, strict=True))
        return likely + 0.7 * model.token_log_probs(ids)[0].sum()

    best = max(itertools.product(letters, repeat=4), key=total)
    assert next(made.correct([" ".join(typed)])).text == " ".join(best)
    greedy = Corrector(model, channel, settings=Settings(beam=1, unknown=0.0, lm_weight=0.7))
    found = next(greedy.correct([" ".join(typed)])).text.split()
    assert total(found) <= total(best)


def test_what_cannot_correct_is_refused(lm):
    chars = nextword.train(nextword.Corpus.from_lines(TEXT), order=2, tokenizer="char", smoothing="witten-bell")
    with pytest.raises(UsageError) as caught:
        Corrector(chars.model, pipeline=chars.pipeline)
    assert str(caught.value) == (
        "the model's tokens are not words (char), and words are what is corrected; use one trained with --tokenizer "
        "whitespace or word"
    )
    numbers = nextword.train(nextword.Corpus.from_lines(["1 2 3"]), order=2, smoothing="witten-bell")
    with pytest.raises(UsageError, match="the model's vocabulary holds no words of letters"):
        Corrector(numbers.model)
    stupid = nextword.train(nextword.Corpus.from_lines(TEXT), order=2, smoothing="stupid-backoff")
    with pytest.raises(UsageError, match="spelling is corrected by probability, and this model's scores are none"):
        Corrector(stupid.model)
    with pytest.raises(UsageError, match="beam and keep are 0 and 16; give 1 or more"):
        Settings(beam=0)
    with pytest.raises(UsageError, match="lm_weight is 0; give a number above 0"):
        Settings(lm_weight=0)
