"""The page's files, and its frame: navigation, theme, errors that concern all views."""

import http.client
import json

import pytest

pytest.importorskip("fastapi")

from interfaces.explorer.browser import axe, no_overflow, settle  # noqa: E402
from nextword.interfaces.explorer.page import read_assets  # noqa: E402

VIEWS = {
    "next": "Next word", "surprisal": "Surprisal", "why": "Why", "state": "State", "embeddings": "Embeddings",
    "generation": "Generation", "compare": "Compare",
}  # fmt: skip


def test_every_file_is_served_with_its_type_and_under_a_strict_policy(client):
    for path, asset in read_assets().items():
        answer = client.get(f"/static/{path}")
        assert (answer.status_code, answer.content) == (200, asset.content)
        assert answer.headers["content-type"] == asset.media_type
        assert answer.headers["x-content-type-options"] == "nosniff"
    policy = client.get("/").headers["content-security-policy"]
    assert "unsafe" not in policy and "http" not in policy and "*" not in policy
    for part in (
        "default-src 'self'",
        "script-src 'self'",
        "style-src 'self'",
        "base-uri 'none'",
        "form-action 'none'",
    ):
        assert part in policy.split("; ")


def test_a_browser_that_has_a_file_is_told_so(client):
    first = client.get("/static/app.js")
    assert first.headers["cache-control"] == "no-cache"
    again = client.get("/static/app.js", headers={"If-None-Match": f'"other", W/{first.headers["etag"]}'})
    assert (again.status_code, again.content) == (304, b"")
    assert client.get("/static/app.js", headers={"If-None-Match": '"other"'}).status_code == 200
    assert client.head("/").headers["content-length"] == str(len(read_assets()["index.html"].content))


def test_nothing_but_the_table_of_files_is_served(client, server):
    for path in (
        "/static/../page.py", "/static/%2e%2e/page.py", "/static/..%2fpage.py", "/static//etc/passwd", "/static/",
        "/static/%00", "/static/views", "/static/views/..%5c..%5cpage.py", "/static/index.html/", "/static/INDEX.HTML",
    ):  # fmt: skip
        connection = http.client.HTTPConnection(server.removeprefix("http://"))
        connection.request("GET", path)  # as it is: other clients tidy a path up
        assert connection.getresponse().status == 404, path
        connection.close()


def test_no_script_style_or_address_stands_in_the_markup():
    for path, asset in read_assets().items():
        text = asset.content.decode()
        if path.endswith(".html"):
            assert "<style" not in text and "style=" not in text and " on" not in text.replace(" on ", "")
            assert text.count("<script") == text.count("<script src=") + text.count('<script type="module" src=')
        if path.endswith(".js"):
            assert "innerHTML" not in text and "eval(" not in text and "insertAdjacentHTML" not in text
        assert "https://" not in text and "//cdn" not in text


@pytest.mark.parametrize(("view", "label"), VIEWS.items())
def test_a_view_is_opened_by_its_address(page, view, label):
    page.goto(f"/#/{view}")
    settle(page)
    assert page.get_by_role("heading", level=1).count() == 1
    page.get_by_role("link", name=label, exact=True).and_(page.locator("[aria-current=page]")).wait_for()
    no_overflow(page)


def test_navigation_keeps_text_and_models(page):
    page.goto("/#/next?text=the+students+&models=ngram%2Clstm&branches=gone")
    page.get_by_role("link", name="Surprisal").click()
    page.get_by_role("heading", level=1, name="Surprisal").wait_for()
    assert page.url.endswith("#/surprisal?text=the+students+&models=ngram%2Clstm")
    assert page.evaluate("document.activeElement.id") == "title"
    page.go_back()
    page.get_by_role("heading", level=1, name="Next word").wait_for()
    assert page.url.endswith("branches=gone")


def test_a_model_that_is_not_here_is_named(page):
    page.goto("/#/next?text=I&models=ngram,nobody")
    said = page.get_by_text("This server has no nobody; others are shown.")
    said.wait_for()
    page.goto("/#/next?text=I&models=ngram")
    said.wait_for(state="detached")


def test_the_theme_is_chosen_and_remembered(page):
    page.emulate_media(color_scheme="light")
    page.goto("/#/compare")
    background = "getComputedStyle(document.body).backgroundColor"
    light = page.evaluate(background)
    page.get_by_role("button", name="Use dark colours").click()
    dark = page.evaluate(background)
    assert dark != light
    page.reload()
    assert page.evaluate(background) == dark
    page.get_by_role("button", name="Use light colours").click()
    assert page.evaluate(background) == light


def test_the_keyboard_reaches_the_content_first(page):
    page.goto("/#/next")
    settle(page)
    page.keyboard.press("Tab")
    assert page.evaluate("document.activeElement.textContent") == "Skip to the content"
    page.keyboard.press("Enter")
    assert page.evaluate("document.activeElement.id") == "main"
    assert page.url.endswith("#/next")


def test_a_narrow_page_does_not_scroll_sideways(page):
    page.set_viewport_size({"width": 390, "height": 844})
    page.goto("/#/next")
    settle(page)
    no_overflow(page)
    axe(page)


def test_a_server_that_asks_for_a_key_gets_it(page):
    page.watch.allow("401")
    asked = []

    def answer(route):
        asked.append(route.request.headers.get("authorization"))
        if asked[-1] == "Bearer secret":
            route.continue_()
        else:
            route.fulfill(status=401, json={"error": {"message": "give the key", "param": None}})

    page.route("**/explore/models", answer)
    page.goto("/#/next")
    page.get_by_label("This server asks for its key.").fill("wrong")
    page.keyboard.press("Enter")
    field = page.get_by_label("The server refused this key.")
    axe(page)
    field.fill("secret")
    page.keyboard.press("Enter")
    page.get_by_role("heading", level=1, name="Next word").wait_for()
    assert asked == [None, "Bearer wrong", "Bearer secret"]
    assert page.evaluate("sessionStorage.getItem('nextword-key')") == "secret"


def test_a_server_that_is_gone_is_said_in_words(page):
    page.watch.allow("ERR_")
    page.route("**/explore/models", lambda route: route.abort())
    page.goto("/#/next")
    assert page.get_by_role("alert").inner_text() == "The server does not answer. Is “nextword serve” still running?"


def imported(page, module, call):
    """What a function of one of the page's modules gives."""
    return page.evaluate(f"async () => {{ const it = await import('/static/{module}'); return it.{call}; }}")


def test_probabilities_are_short(page):
    page.goto("/#/compare")
    for p, shown in (
        (0.31249, "0.312"), (1, "1.000"), (0.00012, "0.00012"), (3.4e-7, "3·10⁻⁷"), (9.96e-12, "1·10⁻¹¹"), (0, "0.000"),
        ("null", "–"),
    ):  # fmt: skip
        assert imported(page, "dom.js", f"probability({p})") == shown
    assert imported(page, "dom.js", "probability(2.964e-6, 4)") == "2.964·10⁻⁶"


def test_quick_changes_reach_the_address(page):
    page.goto("/#/generation?model=ngram")
    settle(page)
    slider = page.get_by_label("Temperature")
    slider.evaluate(
        """async one => { for (let i = 0; i < 300; i += 1) { one.value = (i % 40) / 20;
           one.dispatchEvent(new Event("input")); await new Promise(done => setTimeout(done)); } }"""
    )
    settle(page)
    assert "temperature=0.95" in page.url
    assert slider.evaluate("one => one.nextElementSibling.textContent") == "0.95"


def test_short_names_leave_out_what_all_have(page):
    page.goto("/#/compare")
    for names, short in (
        (["word-lstm", "word-mkn-5"], ["lstm", "mkn-5"]),
        (["word-mkn-3", "word-mkn-5"], ["3", "5"]),
        (["word-lstm", "char-lstm"], ["word-lstm", "char-lstm"]),
        (["word-lstm"], ["word-lstm"]),
        ([], []),
    ):
        assert imported(page, "dom.js", f"shortNames({names})") == short


def test_models_of_different_kinds_are_shown_first(page):
    page.goto("/#/compare")
    models = [
        {"name": name, "kind": name.split("-")[1], "unit": name.split("-")[0], "parameters": size}
        for name, size in (
            ("character-lstm", 90), ("word-ngram-1", 1), ("word-ngram-5", 5), ("word-ngram-3", 3), ("word-lstm", 7),
            ("word-rnn", 2), ("word-window", 2), ("word-transformer", 2),
        )
    ]  # fmt: skip
    call = f"chosen({json.dumps(models)}, PARAMS).map(one => one.name)"
    assert imported(page, "picker.js", call.replace("PARAMS", "{}")) == [
        "word-ngram-5", "word-lstm", "word-rnn", "word-transformer",
    ]  # fmt: skip
    named = call.replace("PARAMS", "{models: 'word-lstm,character-lstm,gone'}")
    assert imported(page, "picker.js", named) == ["character-lstm", "word-lstm"]


def test_many_models_are_put_away(page):
    def many(route):
        (first, *_) = route.fetch().json()
        route.fulfill(json=[{**first, "name": f"model-{i}"} for i in range(12)])

    page.watch.allow("404")
    page.route("**/explore/models", many)
    page.goto("/#/next?models=model-3,model-4")
    settle(page)
    chips = page.locator(".picker label:visible")
    assert chips.all_inner_texts() == ["model-3", "model-4"]
    page.get_by_role("button", name="All 12").click()
    assert chips.count() == 12
    page.get_by_label("model-7").check()
    page.get_by_role("button", name="Fewer").click()
    assert chips.all_inner_texts() == ["model-3", "model-4", "model-7"]


@pytest.mark.parametrize("view", ["next", "surprisal", "generation"])
def test_without_probabilities_a_view_says_so(page, view):
    def scores(route):
        route.fulfill(json=[{**one, "normalised": False} for one in route.fetch().json()])

    page.route("**/explore/models", scores)
    page.goto(f"/#/{view}")
    told = "None of these models gives probabilities of words: a score is no probability."
    assert page.get_by_role("alert").inner_text() == told
