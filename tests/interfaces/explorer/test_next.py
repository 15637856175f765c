"""Next word: the endpoints' numbers against the library's, and the view in a browser."""

import json

import numpy as np
import pytest

pytest.importorskip("fastapi")

from fastapi.testclient import TestClient  # noqa: E402

from interfaces.explorer.browser import axe, no_overflow, settle  # noqa: E402
from nextword.errors import TextError, UsageError  # noqa: E402
from nextword.interfaces.explorer.asked import read  # noqa: E402
from nextword.interfaces.server.app import create_app  # noqa: E402
from nextword.interfaces.server.engine import Engine  # noqa: E402
from nextword.interfaces.server.models import Models, Served  # noqa: E402
from nextword.lm import LM  # noqa: E402
from nextword.tasks.next import next_tokens  # noqa: E402
from nextword.tasks.sampling import Sampling  # noqa: E402
from toy import BigramTable  # noqa: E402

KINDS = ("ngram", "lstm", "transformer", "gru", "rnn")
NEAR = {"rel": 2e-5, "abs": 1e-7}  # batch shapes and the order of sums differ


def ask(client, path="next", **body):
    headers = {"Content-Type": "application/json"}
    answer = client.post(f"/explore/{path}", content=json.dumps(body), headers=headers)
    assert answer.status_code == 200, answer.text
    return {one["name"]: one for one in answer.json()["models"]}


@pytest.mark.parametrize("text", ["", "the students", "my old friend walked along the"])
def test_what_is_expected_is_what_the_library_says(client, lms, text):
    found = ask(client, text=text + " ", k=10, word="river")
    assert tuple(found) == KINDS
    for name, lm in lms.items():
        wanted, one = lm.next(text, k=10), found[name]
        assert one["tokens"] == text.split()
        assert [top["word"] for top in one["top"]] == list(wanted.words)
        assert [top["probability"] for top in one["top"]] == pytest.approx(wanted.probabilities.tolist(), **NEAR)
        assert one["entropy"] == pytest.approx(wanted.entropy, **NEAR)
        all_words = lm.next(text, k=1000)
        rank = all_words.words.index("river")
        assert one["word"]["rank"] == rank + 1
        assert one["word"]["bits"] == pytest.approx(-all_words.log_probs[rank] / np.log(2), **NEAR)


def test_samplers_show_what_they_leave(client, lms):
    options = {"temperature": 0.7, "top_k": 9, "top_p": 0.8, "min_p": 0.01}
    found = ask(client, text="I went to ", k=20, **options)
    for name, lm in lms.items():
        state = lm.model.advance(lm.model.start(1), lm.ids("I went to")[None])
        after = np.exp(Sampling(**options)(lm.model.log_probs(state).astype(np.float64)))[0]
        assert [top["after"] for top in found[name]["top"]] == pytest.approx(
            [after[top["id"]] for top in found[name]["top"]], **NEAR
        )
        assert found[name]["kept"] == np.count_nonzero(after)
        entropy = -(after[after > 0] * np.log2(after[after > 0])).sum()
        assert found[name]["after_entropy"] == pytest.approx(entropy, rel=1e-4)


def test_a_half_typed_word_is_completed(client, lms):
    found = ask(client, text="the students opened their ", prefix="l", word="l")["ngram"]
    wanted = lms["ngram"].next("the students opened their", prefix="l", k=50)
    assert [top["word"] for top in found["top"]] == list(wanted.words) == ["laptops", "lake"]
    assert found["prefix_probability"] == pytest.approx(wanted.prefix_probability)
    assert (found["prefix"], found["word"]) == ("l", None)


def test_a_line_end_is_a_token_of_the_context(client, lms):
    found = ask(client, text="I went to the park .\nshe ", models=["lstm", "ngram"], k=5)
    for name in ("lstm", "ngram"):
        lm = lms[name]
        ids = [*lm.ids("I went to the park ."), lm.model.vocabulary.eos, *lm.ids("she")]
        wanted = next_tokens(lm.model, ids, k=5)
        assert found[name]["tokens"][6] == "</s>"
        assert [top["word"] for top in found[name]["top"]] == list(wanted.words)
        assert [top["probability"] for top in found[name]["top"]] == pytest.approx(
            wanted.probabilities.tolist(), **NEAR
        )


def test_the_steps_are_those_of_the_library(client, lms):
    found = ask(client, "steps", text="I opened the market .\n", k=3)
    for name, lm in lms.items():
        wanted = lm.steps("I opened the market .", k=3)
        assert found[name]["first"] == 0
        for step, other in zip(found[name]["steps"], wanted, strict=True):
            assert (step["token"], step["rank"], step["oov"]) == (other.word, other.rank, False)
            assert step["probability"] == pytest.approx(other.probability, **NEAR)
            assert [one["word"] for one in step["expected"]] == list(other.expected.words)


def test_an_unknown_word_is_said_to_be_one(client):
    steps = ask(client, "steps", text="I went to zanzibar", models=["ngram"])["ngram"]["steps"]
    assert [step["oov"] for step in steps] == [False, False, False, True]
    assert steps[-1]["token"] == "zanzibar"


def test_what_cannot_be_answered_is_told_for_each_model(client):
    answer = client.post("/explore/next", json={"text": "I", "models": ["absent"]})
    assert (answer.status_code, answer.json()["error"]["param"]) == (404, "model")
    toy = LM(BigramTable())
    served = Models([Served(name, toy, Engine(toy)) for name in ("one", "other")])
    with TestClient(create_app(served), base_url="http://localhost") as toys:
        found = ask(toys, text="a </s> ")
        assert [set(one) for one in found.values()] == [{"name", "reason"}] * 2
        assert ask(toys, text="a b ", models=["other"])["other"]["tokens"] == ["a", "b"]


def test_a_text_holds_no_sentence_mark_and_a_scorer_expects_nothing():
    with pytest.raises(TextError) as error:
        read(LM(BigramTable()), "a b </s>")
    assert str(error.value) == (
        "<s> and </s> stand for the beginning and the end of a line, so a text cannot hold them"
    )
    assert read(LM(BigramTable()), "a b\nc ") == (["a", "b", "</s>", "c"], [3, 4, 2, 5])

    class Votes:
        kind = "stupid-backoff"

    with pytest.raises(UsageError) as error:
        read(LM(Votes()), "a")
    assert str(error.value) == (
        "a stupid-backoff model gives scores, no probabilities of the next token, so it cannot predict or write; "
        "train one with another smoothing"
    )


@pytest.mark.parametrize(
    ("body", "field"),
    [
        ({"text": "a" * 20_001}, "text"),
        ({"k": 0}, "k"),
        ({"k": 201}, "k"),
        ({"temperature": -1}, "temperature"),
        ({"top_p": 0}, "top_p"),
        ({"models": []}, "models"),
        ({"surprise": 1}, "surprise"),
    ],
)
def test_a_field_out_of_bounds_is_named(client, body, field):
    answer = client.post("/explore/next", json=body)
    assert (answer.status_code, answer.json()["error"]["param"]) == (422, field)


# In a browser


def box(page):
    return page.get_by_label("The text so far")


def candidate(page, model, word):
    return page.get_by_role("region", name=model, exact=True).get_by_role("button", name=f"{word}, ")


def opened(page, query="models=ngram,lstm,transformer"):
    page.goto(f"/#/next?{query}")
    settle(page)
    return page


def test_three_kinds_of_model_stand_side_by_side(page, lms):
    opened(page, "text=the+students+&models=ngram,lstm,transformer")
    for name in ("ngram", "lstm", "transformer"):
        column = page.get_by_role("region", name=name, exact=True)
        wanted = lms[name].next("the students", k=12)
        assert column.locator(".candidate .word, .candidate .special").all_inner_texts() == [
            {"</s>": "STOP", "<unk>": "unknown"}.get(word, word) for word in wanted.words
        ]
        assert f"{wanted.entropy:.2f} bits of entropy" in column.inner_text()
    rows = page.get_by_role("region", name="Step by step").locator("tbody tr")
    assert rows.count() == 2
    assert rows.first.inner_text().startswith("START")
    no_overflow(page)
    axe(page)


def test_a_click_forces_a_word_and_a_step_back_branches(page):
    opened(page)
    for word in ("I", "went", "to", "the"):
        candidate(page, "ngram", word).click()
        settle(page)
    assert box(page).input_value() == "I went to the "
    candidate(page, "ngram", "park").click()
    settle(page)
    page.get_by_role("button", name="Step back").click()
    settle(page)
    assert box(page).input_value() == "I went to the "
    candidate(page, "ngram", "lake").click()
    settle(page)
    tree = page.get_by_role("navigation", name="Branches")
    assert tree.locator("li").count() == 3  # what is common, and two ends
    address = page.url
    tree.get_by_role("button", name="park", exact=True).click()
    settle(page)
    assert box(page).input_value() == "I went to the park "
    axe(page, schemes=("light",))
    page.go_back()
    settle(page)
    assert (box(page).input_value(), page.url) == ("I went to the lake ", address)
    tree.get_by_role("button", name="Remove the branch to the park").click()
    settle(page)
    assert page.get_by_role("button", name="park", exact=True).count() == 0


def test_a_link_opens_the_same_view(page, browser, server):
    opened(page)
    for word in ("she", "opened"):
        candidate(page, "transformer", word).click()
        settle(page)
    page.get_by_role("button", name="START").click()
    settle(page)
    page.get_by_role("button", name="Show 50").first.click()
    settle(page)
    page.locator(".offers button").first.wait_for()
    shown = page.locator("main").inner_text()
    other = browser.new_page(viewport={"width": 1280, "height": 900})
    other.goto(page.url)
    settle(other)
    other.locator(".offers button").first.wait_for()
    assert other.locator("main").inner_text() == shown
    assert other.get_by_role("navigation", name="Branches").inner_text().split() == ["she", "opened", "×"]
    other.close()


def test_the_keyboard_alone_is_enough(page, lms):
    opened(page, "models=ngram,lstm")
    box(page).focus()
    wanted = lms["ngram"].next("", k=12).words
    page.keyboard.press("Enter")
    settle(page)
    assert box(page).input_value() == f"{wanted[0]} "
    second = lms["ngram"].next(wanted[0], k=12).words
    page.keyboard.press("ArrowDown")
    page.keyboard.press("ArrowDown")
    page.keyboard.press("Enter")
    settle(page)
    assert box(page).input_value() == f"{wanted[0]} {second[1]} "
    first = page.get_by_role("region", name="ngram", exact=True).locator(".candidate").first
    first.focus()
    page.keyboard.press("ArrowDown")
    page.keyboard.press("ArrowRight")
    lstm = page.get_by_role("region", name="lstm", exact=True).locator(".candidate").nth(1)
    assert lstm.evaluate("one => one === document.activeElement")
    word = lstm.get_attribute("data-word")
    page.keyboard.press("Enter")
    settle(page)
    assert box(page).input_value() == f"{wanted[0]} {second[1]} {word} "


def test_typing_completes_words_and_ends_sentences(page):
    opened(page, "models=ngram")
    box(page).press_sequentially("the students opened their l")
    settle(page)
    column = page.get_by_role("region", name="ngram", exact=True)
    assert column.locator(".candidate .word").all_inner_texts() == ["laptops", "lake"]
    page.keyboard.press("Enter")
    settle(page)
    assert box(page).input_value() == "the students opened their laptops "
    candidate(page, "ngram", ".").click()
    settle(page)
    candidate(page, "ngram", "stop").click()
    settle(page)
    assert box(page).input_value() == "the students opened their laptops .\n"
    assert "STOP" in page.locator(".steps tbody tr").last.inner_text()


def test_a_long_text_shows_its_last_steps_first(page):
    opened(page, "models=ngram&text=" + "she+opened+the+lake+" * 5)
    rows = page.locator(".steps tbody tr")
    assert rows.count() == 13
    page.get_by_role("button", name="Show 8 earlier steps").click()
    settle(page)
    assert rows.count() == 20 and rows.first.inner_text().startswith("START")


def test_what_looks_like_markup_is_text(page):
    hostile = '<img src=x onerror="document.title=1"> '
    opened(page, "models=ngram")
    box(page).fill(hostile)
    settle(page)
    assert page.title() == "Next word – nextword"
    assert page.locator("main img").count() == 0
    assert "onerror" in page.locator(".steps").inner_text()
    page.reload()
    settle(page)
    assert box(page).input_value() == hostile


def test_a_slow_answer_never_overwrites_a_later_one(page):
    opened(page, "models=ngram")
    held = []
    page.route(
        "**/explore/next",
        lambda route: held.append(route) if '"she "' in route.request.post_data else route.continue_(),
    )
    box(page).fill("she ")
    page.wait_for_timeout(50)
    box(page).fill("the students opened ")
    page.get_by_role("region", name="ngram", exact=True).locator("[data-word=their]").first.wait_for()
    for route in held:
        route.abort()
    settle(page)
    assert page.get_by_role("alert").count() == 0
    page.watch.allow("ERR_")


def test_errors_stand_beside_the_text(page):
    page.watch.allow("429")
    opened(page, "models=ngram")
    refusal = {"error": {"message": "the queue is full", "type": "", "param": None, "code": None}}
    page.route("**/explore/next", lambda route: route.fulfill(status=429, headers={"Retry-After": "2"}, json=refusal))
    box(page).fill("she ")
    alert = page.get_by_role("alert").first
    assert alert.inner_text() == "The server is busy: the queue is full (try again in 2 s)"
    page.unroute("**/explore/next")
    box(page).fill("she opened ")
    settle(page)
    assert page.get_by_role("alert").count() == 0


def test_the_empty_view_offers_beginnings(page):
    opened(page, "models=lstm")
    offer = page.locator(".offers button").first
    offer.click()
    settle(page)
    assert len(box(page).input_value().split()) > 1
    page.set_viewport_size({"width": 390, "height": 844})
    no_overflow(page)
