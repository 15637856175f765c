"""What the server has done so far, in Prometheus's text format (version 0.0.4)."""

import time
from bisect import bisect_left
from collections import Counter
from itertools import accumulate
from typing import Literal

from fastapi import APIRouter, FastAPI
from fastapi.responses import PlainTextResponse, Response
from pydantic import BaseModel
from starlette.types import ASGIApp, Message, Receive, Scope, Send

from nextword.interfaces.server.failures import documented
from nextword.interfaces.server.models import Models

_TYPE = "text/plain; version=0.0.4; charset=utf-8"
_SECONDS = (0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1.0, 2.5, 5.0, 10.0, 30.0, 60.0)


class Metrics:
    """Counts since the start. Labels are routes, statuses and our models' names: a request adds none of its own."""

    def __init__(self) -> None:
        self.requests: Counter[tuple[str, int]] = Counter()
        self.tokens: Counter[tuple[str, str]] = Counter()  # by model, and read or written
        self.running = 0
        self._times: dict[str, list[int]] = {}  # by route: answers by seconds, the last beyond all
        self._sums: Counter[str] = Counter()

    def answered(self, route: str, status: int, seconds: float) -> None:
        """Count one answer."""
        self.requests[route, status] += 1
        times = self._times.setdefault(route, [0] * (len(_SECONDS) + 1))
        times[bisect_left(_SECONDS, seconds)] += 1
        self._sums[route] += seconds  # type: ignore[assignment]

    def text(self, models: Models) -> str:
        """All figures."""
        lines = _family("nextword_requests_total", "counter", "Requests answered.")
        for (route, status), count in sorted(self.requests.items()):
            lines.append(f'nextword_requests_total{{{_label("route", route)},status="{status}"}} {count}')
        lines += _family("nextword_requests_running", "gauge", "Requests at work or waiting.")
        lines.append(f"nextword_requests_running {self.running}")
        lines += _family("nextword_tokens_total", "counter", "Tokens of prompts read, and tokens written.")
        for (model, kind), count in sorted(self.tokens.items()):
            lines.append(f'nextword_tokens_total{{{_label("model", model)},kind="{kind}"}} {count}')
        for gauge, words in (("waiting", "Requests that wait for"), ("running", "Requests or samples at work in")):
            lines += _family(f"nextword_engine_{gauge}", "gauge", f"{words} a model's engine.")
            for one in models:
                value = getattr(one.engine, gauge)
                lines.append(f"nextword_engine_{gauge}{{{_label('model', one.name)}}} {value}")
        lines += self._histogram()
        lines += _family("process_resident_memory_bytes", "gauge", "Memory of the process.")
        lines.append(f"process_resident_memory_bytes {resident_bytes()}")
        return "\n".join(lines) + "\n"

    def _histogram(self) -> list[str]:
        name = "nextword_request_seconds"
        lines = _family(name, "histogram", "Seconds until an answer was whole.")
        for route, times in sorted(self._times.items()):
            label, below = _label("route", route), list(accumulate(times))
            bounds = [*map(str, _SECONDS), "+Inf"]
            lines += [f'{name}_bucket{{{label},le="{b}"}} {n}' for b, n in zip(bounds, below, strict=True)]
            lines += [f"{name}_sum{{{label}}} {self._sums[route]:.6f}", f"{name}_count{{{label}}} {below[-1]}"]
        return lines


class Observer:
    """ASGI middleware: counts every answer by its route and status."""

    def __init__(self, app: ASGIApp, metrics: Metrics):
        self.app, self.metrics = app, metrics

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Answer one request."""
        if scope["type"] != "http":
            await self.app(scope, receive, send)
            return
        status, begun = 499, time.perf_counter()  # 499: the client left before the answer began

        async def watched(message: Message) -> None:
            nonlocal status
            if message["type"] == "http.response.start":
                status = message["status"]
            await send(message)

        self.metrics.running += 1
        try:
            await self.app(scope, receive, watched)
        finally:
            self.metrics.running -= 1
            route = getattr(scope.get("route"), "path", "other")
            self.metrics.answered(route, status, time.perf_counter() - begun)


class Health(BaseModel):
    """How the server is."""

    status: Literal["ok", "closing"]


def router(models: Models, metrics: Metrics, app: FastAPI) -> APIRouter:
    """``/health`` and ``/metrics``."""
    found = APIRouter(tags=["server"])

    @found.get("/health", responses={503: {"model": Health}, **documented(403, 421)})
    async def health(response: Response) -> Health:
        """Whether the server takes requests."""
        if app.state.closing:
            response.status_code = 503
        return Health(status="closing" if app.state.closing else "ok")

    @found.get("/metrics", response_class=PlainTextResponse, responses=documented(401, 403, 421))
    async def figures() -> Response:
        """What the server has done so far, as Prometheus reads it."""
        return Response(metrics.text(models), media_type=_TYPE)

    return found


def resident_bytes() -> int:
    """Memory of this process that is in RAM; 0 where the system does not tell."""
    try:
        with open("/proc/self/statm", encoding="ascii") as file:  # noqa: PTH123
            pages = int(file.read().split()[1])
    except (OSError, ValueError, IndexError):
        return 0
    import resource

    return pages * resource.getpagesize()


def _family(name: str, kind: str, words: str) -> list[str]:
    return [f"# HELP {name} {words}", f"# TYPE {name} {kind}"]


def _label(name: str, value: str) -> str:
    escaped = value.replace("\\", "\\\\").replace('"', '\\"').replace("\n", "\\n")
    return f'{name}="{escaped}"'
