"""The models that a server serves, each with its engine."""

from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path

from nextword.interfaces.server.engine import Engine
from nextword.kinds import is_task
from nextword.lm import LM
from nextword.manifest import CONFIG, is_pretrained, parse


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

    def __iter__(self) -> Iterator[Served]:
        return iter(self._by_name.values())

    def get(self, name: str | None = None) -> Served:
        """The model of that name, the first if None. Raises UnknownModel."""
        if name is None:
            return next(iter(self._by_name.values()))
        try:
            return self._by_name[name]
        except KeyError:
            known = ", ".join(self._by_name)
            raise UnknownModel(f"there is no model {name!r:.80}; this server has {known}") from None


def models_in(directory: Path) -> list[Path]:
    """The directory itself, or, if it is no model but a folder of models, those by name, tasks' models left out."""
    if not directory.is_dir() or (directory / CONFIG).exists() or is_pretrained(directory):
        return [directory]
    found = [config.parent for config in sorted(directory.glob(f"*/{CONFIG}"))]
    return [one for one in found if not is_task(str((parse(one / CONFIG) or {}).get("kind")))] or [directory]


def names_of(directories: Sequence[Path]) -> list[str]:
    """A name for each directory: its last part, with the part before it where two would be the same, then a number."""
    paths = [directory.resolve() for directory in directories]
    short = [_printable(path.name) for path in paths]
    long = [_printable(f"{path.parent.name}-{path.name}") for path in paths]
    names: list[str] = []
    for one, other in zip(short, long, strict=True):
        wanted = one if short.count(one) == 1 else other
        tries = (wanted if i == 1 else f"{wanted}-{i}" for i in range(1, len(paths) + 2))
        names.append(next(name for name in tries if name not in names))
    return names


def _printable(name: str) -> str:
    """The name of a file, which may hold bytes that are no text, as one that can be sent."""
    text = name.encode(errors="surrogateescape").decode(errors="replace")
    return "".join(c if c.isprintable() else "�" for c in text) or "model"
