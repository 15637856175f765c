"""``GET /v1/models``: which models are served."""

import time

from fastapi import APIRouter

from nextword.interfaces.server.failures import documented
from nextword.interfaces.server.models import Models
from nextword.interfaces.server.schemas import Card, Cards


def router(models: Models) -> APIRouter:
    """The routes."""
    found = APIRouter(prefix="/v1", tags=["models"])
    created = int(time.time())

    @found.get("/models", responses=documented(401, 403, 421, 429, 503))
    async def all_models() -> Cards:
        """All models, the default first."""
        return Cards(data=[Card(id=one.name, created=created) for one in models])

    @found.get("/models/{name}", responses=documented(401, 403, 404, 421, 422, 429, 503))
    async def one_model(name: str) -> Card:
        """One model by its name."""
        return Card(id=models.get(name).name, created=created)

    return found
