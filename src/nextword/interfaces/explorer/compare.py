"""The table and the loss curves that ``nextword compare`` left beside the served models, found at the start."""

from pathlib import Path

from fastapi import APIRouter

from nextword import store
from nextword.errors import NextwordError
from nextword.interfaces.server.models import Models, Served
from nextword.tasks.compared import FILE, read_table
from nextword.tasks.describe import count_parameters
from nextword.types import Json

_NONE = "No table of a comparison lies beside these models. These commands make one of a text, and serve what is in it:"
_COMMANDS = ["nextword compare TEXT --out models", "nextword serve models"]


def router(models: Models) -> APIRouter:
    """``GET /explore/compare``; nothing in a request names a file."""
    routes = APIRouter(prefix="/explore")
    tables, reasons = find_tables(list(models))
    served: list[Json] = []

    @routes.get("/compare")
    def compare() -> Json:
        """Tables of comparisons, ``reason`` in words where there is none, and what can be said of the served models."""
        if not served:
            served.extend(_described(one) for one in models)
        reason = None if tables else " ".join(reasons or [_NONE])
        return {"tables": tables, "reason": reason, "commands": [] if tables else _COMMANDS, "served": served}

    return routes


def find_tables(served: list[Served]) -> tuple[list[Json], list[str]]:
    """Tables in the folders that the models lie in, and what is wrong with those that cannot be read.

    In a row, ``directory`` is a name without its path, and ``served`` the name of that model here, or None.
    """
    names = {one.directory.resolve(): one.name for one in served if one.directory is not None}
    tables: list[Json] = []
    reasons: list[str] = []
    for folder in dict.fromkeys(directory.parent for directory in names):
        if not (folder / FILE).exists():
            continue
        try:
            table = read_table(folder)
        except NextwordError as error:
            reasons.append(f"{folder.name}/{str(error).removeprefix(f'{folder}/')}.")
            continue
        for row in table["models"]:
            own = Path(row["directory"]).name
            row |= {"directory": own, "served": names.get(folder / own)}
        tables.append(table)
    return tables, reasons


def _described(one: Served) -> Json:
    """What there is to say of a model that was not measured."""
    return {
        "name": one.name,
        "kind": str(getattr(one.lm.model, "kind", type(one.lm.model).__name__)),
        "unit": one.lm.pipeline.tokenizer.name,
        "order": getattr(one.lm.model, "order", None),
        "vocabulary": len(one.lm.model.vocabulary),
        "parameters": count_parameters(one.lm.model),
        "bytes": _size(one.directory),
    }


def _size(directory: Path | None) -> int | None:
    if directory is None or not directory.is_dir():
        return None
    try:
        return store.size(directory)
    except (NextwordError, OSError):
        return None
