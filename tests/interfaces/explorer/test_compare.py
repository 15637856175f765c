"""Compare: the table that ``nextword compare`` leaves, found beside the models, and the view in a browser."""

import json
from dataclasses import replace

import pytest

pytest.importorskip("fastapi")

import nextword  # noqa: E402
from interfaces.explorer.browser import axe, no_overflow, settle  # noqa: E402
from nextword.interfaces.explorer.compare import find_tables  # noqa: E402
from nextword.interfaces.server.engine import Engine  # noqa: E402
from nextword.interfaces.server.models import Served  # noqa: E402
from nextword.tasks.compare import Row, compare, document, split  # noqa: E402
from nextword.tasks.recipes import recipes  # noqa: E402

LINES = [f"the {a} {v} the {b} ." for a in ("cat", "dog", "owl") for v in ("saw", "hid") for b in ("mat", "hat", "elk")]


def served(directory, name=None):
    lm = nextword.load(directory)
    return Served(name or directory.name, lm, Engine(lm), directory)


def test_a_table_is_found_beside_the_models_that_it_is_of(tmp_path, monkeypatch):
    chosen = [recipe for recipe in recipes(["word"], neural=False) if recipe.model in ("add-one", "katz")]
    rows = list(compare(split(LINES, name="cats.txt"), tmp_path / "out", chosen=chosen))
    elsewhere = tmp_path / "elsewhere"
    nextword.load(tmp_path / "out" / "word-katz-3").save(elsewhere)
    monkeypatch.chdir(tmp_path / "out")
    models = [served(tmp_path / "out" / "word-katz-3", "katz"), replace(served(elsewhere), directory=None)]
    (table,), reasons = find_tables(models)
    assert reasons == []
    assert (table["text"], table["lines"]) == ("cats.txt", [14, 2, 2])
    assert [(row["directory"], row["served"]) for row in table["models"]] == [
        ("word-add-one-3", None), ("word-katz-3", "katz"),
    ]  # fmt: skip
    assert [row["perplexity"] for row in table["models"]] == [row.perplexity for row in rows]
    assert find_tables([replace(models[0], directory=elsewhere)]) == ([], [])
    (tmp_path / "out" / "compare.json").write_text("{")
    assert find_tables(models) == ([], ["out/compare.json: is not JSON; run nextword compare again."])


def test_without_a_table_it_says_how_to_make_one_and_what_is_served(client, directories):
    found = client.get("/explore/compare").json()
    assert found["tables"] == []
    assert found["reason"].startswith("No table of a comparison lies beside these models.")
    assert found["commands"][0] == "nextword compare TEXT --out models"
    assert [one["name"] for one in found["served"]] == list(directories)
    first = found["served"][0]
    assert (first["kind"], first["order"], first["unit"]) == ("ngram", 3, "word")
    assert first["bytes"] == sum(file.stat().st_size for file in directories["ngram"].iterdir())


def curve(scale):
    points = [{"step": i, "epoch": i / 4, "tokens": 100 * i, "seconds": i * scale} for i in range(1, 9)]
    trained = [{**point, "loss": 3 + 2 / point["step"]} for point in points]
    return (*trained, {**points[3], "valid_loss": 3.5}, {**points[7], "valid_loss": 3.1 + scale})


def table():
    """Rows of which one can tell the best, with notes and curves."""
    word = [
        Row("word", "add-one", 3, 1000, 2_000_000, 0.1, 900.5, 800.0, 9e12, 3.5, "x/word-add-one-3"),
        Row("word", "lstm", None, 5000, 1_000_000, 9.0, 90.25, 95.0, 2000.0, 1.5, "x/lstm", neural=True),
        Row("word", "gru", None, 3000, 3_000_000, 8.0, 100.0, 85.0, 2500.0, 1.75, "x/gru", neural=True),
    ]
    rows = [
        replace(word[0], notes=("a <b>note</b>",)),
        replace(word[1], curve=curve(0.1)),
        replace(word[2], curve=curve(0.2)),
        Row("char", "<img src=x>", 5, 10, 4_000_000, 0.2, float("inf"), 3.0, 1500.0, 1.7, "x/char"),
    ]
    made = document(split(LINES, name="<script>alert(1)</script>.txt"), rows)
    models = [{**row, "served": "lstm" if row["model"] == "lstm" else None} for row in made["models"]]
    return {"tables": [{**made, "models": models}], "reason": None, "commands": [], "served": []}


@pytest.fixture
def compared(page):
    page.route("**/explore/compare", lambda route: route.fulfill(json=json.loads(json.dumps(table()))))
    page.goto("/#/compare")
    settle(page)
    page.get_by_role("table").first.wait_for()
    return page


def names(page):
    return page.locator(".comparison tbody tr:not(.group) th").evaluate_all(
        "all => all.map((one) => one.firstChild.textContent)"
    )


def test_the_table_says_all_and_marks_the_best(compared):
    assert names(compared) == ["add-one", "lstm", "gru", "<img src=x>"]
    rows = compared.get_by_role("table").first.get_by_role("row")
    assert rows.nth(2).get_by_role("cell").all_text_contents() == [
        "3", "1\u202f000", "2.00", "best: 0.10", "900.50", "800.00", "9·10¹²", "3.500",
    ]  # fmt: skip
    best = compared.locator("td.best").evaluate_all("all => all.map((one) => one.textContent)")
    assert best == [
        "best: 0.10", "best: 1.00", "best: 90.25", "best: 2\u202f000", "best: 1.500", "best: 85.00",
        "best: 4.00", "best: 0.20", "best: 3.00", "best: 1\u202f500", "best: 1.700",
    ]  # fmt: skip
    assert "∞" in rows.last.inner_text()
    compared.get_by_text("Notes").click()
    assert compared.get_by_role("listitem").filter(has_text="add-one, words: a <b>note</b>").is_visible()
    assert compared.get_by_text("<script>alert(1)</script>.txt").is_visible()
    assert compared.get_by_role("link", name="lstm").get_attribute("href") == "#/next?models=lstm"


def test_columns_sort_within_their_group_by_keyboard_and_the_address_keeps_it(compared):
    heading = compared.get_by_role("columnheader", name="Perplexity", exact=True)
    button = heading.get_by_role("button")
    seen = []
    for _ in range(3):
        button.press("Enter")
        settle(compared)
        seen.append((heading.get_attribute("aria-sort"), names(compared)[:3]))
    assert seen == [
        ("ascending", ["lstm", "gru", "add-one"]),
        ("descending", ["add-one", "gru", "lstm"]),
        ("none", ["add-one", "lstm", "gru"]),
    ]
    compared.get_by_role("columnheader", name="Model").get_by_role("button").click()
    assert "sort=model" in compared.url
    compared.reload()
    settle(compared)
    compared.get_by_role("table").first.wait_for()
    assert names(compared)[:3] == ["add-one", "gru", "lstm"]


def test_loss_curves_are_read_by_keyboard_and_pointer(compared):
    chart = compared.locator("svg.curves")
    assert chart.count() == 1
    assert chart.get_attribute("aria-label") == (
        "Words: loss in nats per word as the networks are trained. Lowest validation loss: lstm 3.20, gru 3.30."
    )
    assert chart.locator("text.name").all_text_contents() == ["gru", "lstm"]  # from the highest loss down
    assert compared.locator(".readout tbody tr").first.inner_text().split() == [
        "lstm",
        "2.0",
        "3.250",
        "3.200",
        "24.53",
    ]
    place = compared.get_by_role("slider", name="Place on the axis of the chart of words")
    place.focus()
    place.press("Home")
    assert place.get_attribute("aria-valuetext") == "0 tokens: lstm not yet measured, gru not yet measured"
    for _ in range(55):
        place.press("ArrowRight")
    assert place.get_attribute("aria-valuetext") == "440 tokens: lstm 3.50, gru 3.50"
    assert compared.locator(".readout tbody tr").first.inner_text().split() == [
        "lstm",
        "1.0",
        "3.500",
        "3.500",
        "33.12",
    ]
    compared.get_by_role("radio", name="seconds").check()
    settle(compared)
    assert "axis=seconds" in compared.url
    chart.hover()
    assert "seconds" in compared.locator(".readout caption").inner_text()
    assert chart.locator("text", has_text="seconds of training").count() == 1


def test_it_is_accessible_and_narrow(compared):
    axe(compared)
    compared.set_viewport_size({"width": 390, "height": 844})
    no_overflow(compared)
    assert compared.locator("svg.curves").evaluate("chart => chart.getBoundingClientRect().right") < 390


def test_without_a_table_the_page_says_so(page):
    page.goto("/#/compare")
    settle(page)
    page.get_by_text("No table of a comparison lies beside these models.").wait_for()
    assert page.get_by_role("rowheader").all_inner_texts() == ["ngram", "lstm", "transformer", "gru", "rnn"]
    axe(page)
    page.set_viewport_size({"width": 390, "height": 844})
    no_overflow(page)
