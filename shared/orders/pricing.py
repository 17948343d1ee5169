"""What an order's lines cost by one version of a menu, and what became different since another. Pure; integers only."""

from collections.abc import Iterable, Iterator, Mapping, Sequence
from datetime import datetime
from typing import Literal

from shared.catalog.facts import MenuItem, Modifier, ModifierGroup, closest, off_hours, sold_out
from shared.kernel.clock import rfc3339
from shared.kernel.errors import Conflict, Invalid
from shared.kernel.ids import ItemId, ModifierGroupId, ModifierId
from shared.kernel.money import Frozen, Units
from shared.orders.discounts import OfferedDiscount, discounted
from shared.orders.facts import ChosenModifier, OrderLine
from shared.orders.model import LineRequest, PlaceOrder
from shared.orders.ports import PricedMenu
from shared.orders.taxes import taxed


class MenuChanged(Conflict):
    """The prices the customer saw are not the present ones."""

    type = "menu-changed"
    title = "The menu changed meanwhile"


class NotOnMenu(Invalid):
    """An item or a choice is not sold, or the choices don't fit the item."""

    type = "not-on-menu"
    title = "This can't be ordered so"


class NotSoldNow(Conflict):
    """The item is on the menu, and sold out or sold at other hours."""

    type = "not-sold-now"
    title = "This is not sold now"


class Change(Frozen):
    """What became different about a line of an order between two versions of a menu."""

    item_id: ItemId
    change: Literal["gone", "unavailable", "available", "price", "choices", "tax"]
    group_id: ModifierGroupId | None = None
    modifier_id: ModifierId | None = None
    before: Units | None = None
    now: Units | None = None


def must_be_present(
    command: PlaceOrder, named: PricedMenu | None, menu: PricedMenu, *, timezone: str, at: datetime
) -> None:
    """Raise MenuChanged, with the difference, where an order names another version than that of the present `menu`.

    `named` is the version that it names; None where there is none such.
    """
    if command.menu_version in (None, menu.version):
        return
    told = changes(command.lines, named, menu, timezone=timezone, at=at) if named is not None else ()
    raise MenuChanged(
        "Look at what changed, and order from the menu's present version.",
        menu_version=menu.version,
        changes=[change.model_dump(mode="json", exclude_none=True) for change in told],
    )


def lines_of(
    command: PlaceOrder,
    menu: PricedMenu,
    discounts: Sequence[OfferedDiscount],
    *,
    timezone: str,
    now: datetime,
    at: datetime,
) -> tuple[OrderLine, ...]:
    """Return an order's lines by the present menu: priced, then discounted, then taxed. It is made at `at`.

    Raises NotOnMenu, NotSoldNow, DiscountNotApplicable, DiscountUsedUp.
    """
    plain = [priced(line, menu, timezone=timezone, at=at) for line in command.lines]
    drafts = [(menu.items[line.item_id], line) for line in plain]
    lines = discounted(drafts, discounts, code=command.discount_code, now=now)
    if not menu.taxes:
        return lines
    return tuple(taxed(line, closest(menu.taxes, item)) for (item, _), line in zip(drafts, lines, strict=True))


def priced(line: LineRequest, menu: PricedMenu, *, timezone: str, at: datetime) -> OrderLine:
    """Return a line with its prices by `menu`, to be made at `at`. Raises NotOnMenu, NotSoldNow."""
    item = menu.items.get(line.item_id)
    if item is None or not item.available:
        raise NotOnMenu("The shop does not sell this item now.", item_id=line.item_id)
    _sold(item, menu, timezone, at)
    chosen = _chosen(line, item, menu)
    each = item.price + sum(modifier.price_delta for modifier in chosen)
    return OrderLine(
        item_id=item.item_id,
        name=item.name,
        quantity=line.quantity,
        unit_price=item.price,
        modifiers=chosen,
        total=each * line.quantity,
        sku=item.sku,
    )


def _sold(item: MenuItem, menu: PricedMenu, timezone: str, at: datetime) -> None:
    """Raise NotSoldNow where the item is sold out or it is not the hour for it."""
    mark = sold_out(item, menu.sold_out, at) if menu.sold_out else None
    if mark is not None:
        again = {} if mark.until is None else {"sold_out_until": rfc3339(mark.until)}
        raise NotSoldNow(f"“{item.name}” is sold out.", item_id=item.item_id, **again)
    if menu.dayparts and (closed := off_hours(item, menu.dayparts, timezone, at)):
        raise NotSoldNow(
            f"“{item.name}” is sold at other hours.",
            item_id=item.item_id,
            dayparts=[daypart.model_dump(mode="json", include={"name", "weekly"}) for daypart in closed],
        )


def _chosen(line: LineRequest, item: MenuItem, menu: PricedMenu) -> tuple[ChosenModifier, ...]:
    """Return the choices of a line as priced: the ones asked for, or the defaults of a group nobody chose from."""
    asked = set(line.modifiers)
    if len(asked) != len(line.modifiers):
        raise NotOnMenu("A choice is named twice.", item_id=item.item_id)
    chosen: list[ChosenModifier] = []
    for group_id in item.modifier_groups:
        chosen += _from_group(asked, menu.groups[group_id], item)
    unknown = asked - {modifier.modifier_id for modifier in chosen}
    if unknown:
        raise NotOnMenu("This item has no such choice.", item_id=item.item_id, modifiers=sorted(unknown))
    return tuple(chosen)


def _from_group(asked: set[ModifierId], group: ModifierGroup, item: MenuItem) -> list[ChosenModifier]:
    picked = _picked(asked, group)
    if any(not modifier.available for modifier in picked):
        raise NotOnMenu("A choice is not available now.", item_id=item.item_id, group=group.name)
    if not group.min <= len(picked) <= group.max:
        raise NotOnMenu(f"Choose {group.min} to {group.max} of “{group.name}”.", item_id=item.item_id, group=group.name)
    return [
        ChosenModifier(modifier_id=modifier.modifier_id, name=modifier.name, price_delta=modifier.price_delta)
        for modifier in picked
    ]


def _picked(asked: Iterable[ModifierId], group: ModifierGroup) -> list[Modifier]:
    """Return what is taken of a group: the choices asked for, else its defaults."""
    picked = [modifier for modifier in group.modifiers if modifier.modifier_id in asked]
    return picked or [modifier for modifier in group.modifiers if modifier.modifier_id in group.defaults]


def changes(
    lines: Iterable[LineRequest], before: PricedMenu, now: PricedMenu, *, timezone: str, at: datetime
) -> tuple[Change, ...]:
    """Return what is different for these lines by the menu `now` from what it was by the menu `before`.

    Both are looked at as of `at`, so that only what was changed counts, not the time that went by.
    """
    found: list[Change] = []
    for line in lines:
        was, is_ = before.items.get(line.item_id), now.items.get(line.item_id)
        if was is not None:
            found += _item_changes(line, was, before, is_, now, timezone, at)
    return tuple(dict.fromkeys(found))


def _item_changes(
    line: LineRequest,
    was: MenuItem,
    before: PricedMenu,
    is_: MenuItem | None,
    now: PricedMenu,
    timezone: str,
    at: datetime,
) -> Iterator[Change]:
    item_id = line.item_id
    if is_ is None:
        yield Change(item_id=item_id, change="gone")
        return
    could, can = _orderable(was, before, timezone, at), _orderable(is_, now, timezone, at)
    if could != can:
        yield Change(item_id=item_id, change="available" if can else "unavailable")
    if was.price != is_.price:
        yield Change(item_id=item_id, change="price", before=was.price, now=is_.price)
    yield from _choice_changes(line, was, before, is_, now)
    if _taxes(was, before) != _taxes(is_, now):
        yield Change(item_id=item_id, change="tax")


def _taxes(item: MenuItem, menu: PricedMenu) -> set[tuple[str, int, str]]:
    return {(tax.name, tax.rate_bp, tax.inclusion) for tax in closest(menu.taxes, item)}


def _orderable(item: MenuItem, menu: PricedMenu, timezone: str, at: datetime) -> bool:
    marked = sold_out(item, menu.sold_out, at) is not None
    return item.available and not marked and not off_hours(item, menu.dayparts, timezone, at)


def _choice_changes(
    line: LineRequest, was: MenuItem, before: PricedMenu, is_: MenuItem, now: PricedMenu
) -> Iterator[Change]:
    """Yield what is different about the choices that this line takes, and those that it has to make."""
    asked, item_id = set(line.modifiers), line.item_id
    had, has = _choices(was, before), _choices(is_, now)
    for modifier_id in line.modifiers:
        old, new = had.get(modifier_id), has.get(modifier_id)
        if old is not None and new is None:
            yield Change(item_id=item_id, change="gone", modifier_id=modifier_id)
        elif old is not None and new is not None:
            yield from _one_choice(item_id, old, new)
    for group_id in was.modifier_groups:
        if group_id not in is_.modifier_groups and _picked(asked, before.groups[group_id]):
            yield Change(item_id=item_id, change="choices", group_id=group_id)
    for group_id in is_.modifier_groups:
        group = now.groups[group_id]
        same = before.groups.get(group_id) if group_id in was.modifier_groups else None
        if same is None:
            if group.min or group.defaults:
                yield Change(item_id=item_id, change="choices", group_id=group_id)
            continue
        if (same.min, same.max) != (group.min, group.max):
            yield Change(item_id=item_id, change="choices", group_id=group_id)
        yield from _default_changes(item_id, asked, same, group)


def _default_changes(
    item_id: ItemId, asked: set[ModifierId], same: ModifierGroup, group: ModifierGroup
) -> Iterator[Change]:
    """Yield what is different about what is chosen for a customer who chose nothing of a group."""
    old = {modifier.modifier_id: modifier for modifier in _picked(asked, same)}
    new = {modifier.modifier_id: modifier for modifier in _picked(asked, group)}
    if old.keys() != new.keys():
        yield Change(item_id=item_id, change="choices", group_id=group.group_id)
    for modifier_id in sorted((old.keys() & new.keys()) - asked):
        yield from _one_choice(item_id, old[modifier_id], new[modifier_id])


def _one_choice(item_id: ItemId, old: Modifier, new: Modifier) -> Iterator[Change]:
    if old.available != new.available:
        change: Literal["available", "unavailable"] = "available" if new.available else "unavailable"
        yield Change(item_id=item_id, change=change, modifier_id=new.modifier_id)
    if old.price_delta != new.price_delta:
        yield Change(
            item_id=item_id,
            change="price",
            modifier_id=new.modifier_id,
            before=old.price_delta,
            now=new.price_delta,
        )


def _choices(item: MenuItem, menu: PricedMenu) -> Mapping[ModifierId, Modifier]:
    return {
        modifier.modifier_id: modifier
        for group_id in item.modifier_groups
        for modifier in menu.groups[group_id].modifiers
    }
