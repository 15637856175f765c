"""The list of models that the page begins with: what each is, and which views it can fill."""

from typing import Any

from fastapi import APIRouter

from nextword.interfaces.server.models import Models, Served
from nextword.model import LanguageModel
from nextword.tasks.describe import count_parameters
from nextword.types import Json

_UNITS = {"whitespace": "word", "word": "word", "char": "character", "byte": "byte"}
_NAMES = {"lstm": "LSTM", "gru": "GRU", "rnn": "Elman network", "transformer": "transformer", "window": "fixed window"}


def router(models: Models) -> APIRouter:
    """``GET /explore/models``."""
    routes = APIRouter(prefix="/explore")
    listed: list[Json] = []

    @routes.get("/models")
    def list_models() -> list[Json]:
        """The served models in their order, and what the page can show of each."""
        if not listed:
            listed.extend([describe_served(served) for served in models])
        return listed

    return routes


def describe_served(served: Served) -> Json:
    """One row of the list. unit: what a token is. has_…: whether hidden units, embeddings or counts can be shown."""
    model, tokenizer = served.lm.model, served.lm.pipeline.tokenizer
    kind = str(getattr(model, "kind", type(model).__name__))
    return {
        "name": served.name,
        "kind": kind,
        "tokenizer": tokenizer.name,
        "unit": _UNITS.get(tokenizer.name, "piece"),
        "vocabulary": len(model.vocabulary),
        "order": getattr(model, "order", None),
        "parameters": count_parameters(model),
        "has_hidden": hasattr(model, "token_log_probs_and_hidden"),
        "has_embeddings": hasattr(model, "embeddings"),
        "has_ngrams": kind == "ngram",
        "normalised": isinstance(model, LanguageModel),
        "description": _description(model, kind),
    }


def _description(model: Any, kind: str) -> str:
    """A model in a few words, such as "5-gram, modified Kneser-Ney"."""
    order, details = getattr(model, "order", None), getattr(model, "details", {})
    if order is not None:
        smoothing = str(details.get("smoothing", "")).replace("-", " ").title().replace("Kneser Ney", "Kneser–Ney")
        return f"{order}-gram, {smoothing[:1].lower()}{smoothing[1:]}" if smoothing else f"{order}-gram"
    settings = getattr(model, "settings", {})
    size = settings.get("hidden_size") or settings.get("embedding_size")
    named = _NAMES.get(kind, kind)
    return f"{named}, {settings.get('layers', 1)} × {size}" if size else named
