"""A real browser on the page: Debian's chromium, driven by Playwright, and what every test of a view asks of it."""

import os
import shutil

import pytest

_NAMES = ("chromium", "chromium-browser", "google-chrome", "google-chrome-stable")


def chromium():
    """The browser that NEXTWORD_CHROMIUM names, or one on the path; skips where there is none, or no Playwright."""
    pytest.importorskip("playwright", reason="playwright drives the browser, and is not installed")
    found = os.environ.get("NEXTWORD_CHROMIUM") or next(filter(None, map(shutil.which, _NAMES)), None)
    if found is None:
        pytest.skip("no chromium: install it, or set NEXTWORD_CHROMIUM to its path")
    return found


class Watch:
    """What a page does that it should not: errors on the console, exceptions, requests to anywhere else.

    allow: a part of a message that a test expects, such as the status of a request that must fail.
    """

    def __init__(self, page, server):
        self.server, self.faults, self.allowed = server, [], []
        page.on("console", lambda message: message.type in ("error", "warning") and self._note(message.text))
        page.on("pageerror", lambda error: self._note(f"exception: {error}"))
        page.on("request", self._request)

    def allow(self, part):
        self.allowed.append(part)

    def check(self):
        unexpected = [fault for fault in self.faults if not any(part in fault for part in self.allowed)]
        assert not unexpected, unexpected

    def _note(self, text):
        self.faults.append(text)

    def _request(self, request):
        if not request.url.startswith((self.server + "/", "data:")):
            self._note(f"request to {request.url}")


def axe(page, *, schemes=("light", "dark")):
    """No serious or critical violation of axe-core's rules; what depends on colours is looked at in every scheme."""
    base = pytest.importorskip("axe_playwright_python.base")
    if not page.evaluate("'axe' in window"):
        page.evaluate(base.AXE_SCRIPT)
    for turn, scheme in enumerate(schemes):
        page.emulate_media(color_scheme=scheme)
        options = {"resultTypes": ["violations"], **({"runOnly": ["color-contrast"]} if turn else {})}
        found = page.evaluate("options => axe.run(options).then(({ violations }) => violations)", options)
        grave = [one for one in found if one["impact"] in ("serious", "critical")]
        told = [(one["id"], [node["html"][:200] for node in one["nodes"]][:3]) for one in grave]
        assert not told, (scheme, told)


def no_overflow(page):
    """The page does not scroll sideways."""
    assert page.evaluate("document.documentElement.scrollWidth <= window.innerWidth")


def settle(page):
    """Wait until the view is open and no request of its is on its way."""
    done = page.evaluate(
        """async () => {
          for (let turn = 0; turn < 4000; turn += 1) {
            await new Promise((drawn) => requestAnimationFrame(() => setTimeout(drawn, turn && 10)));
            if (document.querySelector("#main[aria-busy=false]")) return true;
          }
          return false;
        }"""
    )
    assert done, "the page is busy and does not come to rest"
