"""The web application: the completions API and the page, over the models that are served."""

from fastapi import FastAPI

from nextword.interfaces.explorer import compare, inside, page, why
from nextword.interfaces.server.models import Models


def create_app(models: Models) -> FastAPI:
    """The application; its routes reach the models through their engines alone."""
    app = FastAPI(title="nextword", docs_url=None, redoc_url=None)
    for part in (page, why, inside, compare):
        app.include_router(part.router(models))
    return app
