"""The page in a browser: when its first paint comes, and how long after a key the view shows what it changed."""

import os
import shutil
import statistics
from typing import Any

from harness.tables import show

_NAMES = ("chromium", "chromium-browser", "google-chrome", "google-chrome-stable")
_TYPED = " the next words"
_WATCH = """() => {
    const columns = document.querySelector(".columns");
    window.updates = [];
    let pressed = null;
    addEventListener("keydown", (event) => { pressed = event.timeStamp; }, true);
    const seen = () => {
        if (pressed === null || columns.classList.contains("stale")) return;
        const begun = pressed;
        pressed = null;
        requestAnimationFrame(() => setTimeout(() => window.updates.push(performance.now() - begun)));
    };
    new MutationObserver(seen).observe(columns, { attributes: true, subtree: true, childList: true });
}"""
_PAINT = "() => performance.getEntriesByName('first-contentful-paint').map((entry) => entry.startTime)"


def page(port: int, rounds: int) -> None:
    """Print the table; says why not where there is no browser, or nothing that drives it."""
    program = os.environ.get("NEXTWORD_CHROMIUM") or next(filter(None, map(shutil.which, _NAMES)), None)
    try:
        from playwright.sync_api import sync_playwright
    except ImportError:
        program = None
    if program is None:
        print("\nThe page: no chromium, or no playwright to drive it")
        return
    with sync_playwright() as playwright:
        arguments = ["--no-sandbox"] if os.name == "posix" and os.geteuid() == 0 else []
        browser = playwright.chromium.launch(executable_path=program, args=arguments)
        paints, updates = [], []
        for _ in range(rounds):
            paint, found = _visit(browser, f"http://127.0.0.1:{port}/#/next?text=once+upon+a+time")
            paints.append(paint)
            updates += found
        browser.close()
    rows = [_row("first paint", paints, 1000), _row("update after a key", updates, 100)]
    show(f"The page, {rounds} visits of a fresh browser", ["", "ms, median", "range", "wanted below"], rows)


def _visit(browser: Any, address: str) -> tuple[float, list[float]]:
    """Milliseconds until the first paint, and from each key until the view is drawn."""
    context = browser.new_context()
    view = context.new_page()
    view.goto(address)
    view.wait_for_selector(".columns:not(.stale) > *")
    paint = _until(view, _PAINT, 1)[0]
    view.evaluate(_WATCH)
    view.focus("textarea")
    view.keyboard.press("End")
    view.evaluate("() => { window.updates.length = 0; }")
    updates: list[float] = []
    for number, key in enumerate(_TYPED, start=1):
        view.keyboard.type(key)
        updates = _until(view, "() => window.updates", number)
    context.close()
    return paint, updates


def _until(view: Any, expression: str, count: int) -> list[float]:
    """The expression's list once it is that long; the page's own policy forbids Playwright's way of waiting."""
    for _ in range(1000):
        found: list[float] = view.evaluate(expression)
        if len(found) >= count:
            return found
        view.wait_for_timeout(10)
    raise SystemExit(f"{expression}: nothing came in 10 seconds")


def _row(name: str, times: list[float], wanted: int) -> list[str]:
    return [name, f"{statistics.median(times):.0f}", f"{min(times):.0f}-{max(times):.0f}", str(wanted)]
