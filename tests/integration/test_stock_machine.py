"""Two shelves of two shops through everything that moves goods or holds them, step by step, on a real Postgres.

A plain count beside it says what each step must come to: nothing is ever sold, sent or thrown away twice, and the
counters, the ledger and the facts say the same at the end.
"""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable
from contextlib import suppress
from dataclasses import dataclass, replace
from typing import Final, TypeVar

from hypothesis import HealthCheck, Phase, settings
from hypothesis import strategies as st
from hypothesis.stateful import (
    RuleBasedStateMachine,
    initialize,
    invariant,
    precondition,
    rule,
    run_state_machine_as_test,
)

from shared.kernel.decision import By, Role
from shared.kernel.ids import KeyId, OrderId
from shared.orders.create_order import create_order
from shared.orders.model import LineRequest, PlaceOrder
from shared.orders.ports import SoldOut, Takes
from shared.supply.adjust_stock import adjust_stock
from shared.supply.consume_stock import consume_stock
from shared.supply.model import AdjustStock, ReceiveStock, TransferStock
from shared.supply.receive_stock import receive_stock
from shared.supply.release_stock import release_stock
from shared.supply.stocktaking import NotEnoughStock, StockMoved
from shared.supply.transfer_stock import transfer_stock
from tests.integration.ordering import OneShop, customer
from tests.integration.shopkeeping import keyed, woken
from tests.integration.stockkeeping import LAY_SHOP, Counter
from tests.many import runs

T = TypeVar("T")
BEANS, MILK = "beans", "milk"
SKUS: Final = (BEANS, MILK)
Shelf = tuple[int, str]
shops = st.integers(0, 1)
skus = st.sampled_from(SKUS)


@dataclass
class Level:
    """What must be on a shelf."""

    on_hand: int = 0
    reserved: int = 0
    version: int = 0

    @property
    def free(self) -> int:
        return self.on_hand - self.reserved

    def moves(self, delta: int) -> None:
        self.on_hand += delta
        self.version += 1


@dataclass
class Held:
    """What an order holds, and what became of it."""

    shop: int
    takes: dict[str, int]
    over: bool = False


class Shelves(RuleBasedStateMachine):
    """Two shops of one merchant; the recipe of what they sell changes now and then."""

    counter: Counter
    runner: asyncio.Runner

    @initialize()
    def open(self) -> None:
        first, second = OneShop(), OneShop()
        second.merchant_id = first.merchant_id
        self.shops = (first, second)
        self.manager = By(KeyId.new(), frozenset({Role.MANAGER}), first.merchant_id)
        self.levels: dict[Shelf, Level] = {(shop, sku): Level() for shop in (0, 1) for sku in SKUS}
        self.held: dict[OrderId, Held] = {}
        self.recipe = {BEANS: 2, MILK: 3}
        for shop in self.shops:
            self.do(self.counter.db.run(LAY_SHOP, shop_id=shop.shop_id, merchant_id=shop.merchant_id))

    def do(self, deed: Awaitable[T]) -> T:
        async def done() -> T:
            return await deed

        return self.runner.run(done())

    async def of(self, shop_id: str) -> dict[str, Takes]:
        """Return the recipes, as orders ask for them."""
        return {shop.item.item_id: Takes(self.recipe) for shop in self.shops}

    @rule(shop=shops, sku=skus, quantity=st.integers(1, 30))
    def receive(self, shop: int, sku: str, quantity: int) -> None:
        command = ReceiveStock.model_validate({"lines": [{"sku": sku, "quantity": quantity}]})
        by = keyed(self.manager)
        self.do(receive_stock(self.shops[shop].shop_id, command, by=by, using=self.counter.supply))
        self.levels[shop, sku].moves(quantity)

    @rule(beans=st.integers(0, 5), milk=st.integers(1, 5))
    def change_the_recipe(self, beans: int, milk: int) -> None:
        self.recipe = {sku: quantity for sku, quantity in ((BEANS, beans), (MILK, milk)) if quantity}

    @rule(shop=shops, quantity=st.integers(1, 4))
    def order(self, shop: int, quantity: int) -> None:
        here = self.shops[shop]
        takes = {sku: each * quantity for sku, each in self.recipe.items()}
        enough = all(self.levels[shop, sku].free >= taken for sku, taken in takes.items())
        command = PlaceOrder(shop_id=here.shop_id, lines=(LineRequest(item_id=here.item.item_id, quantity=quantity),))
        using = replace(self.counter.ordering.orders, shops=here, menus=here, recipes=self)
        try:
            placed = self.do(create_order(command, by=customer(OrderId.new()), using=using))
        except SoldOut:
            assert not enough
            return
        assert enough
        self.held[placed.view.order_id] = Held(shop, takes)
        for sku, taken in takes.items():
            self.levels[shop, sku].reserved += taken

    @precondition(lambda self: any(not held.over for held in self.held.values()))
    @rule(data=st.data(), begun=st.booleans())
    def end(self, data: st.DataObject, begun: bool) -> None:
        order_id = data.draw(st.sampled_from([id for id, held in self.held.items() if not held.over]))
        held = self.held[order_id]
        if begun:
            self.do(self.counter.begun(order_id))
        else:
            self.do(self.counter.let_go(order_id))
        held.over = True
        self.tell(order_id)
        for sku, taken in held.takes.items():
            level = self.levels[held.shop, sku]
            level.reserved -= taken
            if begun:
                level.moves(-taken)

    @precondition(lambda self: self.held)
    @rule(data=st.data())
    def tell_again(self, data: st.DataObject) -> None:
        """What an order's end is told of once more, or before its time, changes nothing."""
        self.tell(data.draw(st.sampled_from(sorted(self.held))))

    def tell(self, order_id: OrderId) -> None:
        self.do(release_stock(order_id, by=woken("release_stock"), using=self.counter.supply))
        self.do(consume_stock(order_id, by=woken("consume_stock"), using=self.counter.supply))

    @rule(shop=shops, sku=skus, delta=st.integers(-12, 12).filter(bool))
    def correct(self, shop: int, sku: str, delta: int) -> None:
        level = self.levels[shop, sku]
        line = {"sku": sku, "delta": delta}
        if self.adjusted(shop, "correction", line, refused=NotEnoughStock if -delta > level.free else None):
            level.moves(delta)

    @rule(shop=shops, sku=skus, counted=st.integers(0, 40), stale=st.booleans())
    def count(self, shop: int, sku: str, counted: int, stale: bool) -> None:
        level = self.levels[shop, sku]
        line = {"sku": sku, "counted": counted, "version": level.version + stale}
        refused = StockMoved if stale else NotEnoughStock if counted < level.reserved else None
        if self.adjusted(shop, "count", line, refused=refused):
            level.moves(counted - level.on_hand)

    def adjusted(self, shop: int, reason: str, line: dict[str, object], *, refused: type[Exception] | None) -> bool:
        command = AdjustStock.model_validate({"reason": reason, "lines": [line]})
        return self.came_to(
            lambda by: adjust_stock(self.shops[shop].shop_id, command, by=by, using=self.counter.supply), refused
        )

    @rule(shop=shops, wanted=st.dictionaries(skus, st.integers(1, 20), min_size=1))
    def transfer(self, shop: int, wanted: dict[str, int]) -> None:
        short = any(self.levels[shop, sku].free < quantity for sku, quantity in wanted.items())
        lines = [{"sku": sku, "quantity": quantity} for sku, quantity in wanted.items()]
        here, there = self.shops[shop].shop_id, self.shops[1 - shop].shop_id
        command = TransferStock.model_validate({"to_shop_id": there, "lines": lines})
        refused = NotEnoughStock if short else None
        if self.came_to(lambda by: transfer_stock(here, command, by=by, using=self.counter.supply), refused):
            for sku, quantity in wanted.items():
                self.levels[shop, sku].moves(-quantity)
                self.levels[1 - shop, sku].moves(quantity)

    def came_to(self, deed: Callable[[By], Awaitable[object]], refused: type[Exception] | None) -> bool:
        """Do it, and return whether it was done; it must be, unless it has to be refused."""
        if refused is None:
            self.do(deed(keyed(self.manager)))
            return True
        with suppress(refused):
            self.do(deed(keyed(self.manager)))
            raise AssertionError(f"not refused with {refused.__name__}")
        return False

    @invariant()
    def counters_are_what_they_must_be(self) -> None:
        for number, shop in enumerate(self.shops):
            found = self.do(self.counter.supply.shelves.of(shop.shop_id, SKUS))
            for sku in SKUS:
                level, known = self.levels[number, sku], found.get(sku)
                at = (known.on_hand, known.reserved, known.version) if known else (0, 0, 0)
                assert at == (level.on_hand, level.reserved, level.version)
                assert 0 <= level.reserved <= level.on_hand


def test_whatever_moves_goods_or_holds_them_nothing_is_made_lost_or_sold_twice(database: str) -> None:
    with asyncio.Runner() as runner:
        counter = Counter(database)

        class OnPostgres(Shelves):
            pass

        OnPostgres.counter, OnPostgres.runner = counter, runner
        run_state_machine_as_test(
            OnPostgres,
            settings=settings(
                max_examples=runs(100),
                stateful_step_count=25,
                deadline=None,
                phases=(Phase.generate, Phase.shrink),
                suppress_health_check=list(HealthCheck),
            ),
        )
        assert counter.stock_differences() == []
        counter.db.close()
