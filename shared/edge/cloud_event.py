"""`event_function`, `scheduled_function`, `work_function`: operations that the platform itself calls.

Each accepts only the identity of dispatcher, scheduler or Pub/Sub. Answers are what those callers act on: 2xx is done,
503 and 500 are tried again, 422 is final (the dispatcher parks it, Pub/Sub moves it to its dead letters in the end).
"""

import typing
from base64 import b64decode
from collections.abc import Awaitable, Callable
from dataclasses import dataclass
from datetime import datetime
from functools import cached_property
from types import UnionType
from typing import Any, Final, Generic, TypeVar, Union, get_args, get_origin
from urllib.parse import parse_qsl

import msgspec
from pydantic import BaseModel, ValidationError

from shared.edge.answer import NOSNIFF, Answer, Receive, Scope
from shared.edge.auth import Stranger
from shared.edge.body import read_body
from shared.edge.operation import Edge, EntryPoint, Operation, entry_point
from shared.edge.problem import BodyTooSlow, MethodNotAllowed, UnsupportedMediaType, invalid, status_of
from shared.edge.telemetry import Call
from shared.kernel.decision import AlreadyTaken, By, Taking
from shared.kernel.errors import Bug, Fenced, Invalid, Problem, TooMany, Unauthenticated, VersionConflict
from shared.kernel.facts import Fact
from shared.kernel.ids import EventId, MerchantId
from triggers.registry import Registry, load

F = TypeVar("F", bound=Fact)
M = TypeVar("M", bound=BaseModel)

EVENT_LIMIT: Final = 1024 * 1024
"""Largest event or piece of work, in bytes: what Kafka carries by default."""
_DONE: Final = 204
_AS_USUAL: Final = (Unauthenticated, Stranger, TooMany, MethodNotAllowed, BodyTooSlow)
"""Refusals that say nothing about the event: it is tried again."""


@dataclass(frozen=True, slots=True)
class Event(Generic[F]):
    """A fact that happened, delivered at least once. It is a trigger: read the present state before acting on it."""

    fact: F
    id: EventId
    type: str
    stream: str
    version: int
    merchant_id: MerchantId | None
    time: datetime
    by: By
    """Acts as this function, because of this event, once."""


@dataclass(frozen=True, slots=True)
class Tick:
    """A period has passed. Ticks may be missed and may overlap across regions."""

    by: By


@dataclass(frozen=True, slots=True)
class Work(Generic[M]):
    """A side effect to carry out, delivered at least once."""

    body: M
    id: EventId
    key: str
    merchant_id: MerchantId | None
    time: datetime
    attempt: int
    """How often Pub/Sub has delivered it, this time included; 1 where it does not say."""
    by: By
    """Acts as this function, because of this piece of work, once."""


class _Envelope(msgspec.Struct, frozen=True):
    """The members of a CloudEvent that are used here."""

    specversion: str
    id: str
    type: str
    source: str
    subject: str = ""
    time: datetime | None = None
    sequence: str = "0"
    merchantid: str | None = None
    correlationid: str = ""
    traceparent: str = ""
    data: msgspec.Raw = msgspec.Raw(b"null")


class _Message(msgspec.Struct, frozen=True):
    data: str


class _Push(msgspec.Struct, frozen=True):
    """The body of a Pub/Sub push."""

    message: _Message
    subscription: str = ""
    deliveryAttempt: int = 1  # noqa: N815  Google's name


_ENVELOPE = msgspec.json.Decoder(_Envelope)
_PUSH = msgspec.json.Decoder(_Push)


def event_function(
    function: Callable[[Event[Any]], Awaitable[None]],
    *,
    edge: Callable[[], Edge],
    registry: Callable[[], Registry] = load,
) -> EntryPoint:
    """Return the function as the framework calls it, with the facts that its entry's `on` names."""
    return entry_point(EventOperation(function, edge=edge, registry=registry))


def scheduled_function(
    function: Callable[[Tick], Awaitable[None]],
    *,
    edge: Callable[[], Edge],
    registry: Callable[[], Registry] = load,
) -> EntryPoint:
    """Return the function as the framework calls it, once in each period of its entry's `every`."""
    return entry_point(ScheduledOperation(function, edge=edge, registry=registry))


def work_function(
    function: Callable[[Work[Any]], Awaitable[None]],
    *,
    edge: Callable[[], Edge],
    registry: Callable[[], Registry] = load,
) -> EntryPoint:
    """Return the function as the framework calls it, with the work of its entry's Pub/Sub topic."""
    return entry_point(WorkOperation(function, edge=edge, registry=registry))


class Called(Operation):
    """What the three have in common: POST by a known service, an empty answer."""

    def begin(self, scope: Scope) -> Call:
        """Return the call, in the trace of the HTTP request until an envelope names another."""
        return Call(self.meter, dict(scope["headers"]))

    async def answer(self, scope: Scope, receive: Receive, call: Call) -> Answer:
        """Admit the service, do the work; 204 whether it is done now or was before."""
        if scope["method"] != "POST":
            raise MethodNotAllowed(("POST",))
        headers = call.headers
        call.actor = await self.edge.callers.service(headers.get(b"authorization"), self._query_token(scope))
        body = await read_body(receive, headers.get(b"content-length"), max(EVENT_LIMIT, self.entry.body_limit))
        try:
            await self.run(body, call)
        except AlreadyTaken:
            call.problem = "already-taken"
        return Answer(_DONE, [(b"correlation-id", call.correlation.encode()), NOSNIFF], b"")

    def _query_token(self, scope: Scope) -> str | None:
        return None

    async def run(self, body: bytes, call: Call) -> None:
        """Parse what was sent and call the function with it."""
        raise NotImplementedError

    def by(self, call: Call, envelope: _Envelope | None = None) -> By:
        """Return the function itself as the actor, the event (if there is one) as cause and once-token."""
        if envelope is None:
            return By(self.name, correlation=call.correlation, traceparent=call.traceparent)
        return By(
            self.name,
            correlation=call.correlation,
            causation=envelope.id,
            traceparent=call.traceparent,
            once=Taking(self.name, envelope.id),
        )

    def status_of(self, problem: Problem) -> int:
        """Return 503 for what another try may mend, 422 for what it never will, else the usual status."""
        if isinstance(problem, VersionConflict | Fenced):
            return 503
        status = status_of(problem)
        return status if status >= 500 or isinstance(problem, _AS_USUAL) else 422


class EventOperation(Called):
    """A function that facts trigger."""

    kind = "event"

    @cached_property
    def _facts(self) -> dict[str, type[Fact]]:
        return {fact.type: fact for fact in _arguments(self.function, Event, self.name)}

    def check_shape(self) -> None:
        """Raise Bug when `Event[…]` names other facts than the entry's `on`."""
        if set(self._facts) != set(self.entry.on):
            raise Bug(f"{self.name} takes {', '.join(sorted(self._facts))}; `on` says {', '.join(self.entry.on)}")

    async def run(self, body: bytes, call: Call) -> None:
        """Call the function with the fact; a type it is not registered for is none of its business."""
        envelope = _event(call.headers, body)
        _join(call, envelope)
        if envelope.type not in self.entry.on:
            call.problem = "not-registered"
            return
        fact = _validated(self._facts[envelope.type], envelope)
        await self.function(
            Event(
                fact=fact,
                id=_event_id(envelope),
                type=envelope.type,
                stream=envelope.subject,
                version=_number(envelope.sequence),
                merchant_id=_merchant(envelope),
                time=_time(envelope),
                by=self.by(call, envelope),
            )
        )


class ScheduledOperation(Called):
    """A function that time triggers."""

    kind = "schedule"

    def check_shape(self) -> None:
        """Raise Bug when the function does not take a Tick."""
        if typing.get_type_hints(self.function).get(_argument(self.function)) is not Tick:
            raise Bug(f"{self.name} takes one argument, `tick: Tick`")

    async def run(self, body: bytes, call: Call) -> None:
        """Call the function; what the scheduler sends along means nothing."""
        await self.function(Tick(self.by(call)))


class WorkOperation(Called):
    """A function that a Pub/Sub push subscription triggers."""

    kind = "work"

    @cached_property
    def _model(self) -> type[BaseModel]:
        model: type[BaseModel] = _arguments(self.function, Work, self.name)[0]
        return model

    def check_shape(self) -> None:
        """Raise Bug when the function does not take `Work[Model]`."""
        self._model  # noqa: B018  built, or raises

    def _query_token(self, scope: Scope) -> str | None:
        """Return `?token=`: the Pub/Sub emulator signs nothing, so there the push address carries the token."""
        query: bytes = scope["query_string"]
        if not query.startswith(b"token="):
            return None
        return dict(parse_qsl(query.decode("latin-1"))).get("token")

    async def run(self, body: bytes, call: Call) -> None:
        """Call the function with the work. Filters of subscriptions are not relied on: another type is let go."""
        try:
            push = _PUSH.decode(body)
            envelope = _ENVELOPE.decode(b64decode(push.message.data, validate=True))
        except (msgspec.DecodeError, ValueError) as wrong:
            raise Invalid("The body is not a Pub/Sub push with a CloudEvent in it.") from wrong
        _join(call, envelope)
        if envelope.type != f"work.{self.entry.topic}":
            call.problem = "not-registered"
            return
        await self.function(
            Work(
                body=_validated(self._model, envelope),
                id=_event_id(envelope),
                key=envelope.subject,
                merchant_id=_merchant(envelope),
                time=_time(envelope),
                attempt=push.deliveryAttempt,
                by=self.by(call, envelope),
            )
        )


def _argument(function: Callable[..., Any]) -> str:
    names = [name for name in typing.get_type_hints(function) if name != "return"]
    return names[0] if len(names) == 1 else ""


def _arguments(function: Callable[..., Any], generic: type, name: str) -> tuple[Any, ...]:
    """Return X, Y of `Event[X | Y]`. Raises Bug when the function takes anything else."""
    hint = typing.get_type_hints(function).get(_argument(function))
    if get_origin(hint) is not generic:
        raise Bug(f"{name} takes one argument, a {generic.__name__}[…]")
    (inner,) = get_args(hint)
    return get_args(inner) if get_origin(inner) in (Union, UnionType) else (inner,)


def _event(headers: dict[bytes, bytes], body: bytes) -> _Envelope:
    """Return the CloudEvent of a request, in structured or binary mode. Raises Invalid."""
    content_type = headers.get(b"content-type", b"").partition(b";")[0].strip().lower()
    try:
        if content_type == b"application/cloudevents+json":
            return _ENVELOPE.decode(body)
        if b"ce-specversion" in headers:
            members = {
                name[3:].decode("latin-1"): value.decode("latin-1")
                for name, value in headers.items()
                if name.startswith(b"ce-")
            }
            return msgspec.convert({**members, "data": msgspec.Raw(body)}, _Envelope, strict=False)
    except (msgspec.DecodeError, ValueError) as wrong:
        raise Invalid("The body is not a CloudEvent.") from wrong
    raise UnsupportedMediaType("Send one CloudEvent, in structured or binary mode.")


def _join(call: Call, envelope: _Envelope) -> None:
    """Carry on the trace and the correlation of whatever caused the event."""
    if envelope.traceparent:
        call.continue_from(envelope.traceparent.encode())
    call.correlate(envelope.correlationid.encode())
    call.event = envelope.type
    call.merchant = envelope.merchantid or ""
    call.ids = (envelope.id, envelope.subject)


def _validated(model: type[M], envelope: _Envelope) -> M:
    """Return `data` as `model`. Fields that a newer writer added are passed over. Raises Invalid."""
    try:
        return model.model_validate_json(bytes(envelope.data), extra="ignore")
    except ValidationError as wrong:
        raise invalid(wrong, f"The data of {envelope.type}") from None


def _event_id(envelope: _Envelope) -> EventId:
    try:
        return EventId.parse(envelope.id)
    except ValueError as wrong:
        raise Invalid("The id of the event is not one of ours.") from wrong


def _merchant(envelope: _Envelope) -> MerchantId | None:
    try:
        return MerchantId.parse(envelope.merchantid) if envelope.merchantid else None
    except ValueError as wrong:
        raise Invalid("The merchantid of the event is not one of ours.") from wrong


def _number(sequence: str) -> int:
    if not (sequence.isascii() and sequence.isdigit() and len(sequence) < 19):
        raise Invalid("The sequence of the event is not a number.")
    return int(sequence)


def _time(envelope: _Envelope) -> datetime:
    if envelope.time is None or envelope.time.tzinfo is None:
        raise Invalid("The event has no time with a zone.")
    return envelope.time
