"""State: the endpoint's figures against the model's own, and the view in a browser."""

import numpy as np
import pytest

pytest.importorskip("fastapi")

from interfaces.explorer.browser import axe, no_overflow, settle  # noqa: E402
from nextword.interfaces.explorer.inside import _number  # noqa: E402

TEXT = "She opened the door .\nthe students went to the lake ."
TOKENS = ["She", "opened", "the", "door", ".", "</s>", "the", "students", "went", "to", "the", "lake", ".", "</s>"]


def ask(client, status=200, **body):
    answer = client.post("/explore/units", json={"text": TEXT, **body})
    assert answer.status_code == status, answer.text
    return answer.json()


def stepped(lm):
    """Hidden states after each token, (T, H), one step at a time."""
    state, rows = lm.model.start(1), []
    for token in lm.model.vocabulary.ids([word for word in TOKENS if word != "</s>"]).tolist():
        state = lm.model.advance(state, np.array([[token]]))
        rows.append(lm.model.hidden(state)[0])
        if len(rows) in (5, 13):
            state = lm.model.advance(state, np.array([[lm.model.vocabulary.eos]]))
            rows.append(lm.model.hidden(state)[0])
    return np.array(rows)


@pytest.mark.parametrize("name", ["lstm", "gru", "rnn", "transformer"])
def test_tracks_are_the_units_by_their_correlation(client, lms, name):
    found = ask(client, model=name, pattern="the", count=5)
    values = stepped(lms[name])
    signal = np.array([float(token == "the") for token in TOKENS])
    r = np.corrcoef(values.T, signal)[-1, :-1]
    assert (found["tokens"], found["units"], found["part"]) == (TOKENS, 16, "hidden")
    assert found["pattern"]["signal"] == signal.tolist()
    assert found["pattern"]["meaning"] == "1 at the end of “the”, 0 elsewhere"
    assert [track["unit"] for track in found["tracks"]] == np.argsort(-np.abs(r))[:5].tolist()
    assert found["chosen"] == found["tracks"][0]
    for track in found["tracks"]:
        assert track["r"] == pytest.approx(r[track["unit"]], abs=2e-4)
        assert track["values"] == pytest.approx(values[:, track["unit"]], rel=1e-3, abs=2e-4)
        assert track["mean"] == pytest.approx(values[:, track["unit"]].mean(), abs=2e-4)
    assert 0 < found["pattern"]["chance"] <= 1


def test_other_orders_and_a_unit_that_is_not_among_the_first(client, lms):
    values = stepped(lms["lstm"])
    found = ask(client, model="lstm", order="variation", count=3, unit=9)
    assert [track["unit"] for track in found["tracks"]] == np.argsort(-values.std(axis=0))[:3].tolist()
    assert found["pattern"] is None
    assert found["chosen"]["unit"] == 9 and found["chosen"]["r"] is None
    found = ask(client, model="lstm", order="number", pattern="nowhere", count=2, unit=99)
    assert [track["unit"] for track in found["tracks"]] == [0, 1]
    assert found["pattern"]["varies"] is False and found["chosen"]["unit"] == 0
    assert found["parts"] == ["hidden", "h1", "c1", "c2"]
    assert ask(client, model="lstm", part="c1")["chosen"]["values"] != found["chosen"]["values"]


@pytest.mark.parametrize(
    ("body", "status", "words"),
    [
        ({"model": "ngram"}, 400, "an ngram model has no hidden units; choose a recurrent model, a transformer or a"),
        ({"model": "nobody"}, 404, "there is no model 'nobody'"),
        ({"model": "gru", "part": "c1"}, 400, "part='c1': this model has hidden"),
        ({"model": "gru", "text": ""}, 400, "the text is empty"),
        ({"model": "gru", "pattern": "last()"}, 400, "last(): expected a pattern between the parentheses"),
        ({"model": "gru", "count": 0}, 422, "count"),
        ({"model": "gru", "order": "beauty"}, 422, "order"),
        ({"model": "gru", "pattern": "x" * 201}, 422, "pattern"),
    ],
)
def test_what_cannot_be_shown_is_said(client, body, status, words):
    assert words in str(ask(client, status, **body)["error"])


def test_figures_have_few_digits_and_what_is_none_is_null():
    assert [_number(x) for x in (0.123456, -1234.56, float("nan"), float("inf"))] == [0.1235, -1235.0, None, None]


def opened(page, address="/#/state?model=lstm&pattern=the&text=the+lake+and+the+door"):
    page.goto(address)
    settle(page)
    page.get_by_role("button", name="Unit ").first.wait_for()


def test_units_are_tracks_and_one_of_them_colours_the_text(page):
    opened(page)
    tracks = page.get_by_role("button", name="Unit ")
    assert tracks.count() == 16  # all there are
    assert page.get_by_role("heading", level=2).first.inner_text().startswith("Unit ")
    strongest = tracks.first.inner_text().split()
    assert strongest[1] in page.locator(".one-unit .about").inner_text()
    tracks.nth(3).click()
    settle(page)
    unit = tracks.nth(3).inner_text().split()[0]
    assert page.get_by_role("heading", level=2).first.inner_text().startswith(f"Unit {unit} ")
    assert f"unit={unit}" in page.url
    assert page.get_by_role("button", pressed=True).inner_text().split()[0] == unit
    colours = page.locator(".coloured span").evaluate_all(
        "all => all.map((one) => getComputedStyle(one).backgroundColor)"
    )
    assert len(set(colours)) > 3


def test_pointing_at_a_word_or_the_arrow_keys_read_its_value(page):
    opened(page)
    page.locator(".coloured span").nth(1).hover()
    assert page.locator(".reading").inner_text().startswith("lake ")
    page.mouse.move(0, 0)
    text = page.get_by_role("group", name="The text in the colours of unit")
    text.focus()
    for key, word in (("Home", "the"), ("ArrowRight", "lake"), ("End", "↵"), ("ArrowLeft", "door")):
        page.keyboard.press(key)
        assert page.locator(".reading").inner_text().split()[0] == word
    page.get_by_role("status").filter(has_text="door").wait_for(state="attached")


def test_typing_a_pattern_sorts_anew_and_an_example_fills_the_fields(page):
    opened(page)
    page.get_by_label("Pattern", exact=True).fill("d*, lake")
    page.wait_for_url("**pattern=d*")
    settle(page)
    assert "1 in a word that is d*" in page.locator(".one-unit .about").inner_text()
    page.get_by_role("button", name="Parentheses", exact=True).click()
    settle(page)
    assert page.get_by_label("Pattern", exact=True).input_value() == "parentheses"
    assert page.get_by_label("Text", exact=True).input_value().startswith("The call f(a, b)")
    page.go_back()
    settle(page)
    assert page.get_by_label("Pattern", exact=True).input_value() == "d*, lake"


def test_a_link_opens_it_again(page):
    opened(page, "/#/state?model=lstm&part=c1&pattern=last(the)&order=number&unit=5&count=4&text=the+lake")
    assert page.get_by_label("Units of").input_value() == "c1"
    assert page.get_by_label("Units by").input_value() == "number"
    assert page.get_by_role("button", name="Unit ").count() == 4
    assert page.get_by_role("heading", level=2).first.inner_text().startswith("Unit 5 of 16, cells of layer 1")
    page.get_by_role("button", name="Show 12 more").click()
    settle(page)
    assert page.get_by_role("button", name="Unit ").count() == 16


def test_what_goes_wrong_is_said_and_goes_away(page):
    page.watch.allow("400")
    opened(page)
    page.get_by_label("Pattern", exact=True).fill("after()")
    page.get_by_role("alert").filter(has_text="after(): expected a pattern between the parentheses").wait_for()
    page.get_by_label("Pattern", exact=True).fill("after(the)")
    page.get_by_role("alert").wait_for(state="detached")


def test_the_cells_of_one_kind_are_forgotten_for_another(page):
    page.watch.allow("400")
    opened(page, "/#/state?model=gru&part=c1&pattern=the&text=the+lake")
    assert page.get_by_label("Units of").input_value() == "hidden"


def test_it_is_accessible_and_narrow(page):
    opened(page)
    axe(page)
    page.set_viewport_size({"width": 390, "height": 844})
    no_overflow(page)
    assert page.locator(".unit-chart").evaluate("chart => chart.getBoundingClientRect().width") < 390
