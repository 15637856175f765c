"""Who may ask: the hosts that a browser may call this server by, the pages that may send to it, and the key."""

import hmac
from dataclasses import dataclass, field

from starlette.datastructures import MutableHeaders
from starlette.types import ASGIApp, Message, Receive, Scope, Send

from nextword.interfaces.server.failures import Refused, answer
from nextword.interfaces.server.limits import header

LOOPBACK = frozenset({"localhost", "127.0.0.1", "[::1]"})
_OPEN = ("/", "/health")  # without a key: the page asks for it
_OPEN_BELOW = "/static/"
_POLICY = (
    "default-src 'self'; script-src 'self'; style-src 'self'; img-src 'self' data:; connect-src 'self'; "
    "object-src 'none'; base-uri 'none'; form-action 'none'; frame-ancestors 'none'"
)
HEADERS = {
    "content-security-policy": _POLICY,
    "x-content-type-options": "nosniff",
    "referrer-policy": "no-referrer",
    "cross-origin-opener-policy": "same-origin",
    "cross-origin-resource-policy": "same-origin",
    "permissions-policy": "camera=(), display-capture=(), geolocation=(), microphone=(), payment=(), usb=()",
}


@dataclass(frozen=True)
class Access:
    """hosts: the names in a Host header that are answered, any if None. key: what clients must show, if anything."""

    hosts: frozenset[str] | None = LOOPBACK
    key: str | None = field(default=None, repr=False)


class Guard:
    """ASGI middleware: refuses strangers, and puts the headers on every answer that make a browser careful.

    A page of another site can make a browser send to a server on loopback, or name it by a host of its own (DNS
    rebinding): so the Host must be one of ours, and an Origin, where there is one, that Host.
    """

    def __init__(self, app: ASGIApp, access: Access):
        self.app, self.access = app, access

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Answer one request, or refuse it."""
        if scope["type"] != "http":
            await self.app(scope, receive, send)
            return

        async def send_carefully(message: Message) -> None:
            if message["type"] == "http.response.start":
                headers = MutableHeaders(raw=message.setdefault("headers", []))
                for name, value in HEADERS.items():
                    headers[name] = value
                headers.setdefault("cache-control", "no-store")
            await send(message)

        try:
            self._check_host(scope)
            self._check_origin(scope)
            self._check_key(scope)
        except Refused as refused:
            await answer(refused)(scope, receive, send_carefully)
            return
        await self.app(scope, receive, send_carefully)

    def _check_host(self, scope: Scope) -> None:
        if self.access.hosts is None:
            return
        given = [value.decode("latin-1") for name, value in scope["headers"] if name == b"host"]
        if len(given) != 1 or _without_port(given[0].lower()) not in self.access.hosts:
            shown = ", ".join(given)[:80] or "none"
            words = f"the Host {shown!r} is none of this server's; use {' or '.join(sorted(self.access.hosts))}"
            raise Refused(421, f"{words}, or start it with --allow-host", code="unknown_host")

    def _check_origin(self, scope: Scope) -> None:
        if scope["method"] in ("GET", "HEAD", "OPTIONS"):
            return
        origin, host = header(scope, b"origin"), header(scope, b"host") or b""
        same = origin is None or origin.lower() in (b"http://" + host.lower(), b"https://" + host.lower())
        if not same or header(scope, b"sec-fetch-site") in (b"cross-site", b"same-site"):
            words = "a page of another site sent this request; only this server's own page may"
            raise Refused(403, words, code="cross_site")

    def _check_key(self, scope: Scope) -> None:
        path: str = scope["path"]
        if self.access.key is None or path in _OPEN or path.startswith(_OPEN_BELOW):
            return
        scheme, _, key = (header(scope, b"authorization") or b"").partition(b" ")
        right = hmac.compare_digest(key.strip(), self.access.key.encode())
        if scheme.lower() != b"bearer" or not right:
            words = "this server asks for a key; send it as Authorization: Bearer KEY"
            raise Refused(401, words, code="invalid_api_key", headers={"WWW-Authenticate": "Bearer"})


def _without_port(host: str) -> str:
    """The name in a Host header: what stands before the port."""
    name, colon, port = host.rpartition(":")
    return name if colon and port.isdigit() else host
