"""What a receipt shows beside its order: the shop, payments that stand settled, refunds that are final."""

from collections.abc import Sequence
from typing import Final

from shared.adapters.postgres.database import Database, Row, Sql
from shared.kernel.ids import OrderId
from shared.orders.get_receipt import GivenBack, PaidWith, Purchase, SoldBy

_SHOP: Final = Sql(
    "select json_build_object('shop_id', s.shop_id, 'name', s.name, 'address', s.address, 'timezone', s.timezone)::text"
    " from orders o join shops s using (shop_id) where o.order_id = :order_id"
)
# The last settlement is the one that stands: a reversed one is no settlement any more.
_PAYMENTS: Final = Sql(
    "select json_build_object('payment_id', p.payment_id, 'chain', p.chain, 'asset', p.asset,"
    " 'received', told.fact -> 'received', 'rate', p.quote ->> 'rate', 'settled_at', told.fact ->> 'at',"
    " 'txids', array(select distinct t ->> 'txid' from jsonb_array_elements(p.transfers) t"
    "   where (t ->> 'live')::boolean and t ->> 'asset' is null order by 1))::text"
    " from payments p, lateral (select convert_from(e.body, 'UTF8')::jsonb as fact from events e"
    "   where e.stream = p.payment_id and e.type = 'payment.settled.v1' order by e.version desc limit 1) told"
    " where p.order_id = :order_id and p.settled order by p.payment_id"
)
_REFUNDS: Final = Sql(
    "select json_build_object('refund_id', r ->> 'refund_id', 'amount', r -> 'amount', 'worth', r -> 'worth',"
    " 'txid', r -> 'mined' ->> 'txid', 'at', r ->> 'changed_at')::text"
    " from payments p, jsonb_array_elements(p.refunds) r"
    " where p.order_id = :order_id and r ->> 'state' = 'confirmed' order by r ->> 'refund_id'"
)


class PostgresPurchases:
    """Fulfils `shared.orders.get_receipt.Purchases`."""

    def __init__(self, db: Database) -> None:
        self._db = db

    async def of(self, order_id: OrderId) -> Purchase:
        """Return the order's shop, the payments that stand settled and the refunds that are final."""
        ((shop,),) = await self._db.run(_SHOP, order_id=order_id)
        payments = await self._db.run(_PAYMENTS, order_id=order_id)
        refunds = await self._db.run(_REFUNDS, order_id=order_id)
        return Purchase(
            shop=SoldBy.model_validate_json(shop),
            payments=[PaidWith.model_validate_json(text) for text in _texts(payments)],
            refunds=[GivenBack.model_validate_json(text) for text in _texts(refunds)],
        )


def _texts(rows: Sequence[Row]) -> list[str]:
    return [str(row[0]) for row in rows]
