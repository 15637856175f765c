"""The page itself: its files, read when the server starts, so that no request ever reaches the file system."""

import hashlib
from dataclasses import dataclass
from pathlib import Path

from fastapi import APIRouter, HTTPException, Request, Response

from nextword.interfaces.explorer import generation, listing, surprisal, words
from nextword.interfaces.server.models import Models

_STATIC = Path(__file__).parent / "static"
_TYPES = {
    ".html": "text/html; charset=utf-8",
    ".css": "text/css; charset=utf-8",
    ".js": "text/javascript; charset=utf-8",
}


@dataclass(frozen=True)
class Asset:
    """A file of the page. tag: an ETag, the same as long as the content is."""

    content: bytes
    media_type: str
    tag: str


def read_assets() -> dict[str, Asset]:
    """Every file of the page by its path under ``static``."""
    files = sorted(file for file in _STATIC.rglob("*") if file.suffix in _TYPES)
    return {file.relative_to(_STATIC).as_posix(): _asset(file) for file in files}


def router(models: Models) -> APIRouter:
    """``/`` and ``/static/…``, 404 for what is not in the table of files; and what the views for words ask for."""
    assets, routes = read_assets(), APIRouter()
    for part in (listing, words, surprisal, generation):
        routes.include_router(part.router(models))

    @routes.api_route("/", methods=["GET", "HEAD"], include_in_schema=False)
    def index(request: Request) -> Response:
        return _answer(assets["index.html"], request)

    @routes.api_route("/static/{name:path}", methods=["GET", "HEAD"], include_in_schema=False)
    def static(name: str, request: Request) -> Response:
        if name not in assets:
            raise HTTPException(404, "the page has no such file")
        return _answer(assets[name], request)

    return routes


def _asset(file: Path) -> Asset:
    content = file.read_bytes()
    return Asset(content, _TYPES[file.suffix], f'"{hashlib.sha256(content).hexdigest()[:32]}"')


def _answer(asset: Asset, request: Request) -> Response:
    """The file, or 304 if the browser has it: it asks each time, so that an upgrade shows at once."""
    headers = {"ETag": asset.tag, "Cache-Control": "no-cache"}
    known = [tag.strip().removeprefix("W/") for tag in request.headers.get("if-none-match", "").split(",")]
    if asset.tag in known:
        return Response(status_code=304, headers=headers)
    return Response(asset.content, media_type=asset.media_type, headers=headers)
