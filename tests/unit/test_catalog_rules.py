"""A menu's rules: what may be put on it, what it becomes, and its prices in coins."""

from __future__ import annotations

from dataclasses import replace
from datetime import UTC, datetime, timedelta
from decimal import Decimal

import pytest
from hypothesis import given
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, invariant, rule
from pydantic import ValidationError

from shared.catalog import lifecycle, showing
from shared.catalog.lifecycle import MenuFull, UnknownGroup
from shared.catalog.model import (
    MAX_ITEMS,
    ImportMenu,
    Menu,
    MenuView,
    PutMenuItem,
    PutModifierGroup,
    SetItemAvailability,
    SetTaxes,
)
from shared.catalog.ports import Rate, ShopTerms
from shared.kernel.decision import By, Role
from shared.kernel.errors import Forbidden, Invalid, NotFound
from shared.kernel.facts import Fact, fact_of
from shared.kernel.ids import ItemId, KeyId, MenuId, MerchantId, ModifierGroupId, ModifierId, ShopId
from shared.kernel.money import Asset
from tests.naming import shown

NOON = datetime(2026, 5, 6, 12, tzinfo=UTC)
SHOP = ShopTerms(ShopId.new(), MerchantId.new(), "EUR", (Asset.BTC, Asset.ETH, Asset.USDC))
OAT, COW = ModifierId.new(), ModifierId.new()
MILK: dict[str, object] = {
    "name": "Milk",
    "min": 1,
    "max": 1,
    "modifiers": [
        {"modifier_id": COW, "name": "Cow's milk", "price_delta": "0"},
        {"modifier_id": OAT, "name": "Oat drink", "price_delta": "50"},
    ],
    "defaults": [COW],
}
FLAT_WHITE: dict[str, object] = {"name": "Flat white", "category": "Coffee", "price": "420", "sku": "flat-white"}


def group(**changes: object) -> PutModifierGroup:
    return PutModifierGroup.model_validate({**MILK, **changes})


def item(**changes: object) -> PutMenuItem:
    return PutMenuItem.model_validate({**FLAT_WHITE, **changes})


def after(menu: Menu | None, *facts: Fact) -> Menu:
    for fact in facts:
        menu = lifecycle.evolve(menu, fact_of(fact.type, fact.canonical))
    assert menu is not None
    return menu


@pytest.mark.parametrize(
    "changes",
    [
        {"min": 2},
        {"min": -1},
        {"min": True},
        {"max": 3},
        {"max": 0},
        {"modifiers": []},
        {"modifiers": [{"modifier_id": COW, "name": "a", "price_delta": "0"}] * 2},
        {"defaults": [ModifierId.new()]},
        {"defaults": [COW, COW]},
        {"defaults": [COW, OAT]},
        {"name": " "},
        {"modifiers": [{"modifier_id": COW, "name": "a", "price_delta": "-50"}]},
        {"modifiers": [{"modifier_id": COW, "name": "a", "price_delta": 0.5}]},
        {"colour": "red"},
    ],
    ids=shown,
)
def test_a_group_nobody_could_choose_from_is_refused(changes: dict[str, object]) -> None:
    with pytest.raises(ValidationError):
        group(**changes)


@pytest.mark.parametrize(
    "changes",
    [
        {"price": "-1"},
        {"price": 4.2},
        {"price": "4.20"},
        {"price": str(10**9 + 1)},
        {"name": ""},
        {"name": "a\u0000"},
        {"category": "\u200b\u0007"},
        {"category": "x" * 61},
        {"name": "\u0958" * 119},
        {"description": "x" * 501},
        {"sku": "Flat White"},
        {"modifier_groups": ["mod_1"]},
        {"modifier_groups": [ModifierGroupId("mod_" + "0" * 32)] * 2},
        {"allergens": ["milk", "milk"]},
        {"item_id": ItemId.new()},
    ],
    ids=shown,
)
def test_an_item_that_makes_no_sense_is_refused(changes: dict[str, object]) -> None:
    with pytest.raises(ValidationError):
        item(**changes)


def test_the_first_thing_put_makes_the_menu_of_its_shop() -> None:
    item_id = ItemId.new()
    menu = after(None, *lifecycle.put_item(None, item_id, item(), shop=SHOP))
    assert (menu.menu_id, menu.shop_id, menu.currency) == (MenuId.like(SHOP.shop_id), SHOP.shop_id, "EUR")
    assert [known.item_id for known in menu.items] == [item_id]


def test_a_replaced_item_keeps_its_place() -> None:
    first, second = ItemId.new(), ItemId.new()
    menu = after(None, *lifecycle.put_item(None, first, item(), shop=SHOP))
    menu = after(menu, *lifecycle.put_item(menu, second, item(name="Cortado"), shop=SHOP))
    menu = after(menu, *lifecycle.put_item(menu, first, item(price="450"), shop=SHOP))
    assert [(known.item_id, known.price) for known in menu.items] == [(first, 450), (second, 420)]


def test_an_item_names_only_groups_that_are_there() -> None:
    group_id = ModifierGroupId.new()
    command = item(modifier_groups=[group_id])
    with pytest.raises(UnknownGroup):
        lifecycle.put_item(None, ItemId.new(), command, shop=SHOP)
    menu = after(None, *lifecycle.put_group(None, group_id, group(), shop=SHOP))
    assert lifecycle.put_item(menu, ItemId.new(), command, shop=SHOP)


def test_a_choice_belongs_to_one_group() -> None:
    group_id = ModifierGroupId.new()
    menu = after(None, *lifecycle.put_group(None, group_id, group(), shop=SHOP))
    with pytest.raises(Invalid):
        lifecycle.put_group(menu, ModifierGroupId.new(), group(), shop=SHOP)
    assert lifecycle.put_group(menu, group_id, group(name="Milk or not"), shop=SHOP)


def test_an_item_asks_for_no_more_choices_than_an_order_can_name() -> None:
    many: dict[str, object] = {
        "min": 20,
        "max": 20,
        "defaults": [],
        "modifiers": [{"modifier_id": ModifierId.new(), "name": "c", "price_delta": "0"} for _ in range(20)],
    }
    one, other = ModifierGroupId.new(), ModifierGroupId.new()
    menu = after(None, *lifecycle.put_group(None, one, group(**many), shop=SHOP))
    menu = after(menu, *lifecycle.put_group(menu, other, group(), shop=SHOP))
    item_id = ItemId.new()
    menu = after(menu, *lifecycle.put_item(menu, item_id, item(modifier_groups=[one, other]), shop=SHOP))
    with pytest.raises(Invalid):
        lifecycle.put_group(menu, other, group(defaults=[]), shop=SHOP)
    menu = after(menu, *lifecycle.put_item(menu, item_id, item(modifier_groups=[one]), shop=SHOP))
    menu = after(menu, *lifecycle.put_group(menu, other, group(defaults=[]), shop=SHOP))
    with pytest.raises(Invalid):
        lifecycle.put_item(menu, item_id, item(modifier_groups=[one, other]), shop=SHOP)


def test_a_full_menu_takes_changes_and_nothing_new() -> None:
    ids = [ItemId.new() for _ in range(MAX_ITEMS)]
    menu = after(None, *lifecycle.import_menu(ImportMenu(items={i: item() for i in ids}), shop=SHOP))
    assert lifecycle.put_item(menu, ids[7], item(price="1"), shop=SHOP)
    with pytest.raises(MenuFull):
        lifecycle.put_item(menu, ItemId.new(), item(), shop=SHOP)


def test_an_import_replaces_everything_and_is_checked_as_a_whole() -> None:
    menu = after(None, *lifecycle.put_item(None, ItemId.new(), item(), shop=SHOP))
    group_id, item_id = ModifierGroupId.new(), ItemId.new()
    command = ImportMenu(items={item_id: item(modifier_groups=[group_id])}, groups={group_id: group()})
    menu = after(menu, *lifecycle.import_menu(command, shop=SHOP))
    assert ([known.item_id for known in menu.items], [g.group_id for g in menu.groups]) == ([item_id], [group_id])
    with pytest.raises(UnknownGroup):
        lifecycle.import_menu(ImportMenu(items=command.items), shop=SHOP)


def test_a_menu_is_changed_by_its_owner_or_a_manager_and_hidden_from_others() -> None:
    lifecycle.run_by(SHOP, By(KeyId.new(), frozenset({Role.MANAGER}), SHOP.merchant_id))
    with pytest.raises(Forbidden):
        lifecycle.run_by(SHOP, By(KeyId.new(), frozenset({Role.BARISTA}), SHOP.merchant_id))
    with pytest.raises(NotFound):
        lifecycle.run_by(SHOP, By(KeyId.new(), frozenset({Role.OWNER}), MerchantId.new()))


def test_prices_in_coins_are_rounded_up_and_stale_or_refused_coins_are_missing() -> None:
    menu = after(None, *lifecycle.put_item(None, ItemId.new(), item(), shop=SHOP))
    rates = {
        Asset.BTC: Rate(Decimal("55000.01"), NOON),
        Asset.ETH: Rate(Decimal("2000"), NOON - showing.FRESH_RATE),
        Asset.USDC: Rate(Decimal("0.93"), NOON - timedelta(seconds=90)),
        Asset.USDT: Rate(Decimal("0.93"), NOON),
    }
    view = showing.shown(menu, 3, shop=SHOP, rates=rates, now=NOON)
    assert {price.asset: price.units for price in view.items[0].prices} == {Asset.BTC: 7637, Asset.USDC: 4516130}
    assert {asset: rate.rate for asset, rate in view.rates.items()} == {Asset.BTC: "55000.01", Asset.USDC: "0.93"}
    assert view.version == 3
    assert MenuView.model_validate_json(view.model_dump_json()) == view


def test_prices_in_coins_are_at_the_rate_less_the_shops_spread() -> None:
    menu = after(None, *lifecycle.put_item(None, ItemId.new(), item(), shop=SHOP))
    rates = {Asset.BTC: Rate(Decimal("55000.01"), NOON), Asset.USDC: Rate(Decimal("0.93"), NOON)}
    shop = replace(SHOP, spread_bp={Asset.BTC: 150})
    view = showing.shown(menu, 3, shop=shop, rates=rates, now=NOON)
    assert {asset: rate.rate for asset, rate in view.rates.items()} == {Asset.BTC: "54175.00985", Asset.USDC: "0.93"}
    assert {price.asset: price.units for price in view.items[0].prices} == {Asset.BTC: 7753, Asset.USDC: 4516130}


@given(
    st.integers(0, 10**9),
    st.decimals("0.000001", "10000000", places=8),
    st.sampled_from([Asset.BTC, Asset.ETH, Asset.USDC, Asset.USDT]),
)
def test_a_price_in_coins_is_never_less_than_the_price_nor_a_unit_more_than_needed(
    cents: int, rate: Decimal, asset: Asset
) -> None:
    units = showing._in_coins(cents, asset, showing._worth(asset, rate, 2)).units
    owed = cents * 10**8 * 10**asset.decimals
    per_unit = 100 * int(rate * 10**8)
    assert units * per_unit >= owed
    assert (units - 1) * per_unit < owed or units == 0


class Menus(RuleBasedStateMachine):
    """Random changes: a menu stays one that can be ordered from, and its facts alone rebuild it."""

    def __init__(self) -> None:
        super().__init__()
        self.menu: Menu | None = None
        self.history: list[Fact] = []
        self.group_ids = [ModifierGroupId.new() for _ in range(3)]
        self.choices = {group_id: [ModifierId.new() for _ in range(4)] for group_id in self.group_ids}
        self.item_ids = [ItemId.new() for _ in range(4)]

    def _happen(self, facts: list[Fact]) -> None:
        self.menu = after(self.menu, *facts)
        self.history += facts

    @rule(number=st.integers(0, 2), size=st.integers(1, 4), least=st.integers(0, 4), default=st.booleans())
    def put_group(self, number: int, size: int, least: int, default: bool) -> None:
        group_id = self.group_ids[number]
        choices = self.choices[group_id][:size]
        try:
            command = PutModifierGroup.model_validate(
                {
                    "name": "Group",
                    "min": least,
                    "max": size,
                    "modifiers": [{"modifier_id": c, "name": "c", "price_delta": "1"} for c in choices],
                    "defaults": choices if default else [],
                }
            )
        except ValidationError:
            assert least > size
            return
        self._happen(list(lifecycle.put_group(self.menu, group_id, command, shop=SHOP)))

    @rule(number=st.integers(0, 3), groups=st.sets(st.integers(0, 2)))
    def put_item(self, number: int, groups: set[int]) -> None:
        group_ids = [self.group_ids[n] for n in sorted(groups)]
        try:
            facts = lifecycle.put_item(self.menu, self.item_ids[number], item(modifier_groups=group_ids), shop=SHOP)
        except UnknownGroup:
            known = {g.group_id for g in self.menu.groups} if self.menu else set()
            assert not set(group_ids) <= known
            return
        self._happen(list(facts))

    @rule(number=st.integers(0, 3))
    def archive(self, number: int) -> None:
        try:
            facts = lifecycle.archive_item(self.menu, self.item_ids[number], shop=SHOP)
        except NotFound:
            return
        self._happen(list(facts))

    @rule(number=st.integers(0, 3), out=st.booleans(), hours=st.one_of(st.none(), st.integers(1, 48)))
    def mark(self, number: int, out: bool, hours: int | None) -> None:
        until = NOON + timedelta(hours=hours) if out and hours else None
        command = SetItemAvailability(sold_out=out, until=until)
        try:
            facts = lifecycle.set_availability(self.menu, self.item_ids[number], command, shop=SHOP, now=NOON)
        except NotFound:
            return
        self._happen(list(facts))

    @rule(number=st.integers(0, 3), rate=st.integers(0, 10_000))
    def tax(self, number: int, rate: int) -> None:
        scope = {"items": [self.item_ids[number]]} if self._there(number) else {}
        tax = {"name": "VAT", "rate_bp": rate, "inclusion": "inclusive", **scope}
        if self.menu is not None:
            self._happen(list(lifecycle.set_taxes(self.menu, SetTaxes.model_validate({"taxes": [tax]}), shop=SHOP)))

    @rule(keep=st.sets(st.integers(0, 3), min_size=1))
    def import_some(self, keep: set[int]) -> None:
        command = ImportMenu(items={self.item_ids[number]: item() for number in sorted(keep)})
        self._happen(list(lifecycle.import_menu(command, shop=SHOP)))

    def _there(self, number: int) -> bool:
        return self.menu is not None and any(known.item_id == self.item_ids[number] for known in self.menu.items)

    @invariant()
    def only_what_is_on_the_menu_is_sold_out_and_each_once(self) -> None:
        if self.menu is not None:
            marked = [mark.item_id for mark in self.menu.sold_out]
            assert len(marked) == len(set(marked))
            assert set(marked) <= {known.item_id for known in self.menu.items}

    @invariant()
    def every_item_can_be_ordered(self) -> None:
        groups = {g.group_id: g for g in self.menu.groups} if self.menu else {}
        for known in self.menu.items if self.menu else ():
            for group_id in known.modifier_groups:
                assert 0 <= groups[group_id].min <= groups[group_id].max <= len(groups[group_id].modifiers)

    @invariant()
    def the_facts_alone_rebuild_it(self) -> None:
        if self.history:
            assert after(None, *self.history) == self.menu


TestMenus = Menus.TestCase
