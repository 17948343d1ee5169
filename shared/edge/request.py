"""What an HTTP operation is given: a parsed body, parsed parameters, and who is asking.

A function says what it takes in its annotation, `Request[PlaceOrder, Nothing]`, and what it says in return,
`Reply[OrderView]`; validation and the API description are derived from these two.
"""

import inspect
import re
import typing
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from datetime import date, datetime
from functools import cache
from typing import Any, Final, Generic, TypeVar, get_args, get_origin
from urllib.parse import parse_qsl

from pydantic import BaseModel, ValidationError

from shared.edge.answer import RawHeaders, Scope
from shared.edge.auth import Caller
from shared.edge.body import must_be_clear_json
from shared.edge.problem import UnsupportedMediaType, invalid
from shared.edge.telemetry import Call
from shared.kernel.decision import By, Claim
from shared.kernel.errors import Bug, Invalid
from shared.kernel.money import Frozen
from shared.kernel.reply import Encoded, Reply
from triggers.registry import Entry

B = TypeVar("B", bound=BaseModel)
P = TypeVar("P", bound=BaseModel)

MAX_QUERY: Final = 4096
_KINDS: Final[dict[object, tuple[re.Pattern[str], str]]] = {
    bool: (re.compile("true|false"), "true or false is expected"),
    int: (re.compile("-?[0-9]{1,100}"), "a whole number is expected"),
    float: (re.compile(r"-?[0-9]{1,100}(\.[0-9]{1,100})?([eE][+-]?[0-9]{1,3})?"), "a decimal number is expected"),
    date: (re.compile("[0-9]{4}-[0-9]{2}-[0-9]{2}"), "a day is expected, such as 2026-05-06"),
    datetime: (
        re.compile(r"[0-9]{4}-[0-9]{2}-[0-9]{2}T[0-9]{2}:[0-9]{2}:[0-9]{2}(\.[0-9]{1,6})?Z"),
        "a time is expected, such as 2026-05-06T12:00:00Z",
    ),
}
_WRONG_PARAMETER: Final = "A parameter is not as the API description says; see `errors`."


class Nothing(Frozen):
    """No body, or no parameters."""


NOTHING: Final = Nothing()


Asking = tuple[Caller, Call, Claim | None, Scope, int]
"""Who asks, in which call, under which key, from where, past how many proxies. Plain, for one is made in each call."""


def address_of(scope: Scope, proxy_hops: int) -> str:
    """Return the address that a caller is limited by: the one that the outermost trusted proxy saw."""
    if proxy_hops:  # a header that stands there twice is one list: the client's own line must not hide the proxy's
        seen = b",".join(value for name, value in scope["headers"] if name == b"x-forwarded-for").split(b",")
        if seen != [b""]:
            return str(seen[-min(proxy_hops, len(seen))].strip().decode("latin-1"))
    client = scope.get("client")
    return str(client[0]) if client else "unknown"


class Request(Generic[B, P]):
    """One call of an HTTP operation."""

    __slots__ = ("_asking", "_by", "_headers", "body", "if_match", "params")

    def __init__(self, body: B, params: P, if_match: int | None, headers: RawHeaders, asking: Asking) -> None:
        self.body = body
        self.params = params
        self.if_match = if_match
        """The version that the client knows (from an ETag), when it makes its write depend on it."""
        self._headers = headers
        self._asking = asking
        self._by: By | None = None

    @property
    def by(self) -> By:
        """Return on whose behalf the operation runs; made when first asked for, and the same ever after."""
        if self._by is None:
            caller, call, claim, _, _ = self._asking
            self._by = By(
                caller.actor,
                caller.roles,
                caller.merchant_id,
                call.correlation,
                traceparent=call.traceparent,
                once=claim,
                shop_ids=caller.shop_ids,
            )
        return self._by

    @property
    def client(self) -> str:
        """Return the network address of the caller, for limits alone: it is neither logged nor kept in clear."""
        return address_of(*self._asking[3:])

    @property
    def headers(self) -> Mapping[str, str]:
        """Return the request's headers, names in lower case."""
        return {name.decode("latin-1"): value.decode("latin-1") for name, value in self._headers}


@dataclass(frozen=True, slots=True)
class Shape:
    """What a function's annotations say: the models of body, parameters and view."""

    body: type[BaseModel]
    params: type[BaseModel]
    view: object
    """A model, `bytes` for what is no JSON, or None for an empty reply."""

    @property
    def has_body(self) -> bool:
        """Return whether the operation takes a body."""
        return self.body is not Nothing


def shape_of(function: Callable[..., Any], entry: Entry) -> Shape:
    """Return the shape of an HTTP function. Raises Bug when its annotations don't fit its registry entry."""
    hints = typing.get_type_hints(function)
    names = list(inspect.signature(function).parameters)
    where = f"{entry.group}: {function.__name__}"
    if len(names) != 1 or get_origin(hints.get(names[0])) is not Request:
        raise Bug(f"{where} takes one argument, `request: Request[Body, Params]`")
    if get_origin(hints.get("return")) is not Reply:
        raise Bug(f"{where} returns `Reply[View]`")
    body, params = get_args(hints[names[0]])
    missing = set(entry.variables) - set(params.model_fields)
    if missing:
        raise Bug(f"{where}: {params.__name__} has no field for {', '.join(sorted(missing))} of {entry.path}")
    if not params.model_config.get("frozen"):
        raise Bug(f"{where}: {params.__name__} is not frozen, and parameters of reads are shared between calls")
    if body is not Nothing and entry.method in ("GET", "DELETE"):
        raise Bug(f"{where}: a {entry.method} takes no body")
    (view,) = get_args(hints["return"])
    if get_origin(view) is Encoded:
        (view,) = get_args(view)
    return Shape(body, params, None if view is type(None) else view)


def parsed_body(model: type[B], raw: bytes, content_type: bytes | None, coding: bytes | None = None) -> B:
    """Return the body as `model`. Raises Invalid, or UnsupportedMediaType when it is declared as anything but JSON.

    A compressed body is refused too: it would have to be unpacked before anybody knows how large it is.
    """
    if coding is not None and coding.strip().lower() != b"identity":
        raise UnsupportedMediaType("Send the body as it is, without a content-encoding.")
    if model is Nothing:
        if raw.strip() not in (b"", b"{}"):
            raise Invalid("No body is taken here.")
        return NOTHING  # type: ignore[return-value]  # the caller's B is Nothing here
    if content_type is not None and not _is_json(content_type):
        raise UnsupportedMediaType("Send JSON, with the header `content-type: application/json`.")
    must_be_clear_json(raw)
    try:
        return model.model_validate_json(raw, strict=True)  # JSON has types: "7" is no number, 1 is not true
    except ValidationError as wrong:
        raise invalid(wrong, "The body") from None


def _is_json(content_type: bytes) -> bool:
    media = content_type.partition(b";")[0].strip().lower()
    return media == b"application/json" or media.endswith(b"+json")


def parsed_params(model: type[P], values: Mapping[str, str], query: bytes) -> P:
    """Return path variables and query parameters as `model`. Raises Invalid for unknown and repeated ones too."""
    given = dict(values)
    if query:
        _add_query(given, query)
    if model is Nothing:
        if given:
            raise Invalid(f"No parameter {next(iter(given))[:64]} is known here.")
        return NOTHING  # type: ignore[return-value]  # the caller's P is Nothing here
    written = _written(model)
    for name, value in given.items():
        if "\0" in value:
            raise Invalid("NUL characters are not taken.")
        kind = written.get(name)
        if kind is not None and not kind[0].fullmatch(value):
            raise Invalid(_WRONG_PARAMETER, errors=[{"pointer": f"/{name}", "message": kind[1]}])
    try:
        return model.model_validate_strings(given, extra="forbid")
    except ValidationError as wrong:
        raise invalid(wrong, "A parameter") from None


@cache
def _written(model: type[BaseModel]) -> dict[str, tuple[re.Pattern[str], str]]:
    """Return how parameters are written that pydantic takes in more ways: '1_0', ' 5', 'yes', a day as '0'."""
    return {
        name: _KINDS[kind]
        for name, field in model.model_fields.items()
        for kind in (field.annotation, *get_args(field.annotation))
        if kind in _KINDS
    }


def _add_query(given: dict[str, str], query: bytes) -> None:
    if len(query) > MAX_QUERY:
        raise Invalid(f"A query string has at most {MAX_QUERY} bytes.")
    try:
        pairs = parse_qsl(query.decode("ascii"), keep_blank_values=True, errors="strict", max_num_fields=64)
    except ValueError as wrong:
        raise Invalid("The query string is not well formed.") from wrong
    for name, value in pairs:
        if name in given:
            raise Invalid(f"Parameter {name[:64]} is given twice.")
        given[name] = value
