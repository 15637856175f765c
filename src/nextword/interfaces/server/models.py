"""The models that a server serves, each with its engine."""

from collections.abc import Iterable
from dataclasses import dataclass
from pathlib import Path

from nextword.interfaces.server.engine import Engine
from nextword.lm import LM


@dataclass(frozen=True, eq=False)
class Served:
    """A model by the name that requests call it. directory: where it was loaded from; no request ever names it."""

    name: str
    lm: LM
    engine: Engine
    directory: Path | None = None


class UnknownModel(Exception):
    """A request names a model that is not served."""


class Models:
    """The served models by name, in the order in which they were given; the first is the default."""

    def __init__(self, served: Iterable[Served]):
        self._by_name = {one.name: one for one in served}

    def __iter__(self):  # type: ignore[no-untyped-def]
        return iter(self._by_name.values())

    def get(self, name: str | None = None) -> Served:
        """The model of that name, the first if None. Raises UnknownModel."""
        if name is None:
            return next(iter(self._by_name.values()))
        try:
            return self._by_name[name]
        except KeyError:
            known = ", ".join(self._by_name)
            raise UnknownModel(f"there is no model {name!r}; this server has {known}") from None
