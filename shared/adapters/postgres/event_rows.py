"""A row of `events` as the fact it records."""

from collections.abc import Sequence
from typing import Any, Final

from shared.kernel.facts import Recorded
from shared.kernel.ids import EventId, MerchantId

COLUMNS: Final = (
    "stream, version, id, type, body, prev_hash, hash, merchant_id, region, actor, correlation, causation, at"
)


def recorded(row: Sequence[Any]) -> Recorded:
    """Return a row of `events`, in the order of COLUMNS, as a Recorded."""
    stream, version, id_, type_, body, prev_hash, hash_, merchant_id, region, actor, correlation, causation, at = row
    return Recorded(
        id=EventId(id_),
        stream=stream,
        version=version,
        type=type_,
        body=body,
        prev_hash=prev_hash,
        hash=hash_,
        merchant_id=MerchantId(merchant_id),
        region=region,
        actor=actor,
        correlation=correlation,
        causation=causation,
        at=at,
    )
