"""A fact on the wire: one structured CloudEvent, the same bytes in the outbox, in Kafka and in the POST to a function.

Source: CloudEvents 1.0.2, JSON format; `sequence` is the Sequence extension, `traceparent` the distributed tracing one.
Extension names are lower case without separators, as the specification demands.
"""

from datetime import datetime
from typing import Final

import msgspec

from shared.kernel.clock import rfc3339
from shared.kernel.decision import By, Work
from shared.kernel.encoding import plain
from shared.kernel.errors import Bug
from shared.kernel.facts import Recorded

CONTENT_TYPE: Final = "application/cloudevents+json"
WORK_TOPIC: Final = "work:"
"""What an outbox topic begins with when its row is work for Pub/Sub instead of a fact for Kafka."""

SERVICE_OF_PREFIX: Final = {
    "shop": "shops",
    "product": "catalog",
    "supply": "supply",
    "order": "orders",
    "payment": "payments",
    "claim": "claims",
    "notification": "notifications",
    "price": "prices",
    "wallet": "wallets",
}
"""Which service publishes the facts of a prefix: `order.placed.v1` comes from `/orders`."""


class _Envelope(msgspec.Struct, omit_defaults=True, frozen=True):
    """The members in the order they are written; those that are absent are left out."""

    specversion: str
    id: str
    type: str
    source: str
    subject: str
    time: str
    datacontenttype: str
    sequence: str | None = None
    merchantid: str | None = None
    region: str | None = None
    actor: str | None = None
    correlationid: str | None = None
    causationid: str | None = None
    traceparent: str | None = None
    data: msgspec.Raw = msgspec.Raw(b"")


class Routed(msgspec.Struct, frozen=True):
    """What a transport must know of an envelope; everything else is passed on unread."""

    id: str
    type: str
    subject: str
    time: datetime
    traceparent: str | None = None


_ENCODER = msgspec.json.Encoder(enc_hook=plain, order="deterministic")
_ROUTED = msgspec.json.Decoder(Routed)


def envelope(recorded: Recorded, traceparent: str | None = None) -> bytes:
    """Return a recorded fact as the JSON of one CloudEvent, its body embedded as it was hashed."""
    prefix = recorded.type.partition(".")[0]
    service = SERVICE_OF_PREFIX.get(prefix)
    if service is None:
        raise Bug(f"no service publishes facts of the prefix {prefix}")
    return _ENCODER.encode(
        _Envelope(
            specversion="1.0",
            id=recorded.id,
            type=recorded.type,
            source=f"/{service}",
            subject=recorded.stream,
            time=rfc3339(recorded.at),
            datacontenttype="application/json",
            sequence=str(recorded.version),
            merchantid=recorded.merchant_id,
            region=recorded.region,
            actor=recorded.actor,
            correlationid=recorded.correlation,
            causationid=recorded.causation,
            traceparent=traceparent,
            data=msgspec.Raw(recorded.body),
        )
    )


def work_envelope(work: Work, *, id: str, by: By, region: str, at: datetime) -> bytes:
    """Return a piece of work as the JSON of one CloudEvent of type `work.<topic>`; `id` makes it happen once."""
    return _ENCODER.encode(
        _Envelope(
            specversion="1.0",
            id=id,
            type=f"work.{work.topic}",
            source="/work",
            subject=work.key,
            time=rfc3339(at),
            datacontenttype="application/json",
            merchantid=by.merchant_id,
            region=region,
            actor=by.actor,
            correlationid=by.correlation,
            causationid=by.causation,
            traceparent=by.traceparent,
            data=msgspec.Raw(_ENCODER.encode(work.body)),
        )
    )


def routed(body: bytes) -> Routed:
    """Return id, type, subject, time and trace of an envelope. Raises msgspec.DecodeError when it is none."""
    return _ROUTED.decode(body)
