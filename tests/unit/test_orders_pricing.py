"""What an order's lines cost by a version of the menu, and what is told about a version that is no longer present."""

from __future__ import annotations

from dataclasses import replace
from datetime import UTC, datetime, timedelta

import pytest
from hypothesis import given
from hypothesis import strategies as st

from shared.catalog.facts import Daypart, MenuItem, Modifier, ModifierGroup, SoldOutMark
from shared.kernel.hours import Opening
from shared.kernel.ids import ItemId, ModifierGroupId, ModifierId, ShopId
from shared.orders import pricing
from shared.orders.model import LineRequest, PlaceOrder
from shared.orders.ports import PricedMenu

NOON = datetime(2026, 5, 6, 12, tzinfo=UTC)
"""A Wednesday; 14:00 in Berlin."""
BERLIN = "Europe/Berlin"
OAT = Modifier(modifier_id=ModifierId.new(), name="Oat", price_delta=50)
COW = Modifier(modifier_id=ModifierId.new(), name="Cow", price_delta=0)
MILK = ModifierGroup(
    group_id=ModifierGroupId.new(), name="Milk", min=1, max=1, modifiers=(OAT, COW), defaults=(COW.modifier_id,)
)
LATTE = MenuItem(
    item_id=ItemId.new(), name="Latte", category="Coffee", price=400, sku="latte", modifier_groups=(MILK.group_id,)
)
CAKE = MenuItem(item_id=ItemId.new(), name="Cake", category="Food", price=350)
MORNING = Daypart(name="Breakfast", weekly=(Opening(weekday=2, opens="07:00", closes="11:00"),), categories=("Food",))


def menu(*items: MenuItem, version: int = 7, milk: ModifierGroup = MILK) -> PricedMenu:
    return PricedMenu(
        ShopId("shp_" + "0" * 32), version, "EUR", {item.item_id: item for item in items}, {milk.group_id: milk}
    )


MENU = menu(LATTE, CAKE)


def line(item: MenuItem = LATTE, *modifiers: ModifierId, quantity: int = 1) -> LineRequest:
    return LineRequest(item_id=item.item_id, quantity=quantity, modifiers=modifiers)


def told(now: PricedMenu, *lines: LineRequest, before: PricedMenu = MENU) -> list[dict[str, object]]:
    """What an order by the menu `before` is told where the present one is `now`."""
    wanted = PlaceOrder(shop_id=MENU.shop_id, menu_version=before.version, lines=lines or (line(),))
    with pytest.raises(pricing.MenuChanged) as refused:
        pricing.must_be_present(wanted, before, replace(now, version=8), timezone=BERLIN, at=NOON)
    assert refused.value.fields["menu_version"] == 8
    changes = refused.value.fields["changes"]
    assert isinstance(changes, list)
    return changes


def test_an_order_by_the_present_version_or_none_is_priced() -> None:
    for version in (7, None):
        wanted = PlaceOrder(shop_id=MENU.shop_id, menu_version=version, lines=(line(),))
        pricing.must_be_present(wanted, None, MENU, timezone=BERLIN, at=NOON)


def test_a_version_that_never_was_is_refused_without_a_difference() -> None:
    wanted = PlaceOrder(shop_id=MENU.shop_id, menu_version=9, lines=(line(),))
    with pytest.raises(pricing.MenuChanged) as refused:
        pricing.must_be_present(wanted, None, MENU, timezone=BERLIN, at=NOON)
    assert refused.value.fields == {"menu_version": 7, "changes": []}


def test_a_change_of_something_else_is_no_difference() -> None:
    assert told(menu(LATTE, CAKE.model_copy(update={"price": 999}))) == []
    assert told(menu(LATTE.model_copy(update={"name": "Caffè latte"}), CAKE)) == []


def test_a_changed_price_is_told_with_both() -> None:
    dearer = menu(LATTE.model_copy(update={"price": 420}), CAKE)
    change = {"item_id": LATTE.item_id, "change": "price", "before": "400", "now": "420"}
    assert told(dearer) == [change]
    assert told(dearer, line(), line(quantity=3), line(CAKE)) == [change]


def test_an_item_that_is_gone_or_can_not_be_ordered_now_is_told() -> None:
    assert told(menu(CAKE)) == [{"item_id": LATTE.item_id, "change": "gone"}]
    off = menu(LATTE.model_copy(update={"available": False}))
    out = replace(MENU, sold_out=(SoldOutMark(item_id=LATTE.item_id, until=NOON + timedelta(hours=1)),))
    unavailable = [{"item_id": LATTE.item_id, "change": "unavailable"}]
    assert told(off) == told(out) == unavailable
    assert told(MENU, before=out) == [{"item_id": LATTE.item_id, "change": "available"}]
    closed = replace(MENU, dayparts=(MORNING,))
    assert told(closed, line(CAKE), line()) == [{"item_id": CAKE.item_id, "change": "unavailable"}]


def test_what_time_alone_changed_is_no_difference() -> None:
    over = replace(MENU, sold_out=(SoldOutMark(item_id=LATTE.item_id, until=NOON),))
    assert told(MENU, before=over) == []


def test_choices_are_compared_as_the_order_takes_them() -> None:
    dearer = OAT.model_copy(update={"price_delta": 60})
    changed = menu(LATTE, milk=MILK.model_copy(update={"modifiers": (dearer, COW)}))
    of_oat = {"item_id": LATTE.item_id, "modifier_id": OAT.modifier_id}
    assert told(changed, line(LATTE, OAT.modifier_id)) == [
        {**of_oat, "change": "price", "before": "50", "now": "60"},
    ]
    assert told(changed, line()) == []
    gone = menu(LATTE, milk=MILK.model_copy(update={"modifiers": (COW,)}))
    assert {**of_oat, "change": "gone"} in told(gone, line(LATTE, OAT.modifier_id))
    out = OAT.model_copy(update={"available": False})
    unavailable = menu(LATTE, milk=MILK.model_copy(update={"modifiers": (out, COW)}))
    assert told(unavailable, line(LATTE, OAT.modifier_id)) == [{**of_oat, "change": "unavailable"}]


def test_what_is_chosen_for_who_chose_nothing_is_compared_too() -> None:
    dearer = COW.model_copy(update={"price_delta": 20})
    default = menu(LATTE, milk=MILK.model_copy(update={"modifiers": (OAT, dearer)}))
    of_cow = {"item_id": LATTE.item_id, "modifier_id": COW.modifier_id}
    assert told(default) == [{**of_cow, "change": "price", "before": "0", "now": "20"}]
    choices = [{"item_id": LATTE.item_id, "change": "choices", "group_id": MILK.group_id}]
    assert told(menu(LATTE, milk=MILK.model_copy(update={"defaults": (OAT.modifier_id,)}))) == choices
    assert told(menu(LATTE, milk=MILK.model_copy(update={"max": 2}))) == choices
    assert told(menu(LATTE.model_copy(update={"modifier_groups": ()}))) == choices
    plain = menu(LATTE.model_copy(update={"modifier_groups": ()}))
    assert told(MENU, before=plain) == choices


def test_what_is_sold_out_is_refused_with_when_it_is_there_again() -> None:
    until = NOON + timedelta(hours=1)
    out = replace(MENU, sold_out=(SoldOutMark(item_id=LATTE.item_id, until=until),))
    with pytest.raises(pricing.NotSoldNow) as refused:
        pricing.priced(line(), out, timezone=BERLIN, at=NOON)
    assert refused.value.fields == {"item_id": LATTE.item_id, "sold_out_until": "2026-05-06T13:00:00Z"}
    assert pricing.priced(line(), out, timezone=BERLIN, at=until).total == 400
    for_good = replace(MENU, sold_out=(SoldOutMark(item_id=LATTE.item_id),))
    with pytest.raises(pricing.NotSoldNow) as refused:
        pricing.priced(line(), for_good, timezone=BERLIN, at=until)
    assert refused.value.fields == {"item_id": LATTE.item_id}


def test_what_is_sold_at_other_hours_is_refused_with_them() -> None:
    parted = replace(MENU, dayparts=(MORNING,))
    with pytest.raises(pricing.NotSoldNow) as refused:
        pricing.priced(line(CAKE), parted, timezone=BERLIN, at=NOON)
    weekly = [{"weekday": 2, "opens": "07:00", "closes": "11:00"}]
    assert refused.value.fields == {"item_id": CAKE.item_id, "dayparts": [{"name": "Breakfast", "weekly": weekly}]}
    assert pricing.priced(line(CAKE), parted, timezone=BERLIN, at=NOON - timedelta(hours=4)).total == 350
    assert pricing.priced(line(), parted, timezone=BERLIN, at=NOON).total == 400


prices = st.integers(0, 500)


@given(prices, prices, prices, prices, st.booleans(), st.integers(1, 5))
def test_where_no_difference_is_told_the_price_is_the_same(
    old: int, new: int, old_oat: int, new_oat: int, oat: bool, quantity: int
) -> None:
    def version(price: int, delta: int) -> PricedMenu:
        milk = MILK.model_copy(update={"modifiers": (OAT.model_copy(update={"price_delta": delta}), COW)})
        return menu(LATTE.model_copy(update={"price": price}), milk=milk)

    wanted = line(LATTE, *([OAT.modifier_id] if oat else []), quantity=quantity)
    before, now = version(old, old_oat), version(new, new_oat)
    totals = [pricing.priced(wanted, each, timezone=BERLIN, at=NOON).total for each in (before, now)]
    changes = pricing.changes((wanted,), before, now, timezone=BERLIN, at=NOON)
    assert changes or totals[0] == totals[1]
    assert {change.change for change in changes} <= {"price"}
