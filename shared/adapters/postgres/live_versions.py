"""What streams of orders ask: how far many orders are, in one statement."""

from collections.abc import Mapping, Sequence
from typing import Final

from shared.adapters.postgres.database import Sql
from shared.adapters.postgres.orders import PostgresLiveReads
from shared.kernel.ids import OrderId

# The version of a live document, as `PostgresLiveReads.live` counts it.
_VERSIONS: Final = Sql(
    """
select o.order_id,
       o.version + coalesce((select sum(version) from payments where order_id = o.order_id), 0)::bigint
                 + coalesce((select sum(version) from claims where order_id = o.order_id), 0)::bigint
  from orders o where o.order_id = any(:order_ids::text[])
"""
)


class PostgresLiveVersions(PostgresLiveReads):
    """Fulfils `shared.orders.ports.LiveVersions`."""

    async def versions(self, order_ids: Sequence[OrderId]) -> Mapping[OrderId, int]:
        """Return the version of each order's live document."""
        rows = await self._db.run(_VERSIONS, order_ids=list(order_ids))
        return {OrderId(order_id): version for order_id, version in rows}
