"""The page's files, and its frame: navigation, theme, errors that concern all views."""

import http.client

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
