"""Embeddings: the endpoints' figures against the vectors, and the view in a browser."""

import numpy as np
import pytest

pytest.importorskip("fastapi")

from interfaces.explorer.browser import axe, no_overflow, settle  # noqa: E402


def ask(client, path, status=200, **body):
    answer = client.post(f"/explore/{path}", json=body)
    assert answer.status_code == status, answer.text
    return answer.json()


def vectors(lm):
    """The model's words but the specials, and their vectors in float64."""
    words = lm.model.vocabulary.words
    keep = [i for i, word in enumerate(words) if word not in ("<unk>", "<s>", "</s>")]
    return [words[i] for i in keep], lm.model.embeddings()[keep].astype(float)


@pytest.mark.parametrize("name", ["lstm", "transformer"])
def test_neighbours_are_by_cosine(client, lms, name):
    words, table = vectors(lms[name])
    found = ask(client, "neighbours", model=name, word="lake", k=5)
    lake = table[words.index("lake")]
    cosines = table @ lake / np.linalg.norm(table, axis=1) / np.linalg.norm(lake)
    nearest = [i for i in np.argsort(-cosines) if words[i] != "lake"][:5]
    assert [one["word"] for one in found["neighbours"]] == [words[i] for i in nearest]
    assert [one["cosine"] for one in found["neighbours"]] == pytest.approx(cosines[nearest], abs=1e-5)
    assert (found["word"], found["words"]) == ("lake", len(words))


def test_a_map_is_the_plane_of_the_most_frequent(client, lms):
    words, table = vectors(lms["lstm"])
    found = ask(client, "map", model="lstm", n=10)
    assert (found["words"], found["of"], found["dimensions"]) == (words[:10], len(words), 16)
    centred = table[:10] - table[:10].mean(axis=0)
    values = np.linalg.eigvalsh(centred @ centred.T)[::-1]  # of the inner products: the same components by another way
    assert found["variance"] == pytest.approx(values[:2] / values.sum(), rel=1e-6)
    assert np.linalg.norm([found["x"], found["y"]]) ** 2 == pytest.approx(values[:2].sum(), rel=1e-4)
    near = ask(client, "map", model="lstm", n=6, around="lake")["words"]
    assert near == [
        "lake",
        *(one["word"] for one in ask(client, "neighbours", model="lstm", word="lake", k=5)["neighbours"]),
    ]


@pytest.mark.parametrize(
    ("path", "body", "status", "words"),
    [
        ("neighbours", {"model": "ngram", "word": "lake"}, 400, "an ngram model has no embeddings"),
        ("map", {"model": "ngram"}, 400, "an ngram model has no embeddings"),
        ("neighbours", {"model": "lstm", "word": "nobody"}, 400, "'nobody' is not among the"),
        (
            "neighbours",
            {"model": "lstm", "word": "the lake"},
            400,
            "'the lake' is 2 tokens to this model (the, lake); give one",
        ),
        ("neighbours", {"model": "lstm", "word": ""}, 422, "word"),
        ("map", {"model": "lstm", "n": 2}, 422, "n"),
        ("map", {"model": "lstm", "n": 2001}, 422, "n"),
        ("map", {"model": "lstm", "around": "nobody"}, 400, "'nobody' is not among the"),
    ],
)
def test_what_cannot_be_shown_is_said(client, path, body, status, words):
    assert words in str(ask(client, path, status, **body)["error"])


def opened(page, address="/#/embeddings?model=lstm&word=lake"):
    page.goto(address)
    settle(page)
    page.locator(".map-note strong").wait_for()


def inked(page):
    """How many pixels of the map are drawn on."""
    return page.locator("canvas.map-canvas").evaluate(
        """canvas => canvas.getContext("2d").getImageData(0, 0, canvas.width, canvas.height).data
             .reduce((sum, value, i) => sum + (i % 4 === 3 && value > 0), 0)"""
    )


def test_a_word_and_its_neighbours(page, client):
    opened(page)
    found = ask(client, "neighbours", model="lstm", word="lake", k=20)["neighbours"]
    names = page.locator(".neighbour .words").all_inner_texts()
    assert names == [one["word"] for one in found]
    assert page.locator(".neighbour .number").first.inner_text() == f"{found[0]['cosine']:.2f}"
    page.get_by_role("button", name=names[0]).first.press("Enter")
    settle(page)
    assert f"word={names[0]}" in page.url
    assert page.get_by_role("heading", level=2).inner_text() == f"Nearest to {names[0]}"
    page.go_back()
    settle(page)
    assert page.get_by_role("searchbox", name="Word").input_value() == "lake"


def test_the_map_is_drawn_moved_and_zoomed_by_keys_and_says_what_it_lacks(page):
    opened(page)
    map_ = page.get_by_role("img", name="Map of words")
    map_.focus()
    page.wait_for_timeout(100)
    pictures = [map_.screenshot()]
    assert inked(page) > 500
    for key in ("+", "ArrowLeft", "0"):
        page.keyboard.press(key)
        page.wait_for_timeout(100)
        pictures.append(map_.screenshot())
    assert len({*pictures[:3]}) == 3 and pictures[3] == pictures[0]
    page.get_by_role("button", name="Zoom in").click()
    page.get_by_role("button", name="Show all").click()
    shown = float(page.locator(".map-note strong").inner_text().rstrip(" %"))
    assert 0 < shown <= 100


def test_a_point_that_is_pressed_is_the_word(page):
    opened(page, "/#/embeddings?model=lstm")
    canvas = page.locator("canvas.map-canvas")
    box = canvas.bounding_box()
    for share in range(2, 99):
        page.mouse.move(box["x"] + box["width"] * share / 100, box["y"] + box["height"] / 2)
        if canvas.evaluate("canvas => canvas.classList.contains('pointing')"):
            page.mouse.down()
            page.mouse.up()
            page.wait_for_url("**word=*")
            settle(page)
            assert page.locator(".neighbour").count() == 20
            return
    pytest.fail("no word lies on the middle line of the map")


def test_a_word_that_is_none_is_said(page):
    page.watch.allow("400")
    opened(page)
    page.get_by_role("searchbox", name="Word").fill("nobody")
    page.get_by_role("alert").filter(has_text="'nobody' is not among the").wait_for()
    page.get_by_role("searchbox", name="Word").fill("river")
    page.get_by_role("alert").wait_for(state="detached")
    page.get_by_role("heading", name="Nearest to river").wait_for()


def test_only_the_neighbours(page):
    opened(page)
    page.get_by_label("only neighbours of the word").check()
    settle(page)
    page.get_by_text("“lake” and its").wait_for()
    page.get_by_role("radio", name="transformer").check()
    settle(page)
    assert "model=transformer" in page.url and "word=" not in page.url


def test_it_is_accessible_and_narrow(page):
    opened(page)
    axe(page)
    page.set_viewport_size({"width": 390, "height": 844})
    no_overflow(page)
