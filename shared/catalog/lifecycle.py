"""The rules of a menu. Pure: a rule takes the state and what is known, returns facts or refuses.

There is always one menu to a shop, `mnu_…` of the same digits; its first item or group makes it.
"""

from collections.abc import Mapping, Sequence
from datetime import datetime, timedelta
from decimal import Decimal
from typing import Final

from shared.catalog import facts
from shared.catalog.facts import MenuItem, ModifierGroup
from shared.catalog.model import (
    MAX_GROUPS,
    MAX_ITEMS,
    ImportMenu,
    LiveRate,
    Menu,
    MenuChange,
    MenuView,
    PutMenuItem,
    PutModifierGroup,
    ShownItem,
)
from shared.catalog.ports import Rate, ShopTerms
from shared.kernel.decision import By, Role
from shared.kernel.errors import Bug, Conflict, Forbidden, Invalid, NotFound
from shared.kernel.facts import Fact
from shared.kernel.ids import ItemId, MenuId, ModifierGroupId
from shared.kernel.money import MINOR_DIGITS, Asset, Money

FRESH_RATE: Final = timedelta(minutes=2)
"""An older rate is not shown: nobody would get that price."""


class MenuFull(Conflict):
    """The menu has as many items or groups as a menu may have."""

    type = "menu-full"
    title = "The menu is full"


class UnknownGroup(Invalid):
    """An item names a modifier group that the menu does not have."""

    type = "unknown-modifier-group"
    title = "The menu has no such modifier group"


def run_by(shop: ShopTerms, by: By) -> None:
    """Raise NotFound unless the caller works for the shop, Forbidden unless as its owner or manager."""
    if not by.staff_of(shop.merchant_id):
        raise NotFound("There is no such shop among yours.")
    if not by.roles & {Role.OWNER, Role.MANAGER}:
        raise Forbidden("Only its owner or a manager changes a menu.")


def put_item(menu: Menu | None, item_id: ItemId, command: PutMenuItem, *, shop: ShopTerms) -> Sequence[Fact]:
    """Return the facts of an item added or replaced. Raises UnknownGroup, MenuFull."""
    items, groups = (menu.items, menu.groups) if menu else ((), ())
    item = command.item(item_id)
    _groups_exist((item,), groups)
    if len(items) >= MAX_ITEMS and all(known.item_id != item_id for known in items):
        raise MenuFull(f"A menu has at most {MAX_ITEMS} items.")
    return (facts.MenuItemPut(**_of(shop), item=item),)


def put_group(
    menu: Menu | None, group_id: ModifierGroupId, command: PutModifierGroup, *, shop: ShopTerms
) -> Sequence[Fact]:
    """Return the facts of a modifier group added or replaced. Raises MenuFull."""
    groups = menu.groups if menu else ()
    if len(groups) >= MAX_GROUPS and all(known.group_id != group_id for known in groups):
        raise MenuFull(f"A menu has at most {MAX_GROUPS} modifier groups.")
    group = command.group(group_id)
    _choices_are_told_apart((*(known for known in groups if known.group_id != group_id), group))
    return (facts.ModifierGroupPut(**_of(shop), group=group),)


def import_menu(command: ImportMenu, *, shop: ShopTerms) -> Sequence[Fact]:
    """Return the facts of a menu that replaces the present one. Raises UnknownGroup, Invalid."""
    items = tuple(item.item(item_id) for item_id, item in command.items.items())
    groups = tuple(group.group(group_id) for group_id, group in command.groups.items())
    _groups_exist(items, groups)
    _choices_are_told_apart(groups)
    return (facts.MenuImported(**_of(shop), items=items, groups=groups),)


def _groups_exist(items: Sequence[MenuItem], groups: Sequence[ModifierGroup]) -> None:
    known = {group.group_id for group in groups}
    for item in items:
        missing = [group_id for group_id in item.modifier_groups if group_id not in known]
        if missing:
            raise UnknownGroup("Put the modifier groups of an item first.", item_id=item.item_id, groups=missing)


def _choices_are_told_apart(groups: Sequence[ModifierGroup]) -> None:
    """Refuse a choice that two groups have: an order names choices alone."""
    seen: set[str] = set()
    for group in groups:
        chosen = {modifier.modifier_id for modifier in group.modifiers}
        if seen & chosen:
            raise Invalid("A choice belongs to one group only.", modifiers=sorted(seen & chosen))
        seen |= chosen


def _of(shop: ShopTerms) -> dict[str, str]:
    return {
        "menu_id": MenuId.like(shop.shop_id),
        "shop_id": shop.shop_id,
        "merchant_id": shop.merchant_id,
        "currency": shop.currency,
    }


def evolve(menu: Menu | None, fact: Fact) -> Menu:
    """Return the state after `fact`. Total over the facts of this service; anything else is a Bug."""
    match fact:
        case facts.MenuItemPut():
            menu = menu or _empty(fact)
            return menu.model_copy(update={"items": _replaced(menu.items, fact.item)})
        case facts.ModifierGroupPut():
            menu = menu or _empty(fact)
            return menu.model_copy(update={"groups": _regrouped(menu.groups, fact.group)})
        case facts.MenuImported():
            return (menu or _empty(fact)).model_copy(update={"items": fact.items, "groups": fact.groups})
    raise Bug(f"a menu does not know {fact.type}")


def _empty(fact: facts.MenuItemPut | facts.ModifierGroupPut | facts.MenuImported) -> Menu:
    return Menu(menu_id=fact.menu_id, shop_id=fact.shop_id, merchant_id=fact.merchant_id, currency=fact.currency)


def _replaced(items: tuple[MenuItem, ...], item: MenuItem) -> tuple[MenuItem, ...]:
    if all(known.item_id != item.item_id for known in items):
        return (*items, item)
    return tuple(item if known.item_id == item.item_id else known for known in items)


def _regrouped(groups: tuple[ModifierGroup, ...], group: ModifierGroup) -> tuple[ModifierGroup, ...]:
    if all(known.group_id != group.group_id for known in groups):
        return (*groups, group)
    return tuple(group if known.group_id == group.group_id else known for known in groups)


def changed(menu: Menu, version: int) -> MenuChange:
    """Return what is said after a change."""
    return MenuChange(
        menu_id=menu.menu_id, shop_id=menu.shop_id, version=version, items=len(menu.items), groups=len(menu.groups)
    )


def shown(menu: Menu, version: int, *, shop: ShopTerms, rates: Mapping[Asset, Rate], now: datetime) -> MenuView:
    """Return the menu as customers see it, with prices in the coins that the shop takes and that have a fresh rate.

    They are what a quote would say: at the rate less the shop's spread.

    Built often, from parts that are valid already: they are put together without being validated again.
    """
    fresh = {
        asset: _less(rates[asset], shop.spread_bp.get(asset, 0))
        for asset in shop.accepts
        if asset in rates and rates[asset].at > now - FRESH_RATE
    }
    worth = {asset: _worth(asset, rate.rate, MINOR_DIGITS[menu.currency]) for asset, rate in fresh.items()}
    return MenuView.model_construct(
        menu_id=menu.menu_id,
        shop_id=menu.shop_id,
        version=version,
        currency=menu.currency,
        rates={asset: LiveRate.model_construct(rate=f"{rate.rate:f}", at=rate.at) for asset, rate in fresh.items()},
        items=tuple(
            ShownItem.model_construct(
                **dict(item), prices=tuple(_in_coins(item.price, asset, ratio) for asset, ratio in worth.items())
            )
            for item in menu.items
        ),
        groups=menu.groups,
    )


def _less(rate: Rate, spread_bp: int) -> Rate:
    return Rate(rate.rate * (10_000 - spread_bp) / 10_000, rate.at) if spread_bp else rate


Ratio = tuple[int, int]
"""Base units of a coin per minor unit of a currency, as numerator and denominator."""


def _worth(asset: Asset, rate: Decimal, digits: int) -> Ratio:
    """Return what one minor unit is worth at `rate`, fiat per whole coin; `digits` are those of the currency."""
    fiat, coins = rate.as_integer_ratio()
    return coins * 10**asset.decimals, fiat * 10**digits


def _in_coins(minor_units: int, asset: Asset, worth: Ratio) -> Money:
    """Return a fiat price in a coin, rounded up: never less than the price."""
    numerator, denominator = worth
    return Money.model_construct(asset=asset, units=-(-minor_units * numerator // denominator))
