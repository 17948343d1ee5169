"""Orders in Postgres: their streams, their lists, and what they read of shops, menus and payments."""

from collections.abc import Callable, Sequence
from datetime import datetime
from typing import Final

from shared.adapters.postgres.database import Database, Row, Sql
from shared.adapters.postgres.modify_orders import Modifying
from shared.adapters.postgres.order_slots import FREED
from shared.adapters.postgres.place_orders import PlaceOrders
from shared.adapters.postgres.refusals import Collided, KeyTaken, Lost
from shared.adapters.postgres.statement import GuardedBy, StateTable, rows_sql
from shared.adapters.postgres.store import StateStore, answered, stored
from shared.kernel.clock import rfc3339
from shared.kernel.decision import AlreadyAnswered, By, Page, Stored
from shared.kernel.errors import Bug, NotFound
from shared.kernel.facts import Fact
from shared.kernel.ids import MerchantId, OrderId, PaymentId, ShopId, UserId
from shared.kernel.money import Fiat
from shared.kernel.reply import Reply
from shared.orders.facts import OrderPlaced
from shared.orders.lifecycle import evolve
from shared.orders.model import LiveOrder, LivePayment, Order, OrderView
from shared.orders.ports import PaymentStanding, SoldOut

TABLE: Final = StateTable(
    name="orders",
    key="order_id",
    model=Order,
    evolve=evolve,
    guards=(GuardedBy("payments", "payment_id"),),
    extra=FREED,
)

_MARKED: Final = Sql(
    "select until from stock_items where shop_id = :shop_id and sku = :sku and sold_out and until > clock_timestamp()"
)
_OF_CUSTOMER: Final = rows_sql(
    TABLE,
    "where customer_id = :customer_id and (:before::text is null or order_id < :before::text)"
    " order by order_id desc limit :limit::int",
)
_OF_SHOP: Final = rows_sql(
    TABLE,
    "where shop_id = :shop_id and merchant_id = :merchant_id and (:before::text is null or order_id < :before::text)"
    " order by order_id desc limit :limit::int",
)
_IN_KITCHEN: Final = rows_sql(
    TABLE,
    "where shop_id = :shop_id and merchant_id = :merchant_id and status in ('confirmed', 'preparing', 'ready')"
    " order by coalesce(pickup_at, placed_at) limit 200",
)
_UNPAID: Final = Sql(
    "select order_id from orders o where status = 'pending' and pay_by < clock_timestamp() - interval '1 minute'"
    " and not exists (select from payments p where p.order_id = o.order_id) order by pay_by limit :limit::int"
)
_LIVE: Final = Sql("""
select o.customer_id, o.shop_id, o.status, o.halted, o.currency, o.total, o.changed_at,
       o.version + coalesce((select sum(version) from payments where order_id = o.order_id), 0)::bigint
                 + coalesce((select sum(version) from claims where order_id = o.order_id), 0)::bigint,
       exists (select from claims c where c.order_id = o.order_id and c.status = 'issued'),
       (select jsonb_build_object('payment_id', p.payment_id, 'asset', p.asset, 'amount', p.amount,
                                  'finality', p.finality, 'expired', p.expired)::text
          from payments p where p.order_id = o.order_id order by p.payment_id desc limit 1)
  from orders o where o.order_id = :order_id
""")
_STANDING: Final = Sql(
    "select settled and closed is null, version, exists (select from payments o where o.order_id = p.order_id"
    " and o.payment_id <> p.payment_id and not o.expired and o.closed is null)"
    " from payments p where payment_id = :payment_id"
)


class PostgresOrders(StateStore[Order]):
    """The orders' own store."""

    def __init__(self, db: Database, *, region: str, lanes: int = 4) -> None:
        super().__init__(db, TABLE, region=region)
        self._placing = PlaceOrders(db, TABLE, region=region, lanes=lanes)

    async def place(
        self,
        order_id: OrderId,
        placed: OrderPlaced,
        *,
        by: By,
        now: datetime,
        reply: Callable[[Stored[Order]], Reply[OrderView]],
    ) -> Stored[Order]:
        """Append a new order and reserve its stock in the same commit; concurrent calls share one."""
        try:
            return await self._placing.place(order_id, placed, by=by, now=now, reply=reply)
        except SoldOut as sold_out:
            sku = sold_out.fields["sku"]
            rows = await self._db.run(_MARKED, shop_id=placed.shop_id, sku=sku)
            if not rows:
                raise
            until = rfc3339(rows[0][0])
            raise SoldOut(f"There is no {sku} until {until}.", sku=sku, available=0, until=until) from None

    async def modify(
        self,
        order_id: OrderId,
        rule: Callable[[Order | None], Sequence[Fact]],
        *,
        by: By,
        now: datetime,
        reply: Callable[[Stored[Order]], Reply[OrderView]],
        if_match: int | None = None,
    ) -> Stored[Order]:
        """Change an order, and what it holds of stock and time, in one transaction that no payment comes between.

        Raises PaymentAsked, SoldOut, SlotFull, AlreadyAnswered, KeyReused, VersionConflict, Transient.
        """
        work = Modifying(TABLE, self._region, order_id, rule, by, now, reply, if_match)
        for again in (True, False):
            try:
                return await self._db.transaction(work.run)
            except (KeyTaken, Lost) as error:
                said = await answered(self._db, by.once)
                if isinstance(error, KeyTaken) or isinstance(said, AlreadyAnswered):
                    raise said from error
                if not again:
                    raise
            except Collided:
                if not again:
                    raise
        raise Bug("the second attempt neither returned nor raised")

    async def of_customer(self, customer_id: UserId, *, before: str | None, limit: int) -> Page[Stored[Order]]:
        """Return the customer's orders, newest first, after the cursor."""
        return _page(await self._db.run(_OF_CUSTOMER, customer_id=customer_id, before=before, limit=limit + 1), limit)

    async def of_shop(
        self, shop_id: ShopId, merchant_id: MerchantId, *, before: str | None, limit: int
    ) -> Page[Stored[Order]]:
        """Return the shop's orders, newest first, after the cursor; none when the shop is another merchant's."""
        rows = await self._db.run(_OF_SHOP, shop_id=shop_id, merchant_id=merchant_id, before=before, limit=limit + 1)
        return _page(rows, limit)

    async def in_kitchen(self, shop_id: ShopId, merchant_id: MerchantId) -> Sequence[Stored[Order]]:
        """Return what is confirmed, being prepared or ready, oldest first, at most 200."""
        rows = await self._db.run(_IN_KITCHEN, shop_id=shop_id, merchant_id=merchant_id)
        return [stored(Order, row) for row in rows]

    async def unpaid(self, *, limit: int) -> Sequence[OrderId]:
        """Return pending orders a minute past `pay_by` for which no payment was ever requested."""
        return [OrderId(order_id) for (order_id,) in await self._db.run(_UNPAID, limit=limit)]


def _page(rows: Sequence[Row], limit: int) -> Page[Stored[Order]]:
    found = [stored(Order, row) for row in rows[:limit]]
    return found, found[-1].state.order_id if len(rows) > limit else None


class PostgresPaymentStandings:
    """What orders read of payments."""

    def __init__(self, db: Database) -> None:
        self._db = db

    async def standing(self, payment_id: PaymentId) -> PaymentStanding:
        """Return whether the payment stands settled now. Raises NotFound."""
        rows = await self._db.run(_STANDING, payment_id=payment_id)
        if not rows:
            raise NotFound("There is no such payment.")
        settled, version, others_open = rows[0]
        return PaymentStanding(payment_id, settled=settled, version=version, others_open=others_open)


class PostgresLiveReads:
    """What the live document of an order shows, read whole and at once."""

    def __init__(self, db: Database, *, generation: int = 1) -> None:
        self._db = db
        self._generation = generation

    async def live(self, order_id: OrderId) -> LiveOrder | None:
        """Return the present document of an order, or None when there is no such order."""
        rows = await self._db.run(_LIVE, order_id=order_id)
        if not rows:
            return None
        customer_id, shop_id, status, halted, currency, total, changed_at, version, claimable, payment = rows[0]
        return LiveOrder(
            order_id=order_id,
            customer_id=UserId(customer_id),
            shop_id=ShopId(shop_id),
            status=status,
            halted=halted,
            total=Fiat(currency=currency, units=int(total)),
            payment=LivePayment.model_validate_json(payment) if payment else None,
            claimable=claimable,
            changed_at=changed_at,
            generation=self._generation,
            version=version,
        )
