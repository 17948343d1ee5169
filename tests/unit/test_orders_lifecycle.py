"""The order's state machine: what leads where, who may, and that no sequence of commands breaks it.

The rules of create_order, confirm_order, halt_order, start_preparing, mark_ready, complete_order, cancel_order and
expire_order.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from datetime import UTC, datetime, timedelta

import pytest
from hypothesis import settings
from hypothesis.stateful import RuleBasedStateMachine, initialize, invariant, rule
from hypothesis.strategies import booleans, sampled_from

from shared.catalog.facts import MenuItem, Modifier, ModifierGroup
from shared.kernel.decision import By, Role
from shared.kernel.errors import Conflict, Forbidden, Invalid, NotFound, Problem
from shared.kernel.facts import Fact, fact_of
from shared.kernel.hours import Opening, Pause, SpecialDay
from shared.kernel.ids import ItemId, MerchantId, ModifierGroupId, ModifierId, OrderId, PaymentId, ShopId, UserId
from shared.orders import lifecycle, pricing
from shared.orders.model import LineRequest, Order, OrderStatus, PlaceOrder
from shared.orders.ports import PricedMenu, ShopTerms

NOON = datetime(2026, 5, 6, 12, tzinfo=UTC)  # a Wednesday
CUSTOMER = UserId.new()
SHOP = ShopTerms(
    ShopId.new(), MerchantId.new(), "EUR", "Europe/Berlin", (Opening(weekday=2, opens="08:00", closes="18:00"),)
)
OAT, COW = (
    Modifier(modifier_id=ModifierId.new(), name="Oat", price_delta=50),
    Modifier(modifier_id=ModifierId.new(), name="Cow", price_delta=0),
)
MILK = ModifierGroup(
    group_id=ModifierGroupId.new(), name="Milk", min=1, max=1, modifiers=(OAT, COW), defaults=(COW.modifier_id,)
)
LATTE = MenuItem(
    item_id=ItemId.new(), name="Latte", category="Coffee", price=400, sku="latte", modifier_groups=(MILK.group_id,)
)
CAKE = MenuItem(item_id=ItemId.new(), name="Cake", category="Food", price=350, available=False)
MENU = PricedMenu(SHOP.shop_id, 7, "EUR", {i.item_id: i for i in (LATTE, CAKE)}, {MILK.group_id: MILK})
STAFF = By("key_1", frozenset({Role.BARISTA}), SHOP.merchant_id)
STRANGER = By("key_2", frozenset({Role.BARISTA}), MerchantId.new())
ME = By(CUSTOMER, frozenset({Role.CUSTOMER}), MerchantId.like(CUSTOMER))


def placed(*lines: LineRequest, version: int | None = None, now: datetime = NOON) -> Order:
    command = PlaceOrder(shop_id=SHOP.shop_id, menu_version=version, lines=lines)
    fact = lifecycle.place(OrderId.new(), command, customer=CUSTOMER, shop=SHOP, menu=MENU, now=now)
    return lifecycle.evolve(None, fact)


def latte(quantity: int = 1, *modifiers: ModifierId) -> LineRequest:
    return LineRequest(item_id=LATTE.item_id, quantity=quantity, modifiers=modifiers)


def test_the_server_prices_items_with_their_choices() -> None:
    order = placed(latte(2, OAT.modifier_id), latte(1))
    assert [line.total for line in order.lines] == [900, 400]
    assert (order.total, order.currency) == (1300, "EUR")
    assert order.lines[1].modifiers[0].name == "Cow"


@pytest.mark.parametrize(
    "line",
    [
        LineRequest(item_id=ItemId.new()),
        LineRequest(item_id=CAKE.item_id),
        latte(1, OAT.modifier_id, COW.modifier_id),
        latte(1, OAT.modifier_id, OAT.modifier_id),
        latte(1, ModifierId.new()),
    ],
    ids=["unknown item", "not available", "too many choices", "one choice twice", "unknown choice"],
)
def test_what_is_not_on_the_menu_is_refused(line: LineRequest) -> None:
    with pytest.raises(pricing.NotOnMenu):
        placed(line)


def test_an_order_of_nothing_but_free_items_is_refused_because_nobody_could_pay_it() -> None:
    water = MenuItem(item_id=ItemId.new(), name="Tap water", category="Water", price=0)
    menu = replace(MENU, items={**MENU.items, water.item_id: water})
    command = PlaceOrder(shop_id=SHOP.shop_id, lines=(LineRequest(item_id=water.item_id),))
    with pytest.raises(Invalid):
        lifecycle.place(OrderId.new(), command, customer=CUSTOMER, shop=SHOP, menu=menu, now=NOON)


def test_prices_that_changed_since_they_were_shown_are_refused_with_the_present_version() -> None:
    with pytest.raises(pricing.MenuChanged) as refused:
        placed(latte(), version=6)
    assert refused.value.fields == {"menu_version": 7, "changes": []}


def test_a_closed_shop_takes_no_orders_by_its_own_clock() -> None:
    with pytest.raises(lifecycle.ShopClosed):
        placed(latte(), now=NOON.replace(hour=16))  # 18:00 in Berlin
    assert placed(latte(), now=NOON.replace(hour=15, minute=59)).status is OrderStatus.PENDING


@pytest.mark.parametrize(
    ("changes", "until"),
    [
        ({"special": (SpecialDay(day=NOON.date()),)}, NOON.replace(hour=0) + timedelta(days=7, hours=8)),
        ({"last_order_min": 30}, NOON.replace(hour=15, minute=29)),
        ({"pause": Pause(since=NOON, until=NOON + timedelta(hours=1), reason="Power cut")}, None),
    ],
    ids=["special day", "last orders", "paused"],
)
def test_a_shop_takes_no_orders_on_special_days_after_last_orders_and_while_it_is_paused(
    changes: dict[str, object], until: datetime | None
) -> None:
    shop = replace(SHOP, **changes)  # type: ignore[arg-type]  # fields of ShopTerms
    command = PlaceOrder(shop_id=SHOP.shop_id, lines=(latte(),))

    def place(now: datetime) -> None:
        lifecycle.place(OrderId.new(), command, customer=CUSTOMER, shop=shop, menu=MENU, now=now)

    with pytest.raises(lifecycle.ShopClosed):
        place(NOON if shop.last_order_min == 0 else NOON.replace(hour=15, minute=30))
    place(until or NOON + timedelta(hours=1))


def test_strangers_are_told_there_is_no_such_order() -> None:
    order = placed(latte())
    for by in (STRANGER, By(UserId.new(), frozenset({Role.CUSTOMER}), MerchantId.new())):
        with pytest.raises(NotFound):
            lifecycle.visible(order, by)
        with pytest.raises(NotFound):
            lifecycle.cancel(order, reason="", by=by, now=NOON)
    with pytest.raises(Forbidden):
        lifecycle.prepare(order, by=ME, now=NOON)


def test_a_key_of_one_shop_does_not_open_the_merchants_other_shops() -> None:
    order = placed(latte())
    here, elsewhere = (replace(STAFF, shop_ids=frozenset({each})) for each in (SHOP.shop_id, ShopId.new()))
    assert lifecycle.visible(order, here) is order
    with pytest.raises(NotFound):
        lifecycle.visible(order, elsewhere)


def test_every_fact_survives_its_canonical_form() -> None:
    order = placed(latte())
    for fact in lifecycle.confirm(order, PaymentId.new(), settled=True, now=NOON):
        assert fact_of(fact.type, fact.canonical) == fact


class OrderMachine(RuleBasedStateMachine):
    """Any commands in any order: only the drawn transitions happen, and a refusal changes nothing."""

    @initialize()
    def place(self) -> None:
        self.order = placed(latte())
        self.payment = PaymentId.new()
        self.history = [self.order.status]
        self.now = NOON

    def _apply(self, facts: tuple[Fact, ...] | list[Fact]) -> None:
        for fact in facts:
            self.now += timedelta(seconds=1)
            self.order = lifecycle.evolve(self.order, fact)
        if self.order.status is not self.history[-1]:
            self.history.append(self.order.status)

    @rule(settled=booleans(), other=booleans())
    def payment_moves(self, settled: bool, other: bool) -> None:
        payment = PaymentId.new() if other and self.order.payment_id else self.payment
        step = lifecycle.confirm if settled else lifecycle.halt
        told = list(step(self.order, payment, settled=settled, now=self.now))
        if told and settled:
            self.payment = payment  # another quote of the order may settle what the first one lost
        self._apply(told)

    @rule(command=sampled_from(["prepare", "ready", "complete", "cancel", "expire"]), by=sampled_from([STAFF, ME]))
    def command(self, command: str, by: By) -> None:
        before = self.order
        try:
            self._apply(list(self._facts(command, by)))
        except Problem:
            assert self.order == before

    def _facts(self, command: str, by: By) -> list[Fact]:
        match command:
            case "prepare":
                return list(lifecycle.prepare(self.order, by=by, now=self.now))
            case "ready":
                return list(lifecycle.ready(self.order, by=by, now=self.now))
            case "complete":
                return list(lifecycle.complete(self.order, now=self.now))
            case "cancel":
                return list(lifecycle.cancel(self.order, reason="", by=by, now=self.now))
        return list(lifecycle.expire(self.order, now=self.now))

    @invariant()
    def only_drawn_transitions_happened(self) -> None:
        path = [status.value for status in self.history]
        allowed = ["pending", "confirmed", "preparing", "ready", "completed"]
        if path[-1] in {"cancelled", "expired"}:
            assert path[:-1] == allowed[: len(path) - 1]
            assert path[:-1] in (["pending"], ["pending", "confirmed"]) or self.order.halted
            assert path[-1] != "expired" or path == ["pending", "expired"]
            assert "completed" not in path
        else:
            assert path == allowed[: len(path)]

    @invariant()
    def what_is_in_the_kitchen_was_paid(self) -> None:
        if self.order.status in {OrderStatus.CONFIRMED, OrderStatus.PREPARING, OrderStatus.READY}:
            assert self.order.payment_id == self.payment

    @invariant()
    def a_halted_order_moves_only_when_its_payment_does(self) -> None:
        if self.order.halted and self.order.status is not OrderStatus.COMPLETED:
            for step in (lifecycle.prepare, lifecycle.ready):
                with pytest.raises(Conflict):
                    step(self.order, by=STAFF, now=self.now)


OrderMachine.TestCase.settings = settings(max_examples=150, stateful_step_count=25, deadline=None)
TestOrderMachine = OrderMachine.TestCase


def test_a_customer_may_not_cancel_what_is_paid_but_the_shop_may() -> None:
    order = placed(latte())
    payment = PaymentId.new()
    for fact in lifecycle.confirm(order, payment, settled=True, now=NOON):
        order = lifecycle.evolve(order, fact)
    with pytest.raises(lifecycle.WrongState):
        lifecycle.cancel(order, reason="", by=ME, now=NOON)
    owner = replace(STAFF, roles=frozenset({Role.OWNER}))
    assert len(lifecycle.cancel(order, reason="out of milk", by=owner, now=NOON)) == 1


def test_a_payment_that_settles_again_does_not_revive_an_order_that_was_cancelled_meanwhile() -> None:
    order, payment = placed(latte()), PaymentId.new()

    def apply(facts: Sequence[Fact]) -> None:
        nonlocal order
        for fact in facts:
            order = lifecycle.evolve(order, fact)

    apply(lifecycle.confirm(order, payment, settled=True, now=NOON))
    apply(lifecycle.halt(order, payment, settled=False, now=NOON))
    apply(lifecycle.cancel(order, reason="", by=replace(STAFF, roles=frozenset({Role.OWNER})), now=NOON))
    assert lifecycle.confirm(order, payment, settled=True, now=NOON) == ()
    assert order.status is OrderStatus.CANCELLED


def test_an_order_whose_payment_stayed_away_is_called_off_but_not_after_its_hand_over() -> None:
    """Rule 9: before hand-over the order halts, and is not held for ever."""
    order, payment = placed(latte()), PaymentId.new()

    def apply(facts: Sequence[Fact]) -> None:
        nonlocal order
        for fact in facts:
            order = lifecycle.evolve(order, fact)

    apply(lifecycle.confirm(order, payment, settled=True, now=NOON))
    assert lifecycle.expire(order, now=NOON) == ()  # it is paid
    apply(lifecycle.prepare(order, by=STAFF, now=NOON))
    apply(lifecycle.halt(order, payment, settled=False, now=NOON))
    apply(lifecycle.expire(order, now=NOON))
    assert order.status is OrderStatus.CANCELLED


def test_another_payment_of_the_order_may_settle_what_the_first_one_lost() -> None:
    order, first, second = placed(latte()), PaymentId.new(), PaymentId.new()

    def apply(facts: Sequence[Fact]) -> None:
        nonlocal order
        for fact in facts:
            order = lifecycle.evolve(order, fact)

    apply(lifecycle.confirm(order, first, settled=True, now=NOON))
    apply(lifecycle.halt(order, first, settled=False, now=NOON))
    apply(lifecycle.confirm(order, second, settled=True, now=NOON))
    assert (order.halted, order.payment_id) == (False, second)
    assert lifecycle.halt(order, first, settled=False, now=NOON) == ()
    apply(lifecycle.halt(order, second, settled=False, now=NOON))
    assert order.halted


def test_another_payment_that_settles_pays_the_order_before_the_reversal_of_the_first_is_told() -> None:
    first, second = PaymentId.new(), PaymentId.new()
    order = placed(latte())
    for payment_id in (first, second):
        for fact in lifecycle.confirm(order, payment_id, settled=True, now=NOON):
            order = lifecycle.evolve(order, fact)
    assert (order.status, order.halted, order.payment_id) == (OrderStatus.CONFIRMED, False, second)
    assert lifecycle.confirm(order, second, settled=True, now=NOON) == ()
    assert lifecycle.halt(order, first, settled=False, now=NOON) == ()
