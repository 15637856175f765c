"""What a filter does with each document, as data: it is stored beside the output and sent to other machines."""

import json
from collections.abc import Sequence
from dataclasses import asdict, dataclass, replace
from typing import Any, Literal, NamedTuple, Protocol

from nextword.durable import sha256
from nextword.errors import UsageError
from nextword.text.pipeline import Pipeline
from nextword.types import Json

COLUMNS = ("perplexity", "bits_per_byte", "tokens", "oov")
CONTRAST, BUCKET = "contrast", "bucket"
MEASURED = ("perplexity", "bits_per_byte", CONTRAST)  # what can be limited and cut
_THIRDS = ("head", "middle", "tail")

Use = Literal["keep", "folders", "column"]


class Filterer(Protocol):
    """A model and how it reads text; ``nextword.LM`` is one. info: its ``config.json``, if it was opened from disk.

    model: a LanguageModel, or a ``measures.LineScorer`` with a vocabulary.
    """

    @property
    def model(self) -> Any: ...  # noqa: D102
    @property
    def pipeline(self) -> Pipeline: ...  # noqa: D102
    @property
    def info(self) -> Json: ...  # noqa: D102


class Limit(NamedTuple):
    """Documents are kept whose ``column`` is from ``minimum`` to ``maximum``, both included; None is no limit."""

    column: str
    minimum: float | None = None
    maximum: float | None = None


@dataclass(frozen=True)
class Cut:
    """Documents are told apart at percentiles of ``column`` in a sample of the corpus (Wenzek et al. 2020).

    A document below the first point is of the first bucket, as in cc_net; one at it, or above, of a later one.
    percentiles: rising, of 0 to 100, exclusive. points: their values, once they are known. use: "keep" the first bucket
    alone, or write each bucket to its "folders", or its name to a "column".
    """

    column: str = "perplexity"
    percentiles: tuple[float, ...] = (30.0, 60.0)
    use: Use = "folders"
    points: tuple[float, ...] | None = None

    @property
    def names(self) -> tuple[str, ...]:
        """The buckets' names, from the lowest values on: head, middle and tail if there are three."""
        if len(self.percentiles) == 2:
            return _THIRDS
        edges = [0.0, *self.percentiles, 100.0]
        return tuple(f"p{low:g}-{high:g}" for low, high in zip(edges, edges[1:], strict=False))


@dataclass(frozen=True)
class FilterSettings:
    """What is read, added and kept.

    field: where a record's text is. prefix: put before the names of the columns that are added. join_lines: a document
    is one sentence, its newlines blanks; without it each line is a sentence. limits: all must hold. cut: or None.
    on_error: "stop" at a record that cannot be used, or "skip" it. overwrite: replace columns that are there already.
    contrast: whether a second model is given.
    """

    field: str = "text"
    prefix: str = ""
    join_lines: bool = False
    limits: tuple[Limit, ...] = ()
    cut: Cut | None = None
    on_error: Literal["stop", "skip"] = "stop"
    overwrite: bool = False
    contrast: bool = False

    def __post_init__(self) -> None:
        """Raises UsageError for settings that contradict themselves."""
        if self.on_error not in ("stop", "skip"):
            raise UsageError(f"on_error is {self.on_error!r}; expected stop or skip")
        for limit in self.limits:
            self._check_measured(limit.column)
        if self.cut is not None:
            self._check_measured(self.cut.column)
            _check_percentiles(self.cut.percentiles)
        if self.field in self.columns():
            raise UsageError(
                f"the text is in the field {self.field!r}, and a column of that name would be added; give a prefix"
            )

    def columns(self) -> tuple[str, ...]:
        """Names of the columns that are added to each record, in their order."""
        names = [*COLUMNS, *([CONTRAST] if self.contrast else [])]
        if self.cut is not None and self.cut.use == "column":
            names.append(BUCKET)
        return tuple(self.prefix + name for name in names)

    def folders(self) -> tuple[str, ...]:
        """The folders below the output's that shards are written to; an empty name is the output's own."""
        return self.cut.names if self.cut is not None and self.cut.use == "folders" else ("",)

    def with_points(self, points: Sequence[float]) -> "FilterSettings":
        """The same settings with the values of the cut's percentiles."""
        if self.cut is None:
            return self
        return replace(self, cut=replace(self.cut, points=tuple(map(float, points))))

    def to_json(self) -> Json:
        """What ``from_json`` reads."""
        found: Json = json.loads(json.dumps(asdict(self) | {"limits": [limit._asdict() for limit in self.limits]}))
        return found

    @classmethod
    def from_json(cls, values: Json) -> "FilterSettings":
        """The settings that ``to_json`` gave."""
        cut = values["cut"]
        if cut is not None:
            points = None if cut["points"] is None else tuple(cut["points"])
            cut = Cut(**{**cut, "percentiles": tuple(cut["percentiles"]), "points": points})
        return cls(**{**values, "cut": cut, "limits": tuple(Limit(**limit) for limit in values["limits"])})

    def _check_measured(self, column: str) -> None:
        if column not in MEASURED:
            raise UsageError(f"{column!r} cannot be limited or cut; choose one of {', '.join(MEASURED)}")
        if column == CONTRAST and not self.contrast:
            raise UsageError(
                "a limit or cut of the contrast needs a second model to contrast with; give --contrast DIR2"
            )


def identity(settings: FilterSettings, lm: Filterer, contrast: Filterer | None = None) -> str:
    """SHA-256 of all that an output depends on beside its input: the settings and the models.

    Raises UsageError where a second model is given and the settings do not say so, or the other way round.
    """
    if (contrast is not None) != settings.contrast:
        raise UsageError("settings.contrast says whether a second model is given, and here it does not agree")
    models = [model_identity(one) for one in (lm, contrast) if one is not None]
    return sha256([json.dumps([settings.to_json(), models], sort_keys=True).encode()])


def model_identity(lm: Filterer) -> str:
    """The checksum of a stored model's configuration, which covers its payloads; of one in memory, its arrays' hash."""
    found = lm.info.get("checksum")
    if isinstance(found, str):
        return found
    arrays: dict[str, Any] = getattr(lm.model, "arrays", dict)() | lm.model.vocabulary.arrays()
    described = [json.dumps(lm.pipeline.config(), sort_keys=True).encode()]
    return sha256([*described, *(memoryview(array).cast("B") for array in arrays.values() if array.size)])


def _check_percentiles(percentiles: Sequence[float]) -> None:
    inside = all(0 < p < 100 for p in percentiles)
    if not percentiles or not inside or list(percentiles) != sorted(set(percentiles)):
        given = ",".join(f"{p:g}" for p in percentiles) or "none"
        raise UsageError(f"the percentiles are {given}; expected rising numbers between 0 and 100, such as 30,60")
