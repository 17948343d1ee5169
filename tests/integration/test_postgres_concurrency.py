"""Many writers at once, in many processes: nothing is sold twice, done twice or decided on what is no longer so."""

from __future__ import annotations

import asyncio
import json
import sys
from collections import Counter
from dataclasses import replace
from pathlib import Path

import pytest

from shared.adapters.postgres.database import Connection, Database, Sql
from shared.adapters.postgres.refusals import Lost
from shared.adapters.postgres.replay import replay
from shared.kernel.decision import AlreadyAnswered, AlreadyTaken, By, Claim, Role, Stored, Taking
from shared.kernel.errors import KeyReused, VersionConflict
from shared.kernel.facts import Fact
from shared.kernel.ids import EventId, KeyId, MerchantId, OrderId, PaymentId, ShopId, UserId
from shared.kernel.money import Asset, Money
from shared.orders.cancel_order import cancel_order
from shared.orders.confirm_order import confirm_order
from shared.orders.create_order import create_order, shown
from shared.orders.model import CancelOrder, Order
from shared.orders.ports import PaymentStanding
from shared.payments.facts import PaymentSettled
from shared.settings import PostgresSettings
from shared.supply.model import ReceiveStock
from shared.supply.receive_stock import receive_stock
from shared.supply.release_stock import release_stock
from tests.integration.crowd import BusyShop, supply
from tests.integration.locks import Locker
from tests.integration.ordering import NOON, Ordering, again, customer
from tests.integration.wire import Wire

SHOP = Sql(
    "insert into shops (shop_id, merchant_id, name, address, latitude, longitude, timezone, currency, accepts, payout,"
    " confirmations, weekly, registered_at, version, head) values (:shop_id, :merchant_id, 'Corner', 'here', 52, 13,"
    " 'Europe/Berlin', 'EUR', '{BTC}', '{}', '{}', '[]', now(), 0, '')"
)
PAYMENT = Sql("""
insert into payments (payment_id, order_id, shop_id, merchant_id, customer_id, chain, asset, address, watch_key,
                      derivation_index, due, confirmations, quote, amount, timing, finality, included, transfers,
                      settled, final, expired, requested_at, expires_at, changed_at, version, head)
select :payment_id, order_id, shop_id, merchant_id, customer_id, 'bitcoin', 'BTC', 'addr', :payment_id, 0, 1, 0, '{}',
       'exact', 'on_time', 'confirmed', 1, '[]', true, false, false, now(), now(), now(), 7, ''
  from orders where order_id = :order_id
""")
REVERSE = "update payments set settled = false, version = version + 1"
STOCK = "select sku, on_hand, reserved from stock order by sku"
DEADLOCKS = "select deadlocks from pg_stat_database where datname = current_database()"
COUNTS = Sql(
    "select (select version from orders where order_id = :id), (select count(*) from events where stream = :id),"
    " (select count(*) from outbox where key = :id), (select count(*) from inbox)"
)


async def test_three_processes_of_a_hundred_customers_each_never_oversell(database: str, tmp_path: Path) -> None:
    shop = BusyShop.new(skus=5)
    shop.dump(tmp_path / "shop.json")
    db = Database(PostgresSettings(database))
    await db.run(SHOP, shop_id=shop.shop_id, merchant_id=shop.merchant_id)
    key = KeyId.new()
    manager = By(key, frozenset({Role.MANAGER}), shop.merchant_id, once=Claim(key, "POST /v1/stock", "k", b""))
    delivery = ReceiveStock.model_validate({"lines": [{"sku": sku, "quantity": 60} for sku in shop.items]})
    await receive_stock(shop.shop_id, delivery, by=manager, using=supply(db))
    told = await asyncio.gather(*(_crowd(database, tmp_path / "shop.json", seed, 100) for seed in range(3)))
    ended: Counter[str] = sum((Counter(one["ended"]) for one in told), Counter())
    taken: Counter[str] = sum((Counter(one["taken"]) for one in told), Counter())
    assert set(ended) == {"placed", "SoldOut", "AlreadyAnswered", "cancelled"}
    assert ended["placed"] > 50
    admin = Connection(PostgresSettings(database))
    rows = {sku: (on_hand, reserved) for sku, on_hand, reserved in admin.execute(STOCK)}
    assert {sku: reserved for sku, (_, reserved) in rows.items()} == {sku: taken[sku] for sku in rows}
    assert max(reserved - on_hand for on_hand, reserved in rows.values()) <= 0
    assert [line for line in replay(admin).differences if "shops" not in line] == []
    assert admin.execute(DEADLOCKS)[0][0] == 0


async def _crowd(url: str, shop: Path, seed: int, customers: int) -> dict[str, dict[str, int]]:
    process = await asyncio.create_subprocess_exec(
        *(sys.executable, "-m", "tests.integration.crowd", url, str(shop), str(seed), str(customers)),
        stdout=asyncio.subprocess.PIPE,
        stderr=asyncio.subprocess.PIPE,
    )
    out, err = await process.communicate()
    assert process.returncode == 0, err.decode()[-2000:]
    told: dict[str, dict[str, int]] = json.loads(out)
    return told


async def placed(at: Ordering) -> tuple[OrderId, By]:
    """An order, and its customer."""
    at.shop.item = at.shop.item.model_copy(update={"sku": None})
    by = customer("place")
    return (await create_order(at.wanted(), by=by, using=at.orders)).view.order_id, by


def woken(operation: str) -> By:
    """An event function, called with a fresh event."""
    return By(operation, once=Taking(operation, EventId.new()))


def settled(order_id: OrderId, payment_id: PaymentId) -> PaymentSettled:
    """A fact that wakes confirm_order; what it says besides the ids is not looked at."""
    return PaymentSettled(
        order_id=order_id,
        payment_id=payment_id,
        shop_id=ShopId.new(),
        merchant_id=MerchantId.new(),
        customer_id=UserId.new(),
        received=Money(asset=Asset.BTC, units=1),
        height=1,
        at=NOON,
    )


async def test_an_event_taken_many_times_at_once_has_exactly_one_effect(database: str) -> None:
    at = Ordering(database)
    order_id, _ = await placed(at)
    payment_id = PaymentId.new()
    await at.db.run(PAYMENT, payment_id=payment_id, order_id=order_id)
    by = woken("confirm_order")

    async def take() -> str:
        try:
            await confirm_order(settled(order_id, payment_id), by=by, using=at.orders)
        except AlreadyTaken:
            return "taken before"
        return "done"

    outcomes = await asyncio.gather(*(take() for _ in range(8)))
    assert "done" in outcomes
    assert [*(await at.db.run(COUNTS, id=order_id))[0]] == [2, 2, 2, 1]
    stored = await at.store.load(order_id)
    assert stored is not None
    assert stored.state.status == "confirmed"


async def test_a_payment_that_moves_between_its_reading_and_the_append_is_read_again(database: str) -> None:
    at = Ordering(database)
    order_id, _ = await placed(at)
    payment_id = PaymentId.new()
    await at.db.run(PAYMENT, payment_id=payment_id, order_id=order_id)
    admin = Connection(PostgresSettings(database))
    read: list[PaymentStanding] = []

    class Standings:
        async def standing(self, payment_id: PaymentId) -> PaymentStanding:
            found = await at.orders.payments.standing(payment_id)
            if not read:
                admin.execute(REVERSE)  # the chain reorganises right after it was read
            read.append(found)
            return found

    await confirm_order(
        settled(order_id, payment_id), by=woken("confirm_order"), using=replace(at.orders, payments=Standings())
    )
    assert [standing.settled for standing in read] == [True, False]
    stored = await at.store.load(order_id)
    assert stored is not None
    assert stored.state.status == "pending"
    assert [*(await at.db.run(COUNTS, id=order_id))[0]] == [1, 1, 1, 1]


async def test_a_payment_that_is_just_moving_holds_the_append_up_until_it_is_known(database: str) -> None:
    at = Ordering(database)
    order_id, _ = await placed(at)
    payment_id = PaymentId.new()
    await at.db.run(PAYMENT, payment_id=payment_id, order_id=order_id)
    moving = Connection(PostgresSettings(database))
    moving.execute("begin")
    moving.execute(REVERSE)
    confirming = asyncio.create_task(
        confirm_order(settled(order_id, payment_id), by=woken("confirm_order"), using=at.orders)
    )
    done, _ = await asyncio.wait({confirming}, timeout=0.2)
    assert done == set()
    moving.execute("commit")
    await confirming
    stored = await at.store.load(order_id)
    assert stored is not None
    assert stored.state.status == "pending"


async def test_tables_are_locked_in_the_order_of_their_names_whichever_guards_which(database: str) -> None:
    at = Ordering(database)
    await at.stocked(1)
    by = customer("place")
    order_id = (await create_order(at.wanted(), by=by, using=at.orders)).view.order_id
    await cancel_order(order_id, CancelOrder(), if_match=1, by=again(by, "cancel"), using=at.orders)
    locker = Locker(database)
    locker.hold("select from orders for update")
    releasing = asyncio.create_task(release_stock(order_id, by=woken("release_stock"), using=supply(at.db)))
    await locker.waiting(1)
    free = locker.admin.execute("select count(*) from (select from stock_holds for update nowait) as mine")
    assert free[0][0] == 1  # orders come first: nothing of its own is locked while it waits for them
    locker.release()
    await releasing
    locker.close()


async def test_of_two_changes_to_one_version_at_once_exactly_one_happens(database: str) -> None:
    at = Ordering(database)
    order_id, by = await placed(at)
    told = await asyncio.gather(
        *(
            cancel_order(order_id, CancelOrder(reason=str(n)), if_match=1, by=again(by, f"c{n}"), using=at.orders)
            for n in range(6)
        ),
        return_exceptions=True,
    )
    assert Counter(type(one) for one in told if isinstance(one, Exception)) == {VersionConflict: 5}
    assert [*(await at.db.run(COUNTS, id=order_id))[0]][:2] == [2, 2]


async def test_an_append_whose_answer_is_lost_is_told_as_done_and_done_once(database: str) -> None:
    wire = Wire(database)
    at = Ordering(wire.url)
    order_id, by = await placed(at)
    cancel = again(by, "cut-here")
    for cut in (wire.cut_after, wire.cut_before):
        cut("cut-here")
        reply = await cancel_order(order_id, CancelOrder(), if_match=1, by=cancel, using=at.orders)
        assert (reply.view.status, reply.headers["etag"]) == ("cancelled", '"2"')
        assert [*(await at.db.run(COUNTS, id=order_id))[0]][:3] == [2, 2, 2]
        order_id, by = await placed(at)
        cancel = again(by, "cut-here")
    wire.cut_after("no-key")
    with pytest.raises(Lost):
        await cancel_order(
            order_id, CancelOrder(reason="no-key"), if_match=1, by=replace(by, once=None), using=at.orders
        )
    wire.close()


async def test_a_command_that_changed_nothing_is_answered_the_same_after_something_did(database: str) -> None:
    at = Ordering(database)
    order_id, by = await placed(at)
    idle = again(by, "idle")

    def nothing(_: Order | None) -> list[Fact]:
        return []

    async def command(by: By) -> Stored[Order]:
        return await at.store.decide(order_id, nothing, by=by, now=NOON, reply=shown)

    first = shown(await command(idle)).stored
    await cancel_order(order_id, CancelOrder(), if_match=1, by=again(by, "cancel"), using=at.orders)
    with pytest.raises(AlreadyAnswered) as before:
        await command(idle)
    assert before.value.reply == first
    assert isinstance(idle.once, Claim)
    with pytest.raises(KeyReused):
        await command(replace(idle, once=replace(idle.once, body_hash=b"another body")))
