"""A call before it is sent, and what came back: no I/O here, so that sync and async clients share all of it."""

import json
import uuid
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field, replace
from datetime import datetime
from decimal import Decimal
from enum import Enum
from typing import Any, Final, Generic, TypeVar, cast
from urllib.parse import quote

from pydantic import BaseModel, SecretStr

from shared.client.problems import problem_of
from shared.kernel.clock import rfc3339

V = TypeVar("V")
Scalar = str | int | bool | float | Decimal | datetime | Enum | None
"""What a query parameter may be; None leaves it out."""
JSON: Final = "application/json"


@dataclass(frozen=True, slots=True)
class Call(Generic[V]):
    """One request of an operation. `key` is its Idempotency-Key: every try of this call carries the same."""

    operation: str
    method: str
    path: str
    view: type[V] | None
    query: Mapping[str, str] = field(default_factory=dict)
    body: bytes | None = None
    key: str | None = None
    if_match: int | None = None
    accept: str = JSON

    def headers(self, *, token: str | None, seen: str | None) -> dict[str, str]:
        """Return the request's headers. `seen` is the consistency token of the last write, for a read to see it."""
        headers = {"accept": self.accept}
        if self.body is not None:
            headers["content-type"] = JSON
        if token is not None:
            headers["authorization"] = f"Bearer {token}"
        if self.key is not None:
            headers["idempotency-key"] = self.key
        if self.if_match is not None:
            headers["if-match"] = f'"{self.if_match}"'
        if seen is not None and self.method == "GET":
            headers["consistency-token"] = seen
        return headers

    def after(self, cursor: str) -> "Call[V]":
        """Return the call for the following page."""
        return replace(self, query={**self.query, "cursor": cursor})


@dataclass(frozen=True, slots=True)
class Answer(Generic[V]):
    """What an operation said."""

    view: V
    status: int
    headers: Mapping[str, str]

    @property
    def version(self) -> int | None:
        """Return the version of what is shown, for `if_match`; None where there is none."""
        digits = self.headers.get("etag", "").strip('"').partition("-")[0]
        return int(digits) if digits.isdigit() else None

    @property
    def replayed(self) -> bool:
        """Return whether this is the answer to an earlier try under the same key."""
        return self.headers.get("idempotent-replayed") == "true"


def call(
    operation: str,
    method: str,
    path: str,
    view: type[V] | None,
    *,
    query: Mapping[str, Scalar] | None = None,
    body: BaseModel | None = None,
    idempotent: bool = False,
    key: str | None = None,
    if_match: int | None = None,
    accept: str = JSON,
) -> Call[V]:
    """Return a call; an idempotent one gets a fresh key unless one is given."""
    return Call(
        operation,
        method,
        path,
        view,
        {name: written(value) for name, value in (query or {}).items() if value is not None},
        encoded(body) if body is not None else None,
        (key or uuid.uuid4().hex) if idempotent else None,
        if_match,
        accept,
    )


def encoded(body: BaseModel) -> bytes:
    """Return a body as JSON: what was set, and account keys too, which models else hide."""
    return json.dumps(_open(body, body.model_dump(mode="json", exclude_none=True, exclude_unset=True))).encode()


def _open(value: object, dumped: Any) -> Any:
    if isinstance(value, SecretStr):
        return value.get_secret_value()
    if isinstance(value, BaseModel):
        return {name: _open(getattr(value, name, None), each) for name, each in dumped.items()}
    if isinstance(value, Mapping):
        return {name: _open(value.get(name), each) for name, each in dumped.items()}
    if isinstance(value, tuple | list):
        return [_open(one, each) for one, each in zip(value, dumped, strict=True)]
    return dumped


def segment(value: str) -> str:
    """Return a path segment; what is no plain id is quoted, and then refused by the platform."""
    return quote(str(value), safe="")


def written(value: Scalar) -> str:
    """Return a query parameter as the platform reads it."""
    if isinstance(value, bool):
        return "true" if value else "false"
    if isinstance(value, datetime):
        return rfc3339(value)
    return str(value.value if isinstance(value, Enum) else value)


def answer(asked: Call[V], status: int, headers: Mapping[str, str], content: bytes) -> Answer[V]:
    """Return what an operation said. Raises the ApiProblem that it refused with.

    Fields that this client does not know are passed over: the platform may be newer.
    """
    if status >= 400:
        raise problem_of(status, headers, content)
    return Answer(_view(asked.view, content), status, headers)


def _view(view: type[V] | None, content: bytes) -> V:
    if view is None or not content:
        return cast(V, None)
    if issubclass(view, BaseModel):
        return cast(V, view.model_validate_json(content, extra="ignore"))
    return cast(V, content)


def items_of(page: object) -> Iterator[object]:
    """Yield what a page lists: its one field that is a tuple."""
    lists = [value for value in vars(page).values() if isinstance(value, tuple)]
    if len(lists) != 1:
        raise TypeError(f"{type(page).__name__} is no page of one kind of thing")
    yield from lists[0]
