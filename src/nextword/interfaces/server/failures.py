"""Errors over HTTP, in the form that OpenAI's clients read: what was wrong, where, and a status."""

import json
import sys
import traceback
from collections.abc import Mapping
from http import HTTPStatus
from typing import Any

from fastapi import FastAPI, Request
from fastapi.exceptions import RequestValidationError
from fastapi.responses import JSONResponse, Response
from pydantic import BaseModel
from starlette.exceptions import HTTPException

from nextword.errors import NextwordError
from nextword.interfaces.server.engine import Busy, Late
from nextword.interfaces.server.models import UnknownModel
from nextword.types import Json

_TYPES = {
    401: "authentication_error",
    403: "permission_error",
    404: "not_found_error",
    421: "permission_error",
    429: "rate_limit_error",
}
_UNREADABLE = "There was an error parsing the body"  # FastAPI's words for all but a slip of syntax
_NAMED = 80  # characters of a field's name
_SHOWN = 500  # characters of a message at most: some repeat what was sent


class Refused(Exception):
    """A request that is refused, with the status and the words of the answer. param: the field that is wrong."""

    def __init__(
        self,
        status: int,
        message: str,
        *,
        param: str | None = None,
        code: str | None = None,
        headers: Mapping[str, str] | None = None,
    ):
        super().__init__(message)
        self.status, self.message, self.param, self.code = status, message, param, code
        self.headers = dict(headers or {})


class Fault(BaseModel):
    """What was wrong. param: the field, if it was one."""

    message: str
    type: str
    param: str | None = None
    code: str | None = None


_WORDS = {
    "missing": "is missing",
    "string_type": "expected a text",
    "string_too_long": "expected at most {max_length} characters",
    "string_too_short": "expected at least {min_length} characters",
    "too_long": "expected at most {max_length} of them",
    "too_short": "expected at least {min_length} of them",
    "greater_than_equal": "expected {ge} or more",
    "less_than_equal": "expected at most {le}",
    "greater_than": "expected more than {gt}",
    "less_than": "expected less than {lt}",
    "int_type": "expected a whole number",
    "int_from_float": "expected a whole number",
    "float_type": "expected a number",
    "finite_number": "expected a finite number",
    "bool_type": "expected true or false",
    "extra_forbidden": "there is no such field here; leave it out",
}  # by the kind of fault that pydantic names


class Failure(BaseModel):
    """The body of every answer that is an error."""

    error: Fault


class Answer(JSONResponse):
    """JSON in ASCII, so that any string can be sent. NaN and infinities are a ValueError, since JSON has none."""

    def render(self, content: Any) -> bytes:
        """The body's bytes."""
        return json.dumps(content, allow_nan=False, separators=(",", ":")).encode()


def failure(refused: Refused) -> Json:
    """The JSON body of a refusal."""
    kind = _TYPES.get(refused.status, "invalid_request_error" if refused.status < 500 else "server_error")
    message = refused.message if len(refused.message) <= _SHOWN else refused.message[:_SHOWN] + "…"
    return {"error": {"message": message, "type": kind, "param": refused.param, "code": refused.code}}


def answer(refused: Refused) -> Response:
    """The response of a refusal."""
    return Answer(failure(refused), status_code=refused.status, headers=refused.headers)


def refusal(error: Exception) -> Refused:
    """What to answer for an error; one that nobody foresaw is written to stderr, and its words stay here."""
    match error:
        case Refused():
            return error
        case Busy():
            words = str(error) or "the queue is full; send the request again in a second"
            return Refused(429, words, code="queue_full", headers={"Retry-After": "1"})
        case Late():
            return Refused(503, str(error) or "the request took too long; ask for less at once", code="too_late")
        case UnknownModel():
            return Refused(404, str(error), param="model", code="model_not_found")
        case NextwordError():
            return Refused(400, str(error))
        case RequestValidationError():
            return _invalid(error)
        case HTTPException():
            return _from_starlette(error)
    print("nextword: an unexpected error while answering a request:", file=sys.stderr)
    traceback.print_exception(error, file=sys.stderr)
    return Refused(500, "an unexpected error; the server's own messages tell more", code="internal_error")


def register(app: FastAPI) -> None:
    """Let ``app`` answer every error that its routes raise."""

    async def handle(_: Request, error: Exception) -> Response:
        return answer(refusal(error))

    for kind in (Refused, Busy, Late, UnknownModel, NextwordError, RequestValidationError, HTTPException):
        app.add_exception_handler(kind, handle)


def documented(*statuses: int) -> dict[int | str, Json]:
    """The error answers of a route, for the description of the API."""
    return {status: {"model": Failure, "description": HTTPStatus(status).phrase} for status in statuses}


def _invalid(error: RequestValidationError) -> Refused:
    """The first field that is wrong; of several the others follow when it is right."""
    first = error.errors()[0]
    place = [str(part)[:_NAMED] for part in first["loc"][1:]]  # the first says whether body, query or path
    message = _said(first)
    if first["type"] == "json_invalid":
        reason = first.get("ctx", {}).get("error", "")
        return Refused(400, f"the body is not JSON: {reason} at character {place[-1]}", code="json_invalid")
    if not place:
        return Refused(
            422, f"the body: {message}; send a JSON object with Content-Type: application/json", param="body"
        )
    return Refused(422, f"{'.'.join(place)}: {message}", param=place[0], code=first["type"])


def _said(fault: Json) -> str:
    """What is wrong with a field, in this project's words where it has some."""
    words = _WORDS.get(str(fault["type"]))
    bounds = {
        name: f"{value:g}" if isinstance(value, float) else f"{value:,}"
        for name, value in fault.get("ctx", {}).items()
        if isinstance(value, int | float)
    }
    return words.format(**bounds) if words else str(fault["msg"]).removeprefix("Value error, ")


def _from_starlette(error: HTTPException) -> Refused:
    detail = str(error.detail)
    if detail == _UNREADABLE:
        detail = "the body is not JSON that can be read: it must be UTF-8, not too deep, and its numbers not too long"
    if error.status_code == 404 and detail == "Not Found":
        detail = "there is nothing at this address; the API is under /v1, the page at /"
    return Refused(error.status_code, detail, headers=error.headers)
