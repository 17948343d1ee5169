"""`http_function`: an HTTP operation of the registry as a function of the framework.

Per call, in this order: method and path, who is asking, whether they may, how often, the Idempotency-Key, the body
(bounded, unambiguous JSON), parameters, then the operation. Callers are told apart before their body is read, so that
nobody unknown costs more than a look at their headers.
"""

import re
from collections.abc import Awaitable, Callable
from functools import cached_property, lru_cache
from hashlib import sha256
from typing import Any, Final, NamedTuple

from pydantic import BaseModel

from shared.edge.answer import NOSNIFF, Answer, RawHeaders, Receive, Scope, encoded
from shared.edge.auth import Caller
from shared.edge.body import read_body
from shared.edge.operation import Edge, EntryPoint, Operation, entry_point
from shared.edge.problem import KeyMissing, MethodNotAllowed, PreconditionFailed
from shared.edge.request import NOTHING, Nothing, Request, Shape, address_of, parsed_body, parsed_params, shape_of
from shared.edge.stream import StreamedAnswer
from shared.edge.telemetry import Call
from shared.kernel.decision import AlreadyAnswered, Claim, Role, StoredReply
from shared.kernel.errors import Forbidden, Invalid, NotFound, Problem, TooMany, VersionConflict
from shared.kernel.reply import Encoded, Reply, Streamed
from triggers.registry import Registry, load

__all__ = ["Encoded", "Nothing", "Request", "http_function"]

_READ: Final = frozenset(
    {
        b"authorization",
        b"content-encoding",
        b"content-length",
        b"content-type",
        b"correlation-id",
        b"idempotency-key",
        b"if-match",
        b"if-none-match",
        b"traceparent",
        b"transfer-encoding",
    }
)
_MAX_KEY: Final = 255
_ID: Final = re.compile(r"[a-z]{3}_[0-9a-f]{32}\Z")
_KEPT_READS: Final = 4096
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


class _Read(NamedTuple):
    """What the path and query of a read came to."""

    values: dict[str, str]
    ids: tuple[str, ...]
    params: BaseModel


class HttpOperation(Operation):
    """One HTTP route and the function behind it."""

    kind = "http"
    function: HttpFunction

    @cached_property
    def _reads(self) -> dict[tuple[str, bytes], _Read]:
        return {}

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

    def check_shape(self) -> None:
        """Raise Bug when the annotations don't fit the entry, ValueError for a role nobody has."""
        self.shape, self._roles  # noqa: B018  both are built, or raise

    def begin(self, scope: Scope) -> Call:
        """Return the call, with those of its headers that mean something here."""
        return Call(self.meter, {name: value for name, value in scope["headers"] if name in _READ})

    async def answer(self, scope: Scope, receive: Receive, call: Call) -> Answer:
        """Admit the caller, parse what they sent, call the function, and return its reply."""
        entry, headers = self.entry, call.headers
        path: str = scope["path"]
        if len(scope["raw_path"]) != len(path):
            raise NotFound("No such path: nothing in ours is written with a percent sign.")
        known = self._reads.get((path, scope["query_string"]))
        if known is not None and self._plain_read and scope["method"] == "GET" and b"content-length" not in headers:
            return await self._read_again(known, scope, call)
        values = known.values if known is not None else self._values(path)
        if scope["method"] not in self._methods:
            raise MethodNotAllowed(self._methods)
        call.ids = known.ids if known is not None else _ids(values)
        authorization = headers.get(b"authorization")
        if self._open and (authorization is None or self._only_open):
            caller, limited = _ANYBODY, address_of(scope, self._proxy_hops)
        else:
            caller = await self.edge.callers.person(authorization)
            limited = self._admit(caller, call, values)
        wait_s = self._allow(limited, self.name)
        if wait_s is not None:
            raise TooMany(f"Try again in {wait_s} s.", retry_after_s=wait_s)
        raw, claim = b"", None
        if entry.method != "GET" or b"content-length" in headers:
            key = _idempotency_key(headers) if entry.idempotent else ""
            raw = await read_body(receive, headers.get(b"content-length"), entry.body_limit)
            if entry.idempotent:
                claim = Claim(caller.actor, f"{entry.method} {path}", key, sha256(raw).digest())
        asked = Request(
            parsed_body(self.shape.body, raw, headers.get(b"content-type"), headers.get(b"content-encoding")),
            known.params if known is not None else self._params(path, values, scope["query_string"]),
            _if_match(headers.get(b"if-match")),
            scope["headers"],
            (caller, call, claim, scope, self._proxy_hops),
        )
        try:
            replied: Reply[Any] = await self.function(asked)
        except AlreadyAnswered as before:
            return _again(before.reply, call)
        except Problem as problem:
            return await self._again_or(problem, claim, call, conditional=asked.if_match is not None)
        return self._sent(replied, call, caller)

    async def _read_again(self, known: _Read, scope: Scope, call: Call) -> Answer:
        """Answer a read that asks nobody who they are and was parsed before: what `answer` does, without detours."""
        call.ids = known.ids
        proxy_hops = self._proxy_hops
        wait_s = self._allow(address_of(scope, proxy_hops), self.name)
        if wait_s is not None:
            raise TooMany(f"Try again in {wait_s} s.", retry_after_s=wait_s)
        asking = (_ANYBODY, call, None, scope, proxy_hops)
        reply = await self.function(Request(NOTHING, known.params, None, scope["headers"], asking))
        if reply.status != 200 or b"if-none-match" in call.headers:
            return self._sent(reply, call, _ANYBODY)
        return Answer(200, _kept(tuple(reply.headers.items())), reply.body)

    @cached_property
    def _proxy_hops(self) -> int:
        return self.edge.settings.proxy_hops

    @cached_property
    def _open(self) -> bool:
        """Whether callers may come without a token."""
        return Role.PUBLIC in self._roles

    @cached_property
    def _only_open(self) -> bool:
        """Whether it makes no difference who is calling."""
        return self._roles == {Role.PUBLIC}

    @cached_property
    def _plain_read(self) -> bool:
        """Whether all callers get the same answer: caches keep it, so it bears no call's name."""
        return self._only_open and self.entry.method == "GET" and self.entry.produces == ("application/json",)

    @cached_property
    def _allow(self) -> Callable[[str, str], int | None]:
        return self.edge.gateway.allow

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

    def _params(self, path: str, values: dict[str, str], query: bytes) -> BaseModel:
        """Return the parameters. Those of a read are kept: they are frozen, and reads repeat themselves."""
        params = parsed_params(self.shape.params, values, query)
        if self.entry.method == "GET":
            if len(self._reads) >= _KEPT_READS:
                self._reads.clear()
            self._reads[path, query] = _Read(values, _ids(values), params)
        return params

    def _admit(self, caller: Caller, call: Call, values: dict[str, str]) -> str:
        """Return whom to count the call for. Raises Forbidden for a role that may not, or a key of another shop."""
        call.actor = caller.actor
        call.merchant = caller.merchant_id or ""
        if not self._open and not self._roles & caller.roles:
            raise Forbidden("Your role may not do this.")
        if caller.shop_ids is not None and "shop_id" in values and values["shop_id"] not in caller.shop_ids:
            raise Forbidden("This staff key is for another shop.")
        return caller.actor

    async def _again_or(self, problem: Problem, claim: Claim | None, call: Call, *, conditional: bool) -> Answer:
        """Return what was answered under the same key before, else raise the problem.

        A refusal of an idempotent operation is told only after the key was looked up: a first try may have succeeded
        and moved the state on to where this command no longer fits.
        """
        if claim is not None:
            stored = await self.edge.gateway.stored_reply(claim)
            if stored is not None:
                return _again(stored, call)
        if conditional and isinstance(problem, VersionConflict):
            raise PreconditionFailed("Read it again, and decide again.") from problem
        raise problem

    def _sent(self, reply: Reply[Any], call: Call, caller: Caller) -> Answer:
        """Return the reply as it is sent: 304 when the client has it already, never stored unless it says so."""
        raw = _kept(tuple(reply.headers.items())) if self.entry.method == "GET" else encoded(reply.headers)
        if not (caller is _ANYBODY and self._plain_read):
            raw = [*raw, (b"correlation-id", call.correlation.encode()), NOSNIFF]
        if caller is not _ANYBODY and "cache-control" not in reply.headers:
            raw.append(_NO_STORE)
        if isinstance(reply, Streamed):
            return StreamedAnswer(reply.status, raw, reply.chunks)
        known = call.headers.get(b"if-none-match")
        if known is not None and self.entry.method == "GET" and _has(known, reply.headers.get("etag")):
            return Answer(304, [pair for pair in raw if pair[0] != b"content-type"], b"")
        if reply.status == 204:
            return Answer(204, [pair for pair in raw if pair[0] != b"content-type"], b"")
        return Answer(reply.status, raw, reply.body)


@lru_cache(maxsize=1024)
def _kept(headers: tuple[tuple[str, str], ...]) -> RawHeaders:
    """Return a read's headers encoded, kept because most reads are answered with the same ones."""
    return encoded(dict(headers))


def _ids(values: dict[str, str]) -> tuple[str, ...]:
    """Return what in a path is an id, for the log."""
    return tuple(value for value in values.values() if _ID.match(value))


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
