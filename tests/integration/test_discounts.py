"""Discounts on a real Postgres: counted in the order's commit, never used more often than they may be, given back."""

from __future__ import annotations

import asyncio
from collections import Counter as Tally
from collections.abc import AsyncIterator
from dataclasses import replace

import pytest

from shared.adapters.postgres.database import Database, Sql
from shared.adapters.postgres.discounts import PostgresOfferedDiscounts
from shared.adapters.postgres.orders import PostgresOrders
from shared.catalog.discount_model import DiscountPath, DiscountView, ListDiscounts, PutDiscount
from shared.catalog.discounts import CodeTaken
from shared.catalog.list_discounts import list_discounts
from shared.catalog.model import SetTaxes
from shared.catalog.put_discount import put_discount
from shared.catalog.return_discount import return_discount
from shared.catalog.set_taxes import set_taxes
from shared.kernel.decision import AlreadyAnswered, AlreadyTaken, By, Claim
from shared.kernel.errors import Forbidden, NotFound, VersionConflict
from shared.kernel.ids import DiscountId, OrderId, ShopId
from shared.orders.cancel_order import cancel_order
from shared.orders.create_order import create_order
from shared.orders.discounts import DiscountNotApplicable, DiscountUsedUp
from shared.orders.model import CancelOrder, LineRequest, ModifyOrder, OrderView, PlaceOrder
from shared.orders.modify_order import modify_order
from shared.orders.ports import Orders, SoldOut
from shared.settings import PostgresSettings
from shared.supply.model import ReceiveStock
from shared.supply.receive_stock import receive_stock
from shared.wiring.discounts import discounting_on
from tests.integration.ordering import customer
from tests.integration.selling import Counter
from tests.integration.shopkeeping import Merchant, Shopkeeping, keyed, woken
from tests.integration.wire import Wire

USED = Sql("select used from discount_counters where discount_id = :discount_id")
SHELF = Sql("select reserved from stock where shop_id = :shop_id")
CODE = "WELCOME-10"


class Till(Counter):
    """A shop that gives discounts."""

    def __init__(self, at: Shopkeeping) -> None:
        super().__init__(at)
        self.discounting = discounting_on(at.db, region="test", clock=at.clock)

    async def give(
        self,
        discount_id: DiscountId | None = None,
        *,
        by: By | None = None,
        shop_id: ShopId | None = None,
        **terms: object,
    ) -> DiscountView:
        command = PutDiscount.model_validate({"name": "Welcome", **terms})
        path = DiscountPath(shop_id=shop_id or self.shop_id, discount_id=discount_id or DiscountId.new())
        by = keyed(by or self.anna.owner)
        return (await put_discount(path, command, if_match=None, by=by, using=self.discounting)).view

    def orders(self) -> Orders:
        return replace(super().orders(), discounts=PostgresOfferedDiscounts(self.at.db))

    async def bought(
        self, by: By, code: str | None = CODE, *, using: Orders | None = None, quantity: int = 1
    ) -> OrderView:
        line = LineRequest(item_id=self.coffee, quantity=quantity)
        command = PlaceOrder(shop_id=self.shop_id, lines=(line,), discount_code=code)
        return (await create_order(command, by=by, using=using or self.orders())).view

    async def used(self, discount_id: DiscountId) -> int:
        return int((await self.at.db.run(USED, discount_id=discount_id))[0][0])

    async def cancelled(self, order_id: OrderId, by: By) -> None:
        assert isinstance(by.once, Claim)
        by = replace(by, once=replace(by.once, route=f"POST /v1/orders/{order_id}/cancel"))
        await cancel_order(order_id, CancelOrder(), if_match=1, by=by, using=self.orders())


@pytest.fixture
async def till(database: str, redis_url: str) -> AsyncIterator[Till]:
    at = Shopkeeping(database, redis_url)
    till = Till(at)
    await till.opened()
    yield till
    await at.closed()


async def test_an_order_has_its_discount_and_its_taxes_and_replays(till: Till) -> None:
    given = await till.give(code=CODE, rate_bp=1000)
    vat = SetTaxes.model_validate({"taxes": [{"name": "VAT", "rate_bp": 1900, "inclusion": "inclusive"}]})
    await set_taxes(till.shop_id, vat, if_match=2, by=keyed(till.anna.owner), using=till.at.catalog)
    order = await till.bought(customer("a"), "welcome-10")
    assert (order.total.units, order.discount and order.discount.units) == (378, 42)
    assert [(tax.name, tax.units) for tax in order.taxes] == [("VAT", 60)]
    stored = await till.store.load(order.order_id)
    assert stored is not None
    assert OrderView.of(stored.state, stored.version) == order
    assert await till.used(given.discount_id) == 1
    assert (await till.bought(customer("b"), None)).total.units == 420
    assert till.at.replayed().differences == []


async def test_sixty_customers_racing_for_ten_uses_make_ten_orders(till: Till) -> None:
    given = await till.give(code=CODE, amount="100", uses=10)
    using = till.orders()

    async def send(number: int) -> str:
        try:
            order = await till.bought(customer(f"k{number}"), CODE if number % 4 else None, using=using)
        except DiscountUsedUp:
            return "used up"
        return "less" if order.discount else "full"

    outcomes = Tally(await asyncio.gather(*(send(number) for number in range(80))))
    assert outcomes == {"less": 10, "used up": 50, "full": 20}
    assert await till.used(given.discount_id) == 10
    with pytest.raises(DiscountUsedUp):
        await till.bought(customer("late"))
    assert till.at.replayed().differences == []


async def test_a_lost_commit_that_took_the_last_uses_is_not_told_as_used_up(till: Till, database: str) -> None:
    wire = Wire(database)
    db = Database(PostgresSettings(wire.url))
    till.store = PostgresOrders(db, region="test")
    given, using = await till.give(code=CODE, amount="100", uses=20), till.orders()
    wire.cut_after('"key":"lost-7"')
    placed = await asyncio.gather(*(till.bought(customer(f"lost-{number}"), using=using) for number in range(20)))
    assert {order.total.units for order in placed} == {320}
    assert await till.used(given.discount_id) == 20
    assert till.at.replayed().differences == []
    db.close()
    wire.close()


async def test_a_repeated_request_uses_it_once_even_when_it_is_used_up_by_then(till: Till) -> None:
    given = await till.give(code=CODE, amount="100", uses=1)
    using, by = till.orders(), customer("same")

    async def send() -> str:
        try:
            return (await till.bought(by, using=using)).order_id
        except AlreadyAnswered as before:
            return before.reply.body.decode()[13:49]

    assert len(set(await asyncio.gather(*(send() for _ in range(20))))) == 1
    assert len({await send(), await send()}) == 1
    assert await till.used(given.discount_id) == 1


async def test_what_an_order_that_came_to_nothing_had_can_be_used_again_once(till: Till) -> None:
    given = await till.give(code=CODE, amount="100", uses=1)
    by = customer("a")
    order = await till.bought(by)
    with pytest.raises(DiscountUsedUp):
        await till.bought(customer("b"))
    await return_discount(order.order_id, by=woken("return_discount"), using=till.discounting)
    assert await till.used(given.discount_id) == 1, "the order is not over"
    await till.cancelled(order.order_id, by)
    told = [woken("return_discount") for _ in range(2)]
    outcomes = await asyncio.gather(
        *(return_discount(order.order_id, by=by, using=till.discounting) for by in (*told, *told)),
        return_exceptions=True,
    )
    assert {type(outcome) for outcome in outcomes} <= {type(None), AlreadyTaken}
    assert await till.used(given.discount_id) == 0
    assert (await till.bought(customer("c"))).total.units == 320
    plain = await till.bought(customer("d"), None)
    await return_discount(plain.order_id, by=woken("return_discount"), using=till.discounting)
    assert till.at.replayed().differences == []


async def test_an_order_that_has_the_last_use_is_changed_and_keeps_it(till: Till) -> None:
    given, by = await till.give(code=CODE, amount="100", uses=1), customer("a")
    order = await till.bought(by)
    wanted = ModifyOrder(lines=(LineRequest(item_id=till.coffee, quantity=2),), discount_code=CODE)
    assert isinstance(by.once, Claim)
    by = replace(by, once=replace(by.once, route="PUT /v1/test"))
    changed = (await modify_order(order.order_id, wanted, if_match=1, by=by, using=till.orders())).view
    assert (changed.total.units, changed.discount and changed.discount.units) == (740, 100)
    assert await till.used(given.discount_id) == 1
    with pytest.raises(DiscountUsedUp):
        await till.bought(customer("b"))
    assert till.at.replayed().differences == []


async def test_an_order_that_stock_refuses_uses_no_discount_and_one_that_the_discount_refuses_holds_no_stock(
    till: Till,
) -> None:
    given = await till.give(code=CODE, amount="100", uses=1)
    await till.put(till.coffee, "420", sku="shot")
    delivery = ReceiveStock.model_validate({"lines": [{"sku": "shot", "quantity": 2}]})
    await receive_stock(till.shop_id, delivery, by=keyed(till.anna.owner), using=till.at.supply)
    with pytest.raises(SoldOut):
        await till.bought(customer("a"), quantity=3)
    assert await till.used(given.discount_id) == 0
    await till.bought(customer("b"))
    with pytest.raises(DiscountUsedUp):
        await till.bought(customer("c"))
    assert [row[0] for row in await till.at.db.run(SHELF, shop_id=till.shop_id)] == [1]
    assert till.at.replayed().differences == []


async def test_a_code_is_one_discounts_whoever_puts_it_first(till: Till) -> None:
    async def give(discount_id: DiscountId) -> str:
        try:
            await till.give(discount_id, code=CODE, rate_bp=1000)
        except (CodeTaken, VersionConflict):
            return "taken"
        return "given"

    ids = [DiscountId.new() for _ in range(6)]
    outcomes = await asyncio.gather(*(give(discount_id) for discount_id in ids))
    assert Tally(outcomes) == {"given": 1, "taken": 5}
    first = ids[outcomes.index("given")]
    await till.give(first, code="ANOTHER", rate_bp=1000)
    second = await till.give(code=CODE, rate_bp=2000)
    assert (await till.bought(customer("a"))).total.units == 336
    page = (await list_discounts(ListDiscounts(shop_id=till.shop_id), by=till.anna.owner, using=till.discounting)).view
    assert {each.discount_id: each.used for each in page.discounts} == {first: 0, second.discount_id: 1}
    one = ListDiscounts(shop_id=till.shop_id, limit=1)
    (head,) = (page := (await list_discounts(one, by=till.anna.owner, using=till.discounting)).view).discounts
    assert page.next == head.discount_id
    rest = one.model_copy(update={"cursor": head.discount_id})
    assert len((await list_discounts(rest, by=till.anna.owner, using=till.discounting)).view.discounts) == 1
    assert till.at.replayed().differences == []


async def test_a_limit_that_is_lowered_below_what_was_used_refuses_and_raised_lets_in_again(till: Till) -> None:
    given = await till.give(code=CODE, amount="100")
    for number in range(3):
        await till.bought(customer(f"k{number}"))
    await till.give(given.discount_id, code=CODE, amount="100", uses=2)
    with pytest.raises(DiscountUsedUp):
        await till.bought(customer("x"))
    await till.give(given.discount_id, code=CODE, amount="100", uses=4)
    await till.bought(customer("y"))
    assert await till.used(given.discount_id) == 4
    await till.give(given.discount_id, code=CODE, amount="100", uses=4, active=False)
    with pytest.raises(DiscountNotApplicable):
        await till.bought(customer("z"))


async def test_discounts_are_their_merchants_alone(till: Till) -> None:
    given, bela = await till.give(code=CODE, rate_bp=1000), Merchant()
    with pytest.raises(NotFound):
        await till.give(by=bela.owner, rate_bp=1000)
    with pytest.raises(Forbidden):
        await till.give(by=till.anna.barista, rate_bp=1000)
    elsewhere = await till.at.opened(bela)
    with pytest.raises(NotFound):
        await till.give(given.discount_id, by=bela.owner, shop_id=elsewhere, rate_bp=9999)
    with pytest.raises(NotFound):
        await list_discounts(ListDiscounts(shop_id=till.shop_id), by=bela.owner, using=till.discounting)
    with pytest.raises(Forbidden):
        await list_discounts(ListDiscounts(shop_id=till.shop_id), by=till.anna.barista, using=till.discounting)
