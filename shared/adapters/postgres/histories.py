"""Facts of an order and of what belongs to it, as its people read them."""

import json
from collections.abc import Sequence
from typing import Final

from shared.adapters.postgres.database import Database, Sql
from shared.kernel.ids import ClaimId, OrderId
from shared.orders.get_timeline import Happened

_OF_ORDER: Final = Sql(
    "select at, stream, type, actor, convert_from(body, 'UTF8') from events where stream = :order_id"
    " or stream = :claim_id or stream in (select payment_id from payments where order_id = :order_id)"
    " order by at, stream, version"
)


class PostgresHistories:
    """Reads facts."""

    def __init__(self, db: Database) -> None:
        self._db = db

    async def of(self, order_id: OrderId) -> Sequence[Happened]:
        """Return the facts of the order, its payments and its claim, by time, and each stream in its own order."""
        rows = await self._db.run(_OF_ORDER, order_id=order_id, claim_id=ClaimId.like(order_id))
        return [Happened(at, stream, type_, actor, json.loads(body)) for at, stream, type_, actor, body in rows]
