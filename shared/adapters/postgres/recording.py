"""From a decision to what a statement stores: fold the facts, chain their hashes, encode rows. No I/O here."""

from collections.abc import Callable
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Final, Protocol, TypeVar, cast

from pydantic import BaseModel

from shared.adapters.postgres.statement import StateTable
from shared.kernel.clock import rfc3339
from shared.kernel.decision import By, Claim, Decided, Stored, StoredReply, Taking, Work
from shared.kernel.encoding import to_json
from shared.kernel.envelope import WORK_TOPIC, envelope, work_envelope
from shared.kernel.errors import Bug
from shared.kernel.facts import GENESIS, Fact, Recorded, chain_hash, topic_of
from shared.kernel.ids import EventId, MerchantId
from shared.kernel.reply import Reply

KEY_LIFETIME: Final = timedelta(hours=48)

S = TypeVar("S", bound=BaseModel)
V = TypeVar("V")


class Aggregate(Protocol):
    """What every stored state has: the merchant it belongs to."""

    @property
    def merchant_id(self) -> MerchantId: ...


@dataclass(frozen=True, slots=True)
class Prepared:
    """A decision made ready to be stored: everything the statement needs, computed outside of it."""

    stream: str
    expected: int
    version: int
    head: bytes
    row: str
    events: list[dict[str, object]]
    outbox: list[dict[str, object]]
    once: Claim | Taking | None
    reply: StoredReply | None


def prepare(
    table: StateTable[S],
    id: str,
    found: Stored[S] | None,
    decided: Decided,
    *,
    by: By,
    now: datetime,
    region: str,
    reply: Callable[[Stored[S]], Reply[V]] | None = None,
) -> tuple[Stored[S], Prepared]:
    """Fold the facts, chain their hashes, encode everything a statement stores. Pure but for fresh event ids."""
    version, head = (found.version, found.head) if found else (0, GENESIS)
    state = table.after(found.state if found else None, decided.facts)
    if state is None:
        raise Bug(f"no facts to append to {id}")
    merchant_id = cast(Aggregate, state).merchant_id
    events: list[dict[str, object]] = []
    outbox: list[dict[str, object]] = []
    for fact in decided.facts:
        recorded = _record(fact, id, version + 1, head, merchant_id, by, now, region)
        version, head = recorded.version, recorded.hash
        events.append(_event_row(recorded))
        body = envelope(recorded, by.traceparent).decode()
        outbox.append(_outbox_row(len(outbox), recorded.id, topic_of(fact.type), id, region, body, by))
    for item in decided.work:
        outbox.append(work_row(len(outbox), item, by=by, now=now, region=region))
    after = Stored(state, version, head)
    return after, Prepared(
        stream=id,
        expected=found.version if found else 0,
        version=version,
        head=head,
        row=state.model_dump_json(),
        events=events,
        outbox=outbox,
        once=by.once,
        reply=reply(after).stored if reply and isinstance(by.once, Claim) else None,
    )


def _record(
    fact: Fact, id: str, version: int, prev: bytes, merchant_id: MerchantId, by: By, now: datetime, region: str
) -> Recorded:
    event_id, body = EventId.new(), fact.canonical
    digest = chain_hash(prev, id=event_id, stream=id, version=version, type=fact.type, body=body, at=now)
    return Recorded(
        id=event_id,
        stream=id,
        version=version,
        type=fact.type,
        body=body,
        prev_hash=prev,
        hash=digest,
        merchant_id=merchant_id,
        region=region,
        actor=by.actor,
        correlation=by.correlation,
        causation=by.causation,
        at=now,
    )


def _event_row(event: Recorded) -> dict[str, object]:
    return {
        "stream": event.stream,
        "version": event.version,
        "id": event.id,
        "type": event.type,
        "body": event.body.decode(),
        "prev_hash": event.prev_hash.hex(),
        "hash": event.hash.hex(),
        "merchant_id": event.merchant_id,
        "region": event.region,
        "actor": event.actor,
        "correlation": event.correlation,
        "causation": event.causation,
        "at": rfc3339(event.at),
    }


def work_row(n: int, work: Work, *, by: By, now: datetime, region: str) -> dict[str, object]:
    """Return the outbox row of a piece of work, the n-th of its statement."""
    work_id = EventId.new()
    body = work_envelope(work, id=work_id, by=by, region=region, at=now).decode()
    return _outbox_row(n, work_id, WORK_TOPIC + work.topic, work.key, region, body, by)


def _outbox_row(n: int, event_id: str, topic: str, key: str, region: str, body: str, by: By) -> dict[str, object]:
    return {
        "n": n,
        "event_id": event_id,
        "topic": topic,
        "key": key,
        "region": region,
        "body": body,
        "traceparent": by.traceparent,
    }


def once_params(once: Claim | Taking | None, reply: StoredReply | None, now: datetime) -> dict[str, object]:
    """Return the parameters of what makes a decision happen once: the key with its reply, the inbox row, nothing."""
    if isinstance(once, Taking):
        return {"operation": once.operation, "event_id": once.event_id}
    if isinstance(once, Claim):
        if reply is None:
            raise Bug("an idempotent operation must say what it replies")
        return {
            "caller": once.caller,
            "route": once.route,
            "idempotency_key": once.key,
            "body_hash": once.body_hash,
            "status": reply.status,
            "headers": to_json(dict(reply.headers)),
            "reply": reply.body,
            "expires_at": now + KEY_LIFETIME,
        }
    return {}
