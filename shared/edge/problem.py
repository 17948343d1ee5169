"""Refusals as RFC 9457 problem documents. The only place that knows which HTTP status an error is."""

import traceback
from collections.abc import Iterable
from typing import Final

import msgspec
from pydantic import BaseModel, ValidationError

from shared.kernel.errors import (
    Bug,
    Conflict,
    Forbidden,
    Invalid,
    NotFound,
    Problem,
    TooMany,
    Transient,
    Unauthenticated,
)

CONTENT_TYPE: Final = b"application/problem+json"
MAX_ERRORS: Final = 20
_MAX_POINTER: Final = 200


class MethodNotAllowed(Problem):
    """The path means something, with another method."""

    type = "method-not-allowed"
    title = "This method is not for this path"

    def __init__(self, allow: Iterable[str]) -> None:
        self.allow = ", ".join(allow)
        super().__init__(f"Use one of: {self.allow}.")


class BodyTooLarge(Problem):
    """The request body is longer than the operation takes."""

    type = "body-too-large"
    title = "The request body is too large"


class BodyTooSlow(Problem):
    """The request body did not arrive in time."""

    type = "body-too-slow"
    title = "The request body did not arrive in time"


class HeadersTooLarge(Problem):
    """Request line and headers are longer than anything here needs."""

    type = "headers-too-large"
    title = "The request headers are too large"


class UnsupportedMediaType(Problem):
    """The body is of a type that the operation does not take."""

    type = "unsupported-media-type"
    title = "This content type is not taken here"


class KeyMissing(Invalid):
    """The operation changes something and came without an Idempotency-Key."""

    type = "idempotency-key-missing"
    title = "An Idempotency-Key is needed"


class PreconditionFailed(Problem):
    """The version in If-Match is not the present one."""

    type = "precondition-failed"
    title = "The version you know is no longer the present one"


_STATUS: dict[type[Problem], int] = {
    Invalid: 400,
    Unauthenticated: 401,
    Forbidden: 403,
    NotFound: 404,
    MethodNotAllowed: 405,
    BodyTooSlow: 408,
    Conflict: 409,
    PreconditionFailed: 412,
    BodyTooLarge: 413,
    UnsupportedMediaType: 415,
    TooMany: 429,
    HeadersTooLarge: 431,
    Bug: 500,
    Transient: 503,
}


def status_of(problem: Problem) -> int:
    """Return the HTTP status of a problem: that of its nearest known base class; 500 for one without any."""
    for kind in type(problem).__mro__:
        status = _STATUS.get(kind)
        if status is not None:
            return status
    return 500


def _plain(value: object) -> object:
    if isinstance(value, BaseModel):
        return value.model_dump(mode="json")
    return str(value)


_ENCODER = msgspec.json.Encoder(enc_hook=_plain)


def document(problem: Problem, *, public_url: str, correlation: str, status: int) -> bytes:
    """Return the problem as JSON. A Bug says nothing about itself but its correlation."""
    silent = status >= 500 and not isinstance(problem, Transient)
    members: dict[str, object] = {
        **({} if silent else problem.fields),
        "type": f"{public_url}/problems/{problem.type}",
        "title": problem.title,
        "status": status,
        "detail": "It is logged. Name this correlation when you ask us about it." if silent else problem.detail,
        "instance": f"urn:correlation:{correlation}",
    }
    return _ENCODER.encode(members)


def headers_of(problem: Problem) -> list[tuple[bytes, bytes]]:
    """Return the headers that belong to a problem: Allow, Retry-After, WWW-Authenticate."""
    match problem:
        case MethodNotAllowed():
            return [(b"allow", problem.allow.encode())]
        case TooMany() | Transient():
            return [(b"retry-after", str(problem.retry_after_s).encode())]
        case Unauthenticated():
            return [(b"www-authenticate", b'Bearer realm="cortado"')]
        case BodyTooLarge() | BodyTooSlow():
            return [(b"connection", b"close")]
        case _:
            return []


def invalid(wrong: ValidationError, what: str) -> Invalid:
    """Return what pydantic found as one problem: where, and what is expected there; never what was sent."""
    found = wrong.errors(include_url=False, include_context=True, include_input=False)
    errors = []
    for error in found[:MAX_ERRORS]:
        pointer = "".join(f"/{_token(part)}" for part in error["loc"])[:_MAX_POINTER]
        message = error["msg"].removeprefix("Value error, ")
        if error["type"] == "union_tag_invalid":
            message = f"expected one of {error.get('ctx', {}).get('expected_tags', '')}"
        errors.append({"pointer": pointer, "message": message})
    return Invalid(f"{what} is not as the API description says; see `errors`.", errors=errors)


def _token(part: int | str) -> str:
    """Return one step of a JSON pointer (RFC 6901)."""
    return str(part).replace("~", "~0").replace("/", "~1")


def frames_of(error: BaseException) -> list[str]:
    """Return where an error came from, innermost last: file, line and function, no values."""
    return [f"{frame.filename}:{frame.lineno} {frame.name}" for frame in traceback.extract_tb(error.__traceback__)]
