"""A server over models of a few sentences, and a browser on it."""

import threading
import time

import pytest

from interfaces.explorer.browser import Watch, chromium

SENTENCES = [
    f"{who} {verb} {place} ."
    for who in ("I", "she", "the students", "my old friend")
    for verb, places in (
        ("went to", ("the park", "the market", "the lake")),
        ("opened", ("the book", "their books", "the door", "their laptops")),
        ("walked along", ("the river", "the lake", "the road")),
    )
    for place in places
]
TINY = {"embedding_size": 16, "batch_size": 4, "bptt": 8, "steps": 60, "threads": 1, "precision": "float32"}
NETWORKS = {
    "lstm": {"hidden_size": 16, "lr": 0.02},
    "transformer": {"layers": 1, "heads": 2, "context": 32, "lr": 0.01},
    "gru": {"hidden_size": 16, "lr": 0.02},
    "rnn": {"hidden_size": 16, "lr": 0.01},
}


@pytest.fixture(scope="session")
def directories(tmp_path_factory):
    """Model directories by name: ngram (order 3), lstm, transformer, gru, rnn; all read words."""
    pytest.importorskip("torch")
    import nextword
    from nextword.ngram.smoothing import Smoothing

    folder = tmp_path_factory.mktemp("models")
    smoothing = Smoothing("modified-kneser-ney", discount_fallback=True)
    text = folder / "train.txt"
    text.write_text("\n".join(SENTENCES) + "\n")
    models = {"ngram": nextword.train(text, order=3, tokenizer="word", smoothing=smoothing)}
    for kind, size in NETWORKS.items():
        models[kind] = nextword.train(text, kind=kind, tokenizer="word", device="cpu", **{**TINY, **size})
    for name, lm in models.items():
        lm.save(folder / name)
    return {name: folder / name for name in models}


@pytest.fixture(scope="session")
def lms(directories):
    """The same models, opened: what the page's numbers are compared with."""
    import nextword

    return {name: nextword.load(folder) for name, folder in directories.items()}


@pytest.fixture(scope="session")
def app(directories):
    """The application over the tiny models."""
    pytest.importorskip("fastapi")
    import nextword
    from nextword.interfaces.server.app import create_app
    from nextword.interfaces.server.engine import Engine
    from nextword.interfaces.server.models import Models, Served

    opened = {name: nextword.load(folder) for name, folder in directories.items()}
    return create_app(Models([Served(name, lm, Engine(lm), directories[name]) for name, lm in opened.items()]))


@pytest.fixture(scope="session")
def server(app, directories):
    """Address of a server of the application, on a thread of its own."""
    uvicorn = pytest.importorskip("uvicorn")
    running = uvicorn.Server(uvicorn.Config(app, host="127.0.0.1", port=0, log_level="error", ws="none"))
    thread = threading.Thread(target=running.run, daemon=True)
    thread.start()
    while not running.started:
        assert thread.is_alive(), "the server did not start"
        time.sleep(0.01)
    address = f"http://127.0.0.1:{running.servers[0].sockets[0].getsockname()[1]}"
    warm(address, directories)
    yield address
    running.should_exit = True
    thread.join(15)


def warm(address, names):
    """Use every model once: what is compiled at first use is compiled before a browser waits for it."""
    httpx = pytest.importorskip("httpx")
    with httpx.Client(base_url=address, timeout=300) as client:
        client.post("/explore/surprisal", json={"text": "I went"}).raise_for_status()
        client.post("/explore/next", json={"text": "I ", "prefix": "w", "top_p": 0.9}).raise_for_status()
        for name in names:
            client.post("/explore/generate", json={"model": name, "samples": 2, "top_p": 0.9}).raise_for_status()


@pytest.fixture(scope="session")
def client(server):
    """An HTTP client of the server."""
    httpx = pytest.importorskip("httpx")
    with httpx.Client(base_url=server, timeout=30) as opened:
        yield opened


@pytest.fixture(scope="module")
def browser():
    """A chromium, shared by the tests of a file, each of which has a page of its own; beside it asyncio.run is refused.

    So it ends with the file, and the tests of others may use asyncio.
    """
    path = chromium()
    from playwright.sync_api import sync_playwright

    with sync_playwright() as playwright:
        opened = playwright.chromium.launch(executable_path=path, args=["--no-sandbox"])
        yield opened
        opened.close()


@pytest.fixture
def page(browser, server):
    """A page of 1280 × 900 whose address begins at the server, so that ``page.goto("/#/next")`` opens a view.

    The test fails if the page errs, or asks anything of anywhere else; ``page.watch.allow("429")`` permits a message.
    """
    context = browser.new_context(base_url=server, viewport={"width": 1280, "height": 900}, reduced_motion="reduce")
    opened = context.new_page()
    opened.set_default_timeout(10_000)
    opened.watch = Watch(opened, server)
    yield opened
    context.close()
    opened.watch.check()
