"""Routes of the page."""

from fastapi import APIRouter

from nextword.interfaces.server.models import Models


def router(models: Models) -> APIRouter:
    """The routes."""
    return APIRouter(prefix="/explore")
