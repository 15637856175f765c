"""N-best lists: what a recogniser or translator proposes for each sentence, with its scores."""

import math
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass
from typing import Any, Literal, NamedTuple, TypeAlias

from nextword.errors import TextError
from nextword.types import Json

Form: TypeAlias = Literal["moses", "json-lists", "json-lines"]


class Hypothesis(NamedTuple):
    """One reading. where: ``file:line``; raw: its scores as the Moses form spells them, or its JSON record."""

    text: str
    scores: tuple[float, ...]
    where: str = ""
    raw: Any = None


class NBest(NamedTuple):
    """The hypotheses of one sentence, best first as its maker thought. record: the other fields of a JSON list."""

    id: str
    hypotheses: tuple[Hypothesis, ...]
    record: Json | None = None

    @property
    def where(self) -> str:
        """``file:line`` of the first hypothesis."""
        return self.hypotheses[0].where


@dataclass(frozen=True)
class NBestLists:
    """Lists and what their scores are called; form: how they are written."""

    lists: tuple[NBest, ...]
    names: tuple[str, ...]
    form: Form = "moses"

    def __len__(self) -> int:
        return len(self.lists)

    def __iter__(self) -> Iterator[NBest]:
        return iter(self.lists)

    @property
    def hypotheses(self) -> list[Hypothesis]:
        """Those of all lists, one after another."""
        return [hypothesis for one in self.lists for hypothesis in one.hypotheses]

    @property
    def sizes(self) -> list[int]:
        """How many hypotheses each list has."""
        return [len(one.hypotheses) for one in self.lists]

    @classmethod
    def make(
        cls, lists: Iterable[tuple[str, Sequence[tuple[str, Sequence[float]]]]], names: Sequence[str]
    ) -> "NBestLists":
        """Lists from Python: (id, [(text, scores), …]) of each. Raises TextError as ``read_nbest`` does."""
        found = []
        for i, (name, hypotheses) in enumerate(lists):
            where = f"list {i + 1}"
            found.append(NBest(name, tuple(Hypothesis(text, tuple(scores), where) for text, scores in hypotheses)))
            if not found[-1].hypotheses:
                raise TextError(f"{where}: {name!r} has no hypotheses; give at least one")
        for hypothesis in (one for nbest in found for one in nbest.hypotheses):
            _check_scores(hypothesis, tuple(names), tuple(names[: len(hypothesis.scores)]))
        return cls(tuple(found), tuple(names))


Read: TypeAlias = tuple[str, tuple[str, ...], Hypothesis]  # an id, the names of the scores, and the hypothesis


def gather(read: Iterable[Read]) -> tuple[list[NBest], tuple[str, ...]]:
    """Lists of the hypotheses of one id after another, and the names that all scores have."""
    lists: list[tuple[str, list[Hypothesis]]] = []
    first: dict[str, str] = {}
    names: tuple[str, ...] | None = None
    for name, scores, hypothesis in read:
        names = scores if names is None else names
        _check_scores(hypothesis, names, scores)
        if not lists or lists[-1][0] != name:
            if name in first:
                raise TextError(
                    f"{hypothesis.where}: the id {name!r} came before, at {first[name]}, and another in between; "
                    "let a list's hypotheses stand together"
                )
            first[name] = hypothesis.where
            lists.append((name, []))
        lists[-1][1].append(hypothesis)
    return [NBest(name, tuple(hypotheses)) for name, hypotheses in lists], names or ()


def _check_scores(hypothesis: Hypothesis, expected: tuple[str, ...], names: tuple[str, ...]) -> None:
    if names != expected or len(hypothesis.scores) != len(expected):
        raise TextError(
            f"{hypothesis.where}: has the scores {_listed(names)}, and the first hypothesis has {_listed(expected)}; "
            "give all hypotheses the same scores"
        )
    if not all(map(math.isfinite, hypothesis.scores)):
        raise TextError(f"{hypothesis.where}: a score is not finite; give a large negative number for log 0")


def _listed(names: Sequence[str]) -> str:
    return f"{', '.join(names)} ({len(names)})" if names else "none"
