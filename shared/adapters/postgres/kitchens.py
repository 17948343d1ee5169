"""What a kitchen has made lately, and what waits there; kept in the process for seconds, since everybody asks."""

from typing import Final

from shared.adapters.kept import Kept
from shared.adapters.postgres.database import Database, Sql
from shared.kernel.ids import ShopId
from shared.orders.get_estimate import Kitchen

_TTL_S: Final = 5.0
_SIZE: Final = 10_000
# The last ones by the order in which they were placed: their times are their facts', found by their streams.
_MADE: Final = Sql(
    "select begun.at, done.at from (select order_id from orders where shop_id = :shop_id"
    "   and status in ('ready', 'completed') and pickup_at is null order by order_id desc limit 20) o,"
    " lateral (select at from events where stream = o.order_id and type = 'order.confirmed.v1' limit 1) begun,"
    " lateral (select at from events where stream = o.order_id and type = 'order.ready.v1' limit 1) done"
    " order by done.at"
)
_WAITING: Final = Sql(
    "select count(*) from orders where shop_id = :shop_id and status in ('confirmed', 'preparing') and not halted"
    " and coalesce(pickup_at, placed_at) < clock_timestamp() + interval '15 minutes'"
)


class PostgresKitchens:
    """Fulfils `shared.orders.get_estimate.Kitchens`."""

    def __init__(self, db: Database, *, ttl_s: float = _TTL_S) -> None:
        self._db = db
        self._kept = Kept(self._load, ttl_s=ttl_s, size=_SIZE)

    async def of(self, shop_id: ShopId) -> Kitchen:
        """Return the shop's last orders that were ready, and how many are confirmed or being made."""
        return await self._kept.get(shop_id)

    async def _load(self, shop_id: ShopId) -> Kitchen:
        made = await self._db.run(_MADE, shop_id=shop_id)
        ((waiting,),) = await self._db.run(_WAITING, shop_id=shop_id)
        return Kitchen([(begun, ready) for begun, ready in made], int(waiting))
