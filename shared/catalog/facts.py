"""Published facts of the catalog. Every one of them makes a new version of its shop's menu."""

from collections.abc import Iterable, Sequence
from datetime import datetime
from typing import ClassVar, Literal, TypeVar

from pydantic import Field

from shared.kernel.facts import Fact
from shared.kernel.hours import Opening, open_window
from shared.kernel.ids import DiscountId, ItemId, MenuId, MerchantId, ModifierGroupId, ModifierId, OrderId, ShopId
from shared.kernel.money import Currency, Frozen, Units


class Modifier(Frozen):
    """One choice: oat milk, +50 cents."""

    modifier_id: ModifierId
    name: str = Field(min_length=1, max_length=80)
    price_delta: Units = Field(description="Added to the item's price, in minor units of the shop's currency")
    available: bool = True
    allergens: tuple[str, ...] = Field(default=(), max_length=20, description="What it brings with it")


class ModifierGroup(Frozen):
    """Choices that belong together; a customer takes at least `min` and at most `max` of them."""

    group_id: ModifierGroupId
    name: str = Field(min_length=1, max_length=80)
    min: int = Field(ge=0, le=20)
    max: int = Field(ge=1, le=20)
    modifiers: tuple[Modifier, ...] = Field(min_length=1, max_length=50)
    defaults: tuple[ModifierId, ...] = ()


class Nutrition(Frozen):
    """What is in one portion, without choices: energy in kilojoules, the rest in milligrams. None: nobody said."""

    energy_kj: int = Field(ge=0, le=1_000_000)
    fat_mg: int | None = Field(default=None, ge=0, le=10_000_000)
    saturates_mg: int | None = Field(default=None, ge=0, le=10_000_000)
    carbohydrate_mg: int | None = Field(default=None, ge=0, le=10_000_000)
    sugars_mg: int | None = Field(default=None, ge=0, le=10_000_000)
    protein_mg: int | None = Field(default=None, ge=0, le=10_000_000)
    salt_mg: int | None = Field(default=None, ge=0, le=10_000_000)
    caffeine_mg: int | None = Field(default=None, ge=0, le=10_000)


class MenuItem(Frozen):
    """Something a shop sells. `sku` is the stock one portion takes; None for what is never counted."""

    item_id: ItemId
    name: str = Field(min_length=1, max_length=120)
    description: str = Field(default="", max_length=1000)
    category: str = Field(min_length=1, max_length=60)
    price: Units = Field(description="In minor units of the shop's currency")
    sku: str | None = Field(default=None, pattern=r"^[a-z0-9][a-z0-9-]{0,39}$")
    modifier_groups: tuple[ModifierGroupId, ...] = Field(default=(), max_length=10)
    allergens: tuple[str, ...] = Field(default=(), max_length=20)
    available: bool = True
    diets: tuple[str, ...] = Field(default=(), max_length=10)
    nutrition: Nutrition | None = None


class SoldOutMark(Frozen):
    """An item that staff marked as sold out, until a time or until somebody says otherwise."""

    item_id: ItemId
    until: datetime | None = None


class ItemImage(Frozen):
    """The picture of an item: where it lies in the bucket."""

    item_id: ItemId
    key: str


class Scope(Frozen):
    """What a rule of a menu is for: items by id, or whole categories; naming neither, what nothing closer is for."""

    items: tuple[ItemId, ...] = ()
    categories: tuple[str, ...] = ()

    def covers(self, item: MenuItem) -> bool:
        """Return whether an item is named, by itself or by its category, or nothing is."""
        if not self.items and not self.categories:
            return True
        return item.item_id in self.items or item.category in self.categories


class Daypart(Scope):
    """Hours, in the shop's time zone, at which things are sold: breakfast, happy hour."""

    name: str
    weekly: tuple[Opening, ...]


class Tax(Scope):
    """A tax on what is sold: `inclusive` ones are part of the price, `exclusive` ones come on top of it."""

    name: str
    rate_bp: int = Field(ge=0, le=10_000, description="In 0.01 %")
    inclusion: Literal["inclusive", "exclusive"]


class Discount(Scope):
    """What is taken off an order: a part of what its items cost, or an amount. Without a code everybody gets it."""

    discount_id: DiscountId
    name: str
    code: str | None = None
    rate_bp: int | None = Field(default=None, ge=1, le=10_000, description="In 0.01 % of what its items cost")
    amount: Units | None = None
    minimum: Units = 0
    maximum: Units | None = None
    starts_at: datetime | None = None
    ends_at: datetime | None = None
    uses: int | None = Field(default=None, ge=1, description="How many orders may have it; None: as many as come")
    active: bool = True


Rule = TypeVar("Rule", bound=Scope)


def closest(rules: Iterable[Rule], item: MenuItem) -> tuple[Rule, ...]:
    """Return the rules for an item: those that name it, else those that name its category, else the general ones."""
    rules = tuple(rules)
    return (
        tuple(rule for rule in rules if item.item_id in rule.items)
        or tuple(rule for rule in rules if item.category in rule.categories)
        or tuple(rule for rule in rules if not rule.items and not rule.categories)
    )


def sold_out(item: MenuItem, marks: Iterable[SoldOutMark], at: datetime) -> SoldOutMark | None:
    """Return the mark by which an item is sold out at a moment, or None."""
    for mark in marks:
        if mark.item_id == item.item_id and (mark.until is None or at < mark.until):
            return mark
    return None


def off_hours(item: MenuItem, dayparts: Sequence[Daypart], timezone: str, at: datetime) -> tuple[Daypart, ...]:
    """Return the dayparts that an item is sold in, where none of them is at this moment; nothing where it is sold."""
    own = closest(dayparts, item) if dayparts else ()
    if any(open_window(daypart.weekly, timezone, at) for daypart in own):
        return ()
    return own


class MenuFact(Fact):
    """What every fact of a menu says."""

    type: ClassVar = "product.any_menu.v1"
    menu_id: MenuId
    shop_id: ShopId
    merchant_id: MerchantId
    currency: Currency


class MenuItemPut(MenuFact):
    """An item was added or replaced."""

    type: ClassVar = "product.menu_item_put.v1"
    item: MenuItem


class ModifierGroupPut(MenuFact):
    """A modifier group was added or replaced."""

    type: ClassVar = "product.modifier_group_put.v1"
    group: ModifierGroup


class MenuImported(MenuFact):
    """The whole menu was replaced by one that came from elsewhere."""

    type: ClassVar = "product.menu_imported.v1"
    items: tuple[MenuItem, ...]
    groups: tuple[ModifierGroup, ...] = ()
    dayparts: tuple[Daypart, ...] | None = None
    """None: they stay as they are."""
    taxes: tuple[Tax, ...] | None = None


class MenuItemArchived(MenuFact):
    """An item is sold no more. Versions of the menu that had it keep it."""

    type: ClassVar = "product.menu_item_archived.v1"
    item_id: ItemId


class ItemAvailabilitySet(MenuFact):
    """An item is sold out, until a time or until further notice; or it is there again."""

    type: ClassVar = "product.item_availability_set.v1"
    item_id: ItemId
    sold_out: bool
    until: datetime | None = None


class DaypartsSet(MenuFact):
    """The hours at which things are sold are these; what no daypart is for is always sold."""

    type: ClassVar = "product.dayparts_set.v1"
    dayparts: tuple[Daypart, ...]


class TaxesSet(MenuFact):
    """What is sold is taxed so; what no tax is for is not taxed."""

    type: ClassVar = "product.taxes_set.v1"
    taxes: tuple[Tax, ...]


class DiscountPut(Fact):
    """A shop gives a discount, or gives it otherwise from now on."""

    type: ClassVar = "product.discount_put.v1"
    discount_id: DiscountId
    shop_id: ShopId
    merchant_id: MerchantId
    currency: Currency
    discount: Discount


class DiscountReturned(Fact):
    """An order that had a discount came to nothing, so that somebody else may use it."""

    type: ClassVar = "product.discount_returned.v1"
    discount_id: DiscountId
    order_id: OrderId
    shop_id: ShopId
    merchant_id: MerchantId


class ItemImageSet(MenuFact):
    """An item has a picture, another one, or none any more."""

    type: ClassVar = "product.item_image_set.v1"
    item_id: ItemId
    key: str | None = None
