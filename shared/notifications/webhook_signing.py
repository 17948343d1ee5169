"""How a delivery is written and signed: Standard Webhooks 1.0, decision 0029. Pure.

webhook-id: evt_…                    the event, the same in every attempt: what a receiver tells repeats by
webhook-timestamp: 1778068800        when this attempt was signed, in seconds; older than five minutes is refused
webhook-signature: v1,… [v1,…]       HMAC-SHA256 in base64 over `id.timestamp.body`, one for each live secret
"""

import hmac
import secrets
from base64 import b64decode, b64encode
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from datetime import datetime
from hashlib import sha256
from typing import Final

import msgspec

from shared.kernel.clock import rfc3339
from shared.kernel.ids import EventId, MerchantId

PREFIX: Final = "whsec_"
TOLERANCE_S: Final = 300
"""How far the clocks of sender and receiver may be apart, and how late a copy is refused."""
_SECRET_BYTES: Final = 32


@dataclass(frozen=True, slots=True)
class Recounted:
    """A recorded fact as a merchant is told of it; `data` is its body as it was recorded, JSON."""

    id: EventId
    type: str
    stream: str
    version: int
    merchant_id: MerchantId
    at: datetime
    data: bytes


class _Body(msgspec.Struct):
    """What is posted. `sequence` counts the facts of `subject`: who has seen 4 knows that a late 3 is old."""

    id: str
    type: str
    timestamp: str
    merchant_id: str
    subject: str
    sequence: str
    data: msgspec.Raw


def new_secret() -> str:
    """Return a fresh secret of 256 random bits, `whsec_…`."""
    return PREFIX + b64encode(secrets.token_bytes(_SECRET_BYTES)).decode()


def body_of(told: Recounted) -> bytes:
    """Return the JSON that is posted: the same bytes at every attempt."""
    return msgspec.json.encode(
        _Body(
            id=str(told.id),
            type=told.type,
            timestamp=rfc3339(told.at),
            merchant_id=str(told.merchant_id),
            subject=told.stream,
            sequence=str(told.version),
            data=msgspec.Raw(told.data),
        )
    )


def headers_of(id: str, body: bytes, live: Iterable[str], *, now: datetime) -> dict[str, str]:
    """Return the three headers that go with a body, signed by each of the secrets."""
    timestamp = str(int(now.timestamp()))
    signed = " ".join(f"v1,{_signature(secret, id, timestamp, body)}" for secret in live)
    return {"webhook-id": id, "webhook-timestamp": timestamp, "webhook-signature": signed}


def genuine(headers: Mapping[str, str], body: bytes, secret: str, *, now: datetime) -> bool:
    """Return whether a delivery was signed with this secret, at most five minutes ago: what a receiver checks."""
    timestamp = headers.get("webhook-timestamp", "")
    if not (timestamp.isascii() and timestamp.isdigit() and len(timestamp) < 12):
        return False
    if abs(now.timestamp() - int(timestamp)) > TOLERANCE_S:
        return False
    expected = _signature(secret, headers.get("webhook-id", ""), timestamp, body)
    given = headers.get("webhook-signature", "").split(" ")
    return any(hmac.compare_digest(f"v1,{expected}".encode(), one.encode()) for one in given)


def _signature(secret: str, id: str, timestamp: str, body: bytes) -> str:
    key = b64decode(secret.removeprefix(PREFIX))
    return b64encode(hmac.digest(key, f"{id}.{timestamp}.".encode() + body, sha256)).decode()
