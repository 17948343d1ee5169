"""The rules of a menu. Pure: a rule takes the state and what is known, returns facts or refuses.

There is always one menu to a shop, `mnu_…` of the same digits; its first item or group makes it.
"""

from collections.abc import Sequence
from datetime import datetime, timedelta
from typing import Final

from shared.catalog import facts
from shared.catalog.facts import ItemImage, MenuItem, ModifierGroup, Scope, SoldOutMark
from shared.catalog.model import (
    MAX_CHOICES,
    MAX_GROUPS,
    MAX_ITEMS,
    ImportMenu,
    Menu,
    MenuChange,
    PutMenuItem,
    PutModifierGroup,
    SetDayparts,
    SetItemAvailability,
    SetTaxes,
)
from shared.catalog.ports import ShopTerms
from shared.kernel.decision import By, Role
from shared.kernel.errors import Bug, Conflict, Forbidden, Invalid, NotFound
from shared.kernel.facts import Fact
from shared.kernel.ids import ItemId, MenuId, ModifierGroupId

MAX_AHEAD: Final = timedelta(days=366)
"""As far ahead may an item be marked as sold out."""


class MenuFull(Conflict):
    """The menu has as many items or groups as a menu may have."""

    type = "menu-full"
    title = "The menu is full"


class UnknownGroup(Invalid):
    """An item names a modifier group that the menu does not have."""

    type = "unknown-modifier-group"
    title = "The menu has no such modifier group"


class UnknownItem(Invalid):
    """Something names an item that the menu does not have."""

    type = "unknown-menu-item"
    title = "The menu has no such item"


def run_by(shop: ShopTerms, by: By) -> None:
    """Raise NotFound unless the caller works for the shop, Forbidden unless as its owner or manager."""
    staffed(shop, by)
    if not by.roles & {Role.OWNER, Role.MANAGER}:
        raise Forbidden("Only its owner or a manager changes a menu.")


def staffed(shop: ShopTerms, by: By) -> None:
    """Raise NotFound unless the caller works for the shop, in any role."""
    if not by.staff_of(shop.merchant_id, shop.shop_id):
        raise NotFound("There is no such shop among yours.")


def put_item(menu: Menu | None, item_id: ItemId, command: PutMenuItem, *, shop: ShopTerms) -> Sequence[Fact]:
    """Return the facts of an item added or replaced. Raises UnknownGroup, MenuFull."""
    items, groups = (menu.items, menu.groups) if menu else ((), ())
    item = command.item(item_id)
    _can_be_ordered((item,), groups)
    if len(items) >= MAX_ITEMS and all(known.item_id != item_id for known in items):
        raise MenuFull(f"A menu has at most {MAX_ITEMS} items.")
    return (facts.MenuItemPut(**_of(shop), item=item),)


def put_group(
    menu: Menu | None, group_id: ModifierGroupId, command: PutModifierGroup, *, shop: ShopTerms
) -> Sequence[Fact]:
    """Return the facts of a modifier group added or replaced. Raises MenuFull, Invalid."""
    groups = menu.groups if menu else ()
    if len(groups) >= MAX_GROUPS and all(known.group_id != group_id for known in groups):
        raise MenuFull(f"A menu has at most {MAX_GROUPS} modifier groups.")
    group = command.group(group_id)
    after = (*(known for known in groups if known.group_id != group_id), group)
    _choices_are_told_apart(after)
    _can_be_ordered([item for item in (menu.items if menu else ()) if group_id in item.modifier_groups], after)
    return (facts.ModifierGroupPut(**_of(shop), group=group),)


def import_menu(command: ImportMenu, *, shop: ShopTerms) -> Sequence[Fact]:
    """Return the facts of a menu that replaces the present one. Raises UnknownGroup, Invalid."""
    items = tuple(item.item(item_id) for item_id, item in command.items.items())
    groups = tuple(group.group(group_id) for group_id, group in command.groups.items())
    _can_be_ordered(items, groups)
    _choices_are_told_apart(groups)
    dayparts = None if command.dayparts is None else tuple(daypart.daypart() for daypart in command.dayparts)
    taxes = None if command.taxes is None else tuple(tax.tax() for tax in command.taxes)
    for scope in (*(dayparts or ()), *(taxes or ())):
        items_exist(scope, items)
    return (facts.MenuImported(**_of(shop), items=items, groups=groups, dayparts=dayparts, taxes=taxes),)


def archive_item(menu: Menu | None, item_id: ItemId, *, shop: ShopTerms) -> Sequence[Fact]:
    """Return the facts of an item that is sold no more. Raises NotFound."""
    _item(menu, item_id)
    return (facts.MenuItemArchived(**_of(shop), item_id=item_id),)


def set_availability(
    menu: Menu | None, item_id: ItemId, command: SetItemAvailability, *, shop: ShopTerms, now: datetime
) -> Sequence[Fact]:
    """Return the facts of an item being sold out, or there again; none where that is said already.

    Raises NotFound, Invalid for a time that is over or more than MAX_AHEAD away.
    """
    menu = _item(menu, item_id)
    if command.until is not None and not now < command.until <= now + MAX_AHEAD:
        raise Invalid(f"`until` lies ahead, and at most {MAX_AHEAD.days} days.")
    said = next((mark for mark in menu.sold_out if mark.item_id == item_id), None)
    if (said is not None) == command.sold_out and (said is None or said.until == command.until):
        return ()
    return (facts.ItemAvailabilitySet(**_of(shop), item_id=item_id, sold_out=command.sold_out, until=command.until),)


def set_image(menu: Menu | None, item_id: ItemId, key: str | None, *, shop: ShopTerms) -> Sequence[Fact]:
    """Return the facts of an item having this picture, or none; none where it is so already. Raises NotFound."""
    menu = _item(menu, item_id)
    if key == next((image.key for image in menu.images if image.item_id == item_id), None):
        return ()
    return (facts.ItemImageSet(**_of(shop), item_id=item_id, key=key),)


def set_dayparts(menu: Menu | None, command: SetDayparts, *, shop: ShopTerms) -> Sequence[Fact]:
    """Return the facts of the hours at which things are sold. Raises NotFound where there is no menu, UnknownItem."""
    if menu is None:
        raise NotFound("This shop has no menu yet.")
    dayparts = tuple(daypart.daypart() for daypart in command.dayparts)
    for daypart in dayparts:
        items_exist(daypart, menu.items)
    return (facts.DaypartsSet(**_of(shop), dayparts=dayparts),)


def set_taxes(menu: Menu | None, command: SetTaxes, *, shop: ShopTerms) -> Sequence[Fact]:
    """Return the facts of how things are taxed. Raises NotFound where there is no menu, UnknownItem."""
    if menu is None:
        raise NotFound("This shop has no menu yet.")
    taxes = tuple(tax.tax() for tax in command.taxes)
    for tax in taxes:
        items_exist(tax, menu.items)
    return (facts.TaxesSet(**_of(shop), taxes=taxes),)


def _item(menu: Menu | None, item_id: ItemId) -> Menu:
    """Return the menu. Raises NotFound unless the item is on it."""
    if menu is None or all(known.item_id != item_id for known in menu.items):
        raise NotFound("There is no such item on the menu.")
    return menu


def items_exist(scope: Scope, items: Sequence[MenuItem]) -> None:
    """Raise UnknownItem where a rule is for an item that is not there."""
    missing = sorted(set(scope.items) - {item.item_id for item in items})
    if missing:
        raise UnknownItem("Put the items on the menu first.", items=missing)


def _can_be_ordered(items: Sequence[MenuItem], groups: Sequence[ModifierGroup]) -> None:
    """Refuse items with a group that is not there, or with more choices to make than a line of an order takes."""
    known = {group.group_id: group for group in groups}
    for item in items:
        missing = [group_id for group_id in item.modifier_groups if group_id not in known]
        if missing:
            raise UnknownGroup("Put the modifier groups of an item first.", item_id=item.item_id, groups=missing)
        own = [known[group_id] for group_id in item.modifier_groups]
        if sum(group.min for group in own if not group.defaults) > MAX_CHOICES:
            raise Invalid(
                f"A line of an order takes {MAX_CHOICES} choices; this item asks for more.", item_id=item.item_id
            )


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
    if not isinstance(fact, facts.MenuFact):
        raise Bug(f"a menu does not know {fact.type}")
    menu = menu or Menu(
        menu_id=fact.menu_id, shop_id=fact.shop_id, merchant_id=fact.merchant_id, currency=fact.currency
    )
    return menu.model_copy(update=_changes(menu, fact))


def _changes(menu: Menu, fact: facts.MenuFact) -> dict[str, object]:
    match fact:
        case facts.MenuItemPut():
            return {"items": _replaced(menu.items, fact.item)}
        case facts.ModifierGroupPut():
            return {"groups": _regrouped(menu.groups, fact.group)}
        case facts.MenuImported():
            kept = {item.item_id for item in fact.items}
            return {
                "items": fact.items,
                "groups": fact.groups,
                "sold_out": tuple(mark for mark in menu.sold_out if mark.item_id in kept),
                "images": tuple(image for image in menu.images if image.item_id in kept),
                "dayparts": menu.dayparts if fact.dayparts is None else fact.dayparts,
                "taxes": menu.taxes if fact.taxes is None else fact.taxes,
            }
        case facts.MenuItemArchived():
            return {
                "items": tuple(item for item in menu.items if item.item_id != fact.item_id),
                "sold_out": _unmarked(menu, fact.item_id),
                "images": _without_image(menu, fact.item_id),
            }
        case facts.ItemAvailabilitySet():
            marked = (SoldOutMark(item_id=fact.item_id, until=fact.until),) if fact.sold_out else ()
            return {"sold_out": (*_unmarked(menu, fact.item_id), *marked)}
        case facts.DaypartsSet():
            return {"dayparts": fact.dayparts}
        case facts.TaxesSet():
            return {"taxes": fact.taxes}
        case facts.ItemImageSet():
            own = () if fact.key is None else (ItemImage(item_id=fact.item_id, key=fact.key),)
            return {"images": (*_without_image(menu, fact.item_id), *own)}
    raise Bug(f"a menu does not know {fact.type}")


def _without_image(menu: Menu, item_id: ItemId) -> tuple[ItemImage, ...]:
    return tuple(image for image in menu.images if image.item_id != item_id)


def _unmarked(menu: Menu, item_id: ItemId) -> tuple[SoldOutMark, ...]:
    return tuple(mark for mark in menu.sold_out if mark.item_id != item_id)


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
