"""What of a menu is sold when: archive_menu_item, set_item_availability, set_dayparts, and when clocks change."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta

import pytest
from hypothesis import given
from hypothesis import strategies as st
from pydantic import ValidationError

from shared.catalog import lifecycle, showing
from shared.catalog.facts import Daypart, MenuItem, Scope, closest, off_hours, sold_out
from shared.catalog.lifecycle import UnknownItem
from shared.catalog.model import ImportMenu, Menu, PutMenuItem, SetDayparts, SetItemAvailability
from shared.catalog.ports import ShopTerms
from shared.kernel.errors import Invalid, NotFound
from shared.kernel.facts import Fact, fact_of
from shared.kernel.hours import Opening
from shared.kernel.ids import ItemId, MerchantId, ModifierGroupId, ModifierId, ShopId
from shared.kernel.money import Asset
from tests.naming import shown

NOON = datetime(2026, 5, 6, 12, tzinfo=UTC)
"""A Wednesday; 14:00 in Berlin."""
SHOP = ShopTerms(ShopId.new(), MerchantId.new(), "EUR", (Asset.BTC,), timezone="Europe/Berlin")
WHITE, CAKE = ItemId.new(), ItemId.new()
MORNING: dict[str, object] = {"name": "Breakfast", "weekly": [{"weekday": 2, "opens": "07:00", "closes": "11:00"}]}


def item(**changes: object) -> PutMenuItem:
    return PutMenuItem.model_validate({"name": "Flat white", "category": "Coffee", "price": "420", **changes})


def sold(item_id: ItemId = WHITE, category: str = "Coffee") -> MenuItem:
    return MenuItem(item_id=item_id, name="x", category=category, price=1)


def after(menu: Menu | None, *facts: Fact) -> Menu:
    for fact in facts:
        menu = lifecycle.evolve(menu, fact_of(fact.type, fact.canonical))
    assert menu is not None
    return menu


def two() -> Menu:
    """A menu of a coffee and a cake."""
    command = ImportMenu(items={WHITE: item(), CAKE: item(name="Cake", category="Food")})
    return after(None, *lifecycle.import_menu(command, shop=SHOP))


def marked(menu: Menu, until: datetime | None = None, *, out: bool = True, now: datetime = NOON) -> Menu:
    command = SetItemAvailability(sold_out=out, until=until)
    return after(menu, *lifecycle.set_availability(menu, WHITE, command, shop=SHOP, now=now))


def parted(menu: Menu, *dayparts: dict[str, object]) -> Menu:
    command = SetDayparts.model_validate({"dayparts": dayparts})
    return after(menu, *lifecycle.set_dayparts(menu, command, shop=SHOP))


def on_sale(menu: Menu, now: datetime) -> dict[ItemId, bool]:
    view = showing.shown(menu, 1, shop=SHOP, rates={}, now=now)
    return {each.item_id: each.on_sale for each in view.items}


def test_an_archived_item_is_gone_with_its_mark_and_can_be_put_again() -> None:
    menu = marked(two())
    gone = after(menu, *lifecycle.archive_item(menu, WHITE, shop=SHOP))
    assert ([each.item_id for each in gone.items], gone.sold_out) == ([CAKE], ())
    with pytest.raises(NotFound):
        lifecycle.archive_item(gone, WHITE, shop=SHOP)
    with pytest.raises(NotFound):
        lifecycle.archive_item(None, WHITE, shop=SHOP)
    back = after(gone, *lifecycle.put_item(gone, WHITE, item(), shop=SHOP))
    assert [each.item_id for each in back.items] == [CAKE, WHITE]


def test_what_is_sold_out_is_there_again_by_itself_or_by_word() -> None:
    until = NOON + timedelta(hours=2)
    menu = marked(two(), until)
    assert on_sale(menu, until - timedelta(microseconds=1)) == {WHITE: False, CAKE: True}
    assert on_sale(menu, until) == {WHITE: True, CAKE: True}
    assert on_sale(marked(two()), NOON + timedelta(days=9999)) == {WHITE: False, CAKE: True}
    assert marked(menu, out=False).sold_out == ()
    assert showing.shown(menu, 1, shop=SHOP, rates={}, now=NOON).items[0].sold_out_until == until


def test_saying_it_again_is_no_new_version() -> None:
    until = NOON + timedelta(hours=2)
    menu = marked(two(), until)
    again = SetItemAvailability(sold_out=True, until=until)
    assert lifecycle.set_availability(menu, WHITE, again, shop=SHOP, now=NOON) == ()
    there = SetItemAvailability(sold_out=False)
    assert lifecycle.set_availability(two(), WHITE, there, shop=SHOP, now=NOON) == ()
    assert lifecycle.set_availability(menu, WHITE, SetItemAvailability(sold_out=True), shop=SHOP, now=NOON)


@pytest.mark.parametrize("until", [NOON, NOON - timedelta(days=1), NOON + timedelta(days=366, seconds=1)], ids=shown)
def test_an_until_that_is_over_or_years_away_is_refused(until: datetime) -> None:
    with pytest.raises(Invalid):
        marked(two(), until)


def test_only_what_is_on_the_menu_is_sold_out() -> None:
    out = SetItemAvailability(sold_out=True)
    for menu in (None, two()):
        with pytest.raises(NotFound):
            lifecycle.set_availability(menu, ItemId.new(), out, shop=SHOP, now=NOON)
    with pytest.raises(ValidationError):
        SetItemAvailability(sold_out=False, until=NOON)


def test_replacing_an_item_leaves_it_sold_out_and_an_import_keeps_the_marks_of_what_stays() -> None:
    menu = marked(two())
    menu = after(menu, *lifecycle.put_item(menu, WHITE, item(price="450"), shop=SHOP))
    assert on_sale(menu, NOON)[WHITE] is False
    kept = after(menu, *lifecycle.import_menu(ImportMenu(items={WHITE: item()}), shop=SHOP))
    assert len(kept.sold_out) == 1
    lost = after(menu, *lifecycle.import_menu(ImportMenu(items={CAKE: item()}), shop=SHOP))
    assert lost.sold_out == ()


def test_a_daypart_is_for_items_before_categories_before_all() -> None:
    every, food, cake = Scope(), Scope(categories=("Food",)), Scope(items=(CAKE,))
    assert closest((every, food, cake), sold(CAKE, "Food")) == (cake,)
    assert closest((every, food, cake), sold(WHITE, "Food")) == (food,)
    assert closest((every, food, cake), sold(WHITE, "Coffee")) == (every,)
    assert closest((food, cake), sold(WHITE, "Coffee")) == ()


def test_things_are_sold_at_their_hours_in_the_shops_own_time() -> None:
    menu = parted(two(), {**MORNING, "categories": ["Food"]})
    seven = datetime(2026, 5, 6, 5, tzinfo=UTC)  # 07:00 in Berlin
    assert on_sale(menu, seven - timedelta(microseconds=1)) == {WHITE: True, CAKE: False}
    assert on_sale(menu, seven) == {WHITE: True, CAKE: True}
    assert on_sale(menu, seven + timedelta(hours=4)) == {WHITE: True, CAKE: False}
    assert on_sale(menu, seven + timedelta(days=1)) == {WHITE: True, CAKE: False}
    always = {"name": "Cake", "weekly": [{"weekday": day, "opens": "00:00", "closes": "24:00"} for day in range(7)]}
    menu = parted(menu, {**MORNING, "categories": ["Food"]}, {**always, "items": [CAKE]})
    assert on_sale(menu, NOON) == {WHITE: True, CAKE: True}
    assert parted(menu).dayparts == ()


@pytest.mark.parametrize(
    ("moment", "span", "open_"),
    [
        ("2026-03-29T00:59:59Z", ("01:00", "03:00"), True),  # 01:59:59, the last second of winter
        ("2026-03-29T01:00:00Z", ("01:00", "03:00"), False),  # 03:00 at once
        ("2026-03-29T01:10:00Z", ("02:15", "02:45"), False),  # 03:10, and there was no 02:15
        ("2026-03-29T01:20:00Z", ("02:15", "02:45"), True),  # moved on by the hour that is missing
        ("2026-03-29T01:45:00Z", ("02:15", "02:45"), False),
        ("2026-03-29T01:20:00Z", ("02:15", "04:00"), True),
        ("2026-10-25T00:30:00Z", ("02:00", "03:00"), True),  # 02:30, for the first time
        ("2026-10-25T01:30:00Z", ("02:00", "03:00"), True),  # 02:30, for the second time
        ("2026-10-25T02:00:00Z", ("02:00", "03:00"), False),  # 03:00
        ("2026-10-25T01:30:00Z", ("01:00", "02:30"), False),  # over since the first 02:30
    ],
)
def test_nights_on_which_clocks_change_are_counted_right(moment: str, span: tuple[str, str], open_: bool) -> None:
    weekly = (Opening(weekday=6, opens=span[0], closes=span[1]),)
    closed = off_hours(sold(), (Daypart(name="Night", weekly=weekly),), SHOP.timezone, datetime.fromisoformat(moment))
    assert (not closed) is open_


@pytest.mark.parametrize(
    "changes",
    [
        {"weekly": []},
        {"weekly": [{"weekday": 2, "opens": "11:00", "closes": "11:00"}]},
        {"weekly": [{"weekday": 2, "opens": "07:00", "closes": "11:00"}] * 2},
        {"weekly": [{"weekday": 7, "opens": "07:00", "closes": "11:00"}]},
        {"name": ""},
        {"items": [WHITE, WHITE]},
        {"categories": [" "]},
        {"timezone": "Europe/Berlin"},
    ],
    ids=shown,
)
def test_a_daypart_that_makes_no_sense_is_refused(changes: dict[str, object]) -> None:
    with pytest.raises(ValidationError):
        SetDayparts.model_validate({"dayparts": [{**MORNING, **changes}]})


def test_dayparts_are_told_apart_and_name_items_that_are_there() -> None:
    with pytest.raises(ValidationError):
        SetDayparts.model_validate({"dayparts": [MORNING, MORNING]})
    with pytest.raises(UnknownItem):
        parted(two(), {**MORNING, "items": [ItemId.new()]})
    with pytest.raises(NotFound):
        lifecycle.set_dayparts(None, SetDayparts(dayparts=()), shop=SHOP)
    command = ImportMenu.model_validate({"items": {WHITE: item()}, "dayparts": [{**MORNING, "items": [CAKE]}]})
    with pytest.raises(UnknownItem):
        lifecycle.import_menu(command, shop=SHOP)


def test_an_import_leaves_dayparts_alone_unless_it_brings_some() -> None:
    menu = parted(two(), MORNING)
    plain = after(menu, *lifecycle.import_menu(ImportMenu(items={WHITE: item()}), shop=SHOP))
    assert plain.dayparts == menu.dayparts
    none = after(menu, *lifecycle.import_menu(ImportMenu(items={WHITE: item()}, dayparts=()), shop=SHOP))
    assert none.dayparts == ()


def test_an_item_without_enough_to_choose_from_is_not_on_sale() -> None:
    milk, cow, oat = ModifierGroupId.new(), ModifierId.new(), ModifierId.new()

    def put(*available: bool) -> Menu:
        choices = [
            {"modifier_id": each, "name": "x", "price_delta": "0", "available": there}
            for each, there in zip((cow, oat), available, strict=True)
        ]
        group = {"name": "Milk", "min": 1, "max": 1, "modifiers": choices}
        items = {WHITE: item(modifier_groups=[milk]), CAKE: item(name="Cake")}
        command = ImportMenu.model_validate({"items": items, "groups": {milk: group}})
        return after(None, *lifecycle.import_menu(command, shop=SHOP))

    assert on_sale(put(False, True), NOON) == {WHITE: True, CAKE: True}
    assert on_sale(put(False, False), NOON) == {WHITE: False, CAKE: True}


@given(st.integers(0, 14 * 24 * 60), st.integers(0, 600))
def test_what_is_shown_is_true_until_it_says_it_ends(minutes: int, later_s: int) -> None:
    until = NOON + timedelta(days=3, minutes=7)
    menu = marked(parted(two(), {**MORNING, "categories": ["Food"]}), until)
    now = NOON + timedelta(minutes=minutes)
    ends = showing.true_until(menu, timezone=SHOP.timezone, now=now, most=now + timedelta(minutes=10))
    assert now < ends <= now + timedelta(minutes=10)
    then = now + timedelta(seconds=later_s)
    if then < ends:
        assert on_sale(menu, then) == on_sale(menu, now)


def test_a_mark_is_found_by_its_item() -> None:
    menu = marked(two())
    assert sold_out(menu.items[0], menu.sold_out, NOON) == menu.sold_out[0]
    assert sold_out(menu.items[1], menu.sold_out, NOON) is None
