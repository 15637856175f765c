"""What a completion request may hold, and what the answers hold, in OpenAI's form."""

import re
from collections.abc import Callable
from typing import Annotated, Any, Literal, TypeAlias

from pydantic import AfterValidator, BaseModel, BeforeValidator, ConfigDict, Field, WithJsonSchema
from pydantic_core import PydanticCustomError

from nextword.interfaces.server.limits import LIMITS

_ID = re.compile(r"[0-9]{1,9}")
_LARGEST_ID = 2**31 - 1
_STOPS, _STOP_LENGTH = 16, 200  # OpenAI has 4 of them; evaluation harnesses send more
_FORMS = "expected a text, a list of texts, a list of ids, or a list of lists of ids"


def _fail(words: str) -> PydanticCustomError:
    return PydanticCustomError("value_error", "{words}", {"words": words})


def text(value: Any, words: str = "expected a text") -> str:
    """``value`` if it is a str of Unicode text; a lone surrogate is none."""
    if not isinstance(value, str):
        raise _fail(words)
    if not value.isascii():
        try:
            value.encode()
        except UnicodeEncodeError as error:
            raise _fail(f"character {error.start + 1} is half a surrogate pair, which is no text") from None
    return value


def ids(value: Any) -> list[int]:
    """``value`` if it is a list of ids."""
    for one in value:
        if type(one) is not int:
            raise _fail(_FORMS)
        if not 0 <= one <= _LARGEST_ID:
            raise _fail(f"an id lies between 0 and {_LARGEST_ID}")
    return list(value)


def _prompts(value: Any) -> list[str] | list[list[int]]:
    """All four forms of a prompt as a list of texts or a list of lists of ids."""
    if value is None or isinstance(value, str):
        _bound(len(value or ""), LIMITS.characters, "characters")
        return [text(value or "")]
    if not isinstance(value, list):
        raise _fail(_FORMS)
    if not value or type(value[0]) is int:
        _bound(len(value), LIMITS.prompt_tokens, "tokens")
        return [ids(value)]
    if len(value) > LIMITS.prompts:
        raise _fail(f"{len(value):,} prompts are more than the {LIMITS.prompts} that one request may have")
    if isinstance(value[0], str):
        found = [text(one, "expected texts alone, or ids alone") for one in value]
        _bound(sum(map(len, found)), LIMITS.characters, "characters")
        return found
    if any(not isinstance(one, list) for one in value):
        raise _fail(_FORMS)
    _bound(sum(map(len, value)), LIMITS.prompt_tokens, "tokens")
    return [ids(one) for one in value]


def _bound(size: int, most: int, what: str) -> None:
    if size > most:
        raise _fail(f"{size:,} {what} are more than {most:,}")


def _stops(value: Any) -> list[str]:
    found = [] if value is None else [value] if isinstance(value, str) else value
    if not isinstance(found, list) or len(found) > _STOPS:
        raise _fail(f"expected a text, or a list of at most {_STOPS}")
    for one in found:
        if not 0 < len(text(one)) <= _STOP_LENGTH:
            raise _fail(f"a text at which to stop has 1 to {_STOP_LENGTH} characters")
    return found


def _biases(value: Any) -> dict[int, float]:
    if value is None:
        return {}
    if not isinstance(value, dict) or len(value) > LIMITS.biases:
        raise _fail(f"expected an object of ids and numbers, at most {LIMITS.biases:,}")
    for key, bias in value.items():
        if not isinstance(key, str) or not _ID.fullmatch(key) or not key.isascii():
            raise _fail('its names are ids, such as "17"')
        if type(bias) not in (int, float) or not -100 <= bias <= 100:
            raise _fail("its values are numbers from -100 to 100")
    return {int(key): float(bias) for key, bias in value.items()}


def _count_of_logprobs(value: Any) -> Any:
    """``true`` asks for the likeliest token alone, ``false`` for nothing."""
    return (1 if value else None) if isinstance(value, bool) else value


def _zero(words: str) -> Callable[[Any], None]:
    """A check of a field that is known and has no effect here: any value but its usual one would be ignored."""

    def check(value: Any) -> None:
        if value is not None and (type(value) not in (int, float) or value != 0):
            raise _fail(words)

    return check


def _single(value: Any) -> None:
    if value is not None and (type(value) is not int or value != 1):
        raise _fail("there is no best_of here; ask for n texts and choose by their logprobs")


def _no_suffix(value: Any) -> None:
    if value not in (None, ""):
        raise _fail("these models write from left to right, and towards no suffix; leave it out")


def _in_range(low: int, high: int, words: str) -> Callable[[Any], Any]:
    def check(value: int | None) -> int | None:
        if value is not None and not low <= value <= high:
            raise _fail(words)
        return value

    return check


_TEXT = {"type": "string", "maxLength": LIMITS.characters}
_IDS = {
    "type": "array",
    "items": {"type": "integer", "minimum": 0, "maximum": _LARGEST_ID},
    "maxItems": LIMITS.prompt_tokens,
}
_NULL = {"type": "null"}
_PROMPT_SCHEMA: dict[str, Any] = {
    "anyOf": [
        _TEXT,
        {"type": "array", "items": _TEXT, "maxItems": LIMITS.prompts},
        _IDS,
        {"type": "array", "items": _IDS, "maxItems": LIMITS.prompts},
        _NULL,
    ],
    "description": "A text, ids, or a list of either. Without it: the beginning of a text.",
}
_STOP_SCHEMA: dict[str, Any] = {
    "anyOf": [
        {"type": "string", "minLength": 1, "maxLength": _STOP_LENGTH},
        {
            "type": "array",
            "items": {"type": "string", "minLength": 1, "maxLength": _STOP_LENGTH},
            "maxItems": _STOPS,
        },
        _NULL,
    ]
}
_BIAS_SCHEMA: dict[str, Any] = {
    "anyOf": [
        {
            "type": "object",
            "propertyNames": {"pattern": "^[0-9]{1,9}$"},
            "additionalProperties": {"type": "number", "minimum": -100, "maximum": 100},
            "maxProperties": LIMITS.biases,
        },
        _NULL,
    ],
    "description": "Nats to add to the log-probabilities of ids before the samplers; -100 forbids an id.",
}
_LOGPROBS_SCHEMA: dict[str, Any] = {
    "anyOf": [{"type": "integer", "minimum": 0, "maximum": LIMITS.logprobs}, {"type": "boolean"}, _NULL],
    "description": "How many of the likeliest tokens to give beside each token.",
}
_NONE_SCHEMA: dict[str, Any] = {"anyOf": [{"type": "number", "const": 0}, _NULL]}

Text: TypeAlias = Annotated[str, AfterValidator(text)]
Prompts = Annotated[Any, BeforeValidator(_prompts), WithJsonSchema(_PROMPT_SCHEMA)]
Stops = Annotated[Any, BeforeValidator(_stops), WithJsonSchema(_STOP_SCHEMA)]
Biases = Annotated[Any, BeforeValidator(_biases), WithJsonSchema(_BIAS_SCHEMA)]
Logprobs = Annotated[
    int | None,
    AfterValidator(_in_range(0, LIMITS.logprobs, f"expected 0 to {LIMITS.logprobs}")),
    BeforeValidator(_count_of_logprobs),
    WithJsonSchema(_LOGPROBS_SCHEMA),
]
Penalty = Annotated[
    Any,
    BeforeValidator(_zero("these models' probabilities are used as they are; leave it out, or use logit_bias")),
    WithJsonSchema(_NONE_SCHEMA),
]
BestOf = Annotated[Any, BeforeValidator(_single), WithJsonSchema({"anyOf": [{"type": "integer", "const": 1}, _NULL]})]
Suffix = Annotated[
    Any, BeforeValidator(_no_suffix), WithJsonSchema({"anyOf": [{"type": "string", "maxLength": 0}, _NULL]})
]


class Strict(BaseModel):
    """A request: no field that is not known, no number given as a text."""

    model_config = ConfigDict(extra="forbid", strict=True)


class StreamOptions(Strict):
    """include_usage: whether a stream's last event says how many tokens there were."""

    include_usage: bool | None = None
    include_obfuscation: bool | None = None


class CompletionRequest(Strict):
    """A request for text that goes on from prompts, or, with echo and max_tokens 0, for the prompts' probabilities."""

    model: Annotated[Text | None, Field(max_length=200)] = None
    prompt: Prompts = Field(default=None, validate_default=True)
    max_tokens: Annotated[int, Field(ge=0, le=LIMITS.max_tokens)] | None = 16
    temperature: Annotated[float, Field(ge=0, le=100, allow_inf_nan=False)] | None = 1.0
    top_p: Annotated[float, Field(gt=0, le=1, allow_inf_nan=False)] | None = None
    top_k: Annotated[int, Field(ge=-1, le=2**31)] | None = Field(default=None, description="0 and -1: all tokens.")
    min_p: Annotated[float, Field(ge=0, le=1, allow_inf_nan=False)] | None = None
    n: Annotated[int, Field(ge=1, le=LIMITS.samples)] | None = 1
    stop: Stops = Field(default=None, validate_default=True)
    seed: Annotated[int, Field(ge=0, le=2**63 - 1)] | None = None
    logit_bias: Biases = Field(default=None, validate_default=True)
    echo: bool | None = False
    logprobs: Logprobs = None
    stream: bool | None = False
    stream_options: StreamOptions | None = None
    ignore_eos: bool | None = Field(default=False, description="Write on after a line's end.")
    user: Annotated[Text | None, Field(max_length=1000)] = None
    best_of: BestOf = None
    suffix: Suffix = None
    presence_penalty: Penalty = None
    frequency_penalty: Penalty = None


class LogprobsOut(BaseModel):
    """tokens: their pieces of the text. token_logprobs: nats. text_offset: where each piece begins, in characters.

    With echo the first token has none. An impossible token has -9999, since JSON has no infinity.
    """

    tokens: list[str]
    token_logprobs: list[float | None]
    top_logprobs: list[dict[str, float] | None] | None
    text_offset: list[int]


class Choice(BaseModel):
    """One text. index: the prompt's number times n, plus the sample's."""

    text: str
    index: int
    logprobs: LogprobsOut | None
    finish_reason: Literal["stop", "length"] | None


class Usage(BaseModel):
    """Tokens, the ``</s>`` that ends a text counted."""

    prompt_tokens: int
    completion_tokens: int
    total_tokens: int


class Completion(BaseModel):
    """What a completion request is answered with."""

    id: str
    object: Literal["text_completion"]
    created: int
    model: str
    choices: list[Choice]
    usage: Usage


class Card(BaseModel):
    """A model that is served."""

    id: str
    object: Literal["model"] = "model"
    created: int
    owned_by: str = "nextword"


class Cards(BaseModel):
    """All models that are served, the default first."""

    object: Literal["list"] = "list"
    data: list[Card]
