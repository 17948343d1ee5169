"""What is in the database that rows measure on: shops that never close, each with a menu and stock that lasts."""

import asyncio
from typing import Final

from shared.adapters.postgres.database import Database, Sql
from shared.adapters.postgres.migrate import migrate
from shared.catalog.facts import MenuItem, Modifier, ModifierGroup
from shared.kernel.encoding import to_json
from shared.kernel.facts import GENESIS
from shared.kernel.ids import Id, ItemId, ModifierGroupId, ModifierId, ShopId
from shared.settings import PostgresSettings

SHOPS: Final = 200
PATIENT_S: Final = 120.0
"""Statement timeout while so many rows are made."""
ITEMS: Final = 12
"""On each menu; each has a stock of its own."""

_SHOPS: Final = Sql("""
insert into shops (shop_id, merchant_id, name, address, latitude, longitude, timezone, currency, accepts, payout,
                   confirmations, weekly, registered_at, version, head)
select 'shp_' || lpad(to_hex(n), 32, '0'), 'mer_' || lpad(to_hex(n), 32, '0'), 'Shop ' || n, n || ' Main Street',
       52.3 + random() * 0.4, 13.1 + random() * 0.6, 'Europe/Berlin', 'EUR', '{BTC,ETH,USDC,USDT}', :payout::jsonb,
       '{}', :weekly::jsonb, now(), 1, :head::bytea
  from generate_series(1, :count::int) as n
""")
_MENUS: Final = Sql("""
insert into menus (menu_id, shop_id, merchant_id, currency, items, groups, version, head)
select 'mnu_' || lpad(to_hex(n), 32, '0'), 'shp_' || lpad(to_hex(n), 32, '0'), 'mer_' || lpad(to_hex(n), 32, '0'),
       'EUR', :items::jsonb, :groups::jsonb, 1, :head::bytea
  from generate_series(1, :count::int) as n
""")
_STOCK: Final = Sql("""
insert into stock (shop_id, sku, merchant_id, on_hand)
select 'shp_' || lpad(to_hex(n), 32, '0'), 'sku-' || i, 'mer_' || lpad(to_hex(n), 32, '0'), 1000000000
  from generate_series(1, :count::int) as n, generate_series(1, :items::int) as i
""")
_ANALYSE: Final = Sql("analyze")

_NAMES: Final = (
    *("Espresso", "Americano", "Cortado", "Flat white", "Cappuccino", "Latte"),
    *("Mocha", "Filter", "Cold brew", "Matcha latte", "Croissant", "Banana bread"),
)


def numbered(kind: type[Id], number: int) -> str:
    """Return the id of a furnished thing: its number, in hexadecimal."""
    return f"{kind.prefix}_{number:032x}"


def shop_id(number: int) -> str:
    """Return the id of one of the shops, counted from 1."""
    return numbered(ShopId, number)


def furnish(url: str, shops: int) -> str:
    """Bring the database to the present schema, fill it, and return its URL."""
    settings = PostgresSettings(url, statement_timeout_s=PATIENT_S)
    migrate(settings)
    asyncio.run(_fill(settings, shops))
    return url


async def furnish_shops(settings: PostgresSettings, shops: int) -> None:
    """Fill the database with shops alone, scattered over a city."""
    database = Database(settings)
    weekly = [{"weekday": day, "opens": "00:00", "closes": "24:00"} for day in range(7)]
    try:
        await database.run(_SHOPS, count=shops, weekly=to_json(weekly), payout=to_json({}), head=GENESIS)
        await database.run(_ANALYSE)
    finally:
        database.close()


async def _fill(settings: PostgresSettings, shops: int) -> None:
    await furnish_shops(settings, shops)
    database = Database(settings)
    try:
        items, groups = (to_json([one.model_dump(mode="json") for one in many]) for many in (_items(), _groups()))
        await database.run(_MENUS, count=shops, items=items, groups=groups, head=GENESIS)
        await database.run(_STOCK, count=shops, items=ITEMS)
        await database.run(_ANALYSE)
    finally:
        database.close()


def _items() -> list[MenuItem]:
    milk = (ModifierGroupId(numbered(ModifierGroupId, 1)),)
    return [
        MenuItem(
            item_id=ItemId(numbered(ItemId, number)),
            name=name,
            category="Coffee" if number <= 10 else "Food",
            price=200 + 10 * number,
            sku=f"sku-{number}",
            modifier_groups=milk if number in (4, 5, 6) else (),
        )
        for number, name in enumerate(_NAMES, 1)
    ]


def _groups() -> list[ModifierGroup]:
    choices = [("Whole milk", 0), ("Oat milk", 50), ("Soy milk", 40)]
    modifiers = tuple(
        Modifier(modifier_id=ModifierId(numbered(ModifierId, number)), name=name, price_delta=price)
        for number, (name, price) in enumerate(choices, 1)
    )
    group = ModifierGroup(
        group_id=ModifierGroupId(numbered(ModifierGroupId, 1)),
        name="Milk",
        min=0,
        max=1,
        modifiers=modifiers,
    )
    return [group]
