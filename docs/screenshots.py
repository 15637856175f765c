"""The README's two pictures of the page: ``python docs/screenshots.py [nextword-demo]``, once ``make demo`` has run.

Needs the extras serve and dev (Playwright), and a chromium: the one on the path, or that of NEXTWORD_CHROMIUM.
"""

import argparse
import io
import os
import shutil
import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from urllib.parse import urlencode

import uvicorn
from PIL import Image
from playwright.sync_api import sync_playwright

import nextword
from nextword.interfaces.server.app import create_app
from nextword.interfaces.server.engine import Engine
from nextword.interfaces.server.models import Models, Served

DOCS = Path(__file__).parent
NAMES = ("word-modified-kneser-ney-5", "word-lstm", "word-transformer", "word-rnn")
VIEWS = {
    "next": {"text": "When a class ", "branches": '["When a class method is ","When a method is called "]'},
    "surprisal": {
        "text": "The value of the expression must be an object of this type.\n"
        "If no expression is present, the last exception is raised again in the current scope."
    },
}


@contextmanager
def serving(folder: Path) -> Iterator[str]:
    """Address of a server of the demo's models."""
    served = []
    for name in NAMES:
        lm = nextword.load(folder / name)
        served.append(Served(name, lm, Engine(lm), folder / name))
    config = uvicorn.Config(create_app(Models(served)), host="127.0.0.1", port=0, log_level="error")
    server = uvicorn.Server(config)
    thread = threading.Thread(target=server.run)
    thread.start()
    while not server.started:
        time.sleep(0.05)
    try:
        yield f"http://127.0.0.1:{server.servers[0].sockets[0].getsockname()[1]}"
    finally:
        server.should_exit = True
        thread.join()


def main() -> None:
    """Take the pictures, 1440 pixels wide."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("folder", nargs="?", type=Path, default=DOCS.parent / "nextword-demo")
    with serving(parser.parse_args().folder) as address, sync_playwright() as playwright:
        browser = playwright.chromium.launch(
            executable_path=os.environ.get("NEXTWORD_CHROMIUM") or shutil.which("chromium"), args=["--no-sandbox"]
        )
        page = browser.new_page(viewport={"width": 1440, "height": 1370}, color_scheme="light", reduced_motion="reduce")
        for view, params in VIEWS.items():
            page.goto(f"{address}/#/{view}?{urlencode(params)}")
            page.evaluate("document.documentElement.style.setProperty('scrollbar-gutter', 'auto')")
            page.locator(f".view-{view} :is(.steps tr, .cell)").first.wait_for()
            page.wait_for_load_state("networkidle")
            if view == "surprisal":
                page.get_by_role("gridcell", name="again: ").last.hover()
            file = DOCS / f"explorer-{view}.png"
            Image.open(io.BytesIO(page.screenshot(full_page=True))).convert("RGB").save(file, optimize=True)
            print(f"{file}: {file.stat().st_size // 1000} kB")
        browser.close()


if __name__ == "__main__":
    main()
