"""`http_function`: an HTTP operation of the registry as a function of the framework.

Per call, in this order: method and path, who is asking, whether they may, how often, the Idempotency-Key, the body
(bounded, unambiguous JSON), parameters, then the operation. Callers are told apart before their body is read, so that
nobody unknown costs more than a look at their headers.
"""

from collections.abc import Awaitable, Callable
from functools import cached_property
from hashlib import sha256
from typing import Any, Final

from starlette.requests import Request as FrameworkRequest

from shared.edge.answer import NOSNIFF, Answer, RawHeaders, encoded
from shared.edge.auth import Caller
from shared.edge.body import read_body
from shared.edge.operation import Edge, EntryPoint, Operation, entry_point
from shared.edge.problem import KeyMissing, MethodNotAllowed, PreconditionFailed
from shared.edge.request import Nothing, Request, Shape, parsed_body, parsed_params, shape_of
from shared.edge.telemetry import Call
from shared.kernel.decision import AlreadyAnswered, By, Claim, Role, StoredReply
from shared.kernel.errors import Forbidden, Invalid, NotFound, Problem, TooMany, VersionConflict
from shared.kernel.reply import Encoded, Reply
from triggers.registry import Registry, load

__all__ = ["Encoded", "Nothing", "Request", "http_function"]

_READ: Final = frozenset(
    {
        b"authorization",
        b"content-length",
        b"content-type",
        b"correlation-id",
        b"idempotency-key",
        b"if-match",
        b"if-none-match",
        b"traceparent",
        b"transfer-encoding",
        b"x-forwarded-for",
    }
)
_MAX_KEY: Final = 255
_NO_STORE: Final = (b"cache-control", b"no-store")
_ANYBODY: Final = Caller("public", frozenset({Role.PUBLIC}), None)

Headers = dict[bytes, bytes]
HttpFunction = Callable[[Request[Any, Any]], Awaitable[Reply[Any]]]


def http_function(
    function: Callable[[Request[Any, Any]], Awaitable[Reply[Any]]],
    *,
    edge: Callable[[], Edge],
    registry: Callable[[], Registry] = load,
) -> EntryPoint:
    """Return the function as the framework calls it. Nothing is read or resolved before the first call."""
    return entry_point(HttpOperation(function, edge=edge, registry=registry))


class HttpOperation(Operation):
    """One HTTP route and the function behind it."""

    kind = "http"
    function: HttpFunction

    @cached_property
    def shape(self) -> Shape:
        """Return the models of body, parameters and view."""
        return shape_of(self.function, self.entry)

    @cached_property
    def _segments(self) -> tuple[str, ...]:
        return tuple(self.entry.path.split("/"))

    @cached_property
    def _roles(self) -> frozenset[Role]:
        return frozenset(Role(role) for role in self.entry.roles)

    @cached_property
    def _methods(self) -> tuple[str, ...]:
        return ("GET", "HEAD") if self.entry.method == "GET" else (self.entry.method,)

    def check(self) -> None:
        """Raise Bug when the annotations don't fit the entry, ValueError for a role nobody has."""
        self.shape, self._roles  # noqa: B018  both are built, or raise

    def begin(self, request: FrameworkRequest) -> Call:
        """Return the call; what is read of its headers is kept for `answer`."""
        scope = request.scope
        headers: Headers = {name: value for name, value in scope["headers"] if name in _READ}
        scope["cortado.headers"] = headers
        return Call(self.meter, headers.get(b"traceparent"), headers.get(b"correlation-id"))

    async def answer(self, request: FrameworkRequest, call: Call) -> Answer:
        """Admit the caller, parse what they sent, call the function, and return its reply."""
        scope, entry = request.scope, self.entry
        headers: Headers = scope["cortado.headers"]
        values = self._values(scope["path"])
        if scope["method"] not in self._methods:
            raise MethodNotAllowed(self._methods)
        if values:
            call.ids = tuple(value for value in values.values() if len(value) == 36)
        caller = await self._admitted(scope, headers, call)
        if caller.shop_id is not None and values.get("shop_id", caller.shop_id) != caller.shop_id:
            raise Forbidden("This staff key is for another shop.")
        raw, claim = b"", None
        if entry.method != "GET" or b"content-length" in headers:
            key = _idempotency_key(headers) if entry.idempotent else ""
            raw = await read_body(request.receive, headers.get(b"content-length"), entry.body_limit)
            if entry.idempotent:
                claim = Claim(caller.actor, f"{entry.method} {scope['path']}", key, sha256(raw).digest())

        def make_by() -> By:
            return By(caller.actor, caller.roles, caller.merchant_id, call.correlation, None, call.traceparent, claim)

        asked = Request(
            parsed_body(self.shape.body, raw, headers.get(b"content-type")),
            parsed_params(self.shape.params, values, scope["query_string"]),
            _if_match(headers.get(b"if-match")),
            scope["headers"],
            make_by,
            lambda: self._address(scope, headers),
        )
        replied = await self._replied(asked, claim)
        if isinstance(replied, StoredReply):
            return _again(replied, call)
        return self._sent(replied, headers, call, caller)

    def _values(self, path: str) -> dict[str, str]:
        """Return what stands where the path template has variables. Raises NotFound when the path is another one."""
        if path == self.entry.path:
            return {}
        given = path.split("/")
        values = {}
        if len(given) != len(self._segments):
            raise NotFound("No such path.")
        for known, segment in zip(self._segments, given, strict=True):
            if known[:1] == "{" and segment:
                values[known[1:-1]] = segment
            elif known != segment:
                raise NotFound("No such path.")
        return values

    async def _admitted(self, scope: Any, headers: Headers, call: Call) -> Caller:
        """Return who is calling. Raises Unauthenticated, Forbidden or TooMany."""
        edge, roles = self.edge, self._roles
        authorization = headers.get(b"authorization")
        if Role.PUBLIC in roles and (authorization is None or len(roles) == 1):
            caller = _ANYBODY
            limited = self._address(scope, headers)
        else:
            caller = await edge.callers.person(authorization)
            limited = call.actor = caller.actor
            call.merchant = caller.merchant_id or ""
            if Role.PUBLIC not in roles and not roles & caller.roles:
                raise Forbidden("Your role may not do this.")
        if edge.settings.rate_per_minute:
            wait_s = edge.gateway.allow(limited, self.name)
            if wait_s is not None:
                raise TooMany(f"Try again in {wait_s} s.", retry_after_s=wait_s)
        return caller

    def _address(self, scope: Any, headers: Headers) -> str:
        """Return the address that an unknown caller is limited by: the one the outermost trusted proxy saw."""
        hops = self.edge.settings.proxy_hops
        forwarded = headers.get(b"x-forwarded-for") if hops else None
        if forwarded is not None:
            seen = forwarded.split(b",")
            return seen[-min(hops, len(seen))].strip().decode("latin-1")
        client = scope.get("client")
        return str(client[0]) if client else "unknown"

    async def _replied(self, asked: Request[Any, Any], claim: Claim | None) -> Reply[Any] | StoredReply:
        """Call the function. What was answered under the same key before is the answer again.

        A refusal of an idempotent operation is told only after the key was looked up: a first try may have succeeded
        and moved the state on to where this command no longer fits.
        """
        try:
            return await self.function(asked)
        except AlreadyAnswered as before:
            return before.reply
        except Problem as problem:
            if claim is not None:
                stored = await self.edge.gateway.stored_reply(claim)
                if stored is not None:
                    return stored
            if asked.if_match is not None and isinstance(problem, VersionConflict):
                raise PreconditionFailed("Read it again, and decide again.") from problem
            raise

    def _sent(self, reply: Reply[Any], headers: Headers, call: Call, caller: Caller) -> Answer:
        """Return the reply as it is sent: 304 when the client has it already, never stored unless it says so."""
        raw = encoded(reply.headers)
        raw.append((b"correlation-id", call.correlation.encode()))
        raw.append(NOSNIFF)
        if caller is not _ANYBODY and "cache-control" not in reply.headers:
            raw.append(_NO_STORE)
        known = headers.get(b"if-none-match")
        if known is not None and self.entry.method == "GET" and _has(known, reply.headers.get("etag")):
            return Answer(304, [pair for pair in raw if pair[0] != b"content-type"], b"")
        if reply.status == 204:
            return Answer(204, [pair for pair in raw if pair[0] != b"content-type"], b"")
        return Answer(reply.status, raw, reply.body)


def _again(stored: StoredReply, call: Call) -> Answer:
    """Return a stored reply with a sign that it is one."""
    raw: RawHeaders = [
        *encoded(stored.headers),
        (b"idempotent-replayed", b"true"),
        (b"correlation-id", call.correlation.encode()),
        NOSNIFF,
    ]
    if "cache-control" not in stored.headers:
        raw.append(_NO_STORE)
    return Answer(stored.status, raw, stored.body)


def _idempotency_key(headers: Headers) -> str:
    """Return the Idempotency-Key: 1 to 255 visible ASCII characters. Raises KeyMissing or Invalid."""
    key = headers.get(b"idempotency-key")
    if key is None:
        raise KeyMissing("Send a fresh, random Idempotency-Key header, and the same one when you repeat the request.")
    if not 1 <= len(key) <= _MAX_KEY or not all(33 <= character <= 126 for character in key):
        raise Invalid(f"An Idempotency-Key is 1 to {_MAX_KEY} visible ASCII characters.")
    return key.decode("ascii")


def _if_match(header: bytes | None) -> int | None:
    """Return the version in an If-Match header; None for none, and for `*`. Raises Invalid for what is no version.

    An ETag is the version, and for a document that changes by itself (a shop closes) a dash and more: only the
    version counts for a write.
    """
    if header is None or header.strip() == b"*":
        return None
    tag = header.strip()
    digits = tag[1:-1].partition(b"-")[0]
    if len(tag) < 3 or tag[:1] != b'"' or tag[-1:] != b'"' or not digits.isdigit() or len(digits) > 18:
        raise Invalid('If-Match is one ETag as it was given, such as "3".')
    return int(digits)


def _has(known: bytes, etag: str | None) -> bool:
    """Return whether an If-None-Match header lists this ETag. The comparison is the weak one (RFC 9110, 13.1.2)."""
    if etag is None:
        return False
    if known.strip() == b"*":
        return True
    wanted = etag.removeprefix("W/").encode("latin-1")
    return any(one.strip().removeprefix(b"W/") == wanted for one in known.split(b","))
