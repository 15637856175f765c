"""The web application: the completions API and the page, over the models that are served."""

import asyncio
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from functools import partial
from typing import Any

from fastapi import FastAPI

from nextword import __version__
from nextword.interfaces.explorer import compare, inside, page, why
from nextword.interfaces.server import cards, completions, failures, metrics, tokens
from nextword.interfaces.server.codec import Codec
from nextword.interfaces.server.limits import LIMITS, Gate, Limits
from nextword.interfaces.server.memory import give_back
from nextword.interfaces.server.metrics import Metrics, Observer
from nextword.interfaces.server.models import Models
from nextword.interfaces.server.security import Access, Guard
from nextword.types import Json

_ABOUT = "Language models behind the completions API, and a page where one can look inside."
# FastAPI can report to OpenTelemetry, and does so where the environment says; earlier versions take no notice of this.
_NO_TELEMETRY: Any = dict.fromkeys(("tracing", "metrics", "logs", "operation_spans", "auto_configure"), False)
_STATUSES = (400, 401, 403, 404, 408, 413, 421, 422, 429, 503)


def create_app(models: Models, *, access: Access | None = None, limits: Limits = LIMITS) -> FastAPI:
    """The application; its routes reach the models through their engines alone, which it starts and closes."""

    @asynccontextmanager
    async def lifespan(app: FastAPI) -> AsyncIterator[None]:
        for one in models:
            one.engine.start()
        tidying = asyncio.create_task(give_back(counts))
        yield
        tidying.cancel()
        await close(app, models)

    app = FastAPI(
        title="nextword",
        version=__version__,
        summary=_ABOUT,
        docs_url=None,
        redoc_url=None,
        lifespan=lifespan,
        default_response_class=failures.Answer,
        telemetry=_NO_TELEMETRY,
    )
    app.state.closing = False
    counts = Metrics()
    codecs = {one.name: Codec(one.lm) for one in models}
    app.include_router(metrics.router(models, counts, app))
    app.include_router(cards.router(models))
    app.include_router(completions.router(models, codecs, counts))
    app.include_router(tokens.router(models, codecs))
    for part in (page, why, inside, compare):
        app.include_router(part.router(models), responses=failures.documented(*_STATUSES))
    failures.register(app)
    if access is not None and access.key is not None:
        app.openapi = partial(_with_key, app.openapi)  # type: ignore[method-assign]
    app.add_middleware(Gate, limits=limits)
    app.add_middleware(Guard, access=access or Access())
    app.add_middleware(Observer, metrics=counts)
    return app


def _with_key(describe: Callable[[], Json]) -> Json:
    """The description of the API, which says that there is a key."""
    found = describe()
    found["components"]["securitySchemes"] = {"key": {"type": "http", "scheme": "bearer"}}
    return found | {"security": [{"key": []}]}


async def close(app: FastAPI, models: Models, grace: float = 8.0) -> None:
    """Refuse what is new, finish what runs within ``grace`` seconds, refuse the rest; a second call does nothing."""
    if not app.state.closing:
        app.state.closing = True
        await asyncio.gather(*(one.engine.close(grace) for one in models))
