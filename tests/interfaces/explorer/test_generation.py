"""Generation: the stream against the library's texts, and the view in a browser."""

import json
import time
from types import SimpleNamespace

import pytest

pytest.importorskip("fastapi")

from interfaces.explorer.browser import axe, no_overflow, settle  # noqa: E402
from nextword.interfaces.explorer.generation import Writer  # noqa: E402
from nextword.interfaces.server.engine import Token  # noqa: E402
from nextword.text.pipeline import Pipeline  # noqa: E402
from nextword.text.tokenize import tokenizer_from_config  # noqa: E402
from nextword.text.vocabulary import SPECIALS, Vocabulary  # noqa: E402


def events(client, **body):
    with client.stream("POST", "/explore/generate", json=body) as answer:
        assert answer.status_code == 200, answer.read()
        assert answer.headers["content-type"].startswith("text/event-stream")
        return [json.loads(line.removeprefix("data: ")) for line in answer.iter_lines() if line]


def written(found, samples):
    """The samples' texts as a reader of the stream puts them together, and how they ended."""
    texts = [""] * samples
    for event in found:
        for token in event.get("tokens", ()):
            texts[token["sample"]] = texts[token["sample"]][: token["at"]] + token["text"]
    return texts, found[-1]["done"]


@pytest.mark.parametrize("name", ["ngram", "lstm", "transformer"])
@pytest.mark.parametrize("prompt", ["", "the students"])
def test_the_stream_is_the_text_that_the_library_writes(client, lms, name, prompt):
    options = {"temperature": 0.9, "top_k": 12, "top_p": 0.95, "min_p": 0.01, "seed": 5, "samples": 3, "max_tokens": 9}
    found = events(client, model=name, text=prompt, **options)
    texts, reasons = written(found, 3)
    assert [prompt + text for text in texts] == lms[name].generate(prompt, **options)
    count = [sum(token["sample"] == i for event in found for token in event.get("tokens", ())) for i in range(3)]
    assert [(n, reason) for n, reason in zip(count, reasons, strict=True) if reason == "length" and n != 9] == []


def test_a_token_tells_its_surprisal_before_the_samplers(client, lms):
    found = events(client, model="ngram", text="the students", temperature=0, max_tokens=1)
    (token,) = found[0]["tokens"]
    best = lms["ngram"].next("the students", k=1)
    assert (token["id"], token["text"]) == (best.ids[0], f" {best.words[0]}")
    assert token["bits"] == pytest.approx(-best.log_probs[0] / 0.6931471805599453)


def test_writing_on_after_a_sentence_begins_a_new_line(client, lms):
    options = {"seed": 3, "max_tokens": 30, "temperature": 0.8}
    found = events(client, model="ngram", text="", stop_at_end=False, **options)
    (text,), reasons = written(found, 1)
    assert text == lms["ngram"].generate("", stop=False, **options)[0]
    assert "\n" in text and reasons == ["length"]


@pytest.mark.parametrize(
    ("body", "status", "param"),
    [
        ({"samples": 9}, 422, "samples"),
        ({"max_tokens": 501}, 422, "max_tokens"),
        ({"seed": -1}, 422, "seed"),
        ({"model": "absent"}, 404, "model"),
        ({"temperature": "hot"}, 422, "temperature"),
    ],
)
def test_what_cannot_be_written_is_refused_before_the_stream(client, body, status, param):
    answer = client.post("/explore/generate", json=body)
    assert (answer.status_code, answer.json()["error"]["param"]) == (status, param)


def test_a_client_that_leaves_frees_its_place(client):
    body = {"model": "lstm", "samples": 8, "max_tokens": 500, "stop_at_end": False}
    with client.stream("POST", "/explore/generate", json=body) as answer:
        next(answer.iter_lines())
    until = time.monotonic() + 10
    while _busy(client) and time.monotonic() < until:
        time.sleep(0.05)
    assert not _busy(client)


def _busy(client):
    """Whether the server's metrics tell of a request at work."""
    lines = client.get("/metrics").text.splitlines()
    return any(line.split()[-1] not in ("0", "0.0") for line in lines if "running{" in line or "waiting{" in line)


def writer(name, words):
    """A writer over a vocabulary of ``words`` and the tokenizer of that name."""
    vocabulary = Vocabulary.from_words([*SPECIALS, *words])
    pipeline = Pipeline(tokenizer=tokenizer_from_config({"name": name}, {}))
    text = lambda ids: pipeline.detokenize([vocabulary.word(i) for i in ids])  # noqa: E731
    return Writer(SimpleNamespace(model=SimpleNamespace(vocabulary=vocabulary), text=text), [3])


def test_what_later_tokens_change_is_written_anew():
    growing = writer("byte", ["a", "Ã", "©", "b"])
    first = growing.add(Token(0, 4, -1.0, (), ()))
    assert (first["at"], first["text"]) == (0, "\ufffd")
    second = growing.add(Token(0, 5, -1.0, (), ()))
    assert (second["at"], second["text"]) == (0, "é")
    third = growing.add(Token(0, 6, float("-inf"), (), ()))
    assert (third["at"], third["text"], third["bits"]) == (1, "b", None)


def test_positions_count_as_javascript_does():
    growing = writer("char", ["a", "😀", "b"])
    assert growing.add(Token(0, 4, -1.0, (), ()))["text"] == "😀"
    assert growing.add(Token(0, 5, -1.0, (), ()))["at"] == 2


# In a browser


def opened(page, query):
    page.goto(f"/#/generation?{query}")
    page.locator(".bars tbody tr").first.wait_for()
    settle(page)


def samples(page):
    return [one.locator(".words").inner_text() for one in page.get_by_role("article").all()]


def generate(page):
    page.get_by_role("button", name="Generate").click()
    page.get_by_role("button", name="Generate").wait_for()
    settle(page)


@pytest.mark.parametrize("name", ["ngram", "lstm", "transformer"])
def test_samples_are_written_side_by_side(page, lms, name):
    opened(page, f"model={name}&text=the+students+&samples=4&max_tokens=12&seed=4&temperature=0.8&top_p=0.9")
    generate(page)
    wanted = lms[name].generate("the students", samples=4, max_tokens=12, seed=4, temperature=0.8, top_p=0.9)
    assert [text.rstrip() for text in samples(page)] == wanted
    if name == "ngram":
        page.get_by_label("Colour words by surprisal").check()
        no_overflow(page)
        axe(page)


def test_the_bars_show_what_the_settings_do(page, lms):
    opened(page, "model=lstm&text=she+opened+the+")

    def after():
        settle(page)
        return [row.split("\n")[-1].split()[-1] for row in page.locator(".bars tbody tr").all_inner_texts()]

    def before():
        return [row.split()[-2] for row in page.locator(".bars tbody tr").all_inner_texts()]

    assert after() == before()
    page.get_by_label("Top k").fill("3")
    assert after()[3:] == ["cut"] * 7
    assert "3 words are left to choose from" in page.locator(".before-after").inner_text()
    page.get_by_label("Top k").fill("0")
    page.get_by_label("Temperature").fill("0")
    assert after()[0] == "1.000"
    assert "One word is left" in page.locator(".before-after").inner_text()
    page.get_by_label("Temperature").fill("2")
    assert float(after()[0]) < float(before()[0])
    assert "temperature=2" in page.url
    page.get_by_label("Min p").fill("0.9")
    assert "cut" in after() and "min_p=0.9" in page.url


def test_changing_the_temperature_changes_what_is_written(page, lms):
    opened(page, "model=ngram&text=I+&samples=1&seed=2&max_tokens=10")
    page.get_by_label("Temperature").fill("0")
    generate(page)
    assert samples(page) == lms["ngram"].generate("I", temperature=0, max_tokens=10)
    page.get_by_label("Temperature").fill("1.5")
    generate(page)
    assert samples(page) == lms["ngram"].generate("I", temperature=1.5, seed=2, max_tokens=10)


def test_a_stream_is_stopped(page):
    opened(page, "model=lstm&samples=8&max_tokens=200&on=yes")
    stopped = []
    page.on("requestfailed", lambda request: stopped.append(request.url))
    page.evaluate(
        """() => { const real = ReadableStreamDefaultReader.prototype.read; let first = true;
           ReadableStreamDefaultReader.prototype.read = function () {
             const wait = first ? 0 : 30; first = false;
             return new Promise((done) => setTimeout(done, wait)).then(() => real.call(this)); }; }"""
    )
    page.get_by_role("button", name="Generate").click()
    page.locator(".sample .piece").first.wait_for()
    page.get_by_role("button", name="Stop").click()
    page.get_by_text("Stopped after").wait_for()
    assert page.get_by_role("button", name="Generate").is_visible()
    assert page.get_by_role("alert").count() == 0


def test_a_link_opens_the_same_settings(page, browser):
    settings = "temperature=0.5&top_k=7&top_p=0.8&min_p=0.05&samples=2&seed=11&max_tokens=8&on=yes&colour=yes"
    opened(page, f"model=transformer&text=I+went+&{settings}")
    generate(page)
    other = browser.new_page(viewport={"width": 1280, "height": 900})
    other.goto(page.url)
    other.locator(".bars tbody tr").first.wait_for()
    settle(other)
    for label, value in (("Temperature", "0.5"), ("Top k", "7"), ("Top p", "0.8"), ("Seed", "11"), ("Samples", "2")):
        assert other.locator("form").get_by_label(label, exact=True).input_value() == value
    assert other.locator(".bars").inner_text() == page.locator(".bars").inner_text()
    generate(other)
    assert samples(other) == samples(page)
    other.close()


def test_errors_stand_beside_the_button(page):
    page.watch.allow("429")
    opened(page, "model=ngram")
    refusal = {"error": {"message": "the queue is full", "type": "", "param": None, "code": None}}
    page.route("**/explore/generate", lambda route: route.fulfill(status=429, json=refusal))
    page.get_by_role("button", name="Generate").click()
    assert page.get_by_role("alert").inner_text() == "The server is busy: the queue is full"
    page.unroute("**/explore/generate")
    body = 'data: {"tokens":[]}\n\ndata: {"error":{"message":"it took too long"}}\n\n'
    page.route("**/explore/generate", lambda route: route.fulfill(content_type="text/event-stream", body=body))
    page.get_by_role("button", name="Generate").click()
    page.get_by_role("alert").get_by_text("it took too long").wait_for()


def test_a_narrow_page_and_an_empty_one(page):
    page.set_viewport_size({"width": 390, "height": 844})
    opened(page, "model=ngram")
    page.locator(".empty button").first.wait_for()
    no_overflow(page)
    axe(page, schemes=("light",))
    page.locator(".empty button").first.click()
    page.locator(".sample").first.wait_for()
    settle(page)
    no_overflow(page)
