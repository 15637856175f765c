"""The table of all models: complete, saved, reproducible, and honest about what it could not estimate."""

import json

import pytest

import nextword
from nextword.errors import TextError, UsageError
from nextword.ngram.smoothing import Smoothing
from nextword.tasks.compare import LINEAGE, ORDERS, UNITS, Row, compare, split
from nextword.text.corpus import Corpus

LINES = [
    f"the {a} {v} the {b} ."
    for a in ("cat", "dog", "owl")
    for v in ("saw", "hid")
    for b in ("mat", "hat", "cat", "elk")
]


def text(corpus):
    return b"".join(block.text for block in corpus).decode()


def test_lines_are_cut_in_order_into_eight_one_and_one_tenths():
    found = split([f"line {i}" for i in range(25)])
    assert found.lines == (20, 2, 3)
    expected = "".join(f"line {i}\n" for i in range(25))
    assert text(found.train) + text(found.valid) + text(found.test) == expected
    assert text(found.test).startswith("line 22\n")


def test_fewer_than_ten_lines_are_refused():
    assert split(["x"] * 10).lines == (8, 1, 1)
    with pytest.raises(UsageError) as caught:
        split(["x"] * 9)
    assert str(caught.value) == "the text has 9 lines; to train, validate and test takes 10 or more"


def test_every_model_is_trained_saved_and_measured(tmp_path):
    texts = split(LINES)
    begun = []
    rows = list(compare(texts, tmp_path, threads=1, progress=begun.append))
    names = ["add-one" if name == "laplace" else name for name in LINEAGE]
    expected = [(unit, name, order) for unit in UNITS for name in names for order in ORDERS]
    assert [(row.unit, row.model, row.order) for row in rows] == expected
    assert begun == [f"{unit} {name} {order}" for unit, name, order in expected]
    for row in rows[::9]:
        lm = nextword.load(row.directory)
        found = lm.evaluate(texts.test)
        assert (found.perplexity, found.bits_per_byte) == (row.perplexity, row.bits_per_byte)
        assert found.perplexity_excluding_oov == row.perplexity_excluding_oov
        assert row.ngrams == len(lm.model)
        assert row.bytes == sum(
            file.stat().st_size for file in (tmp_path / f"{row.unit}-{row.model}-{row.order}").iterdir()
        )
        assert row.seconds > 0
    assert any(row.notes for row in rows)


def test_a_row_is_what_training_on_the_first_part_gives(tmp_path):
    texts = split(LINES)
    (row,) = [row for row in compare(texts, tmp_path, orders=[3], units=["word"]) if row.model == "witten-bell"]
    lm = nextword.train(Corpus.from_lines(LINES[:19]), order=3, smoothing=Smoothing("witten-bell"), tokenizer="word")
    assert lm.evaluate(Corpus.from_lines(LINES[21:])).perplexity == row.perplexity


def test_every_estimator_with_a_fallback_says_so(tmp_path):
    rows = list(compare(split(["a b c"] * 10), tmp_path, orders=[2], units=["char"]))
    noted = {row.model for row in rows if row.notes}
    assert noted == {"absolute", "katz", "kneser-ney", "modified-kneser-ney"}


def test_a_row_is_json_even_where_a_figure_is_infinite():
    row = Row("word", "mle", 1, 2, 3, 0.5, float("inf"), 7.0, float("inf"), "out/x", ("order 1: …",))
    found = json.loads(json.dumps(row.to_json(), allow_nan=False))
    assert (found["perplexity"], found["perplexity_excluding_oov"], found["bits_per_byte"]) == (None, 7.0, None)
    assert found["notes"] == ["order 1: …"]


def test_when_the_time_is_up_no_further_model_is_begun(tmp_path):
    rows = list(compare(split(LINES), tmp_path, minutes=1e-9))
    assert [(row.unit, row.model, row.order) for row in rows] == [("word", "add-one", 1)]


@pytest.mark.parametrize(("minutes", "shown"), [(0, "0"), (-1.5, "-1.5"), (float("nan"), "nan")])
def test_no_time_at_all_is_refused_at_once(tmp_path, minutes, shown):
    with pytest.raises(UsageError) as caught:
        compare(split(LINES), tmp_path, minutes=minutes)
    assert str(caught.value) == f"{shown} minutes leave no time to train a model; give a number above 0"


@pytest.mark.parametrize(
    "lines",
    [
        ["word"] * 10,
        [""] * 12,
        ["", "a b c", ""] * 5,
        ["a\r"] * 10,
        ["a <unk> b"] * 10,
        [f"w{i}" for i in range(20)],
        ["a\u2028b\x0bc\x85d ▁"] * 10,
    ],
    ids=["one word", "empty", "mostly empty", "carriage returns", "unknown", "all new", "odd characters"],
)
def test_odd_texts_give_whole_tables(tmp_path, lines):
    rows = list(compare(split(lines), tmp_path, orders=[1, 3]))
    assert len(rows) == 2 * len(LINEAGE) * 2
    assert all(1 <= row.perplexity < 1e6 and 0 < row.bits_per_byte < 1e3 for row in rows)


def test_the_marks_of_sentences_are_refused_by_name(tmp_path):
    with pytest.raises(TextError, match="^<memory>:3: the text holds </s>, which marks the ends of sentences"):
        list(compare(split(["a", "b", "a </s> b", *["a"] * 10]), tmp_path, units=["whitespace"]))
