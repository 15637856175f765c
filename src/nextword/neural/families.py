"""The neural families by name, and networks from settings as a file or a command line gives them."""

import importlib
from collections.abc import Mapping
from dataclasses import fields
from typing import Any

from nextword.errors import UsageError
from nextword.neural.network import Network

FAMILIES = {  # kind → module:class
    "window": "nextword.neural.window:WindowNetwork",
    "rnn": "nextword.neural.recurrent:ElmanNetwork",
    "gru": "nextword.neural.recurrent:GruNetwork",
    "lstm": "nextword.neural.recurrent:LstmNetwork",
    "transformer": "nextword.neural.transformer:TransformerNetwork",
}


def network_class(kind: str) -> type[Network]:
    """The class of a kind; UsageError if there is no such kind."""
    if kind not in FAMILIES:
        raise UsageError(f"the kind {kind!r} is unknown, expected one of {', '.join(FAMILIES)}")
    module, _, name = FAMILIES[kind].partition(":")
    found: type[Network] = getattr(importlib.import_module(module), name)
    return found


def settings_of(kind: str, given: Mapping[str, Any]) -> Any:
    """The settings of a kind, defaults where nothing is given. Raises UsageError for an unknown name or a bad value."""
    expected = {field.name for field in fields(network_class(kind).settings_class)}
    unknown = sorted(set(given) - expected)
    if unknown:
        raise UsageError(f"a {kind} has no setting {unknown[0]!r}, expected some of {', '.join(sorted(expected))}")
    of_kind = {"cell": kind} if "cell" in expected else {}
    return network_class(kind).settings_class(**of_kind | dict(given))


def build(kind: str, settings: Mapping[str, Any], vocab_size: int, excluded: int | None = None) -> Network:
    """A network with random weights from torch's global generator.

    excluded: the id that is never predicted, that of ``<s>``. Raises UsageError for settings that cannot be.
    """
    return network_class(kind)(settings_of(kind, settings), vocab_size, excluded=excluded)
