"""Why this probability: the routes against the library, and the view in a browser."""

import json
import math

import pytest

pytest.importorskip("fastapi")

from interfaces.explorer.browser import axe, no_overflow, settle  # noqa: E402
from nextword.lm import LM  # noqa: E402
from nextword.mixture import Mixture  # noqa: E402
from nextword.tasks.explain import explain_text  # noqa: E402

TEXT = "I opened the river ."


def why(client, **body):
    answer = client.post("/explore/why", json=body)
    return answer.status_code, answer.json()


def test_an_n_gram_path_is_that_of_the_library(client, lms):
    status, found = why(client, model="ngram", text=TEXT, position=4)
    expected = explain_text(lms["ngram"], TEXT, position=4)
    assert status == 200
    assert (found["model"], found["kind"], found["position"], found["whole"]) == ("ngram", "ngram", 4, True)
    assert [token["token"] for token in found["tokens"]] == list(expected.tokens)
    assert [token["bits"] for token in found["tokens"]] == pytest.approx(expected.bits, rel=1e-5)
    paths = explain_text(lms["ngram"], TEXT).paths
    assert [token["order"] for token in found["tokens"]] == [path.order for path in paths]
    assert found["explained"]["path"] == json.loads(json.dumps(expected.paths[0].to_json()))
    assert found["explained"]["counts"] == "train.txt"  # and not where it lies
    assert all(rung["counted"]["agrees"] for rung in found["explained"]["path"]["rungs"])


def test_the_most_surprising_token_is_explained_unless_one_is_chosen(client):
    _, found = why(client, model="ngram", text=TEXT)
    words = [token for token in found["tokens"] if token["token"] != "</s>"]
    assert found["tokens"][found["position"] - 1] == max(words, key=lambda token: token["bits"])


@pytest.mark.parametrize("name", ["lstm", "transformer", "gru", "rnn"])
def test_a_networks_influences_are_those_of_the_library(client, lms, name):
    _, found = why(client, model=name, text=TEXT, position=5)
    (expected,) = explain_text(lms[name], TEXT, position=5).influences
    influence = found["explained"]["influence"]
    assert [one["token"] for one in influence] == list(expected.inputs)
    assert [one["norm"] for one in influence] == pytest.approx(expected.norms, rel=1e-4)
    assert [one["product"] for one in influence] == pytest.approx(expected.products, rel=1e-4, abs=1e-6)
    assert found["explained"]["probability"] == pytest.approx(math.exp(expected.log_prob), rel=1e-4)


@pytest.mark.parametrize(
    ("body", "status", "words"),
    [
        ({"text": ""}, 400, "the text is empty; give one with at least one line"),
        ({"text": "I", "position": 3}, 400, "position 3: the text has 2 tokens; give 1 to 2"),
        ({"text": "I", "position": 0}, 422, "position: expected 1 or more"),
        ({"text": "I", "model": "none"}, 404, "there is no model 'none'"),
        ({"text": "a" * 20_001}, 422, "text: expected at most 20,000 characters"),
        ({"text": "I", "path": "/etc/passwd"}, 422, "path: there is no such field here; leave it out"),
        ({}, 422, "text: is missing"),
    ],
)
def test_errors_in_words(client, body, status, words):
    found, answer = why(client, **body)
    assert found == status
    assert words in answer["error"]["message"]


def test_gradients_of_the_networks_that_are_served(client):
    first = client.post("/explore/gradients", json={}).json()
    assert client.post("/explore/gradients", json={}).json() == first
    ngram, lstm, transformer, *_ = first["models"]
    assert client.post("/explore/gradients", json={"models": ["lstm"]}).json()["models"] == [lstm]
    assert (lstm["name"], lstm["kind"], lstm["trained"]) == ("lstm", "lstm", True)
    assert ngram["reason"] == "a ngram model is no network and has no gradients"
    assert all(norm > 0 for norm in lstm["norms"]) and lstm["norms"][0] > lstm["norms"][20]
    assert len(transformer["norms"]) == 32  # its context
    assert first["untrained"] == []


@pytest.fixture(scope="module")
def mixed(lms):
    """What the route says of a mixture, which the server does not hold."""
    from nextword.interfaces.explorer.why import _explained

    model = Mixture([lms["lstm"].model, lms["ngram"].model], [0.3, 0.7])
    return _explained(LM(model, lms["ngram"].pipeline, info=lms["ngram"].info), TEXT, 4)


def test_a_mixture_is_explained_by_its_members(mixed):
    lstm, ngram = mixed["explained"]["members"]
    p = [one["weight"] * one["explained"]["probability"] for one in (lstm, ngram)]
    assert mixed["explained"]["probability"] == pytest.approx(sum(p), rel=1e-6)
    assert [lstm["share"], ngram["share"]] == pytest.approx([one / sum(p) for one in p], rel=1e-6)
    assert "influence" in lstm["explained"] and "path" in ngram["explained"]


def opened(page, address):
    page.goto(f"/#/why?{address}")
    page.get_by_role("region", name="Why this probability").wait_for()
    settle(page)


def address(page):
    return page.evaluate("location.hash")


def heading(page, token):
    page.locator(".why-head h2", has_text=token).wait_for()


def test_the_path_of_a_token_that_is_clicked(page, lms):
    opened(page, "model=ngram&text=I+opened+the+river+.")
    page.get_by_role("button", name="opened,").click()
    heading(page, "opened")
    settle(page)
    assert "position=2" in address(page)
    (path,) = explain_text(lms["ngram"], TEXT, position=2).paths
    rows = page.locator(".why-ladder tbody tr")
    assert rows.count() == len(path.rungs)
    assert "known: no need to back off" in rows.first.inner_text()
    page.get_by_role("button", name="river,").click()
    heading(page, "river")
    (path,) = explain_text(lms["ngram"], TEXT, position=4).paths
    factors = page.locator(".why-product .factor b").all_inner_texts()
    shown = [float(one) for one in factors]
    assert shown == pytest.approx([*path.factors, path.probability], rel=1e-3)
    assert math.prod(shown[:-1]) == pytest.approx(shown[-1], rel=1e-2)
    text = page.locator(".why-counts").inner_text()
    assert all(rung.counted.equation in text for rung in path.rungs)
    page.get_by_text("Counts of train.txt, read again.").wait_for()


def test_a_link_opens_it_again_and_back_steps_back(page):
    opened(page, "model=ngram&text=I+opened+the+river+.&position=3")
    heading(page, "the")
    page.get_by_role("button", name="opened,").click()
    heading(page, "opened")
    page.go_back()
    heading(page, "the")
    page.reload()
    heading(page, "the")


def test_the_keyboard_goes_from_token_to_token(page):
    opened(page, "model=ngram&text=I+opened+the+river+.&position=2")
    page.get_by_role("button", name="opened,").focus()
    page.keyboard.press("ArrowRight")
    heading(page, "the")
    settle(page)
    assert page.evaluate("document.activeElement.dataset.position") == "3"
    page.keyboard.press("End")
    page.locator(".why-head h2", has_text="STOP").wait_for()
    page.keyboard.press("Home")
    heading(page, "I")


@pytest.mark.parametrize("name", ["lstm", "transformer"])
def test_the_words_that_a_network_hangs_on(page, lms, name):
    opened(page, f"model={name}&text=I+opened+the+river+.&position=4")
    (one,) = explain_text(lms[name], TEXT, position=4).influences
    rows = page.locator(".why-influence tbody tr")
    assert rows.locator("th").all_inner_texts() == ["START", *one.inputs[1:]]
    numbers = [float(row.locator("td").nth(1).inner_text()) for row in rows.all()]
    assert numbers == pytest.approx(one.norms, rel=1e-3)
    widths = [row.locator(".fill").bounding_box()["width"] for row in rows.all()]
    assert widths.index(max(widths)) == numbers.index(max(numbers))


def test_typing_explains_what_is_typed(page):
    opened(page, "model=ngram&text=I+opened+the+river+.&position=4")
    page.get_by_role("textbox", name="The text").fill("she walked")
    page.get_by_role("button", name="walked,").wait_for()
    settle(page)
    assert "position" not in address(page) and "text=she+walked" in address(page)
    page.get_by_role("radio", name="gru").check(force=True)
    page.locator(".why-influence").wait_for()


def test_the_chart_of_gradients(page):
    opened(page, "model=lstm&text=I+opened+the+river+.")
    page.locator(".why-gradients").scroll_into_view_if_needed()
    chart = page.locator(".why-distance").first
    chart.wait_for()
    assert chart.locator("path.line").count() == 4
    assert chart.locator("text.name").all_inner_texts() or chart.locator("text", has_text="lstm").count()
    page.get_by_text("The numbers").first.click()
    assert page.locator(".why-chart tbody th").all_inner_texts() == ["lstm", "transformer", "gru", "rnn"]
    page.get_by_label("beside them, networks of 32 units before any training").check()
    page.get_by_role("heading", name="Before training").wait_for(timeout=30_000)
    assert page.locator(".why-distance").nth(1).locator("path.line").count() == 5
    axe(page)


def test_a_mixture_shows_its_members(page, mixed):
    page.route("**/explore/why", lambda route: route.fulfill(json={"model": "ngram", **mixed}))
    opened(page, "model=ngram&text=I+opened+the+river+.&position=4")
    page.get_by_role("heading", name="A weighted sum").wait_for()
    assert page.locator(".why-member").count() == 2
    assert page.locator(".why-ladder").count() == page.locator(".why-influence").count() == 1
    axe(page)


def test_what_cannot_be_explained_is_said_beside_it(page):
    page.watch.allow("400")
    page.goto("/#/why?model=ngram&text=I+opened&position=9")
    page.get_by_role("alert", name="").wait_for()
    assert page.get_by_role("alert").inner_text() == "position 9: the text has 3 tokens; give 1 to 3"
    page.get_by_role("textbox", name="The text").fill("I opened the book .")
    page.get_by_role("region", name="Why this probability").wait_for()
    assert page.get_by_role("alert").count() == 0


def test_a_text_is_never_markup(page):
    opened(page, "model=ngram&text=%3Cimg+src%3Dx+onerror%3Dalert(1)%3E+%3Cscript%3Ealert(2)%3C%2Fscript%3E&position=1")
    assert page.locator("main img, main script").count() == 0
    page.get_by_role("button", name="<").first.wait_for()


def test_an_empty_text_offers_sentences(page):
    page.goto("/#/why?model=ngram")
    offer = page.locator(".why-offer").first
    offer.wait_for()
    words = offer.inner_text()
    offer.click()
    page.get_by_role("region", name="Why this probability").wait_for()
    assert page.get_by_role("textbox", name="The text").input_value() == words


@pytest.mark.parametrize("name", ["ngram", "lstm"])
def test_it_is_accessible_and_fits_a_narrow_page(page, name):
    opened(page, f"model={name}&text=I+opened+the+river+.")
    axe(page)
    page.set_viewport_size({"width": 390, "height": 844})
    settle(page)
    no_overflow(page)
    axe(page, schemes=("light",))
