"""The table of all models: complete, saved, reproducible, and honest about what it could not estimate."""

import hashlib
import json
import re
from importlib.util import find_spec

import pytest

import nextword
from nextword.errors import TextError, UsageError
from nextword.ngram.smoothing import Smoothing
from nextword.tasks.compare import Row, compare, document, split
from nextword.tasks.compared import read_table
from nextword.tasks.describe import describe
from nextword.tasks.recipes import BEST_ORDERS, LINEAGE, NETWORKS, UNITS, USUAL_ORDER, Data, recipes
from nextword.text.corpus import Corpus

LINES = [
    f"the {a} {v} the {b} ."
    for a in ("cat", "dog", "owl")
    for v in ("saw", "hid")
    for b in ("mat", "hat", "cat", "elk")
]


COUNTED = recipes(neural=False)
MEMBERS = [("lstm", None), ("modified-kneser-ney", 7)]


@pytest.fixture(autouse=True)
def _short_training(monkeypatch):
    """One epoch each."""
    short = {
        unit: {kind: (network, {**training, "epochs": 1}) for kind, (network, training) in kinds.items()}
        for unit, kinds in NETWORKS.items()
    }
    monkeypatch.setattr("nextword.tasks.recipes.NETWORKS", short)


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


def chosen(*names):
    """The recipes of these names."""
    return [recipe for recipe in recipes() if recipe.name in names]


def test_the_recipes_are_the_lineage_the_networks_and_a_mixture():
    names = [recipe.name for recipe in recipes()]
    assert len(set(names)) == len(names)
    for unit in UNITS:
        counted = ["add-one" if name == "laplace" else name for name in LINEAGE[:-1]]
        expected = [f"{unit} {name} {USUAL_ORDER[unit]}" for name in counted]
        expected += [f"{unit} modified-kneser-ney {order}" for order in BEST_ORDERS[unit]]
        assert [recipe.name for recipe in COUNTED if recipe.unit == unit] == expected
        neural = [recipe for recipe in recipes() if recipe.unit == unit and recipe.neural]
        assert [recipe.model for recipe in neural] == ["window", "rnn", "gru", "lstm", "transformer", "mixture"]
        assert [recipe.order for recipe in neural] == [NETWORKS[unit]["window"][0]["order"], *[None] * 5]


def test_every_model_is_trained_saved_and_measured(tmp_path):
    pytest.importorskip("torch")
    texts = split(LINES)
    begun = []
    rows = list(compare(texts, tmp_path, threads=1, progress=begun.append))
    assert begun == [recipe.name for recipe in recipes()]
    assert [(row.unit, row.model, row.order) for row in rows] == [(r.unit, r.model, r.order) for r in recipes()]
    for row in [*rows[::5], rows[-1]]:
        lm = nextword.load(row.directory)
        found = lm.evaluate(texts.test)
        assert (found.perplexity, found.bits_per_byte) == pytest.approx((row.perplexity, row.bits_per_byte), rel=1e-6)
        assert found.perplexity_excluding_oov == pytest.approx(row.perplexity_excluding_oov, rel=1e-6)
        assert found.word_perplexity == pytest.approx(row.word_perplexity, rel=1e-6)
        name = "-".join(str(part) for part in (row.unit, row.model, row.order) if part)
        assert row.bytes == sum(file.stat().st_size for file in (tmp_path / name).iterdir())
        assert row.parameters == describe(lm.model)["parameters"]
        assert row.seconds > 0
    mixture = rows[-1]
    assert [part.partition(" ")[2] for part in mixture.notes[0].split(" + ")] == ["lstm", "modified-kneser-ney 7"]
    members = [row for row in rows if row.unit == "char" and (row.model, row.order) in MEMBERS]
    assert mixture.parameters == sum(row.parameters for row in members) + 2


def test_a_network_sees_unknown_words():
    """Half of the words that occur once; "once" and "more" do, and every second of them in the text is replaced."""
    data = Data(Corpus.from_lines(["a a once", "b b more", "only a"]), Corpus.from_lines(["a new"]), "word")
    words = [data.vocabulary.word(i) for i in data.tokens_with_unknown]
    assert words == ["</s>", "a", "a", "<unk>", "</s>", "b", "b", "more", "</s>", "<unk>", "a", "</s>"]
    assert [data.vocabulary.word(i) for i in data.held_out_tokens] == ["</s>", "a", "<unk>", "</s>"]
    assert 0 not in data.tokens


def test_the_table_stays_beside_the_models(tmp_path):
    """It is written as each row comes, so that what a run that is cut short has made can be looked at."""
    texts = split(LINES, name="cats.txt")
    made = []
    for row in compare(texts, tmp_path, chosen=COUNTED[:2]):
        made.append(row)
        table = read_table(tmp_path)
        assert table == json.loads(json.dumps(document(texts, made)))
    assert (table["format_version"], table["text"], table["lines"]) == (1, "cats.txt", [19, 2, 3])
    assert [(row["unit"], row["model"], row["curve"]) for row in table["models"]] == [
        ("word", "add-one", []), ("word", "absolute", []),
    ]  # fmt: skip
    assert {file.name for file in tmp_path.iterdir()} == {
        "compare.json", "compare.train.txt", "word-add-one-3", "word-absolute-3",
    }  # fmt: skip


def test_what_was_trained_on_stays_beside_the_models_too(tmp_path):
    list(compare(split(LINES), tmp_path, chosen=COUNTED[:1]))
    assert (tmp_path / "compare.train.txt").read_text().splitlines() == LINES[:19]
    (source,) = nextword.load(tmp_path / "word-add-one-3").info["trained_on"]
    assert source["path"] == str(tmp_path / "compare.train.txt")
    assert source["sha256"] == hashlib.sha256((tmp_path / "compare.train.txt").read_bytes()).hexdigest()


def test_a_network_leaves_its_loss_curve(tmp_path, monkeypatch):
    """Every second step a point, and one of the held-out text after each epoch; the best is the model's own."""
    pytest.importorskip("torch")
    monkeypatch.setattr("nextword.tasks.recipes.LOG_EVERY", 2)
    settings = {**NETWORKS["word"]["gru"][1], "epochs": 3, "bptt": 4, "batch_size": 4, "shift": False}
    monkeypatch.setattr("nextword.tasks.recipes.NETWORKS", {"word": {"gru": (NETWORKS["word"]["gru"][0], settings)}})
    texts = split(LINES)
    (row,) = compare(texts, tmp_path, chosen=chosen("word gru"), threads=1)
    tokens = 19 * 7  # of the training text, </s> included
    trained = [point for point in row.curve if "loss" in point]
    valid = [point for point in row.curve if "valid_loss" in point]
    assert [point["epoch"] for point in valid] == [1, 2, 3]
    assert [point["tokens"] for point in valid] == pytest.approx([tokens, 2 * tokens, 3 * tokens], rel=0.1)
    steps = valid[-1]["step"]
    assert [point["step"] for point in trained] == list(range(2, steps + 1, 2))
    assert all(list(point) == ["step", "epoch", "tokens", "seconds", "loss"] for point in trained)
    assert all(list(point) == ["step", "epoch", "tokens", "seconds", "valid_loss"] for point in valid)
    assert [point["seconds"] for point in row.curve] == sorted(point["seconds"] for point in row.curve)
    model = nextword.load(row.directory).model
    ids = Data(texts.train, texts.valid, "word").held_out_tokens
    log_probs, _ = model.token_log_probs(ids[None, 1:])
    assert min(point["valid_loss"] for point in valid) == pytest.approx(-log_probs.mean(), rel=1e-5)
    assert read_table(tmp_path)["models"][0]["curve"] == list(row.curve)


def test_the_same_seed_gives_the_same_network(tmp_path):
    pytest.importorskip("torch")
    texts, one = split(LINES), chosen("word lstm")
    (first,), (second,) = (list(compare(texts, tmp_path / name, chosen=one, threads=1)) for name in "ab")
    assert first.perplexity == second.perplexity


def test_a_network_ends_when_the_time_is_up_and_says_so(tmp_path, monkeypatch):
    pytest.importorskip("torch")
    monkeypatch.setattr("nextword.tasks.recipes.NETWORKS", NETWORKS)
    monkeypatch.setattr("nextword.tasks.recipes.LONGEST", 1e-6)
    (row,) = compare(split(LINES), tmp_path, chosen=chosen("word gru"), threads=1)
    (note,) = row.notes
    assert re.fullmatch(r"stopped after \d\.\d of \d+ epochs, as its time was up", note)


def test_a_row_is_what_training_on_the_first_part_gives(tmp_path):
    texts = split(LINES)
    (row,) = compare(texts, tmp_path, chosen=chosen("word witten-bell 3"))
    lm = nextword.train(Corpus.from_lines(LINES[:19]), order=3, smoothing=Smoothing("witten-bell"), tokenizer="word")
    assert lm.evaluate(Corpus.from_lines(LINES[21:])).perplexity == row.perplexity


def test_every_estimator_with_a_fallback_says_so(tmp_path):
    rows = list(compare(split(["a b c"] * 10), tmp_path, chosen=recipes(["char"], neural=False)))
    noted = {row.model for row in rows if row.notes}
    assert noted == {"absolute", "katz", "kneser-ney", "modified-kneser-ney"}


def test_a_row_is_json_even_where_a_figure_is_infinite():
    infinite = float("inf")
    row = Row("word", "mle", 1, 2, 3, 0.5, infinite, 7.0, infinite, infinite, "out/x", notes=("order 1: …",))
    found = json.loads(json.dumps(row.to_json(), allow_nan=False))
    assert (found["perplexity"], found["perplexity_excluding_oov"], found["bits_per_byte"]) == (None, 7.0, None)
    assert (found["notes"], found["curve"]) == (["order 1: …"], [])


def test_when_the_time_is_up_no_further_model_is_begun(tmp_path):
    rows = list(compare(split(LINES), tmp_path, chosen=COUNTED, minutes=1e-9))
    assert [(row.unit, row.model, row.order) for row in rows] == [("word", "add-one", 3)]


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
    torch = find_spec("torch") is not None
    some = COUNTED + (chosen("word transformer", "char lstm", "char mixture") if torch else [])
    some.sort(key=lambda recipe: UNITS.index(recipe.unit))
    rows = list(compare(split(lines), tmp_path, chosen=some, threads=1))
    assert len(rows) == len(some)
    assert all(1 <= row.perplexity < 1e6 and 0 < row.bits_per_byte < 1e3 for row in rows)


def test_the_marks_of_sentences_are_refused_by_name(tmp_path):
    with pytest.raises(TextError, match="^<memory>:3: the text holds </s>, which marks the ends of sentences"):
        list(compare(split(["a", "b", "a </s> b", *["a"] * 10]), tmp_path, chosen=recipes(["whitespace"])[:1]))
