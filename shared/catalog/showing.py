"""What customers see of a menu: what can be ordered at this moment, and prices in coins. Pure."""

from collections.abc import Iterator, Mapping, Sequence, Set
from datetime import datetime, timedelta
from decimal import Decimal
from typing import Final

from shared.catalog.facts import Daypart, MenuItem, closest
from shared.catalog.model import LiveRate, Menu, MenuView, ShownItem
from shared.catalog.ports import Rate, Shelf, ShopTerms
from shared.kernel.hours import changes_at, open_window
from shared.kernel.ids import ItemId
from shared.kernel.money import MINOR_DIGITS, Asset, Money

FRESH_RATE: Final = timedelta(minutes=2)
"""An older rate is not shown: nobody would get that price."""


def shown(
    menu: Menu,
    version: int,
    *,
    shop: ShopTerms,
    rates: Mapping[Asset, Rate],
    now: datetime,
    shelf: Shelf | None = None,
    images_at: str = "",
) -> MenuView:
    """Return the menu as customers see it, with prices in the coins that the shop takes and that have a fresh rate.

    They are what a quote would say: at the rate less the shop's spread. `images_at` is where pictures are, as a URL.
    Without a `shelf`, everything is taken to be in stock.

    Built often, from parts that are valid already: they are put together without being validated again.
    """
    fresh = {
        asset: _less(rates[asset], shop.spread_bp.get(asset, 0))
        for asset in shop.accepts
        if asset in rates and rates[asset].at > now - FRESH_RATE
    }
    worth = {asset: _worth(asset, rate.rate, MINOR_DIGITS[menu.currency]) for asset, rate in fresh.items()}
    images = {image.item_id: f"{images_at}/{image.key}" for image in menu.images}
    back_at = _back_at(menu, shelf, now)
    sold = on_sale(menu, timezone=shop.timezone, now=now, shelf=shelf)
    return MenuView.model_construct(
        menu_id=menu.menu_id,
        shop_id=menu.shop_id,
        version=version,
        currency=menu.currency,
        rates={asset: LiveRate.model_construct(rate=f"{rate.rate:f}", at=rate.at) for asset, rate in fresh.items()},
        items=tuple(
            ShownItem.model_construct(
                **dict(item),
                prices=tuple(_in_coins(item.price, asset, ratio) for asset, ratio in worth.items()),
                image_url=images.get(item.item_id),
                on_sale=item.item_id in sold,
                sold_out_until=back_at.get(item.item_id),
            )
            for item in menu.items
        ),
        groups=menu.groups,
        dayparts=menu.dayparts,
        taxes=menu.taxes,
    )


def _back_at(menu: Menu, shelf: Shelf | None, now: datetime) -> dict[ItemId, datetime]:
    """Return when items that are sold out are there again: the last of all marks that are on them."""
    marks = {mark.item_id: mark.until for mark in menu.sold_out if mark.until is None or now < mark.until}
    found: dict[ItemId, datetime] = {}
    for item in menu.items:
        ends = [marks[item.item_id]] if item.item_id in marks else []
        if shelf is not None and not _in_stock(item, shelf):
            ends.append(shelf.back_at.get(item.sku or ""))
        known = [end for end in ends if end is not None]
        if known and len(known) == len(ends):
            found[item.item_id] = max(known)
    return found


def _in_stock(item: MenuItem, shelf: Shelf) -> bool:
    """Return whether a portion of an item can be had. What a recipe takes is looked at when it is ordered."""
    return item.sku is None or item.item_id in shelf.by_recipe or item.sku in shelf.there


def on_sale(menu: Menu, *, timezone: str, now: datetime, shelf: Shelf | None = None) -> frozenset[ItemId]:
    """Return the items that can be ordered now.

    They are available, not sold out, at their hours, with enough to choose from, and on the shelf if they are counted.
    """
    marked = {mark.item_id for mark in menu.sold_out if mark.until is None or now < mark.until}
    now_ = {daypart.name for daypart in menu.dayparts if open_window(daypart.weekly, timezone, now)}
    short = {group.group_id for group in menu.groups if group.min > sum(each.available for each in group.modifiers)}
    return frozenset(
        item.item_id
        for item in menu.items
        if item.available
        and item.item_id not in marked
        and short.isdisjoint(item.modifier_groups)
        and _at_its_hour(item, menu.dayparts, now_)
        and (shelf is None or _in_stock(item, shelf))
    )


def _at_its_hour(item: MenuItem, dayparts: Sequence[Daypart], now: Set[str]) -> bool:
    own = closest(dayparts, item) if dayparts else ()
    return not own or any(daypart.name in now for daypart in own)


def true_until(menu: Menu, *, timezone: str, now: datetime, most: datetime) -> datetime:
    """Return until when what is shown at `now` stays true, `most` at the latest: no mark ends, no daypart begins."""
    return min((most, *(moment for moment in _moments(menu, timezone, now) if moment > now)))


def _moments(menu: Menu, timezone: str, now: datetime) -> Iterator[datetime]:
    for mark in menu.sold_out:
        if mark.until is not None:
            yield mark.until
    for daypart in menu.dayparts:
        change = changes_at(daypart.weekly, timezone, now)
        if change is not None:
            yield change


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
