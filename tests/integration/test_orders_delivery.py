"""Delivery on a real Postgres: set_destination, remove_destination, get_destination, dispatch_order, set_delivery."""

from __future__ import annotations

from collections.abc import AsyncIterator
from dataclasses import replace

import pytest

from shared.adapters.person_keys import PersonKeys
from shared.adapters.postgres.database import Sql
from shared.adapters.postgres.destinations import SealedDestinations
from shared.adapters.sealing import Sealer
from shared.kernel.decision import By, Claim, Role
from shared.kernel.errors import Forbidden, NotFound
from shared.kernel.ids import MerchantId, UserId
from shared.orders.create_order import create_order
from shared.orders.delivery import NotDelivered, distance_m
from shared.orders.dispatch_order import dispatch_order
from shared.orders.get_destination import get_destination
from shared.orders.lifecycle import WrongState
from shared.orders.model import Destination, LineRequest, ModifyOrder, OrderView
from shared.orders.modify_order import modify_order
from shared.orders.ports import ShopTerms
from shared.orders.remove_destination import remove_destination
from shared.orders.set_destination import set_destination
from shared.settings import SealingSettings
from shared.shops.facts import DeliveryTerms
from tests.integration.ordering import OneShop, Ordering, again, customer
from tests.integration.shops_rows import not_as_their_events_say, stands

TEXTS = Sql(
    "select coalesce(string_agg(convert_from(body, 'UTF8'), ''), '') from (select body from events union all"
    " select body from outbox union all select reply from idempotency) b union all select string_agg(o::text, '')"
    " from orders o"
)
FORGET = Sql("delete from person_keys where user_id = :user_id")
HOME = Destination(address="Torstraße 1, 10119 Berlin", latitude=52.529, longitude=13.401, instructions="Ring twice")
FAR = HOME.model_copy(update={"latitude": 52.6})


class DeliveringShop(OneShop):
    """The same in the middle of Berlin, and it delivers."""

    delivery: DeliveryTerms | None = DeliveryTerms(radius_m=2_000, fee=250, minimum=800)

    async def terms(self, shop_id: object) -> ShopTerms:
        shop = await super().terms(self.shop_id)
        return replace(shop, latitude=52.52, longitude=13.405, delivery=self.delivery)


class Delivering(Ordering):
    """Orders of a shop that delivers, by one customer."""

    def __init__(self, url: str) -> None:
        super().__init__(url)
        self.shop: DeliveringShop = DeliveringShop()
        for field in ("shops", "menus"):
            object.__setattr__(self.orders, field, self.shop)
        self.keys = PersonKeys(Sealer(SealingSettings(bytes(32))))
        self.destinations = SealedDestinations(self.db, self.keys)
        self.me = customer("place")
        self.count = 0
        self.by_facts = True
        """Whether every order came by its facts to what it is."""

    def by(self, who: By | None = None) -> By:
        self.count += 1
        return again(who or self.me, f"k{self.count}")

    def staff(self) -> By:
        claim = Claim("key_1", "POST /v1/orders", f"s{self.count}", b"{}")
        self.count += 1
        return By("key_1", frozenset({Role.BARISTA}), self.shop.merchant_id, once=claim)

    async def placed(self, quantity: int = 2, tip: int = 50) -> OrderView:
        command = self.wanted(quantity).model_copy(update={"tip": tip})
        return (await create_order(command, by=self.by(), using=self.orders)).view

    async def to(self, order: OrderView, where: Destination = HOME, *, by: By | None = None) -> OrderView:
        return (
            await set_destination(
                order.order_id,
                where,
                if_match=None,
                by=self.by(by),
                using=self.orders,
                destinations=self.destinations,
            )
        ).view

    async def reads(self, order: OrderView, by: By) -> Destination:
        reply = await get_destination(order.order_id, by=by, using=self.orders, destinations=self.destinations)
        assert reply.headers["cache-control"] == "no-store"
        return reply.view.destination


@pytest.fixture
async def shop(database: str) -> AsyncIterator[Delivering]:
    delivering = Delivering(database)
    await delivering.stocked(50)
    yield delivering
    assert not delivering.by_facts or not_as_their_events_say(database, "ord_") == []
    delivering.db.close()


async def test_an_order_is_brought_for_a_fee_and_nobody_reads_where_to_but_its_people(shop: Delivering) -> None:
    order = await shop.placed()
    brought = await shop.to(order)
    assert brought.delivery is not None
    assert (brought.total.units, brought.delivery.fee.units) == (840 + 50 + 250, 250)
    assert brought.delivery.distance_m == distance_m(52.52, 13.405, HOME.latitude, HOME.longitude) == 1037
    staff = By("key_1", frozenset({Role.BARISTA}), shop.shop.merchant_id)
    assert await shop.reads(order, shop.me) == await shop.reads(order, staff) == HOME
    for stranger in (By("usr_x", frozenset({Role.CUSTOMER})), replace(staff, merchant_id=MerchantId.new())):
        with pytest.raises(NotFound):
            await shop.reads(order, stranger)
    for (text,) in await shop.db.run(TEXTS):
        assert "Torstra" not in text
        assert "Ring twice" not in text
    await shop.db.run(FORGET, user_id=shop.me.actor)
    with pytest.raises(NotFound, match="forgotten"):
        await shop.reads(order, staff)


async def test_it_is_brought_no_further_and_for_no_less_than_the_shop_says(shop: Delivering) -> None:
    order, little = await shop.placed(), await shop.placed(1, tip=5_000)
    with pytest.raises(NotDelivered) as refused:
        await shop.to(order, FAR)
    assert refused.value.fields == {"distance_m": 8903}
    with pytest.raises(NotDelivered, match=r"8\.00 EUR"):
        await shop.to(little)
    with pytest.raises(NotFound):
        await shop.to(order, by=customer("other"))
    shop.shop.delivery = None
    with pytest.raises(NotDelivered):
        await shop.to(order)
    stored = await shop.store.load(order.order_id)
    assert stored is not None
    assert (stored.version, stored.state.total) == (1, 890)


async def test_a_change_keeps_the_fee_and_fetching_it_after_all_takes_it_off(shop: Delivering) -> None:
    order = await shop.placed()
    await shop.to(order)

    async def modified(quantity: int) -> OrderView:
        line = LineRequest(item_id=shop.shop.item.item_id, quantity=quantity)
        command = ModifyOrder(lines=(line,))
        return (await modify_order(order.order_id, command, if_match=None, by=shop.by(), using=shop.orders)).view

    assert (await modified(3)).total.units == 3 * 420 + 250
    with pytest.raises(WrongState, match="too little"):
        await modified(1)
    fetched = (await remove_destination(order.order_id, if_match=3, by=shop.by(), using=shop.orders)).view
    assert (fetched.total.units, fetched.delivery) == (1260, None)
    with pytest.raises(WrongState):
        await remove_destination(order.order_id, if_match=None, by=shop.by(), using=shop.orders)
    with pytest.raises(NotFound, match="fetched"):
        await shop.reads(order, shop.me)


async def test_what_is_ready_is_sent_on_its_way_once_by_its_staff(shop: Delivering) -> None:
    order, other = await shop.placed(), await shop.placed()
    await shop.to(order)

    async def sent(which: OrderView, by: By) -> OrderView:
        return (await dispatch_order(which.order_id, if_match=None, by=by, using=shop.orders)).view

    with pytest.raises(WrongState):
        await sent(order, shop.staff())
    shop.by_facts = False
    for each in (order, other):
        await stands(shop.db, each.order_id, "ready")
    with pytest.raises(WrongState):
        await sent(other, shop.staff())  # it is fetched
    with pytest.raises(Forbidden):
        await sent(order, shop.by())
    first, again_ = await sent(order, shop.staff()), await sent(order, shop.staff())
    assert first.delivery is not None
    assert first.delivery.dispatched_at is not None
    assert again_.version == first.version


async def test_somebody_without_a_key_gets_one_and_somebody_forgotten_does_not(shop: Delivering) -> None:
    destinations, somebody, shop.by_facts = shop.destinations, UserId.new(), False
    sealed = await destinations.seal(somebody, "here")
    assert sealed.startswith("sealed:")
    assert await destinations.open(somebody, sealed) == "here"
    assert await destinations.open(UserId.new(), sealed) is None
