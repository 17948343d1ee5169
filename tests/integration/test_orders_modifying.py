"""modify_order on a real Postgres: stock, time and total change in one transaction, and no payment comes between."""

from __future__ import annotations

import asyncio
import re
from collections import Counter
from collections.abc import AsyncIterator
from datetime import timedelta

import pytest

from shared.adapters.postgres.database import Sql
from shared.kernel.decision import AlreadyAnswered, By
from shared.kernel.errors import Invalid, NotFound, VersionConflict
from shared.kernel.money import Asset
from shared.orders.cancel_order import cancel_order
from shared.orders.create_order import create_order
from shared.orders.lifecycle import WrongState
from shared.orders.model import CancelOrder, LineRequest, ModifyOrder, OrderView
from shared.orders.modify_order import modify_order
from shared.orders.ports import PaymentAsked, SoldOut
from shared.orders.slots import SlotFull
from shared.shops.facts import Capacity
from tests.integration.ordering import NOON, Ordering, again, customer
from tests.integration.paying import Paying, both
from tests.integration.shops_rows import not_as_their_events_say
from tests.integration.test_orders_slots import Counting
from tests.integration.test_payments_ledger import Books
from tests.scripted_chain import ScriptedChain

_COUNTERS = re.compile(r"\(\d+, (\d+)\) in the table, \(\d+, (\d+)\)")
HOLD = Sql("select lines::text, version from stock_holds where order_id = :order_id")


@pytest.fixture
async def shop(database: str) -> AsyncIterator[Counting]:
    counting = Counting(database)
    yield counting
    differences = not_as_their_events_say(database, "ord_", "shp_", "stock of")
    # What is on hand was laid there without facts; what is reserved is theirs to the last portion.
    reserved = [_COUNTERS.search(each) for each in differences if each.startswith("stock of") and "table" in each]
    assert all(found and found[1] == found[2] for found in reserved), differences
    assert [each for each in differences if each.startswith("ord_") or "counts other" in each] == []
    counting.db.close()


class Changing:
    """One customer's order, and changes of it."""

    def __init__(self, shop: Ordering, by: By) -> None:
        self.shop, self.by = shop, by
        self.placed: OrderView | None = None
        self.keys = 0

    async def place(self, quantity: int, **more: object) -> OrderView:
        command = self.shop.wanted(quantity).model_copy(update=more)
        self.placed = (await create_order(command, by=self.by, using=self.shop.orders)).view
        return self.placed

    async def change(
        self, quantity: int, *, by: By | None = None, if_match: int | None = None, **more: object
    ) -> OrderView:
        assert self.placed is not None
        self.keys += 1
        line = LineRequest(item_id=self.shop.shop.item.item_id, quantity=quantity)
        command = ModifyOrder(lines=(line,)).model_copy(update=more)
        by = again(by or self.by, f"change-{self.keys}")
        return (
            await modify_order(self.placed.order_id, command, if_match=if_match, by=by, using=self.shop.orders)
        ).view


async def test_what_is_held_and_what_is_due_follow_the_order_up_and_down(shop: Counting) -> None:
    await shop.stocked(5)
    mine = Changing(shop, customer("mine"))
    placed = await mine.place(3)
    for quantity, version in ((5, 2), (1, 3)):
        changed = await mine.change(quantity, note="no lid", tip=30)
        assert (changed.version, changed.total.units) == (version, 420 * quantity + 30)
        assert changed.note == "no lid"
        assert changed.pay_by == placed.pay_by
        assert await shop.counters() == (5, quantity)
    ((lines, hold_version),) = await shop.db.run(HOLD, order_id=placed.order_id)
    assert ('"quantity": 1' in lines, hold_version) == (True, 0)
    with pytest.raises(SoldOut) as refused:
        await mine.change(6)
    assert refused.value.fields == {"sku": "flat-white", "available": 5}
    assert await shop.counters() == (5, 1)


async def test_only_its_customer_changes_it_and_only_while_it_waits(shop: Counting) -> None:
    await shop.stocked(5)
    mine = Changing(shop, customer("mine"))
    await mine.place(1)
    with pytest.raises(NotFound):
        await mine.change(2, by=customer("theirs"))
    with pytest.raises(VersionConflict):
        await mine.change(2, if_match=7)
    with pytest.raises(Invalid):
        await mine.change(2, pickup_at=NOON - timedelta(days=1))
    clock = shop.orders.clock
    object.__setattr__(shop.orders, "clock", type(clock)(NOON + timedelta(minutes=15)))  # type: ignore[call-arg]
    with pytest.raises(WrongState):
        await mine.change(2)
    object.__setattr__(shop.orders, "clock", clock)
    assert mine.placed is not None
    by = again(mine.by, "cancel")
    await cancel_order(mine.placed.order_id, CancelOrder(), if_match=None, by=by, using=shop.orders)
    with pytest.raises(WrongState):
        await mine.change(2)
    assert (await shop.counters())[1] == 1  # release_stock frees it


async def test_a_key_sent_twice_changes_it_once(shop: Counting) -> None:
    await shop.stocked(9)
    mine = Changing(shop, customer("mine"))
    await mine.place(1)

    async def send() -> str:
        mine.keys = 0
        try:
            return f"{(await mine.change(4)).version}"
        except AlreadyAnswered:
            return "again"

    assert sorted(await asyncio.gather(*(send() for _ in range(6)))) == ["2"] + ["again"] * 5
    assert await shop.counters() == (9, 4)


async def test_many_change_at_once_and_never_more_is_held_than_there_is(shop: Counting) -> None:
    await shop.stocked(20)
    guests = [Changing(shop, customer(f"g{n}")) for n in range(10)]
    for guest in guests:
        await guest.place(1)
    wanted = [guest.change(4) for guest in guests]
    outcomes = Counter(type(each) for each in await asyncio.gather(*wanted, return_exceptions=True))
    assert outcomes == {OrderView: 3, SoldOut: 7}
    assert await shop.counters() == (20, 3 * 4 + 7)


async def test_an_order_that_changes_its_time_gives_the_one_before_back(shop: Counting) -> None:
    await shop.opened(Capacity(orders=1, items=4))
    mine, theirs = Changing(shop, customer("mine")), Changing(shop, customer("theirs"))
    await mine.place(2)
    later = NOON + timedelta(minutes=30)
    await mine.change(3, pickup_at=later)
    assert await shop.taken() == [(0, 0, 0), (1, 3, 1260)]
    with pytest.raises(SlotFull):
        await mine.change(5, pickup_at=later)
    await theirs.place(1)
    with pytest.raises(SlotFull):
        await theirs.change(1, pickup_at=later)
    with pytest.raises(SlotFull):
        await mine.change(3)  # at once again: theirs is there
    assert await shop.taken() == [(1, 1, 420), (1, 3, 1260)]


async def test_what_a_payment_was_asked_for_is_not_changed_whichever_comes_first(database: str) -> None:
    paying = await Paying(database, both({"BITCOIN_RPC_URL": "http://u:p@127.0.0.1:1"}, None)).opened()
    books = Books(paying, ScriptedChain())
    await books.read()
    line = LineRequest(item_id=paying.ordering.shop.item.item_id, quantity=3)
    outcomes: Counter[str] = Counter()

    async def changed(order: OrderView, by: By) -> str:
        try:
            await modify_order(
                order.order_id, ModifyOrder(lines=(line,)), if_match=None, by=again(by, "m"), using=paying.orders
            )
        except PaymentAsked:
            return "asked"
        return "changed"

    for number in range(12):
        order, by = await paying.ordered()
        if number % 3 == 2:
            asked = await paying.request(order.order_id, by, Asset.BTC)
            how = await changed(order, by)
        elif number % 3:
            asked, how = await asyncio.gather(paying.request(order.order_id, by, Asset.BTC), changed(order, by))
        else:
            how, asked = await asyncio.gather(changed(order, by), paying.request(order.order_id, by, Asset.BTC))
        outcomes[str(how)] += 1
        stored = await paying.store.load(asked.payment_id)
        present = await paying.orders.store.load(order.order_id)
        assert stored is not None
        assert present is not None
        assert stored.state.quote.price.units == present.state.total == (1260 if how == "changed" else 420)
    assert len(outcomes) == 2, outcomes
    await paying.closed()
