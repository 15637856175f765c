"""Surprisal: the endpoint's numbers against the library's, and the view in a browser."""

import json
from math import log2

import numpy as np
import pytest

pytest.importorskip("fastapi")

from interfaces.explorer.browser import axe, no_overflow, settle  # noqa: E402
from nextword.interfaces.explorer.asked import read  # noqa: E402
from nextword.interfaces.explorer.surprisal import summed, walk  # noqa: E402
from nextword.lm import LM  # noqa: E402
from nextword.tasks.surprisal import surprisals  # noqa: E402
from nextword.text.corpus import Corpus  # noqa: E402
from toy import BigramTable, DecayingVotes, log_table  # noqa: E402

TEXT = "I went to the park .\nthe students opened zanzibar\n\nmy old friend walked along the road ."
NEAR = {"rel": 5e-5, "abs": 1e-5}


def ask(client, text, **body):
    answer = client.post("/explore/surprisal", json={"text": text, **body})
    assert answer.status_code == 200, answer.text
    return {one["name"]: one for one in answer.json()["models"]}


def test_every_token_costs_what_the_library_says(client, lms):
    found = ask(client, TEXT)
    for name, lm in lms.items():
        lines = surprisals(lm.model, Corpus.from_text(TEXT), pipeline=lm.pipeline)
        for line, wanted in zip(found[name]["lines"], lines, strict=True):
            assert [token["token"] for token in line["tokens"]] == wanted.tokens
            assert [token["rank"] for token in line["tokens"]] == wanted.rank.tolist()
            assert [token["oov"] for token in line["tokens"]] == wanted.oov.tolist()
            assert [token["bits"] for token in line["tokens"]] == pytest.approx(wanted.surprisal.tolist(), **NEAR)
            assert [token["entropy"] for token in line["tokens"]] == pytest.approx(wanted.entropy.tolist(), **NEAR)
            assert line["bits"] == pytest.approx(wanted.surprisal.sum(), **NEAR)
        assert found[name]["tokens"] == sum(len(line["tokens"]) for line in found[name]["lines"])
        wanted = lm.evaluate(Corpus.from_text(TEXT))
        assert found[name]["oov"] == wanted.oov
        for figure in ("perplexity", "perplexity_excluding_oov", "bits_per_byte"):
            assert found[name][figure] == pytest.approx(getattr(wanted, figure), **NEAR)


def test_alternatives_are_the_likeliest_words(client, lms):
    token = ask(client, "the students opened", models=["ngram"], k=4)["ngram"]["lines"][0]["tokens"][2]
    wanted = lms["ngram"].next("the students", k=4)
    assert [one["word"] for one in token["expected"]] == list(wanted.words)
    assert [one["probability"] for one in token["expected"]] == pytest.approx(wanted.probabilities.tolist())


@pytest.mark.parametrize("model", [BigramTable(size=6), DecayingVotes(size=6)])
def test_a_text_in_parts_costs_what_it_costs_as_a_whole(model):
    lm = LM(model)
    found = read(lm, "a b c\nb a\nc c a b\n")
    whole, _ = walk(lm, None, found, 2)
    parts, state = [], None
    for start in range(0, len(found.ids), 4):
        some, state = walk(lm, state, type(found)(found.tokens[start : start + 4], found.ids[start : start + 4]), 2)
        parts += some
    assert parts == whole
    scores, _ = model.token_log_probs(np.array([found.ids], dtype=np.int32))
    assert [step["bits"] for step in whole] == pytest.approx((-scores[0] / np.log(2)).tolist())


def test_what_is_impossible_has_no_finite_sum():
    lm = LM(BigramTable(log_table({1: {3: 1.0}, 3: {2: 0.5, 4: 0.5}}, 6)))
    steps, _ = walk(lm, None, read(lm, "a c\n"), 3)
    # p(a | START) = 1; p(c | a) = 0, and c, the last id, comes after all others; after c the line ends for sure
    assert [(step["bits"], step["probability"], step["rank"]) for step in steps] == [
        (0.0, 1.0, 1),
        (None, 0.0, 6),
        (0.0, 1.0, 1),
    ]
    assert summed(steps, [steps]) == {
        "lines": [{"tokens": steps, "bits": None}],
        "tokens": 3,
        "bits": None,
        "perplexity": None,
    }
    steps, _ = walk(lm, None, read(lm, "a\n"), 3)
    assert summed(steps, [steps])["perplexity"] == pytest.approx(2 ** (log2(2) / 2))


# In a browser


def opened(page, text=TEXT, more="models=ngram,lstm,transformer"):
    page.goto("/#/surprisal")
    settle(page)
    page.evaluate(
        "([text, more]) => { location.hash = `#/surprisal?${more}&text=${encodeURIComponent(text)}` }", [text, more]
    )
    page.locator(".cell").first.wait_for()
    settle(page)


def cell(page, label):
    return page.get_by_role("gridcell", name=label).first


def test_a_text_stands_under_every_model(page, lms):
    opened(page)
    assert page.get_by_role("region", name="Sentence").count() == 4
    first = page.get_by_role("region", name="Sentence 1").get_by_role("grid").first
    assert first.get_by_role("columnheader").all_inner_texts()[1:] == [
        "I",
        "went",
        "to",
        "the",
        "park",
        ".",
        "STOP",
        "bits",
    ]
    for row, name in enumerate(("ngram", "lstm", "transformer"), start=1):
        cells = first.get_by_role("row").nth(row).get_by_role("gridcell").all_inner_texts()
        wanted = [one.bits for one in lms[name].surprisal("I went to the park .")]
        assert [float(text) for text in cells[:-1]] == pytest.approx(wanted, abs=0.051)
        assert float(cells[-1]) == pytest.approx(sum(wanted), abs=0.051)
        sums = page.get_by_role("region", name="Sums").get_by_role("row").nth(row).inner_text().split()
        figures = lms[name].evaluate(Corpus.from_text(TEXT))
        assert (sums[0], float(sums[-2])) == (name, pytest.approx(figures.perplexity, rel=0.05))
        assert float(sums[-3]) == pytest.approx(figures.bits_per_byte, abs=0.00051)
    no_overflow(page)
    axe(page)


def test_colours_follow_the_bits_and_stay_readable(page):
    opened(page, more="models=ngram")
    shades = page.evaluate(
        "[...document.querySelectorAll('.cell')].map(one => [one.place.token.bits, +one.style.getPropertyValue('--t')])"
    )
    for bits, shade in shades:
        assert shade == pytest.approx(min(bits / 16, 1))
    for scheme in ("light", "dark"):
        page.emulate_media(color_scheme=scheme)
        low, high = page.evaluate(
            """() => ["0", "1"].map(t => { const one = document.querySelector(".cell"); one.style.setProperty("--t", t);
               return Number(getComputedStyle(one).backgroundColor.match(/oklab\\(([\\d.]+)/)[1]); })"""
        )
        assert abs(high - low) > 0.2
        axe(page, schemes=(scheme,))  # the ink at the scale's far end


def test_pointing_at_a_word_tells_what_was_expected(page, lms):
    opened(page, "the students opened the lake .", "models=ngram,lstm")
    told = page.get_by_role("tooltip")
    assert told.count() == 0
    cell(page, "opened: ").hover()
    wanted = lms["ngram"].next("the students", k=5)
    assert told.locator("tr .word, tr .special").all_inner_texts()[0] == wanted.words[0]
    assert "rank 1" in told.inner_text() and "ngram expected" in told.inner_text()
    page.mouse.move(5, 5)
    told.wait_for(state="hidden")


def test_the_keyboard_walks_over_the_words(page):
    opened(page, "I opened the door .\nshe went to the lake .", "models=ngram,lstm")
    cell(page, "I: ").focus()
    told = page.get_by_role("tooltip")
    for key, label in (
        ("ArrowRight", "opened: "), ("ArrowDown", "opened: "), ("End", "stop: "), ("Home", "I: "), ("ArrowUp", "I: "),
        *[("ArrowRight", "")] * 5, ("ArrowRight", "she: "),
    ):  # fmt: skip
        page.keyboard.press(key)
        focused = page.evaluate("document.activeElement.getAttribute('aria-label')")
        assert focused.startswith(label), (key, focused)
        assert focused.split(",")[1].strip() in told.inner_text()
    assert page.locator(".cell[tabindex='0']").count() == 1
    axe(page, schemes=("dark",))
    page.keyboard.press("Escape")
    assert told.count() == 0
    page.keyboard.press("ArrowRight")
    page.keyboard.press("Enter")
    settle(page)
    assert page.get_by_label("The text so far").input_value() == "I opened the door .\nshe "


def test_a_link_opens_the_same_view(page, browser):
    opened(page)
    page.get_by_label("Numbers").uncheck()
    settle(page)
    other = browser.new_page(viewport={"width": 1280, "height": 900})
    other.goto(page.url)
    settle(other)
    assert other.get_by_label("Text", exact=True).input_value() == TEXT
    assert not other.get_by_label("Numbers").is_checked()
    assert other.locator("main").inner_text() == page.locator("main").inner_text()
    assert cell(other, "went: ").inner_text() == ""
    other.close()


def test_a_narrow_page_breaks_the_rows(page):
    page.set_viewport_size({"width": 390, "height": 844})
    opened(page, "my old friend walked along the road . " * 4)
    assert page.get_by_role("region", name="Sentence 1").get_by_role("grid").count() > 3
    no_overflow(page)


def test_what_looks_like_markup_is_text(page):
    opened(page, "<script>document.title='x'</script> <b onclick=alert(1)>I</b>", "models=ngram")
    assert page.title() == "Surprisal – nextword"
    assert page.locator("main script, main b[onclick]").count() == 0
    assert page.get_by_role("columnheader").filter(has_text="script").count() == 2


def test_models_that_cut_otherwise_have_rows_of_their_own(page):
    opened(page, "I went", "models=ngram,lstm")
    sent = []

    def other_cut(route):
        answer = route.fetch()
        body = answer.json()
        body["models"][1]["lines"][0]["tokens"][0]["token"] = "▁"
        sent.append(1)
        route.fulfill(json=body)

    page.route("**/explore/surprisal", other_cut)
    page.get_by_label("Text", exact=True).fill("I went to")
    page.get_by_role("columnheader", name="␣").wait_for()
    assert sent and page.get_by_role("grid").count() == 2


def test_errors_stand_beside_the_text_and_go_again(page):
    page.watch.allow("503")
    opened(page, "I went", "models=ngram")
    late = {"error": {"message": "the request took too long", "type": "", "param": None, "code": None}}
    page.route("**/explore/surprisal", lambda route: route.fulfill(status=503, body=json.dumps(late)))
    page.get_by_label("Text", exact=True).fill("I opened")
    assert page.get_by_role("alert").inner_text() == "the request took too long"
    page.unroute("**/explore/surprisal")
    page.get_by_label("Text", exact=True).fill("I opened the")
    settle(page)
    assert page.get_by_role("alert").count() == 0
    assert cell(page, "the: ").count() == 1


def test_the_empty_view_offers_what_a_model_might_write(page):
    page.goto("/#/surprisal?models=ngram")
    page.locator(".offers button").first.click()
    page.locator(".cell").first.wait_for()
    assert page.get_by_label("Text", exact=True).input_value()
