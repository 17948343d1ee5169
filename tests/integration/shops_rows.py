"""Shops and orders laid straight into the database, for tests of what reads them."""

from __future__ import annotations

from shared.adapters.postgres.database import Connection, Database, Sql
from shared.adapters.postgres.replay import replay
from shared.kernel.facts import GENESIS
from shared.kernel.ids import MerchantId, OrderId, ShopId, UserId
from shared.settings import PostgresSettings

SHOP = Sql(
    "insert into shops (shop_id, merchant_id, name, address, latitude, longitude, timezone, currency, accepts, payout,"
    " confirmations, weekly, registered_at, version, head) values (:shop_id, :merchant_id, :name, 'Torstr. 1', 52.5,"
    " 13.4, 'Europe/Berlin', 'EUR', '{BTC}', '{}', '{}', '[]', '2026-05-06T12:00:00Z', 1, :head::bytea)"
)
ORDER = Sql(
    "insert into orders (order_id, shop_id, merchant_id, customer_id, status, halted, lines, currency, total,"
    " menu_version, note, placed_at, pay_by, hold_until, changed_at, version, head) values (:order_id, :shop_id,"
    " :merchant_id, :customer_id, :status, false, '[]', 'EUR', 420, 1, '', '2026-05-06T12:00:00Z',"
    " '2026-05-06T12:15:00Z', '2026-05-06T12:25:00Z', '2026-05-06T12:00:00Z', 1, :head::bytea)"
)
STANDS = Sql(
    "update orders set status = :status, halted = :halted::boolean, version = version + 1 where order_id = :order_id"
)


async def a_shop(db: Database, merchant_id: MerchantId, name: str = "Kaffee & Söhne <1>") -> ShopId:
    """Return a new shop of the merchant."""
    shop_id = ShopId.new()
    await db.run(SHOP, shop_id=shop_id, merchant_id=merchant_id, name=name, head=GENESIS)
    return shop_id


async def an_order(
    db: Database, shop_id: ShopId, merchant_id: MerchantId, customer_id: UserId, status: str = "confirmed"
) -> OrderId:
    """Return a new order that stands as told."""
    order_id = OrderId.new()
    await db.run(
        ORDER,
        order_id=order_id,
        shop_id=shop_id,
        merchant_id=merchant_id,
        customer_id=customer_id,
        status=status,
        head=GENESIS,
    )
    return order_id


async def stands(db: Database, order_id: OrderId, status: str, *, halted: bool = False) -> None:
    """Move an order on to another state."""
    await db.run(STANDS, order_id=order_id, status=status, halted=halted)


def not_as_their_events_say(url: str, *prefixes: str) -> list[str]:
    """Return the differences that replay finds in streams of these prefixes; rows of others are laid without events."""
    connection = Connection(PostgresSettings(url))
    try:
        report = replay(connection)
    finally:
        connection.close()
    assert report.streams, "there is nothing to replay"
    return [difference for difference in report.differences if difference.startswith(prefixes)]
